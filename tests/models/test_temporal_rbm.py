"""TRBM, RTRBM and LSTBM against their equations in loops, streamed, padded, drawn and centered."""

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
    in_numpy,
    made,
    mask_of,
    recurrent,
    values_of,
)
from reference import lstbm, temporal_rbm

from seqlayers.models import RTRBM, TRBM

# The equations.

NOTHING, CENTERED = {}, {"centering_rate": 0.1}
FORMS = [(name, visibles, NOTHING) for name in MODELS for visibles in ("gaussian", "gamma")]
FORMS += [(name, visibles, CENTERED) for name in MODELS for visibles in ("gaussian", "bernoulli")]
FORMS += [(name, "bernoulli", NOTHING) for name in MODELS]
FORMS += [("rtrbm", "bernoulli", PAST), ("rtrbm", "gaussian", PAST | CENTERED)]
FORMS += [("trbm", "gamma", PAST), ("lstm", "bernoulli", PAST | CENTERED)]
all_forms = pytest.mark.parametrize("name, visibles, options", FORMS)


@pytest.fixture(scope="module")
def of_form():
    """A model of each form, made once, and frames; its weights are not to be changed."""
    models = {}

    def get(name, visibles, options):
        form = (name, visibles, *options)
        if form not in models:
            model = made(name, visibles, **options)
            frames = frames_for(visibles, 1, 3)
            models[form] = model, frames, model.contexts(frames)
        return models[form]

    return get


@all_forms
def test_each_frame_has_the_likelihood_summed_over_all_states_of_its_hidden_units(
    of_form, name, visibles, options
):
    model, frames, contexts = of_form(name, visibles, options)
    actual = model.head.log_prob(frames, contexts)
    expected = [temporal_rbm.log_probs(in_numpy(model), row) for row in frames]
    np.testing.assert_allclose(actual.nats, expected, atol=1e-9)
    assert model.head.kind == "exact"


@all_forms
def test_codes_and_what_is_decoded_are_those_of_the_equations(of_form, name, visibles, options):
    model, frames, contexts = of_form(name, visibles, options)
    equations, code = in_numpy(model), model.encode(frames).numpy()
    decoded = model.head.decode(code, contexts).numpy()
    for n, row in enumerate(frames):
        for t, h in enumerate(temporal_rbm.memory(equations, row)):
            s = temporal_rbm.expected_hidden(equations, row[t], h)
            low, high = np.transpose(temporal_rbm.values(equations))
            np.testing.assert_allclose(code[n, t], (s - low) / (high - low), atol=1e-9)
            expected = temporal_rbm.expected_visible(equations, s, h)
            np.testing.assert_allclose(decoded[n, t], expected, atol=1e-9)
    np.testing.assert_allclose(model.reconstruct(frames), decoded, atol=1e-12)
    assert model.head.decodes_alone == ("context_visible" not in options)
    if model.head.decodes_alone:
        np.testing.assert_array_equal(model.decode(code), decoded)
    else:
        with pytest.raises(ValueError, match="`context` must be given: it sets biases"):
            model.decode(code)


@all_forms
def test_the_memory_expects_of_its_units_what_the_head_does(of_form, name, visibles, options):
    model, frames, contexts = of_form(name, visibles, options)
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
    past = NOTHING if name == "lstbm" else PAST  # one without
    model, frames = made(name, truncate=truncate, **past), frames_for("gaussian", 1, 3)
    names = {"kernel": "W", "recurrent_kernel": "U", "bias": "b", "visible_bias": "b_v"}
    names |= {"context_visible_kernel": "W_uv", "initial_context": "h_0"}
    equations = in_numpy(model)
    known = temporal_rbm.memory(equations, frames[0])
    gradients, rng = gradients_of_nats(model, frames), np.random.default_rng(3)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        field, way = names.get(weight.name, weight.name), rng.normal(size=weight.shape)

        def nats(step, field=field, way=way):
            moved = equations._replace(**{field: getattr(equations, field) + step * way})
            constant = [moved.h_0, *known[1:]] if truncate else None
            return temporal_rbm.log_probs(moved, frames[0], constant).sum()

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


@pytest.mark.parametrize(
    "name, past", [(name, past) for name in MODELS for past in (NOTHING, PAST)]
)
def test_frame_by_frame_is_the_same_as_all_at_once_and_starts_from_the_first_context(name, past):
    model, frames = made(name, **past), frames_for("gaussian", 2, 4)
    contexts, state = model.contexts(frames).numpy(), model.initial_state(2)
    first, memory = model.initial_context.numpy(), keras.tree.flatten(state.memory)
    assert np.any(first) == bool(past) and model.initial_context.trainable == bool(past)
    for part, expected in zip([state.context, *memory], [first, first, 0 * first], strict=False):
        np.testing.assert_array_equal(part, [expected] * 2)
    for t in range(4):
        np.testing.assert_allclose(state.context, contexts[:, t], atol=1e-12)
        state = model.step(frames[:, t], state)
    np.testing.assert_allclose(state.context, model.hidden_states(frames)[:, -1], atol=1e-12)


@all_models
def test_masks_and_padding_and_what_they_hold_change_nothing(name):
    model, frames = made(name, **PAST), frames_for("gaussian", 2, 6)
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
    past = PAST if visibles == "bernoulli" else NOTHING
    model = made(name, visibles, centering_rate=0.4, **past)
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
