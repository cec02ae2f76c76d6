"""State-Frequency Memory whose gates see the input alone: chunks, long sequences, conversion."""

import keras
import numpy as np
import pytest
from layers.helpers import (
    DOUBLE,
    assert_all_close,
    assert_allclose,
    results_and_gradients,
    step_by_step,
)
from layers.state_frequency import D, K, M, N, made, randomised, some_states

from seqlayers.layers import SFM, AdaptiveSFM, AdaptiveSFMCell, SFMCell, sfm_chunks

parallel_forms = pytest.mark.parametrize(
    "name", ["parallel", "parallel learned", "adaptive parallel", "accumulated parallel"]
)


def sequences(batch, steps, seed=2, dtype=DOUBLE):
    return np.random.default_rng(seed).normal(size=(batch, steps, N)).astype(dtype)


@parallel_forms
@pytest.mark.parametrize("masked", [False, True])
def test_chunks_of_any_size_give_the_same(name, masked, monkeypatch):
    layer, x = made(name), sequences(3, 7)
    mask = np.random.default_rng(3).random((3, 7)) < 0.6 if masked else None
    states = [np.repeat(s, 3, axis=0) for s in some_states(layer)]
    with step_by_step():
        expected = results_and_gradients(layer, x, mask, states)
        for frames_in_a_chunk in (3, 6, 12):  # chunks of 1, of 2, the last in part, and of 4
            monkeypatch.setattr(sfm_chunks, "FRAMES_IN_A_CHUNK", frames_in_a_chunk)
            actual = results_and_gradients(layer, x, mask, states)
            assert_all_close(actual, expected, 1e-9, 1e-9)


@pytest.mark.slow
def test_in_chunks_and_shards_it_compiles(monkeypatch):
    monkeypatch.setattr(sfm_chunks, "FRAMES_IN_A_CHUNK", 6)
    plain, compiled = (made("accumulated parallel", jit_compile=jit) for jit in (False, True))
    x, mask = sequences(3, 7), np.random.default_rng(3).random((3, 7)) < 0.6
    with step_by_step():
        expected = results_and_gradients(plain, x, mask)
    assert_all_close(results_and_gradients(compiled, x, mask), expected, 1e-9, 1e-9)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_model_of_unknown_batch_and_length_trains_and_predicts():
    """Its chunks are then of a length that is known at run time alone, also where XLA compiles."""
    x, y = sequences(3, 5, dtype="float32"), np.zeros((3, 5, M), "float32")
    outputs = []
    for jit_compile in ("auto", False):
        layer = made("parallel", dtype="float32", return_state=False, jit_compile=jit_compile)
        model = keras.Sequential([keras.Input((None, N)), layer])
        model.compile("sgd", "mse", run_eagerly=not jit_compile)
        model.fit(x, y, verbose=0)
        outputs.append(model.predict(x, verbose=0))
    assert_allclose(*outputs, atol=1e-6)


def test_over_10001_steps_single_precision_keeps_its_digits():
    layer, plain = made("parallel", dtype="float32"), made("parallel", dtype=DOUBLE)
    x = sequences(1, 10_001)
    z, *states = layer(x.astype("float32"))
    known, *known_states = plain(x)
    assert_allclose(z, known, atol=1e-5)
    for one, other in zip(states, known_states, strict=True):
        assert_allclose(one, other, atol=1e-5)


def test_a_sequence_of_no_steps_leaves_all_as_it_is():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("JAX has no free lengths")
    layer = made("parallel", dtype="float32")
    states = [np.float32(s) for s in some_states(layer)]
    run = tf.function(
        lambda x: layer(x, initial_state=states),
        input_signature=[tf.TensorSpec([1, None, N])],
        autograph=False,
    )
    outputs, *after = run(np.zeros((1, 0, N), "float32"))
    assert outputs.shape == (1, 0, M)
    for one, other in zip(after, states, strict=True):
        np.testing.assert_array_equal(one, other)
    x = sequences(1, 6, dtype="float32")
    assert_all_close(run(x), layer(x, initial_state=states), atol=1e-6, rtol=1e-6)


@parallel_forms
@pytest.mark.usefixtures("eagerly")
def test_a_recurrent_layer_from_a_parallel_one_has_its_outputs(name):
    layer = made(name)
    recurrent = type(layer).from_parallel(layer)
    assert recurrent.gates == "recurrent" and recurrent.name == layer.name
    assert not np.any(recurrent.cell.recurrent_kernel.numpy())
    x = sequences(2, 6)
    assert_all_close(recurrent(x), layer(x), 1e-12, 1e-12)
    assert [w.name for w in recurrent.weights if w.name != "recurrent_kernel"] == [
        w.name for w in layer.weights
    ]


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_only_a_built_parallel_layer_of_the_class_is_converted(cls):
    other = AdaptiveSFM if cls is SFM else SFM
    built = randomised(other(M, K, D, gates="input"))
    for layer in (cls(M, gates="input"), randomised(cls(M, K, D)), built, keras.layers.LSTM(M)):
        with pytest.raises(ValueError, match=f"`layer` must be a built `{cls.__name__}`.*Received"):
            cls.from_parallel(layer)


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
def test_what_needs_the_previous_output_is_refused(cls):
    for wrong in (
        {"recurrent_output": "per_frequency"},
        {"recurrent_dropout": 0.5},
        {"gradient_clip": 0.5},
    ):
        with pytest.raises(ValueError, match='`gates="input"` leaves no.*Received.*(0.5|per_freq)'):
            cls(M, gates="input", **wrong)


def test_configs_from_before_have_recurrent_gates_and_the_printed_output_and_gradient():
    config = AdaptiveSFM(M).get_config()
    added = {"gates": "recurrent", "output_scale": "sum", "gradient_clip": None}
    added |= {"detach_frequency": False}
    older = {name: value for name, value in config.items() if name not in added}
    assert config == older | added
    assert AdaptiveSFM.from_config(older).get_config() == config
