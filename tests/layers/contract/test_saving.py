"""Saved or exported, a model gives the same."""

import json

import keras
import numpy as np
import pytest
from layers.contract.members import (
    B,
    N,
    T,
    assert_all_close,
    each_class_with_memories,
    frames,
    made,
    sequential,
    with_memories,
)
from layers.helpers import assert_allclose, step_by_step


@pytest.mark.usefixtures("eagerly")
@with_memories
def test_a_saved_model_gives_identical_outputs(name, tmp_path):
    model = sequential(name, return_sequences=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(frames()), model(frames()))
    # In JSON, where tuples and lists are the same.
    actual, expected = (json.dumps(m.layers[0].get_config()) for m in (loaded, model))
    assert actual == expected


def functions_for_xla(path):
    """Names of functions and operations of a SavedModel that only XLA may run."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    found, total = [], 0
    for meta in saved.meta_graphs:
        functions = meta.graph_def.library.function
        nodes = [n for f in functions for n in f.node_def] + list(meta.graph_def.node)
        total += len(nodes)
        found += [f.signature.name for f in functions if f.attr["_XlaMustCompile"].b]
        found += [n.name for n in nodes if n.attr["_XlaMustCompile"].b or n.op.startswith("Xla")]
    assert total
    return found


@pytest.mark.tensorflow
def test_functions_for_xla_are_seen(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    inner = tf.function(tf.square, jit_compile=True)
    module.f = tf.function(lambda x: inner(x) + 1, input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(module, tmp_path)
    assert functions_for_xla(tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name", ["sfm", "sfm parallel", "adaptive steady", "adaptive parallel", "patches"]
)
def test_an_exported_model_gives_the_same_and_is_plain_tensorflow(name, tmp_path):
    import tensorflow as tf

    model = sequential(name, return_sequences=True, jit_compile="auto")
    model.layers[0](frames(2, T, N), training=True)  # what was compiled for training stays out
    model.export(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path)
    for x in (frames(), frames(1, 9, N), frames(1, 70, N)):
        assert_allclose(served.serve(x), model(x), atol=1e-6)
    assert functions_for_xla(tmp_path) == []


@pytest.mark.tensorflow
@each_class_with_memories
def test_a_served_step_takes_the_state_and_gives_it_back(name, tmp_path):
    import tensorflow as tf

    layer = made(name, return_state=True, jit_compile="auto")
    archive = keras.export.ExportArchive()
    archive.track(layer)
    specs = [tf.TensorSpec([None, None, N])]
    specs += [tf.TensorSpec([None, size]) for size in layer.cell.state_size]
    archive.add_endpoint("step", lambda x, *s: layer(x, initial_state=list(s)), specs)
    archive.write_out(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path)
    x = frames()
    states = [tf.zeros((B, size)) for size in layer.cell.state_size]
    for t in range(T):
        output, *states = served.step(x[:, t : t + 1], *states)
    with step_by_step():
        assert_all_close([output, *states], layer(x), atol=1e-6)
    assert functions_for_xla(tmp_path) == []
