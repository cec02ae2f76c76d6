"""The last frames, and means of all that fade, as the output of a layer without weights.

    l_t = x_{t-l+1}                              for each lag l: the frame l steps before the next
    a_t = d a_{t-1} + (1 - d) x_t                for each decay d: a mean of the frames so far
    y_t = [l_t for l in lags, a_t for d in decays]

Frames before the first one are 0, and so is a_0. Each l_t and a_t is a channel of y, with a value
for each feature of a frame. Lag 1 is the frame just read. Before any frame y is 0.
"""

import functools
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer, check_number
from seqlayers.layers.linear_scan import linear_scan
from seqlayers.layers.scanned import MemoryRNN, ScannedCell, known_features
from seqlayers.masks import at_steps, frames_first

LONGEST = 100_000  # frames that a state may hold: each row of a batch has its own


@keras.saving.register_keras_serializable("seqlayers")
class FrameHistoryCell(ScannedCell, equations=__doc__):
    """One step of a memory of the last frames.

    Args:
        lags: Lags l, integers from 1 to 100,000, in the order of the channels; each one once. The
            state holds as many frames as the largest.
        decays: Decays d between 0 and 1, each one once.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: the last frames, the oldest one first, `(batch, max(lags) * features)`, and the
            means a, `(batch, len(decays) * features)`. Without lags or decays, the other one alone.

    Returns:
        y `(batch, (len(lags) + len(decays)) * features)`, and the list of the states after the
        frame.

    Raises:
        ValueError: If a lag or a decay is out of range or there twice, or if there is none of both.

    Example:
        >>> x = np.reshape([1.0, 2.0, 3.0, 4.0], (1, 4, 1))
        >>> np.asarray(keras.layers.RNN(FrameHistoryCell(lags=(1, 3), decays=()))(x))
        array([[4., 2.]], dtype=float32)
    """

    def __init__(
        self,
        lags: Sequence[int] = (1, 2, 3, 4, 8, 6, 12, 16),
        decays: Sequence[float] = (0.7, 0.95),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.lags = each_once("lags", lags, functools.partial(check_integer, most=LONGEST))
        self.decays = each_once(
            "decays", decays, lambda name, d: check_number(name, d, above=0, below=1)
        )
        if not self.lags + self.decays:
            raise ValueError(
                "`lags` or `decays` must not be empty, else there is no output. "
                f"Received: lags={lags!r}, decays={decays!r}."
            )
        self.longest = max(self.lags, default=0)  # L
        self.state_names = ("frames",) * bool(self.lags) + ("means",) * bool(self.decays)
        self.state_size, self.output_size = [None for _ in self.state_names], None

    def build(self, input_shape):
        V = self.features = known_features(self, input_shape)
        sizes = (self.longest * V, len(self.decays) * V)
        self.state_size = [size for size in sizes if size]
        self.output_size = (len(self.lags) + len(self.decays)) * V

    def call(self, inputs, states):
        outputs, after = self.scan(inputs[None], states)
        return outputs[0], after

    def scan(self, sequences, states, mask=None, training=False, jit_compile=False):
        x = ops.cast(sequences, self.compute_dtype)
        states, channels, after = list(states), [], []
        if self.lags:
            lagged, last = self._lagged(x, states.pop(0), mask)
            channels.append(lagged)
            after.append(last)
        if self.decays:
            a = fading_means(x, self.decays, states.pop(0), mask)
            channels.append(a)
            after.append(a[-1])
        return ops.concatenate(channels, axis=-1), after

    def _lagged(self, x, before, mask):
        """Returns l_t of all lags `(time, batch, ..)`, and the last L frames `(batch, L V)`."""
        (T, B, V), L = ops.shape(x), self.longest
        before = ops.swapaxes(ops.reshape(before, (-1, L, V)), 0, 1)  # [L, B, V]
        if mask is None:
            frames = ops.concatenate([before, x])
            channels = [frames[L - lag + 1 : L - lag + 1 + T] for lag in self.lags]
            lagged, last = ops.concatenate(channels, axis=-1), frames[T:]
        else:
            n, order = frames_first(mask)
            frames = ops.concatenate([before, at_steps(x, order)])
            places = n[..., None] + L - np.array(self.lags, "int32")  # [T, B, lags]
            lagged = ops.reshape(at_steps(frames, places), (T, B, len(self.lags) * V))
            last = at_steps(frames, n[-1] + np.arange(L, dtype="int32")[:, None])
        return lagged, ops.reshape(ops.swapaxes(last, 0, 1), (B, L * V))

    def first_output(self, inputs):
        return np.zeros(self.output_size, "float32")

    def get_config(self):
        return super().get_config() | {"lags": self.lags, "decays": self.decays}


def fading_means(x, decays, before, mask=None):
    """Returns a_t = d a_{t-1} + (1 - d) x_t of all decays d, `(time, batch, decays * features)`.

    Args:
        x: `(time, batch, features)`.
        decays: List of the decays.
        before: a_0, `(batch, decays * features)`.
        mask: As in `linear_scan`.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    d = np.repeat(np.array(decays, dtype), x.shape[-1])
    b = (1 - d) * ops.concatenate([x] * len(decays), axis=-1)
    return linear_scan(ops.broadcast_to(d, ops.shape(b)), b, before, mask)


def each_once(name, values, check):
    """Returns checked values as a list.

    Raises:
        ValueError: If one of them is out of range or there twice, or if they are no list.
    """
    if not isinstance(values, list | tuple | np.ndarray):
        raise ValueError(f"`{name}` must be a list of numbers. Received: {name}={values!r}.")
    checked = [check(f"{name}[{i}]", value) for i, value in enumerate(values)]
    if len(set(checked)) < len(checked):
        raise ValueError(f"`{name}` must hold each number once. Received: {name}={values!r}.")
    return checked


@keras.saving.register_keras_serializable("seqlayers")
class FrameHistory(MemoryRNN, cell=FrameHistoryCell):
    """A memory of chosen past frames, and of means of all of them that fade.

    As the memory of a `SequenceModel`, its output is the context: the head reads these frames as
    they are.

    Example:
        >>> FrameHistory()(np.zeros((2, 10, 88))).shape
        TensorShape([2, 10, 880])
    """
