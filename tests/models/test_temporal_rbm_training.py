"""TRBM, RTRBM and LSTBM trained, resumed, stacked, saved and refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.temporal import (
    MODELS,
    PAST,
    J,
    V,
    all_models,
    as_json,
    assert_equal,
    frames_for,
    made,
    values_of,
)

from seqlayers.heads import BernoulliHead
from seqlayers.layers import BoltzmannCell, LSTBMCell
from seqlayers.models import RTRBM, TRBM, LSTBMModel, SequenceModel
from seqlayers.models.temporal_rbm import TiedRBM

# Training.


def cycle(num_sequences=24, num_steps=8, units=4):
    """One unit on, the next one in the next frame; the first is any."""
    phases = np.random.default_rng(0).integers(0, units, num_sequences)
    return [np.eye(units)[(phase + np.arange(num_steps)) % units] for phase in phases]


def nats_per_frame(model, frames):
    return np.mean(model.head.log_prob(frames, model.contexts(frames)).nats)


@pytest.mark.parametrize("name, truncate", [*((name, None) for name in MODELS), ("lstm", False)])
def test_training_raises_the_likelihood(name, truncate):
    keras.utils.set_random_seed(0)
    cls, arguments = MODELS[name]
    model = cls(4, 6, "bernoulli", 2, truncate, seed=0, jit_compile=False, **arguments)
    model.compile(keras.optimizers.Adam(0.1), jit_compile=False)
    frames = np.stack(cycle()).astype("float32")
    before = nats_per_frame(model, frames)
    for _ in range(40):
        model.train_on_batch(frames)
    after = nats_per_frame(model, frames)
    assert after > before + 1
    if not model.truncate:
        assert after > -np.log(4) + 0.1  # the best that could be said without a memory


def test_frames_alone_can_be_learned_first_and_the_memory_has_it():
    keras.utils.set_random_seed(0)
    options = {"centering_rate": 0.1, "recurrent_regularizer": "l2"}
    model = RTRBM(4, 3, "bernoulli", gibbs_steps=2, seed=0, **options, **PAST)
    model.compile(jit_compile=False)
    frames = np.stack(cycle())
    recurrent_kernel, start = model.memory.cell.recurrent_kernel.numpy(), model.head.kernel.numpy()
    before = nats_per_frame(model, frames)
    optimizer = keras.optimizers.Adam(0.03)
    model.pretrain_head(frames, epochs=20, batch_size=24, optimizer=optimizer, verbose=0)
    assert nats_per_frame(model, frames) > before + 0.3
    assert np.any(model.memory.cell.kernel != start)
    np.testing.assert_array_equal(model.memory.cell.kernel, model.head.kernel)
    np.testing.assert_array_equal(model.memory.cell.recurrent_kernel, recurrent_kernel)


def test_the_memory_cannot_be_trained_apart_from_the_rbm():
    with pytest.raises(ValueError, match="`RTRBM` has the weights of its RBM.*`pretrain_head`"):
        RTRBM(V, J, "bernoulli").pretrain_memory(frames_for("bernoulli", 2, 3))


@pytest.mark.long
def test_a_run_that_was_interrupted_ends_where_an_undisturbed_one_does(tmp_path):
    train = [frames_for("gaussian", n, seed=n).astype("float32") for n in (4, 3, 5)]

    options = {"centering_rate": 0.1, "dropout": 0.2, "recurrent_dropout": 0.2, **PAST}
    whole = made("trbm", dtype="float32", **options)
    whole.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    path, kwargs = tmp_path / "model.keras", {"verbose": 0}
    save = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epoch or whole.save(path)
    )
    history = whole.fit(
        train, epochs=3, validation_data=train, validation_freq=3, callbacks=[save], **kwargs
    ).history
    expected, score = history["loss"], whole.score(train)
    assert history["val_log_likelihood"] == [pytest.approx(score.nats, abs=1e-6)]
    assert (score.kind, score.frames, score.sequences) == ("exact", 12, 3)
    keras.utils.set_random_seed(99)
    resumed = keras.models.load_model(path)
    assert resumed.memory.cell is resumed.head.cell
    assert as_json(resumed.get_config()) == as_json(whole.get_config())
    actual = resumed.fit(train, epochs=3, initial_epoch=1, **kwargs).history["loss"]
    assert actual == expected[1:]
    assert_equal(values_of(resumed.weights), values_of(whole.weights))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_and_keeps_the_variance_in_single(policy):
    model = made("lstbm", dtype=policy, centering_rate=0.1)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    frames = frames_for("gaussian", 2, 3).astype("float32")
    single = made("lstbm", dtype="float32", centering_rate=0.1)
    contexts = model.contexts(frames)
    assert contexts.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(model(frames), contexts)
    np.testing.assert_allclose(tf.cast(contexts, "float32"), single.contexts(frames), atol=0.02)
    nats = [nats_per_frame(m, frames) for m in (model, single)]
    assert nats[0].dtype == "float32" and nats[0] == pytest.approx(nats[1], abs=0.05)
    logs = model.train_step((frames, None))
    assert np.isfinite(float(logs["loss"])) and float(logs["skipped_steps"]) == 0
    assert {w.dtype for w in model.trainable_weights} == {"float32"}
    assert model.head.log_variance.dtype == "float32"


# What a model above reads.


def test_stacked_models_go_into_a_network_of_keras_layers():
    options = {"centering_rate": 0.1, "context_visible": True}
    first = made("lstm", units=(V, 4), dtype="float32", **options)
    second = made("lstm", units=(4, J), dtype="float32")
    frames = frames_for("gaussian", 2, 5).astype("float32")
    lower = first.hidden_states(frames)
    deep = keras.Sequential([first.to_lstm(), second.to_lstm()])
    np.testing.assert_allclose(deep.layers[0](frames), lower, atol=1e-6)
    np.testing.assert_allclose(deep(frames), second.hidden_states(lower), atol=1e-6)
    second.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    assert np.isfinite(second.fit(lower, verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match='`to_lstm` needs `variant="lstm"`.*Received'):
        made("lstbm").to_lstm()
    with pytest.raises(ValueError, match="`to_lstm` needs.*learn_initial_context=False.*Received"):
        made("lstm", **PAST).to_lstm()


@pytest.mark.parametrize("visibles", ["gamma", "bernoulli"])
def test_other_visibles_go_into_keras_layers_as_well(visibles):
    model, frames = made("lstm", visibles), frames_for(visibles, 2, 5)
    lstm = model.to_lstm(return_sequences=False, dtype="float64")
    np.testing.assert_allclose(lstm(frames), model.hidden_states(frames)[:, -1], atol=1e-9)


# Weights and arguments.


@pytest.mark.parametrize("name, past", [*((name, {}) for name in MODELS), ("rtrbm", PAST)])
def test_memory_and_head_have_one_set_of_weights(name, past):
    model = made(name, centering_rate=0.1, kernel_regularizer="l2", **past)
    cell, head = model.memory.cell, model.head
    assert cell is head.cell
    names = [w.name for w in model.trainable_weights]
    assert sorted(names) == sorted(set(names))
    ours = {"kernel", "recurrent_kernel", "bias", "visible_bias", "log_variance"}
    assert set(names) == ours | ({"context_visible_kernel", "initial_context"} if past else set())
    assert len(model.losses) == 1
    assert float(model.losses[0]) == pytest.approx(0.01 * np.sum(np.square(cell.kernel)))
    other = made(name, centering_rate=0.1, scale=0.1, **past)
    other.set_weights(model.get_weights())
    frames = frames_for("gaussian", 1, 3)
    np.testing.assert_array_equal(other.encode(frames), model.encode(frames))


@all_models
def test_options_reach_their_place_and_come_back(name):
    options = {
        "sampling_steps": 7,
        "num_betas": 11,
        "num_chains": 3,
        "centering_rate": 0.05,
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.02),
        "recurrent_initializer": "zeros",
        "recurrent_regularizer": keras.regularizers.L1(0.1),
        "bias_constraint": "max_norm",
        "dropout": 0.25,
        "recurrent_dropout": 0.5,
        "jit_compile": True,
        "unroll": True,
        "context_visible": True,
        "context_initializer": keras.initializers.RandomNormal(stddev=0.03),
        "context_regularizer": keras.regularizers.L2(0.2),
        "learn_initial_context": True,
    }
    cls, arguments = MODELS[name]
    model = cls(
        *(V, J, "bernoulli", 4), not cls.truncates, seed=3, name="named", **options, **arguments
    )
    config = model.get_config()
    for _ in range(2):
        again = cls.from_config(config)
        assert as_json(again.get_config()) == as_json(config) == as_json(model.get_config())
        head, cell = again.head, again.memory.cell
        assert (head.visibles, head.gibbs_steps, head.seed) == ("bernoulli", 4, 3)
        assert again.name == "named"
        assert (head.sampling_steps, head.num_betas, head.num_chains) == (7, 11, 3)
        assert (head.centering_rate, again.truncate) == (0.05, not cls.truncates)
        assert (cell.dropout, cell.recurrent_dropout) == (0.25, 0.5)
        assert head.context_visible and again.initial_context.trainable
        assert head.context_initializer.stddev == 0.03
        assert head.context_visible_kernel.regularizer.l2 == np.float32(0.2)
        assert again.memory.jit_compile and again.memory.unroll
        assert cell.kernel_initializer.stddev == 0.02
        assert np.all(cell.recurrent_kernel == 0) and np.any(cell.kernel != 0)
        assert isinstance(cell.recurrent_regularizer, keras.regularizers.L1)
        assert isinstance(cell.bias_constraint, keras.constraints.MaxNorm)
        assert name != "lstm" or cell.variant == "lstm"
        assert cell.mode == ("sample" if name == "trbm" else "mean")


def test_an_lstbm_can_draw_its_units_in_training_too():
    model = LSTBMModel(V, J, variant="lstm", mode="sample", seed=0)
    again = LSTBMModel.from_config(model.get_config())
    assert (again.memory.mode, again.memory.variant) == ("sample", "lstm")
    frames = frames_for("gaussian", 1, 2)
    assert np.any(again.contexts(frames, training=True) != again.contexts(frames))


def test_a_saved_model_is_the_same(tmp_path):
    model = made("lstm", dtype="mixed_bfloat16", **PAST)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal(values_of(loaded.weights), values_of(model.weights))
    assert loaded.memory.cell is loaded.head.cell
    assert as_json(loaded.get_config()) == as_json(model.get_config())
    for part in (loaded, loaded.head, loaded.memory.cell):
        assert part.dtype_policy.name == "mixed_bfloat16"
    model.save_weights(tmp_path / "model.weights.h5")
    other = made("lstm", dtype="mixed_bfloat16", scale=0.1, **PAST)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_equal(values_of(other.weights), values_of(model.weights))


WRONG = {
    "no hidden units": ({"hidden_units": 0}, "`hidden_units`.*at least 1.*Received.*0"),
    "half a unit": ({"hidden_units": 1.5}, "`hidden_units`.*Received.*1.5"),
    "no visible units": ({"visible_units": 0}, "`visible_units`.*Received.*0"),
    "no such visibles": ({"visibles": "poisson"}, "`visibles`.*gamma.*Received.*poisson"),
    "no Gibbs steps": ({"gibbs_steps": 0}, "`gibbs_steps`.*Received.*0"),
    "neither true nor false": ({"truncate": "no"}, "`truncate`.*True, False.*Received.*'no'"),
    "a context of no truth": (
        {"context_visible": "no"},
        "`context_visible`.*True or False.*Received.*'no'",
    ),
    "half a first context": (
        {"learn_initial_context": 0.5},
        "`learn_initial_context`.*True or False.*Received.*0.5",
    ),
    "weights that are not there": (
        {"context_initializer": "zeros"},
        "`context_initializer`.*use it with context_visible=True.*Received.*'zeros'",
    ),
    "no seed": ({"seed": 1.5}, "`seed`.*integer.*Received.*1.5"),
    "centered amplitudes": (
        {"visibles": "gamma", "centering_rate": 0.1},
        "`centering_rate`.*gamma.*Received.*0.1",
    ),
    "no such option": ({"colour": "red"}, "`colour` is no argument.*dropout.*Received.*'red'"),
    "an RBM without biases": ({"use_bias": False}, "`use_bias` is no argument.*Received.*False"),
    "chains": ({"persistent_chains": 3}, "`persistent_chains` is no argument.*Received.*3"),
    "half a memory": ({"return_sequences": False}, "`return_sequences` is no argument.*Received"),
    "a frozen model": ({"trainable": False}, "`trainable` is no argument.*Received.*False"),
    "what makes it a TRBM": ({"mode": "mean"}, "`mode` is no argument of `TRBM`.*Received.*mean"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_by_name(name):
    arguments, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        TRBM(**{"visible_units": V, "hidden_units": J} | arguments)


def test_a_tied_rbm_leaves_its_weights_to_the_cell():
    cell = LSTBMCell(J, variant="lstm")
    head = TiedRBM(cell, V, visibles="gaussian", seed=0)
    assert head.hidden_units == 4 * J
    head.build((None, None, V))
    again = TiedRBM.from_config(head.get_config())
    assert as_json(again.get_config()) == as_json(head.get_config())
    assert again.cell is not cell and again.cell.variant == "lstm"
    with pytest.raises(
        ValueError, match="`kernel_regularizer` must be set on `cell`.*Received.*'l2'"
    ):
        TiedRBM(cell, V, kernel_regularizer="l2")
    with pytest.raises(ValueError, match="`cell` must have a bias.*Received.*use_bias=False"):
        TiedRBM(BoltzmannCell(J, use_bias=False), V)


def test_frames_have_no_code_where_there_are_no_hidden_units():
    model = SequenceModel(None, BernoulliHead(V))
    for function in (model.encode, model.decode):
        with pytest.raises(ValueError, match="`head` must have a code.*Received.*Bernoulli"):
            function(np.zeros((1, 2, V)))
