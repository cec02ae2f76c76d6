"""What every memory with every head keeps. A new member joins by one line in MEMORIES or HEADS.

What needs a trained model is tested on PAIRS: each memory with one head, each head with one memory.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.heads import NADE, BernoulliHead, ConditionalDBN, ConditionalRBM
from seqlayers.layers import SFM
from seqlayers.models import SequenceModel

V, H, D = 5, 4, 4

MEMORIES = {
    "none": lambda: None,
    "simple rnn cell": lambda: keras.layers.SimpleRNNCell(D),
    "gru": lambda: keras.layers.GRU(D, return_sequences=True),
    "lstm": lambda: keras.layers.LSTM(D, return_sequences=True),
    "sfm": lambda: SFM(D, num_frequencies=3, memory_units=2, return_sequences=True),
    "stack": lambda: [keras.layers.GRUCell(3), keras.layers.LSTMCell(D)],
    "dropout": lambda: keras.layers.SimpleRNNCell(D, dropout=0.3, recurrent_dropout=0.3),
}
FEW = {"gibbs_steps": 1, "sampling_steps": 3, "seed": 0}
HEADS = {
    "bernoulli": lambda: BernoulliHead(V, seed=0),
    "rbm": lambda: ConditionalRBM(V, H, **FEW),
    "gaussian rbm": lambda: ConditionalRBM(V, H, visibles="gaussian", **FEW),
    "centered rbm": lambda: ConditionalRBM(V, H, centering_rate=0.1, **FEW),
    "persistent rbm": lambda: ConditionalRBM(V, H, persistent_chains=5, **FEW),
    "dbn": lambda: ConditionalDBN(V, (H, 3), num_samples=20, **FEW),
    "nade": lambda: NADE(V, H, seed=0),
}
WITHOUT_CONTEXT_ONLY = ["persistent rbm"]

ALL = [(m, h) for m in MEMORIES for h in HEADS if m == "none" or h not in WITHOUT_CONTEXT_ONLY]
PAIRS = [(m, h) for m, h in ALL if h == "rbm" or m == ("none", "simple rnn cell")[h != "rbm"]]
PAIRS += [("none", h) for h in WITHOUT_CONTEXT_ONLY]
memories = pytest.mark.parametrize("memory", [m for m in MEMORIES if m != "none"])


def over(pairs):
    return pytest.mark.parametrize("memory, head", pairs, ids=[f"{m}, {h}" for m, h in pairs])


def pairs(test):
    return pytest.mark.slow(over(PAIRS)(test))


everything = over(ALL)
to_generate = over([(m, "bernoulli") for m in MEMORIES] + [("none", "rbm")])


def made(memory, head="bernoulli"):
    """A model with weights of some size, the same ones each time."""
    keras.utils.set_random_seed(0)
    model = SequenceModel(MEMORIES[memory](), HEADS[head]())
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    return model


def sequences(head, *lengths, seed=2):
    rng = np.random.default_rng(seed)
    frames = [rng.random((length, V)) for length in lengths]
    return [(3 * f - 1 if head == "gaussian rbm" else f < 0.4).astype("float32") for f in frames]


def padded(frames, length):
    array = np.zeros((len(frames), length, V), "float32")
    mask = np.zeros((len(frames), length), bool)
    for row, sequence in enumerate(frames):
        array[row, : len(sequence)], mask[row, : len(sequence)] = sequence, True
    return array, mask


# What a context has seen.


@memories
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
def test_a_context_has_seen_all_frames_before_and_none_from_then_on(memory, masked):
    model = made(memory)
    frames = tf.constant(np.stack(sequences("bernoulli", 5)))
    mask = tf.constant([[True, True, False, True, True]]) if masked else None
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(frames)
        contexts = tf.unstack(model.contexts(frames, mask), axis=1)
    gradients = [tape.gradient(context, frames).numpy()[0] for context in contexts]
    seen = np.any(np.array(gradients) != 0, axis=-1)  # [t of the context, t of the frame]
    expected = np.tri(5, k=-1, dtype=bool)
    if masked:
        expected[:, 2] = False
    np.testing.assert_array_equal(seen, expected)


@memories
def test_the_first_context_is_the_learned_one_and_starts_the_memory(memory):
    model = made(memory)
    frames = np.stack(sequences("bernoulli", 4, 4))
    before = model.contexts(frames).numpy()
    np.testing.assert_array_equal(before[:, 0], np.tile(model.initial_context, (2, 1)))
    model.initial_context.assign(model.initial_context + 1)
    after = model.contexts(frames).numpy()
    assert np.all(np.abs(after - before).max(axis=-1) > 1e-3)


@memories
def test_padding_and_what_it_holds_change_no_context(memory):
    model = made(memory)
    frames = sequences("bernoulli", 5, 2, 1)
    array, mask = padded(frames, 7)
    array[~mask] = np.nan
    contexts = model.contexts(array, mask).numpy()
    for row, sequence in enumerate(frames):
        alone = model.contexts(sequence[None])[0]
        np.testing.assert_allclose(contexts[row, : len(sequence)], alone, atol=1e-6)
    assert np.all(np.isfinite(contexts))


@memories
def test_gaps_are_as_if_they_were_not_there(memory):
    model = made(memory)
    (frames,) = sequences("bernoulli", 4)
    mask = np.array([[False, True, True, False, True, False, False, True]])
    array = np.full((1, 8, V), np.nan, "float32")
    array[mask] = frames
    contexts = model.contexts(array, mask).numpy()
    np.testing.assert_allclose(contexts[mask], model.contexts(frames[None])[0], atol=1e-6)


@everything
def test_frame_by_frame_is_the_same_as_all_at_once(memory, head):
    model = made(memory, head)
    frames = np.stack(sequences(head, 4, 4))
    state = model.initial_state(2)
    if memory == "none":
        assert model.contexts(frames) is None
        assert model.step(frames[:, 0], state) == state
        return
    contexts = model.contexts(frames)
    for t in range(4):
        np.testing.assert_allclose(state.context, contexts[:, t], atol=1e-6)
        state = model.step(frames[:, t], state)
    assert np.all(np.isfinite(state.context))


@everything
def test_a_reconstruction_is_the_heads_at_each_context(memory, head):
    model = made(memory, head)
    array, mask = padded(sequences(head, 4, 2), 4)
    actual = model.reconstruct(array, mask)
    expected = model.head.reconstruct(array, model.contexts(array, mask))
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert actual.shape == array.shape


# Training.


@pairs
def test_padding_changes_neither_the_loss_of_a_step_nor_the_weights_after_it(memory, head):
    frames = sequences(head, 4, 2, 3)
    results = []
    for length, value in ((4, 0.0), (6, np.nan)):
        model = made(memory, head)
        model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
        array, mask = padded(frames, length)
        array[~mask] = value
        logs = model.train_step((array, mask))
        assert float(logs["skipped_steps"]) == 0
        results.append([float(logs["loss"]), *(w.numpy() for w in model.weights)])
    start = [w.numpy() for w in made(memory, head).weights]
    assert any(np.any(a != b) for a, b in zip(start, results[0][1:], strict=True))
    for result in results[1:]:
        for actual, expected in zip(result, results[0], strict=True):
            np.testing.assert_allclose(actual, expected, atol=1e-5)


class Trained:
    """A model after four epochs, made once and shared."""

    def __init__(self, memory, head):
        self.memory, self.head = memory, head
        self.train, self.valid = sequences(head, 5, 3, 4, 2, 5, 1), sequences(head, 4, 6, seed=3)
        self.model = self.new()
        start = [w.numpy() for w in self.model.trainable_weights]
        self.history = self.fit(self.model, 4)
        self.moved = [
            np.any(w != s) for w, s in zip(self.model.trainable_weights, start, strict=True)
        ]

    def new(self):
        model = made(self.memory, self.head)
        model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
        return model

    def fit(self, model, epochs, **kwargs):
        arguments = {"epochs": epochs, "batch_size": 2, "verbose": 0} | kwargs
        return model.fit(self.train, validation_data=self.valid, **arguments).history


@pytest.fixture(scope="module")
def trained():
    made_so_far = {}

    def get(memory, head):
        if (memory, head) not in made_so_far:
            made_so_far[memory, head] = Trained(memory, head)
        return made_so_far[memory, head]

    return get


@pairs
def test_fitting_moves_every_weight_and_tells_what_it_did(trained, memory, head):
    run = trained(memory, head)
    assert all(run.moved)
    assert set(run.history) == {"loss", "skipped_steps", "val_loss", "val_log_likelihood"}
    assert all(len(values) == 4 and np.all(np.isfinite(values)) for values in run.history.values())
    assert run.history["skipped_steps"] == [0, 0, 0, 0]


@pairs
def test_score_evaluate_and_validation_agree(trained, memory, head):
    run = trained(memory, head)
    likelihood = run.model.score(run.valid)
    assert likelihood.kind == run.model.head.kind
    assert (likelihood.frames, likelihood.sequences) == (10, 2)
    assert likelihood.averaging == "per_frame"
    assert (likelihood.standard_error == 0) == (likelihood.kind == "exact")
    assert likelihood.nats == pytest.approx(run.history["val_log_likelihood"][-1], abs=1e-6)
    assert run.history["val_loss"][-1] == pytest.approx(-likelihood.nats, abs=1e-6)
    assert run.model.evaluate(run.valid) == pytest.approx(-likelihood.nats, abs=1e-6)
    logs = run.model.evaluate(run.valid, return_dict=True)
    assert logs["log_likelihood"] == -logs["loss"] == pytest.approx(likelihood.nats, abs=1e-6)


@pairs
def test_the_score_is_that_of_each_sequence_alone_with_all_frames_pooled(trained, memory, head):
    run = trained(memory, head)
    total = variance = frames = 0
    for sequence in run.train:
        context = run.model.contexts(sequence[None])
        nats, error = run.model.head.log_prob(sequence[None], context)
        total, variance = total + np.sum(nats), variance + np.sum(np.square(error))
        frames += len(sequence)
    for batch_size in (1, 4):
        likelihood = run.model.score(run.train, batch_size=batch_size)
        assert likelihood.frames == frames
        error = np.hypot(likelihood.standard_error, np.sqrt(variance) / frames)
        assert abs(likelihood.nats - total / frames) <= 1e-5 + 5 * error


def as_json(config):
    return json.loads(json.dumps(config))  # where tuples and lists are the same


@pairs
def test_a_saved_model_scores_the_same(trained, memory, head, tmp_path):
    run = trained(memory, head)
    run.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.score(run.valid) == run.model.score(run.valid)
    assert as_json(loaded.get_config()) == as_json(run.model.get_config())


@pairs
def test_a_run_that_was_interrupted_ends_where_an_undisturbed_one_does(
    trained, memory, head, tmp_path
):
    run = trained(memory, head)
    model = run.new()
    run.fit(model, 2)
    model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)
    resumed = keras.models.load_model(tmp_path / "model.keras")
    history = run.fit(resumed, 4, initial_epoch=2)
    assert history["loss"] == run.history["loss"][2:]
    for part in ("weights", "optimizer"):
        expected, actual = getattr(run.model, part), getattr(resumed, part)
        if part == "optimizer":
            expected, actual = expected.variables, actual.variables
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), e.numpy())


# Generation.


@pytest.fixture(scope="module")
def uncompiled():
    made_so_far = {}

    def get(memory, head):
        if (memory, head) not in made_so_far:
            model = made_so_far[memory, head] = made(memory, head)
            model.compile(jit_compile=False)
        return made_so_far[memory, head]

    return get


@to_generate
def test_generated_sequences_depend_on_the_seed_and_not_on_their_number(uncompiled, memory, head):
    model = uncompiled(memory, head)
    three = model.generate(4, num_sequences=3, seed=1)
    assert three.shape == (3, 4, V)
    assert three.dtype == np.float32
    np.testing.assert_array_equal(model.generate(4, num_sequences=3, seed=1), three)
    np.testing.assert_allclose(model.generate(4, seed=1), three[:1], atol=1e-5)
    assert np.any(model.generate(4, num_sequences=3, seed=2) != three)
    assert np.any(three[0] != three[1])
    np.testing.assert_allclose(model.generate(2, num_sequences=3, seed=1), three[:, :2], atol=1e-5)


@to_generate
def test_a_prime_is_what_came_before(uncompiled, memory, head):
    model = uncompiled(memory, head)
    primes = np.stack(sequences(head, 3, 3, 3))
    after = model.generate(2, prime=primes, seed=1)
    assert after.shape == (3, 2, V)
    one = model.generate(2, prime=primes[0], num_sequences=3, seed=1)
    np.testing.assert_allclose(one[0], after[0], atol=1e-5)
    state = model.initial_state(3)
    for t in range(3):
        state = model.step(primes[:, t], state)
    if memory == "none":
        assert state == model.initial_state(3)
        without = model.generate(2, num_sequences=3, seed=1)
        np.testing.assert_array_equal(after, without)
    else:
        np.testing.assert_allclose(
            model.prime(primes, model.initial_state(3)).context, state.context
        )
