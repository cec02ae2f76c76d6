"""A vector of a sequence is made of its own frames, whatever batch it comes in."""

import keras
import numpy as np
import pytest

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import RNNNADE, RNNRBM, SequenceModel
from seqlayers.models.embedding import FEATURES, encode_segments


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return RNNRBM(5, 7, 3, visibles="gaussian", seed=0)


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(T, 5)).astype("float32") for T in (4, 11, 2, 4, 1, 30, 11)]


def test_vectors_are_means_and_deviations_over_the_frames_of_each(model, sequences):
    actual = encode_segments(model, sequences, batch_size=3)
    assert actual.shape == (7, 2 * 7 + 2 * 3) and actual.dtype == "float32"
    for row, sequence in zip(actual, sequences, strict=True):
        code, context = model.encode(sequence[None])[0], model.contexts(sequence[None])[0]
        parts = [f(np.asarray(x), axis=0) for x in (code, context) for f in (np.mean, np.std)]
        np.testing.assert_allclose(row, np.concatenate(parts), atol=1e-5)


def test_features_and_statistics_can_be_picked(model, sequences):
    both = encode_segments(model, sequences)
    context = encode_segments(
        model, sequences, features=["context"], statistics=["deviation", "mean"]
    )
    np.testing.assert_allclose(context, both[:, [17, 18, 19, 14, 15, 16]], atol=1e-6)
    code = encode_segments(model, sequences, features=["code"], statistics=["mean"])
    np.testing.assert_allclose(code, both[:, :7], atol=1e-6)


def test_thirds_are_means_over_the_beginning_the_middle_and_the_end(model, sequences):
    actual = encode_segments(model, sequences, features=["code"], statistics=["thirds"])
    for row, sequence in zip(actual, sequences, strict=True):
        code, T = np.asarray(model.encode(sequence[None])[0]), len(sequence)
        third = (3 * np.arange(T) + 1.5) // T
        means = [code[third == n].mean(axis=0) for n in (0, 1, 2) if (third == n).any()]
        expected = {1: means * 3, 2: [means[0], code.mean(axis=0), means[-1]]}.get(T, means)
        np.testing.assert_allclose(row, np.concatenate(expected), atol=1e-5)


def test_a_model_without_codes_has_contexts(rng):
    model, x = RNNNADE(5, 4, 3, seed=0), rng.integers(0, 2, (6, 3, 5))
    context = encode_segments(model, x, statistics=["mean"])
    np.testing.assert_allclose(context, np.mean(model.contexts(x), axis=1), atol=1e-6)


def test_a_model_of_single_frames_has_codes(rng):
    model = SequenceModel(None, ConditionalRBM(5, 4, seed=0))
    x = rng.integers(0, 2, (6, 3, 5))
    assert encode_segments(model, x).shape == (6, 8)
    code = encode_segments(model, x, features=["code"], statistics=["mean"])
    np.testing.assert_allclose(code, np.mean(model.encode(x), axis=1), atol=1e-6)


def test_arguments_are_checked(model, rng):
    x = rng.integers(0, 2, (2, 3, 5))
    alone = SequenceModel(None, ConditionalRBM(5, 4, seed=0))
    neither = SequenceModel(None, BernoulliHead(5, seed=0))
    no_code = SequenceModel(keras.layers.SimpleRNNCell(2), BernoulliHead(5, seed=0))
    for call, reason in (
        (lambda: encode_segments(model, []), "`sequences` must hold at least one"),
        (lambda: encode_segments(model, x[..., 1:]), r"`sequences\[0\]` must have 5"),
        (lambda: encode_segments(model, x * np.nan), r"`sequences\[0\]` must be finite"),
        (lambda: encode_segments(model, x, features="code"), "`features` must be a list.*'code'"),
        (lambda: encode_segments(model, x, features=["codes"]), '`features` must be "code" or'),
        (lambda: encode_segments(model, x, statistics=[]), r"`statistics` must be a list.*\[\]"),
        (lambda: encode_segments(model, x, batch_size=0), "`batch_size`.*0"),
        (lambda: encode_segments(neither, x), "`model` must have a memory or a head with a code"),
        (
            lambda: encode_segments(alone, x, features=FEATURES),
            r"`features` must be \[.code.\].*no memory",
        ),
        (
            lambda: encode_segments(no_code, x, features=FEATURES),
            r"`features` must be \[.context.\].*BernoulliHead",
        ),
    ):
        with pytest.raises(ValueError, match=reason):
            call()
