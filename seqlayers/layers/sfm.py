"""State-Frequency Memory, with given frequencies and with frequencies that adapt.

    f_ste = sigmoid(x V_ste + z' W_ste + b_ste)                   (6)  state forget gate      [B, D]
    f_fre = sigmoid(x V_fre + z' W_fre + b_fre)                   (7)  frequency forget gate  [B, K]
    u     = sigmoid(x V_g + z' W_g + b_g) * tanh(x V_i + z' W_i + b_i)  (9)(10)  gated input  [B, D]
    S     = outer(f_ste, f_fre) * S' + outer(u, exp(j w t))       (1)(8)  memory, complex  [B, D, K]
    A     = |S|                                                   (4)  amplitude           [B, D, K]
    o_k   = sigmoid(x V_ok + z' W_ok + b_ok + A_k U_k)            (12)  output gates          [B, M]
    z     = sum_k o_k * tanh(A_k P_k + d_k)                       (11)(13)  output            [B, M]
    w_k   = 2 pi k / K, k = 0 .. K-1                              (3.3)  given frequencies
    w     = 2 pi sigmoid(x V_w + z' W_w + b_w)                    (16)  adaptive frequencies  [B, K]

Numbers are the paper's; (3.3) is a section. A prime marks the step before; t = 1, 2, ... counts the
frames of a sequence, masked ones left out. V, W and b are `kernel`, `recurrent_kernel` and `bias`,
with columns in the order ste, fre, g, i, (w), o_1 .. o_K; [U_k, P_k] is `amplitude_kernel[k]` and d
`output_bias`.

Where sources disagree: eq. 12 prints z'_k where we, with the authors' code, feed back the sum z'
(`recurrent_output="per_frequency"` is the printed form). The authors' code divides integers, which
keeps its t at 0 but for the last step; ours counts. `variant="stock"` is the later form of Zhang,
Aggarwal and Qi (KDD 2017), with one output gate o and the frequencies summed up before it:

    z = sigmoid(x V_o + z' W_o + b_o) * tanh(sum_k A_k^2 u_k + d)

`gates="input"` is ours: z' is left out of (6) to (10), (12) and (16), and there is no W,

    f_ste = sigmoid(x V_ste + b_ste), ..., o_k = sigmoid(x V_ok + b_ok + A_k U_k)

Then S is a linear recurrence, whose decays and inputs are known for all frames at once, and
everything else sees one frame: a layer computes many frames in each step of its loop.

Reference: H. Hu and G.-J. Qi, State-Frequency Memory Recurrent Neural Networks, ICML 2017.
"""

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_choice, check_flag, check_integer
from seqlayers.layers.clock import NUM_DIGITS, as_frequencies, count, cycles, digits
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.sfm_parallel_recurrence import ParallelStateFrequencyRecurrence
from seqlayers.layers.sfm_recurrence import StateFrequencyRecurrence, amplitude, cos_and_sin


class StateFrequencyCell(GatedCell):
    """The cell of both memories, without the frequencies.

    Args:
        rotation: Where the frequencies come from: `"given"` and `"learned"` ones, or adaptive ones
            with a phase that is a `"product"` or `"accumulated"`.
        units: Size M of the output z.
        num_frequencies: Number K of frequencies that the memory is split into.
        memory_units: Number D of states at each frequency; `units` if None.
        recurrent_output: Part of the previous output that each output gate reads: `"aggregated"`,
            all of z', or `"per_frequency"`, its own term of z'.
        variant: `"paper"` or `"stock"`.
        gates: What gates, input and adaptive frequencies see: `"recurrent"`, x and z', or
            `"input"`, x alone. Without z' there is no `recurrent_kernel`, and a layer computes many
            frames at once.
        recurrent_initializer: Initializer of `recurrent_kernel`. This and the other two arguments
            of that weight have no effect with `gates="input"`.
        recurrent_dropout: Fraction of the output to drop in training on its way into the gates of
            the next frame, the same at all frames of a sequence; 0 with `gates="input"`.
        activation: Activation of i and of each term of the output.
        unit_forget_bias: Whether the biases of both forget gates start at 1.
        kernel_initializer: Initializer of `kernel` and `amplitude_kernel`.
        kernel_regularizer: Regularizer of `kernel` and `amplitude_kernel`.
        kernel_constraint: Constraint of `kernel` and `amplitude_kernel`.
    """

    def __init__(
        self,
        rotation,
        /,
        units,
        num_frequencies=4,
        memory_units=None,
        frequencies: Any = "log",
        recurrent_output="aggregated",
        variant="paper",
        gates="recurrent",
        **kwargs,
    ):
        super().__init__(units, **kwargs)
        self.num_frequencies = check_integer("num_frequencies", num_frequencies)
        self.memory_units = (
            self.units if memory_units is None else check_integer("memory_units", memory_units)
        )
        self.initial_frequencies = as_frequencies(frequencies, self.num_frequencies)
        self.frequencies = self.initial_frequencies
        self._given_frequencies = frequencies
        self.recurrent_output = check_choice(
            "recurrent_output", recurrent_output, ("aggregated", "per_frequency")
        )
        self.variant = check_choice("variant", variant, ("paper", "stock"))
        if variant == "stock" and (
            self.memory_units != self.units or recurrent_output != "aggregated"
        ):
            raise ValueError(
                '`variant="stock"` has one output for each state of the memory and one output '
                "gate: `memory_units` must be None or equal to `units`, and `recurrent_output` "
                f'"aggregated". Received: units={self.units}, memory_units={self.memory_units}, '
                f"recurrent_output={recurrent_output!r}."
            )
        self.gates = check_choice("gates", gates, ("recurrent", "input"))
        if gates == "input" and (recurrent_output != "aggregated" or self.recurrent_dropout):
            raise ValueError(
                '`gates="input"` leaves no previous output to feed back: `recurrent_output` must '
                'be "aggregated" and `recurrent_dropout` 0; use `dropout` on the inputs. Received: '
                f"recurrent_output={recurrent_output!r}, "
                f"recurrent_dropout={self.recurrent_dropout}."
            )
        self.rotation = rotation
        M, K, D = self.units, self.num_frequencies, self.memory_units
        states = {"z": M, "Re S": K * D, "Im S": K * D}
        states |= {"phase": K} if rotation == "accumulated" else {"clock": NUM_DIGITS}
        if recurrent_output == "per_frequency":
            states["terms of z"] = K * M
        self.state_names, self.state_size = list(states), list(states.values())
        of_omega = 0 if rotation in ("given", "learned") else K
        self.columns = [D, K, D, D, of_omega, K * M if variant == "paper" else M]

    def build(self, input_shape):
        M, K, D = self.units, self.num_frequencies, self.memory_units
        kernel = {
            "initializer": self.kernel_initializer,
            "regularizer": self.kernel_regularizer,
            "constraint": self.kernel_constraint,
        }
        bias = {"regularizer": self.bias_regularizer, "constraint": self.bias_constraint}
        paper = self.variant == "paper"
        recurrent_rows = 0 if self.gates == "input" else None
        self._add_weights(input_shape, sum(self.columns), recurrent_rows)
        self.output_bias = None
        self.amplitude_kernel = self.add_weight(
            name="amplitude_kernel", shape=(K, D, 2 * M) if paper else (K,), **kernel
        )
        if self.use_bias:
            self.output_bias = self.add_weight(
                name="output_bias",
                shape=(K, M) if paper else (M,),
                initializer=self.bias_initializer,
                **bias,
            )

    def _initial_bias(self, shape, dtype=None):
        bias = self.bias_initializer(shape, dtype=dtype)
        forget, inputs, omega, outputs = ops.split(bias, np.cumsum(self.columns)[[1, 3, 4]])
        if self.unit_forget_bias:
            forget = ops.ones_like(forget)
        if self.columns[4]:
            turns = self.initial_frequencies / (2 * math.pi)
            omega = omega + ops.cast(np.log(turns / (1 - turns)), bias.dtype)
        return ops.concatenate([forget, inputs, omega, outputs])

    @property
    def recurrence(self):
        parallel = self.gates == "input"
        recurrence = ParallelStateFrequencyRecurrence if parallel else StateFrequencyRecurrence
        return recurrence(
            self.units,
            self.num_frequencies,
            self.memory_units,
            self.rotation,
            self.recurrent_output,
            self.variant,
            self.activation,
            self.recurrent_activation,
        )

    def has_gradient(self):
        return (
            (self.variant, self.recurrent_output) == ("paper", "aggregated")
            and self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
        )

    def turn_at(self, t):
        """Returns how far each frequency has turned at step t `(..., 1)`, in cycles, `(..., K)`."""
        raise NotImplementedError

    def _over_frames(self, loop, compiled):
        return functools.partial(_in_chunks, loop, compiled) if self.gates == "input" else loop

    def _run(self, loop, sequences, states, mask, training):
        # The recurrence has S frequency by frequency and no clock: frames have t, or cos and sin.
        K, D = self.num_frequencies, self.memory_units

        def over_frequencies(weights, rows, frames, states, mask):
            z, S_re, S_im, clock_or_phase, *terms = states
            S = [ops.transpose(ops.reshape(s, (-1, K, D)), (1, 0, 2)) for s in (S_re, S_im)]
            memory = (z, *S)
            if self.rotation == "accumulated":
                memory += (clock_or_phase,)
            else:
                steps = ops.ones_like(frames[0][..., 0]) if mask is None else mask
                steps = ops.cast(steps, self.memory_dtype)[..., None]
                first = count(clock_or_phase)
                t = first + ops.cumsum(steps, axis=0)  # [T, B, 1]
                frames += (t if self.rotation == "product" else cos_and_sin(self.turn_at(t)),)
            outputs, after = loop(weights, rows, frames, (*memory, *terms), mask)
            z, S_re, S_im, *rest = after
            S = [ops.reshape(ops.transpose(s, (1, 0, 2)), (-1, K * D)) for s in (S_re, S_im)]
            if self.rotation != "accumulated":
                rest = [digits(first + ops.sum(steps, axis=0)), *rest]  # there may be no step
            return outputs, [z, *S, *rest]

        return super()._run(over_frequencies, sequences, states, mask, training)

    def _frames(self, sequences, training):
        if self.gates == "recurrent":
            return super()._frames(sequences, training)
        return (ops.cast(sequences, self.memory_dtype),)  # the product is one of each chunk

    def _weights(self):
        M, K, d = self.units, self.num_frequencies, self.output_bias
        if d is None:
            d = ops.zeros((K, M) if self.variant == "paper" else (M,))
        if self.gates == "recurrent":
            weights = (self.recurrent_kernel, self.amplitude_kernel, d)
        else:
            b = ops.zeros(sum(self.columns)) if self.bias is None else self.bias
            weights = (self.kernel, b, self.amplitude_kernel, d)
        return tuple(ops.cast(weight, self.memory_dtype) for weight in weights)

    def get_config(self):
        given = self._given_frequencies
        return super().get_config() | {
            "num_frequencies": self.num_frequencies,
            "memory_units": self.memory_units,
            "frequencies": given if isinstance(given, str) else self.initial_frequencies.tolist(),
            "recurrent_output": self.recurrent_output,
            "variant": self.variant,
            "gates": self.gates,
        }


@keras.saving.register_keras_serializable("seqlayers")
class SFMCell(StateFrequencyCell, equations=__doc__):
    """One step of the State-Frequency Memory.

    Args:
        frequencies: `"harmonic"`, w_k = 2 pi k / K, as printed; `"log"`, octaves up to pi, half the
            sampling rate; or K numbers, in radians per step.
        learn_frequencies: Whether the frequencies are weights, trained from there.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: z `(batch, M)`; Re S and Im S, `(batch, K * D)`, frequency by frequency; and the
            clock `(batch, 3)`, t in digits of base 256, the least first. With
            `recurrent_output="per_frequency"` also the terms of z, `(batch, K * M)`.
        training: Whether to apply dropout.

    Returns:
        z and the list of the states after the frame.

    Raises:
        ValueError: If a size is not an integer of at least 1, a choice is unknown, `frequencies`
            are not K finite numbers, or the stock form is asked for with `memory_units` other than
            `units` or with `recurrent_output="per_frequency"`.

    Example:
        >>> keras.layers.RNN(SFMCell(8, num_frequencies=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        units,
        num_frequencies=4,
        memory_units=None,
        frequencies: Any = "harmonic",
        learn_frequencies=False,
        **kwargs,
    ):
        learn_frequencies = check_flag("learn_frequencies", learn_frequencies)
        rotation = "learned" if learn_frequencies else "given"
        super().__init__(rotation, units, num_frequencies, memory_units, frequencies, **kwargs)
        self.learn_frequencies = learn_frequencies

    def build(self, input_shape):
        super().build(input_shape)
        if self.learn_frequencies:
            self.frequencies = self.add_weight(
                name="frequencies",
                shape=(self.num_frequencies,),
                initializer=lambda shape, dtype: ops.cast(self.initial_frequencies, dtype),
                autocast=False,
            )

    def turn_at(self, t):
        if self.learn_frequencies:
            return cycles(ops.cast(self.frequencies, self.memory_dtype) / (2 * math.pi), t)
        return cycles(self.initial_frequencies / (2 * math.pi), t)

    def get_config(self):
        return super().get_config() | {"learn_frequencies": self.learn_frequencies}


@keras.saving.register_keras_serializable("seqlayers")
class AdaptiveSFMCell(StateFrequencyCell, equations=__doc__):
    """One step of the Adaptive State-Frequency Memory, whose frequencies follow the input.

    Args:
        phase: `"product"`, an angle of w_t * t at step t, as printed: it jumps when the frequency
            moves, the more the later, and its gradient grows with t at every step back, so that it
            overflows on sequences of some hundred frames. `"accumulated"`, an angle of
            w_1 + ... + w_t, does neither.
        frequencies: Where the adaptive frequencies start, by their bias: `"log"`, octaves up to pi,
            or K numbers above 0 and below 2 pi, in radians per step. With a bias of 0 all would
            start at pi.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: z `(batch, M)`; Re S and Im S, `(batch, K * D)`, frequency by frequency; and the
            clock `(batch, 3)`, t in digits of base 256, the least first. With
            `phase="accumulated"` the phases `(batch, K)`, in cycles from 0 to 1, replace the clock.
            With `recurrent_output="per_frequency"` also the terms of z, `(batch, K * M)`.
        training: Whether to apply dropout.

    Returns:
        z and the list of the states after the frame.

    Raises:
        ValueError: If a size is not an integer of at least 1, a choice is unknown, `frequencies`
            are not K numbers above 0 and below 2 pi, or the stock form is asked for with
            `memory_units` other than `units` or with `recurrent_output="per_frequency"`.

    Example:
        >>> keras.layers.RNN(AdaptiveSFMCell(8, num_frequencies=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        units,
        num_frequencies=4,
        memory_units=None,
        phase="product",
        frequencies: Any = "log",
        **kwargs,
    ):
        check_choice("phase", phase, ("product", "accumulated"))
        super().__init__(phase, units, num_frequencies, memory_units, frequencies, **kwargs)
        self.phase = phase
        if np.any((self.initial_frequencies <= 0) | (self.initial_frequencies >= 2 * math.pi)):
            raise ValueError(
                "`frequencies` that adapt must start above 0 and below 2 pi, as eq. 16 has them. "
                f"Received: frequencies={frequencies!r}."
            )

    def get_config(self):
        return super().get_config() | {"phase": self.phase}


# Frames of all rows that a chunk has: its outputs before their sigmoids and tanh are 3 MB.
FRAMES_IN_A_CHUNK = 1024
STEPS_IN_A_CHUNK = 32  # where sizes are not known and nothing is compiled: no loop is in the loop


def _in_chunks(loop, compiled, weights, rows, frames, states, mask):
    """Runs a loop over chunks of frames, as if it were one over frames.

    There are few lengths of a chunk, since XLA compiles the loop for each.
    """
    steps, batch = ops.shape(frames[0])[:2]
    if compiled or _known(steps, batch):
        least, most = (min, max) if _known(steps, batch) else (ops.minimum, ops.maximum)
        longest = most(FRAMES_IN_A_CHUNK // most(batch, 1), 1)
        chunks = most(-(-steps // longest), 1)
        unit = most(longest // 16, 1)
        chunk = least(-(-most(-(-steps // chunks), 1) // unit) * unit, longest)
    else:
        chunk = min(steps, STEPS_IN_A_CHUNK) if _known(steps) else STEPS_IN_A_CHUNK
        chunk = max(chunk, 1)
    chunks = (steps + chunk - 1) // chunk  # ONNX rounds negative numbers up
    padding = chunks * chunk - steps
    padded = not _known(padding) or padding > 0
    if mask is not None or padded:
        seen = ops.ones((steps, batch)) if mask is None else mask
        frames = (*frames, ops.cast(seen, frames[0].dtype)[..., None])
    if padded:
        frames = tuple(
            ops.concatenate([x, ops.zeros((padding, batch, x.shape[-1]), x.dtype)]) for x in frames
        )
    frames = tuple(ops.reshape(x, (chunks, chunk, batch, x.shape[-1])) for x in frames)
    first, *others = states
    z = ops.zeros((chunk, batch, first.shape[-1]), first.dtype)
    outputs, (_, *others) = loop(weights, rows, frames, (z, *others), None)
    outputs = ops.reshape(outputs, (-1, batch, first.shape[-1]))[:steps]
    if mask is None and _known(steps) and steps > 0:
        return outputs, (outputs[-1], *others)
    outputs = ops.concatenate([first[None], outputs])  # there may be no step, or none that is seen
    if mask is not None:
        outputs = _held(outputs, mask)
    return outputs[1:], (outputs[-1], *others)


def _held(outputs, mask):
    """Returns the first state and outputs, which stay as they are at masked steps.

    Args:
        outputs: `(1 + time, batch, units)`, the first state before those of all steps.
        mask: Which steps are frames, bool `(time, batch)`.
    """
    time, batch, units = ops.shape(outputs)
    steps = ops.arange(1, time)[:, None]
    seen = ops.argsort(ops.where(mask, steps, steps + time), axis=0) + 1  # those that are, first
    number = ops.cumsum(ops.cast(mask, "int32"), axis=0)
    seen, number = (ops.pad(ops.cast(x, "int32"), ((1, 0), (0, 0))) for x in (seen, number))
    rows = ops.arange(batch)
    last = ops.take(ops.reshape(seen, (-1,)), number * batch + rows)  # seen up to each step
    outputs = ops.take(ops.reshape(outputs, (-1, units)), last * batch + rows, axis=0)
    return ops.reshape(outputs, (time, batch, units))


def _known(*numbers):
    return all(isinstance(number, int) for number in numbers)


class StateFrequencyRNN(GatedRNN):
    """A recurrent layer whose memory has a spectrum."""

    @classmethod
    def from_parallel(cls, layer):
        """Returns a recurrent layer with the outputs of a parallel one, to train further.

        Its `recurrent_kernel` is 0, all other weights, arguments and the name are those of `layer`.

        Args:
            layer: A built layer of this class with `gates="input"`.

        Raises:
            ValueError: If it is anything else.

        Example:
            >>> parallel = SFM(8, gates="input")
            >>> outputs = parallel(np.ones((2, 10, 3)))
            >>> recurrent = SFM.from_parallel(parallel)
            >>> np.allclose(recurrent(np.ones((2, 10, 3))), outputs, atol=1e-6)
            True
        """
        if type(layer) is not cls or not layer.built or layer.gates != "input":
            raise ValueError(
                f'`layer` must be a built `{cls.__name__}` with `gates="input"`; call it on data '
                f"first. Received: {layer!r}."
            )
        recurrent = cls.from_config(layer.get_config() | {"gates": "recurrent"})
        recurrent.build((None, None, layer.cell.kernel.shape[0]))
        kept = {weight.name: weight for weight in layer.cell.weights}
        for weight in recurrent.cell.weights:
            known = kept.get(weight.name)
            weight.assign(np.zeros(weight.shape) if known is None else known.value)
        return recurrent

    def spectrum(self, inputs, initial_state=None, mask=None):
        """Returns the amplitudes A of the memory at each frame, eq. 4.

        Args:
            inputs: Sequences `(batch, time, features)`.
            initial_state: List of the states before the first frame; zeros if None.
            mask: Which steps are frames, bool `(batch, time)`. At other steps the amplitudes are
                those of the frame before.

        Returns:
            `(batch, time, D, K)`.
        """
        inputs = ops.convert_to_tensor(inputs)
        if not self.built:
            self.build(inputs.shape)
        cell = _Amplitudes(self.cell, dtype=self.dtype_policy)
        reader = keras.layers.RNN(
            cell, return_sequences=True, go_backwards=self.go_backwards, dtype=self.dtype_policy
        )
        if initial_state is not None:
            initial_state = cell.with_silence(initial_state)
        amplitudes = reader(inputs, initial_state=initial_state, mask=mask)
        shape = (*ops.shape(amplitudes)[:2], self.cell.num_frequencies, self.cell.memory_units)
        return ops.swapaxes(ops.reshape(amplitudes, shape), 2, 3)


@keras.saving.register_keras_serializable("seqlayers")
class SFM(StateFrequencyRNN, cell=SFMCell):
    """State-Frequency Memory, in all else like `keras.layers.LSTM`.

    Example:
        >>> SFM(8, num_frequencies=4, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 8])
    """


@keras.saving.register_keras_serializable("seqlayers")
class AdaptiveSFM(StateFrequencyRNN, cell=AdaptiveSFMCell):
    """Adaptive State-Frequency Memory, in all else like `keras.layers.LSTM`.

    Example:
        >>> AdaptiveSFM(8, phase="accumulated")(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """


class _Amplitudes(keras.layers.Layer):
    """A cell whose outputs are the amplitudes of another's memory.

    They are a state, too: on JAX, Keras takes the first state for the output of a masked step.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.output_size = cell.num_frequencies * cell.memory_units
        self.state_size = [self.output_size, *cell.state_size]

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size=None):
        return self.with_silence(self.cell.get_initial_state(batch_size))

    def with_silence(self, states):
        """Returns states of the cell behind amplitudes of 0."""
        silence = ops.zeros((ops.shape(states[0])[0], self.output_size), self.compute_dtype)
        return [silence, *states]

    def call(self, inputs, states):
        _, states = self.cell(inputs, states[1:])
        A = amplitude(*(ops.cast(s, self.cell.memory_dtype) for s in states[1:3]))
        A = ops.cast(A, self.compute_dtype)
        return A, [A, *states]
