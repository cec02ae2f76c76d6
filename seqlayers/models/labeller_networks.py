"""Networks of `FrameLabeller`: from blocks of frames to one vector for each block."""

import keras

from seqlayers import layers


def _both(layer, bidirectional):
    return keras.layers.Bidirectional(layer) if bidirectional else layer


def patches(units, bidirectional, dropout, patch_size=8, patch_stride=4, patch_units=16):
    """LSTMs over patches of the frequency axis, and an LSTM above them."""
    below = layers.ConvLSTMPatch(
        patch_units,
        patch_size,
        patch_stride,
        pool_size=1,
        padding="same",
        flatten=True,
        return_sequences=True,
    )
    return [_both(below, bidirectional), keras.layers.Dropout(dropout)] + _above(
        layers.PeepholeLSTM(units, return_sequences=True), bidirectional, dropout
    )


def sfm(units, bidirectional, dropout):
    """A State-Frequency Memory that reads blocks of frames."""
    return [keras.layers.Reshape((-1,))] + _above(
        layers.SFM(units, 4, units // 2, return_sequences=True), bidirectional, dropout
    )


def _above(layer, bidirectional, dropout):
    return [_both(layer, bidirectional), keras.layers.Dropout(dropout)]


NETWORKS = {"patches": patches, "sfm": sfm}
