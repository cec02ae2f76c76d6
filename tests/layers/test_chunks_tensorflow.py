"""XLA compiles the loops of a layer once for all lengths."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from layers.contract.members import B, N, made
from layers.helpers import assert_allclose

pytestmark = pytest.mark.tensorflow

MANY_LENGTHS = """
import keras, numpy as np
from seqlayers import layers
layer = layers.TanhGated(3, return_sequences=True)
model = keras.Sequential([keras.Input((None, 2)), keras.layers.Masking(), layer])
model.compile("sgd", "mse")
rng = np.random.default_rng(0)
for steps in range(1, 41):
    x, y = rng.normal(size=(3, steps, 2)), rng.normal(size=(3, steps, 3))
    model.train_on_batch(x, y)
    model.predict_on_batch(x)
"""


@pytest.mark.slow
def test_a_keras_model_of_40_lengths_compiles_a_layer_once(tmp_path):
    """Two programs of training, forward and backward, and one of `predict`."""
    flags = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text"
    environment = os.environ | {"XLA_FLAGS": flags}
    subprocess.run([sys.executable, "-c", MANY_LENGTHS], env=environment, check=True)
    assert len(list(tmp_path.glob("*.before_optimizations.txt"))) == 3


@pytest.mark.parametrize("name", ["sfm", "patches"])
def test_outputs_do_not_depend_on_the_frames_behind(name):
    """Not by a bit: of the last chunk, the steps that are left out, and the row that is added."""
    layer = made(name, return_sequences=True, jit_compile=True)
    x = np.random.default_rng(0).normal(size=(B, 35, N)).astype("float32")
    outputs = layer(x, training=True)
    for steps in (1, 15, 16, 17, 33):
        some = layer(x[:, :steps], training=True)
        np.testing.assert_array_equal(some, outputs[:, :steps])


def test_predict_compiles_a_layer_and_a_call_does_not():
    import tensorflow as tf

    compiled = []

    class Layer(keras.layers.Layer):
        def call(self, x):
            graph = tf.function(lambda x: layer(x), autograph=False)
            functions = graph.get_concrete_function(x).graph.as_graph_def().library.function
            compiled.append(any("_XlaMustCompile" in f.attr for f in functions))
            return layer(x)

    layer = made("sfm", return_sequences=True, jit_compile="auto")
    x = np.zeros((B, 5, N), "float32")
    model = keras.Sequential([keras.Input((None, N)), Layer()])
    del compiled[:]
    outputs = model.predict(x, verbose=0)
    assert compiled == [True]
    assert_allclose(model(x), outputs, atol=1e-6)
    assert compiled == [True, False]
