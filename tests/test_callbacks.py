"""Monitors add to the logs the values of their functions for the model at that time."""

import io

import keras
import numpy as np
import pytest
from reference import rbm, rnn_rbm

from seqlayers import callbacks, energy, metrics, report
from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel

V, H, D = 4, 3, 2


def made(head=None, memory=True):
    keras.utils.set_random_seed(0)
    cell = keras.layers.SimpleRNNCell(D) if memory else None
    model = SequenceModel(cell, head or ConditionalRBM(V, H, gibbs_steps=1, seed=0))
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    return model


def sequences(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 2, (length, V)).astype("float32") for length in lengths]


@pytest.fixture(scope="module")
def small():
    return made()


def in_numpy(model):
    cell, head = model.memory.cell, model.head
    weights = [cell.kernel, cell.recurrent_kernel, cell.bias, model.initial_context]
    weights += [head.kernel, head.visible_bias, head.hidden_bias]
    weights += [head.context_visible_kernel, head.context_hidden_kernel]
    return rnn_rbm.RNNRBM(*(w.numpy().astype("float64") for w in weights), None)


def free_energies(model, frames):
    """-log sum_h exp(-E(v, h)) of each frame, by enumeration of h."""
    known = rnn_rbm.memory(*in_numpy(model)[:4], frames)
    pairs = zip(known, frames, strict=True)
    return [rbm.free_energy(rnn_rbm.frame_rbm(in_numpy(model), u), v) for u, v in pairs]


def test_every_so_many_epochs_a_monitor_writes_into_the_logs_of_those_behind_it(small):
    seen = []

    class Last(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append("hidden_activity" in logs)

    x = sequences(3, 5)
    watching = [callbacks.HiddenActivity(x, every=2), Last()]
    history = small.fit(x, epochs=5, verbose=0, callbacks=watching).history
    assert seen == [False, True, False, True, False]
    assert len(history["hidden_activity"]) == 2 and len(history["loss"]) == 5
    seen.clear()
    small.fit(x, epochs=5, initial_epoch=3, verbose=0, callbacks=watching)
    assert seen == [True, False]


def test_all_monitors_look_at_the_model_as_it_is(small):
    x, other = sequences(3, 6, 4), sequences(5, 5, seed=1)
    watching = [
        callbacks.LikelihoodBracket(other, every=1),
        callbacks.FreeEnergyGap(x, other),
        callbacks.HiddenActivity(other, level=0.3),
        callbacks.GeneratedSpectra(
            other, num_sequences=3, num_steps=5, num_frames=4, neighbours=1, every=1
        ),
    ]
    logs = {k: v[-1] for k, v in small.fit(x, verbose=0, callbacks=watching).history.items()}

    score = small.score(other)
    assert score.kind == "exact"
    assert logs["log_likelihood_above"] == pytest.approx(score.nats, abs=1e-6)
    assert logs["log_likelihood_below"] == logs["log_likelihood_above"]

    means = [np.mean(np.concatenate([free_energies(small, s) for s in p])) for p in (other, x)]
    assert logs["free_energy_gap"] == pytest.approx(means[0] - means[1], abs=1e-4)

    codes = np.concatenate([small.encode(s[None])[0] for s in other])
    expected = metrics.hidden_activity(codes, level=0.3)
    found = logs["hidden_activity"], logs["hidden_sparsity"]
    assert found == pytest.approx(expected, abs=1e-6)

    drawn = small.generate(5, num_sequences=3, seed=0)
    spectra = [metrics.long_term_spectrum(a) for a in (drawn, other)]
    assert logs["spectral_distance"] == pytest.approx(metrics.log_spectral_distance(*spectra))
    spectra = [metrics.modulation_spectrum(a, 4).mean(axis=1) for a in (drawn, other)]
    assert logs["modulation_distance"] == pytest.approx(metrics.log_spectral_distance(*spectra))
    points = metrics.pieces(drawn, 4), watching[-1].real_segments
    assert (logs["precision"], logs["recall"]) == metrics.precision_recall(*points, neighbours=1)


def test_an_estimate_of_the_likelihood_is_bracketed():
    head = ConditionalRBM(21, 21, num_betas=60, num_chains=2, seed=0)
    model = made(head, memory=False)
    head.kernel.assign(0.1 * head.kernel)
    x = [np.random.default_rng(0).integers(0, 2, (3, 21)).astype("float32")]
    monitor = callbacks.LikelihoodBracket(x, seed=4)
    monitor.set_model(model)
    monitor.on_train_begin()
    score = model.score(x, seed=4, bracket=True)
    expected = {"log_likelihood_above": score.nats, "log_likelihood_below": score.reverse_nats}
    assert monitor.look() == pytest.approx(expected)
    assert score.nats != score.reverse_nats


def test_without_context_the_gap_of_free_energies_is_that_of_likelihoods():
    model = made(memory=False)
    x, other = sequences(6, seed=2), sequences(4, 3, seed=3)
    monitor = callbacks.FreeEnergyGap(x, other)
    monitor.set_model(model)
    expected = model.score(x).nats - model.score(other).nats
    assert monitor.look()["free_energy_gap"] == pytest.approx(expected, abs=1e-5)


def test_the_mean_free_energy_leaves_padding_out_and_follows_the_weights(small):
    x = sequences(1, 6, 3)
    start = small.head.hidden_bias.numpy()
    for bias in (start, start + 1):
        small.head.hidden_bias.assign(bias)
        alone = [
            np.asarray(energy.free_energy(small.head.params(small.contexts(s[None])), s[None]))
            for s in x
        ]
        expected = np.concatenate(alone, axis=1).mean()
        for batch_size in (1, 3):
            found = callbacks.mean_free_energy(small, x, batch_size)
            assert found == pytest.approx(expected, abs=1e-5)
    small.head.hidden_bias.assign(start)


def test_amplitudes_are_made_of_drawn_and_real_frames_alike(small):
    real = sequences(8, 8)
    options = {"num_sequences": 2, "num_steps": 8, "num_frames": 4, "neighbours": 1}
    plain = callbacks.GeneratedSpectra(real, **options)
    louder = callbacks.GeneratedSpectra(real, to_amplitudes=lambda x: 10 * x, **options)
    for monitor in (plain, louder):
        monitor.set_model(small)
    np.testing.assert_allclose(louder.real_spectra[0], 100 * plain.real_spectra[0])
    assert louder.look() == pytest.approx(plain.look())


def test_real_segments_that_are_compared_are_as_many_as_asked_for():
    real = sequences(40, 40)
    few = callbacks.GeneratedSpectra(real, num_frames=4, max_segments=5).real_segments
    again = callbacks.GeneratedSpectra(real, num_frames=4, max_segments=5).real_segments
    np.testing.assert_array_equal(few, again)
    assert few.shape == (5, 4, V)
    assert callbacks.GeneratedSpectra(real, num_frames=4).real_segments.shape == (20, 4, V)


@pytest.mark.parametrize(
    "message, make",
    [
        ("`every` must be", lambda x: callbacks.HiddenActivity(x, every=0)),
        ("`level` must be a finite number", lambda x: callbacks.HiddenActivity(x, level=2)),
        ("`num_steps` must be", lambda x: callbacks.GeneratedSpectra(x, num_steps=0)),
        ("`num_frames` must be from 4", lambda x: callbacks.GeneratedSpectra(x, num_frames=3)),
        ("`num_frames` must be from 4", lambda x: callbacks.GeneratedSpectra(x, num_steps=9)),
        ("16 frames or more.*at most 5", lambda x: callbacks.GeneratedSpectra(x)),
    ],
)
def test_what_a_monitor_cannot_work_with_is_refused_at_once(message, make):
    with pytest.raises(ValueError, match=message):
        make(sequences(5))


def test_a_model_that_lacks_what_is_watched_is_refused_before_training():
    model, x = made(BernoulliHead(V, seed=0)), sequences(3)
    for message, monitor in (
        ("free energy.*BernoulliHead", callbacks.FreeEnergyGap(x, x)),
        ("a head with a code.*BernoulliHead", callbacks.HiddenActivity(x)),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, verbose=0, callbacks=[monitor])
    other = keras.Sequential([keras.Input((V,)), keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="watches a `SequenceModel`.*Sequential"):
        other.fit(x[0], x[0][:, :1], verbose=0, callbacks=[callbacks.FreeEnergyGap(x, x)])


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    times = [0.0]
    monkeypatch.setattr(callbacks.progress.time, "monotonic", lambda: times[0])
    return times


def shown(file, clock, validated=(), epochs=4, seconds=100, **options):
    """The lines printed for epochs of `seconds` seconds, of 2 batches each, after a first of 9."""
    progress = callbacks.Progress(file=file, **options)
    progress.set_params({"epochs": epochs, "steps": 2})
    progress.on_train_begin()
    for epoch in range(epochs):
        progress.on_epoch_begin(epoch)
        for batch in range(2):
            clock[0] += (seconds if epoch else 900) / 2
            progress.on_train_batch_end(batch)
        logs = {"loss": 2.0, "skipped_steps": 0.0}
        if epoch + 1 in validated:
            logs |= {"val_loss": 7.0, "val_log_likelihood": -7.0}
        progress.on_epoch_end(epoch, logs)
    progress.on_train_end()
    return file.getvalue()


def test_progress_prints_the_losses_and_the_time_left_without_the_first_epoch(clock):
    assert shown(io.StringIO(), clock, validated=[2, 4]).splitlines() == [
        "epoch 1 of 4: loss 2",
        "epoch 2 of 4: loss 2, val_log_likelihood -7, about 3 min 20 s left",
        "epoch 3 of 4: loss 2, about 1 min 40 s left",
        "epoch 4 of 4: loss 2, val_log_likelihood -7",
    ]


def test_progress_prints_epochs_that_are_validated_and_else_seldom(clock):
    lines = shown(io.StringIO(), clock, [25], 30, seconds=1).splitlines()
    assert [int(line.split()[1]) for line in lines] == [1, 11, 21, 25, 30]


def test_progress_on_a_terminal_keeps_the_lines_of_validated_epochs(clock):
    said = shown(Terminal(), clock, validated=[2, 4])
    kept = [line.split("\r")[-1].rstrip() for line in said.split("\n")[:-1]]
    assert [line.split(":")[0] for line in kept] == ["epoch 2 of 4", "epoch 4 of 4"]
    assert "\repoch 3 of 4, batch 1 of 2, about 3 min 20 s left" in said
    assert "val_log_likelihood" not in shown(Terminal(), clock)  # nor is there a val_loss
    assert said.endswith("\n")


def test_progress_follows_a_training(small):
    file = io.StringIO()
    small.fit(sequences(3, 5), epochs=2, verbose=0, callbacks=[callbacks.Progress(0, file)])
    assert [line.split(":")[0] for line in file.getvalue().splitlines()] == [
        "epoch 1 of 2",
        "epoch 2 of 2",
    ]


def interrupted_fit(folder, epochs=4, until=None, delete=True, dropout=0.5):
    """Fits a plain Keras model with dropout, up to an interruption if `until` is an epoch."""

    def stop(epoch, logs=None):
        if epoch == until:
            raise KeyboardInterrupt

    keras.utils.set_random_seed(0)
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(dropout, seed=1)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    backup = callbacks.BackupAndRestore(folder, delete_checkpoint=delete)
    watched = [backup, keras.callbacks.LambdaCallback(on_epoch_begin=stop)]
    arguments = {"batch_size": 2, "epochs": epochs, "shuffle": False, "verbose": 0}
    try:
        history = model.fit(x, x[:, :1], callbacks=watched, **arguments)
    except KeyboardInterrupt:
        history = None
    return model, history


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_holds_the_seeds_of_dropout_too(tmp_path):
    whole, _ = interrupted_fit(tmp_path / "whole")
    interrupted_fit(tmp_path / "backup", until=2)
    assert names(tmp_path / "backup") == ["epoch-000001.npz", "epoch-000002.npz"]
    resumed, history = interrupted_fit(tmp_path / "backup")
    assert history.epoch == [2, 3]
    for a, b in zip(resumed.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert not (tmp_path / "backup").exists()


def test_a_fit_that_has_ended_trains_no_more_if_its_backups_are_kept(tmp_path):
    ended, _ = interrupted_fit(tmp_path, delete=False)
    assert names(tmp_path) == ["epoch-000003.npz", "epoch-000004.npz"]
    again, history = interrupted_fit(tmp_path, delete=False)
    assert history.epoch == []
    for a, b in zip(again.variables, ended.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_damaged_backup_is_replaced_by_the_one_before_it_and_both_damaged_are_refused(tmp_path):
    interrupted_fit(tmp_path, until=2)
    newest, before = tmp_path / "epoch-000002.npz", tmp_path / "epoch-000001.npz"
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.warns(UserWarning, match="epoch-000002.npz cannot be read"):
        _, history = interrupted_fit(tmp_path, delete=False)
    assert history.epoch == [1, 2, 3]
    for path in tmp_path.iterdir():
        path.unlink()
    before.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="epoch-000001.npz: the newest backup must be readable"):
        interrupted_fit(tmp_path)


def test_a_backup_with_any_byte_changed_or_missing_is_damaged(tmp_path, rng):
    model, _ = interrupted_fit(tmp_path, epochs=2, delete=False)
    newest = tmp_path / "epoch-000002.npz"
    whole = newest.read_bytes()
    with np.load(newest) as archive:  # any program reads it
        assert len(archive.files) == len(model.variables) + len(model.optimizer.variables)
    backup = callbacks.BackupAndRestore(tmp_path)
    backup.set_model(model)
    for n in range(50):
        data = bytearray(whole)
        if n % 5:
            for place in rng.integers(len(data), size=n % 3 + 1):
                data[place] ^= 1 << rng.integers(8)
        else:
            del data[rng.integers(len(data)) :]
        newest.write_bytes(data)
        if data == whole:
            continue
        with pytest.warns(UserWarning, match="epoch-000002.npz cannot be read"):
            backup.on_train_begin()
        assert model._initial_epoch == 1


def test_a_folder_that_cannot_be_made_is_named_before_the_training(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "backup"):
        with pytest.raises(ValueError, match=f"`backup_dir` must be a folder.*{folder}: .*[xN]"):
            interrupted_fit(folder)
    assert names(tmp_path) == ["file"]


def test_backups_of_another_model_and_a_model_that_is_not_built_are_refused(tmp_path):
    interrupted_fit(tmp_path, epochs=1, delete=False)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.zeros((2, 3)), np.zeros((2, 1))
    with pytest.raises(ValueError, match="`backup_dir` must hold backups of this model"):
        model.fit(*data, callbacks=callbacks.BackupAndRestore(tmp_path))
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs a built model"):
        model.fit(*data, callbacks=callbacks.BackupAndRestore(tmp_path))


def test_backups_leave_other_files_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    interrupted_fit(tmp_path, epochs=1)
    assert names(tmp_path) == ["notes.txt"]


def test_a_page_is_written_in_training_and_shows_the_last_epoch(tmp_path):
    model, path = made(BernoulliHead(V, seed=0)), tmp_path / "new" / "page.html"
    x, seen = sequences(5, 7), []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(path.exists() and f"after epoch {epoch + 1}." in path.read_text("utf-8"))

    page = callbacks.Report(path, x, every=2, num_generated=1, num_steps=3, title="A <run>")
    assert page.form == report.Music(0.5, first_note=None)  # four units are no keyboard
    model.fit(x, epochs=3, verbose=0, callbacks=[page, Seen()])
    assert seen == [False, True, False]
    text = path.read_text("utf-8")
    assert "after epoch 3." in text and "A &lt;run&gt;" in text and "generated 1" in text
    weight = model.trainable_weights[0]
    weight.assign(np.full(weight.shape, np.nan))
    page.on_epoch_end(3, {"loss": np.nan})
    assert "The weights must be finite" in path.read_text("utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_a_page_that_cannot_be_written_ends_no_training(tmp_path, monkeypatch):
    model, x = made(BernoulliHead(V, seed=0)), sequences(5, 7)
    page = callbacks.Report(tmp_path / "page.html", x, num_generated=1, num_steps=3)
    monkeypatch.setattr("seqlayers.report.page.MAX_BYTES", 10)
    with pytest.warns(UserWarning, match="page.html was not written; .* at most 10 bytes"):
        history = model.fit(x, epochs=2, verbose=0, callbacks=[page])
    assert history.epoch == [0, 1] and list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "page.html").mkdir()
    with pytest.warns(UserWarning, match="page.html was not written; .* a file, not a folder"):
        page.on_epoch_end(2, {"loss": 0.0})


def test_a_page_needs_a_folder_and_a_model_of_sequences(tmp_path, small):
    x = sequences(3)
    for wrong in (0.5, report.Music):
        with pytest.raises(ValueError, match="`form` must be a `report.Music`"):
            callbacks.Report(tmp_path / "a.html", x, wrong)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="`path` must be a file in a folder, or"):
        small.fit(x, verbose=0, callbacks=[callbacks.Report(tmp_path / "file" / "a.html", x)])
    with pytest.raises(ValueError, match=r"`x\[0\]` must have 4 features"):
        page = callbacks.Report(tmp_path / "a.html", [np.zeros((5, 88))])
        small.fit(x, verbose=0, callbacks=[page])
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plain.compile(loss="mse")
    with pytest.raises(ValueError, match="`Report` shows a `SequenceModel`"):
        plain.fit(np.ones((2, 2)), np.ones((2, 1)), callbacks=[callbacks.Report("a", x)])
