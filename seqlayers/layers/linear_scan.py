"""Linear recurrences over time, s_t = a_t s_{t-1} + b_t, and their gradient.

    s_t   = a_t s_{t-1} + b_t           t = 1 .. T
    g_t   = ds_t + a_{t+1} g_{t+1}      t = T .. 1, the gradient of b_t: the same, run backwards
    da_t  = g_t s_{t-1}
    ds_0  = a_1 g_1

What is compiled for a CPU is a loop with one multiplication and one addition a step. On GPUs, and
where operations run one by one, neighbours are combined, then pairs of neighbours, in log2 T passes
over all steps:

    (a, b)_t := (a_t a_{t-k}, b_t + a_t b_{t-k})        k = 1, 2, 4, ..

Compiled for two cores they take two to three times as long as the loop.
"""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from seqlayers.layers import scan as loops


def linear_scan(a, b, initial, mask=None, reverse=False):
    """Returns s_t = a_t s_{t-1} + b_t of all steps.

    Args:
        a: Decays `(time, batch, ...)`.
        b: What is added, `(time, ..., batch, ...)`, the axes of `a` with any number of axes before
            the batch that share them.
        initial: s_0, as one step of `b`.
        mask: Steps that count, bool `(time, batch)`; all if None. Others keep s as it is.
        reverse: Whether to go from the last step to the first: s_t = a_t s_{t+1} + b_t.

    Returns:
        s, as `b`.
    """
    if mask is not None:
        mask = ops.reshape(mask, (*ops.shape(mask), *(1 for _ in a.shape[2:])))
        a = ops.where(mask, a, 1)
        b = ops.where(_aligned(mask, b), b, 0)
    if a.shape[0] == 1:
        return _aligned(a, b) * initial + b
    if reverse:
        return ops.flip(linear_scan(ops.flip(a, 0), ops.flip(b, 0), initial), 0)
    if a.shape[0] is not None and (loops.has_gpu() or not loops.within_xla()):
        return _doubling(_aligned(a, b), b, initial)
    recurrence = LinearRecurrence((len(b.shape) - len(a.shape),))
    # What is kept for the gradient is the result; the program around it is compiled, or none.
    s, _ = loops.scan(
        recurrence, True, (), (), (a, b), (initial,), training=True, jit_compile=False
    )
    return s


def linear_scan_gradient(a, s, initial, ds, d_last):
    """Returns the gradients of `a`, `b` and `initial`.

    Args:
        a, initial: Arguments of `linear_scan`.
        s: Its result.
        ds: Gradient of the result.
        d_last: Further gradient of its last step, as `initial`.
    """
    after = ops.concatenate([a[1:], ops.ones_like(a[:1])])
    g = linear_scan(after, ds, d_last, reverse=True)
    before = ops.concatenate([initial[None], s[:-1]])
    shared = tuple(range(1, 1 + len(s.shape) - len(a.shape)))
    return ops.sum(g * before, axis=shared), g, a[0] * g[0]


@dataclass(frozen=True)
class LinearRecurrence:
    """One step and its gradient, as `scan` takes them. Frames are a and b, the state is s."""

    state_row_axes: tuple[int, ...] = (0,)

    frame_row_axis: ClassVar = 1
    num_kept: ClassVar = 0
    num_extra: ClassVar = 0
    runs_again: ClassVar = False
    frame_kernel: ClassVar = None

    def step(self, weights, rows, frame, before):
        (a, b), (s,) = frame, before
        return (a * s + b,), ()

    def transposed(self, weights):
        return ()

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        (a, _), (s,), (ds,) = frame, before, d_after
        shared = tuple(range(len(s.shape) - len(a.shape)))
        return (ops.sum(ds * s, axis=shared), ds), (a * ds,), ()

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        return (), d_frames


def _aligned(a, b):
    """Returns `a` with axes of 1 after time, so that it has as many as `b`."""
    time, *rest = ops.shape(a)
    return ops.reshape(a, (time, *(1 for _ in b.shape[len(a.shape) :]), *rest))


def _doubling(a, b, initial):
    b = ops.concatenate([a[:1] * initial + b[:1], b[1:]])
    k = 1
    while k < a.shape[0]:
        b = ops.concatenate([b[:k], b[k:] + a[k:] * b[:-k]])
        a = ops.concatenate([a[:k], a[k:] * a[:-k]])
        k *= 2
    return b
