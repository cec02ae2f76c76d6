"""TRBM, RTRBM and LSTBM against their equations in loops; trained, saved, stacked and refused."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import lstbm, temporal_rbm

from seqlayers.heads import BernoulliHead
from seqlayers.layers import BoltzmannCell, LSTBMCell
from seqlayers.models import RTRBM, TRBM, LSTBMModel, SequenceModel
from seqlayers.models.temporal_rbm import TiedRBM

V, J = 3, 2
MODELS = {
    "trbm": (TRBM, {}),
    "rtrbm": (RTRBM, {}),
    "lstbm": (LSTBMModel, {}),
    "lstm": (LSTBMModel, {"variant": "lstm"}),
}
all_models = pytest.mark.parametrize("name", MODELS)
all_visibles = pytest.mark.parametrize("visibles", ["gaussian", "gamma", "bernoulli"])
recurrent = pytest.mark.parametrize("name", ["rtrbm", "lstbm", "lstm"])


def made(name, visibles="gaussian", units=(V, J), scale=0.7, **kwargs):
    """A model with weights of some size, the same ones each time."""
    cls, arguments = MODELS[name]
    known = {"seed": 0, "dtype": "float64", "jit_compile": False}
    model = cls(*units, visibles, **known | arguments | kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    if model.head.centering_rate is not None:
        model.head.visible_offset.assign(rng.normal(size=units[0]))
        model.head.hidden_offset.assign(rng.random(model.head.hidden_units))
    return model


def frames_for(visibles="gaussian", *shape, units=V, seed=2):
    rng, shape = np.random.default_rng(seed), (*shape, units)
    if visibles == "bernoulli":
        return rng.integers(0, 2, shape) * 1.0
    return rng.normal(size=shape) if visibles == "gaussian" else rng.gamma(2.0, size=shape)


def in_numpy(model):
    cell, head = model.memory.cell, model.head
    weights = [cell.kernel, cell.recurrent_kernel, cell.bias, head.visible_bias]
    weights += [head.log_variance, head.log_shape]
    weights = [None if w is None else w.numpy().astype("float64") for w in weights]
    offsets = {}
    if head.centering_rate is not None:
        offsets = {"m": head.visible_offset.numpy(), "l": head.hidden_offset.numpy()}
    return temporal_rbm.TemporalRBM(*weights, getattr(cell, "variant", None), **offsets)


def mask_of(*lengths, time):
    return np.arange(time) < np.array(lengths)[:, None]


def as_json(config):
    return json.loads(json.dumps(config))  # where tuples and lists are the same


def values_of(variables):
    return [v.numpy() for v in variables]


def assert_equal(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, e)


# The equations.

FORMS = [(name, visibles, False) for name in MODELS for visibles in ("gaussian", "gamma")]
FORMS += [(name, visibles, True) for name in MODELS for visibles in ("gaussian", "bernoulli")]
FORMS += [(name, "bernoulli", False) for name in MODELS]
all_forms = pytest.mark.parametrize("name, visibles, centered", FORMS)


@pytest.fixture(scope="module")
def of_form():
    """A model of each form, made once, and frames; its weights are not to be changed."""
    models = {}

    def get(*form):
        if form not in models:
            name, visibles, centered = form
            model = made(name, visibles, centering_rate=0.1 if centered else None)
            frames = frames_for(visibles, 1, 3)
            models[form] = model, frames, model.contexts(frames)
        return models[form]

    return get


@all_forms
def test_each_frame_has_the_likelihood_that_all_states_of_its_hidden_units_say(
    of_form, name, visibles, centered
):
    model, frames, contexts = of_form(name, visibles, centered)
    actual = model.head.log_prob(frames, contexts)
    expected = [temporal_rbm.log_probs(in_numpy(model), row) for row in frames]
    np.testing.assert_allclose(actual.nats, expected, atol=1e-9)
    assert model.head.kind == "exact"


@all_forms
def test_codes_and_what_is_decoded_are_those_of_the_equations(of_form, name, visibles, centered):
    model, frames, _ = of_form(name, visibles, centered)
    equations, code = in_numpy(model), model.encode(frames).numpy()
    decoded = model.decode(code).numpy()
    for n, row in enumerate(frames):
        for t, h in enumerate(temporal_rbm.memory(equations, row)):
            s = temporal_rbm.expected_hidden(equations, row[t], h)
            low, high = np.transpose(temporal_rbm.values(equations))
            np.testing.assert_allclose(code[n, t], (s - low) / (high - low), atol=1e-9)
            expected = temporal_rbm.expected_visible(equations, s)
            np.testing.assert_allclose(decoded[n, t], expected, atol=1e-9)
    np.testing.assert_allclose(model.reconstruct(frames), decoded, atol=1e-12)


@all_forms
def test_the_memory_expects_of_its_units_what_the_head_does(of_form, name, visibles, centered):
    model, frames, contexts = of_form(name, visibles, centered)
    cell, context = model.memory.cell, contexts.numpy()
    weights = values_of([cell.kernel, cell.recurrent_kernel, cell.bias])
    code, x = model.encode(frames).numpy(), model.memory_input(frames).numpy()
    for t, (row, h) in enumerate(zip(x[0], context[0], strict=True)):
        for column, p in enumerate(code[0, t]):
            y = lstbm.logit(weights, row, h, column)
            y = 2 * y if name == "lstm" and column >= 3 * J else y
            assert p == pytest.approx(lstbm.sigmoid(y), abs=1e-9)


def test_decoding_without_a_unit_that_is_on_leaves_the_visible_bias():
    model = made("lstbm")
    nothing = np.zeros((1, 2, 4 * J))
    np.testing.assert_array_equal(
        model.decode(nothing), np.tile(model.head.visible_bias, (1, 2, 1))
    )


def test_a_code_of_another_size_is_refused():
    model = made("lstbm")
    with pytest.raises(ValueError, match=r"`code` must have 8 values a frame.*\(1, 2, 2\)"):
        model.decode(model.hidden_states(frames_for("gaussian", 1, 2)))


@pytest.mark.parametrize("name", ["rtrbm", "lstm"])
def test_generated_sequences_have_the_distribution_of_the_equations(name):
    units, count = (2, 1), 20_000
    model = made(name, "bernoulli", units, dtype="float32", sampling_steps=15)
    model.compile(jit_compile=False)
    frames = model.generate(2, num_sequences=count, seed=5)
    share = np.bincount((frames @ [2, 1] @ [4, 1]).astype(int), minlength=16) / count
    p = temporal_rbm.sequence_probs(in_numpy(model), 2).ravel()
    assert p.sum() == pytest.approx(1)
    assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count))


def test_a_likelihood_that_cannot_be_enumerated_is_bracketed():
    units = (21, 6)
    model = made("lstbm", "bernoulli", units, 0.1, dtype="float32", num_betas=60, num_chains=2)
    model.compile(jit_compile=False)
    score = model.score(frames_for("bernoulli", 2, 3, units=21), bracket=True)
    assert score.kind == "estimate" and 0 < score.standard_error < 0.1
    assert score.reverse_nats == pytest.approx(score.nats, abs=0.1)


# Gradients.


def gradients_of_nats(model, frames):
    """Gradients of the sum of log p over all frames, for each weight that is trained."""
    weights = [w.value for w in model.trainable_weights]
    with tf.GradientTape() as tape:
        context = model.contexts(frames, training=True)
        nats = tf.reduce_sum(model.head.log_prob(frames, context).nats)
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(nats, weights)]


@pytest.mark.parametrize("truncate", [True, False], ids=["truncated", "through time"])
@recurrent
def test_the_error_goes_back_through_time_or_stops_at_the_frame_before(name, truncate):
    model, frames = made(name, truncate=truncate), frames_for("gaussian", 1, 3)
    names = {"kernel": "W", "recurrent_kernel": "U", "bias": "b", "visible_bias": "b_v"}
    equations = in_numpy(model)
    known = temporal_rbm.memory(equations, frames[0])
    gradients, rng = gradients_of_nats(model, frames), np.random.default_rng(3)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        field, way = names.get(weight.name, weight.name), rng.normal(size=weight.shape)

        def nats(step, field=field, way=way):
            moved = equations._replace(**{field: getattr(equations, field) + step * way})
            return temporal_rbm.log_probs(moved, frames[0], known if truncate else None).sum()

        expected = (nats(1e-5) - nats(-1e-5)) / 2e-5
        assert np.sum(gradient * way) == pytest.approx(expected, rel=1e-6, abs=1e-7), weight.path


@all_models
def test_a_context_has_seen_all_frames_before_and_none_from_then_on(name):
    model, frames = made(name, truncate=False), tf.constant(frames_for("gaussian", 1, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(frames)
        contexts = tf.unstack(model.contexts(frames), axis=1)
    gradients = [tape.gradient(context, frames) for context in contexts]
    seen = [np.zeros(4) if g is None else np.abs(g.numpy()[0]).max(axis=-1) for g in gradients]
    np.testing.assert_array_equal(np.array(seen) != 0, np.tri(4, k=-1, dtype=bool))


def test_the_truncated_is_the_default_but_of_an_rtrbm():
    assert [MODELS[name][0](V, J).truncate for name in MODELS] == [True, False, True, True]
    assert RTRBM(V, J, truncate=True).truncate and not TRBM(V, J, truncate=False).truncate


# Streams, masks and padding.


@all_models
def test_frame_by_frame_is_the_same_as_all_at_once_and_starts_from_nothing(name):
    model, frames = made(name), frames_for("gaussian", 2, 4)
    contexts, state = model.contexts(frames).numpy(), model.initial_state(2)
    assert all(np.all(part == 0) for part in keras.tree.flatten(state))
    for t in range(4):
        np.testing.assert_allclose(state.context, contexts[:, t], atol=1e-12)
        state = model.step(frames[:, t], state)
    np.testing.assert_allclose(state.context, model.hidden_states(frames)[:, -1], atol=1e-12)


@all_models
def test_masks_and_padding_and_what_they_hold_change_nothing(name):
    model, frames = made(name), frames_for("gaussian", 2, 6)
    mask = np.array([[0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0]], bool)
    held = np.where(mask[..., None], frames, np.nan)
    for function in (model.contexts, model.encode, model.reconstruct, model.hidden_states):
        whole = function(held, mask).numpy()
        for n in range(2):
            alone = function(frames[n : n + 1, mask[n]]).numpy()[0]
            np.testing.assert_allclose(whole[n, mask[n]], alone, atol=1e-12)


@all_models
def test_the_first_context_is_zero_and_stays_so(name):
    model = made(name)
    for trainable in (True, False, True):
        model.trainable = trainable
        assert not model.initial_context.trainable
    assert all(w is not model.initial_context for w in model.trainable_weights)
    np.testing.assert_array_equal(model.contexts(frames_for("gaussian", 1, 2))[:, 0], [[0] * J])


# Draws.


def test_a_trbm_draws_its_units_in_training_and_expects_them_else():
    model, frames = made("trbm", units=(V, 5)), frames_for("gaussian", 8, 6)
    assert set(np.unique(model.contexts(frames, training=True))) == {0, 1}
    first, again = (model.contexts(frames).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) > 100
    rtrbm = made("rtrbm", units=(V, 5))
    np.testing.assert_array_equal(first, rtrbm.contexts(frames))
    np.testing.assert_array_equal(first, rtrbm.contexts(frames, training=True))
    model.compile(jit_compile=False)
    assert model.score(frames) == model.score(frames)
    np.testing.assert_array_equal(*(model.generate(2, seed=3) for _ in range(2)))


def after_a_step(seed, frames, mask=None, **kwargs):
    model = made("trbm", seed=seed, **kwargs)
    model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    logs = model.train_step((frames, mask))
    return [float(logs["loss"]), *values_of(model.weights)]


def test_a_step_of_a_trbm_repeats_for_its_seed_and_differs_for_another():
    frames = frames_for("gaussian", 3, 4)
    first, again, other = (after_a_step(seed, frames) for seed in (1, 1, 2))
    assert_equal(first, again)
    assert first[0] != other[0]


def test_what_a_trbm_draws_does_not_depend_on_padding():
    frames, lengths = frames_for("gaussian", 3, 4), (4, 2, 3)
    results = []
    for time in (4, 7):
        padded, mask = np.full((3, time, V), np.nan), mask_of(*lengths, time=time)
        padded[:, :4] = np.where(mask[:, :4, None], frames, np.nan)
        results.append(after_a_step(1, padded, mask, dropout=0.3, recurrent_dropout=0.3))
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("seed", [-3, 2**40, np.int64(7), None])
def test_any_seed_will_do(seed):
    model = TRBM(V, J, seed=seed)
    contexts = model.contexts(frames_for("gaussian", 1, 3), training=True)
    assert set(np.unique(contexts)) <= {0, 1}
    assert as_json(TRBM.from_config(model.get_config()).get_config()) == as_json(model.get_config())


# Centering.


@pytest.mark.parametrize("visibles", ["gaussian", "bernoulli"])
@all_models
def test_where_offsets_move_neither_the_distribution_nor_the_memory_does(name, visibles):
    model = made(name, visibles, centering_rate=0.4)
    frames = frames_for(visibles, 2, 4)
    mask = mask_of(4, 2, time=4)

    def told():
        context = model.contexts(frames)
        nats = model.head.log_prob(frames, context).nats
        return [context, nats, model.encode(frames), model.reconstruct(frames)]

    before, offsets = told(), values_of([model.head.visible_offset, model.head.hidden_offset])
    for _ in range(2):
        model.head.loss(frames, model.contexts(frames, mask), mask, training=True)
    for actual, expected in zip(told(), before, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-9)
    moved = values_of([model.head.visible_offset, model.head.hidden_offset])
    assert all(np.all(new != old) for new, old in zip(moved, offsets, strict=True))
    code = np.mean(model.encode(frames).numpy()[mask], axis=0)  # it does not move, so l goes there
    np.testing.assert_allclose(moved[1], 0.36 * offsets[1] + 0.64 * code, atol=1e-9)


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
    model = RTRBM(4, 3, "bernoulli", gibbs_steps=2, seed=0, **options)
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


@pytest.mark.slow
def test_a_run_that_was_interrupted_ends_where_an_undisturbed_one_does(tmp_path):
    train = [frames_for("gaussian", n, seed=n).astype("float32") for n in (4, 3, 5)]

    options = {"centering_rate": 0.1, "dropout": 0.2, "recurrent_dropout": 0.2}
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
    first = made("lstm", units=(V, 4), dtype="float32", centering_rate=0.1)
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


@pytest.mark.parametrize("visibles", ["gamma", "bernoulli"])
def test_other_visibles_go_into_keras_layers_as_well(visibles):
    model, frames = made("lstm", visibles), frames_for(visibles, 2, 5)
    lstm = model.to_lstm(return_sequences=False, dtype="float64")
    np.testing.assert_allclose(lstm(frames), model.hidden_states(frames)[:, -1], atol=1e-9)


# Weights and arguments.


@all_models
def test_memory_and_head_have_one_set_of_weights(name):
    model = made(name, centering_rate=0.1, kernel_regularizer="l2")
    cell, head = model.memory.cell, model.head
    assert cell is head.cell
    names = [w.name for w in model.trainable_weights]
    assert sorted(names) == sorted(set(names))
    assert set(names) == {"kernel", "recurrent_kernel", "bias", "visible_bias", "log_variance"}
    assert len(model.losses) == 1
    assert float(model.losses[0]) == pytest.approx(0.01 * np.sum(np.square(cell.kernel)))
    other = made(name, centering_rate=0.1, scale=0.1)
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
    model = made("lstm", dtype="mixed_bfloat16")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal(values_of(loaded.weights), values_of(model.weights))
    assert loaded.memory.cell is loaded.head.cell
    assert as_json(loaded.get_config()) == as_json(model.get_config())
    for part in (loaded, loaded.head, loaded.memory.cell):
        assert part.dtype_policy.name == "mixed_bfloat16"
    model.save_weights(tmp_path / "model.weights.h5")
    other = made("lstm", dtype="mixed_bfloat16", scale=0.1)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_equal(values_of(other.weights), values_of(model.weights))


WRONG = {
    "no hidden units": ({"hidden_units": 0}, "`hidden_units`.*at least 1.*Received.*0"),
    "half a unit": ({"hidden_units": 1.5}, "`hidden_units`.*Received.*1.5"),
    "no visible units": ({"visible_units": 0}, "`visible_units`.*Received.*0"),
    "no such visibles": ({"visibles": "poisson"}, "`visibles`.*gamma.*Received.*poisson"),
    "no Gibbs steps": ({"gibbs_steps": 0}, "`gibbs_steps`.*Received.*0"),
    "neither true nor false": ({"truncate": "no"}, "`truncate`.*True, False.*Received.*'no'"),
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
        with pytest.raises(ValueError, match="`head` must have hidden units.*Received.*Bernoulli"):
            function(np.zeros((1, 2, V)))
