"""LSTM over patches in models: stacked, saved, exported, and as the memory of a head."""

import keras
import numpy as np
import pytest
from layers.helpers import B, T, assert_allclose, frames

from seqlayers import heads
from seqlayers.layers import ConvLSTMPatch, PeepholeLSTM

F, C, M = 11, 2, 3


def speech(**kwargs):
    """Two of them, a PeepholeLSTM and a Dense layer: the paper's, small."""
    way = {"return_sequences": True, "jit_compile": False} | kwargs
    return keras.Sequential(
        [
            keras.Input((None, F, C)),
            ConvLSTMPatch(4, 3, 1, 2, **way),
            ConvLSTMPatch(M, 2, 1, 3, projection_units=2, flatten=True, **way),
            PeepholeLSTM(4, projection_units=M, **way),
            keras.layers.Dense(2),
        ]
    )


def test_layers_of_it_are_stacked_and_learn_and_are_saved(tmp_path):
    model = speech()
    shapes = [layer.output.shape for layer in model.layers]
    assert shapes == [(None, None, 4, 4), (None, None, 2), (None, None, M), (None, None, 2)]
    printed = []
    model.summary(line_length=120, print_fn=lambda text, **_: printed.append(text))
    assert "(None, None, 4, 4)" in "".join(printed)  # pools and units; one axis with `flatten`
    model.compile(keras.optimizers.Adam(0.05), loss="mse", run_eagerly=True, jit_compile=False)
    x, y = frames(B, T, F, C), np.ones((B, T, 2), "float32")
    before = [w.numpy() for w in model.weights]
    losses = [model.train_on_batch(x, y) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
    for weight, old in zip(model.weights, before, strict=True):
        assert np.any(weight.numpy() != old), weight.path
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    for layer, again in zip(model.layers, loaded.layers, strict=True):
        assert again.get_config() == layer.get_config()


@pytest.mark.tensorflow
def test_an_exported_model_is_plain_tensorflow(tmp_path):
    import tensorflow as tf

    model = speech(jit_compile="auto")
    x = frames(B, T, F, C)
    model.export(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path)
    for part in (x, x[:1, :2]):
        assert_allclose(served.serve(part), model(part), atol=1e-6)
    assert b"_XlaMustCompile" not in (tmp_path / "saved_model.pb").read_bytes()


@pytest.mark.tensorflow
def test_it_is_a_memory_for_a_head():
    from seqlayers import models

    way = {"flatten": True, "return_sequences": True, "jit_compile": False}
    memory = ConvLSTMPatch(4, 3, 1, 2, **way)
    model = models.SequenceModel(memory, heads.BernoulliHead(F))
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    x = (frames(B, T, F) > 1).astype("float32")
    losses = model.fit(x, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]
    assert model.generate(3, num_sequences=2, seed=0).shape == (2, 3, F)
