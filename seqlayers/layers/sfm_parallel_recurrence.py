"""State-Frequency Memory whose gates see the input alone: many frames in one step.

Without z' in the gates, all equations but those of S are products and sums over frames that do not
see each other, and S is a linear recurrence. So `scan` takes a chunk of frames as one step, small
enough that what belongs to it stays in the cache. The backward pass computes a chunk again from the
S before it: a sequence needs little more memory than its frames.
"""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from seqlayers.layers.clock import accumulated, cycles
from seqlayers.layers.linear_scan import linear_scan, linear_scan_gradient
from seqlayers.layers.sfm_recurrence import StateFrequencyRecurrence, amplitude, cos_and_sin


@dataclass(frozen=True)
class ParallelStateFrequencyRecurrence(StateFrequencyRecurrence):
    """One chunk of frames of both memories, and its gradient.

    Frames are x `(chunk, batch, N)` in place of x V + b, cos and sin or t as for one frame, and, if
    some frames are masked or padding, which are not, 1 or 0, `(chunk, batch, 1)`: S stays at
    others. States are those of `StateFrequencyRecurrence`, with z of all frames of the chunk,
    `(chunk, batch, M)`, also of those that are masked. No step reads z.
    """

    frame_row_axis: ClassVar = 2
    num_extra: ClassVar = 2  # the gradients of P and d, from one chunk
    frame_kernel: ClassVar = 0

    @property
    def num_kept(self):
        """The gates and i `(chunk, batch, ..)`, o and tanh `(K, chunk * batch, M)`; adaptive f."""
        return 4 + self.adaptive

    @property
    def state_row_axes(self):
        return (1, 1, 1) + (0,) * (self.rotation == "accumulated")

    def step(self, weights, rows, frame, before):
        V, b, P, d = weights
        x, time, seen = self._parts(frame)
        chunk, batch, N = ops.shape(x)
        a = ops.matmul(ops.reshape(x, (-1, N)), V) + b
        gates, i, f, o = self.activated(ops.reshape(a, (chunk, batch, a.shape[-1])))
        if seen is not None:  # S stays: forget gates are open, nothing is put in
            _, K, D = self.sizes
            gates = ops.where(seen > 0, gates, ops.cast([1] * (D + K) + [0] * D, gates.dtype))
        _, S, turn, *_ = self._memory(gates, i, f, time, seen, before)
        o = ops.reshape(o, (-1, o.shape[-1]))
        o, c = self.output_gates_and_terms(P, d, *self._frames_as_rows(S), o)
        z = self.term_weight * ops.sum(o * c, axis=0)  # (11)(13)
        z = ops.reshape(z, (chunk, batch, self.units))
        after = (z, S[-1, 0], S[-1, 1])
        if self.rotation == "accumulated":
            after += (turn[-1],)
        return after, (gates, i, o, c, *(() if f is None else (f,)))

    def _parts(self, frame):
        """Returns x; cos and sin, or t, or None; and which frames are not masked, or None."""
        x, *others = frame
        time = None if self.rotation == "accumulated" else others.pop(0)
        return x, time, others[0] if others else None

    def _memory(self, gates, i, f, time, seen, before):
        """Returns F, S, accumulated turns, u, cos and sin, and S of the frame before the chunk."""
        _, S_re, S_im, *phase = before
        F, u = self.forget_and_input(gates, i)
        turn = None
        if phase:
            turn = accumulated(phase[0], f if seen is None else f * seen)
            basis = cos_and_sin(turn)
        else:
            basis = cos_and_sin(cycles(f, time)) if self.adaptive else time
        cos, sin = self.by_frequency(basis)
        u_k = ops.expand_dims(u, -3)
        initial = ops.stack([S_re, S_im])
        S = linear_scan(F, ops.stack([u_k * cos, u_k * sin], axis=1), initial)  # (2)(3)
        return F, S, turn, u, basis, initial

    def _frames_as_rows(self, S):
        """Returns Re S and Im S, `(K, chunk * batch, D)`."""
        _, K, D = self.sizes
        S = ops.reshape(ops.transpose(S, (1, 2, 0, 3, 4)), (2, K, -1, D))
        return S[0], S[1]

    def transposed(self, weights):
        return ops.transpose(weights[2], (0, 2, 1))

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        M, K, D = self.sizes
        x, time, seen = self._parts(frame)
        chunk, batch, _ = ops.shape(x)
        dz, dS_re, dS_im, *d_phase = d_after
        gates, i, o, c, f = kept if self.adaptive else (*kept, None)
        F, S, _, u, basis, initial = self._memory(gates, i, f, time, seen, before)

        S_re, S_im = self._frames_as_rows(S)
        d_oc, *dA = self.output_gradient(transposed, S_re, S_im, o, c, ops.reshape(dz, (-1, M)))
        dS = ops.reshape(ops.stack(dA), (2, K, chunk, batch, D))
        dS = ops.transpose(dS, (2, 0, 1, 3, 4))
        dF, dS, d_initial = linear_scan_gradient(F, S, initial, dS, ops.stack([dS_re, dS_im]))
        d_a, d_basis = self.gate_gradients(gates, i, u, basis, dF, dS[:, 0], dS[:, 1])
        d_before = [ops.zeros_like(dz), d_initial[0], d_initial[1]]
        if d_phase:
            d_turn = self.turn_gradient(basis, d_basis)
            d_turn = ops.concatenate([d_turn[:-1], d_turn[-1:] + d_phase[0]])
            d_before.append(ops.sum(d_turn, axis=0))
            d_f = ops.flip(ops.cumsum(ops.flip(d_turn, 0), axis=0), 0)
            d_a.append((d_f if seen is None else d_f * seen) * f * (1 - f))
        elif self.adaptive:
            d_a.append(self.turn_gradient(basis, d_basis) * time * f * (1 - f))
        d_o = ops.reshape(d_oc[..., :M], (K, chunk, batch, M))
        d_a += [d_o[k] for k in range(K)]  # faster than a transposition
        d_others = [ops.zeros_like(other) for other in frame[1:]]
        if not self.adaptive:
            d_others[0] = d_basis

        dP = []
        for k in range(K):  # as for one frame
            A_k = ops.transpose(amplitude(S_re[k], S_im[k]))
            dP.append(ops.matmul(A_k, d_oc[k]))
        d_weights = (ops.stack(dP), ops.sum(d_oc, axis=1)[:, M:])
        return (ops.concatenate(d_a, axis=-1), *d_others), tuple(d_before), d_weights

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        d_rows = ops.reshape(d_frames[0], (-1, d_frames[0].shape[-1]))
        x_rows = ops.reshape(frames[0], (-1, frames[0].shape[-1]))
        # With a column of ones for db: a sum over rows takes XLA half as long as the product.
        x_rows = ops.concatenate([x_rows, ops.ones_like(x_rows[:, :1])], axis=-1)
        dV = ops.matmul(ops.transpose(x_rows), d_rows)
        dP, dd = (ops.sum(d, axis=0) for d in extra)
        return (dV[:-1], dV[-1], dP, dd), d_frames
