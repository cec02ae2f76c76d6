"""LSTM over patches of the frequency axis (CLSTM, or LSTM-based convolutional recurrent network).

    x_j      = x[j S .. j S + P - 1], all channels         patch, j = 0 .. J - 1   [B, P C]
    r_j, c_j = LSTM(x_j, r'_j, c'_j)             (10) with (3)-(8)                 [B, R], [B, M]
    y_k      = max(r_kL, .., r_kL+L-1), unit by unit       pool, k = 0 .. J' - 1   [B, R]

Numbers are those of Li and Wu. A prime marks the frame before. The LSTM is that of
`seqlayers.layers.peephole_lstm` with one set of weights for all patches; rows of its kernel stand
for band 0 with all channels, band 1 with all channels, and so on. Patches see nothing of each
other before they are pooled. P is `patch_size`, S `patch_stride`, L `pool_size` and C the number of
channels of a band.

The paper gives neither P nor S. Its pools have L = 3 and do not overlap: without pooling its
network of 128 cells has 4.1 million weights more (Table 3), which is 24 patches against 8, of 128
numbers each, into 2000 units. By the numbers of weights in Table 4, a projection feeds back r', not
h'.

With `padding="valid"` a patch that would reach over the edge of the frame is left out, and so are
the last patches where they do not fill a pool. With `"same"` there are ceil(bands / S) patches, the
frame between bands of 0, and ceil(J / L) pools of those patches that there are. Both are as in
`keras.layers.Conv1D`, `MaxPooling1D` and `AveragePooling1D`.

Reference: X. Li and X. Wu, Long Short-Term Memory based Convolutional Recurrent Neural Networks for
Large Vocabulary Speech Recognition, Interspeech 2015.
"""

import dataclasses
import math

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_choice, check_flag, check_integer
from seqlayers.layers.gated import GatedRNN
from seqlayers.layers.peephole_lstm import PeepholeLSTMCell


@keras.saving.register_keras_serializable("seqlayers")
class ConvLSTMPatchCell(PeepholeLSTMCell, equations=__doc__):
    """One frame of the LSTM over patches.

    Args:
        units: Number M of memory cells for each patch.
        patch_size: Number P of bands in a patch.
        patch_stride: Number S of bands from one patch to the next.
        pool_size: Number L of neighbouring patches that become one; 1 for no pooling.
        projection_units: Size R of the output of a patch, projected; None for R = M.
        padding: `"valid"` or `"same"`, of the frame into patches and of the patches into pools.
        pooling: `"max"` or `"average"`.
        flatten: Whether the layer returns `(.., J' * R)` in place of `(.., J', R)`, where J' is the
            number of pools. A cell always does.
        dropout: Fraction of the bands of a frame to drop in training, the same at all frames of a
            sequence and in all patches that hold them.

    Call arguments:
        inputs: A frame, `(batch, bands)` or `(batch, bands, channels)`.
        states: r `(batch, J * R)` and c `(batch, J * M)`, patch by patch.
        training: Whether to apply dropout.

    Returns:
        y `(batch, J' * R)`, pool by pool, and the list of the states after the frame.

    Raises:
        ValueError: If a size is not an integer of at least 1 or a choice is unknown; on building,
            if the bands do not fill a patch, or with `padding="valid"` the patches a pool.

    Example:
        >>> cell = ConvLSTMPatchCell(8, patch_size=10, patch_stride=2)
        >>> keras.layers.RNN(cell)(np.zeros((2, 10, 40))).shape  # 16 patches, 5 pools of 8 units
        TensorShape([2, 40])
    """

    retired = ("pool_exponent",)

    def __init__(
        self,
        units,
        patch_size,
        patch_stride,
        pool_size=3,
        projection_units=None,
        padding="valid",
        pooling="max",
        flatten=False,
        **kwargs,
    ):
        super().__init__(units, projection_units, **kwargs)
        self.patch_size = check_integer("patch_size", patch_size)
        self.patch_stride = check_integer("patch_stride", patch_stride)
        self.pool_size = check_integer("pool_size", pool_size)
        self.padding = check_choice("padding", padding, ("valid", "same"))
        self.pooling = check_choice("pooling", pooling, ("max", "average"))
        self.flatten = check_flag("flatten", flatten)
        self.num_patches = self.num_pools = self.output_size = None  # known when it is built
        self.state_size = [None, None]

    def count(self, num_bands):
        """Returns the numbers J and J' of patches and pools in a frame."""
        P, S, L, J = self.patch_size, self.patch_stride, self.pool_size, self.patches_in(num_bands)
        given = f"num_bands={num_bands}, patch_size={P}, patch_stride={S}, pool_size={L}"
        given = f"Received: {given}, padding={self.padding!r}."
        if J is None:
            raise ValueError(
                "The number of features of a frame, its bands, must be known to make the weights: "
                f"the number of patches would be unknown. {given}"
            )
        if P > num_bands:
            raise ValueError(
                f"`patch_size` must be at most the number of bands of a frame, which is "
                f"{num_bands}. The number of patches would be {J}. {given}"
            )
        if self.padding == "same":
            return J, math.ceil(J / L)
        if L > J:
            raise ValueError(
                f"`pool_size` must be at most the number of patches, which would be {J}; or "
                f'`padding` "same". {given}'
            )
        return J, J // L

    def patches_in(self, num_bands):
        if num_bands is None:
            return None
        if self.padding == "same":
            return math.ceil(num_bands / self.patch_stride)
        return max(0, (num_bands - self.patch_size) // self.patch_stride + 1)

    def build(self, input_shape):
        _, num_bands, *channels = input_shape
        self.num_patches, self.num_pools = self.count(num_bands)
        self.num_bands, self.num_channels = num_bands, channels[0] if channels else 1
        if self.num_channels is None:
            raise ValueError(
                "The number of channels of a band must be known to make the weights. "
                f"Received: frames of shape {(num_bands, *channels)}."
            )
        super().build((input_shape[0], self.patch_size * self.num_channels))
        R = self.projection_units or self.units
        self.state_size = [self.num_patches * R, self.num_patches * self.units]
        self.output_size = self.num_pools * R
        self.state_names = tuple(f"{name} of {self.num_patches} patches" for name in ("r", "c"))

    # The patches of a frame are neighbouring rows of a larger batch, without a copy.

    @property
    def rows_of_frame(self):
        return self.num_patches

    @property
    def recurrence(self):
        # A frame has a row for each patch: a step keeps more than four times its input otherwise.
        return dataclasses.replace(super().recurrence, runs_again=True)

    def project(self, inputs):
        """Returns x_j for all patches of frames `(batch, ..)`, `(batch * J, P C)`."""
        P, S, J, C = self.patch_size, self.patch_stride, self.num_patches, self.num_channels
        x = ops.reshape(inputs, (-1, self.num_bands, C))
        if self.padding == "same":
            x = ops.pad(x, [(0, 0), margins(self.num_bands, J, P, S), (0, 0)])
        bands = S * np.arange(J)[:, None] + np.arange(P)
        x = ops.take(x, bands, axis=1)  # [B, J, P, C]
        return ops.reshape(x, (-1, P * C))

    def _run(self, loop, sequences, states, mask, training):
        def over_patches(weights, rows, frames, states, mask):
            if mask is not None:
                mask = ops.repeat(mask, self.num_patches, axis=1)
            r, after = loop(weights, self._as_rows(rows), frames, self._as_rows(states), mask)
            return self.pool(r), self._as_states(after)

        return super()._run(over_patches, sequences, states, mask, training)

    def _as_rows(self, states):
        return tuple(ops.reshape(s, (-1, s.shape[-1] // self.num_patches)) for s in states)

    def _as_states(self, rows):
        return [ops.reshape(r, (-1, n)) for r, n in zip(rows, self.state_size, strict=True)]

    def pool(self, r):
        """Returns y `(.., batch, J' * R)` of r `(.., batch * J, R)`."""
        *time, _, R = ops.shape(r)
        y = ops.reshape(r, (-1, self.num_patches, R))
        if self.pool_size > 1:
            # These, and not the maximum over an axis, whose gradient takes ten times as long.
            size = (self.pool_size, self.pool_size, self.padding, "channels_last")
            if self.pooling == "average":
                y = ops.average_pool(y, *size)
            else:  # on a CPU the largest of a pool that holds NaN is a number, its mean is not
                lost = ops.isnan(ops.average_pool(y, *size))
                # Added, so that the gradient passes.
                y = ops.max_pool(y, *size) + ops.where(lost, ops.cast(math.nan, y.dtype), 0)
        return ops.reshape(y, (*time, -1, self.num_pools * R))

    def get_config(self):
        names = ("patch_size", "patch_stride", "pool_size", "padding", "pooling", "flatten")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("seqlayers")
class ConvLSTMPatch(GatedRNN, cell=ConvLSTMPatchCell):
    """An LSTM over each patch of the frequency axis, and pools of them.

    In all else it is like `keras.layers.LSTM`. Another one can read its outputs, `(.., J', R)`, as
    bands and channels. A `Dense` layer would read each pool alone, and an LSTM refuse them: set
    `flatten` before these. `model.summary()` shows which of the two comes out.

    Call arguments:
        sequences: Frames, `(batch, time, bands)` or `(batch, time, bands, channels)`.
        initial_state: List of the states before the first frame; zeros if None. They are those of
            all patches, r `(batch, J * R)` and c `(batch, J * M)`, patch by patch.
        mask: Steps that are frames, bool `(batch, time)`; all if None. Other steps leave the states
            as they are. A mask of bands, as `keras.layers.Masking` makes it where there are
            channels, leaves out the frames all of whose bands it leaves out.
        training: Whether to apply dropout.

    Returns:
        y of the last frame, `(batch, J', R)`, or with `return_sequences` of all frames,
        `(batch, time, J', R)`; the last two axes are one with `flatten`. With `return_state`,
        followed by the states after the last frame.

    Example:
        >>> x = np.zeros((2, 10, 40, 3))  # 40 bands with deltas and their deltas
        >>> ConvLSTMPatch(8, patch_size=10, patch_stride=2, return_sequences=True)(x).shape
        TensorShape([2, 10, 5, 8])
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.input_spec = None  # three axes or four, known when it is built

    def build(self, sequences_shape, initial_state_shape=None):
        self._check_rank(sequences_shape)
        if not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        super().build(sequences_shape, initial_state_shape)
        frame = dict(enumerate(sequences_shape[2:], start=2))
        self.input_spec = keras.layers.InputSpec(ndim=len(sequences_shape), axes=frame)

    def _check_rank(self, shape):
        if len(shape) in (3, 4):
            return
        number = self.cell.patches_in(shape[-1]) if shape else None
        number = "unknown" if number is None else number
        raise ValueError(
            "Inputs must be `(batch, time, bands)`, ndim=3, or `(batch, time, bands, channels)`, "
            f"ndim=4. Received: inputs of shape {tuple(shape)}, ndim={len(shape)}. Were its last "
            f"axis that of bands, the number of patches would be {number}."
        )

    def call(self, sequences, initial_state=None, mask=None, training=False):
        batch, time, *frame = ops.shape(sequences)
        sequences = ops.reshape(sequences, (batch, time, math.prod(frame)))
        results = super().call(sequences, initial_state, of_frames(mask), training)
        if self.flatten:
            return results
        outputs, *states = results if self.return_state else (results,)
        ahead = ops.shape(outputs)[:-1]
        outputs = ops.reshape(outputs, (*ahead, self.cell.num_pools, -1))
        return (outputs, *states) if self.return_state else outputs

    def compute_mask(self, sequences, mask):
        return super().compute_mask(sequences, of_frames(mask))

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        self._check_rank(sequences_shape)
        batch, time, num_bands, *_ = sequences_shape
        patches, pools = self.cell.count(num_bands)
        R = self.projection_units or self.units
        outputs = (batch, time) if self.return_sequences else (batch,)
        outputs += (pools * R,) if self.flatten else (pools, R)
        states = ((batch, patches * R), (batch, patches * self.units))
        return (outputs, *states) if self.return_state else outputs


def margins(length, number, size, stride):
    """Bands to add before and behind for `number` windows of `size`, divided as Keras does."""
    missing = max(0, (number - 1) * stride + size - length)
    return missing // 2, missing - missing // 2


def of_frames(mask):
    """Returns a mask `(batch, time)` from one of frames or of their bands."""
    mask = keras.tree.flatten(mask)[0] if mask is not None else None
    if mask is None or len(mask.shape) < 3:
        return mask
    return ops.any(mask, axis=tuple(range(2, len(mask.shape))))
