"""`FrameLabeller`: features, targets, training, saved models, streams and labels of recordings."""

import inspect

import keras
import numpy as np
import pytest

from seqlayers import audio
from seqlayers.callbacks import BackupAndRestore
from seqlayers.datasets import labels
from seqlayers.models import FrameLabeller, label_features, label_network
from seqlayers.models.labelling import best_labels, runs

RATE, HOP = 8000, 32
SMALL = {"sample_rate": RATE, "units": 8, "hop_length": HOP, "num_bands": 16, "frames_per_step": 2}
TONES = {"a": 900, "b": 2100}  # Hz


def small(**options):
    keras.utils.set_random_seed(0)
    return FrameLabeller(["a", "b"], **(SMALL | options))


def song(rng, seconds=2.0):
    """Tones in noise with silence between them, and their labels."""
    samples, times, names = 0.01 * rng.normal(size=int(seconds * RATE)), [], []
    end = rng.uniform(0.05, 0.15)
    while end + 0.3 < seconds:
        start, end, name = end, end + rng.uniform(0.05, 0.15), str(rng.choice(list(TONES)))
        t = np.arange(round(start * RATE), round(end * RATE))
        samples[t] += 0.3 * np.sin(2 * np.pi * TONES[name] * t / RATE)
        times.append([t[0] / RATE, (t[-1] + 1) / RATE])
        names.append(name)
        end += rng.uniform(0.03, 0.1)
    return samples.astype("float32"), labels.Annotation(times, names)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder of four recordings, of which the last has no labels, and their annotations."""
    folder, rng = tmp_path_factory.mktemp("songs"), np.random.default_rng(0)
    annotations = []
    for n in range(4):
        samples, annotation = song(rng)
        audio.write(folder / f"{n}.wav", samples, RATE)
        if n < 3:
            labels.write(folder / f"{n}.txt", annotation, "audacity")
        annotations.append(annotation)
    return folder, annotations


@pytest.fixture(scope="module")
def trained(songs):
    """A model that has learned the labels of the first three."""
    keras.utils.set_random_seed(0)
    options = {"network": "sfm", "dropout": 0.1, "frames_per_step": 4}
    options |= {key: SMALL[key] for key in ("units", "hop_length", "num_bands")}
    options |= {"epochs": 30, "window": 96, "learning_rate": 2e-2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrameLabeller, "hidden_layers", without_xla)
        return FrameLabeller.from_labels(songs[0], songs[0], **options)


def without_xla(model, hidden_layers=FrameLabeller.hidden_layers):
    """Returns the layers of a model, as TensorFlow runs them: to compile takes longer here."""
    hidden = hidden_layers(model)
    for layer in hidden:
        for each in layer._flatten_layers():
            each.jit_compile = False
    return hidden


def frames_of(model, lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(T, model.num_features)).astype("float32") for T in lengths]


# Labels of recordings.


def test_labels_behind_the_end_of_their_recording_are_refused(tmp_path):
    audio.write(tmp_path / "one.wav", np.zeros(RATE), RATE)
    labels.write(tmp_path / "one.txt", labels.Annotation([[0.5, 1.5]], ["a"]), "audacity")
    with pytest.raises(labels.LabelError, match=r"one.txt: labels must end within .* 1.000000 s"):
        FrameLabeller.from_labels(tmp_path, tmp_path)


def test_it_learns_tones_and_labels_a_new_recording(songs, trained):
    assert trained.classes == ["a", "b"] and trained.sample_rate == RATE
    folder, annotations = songs
    found = trained.annotate(folder / "3.wav")
    assert found.annotation.labels == annotations[3].labels
    np.testing.assert_allclose(found.annotation.times, annotations[3].times, atol=0.012)
    assert found.confidences.shape == (len(annotations[3]),)
    assert (found.confidences > 0.7).all() and (found.confidences <= 1).all()
    frames = trained.frames(folder / "3.wav")
    assert found.log_probs.shape == (len(frames), 3)
    np.testing.assert_allclose(np.exp(found.log_probs).sum(axis=1), 1, atol=1e-5)
    score = trained.score([frames], [trained.targets(annotations[3], len(frames))])
    assert score.accuracy > 0.95 and score.error_rate == 0
    assert (score.num_frames, score.num_labels) == (len(frames), len(annotations[3]))


def test_a_recording_is_labelled_alike_from_a_file_sound_samples_and_features(songs, trained):
    path = songs[0] / "3.wav"
    sound = audio.read(path)
    expected = trained.annotate(path).annotation
    for recording in (sound, sound.samples, trained.frames(path)):
        annotation = trained.annotate(recording).annotation
        assert annotation.labels == expected.labels
        np.testing.assert_array_equal(annotation.times, expected.times)
    faster = audio.Sound(audio.resample(sound.samples, RATE, 11025), 11025)
    np.testing.assert_allclose(trained.annotate(faster).annotation.times, expected.times, atol=0.01)


def test_a_score_is_that_of_the_labels(trained):
    frames = frames_of(trained, [90, 40])
    targets = [np.random.default_rng(n).integers(0, 3, len(x)) for n, x in enumerate(frames)]
    log_probs = trained.log_probs(frames)
    found = [best_labels(each, 2.0, 3) for each in log_probs]
    score = trained.score(frames, targets, min_duration=3 * HOP / RATE, change_cost=2.0)
    with pytest.raises(ValueError, match="at least one"):
        trained.score(frames, [np.zeros(len(x), int) for x in frames])
    pairs = list(zip(found, targets, strict=True))
    assert score.accuracy == pytest.approx(np.mean(np.concatenate([a == b for a, b in pairs])))
    nats = [p[np.arange(len(y)), y] for p, y in zip(log_probs, targets, strict=True)]
    assert score.log_prob == pytest.approx(np.concatenate(nats).mean(), rel=1e-5)
    assert score.num_labels == sum(len(runs(y)) for y in targets)
    assert 0 < score.error_rate <= 2


# Features and targets.


def test_frames_are_centred_on_their_hops():
    model = small(frame_length=96)
    for hop in (0, 7, 30):
        samples = np.zeros(HOP * 31 + 5, "float32")
        samples[HOP * hop + HOP // 2] = 1
        frames = model.frames(samples)
        assert frames.shape == (31, 17)
        assert frames[:, -1].argmax() in (hop, hop - 1, 29) and frames[hop, -1] > -1e-6
    assert model.frames(np.ones(3)).shape == (1, 17)


def test_features_do_not_depend_on_the_blocks_they_are_computed_in(rng, monkeypatch):
    model, samples = small(), rng.normal(size=4000)
    expected = model.frames(samples)
    monkeypatch.setattr(label_features, "BLOCK", 50)
    np.testing.assert_allclose(model.frames(samples), expected, atol=1e-5)


def test_a_frame_has_the_label_in_which_the_middle_of_its_hop_lies():
    model, hop = small(), HOP / RATE
    targets = model.targets(labels.Annotation([[1.5 * hop, 3.6 * hop]], ["b"]), 6)
    assert targets.dtype == np.int32 and targets.tolist() == [0, 2, 2, 2, 0, 0]
    overlapping = labels.Annotation(
        np.array([[0, 4], [2, 3], [5.6, 5.9], [6, 99]]) * hop, list("abba")
    )
    assert model.targets(overlapping, 8).tolist() == [1, 1, 2, 1, 0, 0, 1, 1]


def test_normalised_training_data_have_mean_0_and_variance_1(rng):
    model = small()
    frames = [3 * each + 5 for each in frames_of(model, [30, 60])]
    model.adapt(frames)
    x = np.concatenate([model._normalized(each) for each in frames])
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0)], [[0] * 17, [1] * 17], atol=1e-5)


# Batches.


def test_windows_of_scoring_hold_each_frame_once():
    model = small()
    frames = frames_of(model, [25, 7, 10])
    targets = [np.full(len(x), n, "int32") for n, x in enumerate(frames)]
    batches = list(model.dataset(frames, targets, batch_size=2, window=10, training=False))
    assert len(batches) == 3
    for (x, mask), y, weights in batches:
        assert (x.shape, mask.shape, y.shape) == ((2, 10, 17), (2, 10), (2, 10))
        np.testing.assert_array_equal(mask.numpy().astype("float32"), weights)
        assert not x[~mask].numpy().any() and not y[~mask].numpy().any()
    found = np.concatenate([x[mask] for (x, mask), _, _ in batches])
    np.testing.assert_array_equal(found, np.concatenate(frames))
    found = np.concatenate([y[mask] for (_, mask), y, _ in batches])
    np.testing.assert_array_equal(found, np.concatenate(targets))


def test_windows_of_training_are_drawn_anew_and_alike_in_a_resumed_run():
    model = small()
    frames = [np.outer(np.arange(43.0), np.arange(17) > 0)]  # the first feature is 0
    targets = [np.arange(43) % 3]

    def epochs(number, **options):
        dataset = model.dataset(frames, targets, batch_size=2, window=10, **options)
        return [[(x.numpy(), y.numpy()) for (x, _), y, _ in dataset] for _ in range(number)]

    first, second, third = epochs(3)
    assert len(first) == 3
    gains = [x[..., 0] for x, _ in first + second]  # each window has one, in all of its frames
    assert not np.diff(gains).any() and len(np.unique(gains)) == 2 * 5 + 1  # 0 where there is none
    for x, y in first:
        found = x - x[..., :1]
        np.testing.assert_allclose(found[..., 1:], found[..., 1:2].repeat(16, axis=-1), atol=1e-4)
        np.testing.assert_array_equal(np.rint(found[..., 1]) % 3, y)
        assert np.isin(np.diff(np.rint(found[..., 1])), (0, 1)).all()
    starts = [sorted(np.rint(x[:, 0, 1] - x[:, 0, 0]).tolist()) for x, _ in first + second]
    assert len(set(map(tuple, starts))) > 3
    for (x, y), (again, labelled) in zip(third, epochs(1, first_epoch=2)[0], strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, labelled)
    other = epochs(1, seed=1)[0]
    assert not all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))


def test_a_run_that_was_stopped_ends_as_one_without_a_break(tmp_path, monkeypatch):
    def made():
        monkeypatch.setattr(FrameLabeller, "hidden_layers", without_xla)
        model = small(noise=0.1, network="sfm")
        model.compile(run_eagerly=True)
        frames = frames_of(model, [16])
        return model, model.dataset(frames, [np.arange(16) % 3], batch_size=2, window=4)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    whole, batches = made()
    frames, targets = frames_of(whole, [6]), [np.ones(6, int)]
    held_out = whole.dataset(frames, targets, window=4, training=False)
    history = whole.fit(batches, epochs=2, validation_data=held_out, verbose=0).history
    assert np.shape(history["val_frame_accuracy"]) == np.shape(history["frame_accuracy"]) == (2,)
    right = whole(frames[0][None, :4]).numpy().argmax(axis=-1).tolist()
    right += whole(frames[0][None, 4:]).numpy().argmax(axis=-1).tolist()
    assert history["val_frame_accuracy"][-1] == pytest.approx(np.mean(np.concatenate(right) == 1))
    stopped, batches = made()
    backup = BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(batches, epochs=2, verbose=0, callbacks=[backup, Stop()])
    resumed, batches = made()
    resumed.fit(batches, epochs=2, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# The network.


@pytest.fixture(scope="module", params=["patches", "sfm"])
def causal(request):
    model = small(network=request.param, bidirectional=False, frames_per_step=3)
    model.adapt([5 * each + 1 for each in frames_of(model, [50])])
    return model


def test_a_stream_has_the_log_probabilities_of_the_whole(causal):
    frames = np.stack(frames_of(causal, [12, 12]))
    expected = causal(frames)
    state, found = causal.initial_state(2), []
    for t in range(0, 12, 3):
        log_probs, state = causal.step(frames[:, t : t + 3], state)
        found.append(log_probs)
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=1e-5)


@pytest.mark.parametrize("network", ["patches", "sfm"])
def test_padding_does_not_change_the_log_probabilities(network):
    model = small(network=network, frames_per_step=4)
    frames = frames_of(model, [21, 6])
    padded = np.full((2, 30, 17), np.nan, "float32")
    for row, each in zip(padded, frames, strict=True):
        row[: len(each)] = each
    together = model((padded, ~np.isnan(padded[..., 0])))
    for row, each in zip(together, frames, strict=True):
        np.testing.assert_allclose(row[: len(each)], model(each[None])[0], atol=1e-5)


def test_long_recordings_are_read_in_pieces(monkeypatch):
    model = small(network="sfm")
    frames = frames_of(model, [70, 20])
    monkeypatch.setattr(label_network, "PIECE", 16)
    monkeypatch.setattr(label_network, "MARGIN", 64)  # so that each piece sees the whole
    for found, each in zip(model.log_probs(frames), frames, strict=True):
        np.testing.assert_allclose(found, model(each[None])[0], atol=1e-5)


def test_every_weight_has_a_gradient():
    import tensorflow as tf

    for network in ("patches", "sfm"):
        model = small(network=network)
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(np.stack(frames_of(model, [8, 8])))[..., 1])
        gradients = tape.gradient(loss, model.trainable_variables)
        assert all(np.abs(g).max() > 0 for g in gradients)


def test_a_saved_model_is_the_same(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, FrameLabeller) and loaded.get_config() == trained.get_config()
    frames = np.stack(frames_of(trained, [40]))
    np.testing.assert_array_equal(loaded(frames), trained(frames))
    assert loaded.optimizer.iterations == trained.optimizer.iterations > 0


def test_the_config_holds_every_argument():
    arguments = set(inspect.signature(FrameLabeller).parameters) - {"kwargs"}
    assert arguments < set(small().get_config())


# What is refused.


@pytest.mark.parametrize(
    "options",
    [
        {"classes": []},
        {"classes": "ab"},
        {"classes": ["a", "a"]},
        {"classes": ["a", 1]},
        {"sample_rate": 0},
        {"network": "lstm"},
        {"units": 0},
        {"bidirectional": "yes"},
        {"hop_length": 0},
        {"frame_length": 10},
        {"num_bands": 300},
        {"low": -1},
        {"frames_per_step": 0},
        {"dropout": 1},
        {"noise": -1},
        {"seed": -1},
    ],
)
def test_wrong_arguments_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        FrameLabeller(**({"classes": ["a"]} | SMALL | options))


def test_data_that_do_not_fit_are_refused(tmp_path):
    model, frames = small(), np.zeros((5, 17), "float32")
    with pytest.raises(ValueError, match="`annotation` must .* 'a', 'b'. Received: 'c'"):
        model.targets(labels.Annotation([[0, 1]], ["c"]), 5)
    for targets, message in (
        ([], "an array for each recording"),
        ([np.zeros(4, int)], r"`targets\[0\]` must be integers `\(5,\)`"),
        ([np.zeros(5)], "dtype float64"),
        ([np.full(5, 3)], "classes from 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            model.dataset([frames], targets)
    with pytest.raises(ValueError, match="`frames.0.` must have 17 features"):
        model.log_probs([np.zeros((5, 3))])
    with pytest.raises(ValueError, match="`bidirectional` must be False"):
        model.step(frames[None, :2], [])
    with pytest.raises(ValueError, match="`bidirectional` must be False"):
        model.initial_state()
    audio.write(tmp_path / "empty.wav", np.zeros(0, "float32"), RATE)
    with pytest.raises(audio.AudioError, match="no samples"):
        model.annotate(tmp_path / "empty.wav")
    for wrong in ({"min_duration": -1}, {"change_cost": "much"}):
        with pytest.raises(ValueError, match=f"`{[*wrong][0]}`"):
            model.annotate(frames, **wrong)
        with pytest.raises(ValueError, match=f"`{[*wrong][0]}`"):
            model.score([frames], [np.ones(5, int)], **wrong)
