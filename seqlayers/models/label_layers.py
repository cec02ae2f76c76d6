"""Layers of `FrameLabeller`, each network a list of them.

Inputs of the first are `(batch, blocks, features, frames of a block)`, outputs of the last
`(batch, blocks, units)`.
"""

import keras

from seqlayers import layers


def patches(features, frames, units, bidirectional, dropout):
    """An LSTM over each patch of eight bands, and one above them all."""
    below = layers.ConvLSTMPatch(
        16, 8, 4, pool_size=1, padding="same", flatten=True, return_sequences=True
    )
    above = layers.PeepholeLSTM(units, return_sequences=True)
    return [
        *_with_dropout(below, bidirectional, dropout),
        *_with_dropout(above, bidirectional, dropout),
    ]


def sfm(features, frames, units, bidirectional, dropout):
    """A State-Frequency Memory of four frequencies."""
    memory = layers.SFM(units, 4, units // 2, return_sequences=True)
    flat = keras.layers.Reshape((-1, features * frames))
    return [flat, *_with_dropout(memory, bidirectional, dropout)]


NETWORKS = {"patches": patches, "sfm": sfm}


def _with_dropout(layer, bidirectional, dropout):
    layer = keras.layers.Bidirectional(layer) if bidirectional else layer
    return [layer, keras.layers.Dropout(dropout)]
