"""Frames that followed the moments of the past most like the last frames, without weights.

    s_tl = 2 x_t . x_{t-l} / max(|x_t| + |x_{t-l}|, 1)    likeness of two frames, l = 1 .. L
    a_tl = d a_{t-1,l} + (1 - d) s_tl                     of the frames so far and those l before
    w_tl = softmax over l of b / (1 - d) a_tl
    y_t  = sum_l w_tl x_{t+1-l}                           the frames that followed
    c_t  = max_l a_tl                                     how sure that is
    output = [y_t for each decay d, c_t for each decay d]

|x| is the sum of a frame, L is `longest`, d one of `decays`, and b `sharpness`: a likeness of 1 in
the last frame makes the weight of a place exp(b) times as large. s is the Dice coefficient of two
frames of 0 and 1. Frames before the first one are 0, and so is a_0. Each y_t is a channel, with a
value for each feature of a frame. Before any frame the output is 0.

Where music repeats a passage, y_t is its next frame. It is the attention of a continuous cache,
with what was heard last in place of hidden states.
Reference: E. Grave, A. Joulin and N. Usunier, Improving Neural Language Models with a Continuous
Cache, ICLR 2017.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer, check_number
from seqlayers.layers.frame_history import LONGEST, each_once, fading_means
from seqlayers.layers.scanned import MemoryRNN, ScannedCell, known_features
from seqlayers.masks import at_steps, frames_first


@keras.saving.register_keras_serializable("seqlayers")
class RecallCell(ScannedCell, equations=__doc__):
    """One step of a memory that recalls what followed similar frames.

    Args:
        longest: Number L of frames that it looks back to, at most 100,000.
        decays: Decays d between 0 and 1, each one once: near 1, long passages are compared.
        sharpness: Sharpness b of the weights, above 0.

    Call arguments:
        inputs: x, `(batch, features)`, not negative.
        states: the last L frames, the oldest one first, `(batch, L * features)`, and a,
            `(batch, len(decays) * L)`.

    Returns:
        y and c `(batch, len(decays) * (features + 1))`, and the list of the states after the frame.

    Raises:
        ValueError: If a number is out of range, or a decay is there twice or there is none.

    Example:
        >>> x = np.array([[[1.0, 0], [0, 1], [1, 0]]])
        >>> layer = keras.layers.RNN(RecallCell(longest=2, decays=(0.5,), sharpness=9.0))
        >>> layer(x).numpy().round(2)
        array([[0. , 1. , 0.5]], dtype=float32)
    """

    state_names = ("frames", "likeness")

    def __init__(self, longest=256, decays: Sequence[float] = (0.6, 0.9), sharpness=6.0, **kwargs):
        super().__init__(**kwargs)
        self.longest = check_integer("longest", longest, most=LONGEST)  # L
        self.decays = each_once(
            "decays", decays, lambda name, d: check_number(name, d, above=0, below=1)
        )
        if not self.decays:
            raise ValueError(f"`decays` must not be empty. Received: decays={decays!r}.")
        self.sharpness = check_number("sharpness", sharpness, above=0)
        self.state_size, self.output_size = [None, None], None

    def build(self, input_shape):
        V, L, D = known_features(self, input_shape), self.longest, len(self.decays)
        self.state_size, self.output_size = [L * V, D * L], D * (V + 1)

    def call(self, inputs, states):
        outputs, after = self.scan(inputs[None], states)
        return outputs[0], after

    def scan(self, sequences, states, mask=None, training=False, jit_compile=False):
        x = ops.cast(sequences, self.compute_dtype)
        (T, B, V), L = ops.shape(x), self.longest
        if mask is not None:
            n, order = frames_first(mask)
            x = at_steps(x, order)
        before = ops.swapaxes(ops.reshape(states[0], (-1, L, V)), 0, 1)  # [L, B, V]
        frames = ops.concatenate([before, x])
        blocks = _blocks(ops.swapaxes(frames, 0, 1), L)  # [B, K, L + C, V]
        s = _likeness(blocks, L)[:, :T]  # [B, T, L]
        a = fading_means(ops.swapaxes(s, 0, 1), self.decays, states[1])  # [T, B, D L]
        outputs = self._outputs(blocks, ops.swapaxes(a, 0, 1))
        if mask is None:
            last, likeness = frames[T:], a[-1]
        else:
            last = at_steps(frames, n[-1] + np.arange(L, dtype="int32")[:, None])
            likeness = at_steps(ops.concatenate([states[1][None], a]), n[-1:])[0]
            outputs = at_steps(outputs, n - 1)
        return outputs, [ops.reshape(ops.swapaxes(last, 0, 1), (B, L * V)), likeness]

    def _outputs(self, blocks, a):
        """Returns y and c `(time, batch, ..)` of a `(batch, time, ..)`."""
        (B, K, W, V), L, D = ops.shape(blocks), self.longest, len(self.decays)
        T, C = ops.shape(a)[1], W - L
        a = ops.reshape(a, (B, T, D, L))
        b = np.array([[self.sharpness / (1 - d)] for d in self.decays], self.compute_dtype)
        w = _whole(ops.softmax(b * a, axis=-1), K * C)  # [B, K C, D, L]
        w = ops.transpose(ops.reshape(w, (B, K, C, D, L)), (0, 1, 3, 2, 4))
        following = ops.concatenate([blocks[:, :, 1:], ops.zeros_like(blocks[:, :, :1])], axis=2)
        y = ops.matmul(ops.reshape(_band(w, W), (B, K, D * C, W)), following)
        y = ops.transpose(ops.reshape(y, (B, K, D, C, V)), (0, 1, 3, 2, 4))
        y = ops.reshape(y, (B, K * C, D * V))[:, :T]
        return ops.swapaxes(ops.concatenate([y, ops.max(a, axis=-1)], axis=-1), 0, 1)

    def first_output(self, inputs):
        return np.zeros(self.output_size, "float32")

    def get_config(self):
        names = ("longest", "decays", "sharpness")
        return super().get_config() | {name: getattr(self, name) for name in names}


def _blocks(frames, L):
    """Cuts the frames after the first L `(batch, L + T, V)` into K blocks of C.

    Returns:
        Each block with the L frames before it, `(batch, K, L + C, V)`. The last one is filled up
        with zeros.
    """
    B, steps, V = ops.shape(frames)
    if frames.shape[1] is not None and steps <= 2 * L:
        return frames[:, None]
    rows = ops.reshape(_whole(frames, steps + -steps % L), (B, -1, L, V))
    return ops.concatenate([rows[:, :-1], rows[:, 1:]], axis=2)


def _whole(x, steps):
    """Returns x `(batch, time, ...)` with zeros up to a number of steps."""
    B, T, *rest = ops.shape(x)
    return ops.concatenate([x, ops.zeros((B, steps - T, *rest), x.dtype)], axis=1)


def _likeness(blocks, L):
    """Returns s of the C frames of each block and those l = 1 .. L before, `(batch, K C, L)`."""
    B, K, W, _ = ops.shape(blocks)
    dtype = keras.backend.standardize_dtype(blocks.dtype)
    blocks = ops.cast(blocks, keras.backend.result_type(dtype, "float32"))  # of sums in float16
    frames, size, C = blocks[:, :, L:], ops.sum(blocks, axis=-1), W - L
    both = ops.matmul(frames, ops.swapaxes(blocks, -1, -2))  # [B, K, C, W]
    s = 2 * both / ops.maximum(size[:, :, L:, None] + size[:, :, None], 1)
    # Row i has its L places from column i on: in rows that are one longer, they begin at 0.
    s = ops.pad(ops.reshape(s, (B, K, C * W)), [(0, 0), (0, 0), (0, C)])
    s = ops.reshape(s, (B, K, C, W + 1))[..., :L]
    return ops.cast(ops.reshape(ops.flip(s, axis=-1), (B, K * C, L)), dtype)


def _band(w, W):
    """Returns weights of places l = 1 .. L `(.., C, L)` at their columns, `(.., C, W)`."""
    *before, C, L = ops.shape(w)
    w = ops.pad(ops.flip(w, axis=-1), [(0, 0)] * (len(before) + 1) + [(0, W + 1 - L)])
    w = ops.reshape(w, (*before, C * (W + 1)))[..., : C * W]
    return ops.reshape(w, (*before, C, W))


@keras.saving.register_keras_serializable("seqlayers")
class Recall(MemoryRNN, cell=RecallCell):
    """A memory that recalls what followed the moments most like the last frames.

    Example:
        >>> Recall(longest=64)(np.zeros((2, 10, 88))).shape
        TensorShape([2, 10, 178])
    """
