"""Units that are not given are drawn given those that are, in worlds small enough to list."""

import itertools

import keras
import numpy as np
import pytest

from seqlayers.heads import NADE, BernoulliHead, TiedNADE
from seqlayers.layers import FrameHistory, Joined
from seqlayers.models import SequenceModel, infilling

V, T = 3, 3
SEQUENCES = np.array(list(itertools.product((0, 1), repeat=T * V)), "float32").reshape(-1, T, V)
GIVEN = np.array([[np.nan, 2, 1], [1, 0, 1], [-1, 0, 1]])  # units that are not kept hold anything
KEEP = np.array([[0, 0, 1], [1, 1, 0], [0, 1, 0]], bool)
ROWS = 2500


def made(memory, head):
    keras.utils.set_random_seed(0)
    model = SequenceModel(memory, head)
    model.compile(jit_compile=False)
    rng = np.random.default_rng(5)
    for weight in model.trainable_weights:  # so large that kept units and frames are not alone
        weight.assign(0.8 * rng.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def model():
    memory = Joined([FrameHistory(lags=(1, 2), decays=(0.5,)), keras.layers.SimpleRNNCell(3)])
    return made(memory, TiedNADE(V, (4, 3), lower_window=2, layout=((3, 1),), octave=2, seed=0))


def probabilities(model, keep, temperature=1.0, prime=None):
    """p of each of `SEQUENCES` given the units of `GIVEN` that `keep` keeps."""
    before = 0 if prime is None else len(prime)
    frames = SEQUENCES.astype(model.head.variable_dtype)
    if before:
        frames = np.concatenate([np.repeat(prime[None], len(frames), axis=0), frames], axis=1)
    x = model.head.log_odds(frames, model.contexts(frames)).numpy().astype("float64") / temperature
    nats = (frames * x - np.logaddexp(0, x))[:, before:].sum(axis=(1, 2))
    assert np.exp(nats).sum() == pytest.approx(1, abs=1e-5)
    p = np.where((SEQUENCES == GIVEN)[:, keep].all(axis=1), np.exp(nats), 0)
    return p / p.sum()


def errors(drawn, p):
    """Distances of the shares of `SEQUENCES` among those drawn from p, in standard errors."""
    numbers = drawn.reshape(len(drawn), -1) @ 2 ** np.arange(T * V)[::-1]
    shares = np.bincount(numbers.astype(int), minlength=len(p)) / len(drawn)
    assert (shares[p == 0] == 0).all()
    return np.abs(shares - p) / np.sqrt((p * (1 - p) + 1 / len(drawn)) / len(drawn))


@pytest.mark.slow
@pytest.mark.parametrize(
    "temperature, prime, blocks",
    [
        (1.0, None, infilling._BLOCKS),
        (1.0, None, (1,)),
        (0.8, np.array([[1, 1, 0]], "float32"), (2, 1)),
    ],
    ids=["", "single_frames", "temperature_and_prime"],
)
def test_draws_are_those_of_the_units_given_the_kept_ones(
    model, monkeypatch, temperature, prime, blocks
):
    monkeypatch.setattr(infilling, "_BLOCKS", blocks)
    options = {"temperature": temperature, "prime": prime, "num_sequences": ROWS, "seed": 3}
    p = probabilities(model, KEEP, temperature, prime)
    drawn = model.generate(given=GIVEN, keep=KEEP, **options)
    assert drawn.dtype == "float32" and drawn.shape == (ROWS, T, V)
    assert errors(drawn, p).max() < 5
    first = model.generate(given=GIVEN, keep=KEEP, sweeps=0, **options)
    assert errors(first, p).max() > 6  # the sweeps are needed, and the test sees it


def test_the_blocks_of_a_sweep_are_the_whole_sequence():
    for sweep in range(20):
        for num_steps in (1, 2, 9, 40):
            blocks = infilling._blocks(sweep, num_steps)
            assert [t for start, end in blocks for t in range(start, end)] == [*range(num_steps)]
            assert max(end - start for start, end in blocks) <= 8


def test_without_a_memory_frames_do_not_depend_on_each_other():
    alone = made(None, NADE(V, 4, seed=0))
    drawn = alone.generate(given=GIVEN, keep=KEEP, num_sequences=ROWS, sweeps=4, seed=5)
    x = alone.head.log_odds(SEQUENCES).numpy()
    nats = (SEQUENCES * x - np.logaddexp(0, x)).sum(axis=(1, 2))
    p = np.where((SEQUENCES == GIVEN)[:, KEEP].all(axis=1), np.exp(nats), 0)
    assert errors(drawn, p / p.sum()).max() < 5


@pytest.mark.slow
def test_a_sequence_depends_on_its_seed_and_not_on_the_number_of_sequences(model):
    options = {"given": GIVEN, "keep": KEEP, "sweeps": 2}
    drawn = model.generate(num_sequences=9, seed=1, **options)
    np.testing.assert_array_equal(model.generate(num_sequences=9, seed=1, **options), drawn)
    assert (model.generate(num_sequences=9, seed=2, **options) != drawn).any()
    assert len(np.unique(drawn, axis=0)) > 1
    np.testing.assert_array_equal(model.generate(T, num_sequences=2, seed=1, **options), drawn[:2])
    rows = {"given": np.stack([GIVEN] * 2), "keep": np.stack([KEEP] * 2), "sweeps": 2}
    np.testing.assert_array_equal(model.generate(seed=1, **rows), drawn[:2])
    whole = {"given": np.zeros((2, T, V)), "keep": np.ones((T, V), bool)}
    np.testing.assert_array_equal(model.generate(**whole), whole["given"])


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"keep": None}, "`given` and `keep`, .* must go together.*keep=None"),
        ({"given": None}, "must go together.*given=None"),
        ({"given": None, "keep": None, "sweeps": 3}, "`sweeps` with them.*given=None"),
        ({"keep": KEEP.astype(int)}, r"`keep` must be bool, .*int64 of shape \(3, 3\)"),
        ({"keep": KEEP[:2]}, r"`keep` must be bool, .*\(3, 3\).*shape \(2, 3\)"),
        ({"given": GIVEN[:, :2]}, r"`given` must be .*\(time, 3\).*Received: shape \(3, 2\)"),
        ({"given": np.zeros((0, 3)), "keep": np.zeros((0, 3), bool)}, "`given` must be a sequence"),
        ({"given": [["a"] * 3] * 3}, "`given` must hold numbers.*<U1"),
        ({"keep": KEEP | True}, "`given` must be 0 or 1 where `keep` is True.*nan"),
        ({"given": GIVEN / 2}, "`given` must be 0 or 1 where `keep` is True.*0.5"),
        ({"given": [GIVEN] * 2, "keep": [KEEP] * 3}, "row for each sequence.*2 and 3 rows"),
        ({"given": [GIVEN] * 2, "num_sequences": 3}, "row for each.*2 rows and num_sequences=3"),
        ({"given": [GIVEN] * 2, "prime": np.zeros((3, 1, V))}, "`prime` must have one row for"),
        ({"num_steps": 4}, "`num_steps` must be .* `given`, or None.*num_steps=4 and 3 frames"),
        ({"sweeps": -1}, "`sweeps` must be an integer of at least 0"),
        ({"temperature": 0}, "`temperature` must be a finite number above 0"),
    ],
)
def test_what_is_given_must_fit(model, options, reason):
    with pytest.raises(ValueError, match=reason):
        model.generate(**{"given": GIVEN, "keep": KEEP} | options)


@pytest.mark.parametrize(
    "head",
    [BernoulliHead(V), NADE(V, 2, orderless=True, num_orders=2)],
    ids=["bernoulli", "orders"],
)
def test_a_head_that_does_not_draw_units_in_their_order_is_refused(head):
    model = SequenceModel(None, head)
    reason = f"`given` and `keep` need .*`TiedNADE`.*{type(head).__name__}"
    with pytest.raises(ValueError, match=reason):
        model.generate(given=GIVEN, keep=KEEP)
