"""A model of all layers in a file: its outputs, a step of training and what it is after that."""

import keras
import numpy as np

from seqlayers import layers

B, T, N, M = 3, 17, 6, 5
LENGTHS = [17, 4, 11]


def model():
    """Returns a model in which all layers read the same masked sequence, side by side."""
    way = {"return_sequences": True}
    patches = {"patch_size": 3, "patch_stride": 1, "pool_size": 2, "flatten": True}
    side_by_side = [
        layers.SFM(M, 3, **way),
        layers.SFM(M, 3, recurrent_output="per_frequency", **way),
        layers.SFM(M, 3, 4, frequencies="log", learn_frequencies=True, **way),
        layers.AdaptiveSFM(M, 3, **way),
        layers.AdaptiveSFM(M, 3, phase="accumulated", **way),
        layers.PeepholeLSTM(M, projection_units=4, **way),
        layers.ConvLSTMPatch(M, **patches, **way),
        layers.TanhGated(M, **way),
        layers.LSTBM(M, mode="sample", seed=1, **way),
        layers.BoltzmannRNN(M, mode="sample", seed=2, **way),
        keras.layers.Bidirectional(layers.LSTBM(M, variant="lstm", **way)),
        layers.Delay("ones"),
    ]
    inputs = keras.Input((None, N))
    masked = keras.layers.Masking()(inputs)
    return keras.Model(inputs, [layer(masked) for layer in side_by_side])


def data():
    x = np.random.default_rng(0).normal(size=(B, T, N)).astype("float32")
    x[np.arange(T) >= np.array(LENGTHS)[:, None]] = 0
    return x


def results(path, after):
    """Returns outputs of a model, and weights after a step of training; writes what it is then."""
    loaded, x = keras.models.load_model(path), data()
    outputs = [np.asarray(y) for y in loaded(x)]
    step_by_step = keras.backend.backend() == "tensorflow"  # on JAX that takes twice the time
    how = {"run_eagerly": step_by_step, "jit_compile": not step_by_step}
    loaded.compile(keras.optimizers.SGD(0.1), loss="mse", **how)
    loaded.train_on_batch(x, [np.zeros_like(y) for y in outputs])
    loaded.save(after)
    weights = [w.numpy() for w in loaded.trainable_weights]
    return {
        f"{kind} {n}": array
        for kind, arrays in (("output", outputs), ("weight", weights))
        for n, array in enumerate(arrays)
    }
