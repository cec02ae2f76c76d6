"""In a graph, compiled by XLA and fitted, a layer is the same as step by step."""

import keras
import numpy as np
import pytest
from backend import graph, tensor, value_and_gradients
from keras import ops
from layers.contract.members import (
    LAYERS,
    OVERFLOW,
    B,
    N,
    T,
    assert_all_close,
    built,
    each_class,
    each_class_with_memories,
    frames,
    hard_rows,
    made,
    new,
    one_a_class,
    randomised,
    some_states,
)
from layers.helpers import (
    DOUBLE,
    assert_allclose,
    finite,
    flat,
    mask_of,
    results_and_gradients,
    step_by_step,
)

ALL = {"return_sequences": True, "return_state": True}


@pytest.mark.tensorflow
@each_class_with_memories
def test_sizes_that_are_known_stay_known_in_a_graph(name):
    import tensorflow as tf

    layer = made(name, **ALL)
    for training, mask in ((True, np.ones((B, T), bool)), (False, None)):
        run = tf.function(lambda x, mask: layer(x, mask=mask, training=training))  # noqa: B023
        outputs, *states = run.get_concrete_function(frames(), mask).output_shapes
        assert outputs == (B, T, layer.cell.output_size)
        assert states == [(B, size) for size in layer.cell.state_size]


@pytest.mark.tensorflow
@each_class_with_memories
def test_batch_and_time_may_be_unknown_in_a_graph(name):
    import tensorflow as tf

    layer = made(name, **ALL)
    run = tf.function(
        lambda x, mask: results_and_gradients_of_outputs(layer, x, mask),
        input_signature=[tf.TensorSpec([None, None, N]), tf.TensorSpec([None, None], tf.bool)],
    )
    for batch, steps in ((1, 1), (3, 5)):
        x, mask = frames(batch, steps, N), np.ones((batch, steps), bool)
        mask[0, -1] = False
        with step_by_step():
            expected = results_and_gradients_of_outputs(layer, tensor(x), mask)
        assert_all_close(run(x, mask), expected)


@pytest.mark.tensorflow
@each_class_with_memories
def test_one_sequence_of_unknown_length_has_known_sizes_in_a_graph(name):
    import tensorflow as tf

    layer = made(name, **ALL)
    run = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec([1, None, N])])
    for steps in (1, 4):
        assert_all_close(run(frames(1, steps, N)), layer(frames(1, steps, N)))


def results_and_gradients_of_outputs(layer, x, mask):
    """At inference and in training; sizes of nothing are asked for."""

    def squares(x):
        outputs, *_ = layer(x, mask=mask, training=True)
        return ops.sum(outputs**2), outputs

    (_, outputs), gradients = value_and_gradients(squares, x, variables=layer.trainable_weights)
    return layer(x), outputs, gradients[:-1]


@each_class
def test_compiled_by_itself_it_is_the_same_and_finite_on_silence(name):
    """In single precision, against double precision step by step."""
    compiled, plain = made(name, jit_compile=True, **ALL), made(name, dtype=DOUBLE, **ALL)
    hard, mask = hard_rows()
    x, states = frames(*hard.shape), some_states(compiled, len(hard))
    for training in (True, False):
        with step_by_step():
            expected = results_and_gradients(
                plain, np.float64(x), mask, [np.float64(s) for s in states], training
            )
        actual = results_and_gradients(compiled, x, mask, states, training)
        assert_all_close(actual, expected, atol=1e-4, rtol=1e-4)
        assert finite(results_and_gradients(compiled, hard, mask, states, training))


@pytest.mark.parametrize("name", ["adaptive accumulated", "adaptive steady", "patches"])
def test_compiled_in_shards_of_two_rows_and_one_it_is_the_same(name):
    compiled, plain = made(name, jit_compile=True, **ALL), made(name, **ALL)
    with step_by_step():
        states = some_states(plain)
        expected = results_and_gradients(plain, frames(), mask_of("gaps"), states)
    actual = results_and_gradients(compiled, frames(), mask_of("gaps"), states)
    assert_all_close(actual, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.tensorflow  # on JAX `predict` of Keras keeps no states, those of its LSTM neither
@each_class
def test_a_stateful_layer_goes_on_in_predict_as_well(name):
    layer = new(name, return_sequences=True, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(B, None, N)), layer])
    randomised(layer)
    whole, x = made(name, return_sequences=True), frames()
    parts = [model.predict(x[:, t : t + 2], batch_size=B, verbose=0) for t in (0, 2, 4)]
    assert_allclose(np.concatenate(parts, axis=1), whole(x), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*one_a_class([n for n in LAYERS if n not in OVERFLOW]), "adaptive steady"]
)
def test_gradients_are_finite_over_thousands_of_frames(name):
    layer = built(new(name, units=2, return_sequences=True))

    def squares(x):
        outputs = layer(x, training=True)
        return ops.sum(outputs**2), outputs

    @graph
    def run(x):
        (_, outputs), gradients = value_and_gradients(squares, x, variables=layer.weights)
        return outputs, gradients

    outputs, gradients = run(frames(1, 3000, N))
    assert finite(outputs) and finite(gradients)
    assert all(np.any(g != 0) for g in flat(gradients))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adaptive", "patches"])
def test_compiled_or_not_fitting_has_the_same_losses(name):
    rng = np.random.default_rng(0)
    x, y = frames(4, T, N), rng.normal(size=(4, 1)).astype("float32")
    x[:3, 2:] *= mask_of("padded")[:, 2:, None]
    ways = [
        ({"jit_compile": False}, {"run_eagerly": True, "jit_compile": False}),
        ({"jit_compile": "auto"}, {"jit_compile": False}),
        ({}, {"jit_compile": True}),
    ]
    histories = []
    for layer_arguments, how in ways:
        layer = new(name, **layer_arguments)
        model = keras.Sequential(
            [keras.Input((None, N)), keras.layers.Masking(), layer, keras.layers.Dense(1)]
        )
        randomised(model)
        model.compile(keras.optimizers.SGD(0.1), loss="mse", **how)
        history = model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0).history
        assert history["loss"][1] < history["loss"][0]
        histories.append(history["loss"])
    for history in histories[1:]:
        assert_allclose(history, histories[0], rtol=1e-4)
