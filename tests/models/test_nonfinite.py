"""Steps whose gradient is not finite: skipped or shrunk, counted, saved, alike however they run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel

V, D = 5, 4
OUTLIER = 1e25  # its square is not finite in float32
SKIPPING = {
    "plain": {},
    "centered": {"centering_rate": 0.1},
    "persistent": {"persistent_chains": 4},
}


def made(
    head=lambda: BernoulliHead(V, seed=0), cell=lambda: keras.layers.SimpleRNNCell(D), **kwargs
):
    keras.utils.set_random_seed(0)  # before either is made: initializers take their seeds from it
    return SequenceModel(cell and cell(), head(), **kwargs)


def frames_for(*shape, seed=0):
    return (np.random.default_rng(seed).random((*shape, V)) < 0.4).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", SKIPPING)
def test_a_step_without_finite_gradients_changes_nothing_and_is_counted(name):
    def head():
        return ConditionalRBM(V, 3, gibbs_steps=1, visibles="gaussian", seed=0, **SKIPPING[name])

    model = made(head, None) if name == "persistent" else made(head)
    eagerly = name != "plain"
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False, run_eagerly=eagerly)
    frames = np.random.default_rng(0).normal(size=(2, 3, V)).astype("float32")
    model.fit(frames, verbose=0)
    before = [w.numpy() for w in model.weights]
    moments = [v.numpy() for v in model.optimizer.variables]
    poisoned = frames.copy()
    poisoned[0, 1, 2] = OUTLIER
    history = model.fit(poisoned, verbose=0).history
    assert history["skipped_steps"] == [1]
    for weight, value in zip(model.weights, before, strict=True):
        if weight.name != "chains":  # they may go on: their distribution has not changed
            np.testing.assert_array_equal(weight.numpy(), value, err_msg=weight.path)
    changed = [
        v.path for v, m in zip(model.optimizer.variables, moments, strict=True) if np.any(v != m)
    ]
    assert changed == [model.optimizer.iterations.path]
    both = tf.data.Dataset.from_tensor_slices(np.stack([poisoned, frames]))
    history = model.fit(both, verbose=0).history
    assert history["skipped_steps"] == [1]
    assert np.isfinite(history["loss"][0])
    assert np.all([np.all(np.isfinite(w.numpy())) for w in model.weights])


def poisoned(nonfinite="shrink", **kwargs):
    """A model, and frames of which one value is an outlier."""
    options = {"gibbs_steps": 1, "visibles": "gaussian", "centering_rate": 0.1, "seed": 0}
    model = made(lambda: ConditionalRBM(V, 3, **options))
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.3 * rng.normal(size=weight.shape))
    optimizer = keras.optimizers.RMSprop(0.01, rho=0.9, epsilon=1e-6)
    model.compile(optimizer, nonfinite=nonfinite, **kwargs)
    frames = rng.normal(size=(2, 3, V)).astype("float32")
    frames[0, 1, 2] = OUTLIER
    return model, frames


class SumOfRoots(keras.regularizers.Regularizer):
    """Roots of the weights, or of what `inside` makes of them."""

    def __init__(self, inside):
        self.inside = inside

    def __call__(self, w):
        return ops.sum(ops.sqrt(self.inside(w)))


def test_shrinking_draws_toward_zero_what_has_no_finite_gradient_and_moves_the_rest():
    start, results = None, {}
    for penalty in (SumOfRoots(lambda w: w), SumOfRoots(ops.abs)):
        model = made(lambda penalty=penalty: BernoulliHead(V, seed=0, context_regularizer=penalty))
        kernel = 0.1 + np.random.default_rng(0).random((D, V))
        kernel[1, 2] = -0.5  # whose root is not finite, nor is its slope
        model.head.context_visible_kernel.assign(kernel)
        model.compile(keras.optimizers.SGD(1.0), nonfinite="shrink", run_eagerly=True)
        start = start or [w.numpy() for w in model.trainable_weights]
        history = model.fit(frames_for(2, 3), verbose=0).history
        results[history["shrunk_steps"][0]] = model
        assert set(history) == {"loss", "shrunk_steps"} and model.optimizer.iterations == 1
    kernels = {k: m.head.context_visible_kernel.numpy() for k, m in results.items()}
    assert kernels[1][1, 2] == pytest.approx(-0.5 + 0.1 * 0.5)
    kernels[1][1, 2] = kernels[0][1, 2]
    np.testing.assert_allclose(kernels[1], kernels[0], rtol=1e-6)
    for a, b, w in zip(*(m.trainable_weights for m in results.values()), start, strict=True):
        if a is not results[1].head.context_visible_kernel:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
        assert np.any(a.numpy() != w)


@pytest.mark.slow
@pytest.mark.parametrize("nonfinite, jit_compile", [("skip", True), ("shrink", False)])
def test_what_is_not_finite_is_dealt_with_alike_compiled_or_not(nonfinite, jit_compile):
    results = []
    for how in ({"run_eagerly": True}, {"jit_compile": jit_compile}):
        model, frames = poisoned(nonfinite, **how)
        start = [w.numpy() for w in model.weights]
        history = model.fit(frames, epochs=2, verbose=0).history
        assert history[{"skip": "skipped_steps", "shrink": "shrunk_steps"}[nonfinite]] == [1, 1]
        results.append([w.numpy() for w in model.weights])
    for eager, compiled, w, weight in zip(*results, start, model.weights, strict=True):
        np.testing.assert_allclose(compiled, eager, atol=1e-5)
        stays = nonfinite == "skip" or not weight.trainable  # as offsets are, which had moved
        assert np.all(compiled == w) == stays, weight.path


def test_a_model_may_apply_gradients_as_they_come(monkeypatch):
    """As one of the benchmarks does, to show what the rules are for."""
    model, frames = poisoned("skip", run_eagerly=True, jit_compile=False)

    def apply(gradients, before):
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return ops.convert_to_tensor(True)

    monkeypatch.setattr(model, "_apply_if_finite", apply)
    history = model.fit(frames, verbose=0).history
    assert history["skipped_steps"] == [0]
    assert not all(np.all(np.isfinite(w)) for w in model.get_weights())


def test_a_step_whose_gradient_is_finite_is_the_same_under_either_rule():
    results = []
    for nonfinite in ("skip", "shrink"):
        model, frames = poisoned(nonfinite, run_eagerly=True)
        history = model.fit(frames[1:], verbose=0).history
        assert history.popitem()[1] == [0]
        results.append([w.numpy() for w in model.weights])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("nonfinite", ["skip", "shrink"])
def test_the_rule_for_gradients_that_are_not_finite_is_saved(nonfinite, tmp_path):
    model, frames = poisoned(nonfinite, run_eagerly=True)
    model.fit(frames, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.nonfinite == loaded.get_compile_config()["nonfinite"] == nonfinite
    histories = [m.fit(frames, verbose=0).history for m in (model, loaded)]
    assert str(histories[0]) == str(histories[1])  # NaN is not equal to itself
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_an_unknown_rule_and_shrinking_of_scaled_losses_are_refused():
    with pytest.raises(ValueError, match='`nonfinite` must be "skip" or "shrink".*\'ignore\''):
        poisoned("ignore")
    model, optimizer = made(), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match='`nonfinite` must be "skip" where the loss is scaled'):
        model.compile(optimizer, nonfinite="shrink")


@pytest.mark.slow
def test_loss_scaling_finds_its_scale():
    half = {"dtype": "mixed_float16"}
    model = made(
        lambda: ConditionalRBM(V, 3, gibbs_steps=1, seed=0, **half),
        lambda: keras.layers.SimpleRNNCell(D, **half),
        **half,
    )
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=2.0**30
    )
    model.compile(optimizer, jit_compile=False)
    before = [w.numpy() for w in model.trainable_weights]
    skipped = model.fit(frames_for(2, 3), epochs=40, verbose=0).history["skipped_steps"]
    assert skipped[0] == 1 and skipped[-1] == 0
    moved = [np.any(w.numpy() != b) for w, b in zip(model.trainable_weights, before, strict=True)]
    assert all(moved)


OPTIMIZERS = {
    "accumulation": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=2),
    "average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "decay and norm": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1, clipnorm=0.01),
    "its own scalars": lambda: keras.optimizers.Nadam(0.1),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.1, gradient_accumulation_steps=2), dynamic_growth_steps=2
    ),
}


def values_of(model):
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["decay and norm", "scaled"])
def test_finite_steps_are_those_of_the_optimizer_alone(name, monkeypatch):
    optimizer = OPTIMIZERS[name]
    models = [made(lambda: ConditionalRBM(V, 3, centering_rate=0.1, seed=0)) for _ in range(2)]
    for model in models:
        model.compile(optimizer(), run_eagerly=True)

    def apply(gradients, before):
        models[1].optimizer.apply_gradients(
            zip(gradients, models[1].trainable_weights, strict=True)
        )
        return ops.convert_to_tensor(True)

    monkeypatch.setattr(models[1], "_apply_if_finite", apply)
    for model in models:
        model.fit(frames_for(2, 3), epochs=4, verbose=0)
    for a, b in zip(*map(values_of, models), strict=True):
        np.testing.assert_array_equal(a, b)


COMPILED = ("accumulation", "scaled")  # those with a branch inside


@pytest.mark.parametrize(
    "name, compiled",
    [
        *((name, False) for name in OPTIMIZERS),
        *(pytest.param(name, True, marks=pytest.mark.slow) for name in COMPILED),
    ],
)
def test_skipped_steps_change_nothing_whatever_the_optimizer(name, compiled):
    model, frames = poisoned("skip", jit_compile=compiled, run_eagerly=not compiled)
    optimizer = OPTIMIZERS[name]
    model.compile(optimizer(), jit_compile=compiled, run_eagerly=not compiled)
    model.fit(frames[1:], epochs=2, verbose=0)
    before = values_of(model)
    assert model.fit(frames, epochs=2, verbose=0).history["skipped_steps"] == [1, 1]
    variables = [*model.weights, *model.optimizer.variables]
    changed = {v.name for v, b in zip(variables, before, strict=True) if np.any(v.numpy() != b)}
    assert "iteration" in changed
    assert changed <= {"iteration", "dynamic_scale", "step_counter"}  # of the loss's scale


def test_a_skipped_step_adds_nothing_to_gradients_that_wait():
    good, bad = frames_for(2, 3), np.full((2, 3, V), np.nan, "float32")
    ends = []
    for batches in ([good], [good, bad], [bad, good]):
        model = made()
        steps = len(batches) if len(batches) > 1 else None
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)
        model.compile(optimizer, jit_compile=False)
        start = [w.numpy() for w in model.trainable_weights]
        step = tf.function(model.train_step)  # as in `fit`; what is eager refuses NaN at once
        for batch in batches:
            step((batch, None))
        ends.append([w.numpy() - s for w, s in zip(model.trainable_weights, start, strict=True)])
    assert np.any(ends[0][-1])
    for whole, first, last in zip(*ends, strict=True):
        np.testing.assert_allclose(first, whole / 2, atol=1e-6)
        np.testing.assert_allclose(last, whole / 2, atol=1e-6)


def test_every_step_that_is_accumulated_draws_anew():
    model = made(lambda: ConditionalRBM(V, 4, gibbs_steps=1, seed=0))
    model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=4), run_eagerly=True)
    losses = model.fit(frames_for(3, 4), epochs=3, shuffle=False, verbose=0).history["loss"]
    assert len(set(losses)) == 3


def test_a_frozen_model_is_fitted_with_a_warning_as_in_keras():
    model = made()
    model.trainable = False
    model.compile(run_eagerly=True)
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        loss = model.fit(frames_for(2, 3), verbose=0).history["loss"][0]
    assert np.isfinite(loss) and model.optimizer.iterations == 1


@pytest.mark.parametrize("cause", ["weights", "rate"])
def test_an_epoch_without_a_finite_step_has_no_loss_and_is_never_the_best(cause):
    model = made(lambda: ConditionalRBM(V, 3, visibles="gaussian", seed=0))
    rate = 1e30 if cause == "rate" else 0.1
    model.compile(keras.optimizers.SGD(rate), run_eagerly=True)
    if cause == "weights":
        model.head.visible_bias.assign(np.full(V, np.nan))
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=9)
    frames = frames_for(2, 3)
    history = model.fit(frames, epochs=3, validation_data=frames, callbacks=[stop], verbose=0)
    losses = history.history["loss"]
    assert np.isnan(losses[1:]).all() and np.isnan(losses[0]) == (cause == "weights")
    assert stop.best is None or stop.best == losses[0]
    assert np.isnan(history.history["val_loss"][-1])
    assert np.isnan(model.pretrain_head(frames, 1, verbose=0)[-1])


def test_an_epoch_that_was_all_skipped_is_not_the_best_of_later_ones():
    model, frames = poisoned("skip", run_eagerly=True)
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=1, restore_best_weights=True)
    order = iter([frames, np.clip(frames, -3, 3), np.clip(frames, -3, 3)])
    generator = ((next(order), None) for _ in range(3))
    history = model.fit(generator, epochs=3, steps_per_epoch=1, callbacks=[stop], verbose=0)
    losses = history.history["loss"]
    assert np.isnan(losses[0]) and len(losses) == 3 and np.isfinite(stop.best)
