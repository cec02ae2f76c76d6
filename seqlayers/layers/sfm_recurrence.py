"""State-Frequency Memory as a recurrence; `sfm` has the equations.

The gradient is that of the paper's form with the output fed back as a sum, of tanh, and of gates
that are sigmoids.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from seqlayers.layers.clock import cycles, fraction

TINY = 1.1754944e-38  # the smallest normal float32


@dataclass(frozen=True)
class StateFrequencyRecurrence:
    """One step of both memories and its gradient, frequency by frequency: S is `(K, batch, D)`.

    Frames are `x V + b` and cos and sin of the turn of each frequency, `(batch, 2 K)`; or, where
    the frequencies adapt, t `(batch, 1)` or nothing. Rows are the dropout of z', if any. States are
    z and S, then the phases `(batch, K)` where they are accumulated, and the terms of z, `(batch,
    K * M)`, where each is fed back by itself.
    """

    units: int
    num_frequencies: int
    memory_units: int
    rotation: str
    recurrent_output: str = "aggregated"
    variant: str = "paper"
    activation: Callable = keras.activations.tanh
    recurrent_activation: Callable = keras.activations.sigmoid
    output_scale: str = "sum"
    gradient_clip: float | None = None
    detach_frequency: bool = False

    frame_row_axis: ClassVar = 1
    num_extra: ClassVar = 1  # the gradients before the sigmoid and tanh of outputs, (K, batch, 2 M)
    runs_again: ClassVar = False
    frame_kernel: ClassVar[int | None] = None

    @property
    def num_kept(self):
        # Gates (batch, 2 D + K), i (batch, D), o and tanh (K, batch, M); cos, sin and f that adapt
        # (batch, 3 K). Parts of joined arrays are slower to read.
        return 4 + self.adaptive

    @property
    def sizes(self):
        return self.units, self.num_frequencies, self.memory_units

    @property
    def adaptive(self):
        return self.rotation in ("product", "accumulated")

    @property
    def term_weight(self):
        """Weight of each term of z, 1 / K for a mean."""
        return 1 / self.num_frequencies if self.output_scale == "mean" else 1.0

    @property
    def state_row_axes(self):
        others = (self.rotation == "accumulated") + (self.recurrent_output == "per_frequency")
        return (0, 1, 1) + (0,) * others

    def step(self, weights, rows, frame, before):
        W, P, d = weights
        z, S_re, S_im, *others = before
        gates, i, f, o = self.activated(frame[0] + self._from_output(W, rows, z, others))
        F, u = self.forget_and_input(gates, i)
        kept = ()
        if self.adaptive:
            accumulated = self.rotation == "accumulated"
            turn = fraction(others[0] + f) if accumulated else cycles(f, frame[1])
            basis = cos_and_sin(turn)
            kept = (ops.concatenate([basis, f], axis=-1),)
        else:
            basis = frame[1]
        cos, sin = self.by_frequency(basis)
        S_re = F * S_re + u * cos  # (2)
        S_im = F * S_im + u * sin  # (3)
        o, c = self.output_gates_and_terms(P, d, S_re, S_im, o)
        z_k = o * c  # (11)
        z = self.term_weight * ops.sum(z_k, axis=0)  # (13)
        after = (z, S_re, S_im)
        if self.rotation == "accumulated":
            after += (turn,)
        if self.recurrent_output == "per_frequency":
            after += (ops.reshape(ops.transpose(z_k, (1, 0, 2)), ops.shape(others[-1])),)
        return after, (gates, i, o, c, *kept)

    def activated(self, a):
        """Returns the gates ste, fre and g side by side, i, f or None, and o before its sigmoid."""
        _, K, D = self.sizes
        ends = [2 * D + K, 3 * D + K, 3 * D + 2 * K][: 3 if self.adaptive else 2]
        gates, i, *w, o = ops.split(a, ends, axis=-1)  # slices have a slower gradient
        gates = self.recurrent_activation(gates)  # (6)(7)(9)
        f = ops.sigmoid(w[0]) if w else None  # (16), in cycles per step
        return gates, self.activation(i), f, o  # (10)

    def _from_output(self, W, rows, z, others):
        """Returns z' W; or, as (12) is printed, with its own term of z' for each output gate."""
        z = self._fed_back(z)
        z = z * rows[0] if rows else z
        if self.recurrent_output == "aggregated":
            return self._product(z, W)
        M, K, _ = self.sizes
        terms = ops.reshape(self._fed_back(others[-1]), (-1, K, M))
        terms = terms * rows[0][:, None] if rows else terms
        W, W_o = W[:, : -K * M], ops.reshape(W[:, -K * M :], (M, K, M))
        of_terms = ops.einsum("bkm,mkn->bkn", terms, W_o)
        return ops.concatenate([self._product(z, W), ops.reshape(of_terms, (-1, K * M))], axis=-1)

    def _fed_back(self, x):
        """Returns z', or its terms, whose gradient is clipped."""
        return x if self.gradient_clip is None else with_clipped_gradient(x, self.gradient_clip)

    def _product(self, z, W):
        """Returns z W, with no gradient of z from the columns that `detach_frequency` detaches."""
        product = ops.matmul(z, W)
        if self.detach_frequency:  # XLA computes equal products once
            constant = ops.matmul(ops.stop_gradient(z), W)
            product = ops.where(self._detached(W.shape[-1]), constant, product)
        return product

    def _detached(self, num_columns):
        """Returns which columns of W are those of w, bool `(num_columns,)`."""
        _, K, D = self.sizes
        columns = np.arange(num_columns)
        return (columns >= 3 * D + K) & (columns < 3 * D + 2 * K)

    def output_gates_and_terms(self, P, d, S_re, S_im, o):
        """Returns o_k and tanh(A_k P_k + d_k), `(K, batch, M)`; the stock form has one of each."""
        M, K, _ = self.sizes
        gate, activation = self.recurrent_activation, self.activation
        if self.variant == "stock":
            power = ops.square(S_re) + ops.square(S_im)
            c = activation(ops.einsum("kbd,k->bd", power, P) + d)
            return gate(o[None]), c[None]
        A_U, A_P = ops.split(ops.matmul(amplitude(S_re, S_im), P), 2, axis=-1)  # (4)
        o = ops.transpose(ops.reshape(o, (-1, K, M)), (1, 0, 2))
        return gate(o + A_U), activation(A_P + d[:, None])  # (12)

    def transposed(self, weights):
        W, P, _ = weights
        if self.detach_frequency:
            W = ops.where(self._detached(W.shape[-1]), 0, W)
        return ops.transpose(W), ops.transpose(P, (0, 2, 1))

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        M, K, D = self.sizes
        W, P = transposed
        gates, i, o, c, *basis_and_f = kept
        basis = basis_and_f[0][:, : 2 * K] if self.adaptive else frame[1]
        dz, dS_re, dS_im, *d_phase = d_after
        (_, S_re_before, S_im_before), (_, S_re, S_im) = before[:3], after[:3]
        F, u = self.forget_and_input(gates, i)

        d_oc, dA_re, dA_im = self.output_gradient(P, S_re, S_im, o, c, dz)
        dS_re = dS_re + dA_re
        dS_im = dS_im + dA_im
        dF = dS_re * S_re_before + dS_im * S_im_before  # [K, B, D]
        d_a, d_basis = self.gate_gradients(gates, i, u, basis, dF, dS_re, dS_im)
        if self.adaptive:
            f = basis_and_f[0][:, 2 * K :]
            d_turn = self.turn_gradient(basis, d_basis) + (d_phase[0] if d_phase else 0)
            d_f = d_turn if d_phase else d_turn * frame[1]
            d_a.append(d_f * f * (1 - f))
        d_o = ops.transpose(d_oc[..., :M], (1, 0, 2))
        d_a = ops.concatenate([*d_a, ops.reshape(d_o, (-1, K * M))], axis=-1)
        dz = ops.matmul(d_a, W)
        if rows:
            dz = dz * rows[0]
        if self.gradient_clip is not None:
            dz = clipped(dz, self.gradient_clip)
        d_before = [dz, dS_re * F, dS_im * F]
        if self.rotation == "accumulated":
            return (d_a,), (*d_before, d_turn), (d_oc,)
        d_time = ops.zeros_like(frame[1]) if self.rotation == "product" else d_basis
        return (d_a, d_time), tuple(d_before), (d_oc,)

    def output_gradient(self, P, S_re, S_im, o, c, dz):
        """Returns the gradients before the sigmoid and tanh of the outputs, of Re S and of Im S."""
        dz = self.term_weight * dz
        d_oc = ops.concatenate([dz * (c * o * (1 - o)), dz * (o * (1 - c * c))], -1)  # [K, B, 2 M]
        dA = ops.matmul(d_oc, P)
        dA = dA * one_over_amplitude(S_re, S_im)
        return d_oc, dA * S_re, dA * S_im

    def gate_gradients(self, gates, i, u, basis, dF, dS_re, dS_im):
        """Returns a list of the gradients before ste, fre, g and i, and that of cos and sin."""
        _, K, D = self.sizes
        ste, fre, g = ops.split(gates, [D, D + K], axis=-1)
        cos, sin = self.by_frequency(basis)
        d_u = ops.sum(dS_re * cos + dS_im * sin, axis=-3)  # [B, D]
        d_ste = ops.sum(dF * ops.swapaxes(fre, -2, -1)[..., None], axis=-3)
        # Transposed before they are summed: XLA joins arrays of one layout ten times as fast.
        d_fre = ops.sum(ops.swapaxes(dF, -3, -2) * ops.expand_dims(ste, -2), axis=-1)
        d_a = [d_ste * ste * (1 - ste), d_fre * fre * (1 - fre)]
        d_a += [d_u * i * g * (1 - g), d_u * g * (1 - i * i)]
        if self.rotation == "given":
            return d_a, ops.zeros_like(basis)
        d_basis = [ops.swapaxes(dS, -3, -2) * ops.expand_dims(u, -2) for dS in (dS_re, dS_im)]
        return d_a, ops.concatenate([ops.sum(d, axis=-1) for d in d_basis], axis=-1)

    @staticmethod
    def turn_gradient(basis, d_basis):
        """Returns the gradient of turns in cycles, from that of their cos and sin."""
        (cos, sin), (d_cos, d_sin) = (ops.split(part, 2, axis=-1) for part in (basis, d_basis))
        return 2 * math.pi * (d_sin * cos - d_cos * sin)

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        z = before[0] * rows[0] if rows else before[0]
        d_a, d_oc = d_frames[0], extra[0]
        dW = ops.matmul(
            ops.transpose(ops.reshape(z, (-1, self.units))), ops.reshape(d_a, (-1, d_a.shape[-1]))
        )
        A = amplitude(*after[1:3])
        dP = ops.einsum("tkbd,tkbm->kdm", A, d_oc)
        return (dW, dP, ops.sum(d_oc, axis=(0, 2))[:, self.units :]), d_frames

    # Here, as in `gate_gradients`, there may be axes before those of the shapes.

    def forget_and_input(self, gates, i):
        """Returns F `(K, batch, D)` and u `(batch, D)`."""
        _, K, D = self.sizes
        ste, fre, g = ops.split(gates, [D, D + K], axis=-1)
        return ops.expand_dims(ste, -3) * ops.swapaxes(fre, -2, -1)[..., None], g * i

    def by_frequency(self, basis):
        """Returns cos and sin of `(batch, 2 K)`, each `(K, batch, 1)`."""
        parts = ops.split(basis, 2, axis=-1)
        return [ops.swapaxes(part, -2, -1)[..., None] for part in parts]


def cos_and_sin(turn):
    """Returns cos and sin of turns `(..., K)`, in cycles, side by side, `(..., 2 K)`."""
    angle = 2 * math.pi * turn
    basis = ops.concatenate([ops.cos(angle), ops.sin(angle)], axis=-1)
    return ops.cast(basis, turn.dtype)  # on JAX Keras computes both in float32


def clipped(gradient, norm):
    """Returns a gradient `(batch, units)`, rows of a larger norm scaled down to this one."""
    excess = ops.sum(ops.square(gradient / norm), axis=-1, keepdims=True)
    return gradient / ops.sqrt(ops.maximum(excess, 1))


def with_clipped_gradient(x, norm):
    """Returns x `(batch, units)`, whose gradient is `clipped`."""

    @ops.custom_gradient
    def unchanged(x):
        return x, lambda gradient: clipped(gradient, norm)

    return unchanged(x)


def amplitude(re, im):
    """Returns |S|, with the gradient 0 at S = 0, and all further ones."""
    silent, square = _square(re, im)
    return ops.where(silent, 0, ops.sqrt(square))


def one_over_amplitude(re, im):
    """Returns 1 / |S|, and 0 where S = 0, with all its gradients."""
    silent, square = _square(re, im)
    return ops.where(silent, 0, ops.rsqrt(square))


def _square(re, im):
    """Returns where S is 0, and |S|^2, which is 1 there."""
    square = ops.square(re) + ops.square(im)
    silent = square < TINY
    return silent, ops.where(silent, 1, square)
