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
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_choice, check_integer
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.scan import scan

TINY = 1.1754944e-38  # the smallest normal float32


class StateFrequencyCell(GatedCell):
    """What `SFMCell` and `AdaptiveSFMCell` share: all but where the frequencies come from."""

    def __init__(
        self,
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

    def _set_rotation(self, rotation):
        """Sizes, by where the turn of the frequencies comes from.

        Last in `__init__`. "given" and "learned" frequencies, or adaptive ones with the phases
        "product" and "accumulated".
        """
        self.rotation = rotation
        M, K, D = self.units, self.num_frequencies, self.memory_units
        states = {"z": M, "Re S": K * D, "Im S": K * D}
        states |= {"phase": K} if self.rotation == "accumulated" else {"clock": NUM_DIGITS}
        if self.recurrent_output == "per_frequency":
            states["terms of z"] = K * M
        self.state_names, self.state_size = list(states), list(states.values())
        of_omega = 0 if self.rotation in ("given", "learned") else K
        self.columns = [D, K, D, D, of_omega, K * M if self.variant == "paper" else M]

    def build(self, input_shape):
        M, K, D = self.units, self.num_frequencies, self.memory_units
        G = sum(self.columns)
        kernel = {
            "initializer": self.kernel_initializer,
            "regularizer": self.kernel_regularizer,
            "constraint": self.kernel_constraint,
        }
        bias = {"regularizer": self.bias_regularizer, "constraint": self.bias_constraint}
        paper = self.variant == "paper"
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], G), **kernel)
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(M, G),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = self.output_bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(G,), initializer=self._initial_bias, **bias
            )
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
    def memory_dtype(self):
        """At least float32: in half precision the squares in |S| vanish below 2e-4."""
        return "float32" if self.compute_dtype in ("float16", "bfloat16") else self.compute_dtype

    def project(self, inputs):
        """x V + b, `(..., columns)`."""
        x = ops.matmul(inputs, self.kernel)
        return ops.cast(x if self.bias is None else x + self.bias, self.memory_dtype)

    def call(self, inputs, states, training=False):
        K, D = self.num_frequencies, self.memory_units
        z, S_re, S_im, time, *terms = [ops.cast(s, self.memory_dtype) for s in states]
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

        turn, time = self.turn(w, time)  # [B, K]
        angle = 2 * math.pi * turn[:, :, None]
        S_re = F * S_re + u * ops.cos(angle)  # (2) [B, K, D]
        S_im = F * S_im + u * ops.sin(angle)  # (3)
        z, terms = self._output(S_re, S_im, o)

        memory = [ops.reshape(s, (-1, K * D)) for s in (S_re, S_im)]
        after = [z, *memory, time, *terms][: len(states)]
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

    def turn(self, w, time):
        """How far each frequency has turned at this frame, in cycles, and the time after it."""
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
        if mask is not None:  # what is masked may hold anything, NaN included
            sequences = ops.where(mask[..., None], sequences, 0)
        z, S_re, S_im, time = (ops.cast(s, self.memory_dtype) for s in states)
        S_re, S_im = (ops.transpose(ops.reshape(s, (-1, K, D)), (1, 0, 2)) for s in (S_re, S_im))
        kernel = ops.cast(self.amplitude_kernel, self.memory_dtype)
        d = ops.zeros((K, M)) if self.output_bias is None else self.output_bias
        weights = (
            ops.cast(self.recurrent_kernel, self.memory_dtype),
            kernel,
            ops.cast(d, self.memory_dtype),
        )
        frames, memory = (self.project(sequences),), (z, S_re, S_im)
        if self.rotation == "accumulated":
            memory += (time,)
        else:
            steps = ops.ones_like(sequences[..., 0], dtype="int32") if mask is None else mask
            steps = ops.cumsum(ops.cast(steps, self.memory_dtype), axis=0)
            t = count(time) + steps[..., None]  # [T, B, 1]
            time = digits(t[-1])
            frames += (t if self.rotation == "product" else self.turn_at(t),)
        recurrence = StateFrequencyRecurrence(M, K, D, self.rotation)
        outputs, (z, S_re, S_im, *phase) = scan(
            recurrence, weights, rows, frames, memory, mask, training, jit_compile
        )
        S = [ops.reshape(ops.transpose(s, (1, 0, 2)), (-1, K * D)) for s in (S_re, S_im)]
        return outputs, [z, *S, *(phase or [time])]

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
        super().__init__(units, num_frequencies, memory_units, frequencies, **kwargs)
        self.learn_frequencies = bool(learn_frequencies)
        self._set_rotation("learned" if learn_frequencies else "given")

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

    def turn(self, w, time):
        t = count(time) + 1
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
        super().__init__(units, num_frequencies, memory_units, frequencies, **kwargs)
        if np.any((self.initial_frequencies <= 0) | (self.initial_frequencies >= 2 * math.pi)):
            raise ValueError(
                "`frequencies` that adapt must start above 0 and below 2 pi, as eq. 16 has them. "
                f"Received: frequencies={frequencies!r}."
            )
        self.phase = check_choice("phase", phase, ("product", "accumulated"))
        self._set_rotation(phase)

    def turn(self, w, time):
        f = ops.sigmoid(w)  # (16), in cycles per step
        if self.phase == "accumulated":
            turn = fraction(time + f)
            return turn, turn
        t = count(time) + 1
        return cycles(f, t), digits(t)

    def get_config(self):
        return super().get_config() | {"phase": self.phase}


@dataclass(frozen=True)
class StateFrequencyRecurrence:
    """The step of the cells above for `scan`, frequency by frequency: S is `(K, batch, D)`.

    Frames are `x V + b` and the turn of each frequency `(batch, K)`; or, where the frequencies
    adapt, t `(batch, 1)` or nothing. Rows are the dropout of z', if any.
    """

    units: int
    num_frequencies: int
    memory_units: int
    rotation: str

    num_kept: ClassVar = (
        3  # activated gates (batch, 3 D + K); o and tanh (K, batch, 2 M); turn (batch, K)
    )
    num_extra: ClassVar = 1  # gradient before tanh, (K, batch, M)

    @property
    def sizes(self):
        return self.units, self.num_frequencies, self.memory_units

    @property
    def adaptive(self):
        return self.rotation in ("product", "accumulated")

    @property
    def state_row_axes(self):
        return (0, 1, 1, 0) if self.rotation == "accumulated" else (0, 1, 1)

    def step(self, weights, rows, frame, before):
        M, K, D = self.sizes
        W, P, d = weights
        z, S_re, S_im, *phase = before
        x, *time = frame
        a = x + ops.matmul(z * rows[0] if rows else z, W)
        gates = ops.sigmoid(a[:, : 2 * D + K])  # ste, fre, g
        i = ops.tanh(a[:, 2 * D + K : 3 * D + K])
        F, u = self._forget_and_input(gates, i)
        if not self.adaptive:
            kept = (turn,) = time
        else:
            f = ops.sigmoid(a[:, 3 * D + K : 3 * D + 2 * K])
            turn = fraction(phase[0] + f) if phase else cycles(f, time[0])
            kept = (ops.concatenate([turn, f], axis=-1),)
        cos, sin = self._basis(turn)
        S_re = F * S_re + u * cos
        S_im = F * S_im + u * sin
        A = ops.matmul(ops.sqrt(ops.square(S_re) + ops.square(S_im)), P)  # [K, B, 2M]
        o = ops.transpose(ops.reshape(a[:, -K * M :], (-1, K, M)), (1, 0, 2))
        o = ops.sigmoid(o + A[..., :M])
        c = ops.tanh(A[..., M:] + d[:, None])
        z = ops.sum(o * c, axis=0)
        kept = (ops.concatenate([gates, i], -1), ops.concatenate([o, c], -1), *kept)
        return (z, S_re, S_im, *([turn] if phase else [])), kept

    def step_gradient(self, weights, rows, frame, before, after, kept, d_after):
        M, K, D = self.sizes
        W, P, _ = weights
        gates, o_c, turn = kept
        o, c = o_c[..., :M], o_c[..., M:]
        turn, f = turn[:, :K], turn[:, K:]
        dz, dS_re, dS_im, *d_phase = d_after
        (_, S_re_before, S_im_before), (_, S_re, S_im) = before[:3], after[:3]
        ste, fre = gates[:, :D], gates[:, D : D + K]
        g, i = gates[:, D + K : 2 * D + K], gates[:, 2 * D + K :]
        F, u = self._forget_and_input(gates[:, : 2 * D + K], i)
        cos, sin = self._basis(turn)

        d_o = dz * c * o * (1 - o)  # before the sigmoid [K, B, M]
        d_c = dz * o * (1 - c * c)  # before the tanh
        dA = ops.matmul(ops.concatenate([d_o, d_c], -1), ops.transpose(P, (0, 2, 1)))
        # 1 / A, and 0 where S = 0: there S_re and S_im below are 0.
        dA = dA * ops.rsqrt(ops.maximum(ops.square(S_re) + ops.square(S_im), TINY))
        dS_re = dS_re + dA * S_re
        dS_im = dS_im + dA * S_im

        dF = dS_re * S_re_before + dS_im * S_im_before  # [K, B, D]
        d_u = ops.sum(dS_re * cos + dS_im * sin, axis=0)  # [B, D]
        d_ste = ops.sum(dF * ops.transpose(fre)[:, :, None], axis=0)
        d_fre = ops.transpose(ops.sum(dF * ste, axis=-1))
        d_a = [d_ste * ste * (1 - ste), d_fre * fre * (1 - fre)]
        d_a += [d_u * i * g * (1 - g), d_u * g * (1 - i * i)]
        d_turn = ops.zeros_like(turn)
        if self.rotation != "given":
            d_turn = ops.transpose(ops.sum(u * (dS_im * cos - dS_re * sin), axis=-1))
            d_turn = 2 * math.pi * d_turn + (d_phase[0] if d_phase else 0)
        if self.adaptive:
            d_f = d_turn if d_phase else d_turn * frame[1]
            d_a.append(d_f * f * (1 - f))
        d_a.append(ops.reshape(ops.transpose(d_o, (1, 0, 2)), (-1, K * M)))
        d_a = ops.concatenate(d_a, axis=-1)
        dz = ops.matmul(d_a, ops.transpose(W))
        d_time = [] if d_phase else [ops.zeros_like(frame[1]) if self.adaptive else d_turn]
        return (
            (d_a, *d_time),
            (dz * rows[0] if rows else dz, dS_re * F, dS_im * F, *([d_turn] if d_phase else [])),
            (d_c,),
        )

    def weight_gradients(self, weights, rows, before, after, kept, d_frames, extra):
        M, K, D = self.sizes
        z = before[0] * rows[0] if rows else before[0]
        d_a, d_c = d_frames[0], extra[0]
        dW = ops.matmul(
            ops.transpose(ops.reshape(z, (-1, M))), ops.reshape(d_a, (-1, d_a.shape[-1]))
        )
        A = ops.sqrt(ops.square(after[1]) + ops.square(after[2]))  # [T, K, B, D]
        dP = []
        for k in range(K):  # one product over all frames is a third faster than one batched over k
            A_k = ops.transpose(ops.reshape(A[:, k], (-1, D)))
            d_o = d_a[..., (k - K) * M : (k + 1 - K) * M or None]
            d_o_c = ops.concatenate([d_o, d_c[:, k]], axis=-1)
            dP.append(ops.matmul(A_k, ops.reshape(d_o_c, (-1, 2 * M))))
        return dW, ops.stack(dP), ops.sum(d_c, axis=(0, 2))

    def _forget_and_input(self, gates, i):
        """F `(K, batch, D)` and u `(batch, D)`."""
        _, K, D = self.sizes
        ste, fre, g = gates[:, :D], gates[:, D : D + K], gates[:, D + K :]
        return ste * ops.transpose(fre)[:, :, None], g * i

    @staticmethod
    def _basis(turn):
        """cos and sin of turns `(batch, K)`, `(K, batch, 1)`."""
        angle = 2 * math.pi * ops.transpose(turn)[:, :, None]
        return ops.cos(angle), ops.sin(angle)


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


# Time. cos(w t) in float32 is off by 2e-3 at t = 10^4; what follows is not, up to t = 2^24.

DIGIT = 256  # t is kept in digits: Keras casts states, and bfloat16 counts no further than 256
NUM_DIGITS = 3


def count(clock):
    """t `(batch, 1)`, from its digits `(batch, 3)`."""
    places = ops.cast([DIGIT**n for n in range(NUM_DIGITS)], clock.dtype)
    return ops.sum(clock * places, axis=-1, keepdims=True)


def digits(t):
    """The digits `(batch, 3)` of t `(batch, 1)`."""
    return ops.concatenate([ops.floor(t / DIGIT**n) % DIGIT for n in range(NUM_DIGITS)], axis=-1)


def fraction(x):
    return x - ops.floor(x)


def cycles(f, t):
    """The fraction of f * t, for f in cycles per step and whole t below 2^24.

    f = a + b + c, a of 12 bits and b of the 12 after; t = low + 2^12 high. Then 2^12 a high is
    whole, and all other products but the last, which is below 1, are exact in float32.

    Args:
        f: `(..., K)`; an array of NumPy keeps its precision, as t's is that of the result.
        t: `(..., 1)`.
    """
    floor = np.floor if isinstance(f, np.ndarray) else ops.floor
    f = f - floor(f)
    a = floor(f * 2**12) / 2**12
    b = floor((f - a) * 2**24) / 2**24
    a, b, c = (ops.cast(part, t.dtype) for part in (a, b, f - a - b))
    high = ops.floor(t / 2**12)
    low = t - high * 2**12
    return fraction(fraction(a * low) + b * low + fraction(b * 2**12 * high) + c * t)


FREQUENCIES = {
    "harmonic": lambda K: 2 * np.pi * np.arange(K) / K,
    "log": lambda K: np.pi * 2.0 ** (np.arange(K) - K + 1),
}


def as_frequencies(frequencies, num_frequencies):
    """K frequencies in radians per step, float64."""
    if isinstance(frequencies, str) and frequencies in FREQUENCIES:
        return FREQUENCIES[frequencies](num_frequencies)
    try:
        array = np.array(frequencies, "float64")
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != (num_frequencies,) or not np.all(np.isfinite(array)):
        raise ValueError(
            '`frequencies` must be "harmonic", "log" or as many finite numbers as '
            f"`num_frequencies`, in radians per step. Received: frequencies={frequencies!r}, "
            f"num_frequencies={num_frequencies}."
        )
    return array
