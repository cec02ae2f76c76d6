"""Networks of `clstm.py`: what reads bands and their deltas, and what stands above.

Their names give the kind of the units, except those of ReLU layers.
"""

import keras
from min_gru import MinGRU

from seqlayers import layers

BANDS, CONTEXT = 40, 11  # bands beside the energy; frames that a network without memory sees
NOISE, UNITS = 0.5, 128  # deviation of noise on inputs; units of a layer of a stack
FEATURES = {"heads": 3 * (BANDS + 1), "cells": 26, "stack": 3 * (BANDS + 1)}


def layer(make, *args, **kwargs):
    return lambda: make(*args, **kwargs)


def lstm(units, projection=None, of=layers.PeepholeLSTM, **kwargs):
    return layer(of, units, projection_units=projection, return_sequences=True, **kwargs)


def clstm(units, projection=None, patch_size=17):  # 24 patches: what Table 3's weights speak of
    patch = {"patch_size": patch_size, "patch_stride": 1}
    return lstm(units, projection, layers.ConvLSTMPatch, **patch)


def cnn(units, frames=1):
    """Filters over frames and patches of bands, and pools of three of these."""
    past = keras.layers.ZeroPadding2D(((frames - 1, 0), (0, 0)))
    return lambda: keras.Sequential(
        [
            past,
            keras.layers.Conv2D(units, (frames, 17), activation="relu"),
            keras.layers.MaxPooling2D((1, 3)),
        ]
    )


def recurrent(make, *args, **kwargs):
    return layer(make, *args, return_sequences=True, **kwargs)


def bidirectional(units):
    return lambda: keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True))


RELU = (layer(keras.layers.Dense, 256, activation="relu"),) * 3
WINDOW = layer(keras.layers.Conv1D, 256, CONTEXT, padding="causal", activation="relu")
NETWORKS = {  # what reads bands and their deltas, and what stands above it and the energy
    "heads-lstmp+relu": ((), (lstm(256, 96), *RELU)),
    "heads-clstmp+lstmp+relu": ((clstm(48, 32),), (lstm(152, 96), *RELU)),
    "cells-lstm": ((), (recurrent(keras.layers.LSTM, 122),)),
    "cells-sfm": ((), (recurrent(layers.SFM, 58, 8, 30),)),
    "cells-a-sfm": ((), (recurrent(layers.AdaptiveSFM, 57, 8, 30, phase="accumulated"),)),
    "cells-parallel": ((), (recurrent(layers.SFM, 101, 8, 30, gates="input"),)),
    "cells-min-gru": ((), (recurrent(MinGRU, 695),)),
    "heads-lstmp": ((), (lstm(256, 96),)),
    "heads-lstm+relu": ((), (lstm(96), *RELU)),
    "heads-clstm32+relu": ((clstm(32),), RELU),
    "heads-cnn+lstmp+relu": ((cnn(16),), (lstm(240, 96), *RELU)),
    "heads-clstm48+relu": ((clstm(48),), RELU),
    "heads-clstm16+relu": ((clstm(16),), RELU),
    "heads-clstmp48+relu": ((clstm(48, 16),), RELU),
    "heads-2clstm+relu": ((clstm(32), clstm(32, patch_size=3)), RELU),
    "cells-gru": ((), (recurrent(keras.layers.GRU, 141),)),
    "cells-bi-lstm": ((), (bidirectional(81),)),
    "heads-lstm": ((), (lstm(96),)),
    "heads-cnn+relu": ((cnn(32, CONTEXT),), RELU),
    "heads-ffnn": ((), (WINDOW, *RELU)),
    "stack-2": ((), (recurrent(keras.layers.LSTM, UNITS),) * 2),
    "stack-3": ((), (recurrent(keras.layers.LSTM, UNITS),) * 3),
}
GREEDY = {"stack-2+greedy": 2, "stack-3+greedy": 3}  # layers that are trained without labels before


def network(name, dropout, outputs, stack=None):
    """Returns a model of logits `(batch, time, outputs)` from frames `(batch, time, features)`.

    Args:
        name: A name of `NETWORKS` or `GREEDY`.
        dropout: Rate of dropout after each layer.
        outputs: Number of labels.
        stack: For `GREEDY`, LSTMs that have learned without labels, each before its normalisation.
    """
    if stack is None:
        of_bands, above = NETWORKS[name]
    else:
        pairs = zip(stack.layers[::2], stack.layers[1::2], strict=True)
        of_bands, above = (), [layer(keras.Sequential, pair) for pair in pairs]
    frames = keras.Input((None, FEATURES[name.split("-")[0]]))
    x = keras.layers.GaussianNoise(NOISE)(frames)
    if of_bands:
        x = keras.layers.Reshape((-1, BANDS + 1, 3))(x)
        x, energy = x[:, :, :BANDS], x[:, :, BANDS]
        for make in of_bands:
            x = keras.layers.Dropout(dropout)(make()(x))
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
        x = keras.layers.Concatenate()([x, energy])
    for make in above:
        x = keras.layers.Dropout(dropout)(make()(x))
    return keras.Model(frames, keras.layers.Dense(outputs)(x))
