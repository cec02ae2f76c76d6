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

Reference: H. Hu and G.-J. Qi, State-Frequency Memory Recurrent Neural Networks, ICML 2017.
"""

import math

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_choice, check_integer
from seqlayers.layers.clock import NUM_DIGITS, as_frequencies, count, cycles, digits, fraction
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.scan import scan
from seqlayers.layers.sfm_scan import StateFrequencyRecurrence


class StateFrequencyCell(GatedCell):
    """What `SFMCell` and `AdaptiveSFMCell` share: all but where the frequencies come from.

    `rotation` says where: "given" and "learned" ones, or adaptive ones with a phase that is a
    "product" or "accumulated".
    """

    def __init__(
        self,
        rotation,
        /,
        units,
        num_frequencies=4,
        memory_units=None,
        frequencies="log",
        recurrent_output="aggregated",
        variant="paper",
        **kwargs,
    ):
        super().__init__(check_integer("units", units), **kwargs)
        self.num_frequencies = check_integer("num_frequencies", num_frequencies)
        memory_units = units if memory_units is None else memory_units
        self.memory_units = check_integer("memory_units", memory_units)
        self.initial_frequencies = as_frequencies(frequencies, self.num_frequencies)
        self.frequencies = self.initial_frequencies
        self._given_frequencies = frequencies
        self.recurrent_output = check_choice(
            "recurrent_output", recurrent_output, ("aggregated", "per_frequency")
        )
        self.variant = check_choice("variant", variant, ("paper", "stock"))
        if variant == "stock" and (memory_units != units or recurrent_output != "aggregated"):
            raise ValueError(
                '`variant="stock"` has one output for each state of the memory and one output '
                "gate: `memory_units` must be None or equal to `units`, and `recurrent_output` "
                f'"aggregated". Received: units={units}, memory_units={memory_units}, '
                f"recurrent_output={recurrent_output!r}."
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
        self._add_weights(input_shape, sum(self.columns))
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

    def call(self, inputs, states, training=False):
        K, D = self.num_frequencies, self.memory_units
        z, S_re, S_im, clock_or_phase, *terms = [ops.cast(s, self.memory_dtype) for s in states]
        S_re, S_im = (ops.reshape(s, (-1, K, D)) for s in (S_re, S_im))
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            dropout = ops.cast(self.get_recurrent_dropout_mask(states[0]), self.memory_dtype)
            z, terms = z * dropout, [term * ops.tile(dropout, (1, K)) for term in terms]

        gates = self.project(inputs) + self._from_output(z, terms)
        f_ste, f_fre, g, i, w, o = ops.split(gates, np.cumsum(self.columns)[:-1], axis=-1)
        gate, activation = self.recurrent_activation, self.activation
        F = gate(f_fre)[:, :, None] * gate(f_ste)[:, None, :]  # (6)(7)(8) [B, K, D]
        u = (gate(g) * activation(i))[:, None, :]  # (9)(10) [B, 1, D]

        turn, clock_or_phase = self.turn(w, clock_or_phase)  # [B, K]
        angle = 2 * math.pi * turn[:, :, None]
        S_re = F * S_re + u * ops.cos(angle)  # (2) [B, K, D]
        S_im = F * S_im + u * ops.sin(angle)  # (3)
        z, terms = self._output(S_re, S_im, o)

        memory = [ops.reshape(s, (-1, K * D)) for s in (S_re, S_im)]
        after = [z, *memory, clock_or_phase, *terms][: len(states)]
        return ops.cast(z, self.compute_dtype), [
            ops.cast(new, old.dtype) for new, old in zip(after, states, strict=True)
        ]

    def _from_output(self, z, terms):
        """z' W, or its form for each frequency."""
        W = ops.cast(self.recurrent_kernel, self.memory_dtype)
        if not terms:
            return ops.matmul(z, W)
        M, K = self.units, self.num_frequencies
        W, W_o = W[:, : -K * M], ops.reshape(W[:, -K * M :], (M, K, M))
        of_terms = ops.einsum("bkm,mkn->bkn", ops.reshape(terms[0], (-1, K, M)), W_o)
        return ops.concatenate([ops.matmul(z, W), ops.reshape(of_terms, (-1, K * M))], axis=-1)

    def _output(self, S_re, S_im, o):
        """z `(batch, M)` and `[z^k (batch, K * M)]`."""
        M, K = self.units, self.num_frequencies
        gate, activation = self.recurrent_activation, self.activation
        P = ops.cast(self.amplitude_kernel, self.memory_dtype)
        d = 0 if self.output_bias is None else ops.cast(self.output_bias, self.memory_dtype)
        if self.variant == "stock":
            power = ops.square(S_re) + ops.square(S_im)
            return gate(o) * activation(ops.einsum("bkd,k->bd", power, P) + d), []
        A = amplitude(S_re, S_im)  # (4) [B, K, D]
        A_U, A_P = ops.split(ops.einsum("bkd,kdm->bkm", A, P), 2, axis=-1)
        o = gate(ops.reshape(o, (-1, K, M)) + A_U)  # (12)
        z = o * activation(A_P + d)  # (11) [B, K, M]
        return ops.sum(z, axis=1), [ops.reshape(z, (-1, K * M))]  # (13)

    def turn(self, w, clock_or_phase):
        """How far each frequency has turned at this frame, in cycles, and that state after it."""
        raise NotImplementedError

    # All frames at once.

    def can_scan(self):
        return (
            (self.variant, self.recurrent_output) == ("paper", "aggregated")
            and self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
        )

    def scan(self, sequences, states, mask, training, jit_compile):
        M, K, D = self.units, self.num_frequencies, self.memory_units
        if training and self.dropout:
            sequences = sequences * self.get_dropout_mask(sequences[0])
        rows = ()
        if training and self.recurrent_dropout:
            rows = (ops.cast(self.get_recurrent_dropout_mask(states[0]), self.memory_dtype),)
        z, S_re, S_im, clock_or_phase = (ops.cast(s, self.memory_dtype) for s in states)
        S_re, S_im = (ops.transpose(ops.reshape(s, (-1, K, D)), (1, 0, 2)) for s in (S_re, S_im))
        d = ops.zeros((K, M)) if self.output_bias is None else self.output_bias
        weights = (self.recurrent_kernel, self.amplitude_kernel, d)
        weights = tuple(ops.cast(w, self.memory_dtype) for w in weights)
        frames, memory = (self.project(sequences),), (z, S_re, S_im)
        if self.rotation == "accumulated":
            memory += (clock_or_phase,)
        else:
            steps = ops.ones_like(sequences[..., 0], dtype="int32") if mask is None else mask
            steps = ops.cumsum(ops.cast(steps, self.memory_dtype), axis=0)
            t = count(clock_or_phase) + steps[..., None]  # [T, B, 1]
            clock = digits(t[-1])
            frames += (t if self.rotation == "product" else self.turn_at(t),)
        recurrence = StateFrequencyRecurrence(M, K, D, self.rotation)
        outputs, (z, S_re, S_im, *phase) = scan(
            recurrence, weights, rows, frames, memory, mask, training, jit_compile
        )
        S = [ops.reshape(ops.transpose(s, (1, 0, 2)), (-1, K * D)) for s in (S_re, S_im)]
        return outputs, [z, *S, *(phase or [clock])]

    def get_config(self):
        given = self._given_frequencies
        return super().get_config() | {
            "num_frequencies": self.num_frequencies,
            "memory_units": self.memory_units,
            "frequencies": given if isinstance(given, str) else self.initial_frequencies.tolist(),
            "recurrent_output": self.recurrent_output,
            "variant": self.variant,
        }


@keras.saving.register_keras_serializable("seqlayers")
class SFMCell(StateFrequencyCell):
    """One step of the State-Frequency Memory.

    Args:
        units: Size M of the output z.
        num_frequencies: Number K of frequencies that the memory is split into.
        memory_units: Number D of states at each frequency; `units` if None.
        frequencies: `"harmonic"`, w_k = 2 pi k / K, as printed; `"log"`, octaves up to pi, half the
            sampling rate; or K numbers, in radians per step.
        learn_frequencies: Whether the frequencies are weights, trained from there.
        recurrent_output: What the output gates see of the step before: `"aggregated"`, the output
            z', or `"per_frequency"`, each its own term of it.
        variant: `"paper"` or `"stock"`.
        **kwargs: Those of `keras.layers.LSTMCell`: `activation` (of i and of the output),
            `recurrent_activation` (of the gates), `use_bias`, `unit_forget_bias` (whether biases of
            both forget gates start at 1), initializers, regularizers and constraints (those of
            `kernel` are those of `amplitude_kernel`, too), `dropout`, `recurrent_dropout`, `seed`.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: z `(batch, M)`; Re S and Im S, `(batch, K * D)`, frequency by frequency; and the
            clock `(batch, 3)`, t in digits of base 256, the least first. With
            `recurrent_output="per_frequency"` also the terms of z, `(batch, K * M)`.

    Returns:
        z and the list of the states after the frame.

    Raises:
        ValueError: naming the argument that is wrong.

    Example:
        >>> keras.layers.RNN(SFMCell(8, num_frequencies=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        units,
        num_frequencies=4,
        memory_units=None,
        frequencies="harmonic",
        learn_frequencies=False,
        **kwargs,
    ):
        rotation = "learned" if learn_frequencies else "given"
        super().__init__(rotation, units, num_frequencies, memory_units, frequencies, **kwargs)
        self.learn_frequencies = bool(learn_frequencies)

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
        """How far each frequency has turned at step t `(..., 1)`, in cycles, `(..., K)`."""
        if self.learn_frequencies:
            return cycles(ops.cast(self.frequencies, self.memory_dtype) / (2 * math.pi), t)
        return cycles(self.initial_frequencies / (2 * math.pi), t)

    def turn(self, w, clock_or_phase):
        t = count(clock_or_phase) + 1
        return self.turn_at(t), digits(t)

    def get_config(self):
        return super().get_config() | {"learn_frequencies": self.learn_frequencies}


@keras.saving.register_keras_serializable("seqlayers")
class AdaptiveSFMCell(StateFrequencyCell):
    """One step of the Adaptive State-Frequency Memory, whose frequencies follow the input.

    Args:
        units: Size M of the output z.
        num_frequencies: Number K of frequencies that the memory is split into.
        memory_units: Number D of states at each frequency; `units` if None.
        phase: `"product"`, an angle of w_t * t at step t, as printed: it jumps when the frequency
            moves, the more the later, and its gradient grows with t at every step back, so that it
            overflows on sequences of some hundred frames. `"accumulated"`, an angle of
            w_1 + ... + w_t, does neither.
        frequencies: Where the adaptive frequencies start, by their bias: `"log"`, or K numbers
            above 0 and below 2 pi, as in `SFMCell`. With a bias of 0 all would start at pi.
        recurrent_output: As in `SFMCell`.
        variant: As in `SFMCell`.
        **kwargs: Those of `keras.layers.LSTMCell`, as in `SFMCell`.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: As those of `SFMCell`; with `phase="accumulated"` the phases `(batch, K)`, in cycles
            from 0 to 1, in the place of the clock.

    Returns:
        z and the list of the states after the frame.

    Raises:
        ValueError: naming the argument that is wrong.
    """

    def __init__(
        self,
        units,
        num_frequencies=4,
        memory_units=None,
        phase="product",
        frequencies="log",
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

    def turn(self, w, clock_or_phase):
        f = ops.sigmoid(w)  # (16), in cycles per step
        if self.phase == "accumulated":
            turn = fraction(clock_or_phase + f)
            return turn, turn
        t = count(clock_or_phase) + 1
        return cycles(f, t), digits(t)

    def get_config(self):
        return super().get_config() | {"phase": self.phase}


class StateFrequencyRNN(GatedRNN):
    """What `SFM` and `AdaptiveSFM` share: a look into the memory."""

    def spectrum(self, inputs, initial_state=None, mask=None):
        """Amplitudes A of the memory at each frame, eq. 4.

        Args:
            inputs: Sequences `(batch, time, features)`.
            initial_state: States to start from; none if None.
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
    """Adaptive State-Frequency Memory, in all else like `keras.layers.LSTM`."""


class _Amplitudes(keras.layers.Layer):
    """A cell that says the amplitudes of another's memory."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = cell.num_frequencies * cell.memory_units

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size=None):
        return self.cell.get_initial_state(batch_size)

    def call(self, inputs, states):
        _, states = self.cell(inputs, states)
        return amplitude(states[1], states[2]), states


def amplitude(re, im):
    """|S|, with the gradient 0 at S = 0."""
    power = ops.square(re) + ops.square(im)
    silent = power == 0
    return ops.where(silent, 0, ops.sqrt(ops.where(silent, 1, power)))
