"""The contract of all heads. A new head joins by one line in HEADS.

Seeds are fixed. Bounds on draws are five standard errors.
"""

import inspect
import json
import math

import backend
import keras
import numpy as np
import pytest
from backend import tensor
from keras import ops

from heads.helpers import assert_shares, binary_frames, built, loss_and_gradients
from seqlayers import sampling
from seqlayers.heads import (
    NADE,
    BernoulliHead,
    ConditionalDBN,
    ConditionalRBM,
    Head,
    MixtureHead,
    TiedNADE,
)

V, H, C, B, T = 5, 4, 3, 4, 6
STATES = binary_frames(V).astype("float32")


def mixture(context_regularizer=None, dtype=None, **kwargs):
    options = {"context_regularizer": context_regularizer, "dtype": dtype}
    heads = [NADE(V, H, **options), TiedNADE(V, (6, H), 3, layout=(), **options)]
    return MixtureHead(V, heads, context_sizes=(1, C - 1), dtype=dtype, **kwargs)


FEW = {"gibbs_steps": 1, "sampling_steps": 3}
HEADS = {
    "bernoulli": lambda **kwargs: BernoulliHead(V, **kwargs),
    "rbm": lambda **kwargs: ConditionalRBM(V, H, **FEW, **kwargs),
    "gaussian rbm": lambda **kwargs: ConditionalRBM(V, H, visibles="gaussian", **FEW, **kwargs),
    "gamma rbm": lambda **kwargs: ConditionalRBM(V, H, visibles="gamma", **FEW, **kwargs),
    "centered rbm": lambda **kwargs: ConditionalRBM(V, H, centering_rate=0.1, **FEW, **kwargs),
    "persistent rbm": lambda **kwargs: ConditionalRBM(V, H, persistent_chains=5, **FEW, **kwargs),
    "dbn": lambda **kwargs: ConditionalDBN(V, (H, 3), num_samples=20, **FEW, **kwargs),
    "nade": lambda **kwargs: NADE(V, H, **kwargs),
    "orderless nade": lambda **kwargs: NADE(V, H, orderless=True, num_orders=3, **kwargs),
    "tied nade": lambda **kwargs: TiedNADE(V, (6, H), lower_window=3, layout=(), **kwargs),
    "mixture": mixture,
}
WITHOUT_CONTEXT_ONLY = ["persistent rbm"]
DRAWN_LOSS = [name for name in HEADS if name.endswith("rbm") or name in ("dbn", "orderless nade")]
WITH_CONTEXT = [name for name in HEADS if name not in WITHOUT_CONTEXT_ONLY]
all_heads = pytest.mark.parametrize("name", HEADS)
heads_with_context = pytest.mark.parametrize("name", WITH_CONTEXT)


def cases(alone):
    """All heads, with a context if they take one, and the heads `alone` once more without."""
    pairs = [(name, True) for name in WITH_CONTEXT]
    pairs += [(name, False) for name in HEADS if name in alone or name not in WITH_CONTEXT]
    ids = [f"{name}, context" if with_context else name for name, with_context in pairs]
    return pytest.mark.parametrize("name, with_context", pairs, ids=ids)


with_and_without_context = cases(HEADS)
some_without_context = cases(["bernoulli", "rbm", "dbn", "orderless nade"])
once_each = cases([])  # for promises that do not depend on there being a context


def made(name, with_context=True, **kwargs):
    """A built head with weights of some size, so that nothing in it is small or symmetric."""
    head = HEADS[name](**{"seed": 0} | kwargs)
    return built(head, C if with_context else None, np.random.default_rng(1), scale=0.7)


def data(head, with_context=True, seed=2):
    rng = np.random.default_rng(seed)
    frames = rng.random((B, T, V))
    real = {"gaussian": 3 * frames - 1, "gamma": 3 * frames}
    frames = real.get(head.visibles, frames < 0.5)
    context = rng.normal(size=(B, T, C)).astype("float32") if with_context else None
    return frames.astype("float32"), context


def assert_all_close(actual, expected, atol=1e-5):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=atol)


# Configuration.


@all_heads
def test_config_holds_every_argument(name):
    head = HEADS[name]()
    arguments = set(inspect.signature(type(head)).parameters) - {"kwargs"}
    assert arguments <= set(head.get_config())


@all_heads
def test_config_makes_the_same_head_again(name):
    head = HEADS[name](seed=7, context_regularizer="l2", name="named", dtype="float64")
    config = head.get_config()
    again = type(head).from_config(config)
    assert again.get_config() == config
    assert again.seed == 7 and again.name == "named" and again.variable_dtype == "float64"


@all_heads
def test_a_head_without_seed_makes_one_and_keeps_it_in_the_config(name):
    head = HEADS[name]()
    assert type(head).from_config(head.get_config()).seed == head.seed
    assert HEADS[name]().seed != head.seed


@once_each
def test_kind_is_one_of_the_three_known_before_and_after_it_is_built(name, with_context):
    new = HEADS[name]()
    assert new.kind in ("exact", "estimate", "lower_bound")
    assert new.kind == "exact" or not new.has_exact_gradient
    assert made(name, with_context).kind == new.kind


@all_heads
def test_a_head_can_be_built_for_frames_of_rank_two(name):
    head = HEADS[name]()
    head.build((None, V))
    assert head.log_prob(STATES).nats.shape == (len(STATES),)


@all_heads
def test_a_head_without_context_is_like_the_head_but_for_the_context(name):
    head = HEADS[name](seed=3)
    alone = head.without_context()
    mine, its = head.get_config(), alone.get_config()
    assert mine | {"name": its["name"]} == its
    assert not [w.name for w in alone.weights if w.name.startswith("context")]


OPTIONAL = {
    "has_code": ("encode", "decode"),
    "has_reverse": ("reverse_log_prob",),
    "has_free_energy": ("free_energy",),
    "trains_in_layers": ("pretrain_layers", "stack_on"),
}


@all_heads
def test_a_head_has_the_methods_that_its_flags_declare_and_no_others(name):
    head = made(name, with_context=False)
    for flag, methods in OPTIONAL.items():
        for method in methods:
            own = getattr(type(head), method) is not getattr(Head, method)
            assert own == getattr(head, flag), method
    assert (head.code_units is not None) == head.has_code


@all_heads
def test_a_code_has_its_declared_size_and_is_decoded_to_frames(name):
    head = made(name, with_context=False)
    frames, _ = data(head, with_context=False)
    if head.has_code:
        code = head.encode(frames)
        assert code.shape == (B, T, head.code_units)
        assert head.decodes_alone
        assert head.decode(code).shape == frames.shape


@all_heads
def test_numbers_of_numpy_are_numbers(name):
    config = HEADS[name](seed=np.int64(3)).get_config()
    numbers = {k: np.int32(v) for k, v in config.items() if type(v) is int}
    numbers |= {k: np.float64(v) for k, v in config.items() if type(v) is float}
    assert json.dumps(type(HEADS[name]()).from_config(config | numbers).get_config())


# Likelihood.


@with_and_without_context
def test_log_prob_sums_to_one_over_all_frames(name, with_context):
    head = made(name, with_context)
    if head.kind != "exact" or head.visibles != "bernoulli":
        pytest.skip("needs an exact likelihood of Bernoulli visibles")
    rows = 3 if with_context else 1
    context = np.random.default_rng(0).normal(size=(rows, 1, C)).astype("float32")
    context = np.repeat(context, len(STATES), axis=1) if with_context else None
    nats, error = head.log_prob(np.repeat(STATES[None], rows, axis=0), context)
    np.testing.assert_allclose(np.exp(nats).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(error, np.zeros((rows, len(STATES))))


@heads_with_context
def test_log_prob_depends_on_the_context(name):
    head = made(name)
    frames, context = data(head)
    nats = head.log_prob(frames, context).nats
    assert np.all(np.abs(nats - head.log_prob(frames, context + 1).nats) > 1e-4)


@some_without_context
def test_log_prob_has_a_value_a_frame_whatever_the_leading_axes(name, with_context):
    head = made(name, with_context)
    frames, context = data(head, with_context)
    nats, error = head.log_prob(frames, context)
    assert nats.shape == error.shape == (B, T)
    row = head.log_prob(frames[1], None if context is None else context[1])
    distance = np.abs(row.nats - nats[1])
    assert np.all(distance <= 1e-5 + 5 * np.hypot(row.standard_error, error[1]))


# Training.


@with_and_without_context
def test_every_trainable_weight_gets_a_gradient_and_so_does_the_context(name, with_context):
    head = made(name, with_context)
    _, gradients = loss_and_gradients(head, *data(head, with_context), training=True)
    for gradient in gradients:
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient != 0)


@with_and_without_context
def test_masked_frames_change_neither_loss_nor_gradients_whatever_they_hold(name, with_context):
    head = made(name, with_context)
    frames, context = data(head, with_context)
    mask = np.ones((B, T), bool)
    mask[0, 2], mask[1, 3:], mask[2, 0] = False, False, False
    start = [w.numpy() for w in head.weights]
    results, moved = [], []
    for value in (0.0, 1.0, np.nan, np.inf):
        for weight, array in zip(head.weights, start, strict=True):
            weight.assign(array)
        held = np.where(mask[..., None], frames, np.float32(value))
        loss, gradients = loss_and_gradients(head, held, context, mask, training=True)
        results.append([loss, *gradients])
        moved.append([w.numpy() for w in head.weights])
    if with_context:
        np.testing.assert_array_equal(np.asarray(results[0][-1])[~mask], 0)
    for result, weights in zip(results[1:], moved[1:], strict=True):
        assert_all_close(result, results[0], atol=1e-6)
        assert_all_close(weights, moved[0], atol=1e-6)


@some_without_context
def test_padding_changes_neither_loss_nor_gradients(name, with_context):
    head = made(name, with_context)
    frames, context = data(head, with_context)
    mask = np.zeros((B, T + 3), bool)
    mask[:, :T] = True
    seed = sampling.row_seeds(sampling.seed_pair(1), B)
    short = loss_and_gradients(head, frames, context, seed=seed)
    padding = [(0, 0), (0, 3), (0, 0)]
    longer = np.pad(frames, padding), None if context is None else np.pad(context, padding)
    long = loss_and_gradients(head, *longer, mask, seed=seed)
    np.testing.assert_allclose(long[0], short[0], atol=1e-5)
    if with_context:
        long[1][-1] = long[1][-1][:, :T]
    assert_all_close(long[1], short[1])


@heads_with_context
def test_a_batch_of_nothing_but_padding_has_loss_and_gradients_zero(name):
    head = made(name)
    frames, context = data(head)
    loss, gradients = loss_and_gradients(
        head, np.full_like(frames, np.nan), context, np.zeros((B, T), bool)
    )
    for value in (loss, *gradients):
        np.testing.assert_array_equal(value, np.zeros(value.shape))


@once_each
def test_loss_gradients_and_draws_are_the_same_compiled_or_not(name, with_context):
    head = made(name, with_context)
    frames, context = data(head, with_context)

    def everything():
        loss, gradients = loss_and_gradients(head, frames, context)
        draw = head.sample(context, sampling.seed_pair(1), num_frames=None if with_context else 7)
        return [loss, *gradients, draw]

    assert_all_close(backend.compiled(everything)(), everything())


@once_each
def test_the_same_seed_gives_the_same_loss_again(name, with_context):
    head = made(name, with_context)
    frames, context = data(head, with_context)

    def loss(seed):
        return float(head.loss(frames, context, seed=sampling.seed_pair(seed)))

    assert loss(1) == loss(1)
    if name in DRAWN_LOSS:
        assert loss(1) != loss(2)


@heads_with_context
def test_a_regularizer_of_the_context_adds_to_the_losses(name):
    head = made(name, context_regularizer=keras.regularizers.L2(0.5))
    kernels = [w.numpy() for w in head.weights if w.name.startswith("context")]
    expected = 0.5 * sum(np.sum(k**2) for k in kernels)
    assert expected > 0
    np.testing.assert_allclose(sum(float(loss) for loss in head.losses), expected, rtol=1e-5)


# Draws.


def seeds(number, rows):
    return sampling.row_seeds(sampling.seed_pair(number), rows)


@once_each
def test_the_same_seed_draws_the_same_and_another_draws_other_frames(name, with_context):
    head = made(name, with_context, seed=5)
    _, context = data(head, with_context)

    def draw(seed):
        frames = head.sample(context, seed, num_frames=None if with_context else 40)
        assert frames.shape == ((B, T, V) if with_context else (40, V))
        return frames

    of_the_head = draw(None)
    np.testing.assert_array_equal(draw(sampling.seed_pair(5)), of_the_head)
    assert np.any(draw(sampling.seed_pair(6)) != of_the_head)


@some_without_context
def test_rows_of_a_draw_depend_neither_on_the_batch_nor_on_padding(name, with_context):
    head = made(name, with_context)
    if not with_context:
        whole = head.sample(None, seeds(1, 9), num_frames=9)
        few = head.sample(None, seeds(1, 9)[2:5], num_frames=3)
        np.testing.assert_allclose(few, whole[2:5], atol=1e-5)
        return
    _, context = data(head)
    whole = head.sample(context, seeds(1, B))
    one = head.sample(context[2:3], seeds(1, B)[2:3])
    np.testing.assert_allclose(one, whole[2:3], atol=1e-5)
    np.testing.assert_allclose(head.sample(context[:, :4], seeds(1, B)), whole[:, :4], atol=1e-5)


@some_without_context
def test_draws_have_the_distribution_of_log_prob(name, with_context):
    head, count = made(name, with_context), 20_000
    if head.kind != "exact" or head.visibles != "bernoulli":
        pytest.skip("needs an exact likelihood of Bernoulli visibles")
    context = np.array([0.5, -1, 1], "float32") if with_context else None
    wide = None if context is None else np.tile(context, (count, 1))
    if hasattr(head, "sampling_steps"):
        head.sampling_steps = 20
    draws = np.asarray(head.sample(wide, sampling.seed_pair(3), num_frames=count))
    context = None if context is None else np.tile(context, (len(STATES), 1))
    assert_shares(draws, np.exp(head.log_prob(STATES, context).nats))


@once_each
def test_a_temperature_may_be_given_for_each_row(name, with_context):
    head = made(name, with_context)
    _, context = data(head, with_context)
    count = None if with_context else B
    temperature = np.array([0.2, 1.0, 1.0, 6.0], "float32")
    together = head.sample(context, seeds(1, B), temperature, num_frames=count)
    for row in (0, B - 1):
        alone = head.sample(context, seeds(1, B), temperature[row], num_frames=count)
        np.testing.assert_allclose(alone[row], together[row], atol=1e-6)


@all_heads
def test_a_low_temperature_is_safe_and_a_high_one_bold(name):
    head, count = made(name, with_context=False), 2000

    def spread(temperature):
        draws = head.sample(None, sampling.seed_pair(1), temperature, num_frames=count)
        return float(np.var(draws, axis=0).sum())

    assert spread(0.05) < spread(1.0) < spread(30.0)


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan, True, "1", None])
def test_a_temperature_is_a_number_above_zero(temperature):
    with pytest.raises(ValueError, match="`temperature` must be a finite number above 0"):
        made("bernoulli", with_context=False).sample(temperature=temperature, num_frames=2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32"])
def test_a_temperature_is_checked_in_a_tensor_of_any_type(dtype):
    head = made("bernoulli", with_context=False)
    for zero in (ops.zeros((), dtype), ops.zeros(2, dtype)):
        with pytest.raises(ValueError, match="`temperature` must be a finite number above 0"):
            head.sample(temperature=zero, num_frames=2)
        assert head.sample(temperature=zero + 1, num_frames=2).shape == (2, V)


# Numbers.


@once_each
@pytest.mark.parametrize(
    "policy",
    # On JAX some functions of Keras return float32.
    ["mixed_float16", pytest.param("float64", marks=pytest.mark.tensorflow), "bfloat16"],
)
def test_likelihoods_are_in_single_precision_at_least(name, with_context, policy):
    head, plain = made(name, with_context, dtype=policy), made(name, with_context)
    frames, context = data(head, with_context)
    if with_context:
        context = ops.cast(context, head.compute_dtype)
    wanted = "float64" if policy == "float64" else "float32"
    nats = head.log_prob(frames, context).nats
    assert keras.backend.standardize_dtype(nats.dtype) == wanted
    loss, gradients = loss_and_gradients(head, frames, context)
    assert keras.backend.standardize_dtype(loss.dtype) == wanted
    assert all(np.all(np.isfinite(ops.cast(g, "float32"))) for g in gradients)
    expected = plain.log_prob(frames, None if context is None else ops.cast(context, "float32"))
    np.testing.assert_allclose(nats, expected.nats, atol=1e-4)
    draws = head.sample(context, num_frames=None if with_context else 3)
    assert keras.backend.standardize_dtype(draws.dtype) == wanted


@once_each
@pytest.mark.float64
def test_float64_finds_the_same_gradients(name, with_context):
    double, single = made(name, with_context, dtype="float64"), made(name, with_context)
    frames, context = data(single, with_context)
    _, expected = loss_and_gradients(single, frames, context)
    _, actual = loss_and_gradients(double, frames, context)
    assert_all_close(actual, expected)


@some_without_context
def test_reconstructions_have_the_shape_and_range_of_frames(name, with_context):
    head = made(name, with_context)
    frames, context = data(head, with_context)
    v = np.asarray(head.reconstruct(frames, context))
    assert v.shape == frames.shape
    assert np.all(np.isfinite(v))
    assert np.all(head.visible_kind.takes(v))
    if head.visibles == "bernoulli":
        assert 0 < v.min() < v.max() < 1


# What is refused.


@all_heads
@pytest.mark.parametrize("value", [0, -1, True, 2.0, "2", None])
def test_every_size_must_be_a_whole_number_above_zero(name, value):
    cls, config = type(HEADS[name]()), HEADS[name]().get_config()
    counts = [k for k, v in config.items() if k != "seed" and type(v) is int]
    assert "visible_units" in counts
    parameters = inspect.signature(cls).parameters
    for argument in counts:
        if value is None and parameters[argument].default is None:
            continue
        with pytest.raises(ValueError, match=f"`{argument}`.*an integer of at least 1.*{value!r}"):
            cls(**config | {argument: value})


@all_heads
@pytest.mark.parametrize("seed", ["0", 1.5, True, math.nan])
def test_what_is_no_whole_number_is_no_seed(name, seed):
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        HEADS[name](seed=seed)
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        made(name, with_context=False).sample(seed=seed, num_frames=2)


@all_heads
def test_a_wrong_number_of_features_is_refused_when_building(name):
    with pytest.raises(ValueError, match=f"{V}.*must be.*Received.*{V + 1}"):
        HEADS[name]().build((None, None, V + 1))


@all_heads
def test_frames_of_another_size_are_refused_where_they_could_broadcast(name):
    head = made(name, with_context=False)
    for call in (head.loss, head.log_prob, head.reconstruct):
        with pytest.raises(ValueError, match=f"`frames` must have {V} values.*Received.*1"):
            call(np.zeros((2, 1), "float32"))


@all_heads
def test_a_context_is_refused_by_a_head_built_without_one(name):
    head = made(name, with_context=False)
    frames, context = data(head)
    for call in (
        lambda: head.log_prob(frames, context),
        lambda: head.loss(frames, context),
        lambda: head.sample(context),
        lambda: head.reconstruct(frames, context),
    ):
        with pytest.raises(ValueError, match="built without a context.*Received.*4, 6, 3"):
            call()


@all_heads
def test_drawing_without_context_asks_for_the_number_of_frames(name):
    with pytest.raises(ValueError, match="`num_frames`"):
        made(name, with_context=False).sample()


@all_heads
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda v: v[..., :-1], f"`x` must have {V} values a frame.*Received.*{V - 1}"),
        (lambda v: v * np.nan, "`x` must be finite.*NaN"),
        (lambda v: v + np.inf, "`x` must be finite.*infinity"),
        (lambda v: v + 0.5, r"`x` must lie in \[0, 1\].*Received: values from 0.5 to 1.5"),
        (lambda v: v - 0.5, r"`x` must lie in \[0, 1\].*Received: values from -0.5 to 0.5"),
    ],
    ids=["features", "nan", "infinity", "above", "below"],
)
def test_frames_that_are_none_are_named(name, change, message):
    head = HEADS[name]()
    frames = change(np.arange(2 * V).reshape(2, V) % 2.0)
    if head.visibles == "gamma" and frames.min() == -0.5:
        message = "`x` must be at least 0 and finite for Gamma.*Received: values from -0.5 to 0.5"
    elif head.visibles != "bernoulli" and "lie in" in message:
        head.check_frames(frames, "x")
        return
    with pytest.raises(ValueError, match=message):
        head.check_frames(frames, "x")


@all_heads
def test_frames_that_are_good_pass(name):
    for dtype in ("bool", "uint8", "int64", "float16", "float64"):
        HEADS[name]().check_frames((np.arange(2 * V).reshape(2, V) % 2).astype(dtype))


def methods(head, frames, context):
    """Calls of every method that takes frames and a context."""
    calls = [head.loss, head.log_prob, head.reconstruct]
    calls += [head.encode] if head.has_code else []
    calls += [head.reverse_log_prob] if head.has_reverse else []
    calls += [head.free_energy] if head.has_free_energy else []
    return [lambda call=call: call(frames, context) for call in calls]


@heads_with_context
def test_a_context_of_other_axes_is_refused_where_it_could_broadcast(name):
    head = made(name)
    frames, context = data(head)
    for wrong in (context[0], context[:1], context[:, :-1], context[:, :, None]):
        for call in methods(head, frames, wrong):
            with pytest.raises(ValueError, match="`context` must have a row for each row of `fra"):
                call()
    for wrong in (context[..., :-1], 5.0):
        for call in [*methods(head, frames, wrong), lambda wrong=wrong: head.sample(wrong)]:
            with pytest.raises(ValueError, match=f"`context` must have {C} values.*Received"):
                call()
    if head.has_code:
        code = head.encode(frames, context)
        with pytest.raises(ValueError, match="`context` must have a row for each row of `code`"):
            head.decode(code, context[0])


@all_heads
def test_values_that_no_frame_can_hold_are_refused_outside_of_a_graph(name):
    head = made(name, with_context=False)
    frames, _ = data(head, with_context=False)
    for wrong in (frames * np.nan, 5.0, [["a"] * V], tensor(frames + np.inf)):
        for call in methods(head, wrong, None):
            with pytest.raises(ValueError, match="`frames` must .*Received"):
                call()
    frames[0, 0] = np.nan  # what is masked may hold anything
    mask = np.arange(T) > np.arange(B)[:, None] - 1
    mask[0, 0] = False
    assert np.isfinite(head.loss(frames, mask=mask))


def test_frames_with_values_may_have_a_mask_of_a_graph():
    head, frames = made("rbm", with_context=False), tensor(np.full((B, V), np.nan, "float32"))
    cast = backend.graph(lambda mask: head.cast_inputs(frames, None, mask)[0])
    np.testing.assert_array_equal(cast(tensor(np.zeros(B, bool))), frames)


def test_errors_of_reading_values_are_not_hidden(monkeypatch):
    head = made("bernoulli", with_context=False)

    def lost(values):
        raise RuntimeError("the device is lost")

    monkeypatch.setattr(ops, "convert_to_numpy", lost)
    with pytest.raises(RuntimeError, match="the device is lost"):
        head.log_prob(tensor(np.zeros((2, V), "float32")))


@all_heads
def test_a_head_without_weights_asks_to_be_built(name):
    head = HEADS[name]()
    calls = [lambda: head.sample(num_frames=2), *methods(head, STATES, None)]
    calls += [lambda: head.decode(np.zeros((2, 3)))] if head.has_code else []
    for call in calls:
        with pytest.raises(ValueError, match=rf"has no weights yet.*build\(\(None, {V}\)\)"):
            call()


@all_heads
def test_a_list_of_one_or_three_is_no_input(name):
    for wrong in ([STATES], [STATES] * 3):
        with pytest.raises(ValueError, match=r"must be frames, or `\[frames, context\]`.*list of"):
            HEADS[name]()(wrong)


@some_without_context
def test_wrong_numbers_and_seeds_are_refused_by_name(name, with_context):
    head = made(name, with_context)
    _, context = data(head, with_context)
    draw = {"context": context, "num_frames": None if with_context else B}
    for name_of, values in {
        "temperature": (
            0,
            -1.0,
            np.nan,
            True,
            "1",
            np.zeros(B),
            np.ones(B + 1),
            tensor(-1.0),
        ),
        "seed": (0.5, True, "1", np.zeros(3, "int32"), np.zeros((B + 1, 2), "int32")),
        "num_frames": () if with_context else (-1, 2.5, True, "2", np.float32(2)),
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=f"`{name_of}` must"):
                head.sample(**draw | {name_of: value})


@some_without_context
def test_arrays_and_tensors_without_axes_are_numbers(name, with_context):
    head = made(name, with_context)
    _, context = data(head, with_context)
    count = None if with_context else B
    expected = head.sample(context, 3, 0.5, num_frames=count)
    for seed, temperature, of in (
        (np.int64(3), np.float32(0.5), np.int32),
        (np.array(3), np.array(0.5), np.array),
        (tensor(3), tensor(0.5), tensor),
    ):
        number = None if with_context else of(B)
        np.testing.assert_array_equal(head.sample(context, seed, temperature, number), expected)


@with_and_without_context
def test_a_weight_that_is_nan_is_not_drawn_as_silence(name, with_context):
    head = made(name, with_context)
    _, context = data(head, with_context)
    for weight in [w for w in head.trainable_weights if "recognition" not in w.path]:
        before = weight.numpy()
        weight.assign(before * np.nan)
        frames = head.sample(context, 0, num_frames=None if with_context else B)
        assert np.isnan(frames).any(axis=-1).all(), weight.path
        weight.assign(before)
