"""Contenders of `benchmarks/speed.py` that train a recurrent layer on random frames."""

from functools import partial

V = 88  # piano keys

# K and D are the SFM paper's 50 x 4. With M = 91 an SFM and a layer of 88 outputs have 138,100
# weights, the LSTM and GRU of the paper 139,088 and 139,200.
M, K, D = 91, 4, 50


def recurrent_layer(name, **kwargs):
    import keras

    from seqlayers import layers

    makers = {
        "sfm": lambda **kw: layers.SFM(M, K, D, **kw),
        "sfm parallel": lambda **kw: layers.SFM(M, K, D, gates="input", **kw),
        "sfm 50": lambda **kw: layers.SFM(50, K, D, **kw),
        "adaptive": lambda **kw: layers.AdaptiveSFM(M, K, D, **kw),
        "tanh gated": lambda **kw: layers.TanhGated(164, **kw),
        "peephole": lambda **kw: layers.PeepholeLSTM(139, **kw),
        "cell": lambda **kw: keras.layers.RNN(layers.SFMCell(M, K, D), **kw),
        "lstm": lambda **kw: keras.layers.LSTM(139, **kw),
        "gru": lambda **kw: keras.layers.GRU(164, **kw),
    }
    return makers[name](return_sequences=True, **kwargs)


def dense_after(name, xla="auto", **kwargs):
    """Returns a compiled model of a recurrent layer and a dense one."""
    import keras

    layer = recurrent_layer(name, **kwargs)
    model = keras.Sequential([keras.Input((None, V)), layer, keras.layers.Dense(V)])
    model.compile("adam", "mse", jit_compile=xla)
    return model


def recurrent(name, train=True, batch=32, steps=100, xla="auto", **kwargs):
    """Returns `train_on_batch` or `predict_on_batch` of a recurrent layer and a dense one."""
    import numpy as np

    x, y = np.random.default_rng(0).normal(size=(2, batch, steps, V)).astype("float32")
    model = dense_after(name, xla, **kwargs)
    return lambda: model.train_on_batch(x, y) if train else model.predict_on_batch(x)


STEPS = 100


def one_step(name):
    """Returns `STEPS` calls of a cell and a dense layer on one frame, each from the states before.

    That is how a stream is read where the caller keeps the states, by TensorFlow without XLA.
    """
    import numpy as np
    import tensorflow as tf

    model = dense_after(name)
    cell, dense = model.layers[0].cell, model.layers[1]

    @tf.function
    def step(frame, states):
        output, states = cell(frame, states)
        return dense(output), states

    frames = tf.constant(np.random.default_rng(0).normal(size=(STEPS, 1, V)).astype("float32"))
    size = cell.state_size
    sizes = size if isinstance(size, list | tuple) else [size]
    zeros = [tf.zeros((1, n)) for n in sizes]

    def run():
        states = zeros
        for frame in frames:
            output, states = step(frame, states)
        return output.numpy()

    return run


def growth(names, sizes):
    """Returns contenders of several sizes, `(batch, steps)`."""
    return {
        f"{name}, {batch} x {steps}": partial(recurrent, name, batch=batch, steps=steps)
        for batch, steps in sizes
        for name in names
    }


# Phones: 40 bands with their deltas, patches of 10 bands every 2, 64 cells, pools of 3.

BANDS, CHANNELS, PATCH, STRIDE, CELLS, POOL, PHONES = 40, 3, 10, 2, 64, 3, 61
PATCHES = (BANDS - PATCH) // STRIDE + 1


def of_patches(name, batch=32, steps=100):
    """Returns `train_on_batch` of LSTMs over patches, pooled, and a dense layer."""
    import keras
    import numpy as np

    from seqlayers import layers

    sequences = {"return_sequences": True}
    frames = keras.Input((None, BANDS, CHANNELS))
    pool = keras.layers.MaxPooling2D((1, POOL))
    if name == "patches":
        patch = {"patch_size": PATCH, "patch_stride": STRIDE, "pool_size": POOL}
        x = layers.ConvLSTMPatch(CELLS, **patch, **sequences)(frames)
    elif name == "folded":  # patches as rows of the batch, by hand
        starts = STRIDE * np.arange(PATCHES)
        bands = starts[:, None] + np.arange(PATCH)
        x = keras.ops.take(frames, bands, axis=2)  # [B, T, J, P, C]
        x = keras.ops.swapaxes(keras.ops.reshape(x, (batch, steps, PATCHES, -1)), 1, 2)
        x = keras.ops.reshape(x, (batch * PATCHES, steps, PATCH * CHANNELS))
        x = keras.layers.LSTM(CELLS, **sequences)(x)
        x = keras.ops.reshape(x, (batch, PATCHES, steps, CELLS))
        x = pool(keras.ops.swapaxes(x, 1, 2))
    elif name == "separate":
        parts = [frames[:, :, STRIDE * j : STRIDE * j + PATCH] for j in range(PATCHES)]
        parts = [keras.layers.Reshape((-1, PATCH * CHANNELS))(part) for part in parts]
        x = pool(keras.ops.stack([keras.layers.LSTM(CELLS, **sequences)(p) for p in parts], 2))
    else:
        convolution = keras.layers.Conv1D(CELLS, PATCH, strides=STRIDE, activation="relu")
        x = pool(keras.layers.TimeDistributed(convolution)(frames))
    x = keras.layers.Reshape((-1, PATCHES // POOL * CELLS))(x)
    if name == "convolution":
        x = keras.layers.LSTM(CELLS, **sequences)(x)
    model = keras.Model(frames, keras.layers.Dense(PHONES)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, BANDS, CHANNELS)).astype("float32")
    y = rng.integers(PHONES, size=(batch, steps))
    return lambda: model.train_on_batch(x, y)


def patch_contenders(batch, steps):
    names = {
        "ConvLSTMPatch": "patches",
        f"{PATCHES} keras.layers.LSTM": "separate",
        "keras.layers.LSTM, patches as rows": "folded",
        "TimeDistributed(Conv1D) + LSTM": "convolution",
    }
    size = {"batch": batch, "steps": steps}
    return {label: partial(of_patches, name, **size) for label, name in names.items()}


# Spectra of speech, 129 bins, coded by 200 units.

BINS, UNITS = 129, 200


def of_spectra(name, batch=10, steps=100, xla="auto", **kwargs):
    """Returns `train_on_batch` of a model that codes and decodes frames."""
    import keras
    import numpy as np

    from seqlayers import heads, models

    v = np.random.default_rng(0).normal(size=(batch, steps, BINS)).astype("float32")
    if name == "lstm":
        frames = keras.Input((None, BINS))
        code = keras.layers.LSTM(UNITS, return_sequences=True)(frames)
        model = keras.Model(frames, keras.layers.Dense(BINS)(code))
        model.compile("adam", "mse", jit_compile=xla)
        return lambda: model.train_on_batch(v, v)
    if name == "rbm":
        head = heads.ConditionalRBM(BINS, UNITS, 1, visibles="gaussian", seed=0)
        model = models.SequenceModel(None, head)
    else:
        model = {"lstbm": models.LSTBMModel, "trbm": models.TRBM}[name](BINS, UNITS, **kwargs)
    model.compile("adam", jit_compile=xla)
    return lambda: model.train_on_batch(v)
