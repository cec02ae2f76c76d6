"""The contract of every memory with every head. A new one joins by a line in MEMORIES or HEADS.

PAIRS are each memory with one head and each head with one memory. COMPILED are the pairs whose
training steps are compiled; the others run eagerly, which takes less time at this size.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.heads import NADE, BernoulliHead, ConditionalDBN, ConditionalRBM, TiedNADE
from seqlayers.layers import (
    SFM,
    FrameHistoryCell,
    Joined,
    KeySharedCell,
    PositionCell,
    TanhGatedCell,
)
from seqlayers.models import SequenceModel

V, H, D = 5, 4, 4

MEMORIES = {
    "none": lambda: None,
    "simple rnn cell": lambda: keras.layers.SimpleRNNCell(D),
    "gru": lambda: keras.layers.GRU(D, return_sequences=True),
    "lstm": lambda: keras.layers.LSTM(D, return_sequences=True),
    "sfm": lambda: SFM(D, num_frequencies=3, memory_units=2, return_sequences=True),
    "stack": lambda: [keras.layers.GRUCell(3), keras.layers.LSTMCell(D)],
    "joined": lambda: Joined(
        [
            FrameHistoryCell((1, 3), (0.5,)),
            [PositionCell(3), keras.layers.LSTMCell(D)],
            KeySharedCell(TanhGatedCell(2), window=1, octave=3),
        ]
    ),
    "dropout": lambda: keras.layers.SimpleRNNCell(D, dropout=0.3, recurrent_dropout=0.3),
}
FEW = {"gibbs_steps": 1, "sampling_steps": 3, "seed": 0}
HEADS = {
    "bernoulli": lambda: BernoulliHead(V, seed=0),
    "rbm": lambda: ConditionalRBM(V, H, **FEW),
    "gaussian rbm": lambda: ConditionalRBM(V, H, visibles="gaussian", **FEW),
    "centered rbm": lambda: ConditionalRBM(V, H, centering_rate=0.1, **FEW),
    "persistent rbm": lambda: ConditionalRBM(V, H, persistent_chains=5, **FEW),
    "dbn": lambda: ConditionalDBN(V, (H, 3), num_samples=10, **FEW),
    "nade": lambda: NADE(V, H, seed=0),
    "tied nade": lambda: TiedNADE(V, (6, H), 3, layout=(), seed=0),
}
PAIRS = [(memory, "bernoulli") for memory in MEMORIES]
PAIRS += [("simple rnn cell", h) for h in HEADS if h not in ("bernoulli", "persistent rbm")]
PAIRS += [("none", "rbm"), ("none", "persistent rbm")]
COMPILED = [("dropout", "bernoulli"), ("simple rnn cell", "rbm"), ("none", "persistent rbm")]
memories = pytest.mark.parametrize("memory", [m for m in MEMORIES if m != "none"])


def over(pairs):
    return pytest.mark.parametrize("memory, head", pairs, ids=[f"{m}, {h}" for m, h in pairs])


pairs = over(PAIRS)
to_generate = over([(m, "bernoulli") for m in MEMORIES] + [("none", "rbm")])


def made(memory, head="bernoulli"):
    """A model with weights of some size, the same ones each time."""
    keras.utils.set_random_seed(0)
    model = SequenceModel(MEMORIES[memory](), HEADS[head]())
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def shared():
    """Each model once; its weights are not to be changed."""
    models = {}

    def get(memory, head="bernoulli"):
        if (memory, head) not in models:
            model = models[memory, head] = made(memory, head)
            model.compile(jit_compile=False)
        return models[memory, head]

    return get


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
def test_a_context_has_seen_all_frames_before_and_none_from_then_on(shared, memory, masked):
    model = shared(memory)
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
    first = model.initial_state(2).context
    np.testing.assert_array_equal(before[:, 0], first)
    if model.initial_context.shape == first.shape[1:]:  # the memory fixes no value
        np.testing.assert_array_equal(first, np.tile(model.initial_context, (2, 1)))
    model.initial_context.assign(model.initial_context + 1)
    after = model.contexts(frames).numpy()
    assert np.all(np.abs(after - before).max(axis=-1) > 1e-3)


@memories
def test_padding_and_what_it_holds_change_no_context(shared, memory):
    model = shared(memory)
    frames = sequences("bernoulli", 5, 2, 1)
    array, mask = padded(frames, 7)
    array[~mask] = np.nan
    contexts = model.contexts(array, mask).numpy()
    for row, sequence in enumerate(frames):
        alone = model.contexts(sequence[None])[0]
        np.testing.assert_allclose(contexts[row, : len(sequence)], alone, atol=1e-6)
    assert np.all(np.isfinite(contexts))


@memories
def test_gaps_are_as_if_they_were_not_there(shared, memory):
    model = shared(memory)
    (frames,) = sequences("bernoulli", 4)
    mask = np.array([[False, True, True, False, True, False, False, True]])
    array = np.full((1, 8, V), np.nan, "float32")
    array[mask] = frames
    contexts = model.contexts(array, mask).numpy()
    np.testing.assert_allclose(contexts[mask], model.contexts(frames[None])[0], atol=1e-6)


@memories
def test_frame_by_frame_is_the_same_as_all_at_once(shared, memory):
    model = shared(memory)
    frames = np.stack(sequences("bernoulli", 4, 4))
    contexts, state = model.contexts(frames), model.initial_state(2)
    for t in range(4):
        np.testing.assert_allclose(state.context, contexts[:, t], atol=1e-6)
        state = model.step(frames[:, t], state)
    assert np.all(np.isfinite(state.context))
    primed = model.prime(frames, model.initial_state(2))
    np.testing.assert_allclose(primed.context, state.context, atol=1e-6)


@memories
def test_frames_and_states_of_wrong_shapes_are_refused(shared, memory):
    model = shared(memory)
    frames, state = np.stack(sequences("bernoulli", 4, 4)), model.initial_state(2)
    for wrong in (frames[0], frames[..., :-1], 5.0):
        for call in (model.contexts, model.reconstruct, lambda x: model.prime(x, state)):
            with pytest.raises(ValueError, match=r"Frames must have the shape \(batch, time, 5\)"):
                call(wrong)
    for wrong in (frames, frames[:, 0, :-1], frames[0, 0]):
        with pytest.raises(ValueError, match=r"Frames must have the shape \(batch, 5\).*Received"):
            model.step(wrong, state)
    with pytest.raises(ValueError, match="`state` must have a row for each frame.*1 rows"):
        model.step(frames[:, 0], model.initial_state(1))
    with pytest.raises(ValueError, match="`state` must be a `State`.*Received: int"):
        model.step(frames[:, 0], 3)
    for wrong in (0, 2.5, True, None):
        with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
            model.initial_state(wrong)
    assert len(model.initial_state(np.int64(2)).context) == 2


def test_without_a_memory_there_is_no_context_and_no_state(shared):
    model, frames = shared("none"), np.stack(sequences("bernoulli", 4, 4))
    assert model.contexts(frames) is None
    state = model.initial_state(2)
    assert model.step(frames[:, 0], state) == state


@pairs
def test_a_reconstruction_is_the_heads_at_each_context(shared, memory, head):
    model = shared(memory, head)
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
    """A model after two epochs, and its file after the first, made once and shared."""

    def __init__(self, memory, head, path):
        self.path = path
        self.train, self.valid = sequences(head, 5, 3, 4, 1), sequences(head, 4, 6, seed=3)
        self.model = made(memory, head)
        eagerly = (memory, head) not in COMPILED
        self.model.compile(keras.optimizers.Adam(0.01), jit_compile=False, run_eagerly=eagerly)
        start = [w.numpy() for w in self.model.trainable_weights]
        save = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: epoch or self.model.save(path)
        )
        self.history = self.fit(self.model, callbacks=[save])
        self.moved = [
            np.any(w != s) for w, s in zip(self.model.trainable_weights, start, strict=True)
        ]

    def fit(self, model, **kwargs):
        arguments = {"epochs": 2, "batch_size": 2, "verbose": 0, "validation_data": self.valid}
        return model.fit(self.train, **arguments | kwargs).history


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made_so_far, folder = {}, tmp_path_factory.mktemp("trained")

    def get(memory, head):
        if (memory, head) not in made_so_far:
            path = folder / f"{memory}, {head}.keras"
            made_so_far[memory, head] = Trained(memory, head, path)
        return made_so_far[memory, head]

    return get


@pairs
def test_fitting_moves_every_weight_and_logs_losses_and_skipped_steps(trained, memory, head):
    run = trained(memory, head)
    assert all(run.moved)
    assert set(run.history) == {"loss", "skipped_steps", "val_loss", "val_log_likelihood"}
    assert all(len(values) == 2 and np.all(np.isfinite(values)) for values in run.history.values())
    assert run.history["skipped_steps"] == [0, 0]


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
def test_a_model_is_saved_and_goes_on_as_if_it_had_never_stopped(trained, memory, head):
    run = trained(memory, head)
    keras.utils.set_random_seed(99)
    resumed = keras.models.load_model(run.path)
    assert resumed.run_eagerly == run.model.run_eagerly
    assert as_json(resumed.get_config()) == as_json(run.model.get_config())
    # Scores are sums whose order the threads choose: equal to rounding. Weights are bit for bit.
    score = resumed.score(run.valid, batch_size=2).nats
    assert score == pytest.approx(run.history["val_log_likelihood"][0], abs=1e-6)
    history = run.fit(resumed, initial_epoch=1)
    assert history.keys() == run.history.keys()
    for name, values in history.items():
        assert values == pytest.approx(run.history[name][1:], abs=1e-6)
    for part in ("weights", "optimizer"):
        expected, actual = getattr(run.model, part), getattr(resumed, part)
        if part == "optimizer":
            expected, actual = expected.variables, actual.variables
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), e.numpy())


# Generation.


@to_generate
def test_generated_sequences_depend_on_the_seed_and_not_on_their_number(shared, memory, head):
    model = shared(memory, head)
    three = model.generate(4, num_sequences=3, seed=1)
    assert three.shape == (3, 4, V)
    assert three.dtype == np.float32
    np.testing.assert_array_equal(model.generate(4, num_sequences=3, seed=1), three)
    np.testing.assert_allclose(model.generate(4, seed=1), three[:1], atol=1e-5)
    assert np.any(model.generate(4, num_sequences=3, seed=2) != three)
    assert np.any(three[0] != three[1])
    np.testing.assert_allclose(model.generate(2, num_sequences=3, seed=1), three[:, :2], atol=1e-5)


@to_generate
def test_a_prime_is_what_came_before(shared, memory, head):
    model = shared(memory, head)
    primes = np.stack(sequences(head, 3, 3, 3))
    after = model.generate(2, prime=primes, seed=1)
    assert after.shape == (3, 2, V)
    one = model.generate(2, prime=primes[0], num_sequences=3, seed=1)
    np.testing.assert_allclose(one[0], after[0], atol=1e-5)
    if memory == "none":
        without = model.generate(2, num_sequences=3, seed=1)
        np.testing.assert_array_equal(after, without)
