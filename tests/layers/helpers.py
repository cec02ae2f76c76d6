"""Helpers of the tests of layers: inputs, masks, weights of some size, gradients of everything."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

B, T = 3, 5
COUNTS = {"clock"}  # states that count have no gradient
MASKS = {
    "no mask": None,
    "padded": [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]],
    "gaps": [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]],
}
masks = pytest.mark.parametrize("mask", MASKS)
modes = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])


@contextlib.contextmanager
def step_by_step():
    """A context within which compiled functions run step by step, whoever calls them."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def mask_of(name):
    return None if MASKS[name] is None else np.array(MASKS[name], bool)


def frames(*shape, dtype="float32", seed=2):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def random_states(layer, batch=B, seed=4):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(batch, size)) for size in layer.cell.state_size]


def randomised(layer, scale=0.7, seed=1, without=()):
    """A built layer with weights of some size, so that nothing in it is small or symmetric."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        if weight.name not in without:
            weight.assign(scale * rng.normal(size=weight.shape))
    return layer


def looped(layer, *frame):
    """Keras's loop over a cell like that of the layer, with its weights, for frames of a shape."""
    config = layer.cell.get_config() | {"kernel_initializer": "zeros"}
    cell = type(layer.cell).from_config(config | {"recurrent_initializer": "zeros"})
    names = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "unroll")
    rnn = keras.layers.RNN(cell, dtype=layer.dtype_policy, **{k: getattr(layer, k) for k in names})
    rnn.build((None, None, *frame))
    rnn.set_weights([w.numpy() for w in layer.weights])
    return rnn


def flat(results):
    return [tf.cast(r, "float64").numpy() for r in keras.tree.flatten(results)]


def assert_all_close(actual, expected, atol=1e-12, rtol=None):
    for a, e in zip(flat(actual), flat(expected), strict=True):
        np.testing.assert_allclose(a, e, atol=atol, rtol=atol if rtol is None else rtol)


def finite(tensors):
    return all(np.all(np.isfinite(array)) for array in flat(tensors))


def results_and_gradients(layer, x, mask=None, states=None, training=True, weights=None):
    """All that a layer returns, and gradients of a random sum of it: by the weights, the inputs and
    the first states. Counts are left out of the sum and of the gradients."""
    rng = np.random.default_rng(3)
    x, states = tf.convert_to_tensor(x), [tf.convert_to_tensor(s) for s in states or []]
    names = getattr(layer.cell, "state_names", ("h", "c"))
    sources = [w.value for w in weights or layer.trainable_weights] + [x]
    sources += [s for name, s in zip(names, states, strict=False) if name not in COUNTS]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        results = layer(x, mask=mask, initial_state=states or None, training=training)
        results = results if isinstance(results, list | tuple) else [results]
        total = 0
        for name, result in zip(["output", *names], results, strict=False):
            if name not in COUNTS:
                weight = tf.constant(rng.normal(size=result.shape), result.dtype)
                total += tf.reduce_sum(result * weight)
    return results, tape.gradient(total, sources, unconnected_gradients="zero")
