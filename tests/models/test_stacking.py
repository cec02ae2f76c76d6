"""A stack of LSTBMs: each learns the outputs below it, and Keras LSTMs have its weights."""

import functools
import itertools

import keras
import numpy as np
import pytest

from seqlayers.audio import Normalizer
from seqlayers.models import LSTBMModel
from seqlayers.sampling import fold_in, seed_pair

UNITS = [4, 3]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_compiled():
    with pytest.MonkeyPatch.context() as patch:
        slow = functools.partialmethod(LSTBMModel.compile, run_eagerly=True)
        patch.setattr(LSTBMModel, "compile", slow)
        yield


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    return [np.exp(rng.normal(size=(n, 5))).astype("float32") for n in (6, 9, 7)]


def stacked(frames, visibles="gaussian", seed=7, **kwargs):
    keras.utils.set_random_seed(0)
    kwargs = {"optimizer": keras.optimizers.Adam(0.02), "epochs": 2, "verbose": 0} | kwargs
    options = {"visibles": visibles, "jit_compile": False}
    return LSTBMModel.stack(frames, UNITS, seed=seed, options=options, **kwargs)


@pytest.mark.parametrize("visibles", ["gaussian", "gamma"])
def test_each_layer_learns_the_normalised_outputs_of_the_one_below(frames, visibles):
    deep = stacked(frames, visibles)
    keras.utils.set_random_seed(0)
    models = []
    for n, (below, units) in enumerate(itertools.pairwise([5, *UNITS])):
        kind = "gaussian" if n else visibles
        seed = int(np.asarray(fold_in(seed_pair(7), n)).view("int64")[0])
        models.append(LSTBMModel(below, units, kind, variant="lstm", seed=seed, jit_compile=False))
    x = frames
    for n, model in enumerate(models):
        model.compile(keras.optimizers.Adam(0.02))
        model.fit(x, epochs=2, verbose=0)
        outputs = [model.hidden_states(each[None]).numpy()[0] for each in x]
        normalizer = Normalizer.fit(outputs)
        x = [normalizer.normalize(each) for each in outputs]
        of_keras = keras.Sequential(deep.layers[: 2 * (n + 1)])
        for each, output in zip(frames, x, strict=True):
            np.testing.assert_allclose(of_keras(each[None])[0], output, atol=1e-3)
    kinds = [keras.layers.LSTM, keras.layers.Normalization]
    assert [type(layer) for layer in deep.layers] == 2 * kinds
    assert len(deep.weights) == len(deep.trainable_weights) == 2 * 3
    assert deep.input_shape == (None, None, 5) and deep.output_shape == (None, None, 3)


def test_each_layer_raises_the_likelihood_of_what_it_learns(frames, monkeypatch):
    fit, scores = LSTBMModel.fit, []

    def scored(model, x, **kwargs):
        def nats():
            frames = x[0][None]
            return np.mean(model.head.log_prob(frames, model.contexts(frames)).nats)

        before = nats()
        fit(model, x, **kwargs)
        scores.append((before, nats()))

    monkeypatch.setattr(LSTBMModel, "fit", scored)
    stacked(frames, optimizer=keras.optimizers.Adam(0.05), epochs=9)
    assert len(scores) == len(UNITS)
    assert all(after > before + 0.2 for before, after in scores), scores


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"hidden_units": []}, r"`hidden_units` must be a list.*hidden_units=\[\]"),
        ({"hidden_units": 4}, "`hidden_units` must be a list.*hidden_units=4"),
        ({"hidden_units": [4, 0]}, r"`hidden_units\[1\]`.*0"),
        ({"options": {"variant": "paper"}}, '`variant`, which is always "lstm".*paper'),
        ({"options": {"learn_initial_context": True}}, "`learn_initial_context`.*always False"),
        ({"options": {"colour": "red"}}, "`colour` is no argument of `LSTBMModel`"),
        ({"options": {"visible_units": 3}}, "`visible_units`, which is the number of features"),
        ({"options": [1]}, r"`options` must be a dict or None.*\[1\]"),
        ({"validation_data": np.zeros((2, 3, 5))}, "`validation_data` must be None.*ndarray"),
        ({"mask": np.ones((3, 4), bool)}, "`mask` must be None.*ndarray"),
        ({"x": np.zeros((3, 5))}, r"`x` must be a list of arrays.*\(3, 5\)"),
    ],
)
def test_arguments_are_refused_before_any_training(frames, change, reason, monkeypatch):
    monkeypatch.setattr(LSTBMModel, "fit", None)
    with pytest.raises(ValueError, match=reason):
        LSTBMModel.stack(**{"x": frames, "hidden_units": UNITS} | change)
