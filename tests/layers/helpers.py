"""Helpers of the tests of layers: inputs, masks, weights of some size, gradients of everything."""

import contextlib

import keras
import numpy as np
import pytest
from backend import JAX, compiled, tensor, value_and_gradients
from keras import ops

B, T = 3, 5
DOUBLE = "float32" if JAX else "float64"  # on JAX many functions of Keras know no float64
CLOSEST = 2e-5 if JAX else 0  # what tolerances are at least
# Where a mask starts with a gap, Keras returns 0 on TensorFlow, and on JAX if it unrolls the loop:
# its scan on JAX takes the first state for the output. There, it knows of no `zero_output_for_mask`
# where it unrolls.
UNROLLED = {"unroll": True} if JAX else {}
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
    """A context within which compiled functions run step by step, whoever calls them.

    On JAX they stay compiled: an operation by itself is a program there, too.
    """
    if JAX:
        yield
        return
    import tensorflow as tf

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


def assert_pieces_are_the_whole(layer, x, masks):
    """Asserts that pieces, states handed on, are the whole, for a layer with `return_state`."""
    whole, *last = layer(x, mask=masks)
    states, outputs = None, []
    for piece in (slice(0, 1), slice(1, 3), slice(3, x.shape[1])):
        output, *states = layer(x[:, piece], mask=masks[:, piece], initial_state=states)
        outputs.append(output)
    outputs = np.concatenate(outputs, axis=1)
    assert_allclose(outputs[masks], np.asarray(whole)[masks], atol=1e-6)
    for actual, expected in zip(states, last, strict=True):
        assert_allclose(actual, expected, atol=1e-6)


def assert_is_keras_loop(layer, x, mask):
    """Asserts that a layer with `return_state` is Keras's loop over its cell, also compiled."""
    loop = keras.layers.RNN(layer.cell, return_sequences=True, return_state=True, **UNROLLED)
    expected = loop(x, mask=mask)
    run = compiled(lambda x: layer(x, mask=mask))
    for actual in (layer(x, mask=mask), run(x)):
        for a, e in zip(actual, expected, strict=True):
            assert_allclose(a, e, atol=1e-6)


def randomised(layer, scale=0.7, seed=1, without=()):
    """A built layer with weights of some size, so that nothing in it is small or symmetric."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        if weight.name not in without:
            weight.assign(scale * rng.normal(size=weight.shape))
    return layer


def looped(layer, *frame):
    """Keras's loop over a cell like that of the layer, with its weights, for frames of a shape."""
    config = layer.cell.get_config()
    zeros = {"kernel_initializer", "recurrent_initializer"} & config.keys()
    cell = type(layer.cell).from_config(config | dict.fromkeys(zeros, "zeros"))
    names = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "unroll")
    options = {k: getattr(layer, k) for k in names}
    if not layer.zero_output_for_mask:
        options |= UNROLLED
    rnn = keras.layers.RNN(cell, dtype=layer.dtype_policy, **options)
    rnn.build((None, None, *frame))
    rnn.set_weights([w.numpy() for w in layer.weights])
    return rnn


def flat(results):
    return [ops.convert_to_numpy(r).astype("float64") for r in keras.tree.flatten(results)]


def assert_allclose(actual, expected, rtol=1e-7, atol=0.0, err_msg=""):
    """That of NumPy, in the precision that there is."""
    if CLOSEST:
        largest = np.nanmax(np.abs(np.asarray(expected, "float64")), initial=1)
        rtol, atol = max(rtol, CLOSEST), max(atol, CLOSEST * largest)
    np.testing.assert_allclose(actual, expected, rtol, atol, err_msg=err_msg)


def assert_all_close(actual, expected, atol=1e-12, rtol=None):
    for a, e in zip(flat(actual), flat(expected), strict=True):
        assert_allclose(a, e, atol=atol, rtol=atol if rtol is None else rtol)


def finite(tensors):
    return all(np.all(np.isfinite(array)) for array in flat(tensors))


def results_and_gradients(layer, x, mask=None, states=None, training=True, weights=None):
    """All that a layer returns, and gradients of a random sum of it: by the weights, the inputs and
    the first states. Counts are left out of the sum and of the gradients."""
    names = getattr(layer.cell, "state_names", ("h", "c"))
    states = [tensor(s) for s in states or []]
    variables = weights or layer.trainable_weights
    moving = [s for name, s in zip(names, states, strict=False) if name not in COUNTS]

    def run(x, *moving):
        rng, left = np.random.default_rng(3), iter(moving)
        first = zip(names, states, strict=False)
        first = [s if name in COUNTS else next(left) for name, s in first]
        results = layer(x, mask=mask, initial_state=first or None, training=training)
        results = results if isinstance(results, list | tuple) else [results]
        total = 0
        for name, result in zip(["output", *names], results, strict=False):
            if name not in COUNTS:
                weight = tensor(rng.normal(size=result.shape), result.dtype)
                total += ops.sum(result * weight)
        return total, results

    state = getattr(layer, "non_trainable_variables", ())
    (_, results), gradients = value_and_gradients(run, x, *moving, variables=variables, state=state)
    sources = [*variables, x, *moving]
    gradients = zip(gradients, sources, strict=True)
    return results, [np.zeros(source.shape) if g is None else g for g, source in gradients]
