"""A user's file, which pyright reads in `make check` as in a user's project. It is not run."""

from pathlib import Path

import keras
import numpy as np

import seqlayers
from seqlayers import audio, callbacks, datasets, energy, heads, layers, metrics, models, plotting
from seqlayers.datasets import labels, midi, piano_roll, recordings, roll_baselines, waves


def replaces_an_lstm() -> keras.Model:
    sfm = layers.SFM(32, num_frequencies=8, return_sequences=True, dropout=0.1, name="sfm")
    patch = layers.ConvLSTMPatch(8, patch_size=10, patch_stride=2, pool_size=1, padding="same")
    stacked = keras.layers.RNN([layers.PositionCell(16), layers.SFMCell(8, num_frequencies=4)])
    peephole = layers.PeepholeLSTM(16, projection_units=8, activation="tanh", return_state=True)
    history = layers.FrameHistory(lags=[1, 2], decays=(0.5,))
    adaptive = layers.AdaptiveSFM(8, num_frequencies=4, memory_units=3)
    log = layers.SFM(8, num_frequencies=2, frequencies=[0.1, 0.2], jit_compile=False)
    assert not any(each.built for each in (patch, stacked, peephole, history, adaptive, log))
    model = keras.Sequential([sfm, keras.layers.Dense(3)])
    model.compile(optimizer="adam", loss="mse")
    return model


def trains_a_model(out: Path) -> float:
    rolls = piano_roll.load("jsb_chorales")
    model = models.RNNNADE(88, hidden_units=100, recurrent_units=100, seed=0)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    model.fit(rolls.train, batch_size=8, epochs=6, verbose=0, validation_data=rolls.valid)
    batches = datasets.batches(rolls.train, 16, max_steps=32, warm_up=16, seed=1)
    model.fit(batches, epochs=1, callbacks=[callbacks.Progress()])
    likelihood = model.score(rolls.test, adapt=0.01)
    music = model.generate(num_steps=64, prime=rolls.test[0][:8], num_sequences=4, seed=1)
    midi.write(out / "song.mid", music[0], step_in_beats=1, tempo=90, programme=20)
    midi.write("song.mid", np.asarray(music)[1], articulate=True)
    model.save(out / "model.keras")
    model.export(str(out / "served"))
    loaded = seqlayers.load_model(out / "model.keras")
    assert isinstance(loaded, models.SequenceModel)
    print(f"{likelihood}: {likelihood.nats:.3f} {likelihood.kind}")
    return likelihood.nats


def other_models() -> list[models.SequenceModel]:
    rbm = models.RNNRBM(88, 150, 100, cell=keras.layers.LSTMCell(100), gibbs_steps=5, seed=0)
    head = heads.ConditionalRBM(129, 20, visibles="gaussian", seed=3)
    own = models.SequenceModel(keras.layers.GRUCell(100), head, context_dropout=0.1)
    tied = heads.TiedNADE(88, hidden_units=[64, 16], dropout=0, seed=0)
    shifted = models.SequenceModel(layers.FrameHistory(), tied, transpose=(-5, 6))
    ships = models.SequenceModel.from_preset("tied-nade-jsb")
    return [rbm, own, shifted, ships]


def reads_sound_and_scores(folder: str) -> None:
    samples, rate = audio.read(folder + "/song.wav")
    bands = audio.log_mel(samples, rate)
    spectra = recordings.frames_of_segments(folder, channel=0)
    labels, frames = waves.load(10, 2, phases=(0.5, 1.5), seed=0)
    real = piano_roll.load("nottingham").test
    error = metrics.bootstrap_error([1.0, 2.0], [3, 4])
    music = metrics.music_measures(metrics.pieces(real, 32))
    baseline = roll_baselines.baselines("nottingham")
    params = energy.RBMParams(np.zeros((3, 2)), np.zeros(3), np.zeros(2))
    nats = energy.free_energy(params, np.zeros((1, 3)))
    picture = plotting.piano_rolls(real[:1], ["a tune"], ["real"])
    print(bands, spectra, labels, frames, error, music.in_scale, baseline, nats, picture)


def reads_labels(folder: Path) -> dict[str, list[str]]:
    song = labels.read(folder / "song.TextGrid", "textgrid", tier="words")
    table = labels.read(str(folder / "song.Table.1.selections.txt"), column="Species", channel=0)
    labels.check_duration(song, duration=2, path=folder / "song.TextGrid")
    labels.write(folder / "song.txt", labels.Annotation([(0.1, 0.2)], ("a",)), "audacity")
    labels.write("song.csv", table, format="generic", sample_rate=44100, duration=1.5)
    labels.write_table(folder / "songs.csv", {"song.wav": song}, sample_rate=44100)
    matched = labels.match(folder, folder / "songs.csv", format="csv")
    found = zip(matched.recordings, matched.annotations, strict=True)
    return {path.name: annotation.labels for path, annotation in found}


def labels_recordings(folder: Path) -> dict[str, float]:
    labeller = models.FrameLabeller.from_labels(folder, folder / "songs.csv", "csv", epochs=20)
    labelled = labeller.annotate(folder / "new.wav", min_duration=0.01, change_cost=5)
    labels.write(folder / "new.txt", labelled.annotation, "audacity")
    streaming = models.FrameLabeller(["a", "b"], 16000, bidirectional=False, hop_length=64, low=200)
    frames = [streaming.frames(audio.read(folder / "song.wav"))]
    targets = [streaming.targets(labels.read(folder / "song.txt"), len(frames[0]))]
    streaming.adapt(frames)
    streaming.compile(streaming.optimizer_for(num_steps=100))
    streaming.fit(streaming.dataset(frames, targets, 8, window=500, seed=1), epochs=2)
    log_probs, state = streaming.step(frames[0][None, :4], streaming.initial_state())
    print(log_probs, state, streaming.score(frames, targets, change_cost=3).error_rate)
    streaming.export(folder / "served" / "1")
    return dict(zip(labelled.annotation.labels, labelled.confidences, strict=True))
