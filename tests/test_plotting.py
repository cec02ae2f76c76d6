"""Pictures show what they are given, and are written whole or not at all."""

import numpy as np
import pytest

from seqlayers import plotting


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def texts(labels):
    return [label.get_text() for label in labels]


def test_piano_rolls_draws_a_row_for_each_roll(rng):
    rolls = [rng.integers(0, 2, (length, 88)) for length in (5, 9)]
    figure = plotting.piano_rolls(rolls, ["a chorale", "a model"], ["real", "generated"])
    assert titles(figure) == ["a chorale", "a model"]
    for axes, roll in zip(figure.axes, rolls, strict=True):  # and no scale: there are no shades
        np.testing.assert_array_equal(axes.images[0].get_array(), roll.T)
        assert axes.get_xlim() == (0, 9)


def test_the_kind_of_a_roll_is_its_color_whatever_its_title(rng):
    rolls, kinds = rng.integers(0, 2, (3, 4, 88)), ["generated", "reconstructed", "real"]
    figure = plotting.piano_rolls(rolls, ["real?", "a", "b"], kinds)
    inks = [axes.images[0].to_rgba(1.0) for axes in figure.axes]
    assert len({tuple(ink) for ink in inks}) == 3
    assert inks[0][2] > 0.6 > 2 * inks[0][0]  # blue
    assert inks[1][0] > 0.6 > 2 * inks[1][2]  # brown
    assert max(inks[2][:3]) < 0.2  # black
    for axes in figure.axes:
        assert axes.images[0].to_rgba(0.0) == (1, 1, 1, 1)


def test_probabilities_are_shades_between_white_and_ink(rng):
    roll = rng.random((6, 88))
    figure = plotting.piano_rolls([roll > 0.5, roll], ["x", "x seen"], ["real", "reconstructed"])
    *panels, scale = figure.axes
    assert scale.get_ylabel() == "probability"
    np.testing.assert_array_equal(panels[1].images[0].get_array(), roll.T)
    assert [axes.images[0].get_clim() for axes in panels] == [(0, 1), (0, 1)]
    greens = [panels[1].images[0].to_rgba(p)[1] for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert greens == sorted(greens, reverse=True) and greens[-1] < 0.5


def test_keys_too_faint_to_be_seen_do_not_widen_a_picture():
    roll = np.full((4, 88), 0.01)
    roll[1, 39:52] = 0.9  # MIDI 60 to 72
    axes = plotting.piano_rolls([roll], ["x"], ["reconstructed"]).axes[0]
    assert axes.get_ylim() == (58, 74)


def test_piano_rolls_names_the_octaves_as_pianists_do():
    roll = np.zeros((4, 88))
    roll[0, [27, 39, 51]] = 1  # MIDI 48, 60, 72
    (axes,) = plotting.piano_rolls([roll], ["x"], ["real"]).axes
    ticks = dict(zip(axes.get_yticks(), texts(axes.get_yticklabels()), strict=True))
    assert ticks == {48: "C3", 60: "C4", 72: "C5"}


def test_silence_can_be_drawn(tmp_path):
    figure = plotting.piano_rolls([np.zeros((3, 88))], ["x"], ["real"])
    plotting.save(figure, tmp_path / "silence.png")
    assert (tmp_path / "silence.png").read_bytes().startswith(b"\x89PNG")


ROLL = np.zeros((3, 88))


@pytest.mark.parametrize(
    "rolls, names, kinds, message",
    [
        ([], [], [], "`rolls`, `titles` and `kinds`.*0 rolls, 0 titles"),
        ([ROLL], [], ["real"], "1 rolls, 0 titles and 1 kinds"),
        ([ROLL], ["a"], ["reel"], "`kinds` must be among real, .*'reel'"),
        ([ROLL, ROLL[0]], "ab", ["real"] * 2, r"`rolls\[1\]`.*`\(time, keys\)`.*\(88,\)"),
        ([ROLL[:0]], "a", ["real"], r"`rolls\[0\]`.*\(0, 88\)"),
        ([ROLL, ROLL[:, 1:]], "ab", ["real"] * 2, r"one number of keys.*\[87, 88\]"),
        ([ROLL + 2], "a", ["real"], "0 or above, 1 or below.*from 2 to 2"),
        ([ROLL + np.nan], "a", ["real"], "finite numbers.*264 of 264"),
        ([[[0, 1], [0]]], "a", ["real"], "list that is no array of real numbers"),
    ],
)
def test_rolls_titles_and_kinds_must_go_together(rolls, names, kinds, message):
    with pytest.raises(ValueError, match=message):
        plotting.piano_rolls(rolls, names, kinds)


def test_hidden_activity_is_a_map_of_units_over_time_beside_their_means():
    activity = np.array([[0.0, 0.9, 0.2], [0.0, 0.7, 0.4]])  # 2 steps of 3 units
    figure = plotting.hidden_activity(activity, "a chorale")
    axes, margin, scale = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array(), activity.T)
    assert axes.images[0].get_clim() == (0, 1)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.5, 2.5), (-0.5, 2.5))
    np.testing.assert_allclose([bar.get_width() for bar in margin.patches], [0, 0.8, 0.3])
    assert [bar.get_y() + bar.get_height() / 2 for bar in margin.patches] == [0, 1, 2]
    assert titles(figure) == ["a chorale", "mean 0.37"]
    assert scale.get_ylabel() == "activity"


def test_sorted_the_most_active_unit_is_on_top():
    activity = np.array([[0.0, 0.9, 0.2], [0.0, 0.7, 0.4]])
    axes, margin, _ = plotting.hidden_activity(activity, sort=True).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), activity.T[[0, 2, 1]])
    np.testing.assert_allclose([bar.get_width() for bar in margin.patches], [0, 0.3, 0.8])
    assert "by mean" in axes.get_ylabel()


def test_outputs_below_zero_are_drawn_with_zero_white_and_count_by_size():
    outputs = np.array([[-0.5, 0.1], [0.5, 0.1], [-0.5, 0.1]])
    figure = plotting.hidden_activity(outputs)
    axes, margin, _ = figure.axes
    image = axes.images[0]
    assert image.get_clim() == (-1, 1)
    np.testing.assert_allclose(image.to_rgba(0.0), (1, 1, 1, 1), atol=0.01)
    assert image.to_rgba(-1.0)[2] > image.to_rgba(-1.0)[0]  # blue
    assert image.to_rgba(1.0)[0] > image.to_rgba(1.0)[2]  # brown
    np.testing.assert_allclose([bar.get_width() for bar in margin.patches], [0.5, 0.1])
    wide = plotting.hidden_activity(3 * outputs).axes[0].images[0]
    assert wide.get_clim() == (-1.5, 1.5)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 3), (0, 3)])
def test_the_activity_of_one_sequence_is_asked_for(shape):
    with pytest.raises(ValueError, match=r"`activity`.*`\(time, units\)`.*Received: shape"):
        plotting.hidden_activity(np.zeros(shape))
    with pytest.raises(ValueError, match="`activity`.*finite.*1 of 4"):
        plotting.hidden_activity([[0, 1], [np.nan, 0]])


def test_weights_of_88_keys_are_the_colors_of_a_piano(rng):
    W = rng.normal(size=(88, 3)) * [1, 3, 2]
    *panels, scale = plotting.receptive_fields(W).axes
    assert [axes.get_ylabel().split()[1] for axes in panels] == ["1", "2", "0"]
    for axes, j in zip(panels, (1, 2, 0), strict=True):
        white, black = axes.collections
        notes = 21 + np.arange(88)
        is_black = np.isin(notes % 12, (1, 3, 6, 8, 10))
        np.testing.assert_array_equal(white.get_array(), W[~is_black, j])
        np.testing.assert_array_equal(black.get_array(), W[is_black, j])
        left = [path.vertices[:, 0].min() for path in white.get_paths()]
        assert (np.diff(left) == 1).all() and len(left) == 52  # side by side
        limit = np.abs(W).max()
        assert white.get_clim() == black.get_clim() == (-limit, limit)
        np.testing.assert_allclose(white.cmap(white.norm(0.0)), (1, 1, 1, 1), atol=0.01)
    assert scale.get_ylabel() == "weight"


def test_a_black_key_lies_over_the_gap_of_the_white_ones_beside_it():
    *_, axes, _ = plotting.receptive_fields(np.ones((88, 1)), num_units=1).axes
    white, black = ([p.vertices for p in keys.get_paths()] for keys in axes.collections)
    middles = [key[:4, 0].mean() - white[0][:, 0].min() for key in black]
    assert middles[:6] == pytest.approx([1, 3, 4, 6, 7, 8])  # of A B, C D E, F G A B
    assert black[0][:, 1].min() > white[0][:, 1].min()
    assert np.ptp(black[0][:, 0]) < np.ptp(white[0][:, 0])


def test_the_octaves_of_a_piano_begin_at_its_cs():
    axes = plotting.receptive_fields(np.ones((88, 2)), num_units=1).axes[0]
    assert texts(axes.get_xticklabels()) == [f"C{n}" for n in range(1, 9)]
    assert (np.diff(axes.get_xticks()) == 7).all()
    white = axes.collections[0].get_paths()
    assert white[2].vertices[:4, 0].mean() == axes.get_xticks()[0]  # A, B, C
    other = plotting.receptive_fields(np.ones((88, 2)), first_note=24, num_units=1).axes[0]
    assert other.get_xticks()[0] == other.get_xlim()[0] + 0.5


def test_weights_of_other_units_lie_side_by_side(rng):
    W = rng.normal(size=(10, 4))
    norms = np.linalg.norm(W, axis=0)
    *panels, _ = plotting.receptive_fields(W, num_units=2).axes
    for axes, j in zip(panels, np.argsort(-norms)[:2], strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), W[None, :, j])
        assert axes.get_ylabel() == f"unit {j}\nnorm {norms[j]:.3g}"
        assert axes.get_xlim() == (-0.5, 9.5)
    assert panels[-1].get_xlabel() == "visible unit"


def test_weights_of_88_frequencies_are_no_piano(rng):
    *panels, _ = plotting.receptive_fields(rng.normal(size=(88, 4)), sample_rate=16000).axes
    assert len(panels) == 4 and panels[-1].get_xlabel() == "kHz"
    assert panels[0].get_xlim() == (0, 8)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kernel": np.zeros(88)}, r"`kernel`.*\(88,\)"),
        ({"kernel": np.full((88, 2), np.inf)}, "`kernel`.*176 of 176"),
        ({"kernel": np.zeros((88, 2)), "num_units": 0}, "`num_units`"),
        ({"kernel": np.zeros((88, 2)), "first_note": 2.5}, "`first_note`"),
        ({"kernel": np.zeros((88, 2)), "sample_rate": 0}, "`sample_rate`.*0"),
    ],
)
def test_receptive_fields_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.receptive_fields(**arguments)


def test_learning_curve_draws_scores_and_what_to_compare_them_to():
    figure = plotting.learning_curve([5, 10], {"RNN-RBM": [-9.0, -8.0]}, {"RBM": -10.0})
    curve, line = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xydata(), [[5, -9.0], [10, -8.0]])
    assert list(line.get_ydata()) == [-10.0, -10.0]
    assert line.get_label() == "RBM -10.00"


@pytest.mark.parametrize(
    "epochs, scores, message",
    [
        ([1], {}, "`scores` must hold"),
        ([1, 2], {"a": [1.0]}, r"`scores\['a'\]`.*\(1,\) for epochs of shape \(2,\)"),
        ([], {"a": []}, r"`scores\['a'\]`.*at least one"),
        ([1], {"a": ["x"]}, r"`scores\['a'\]` must be a number"),
    ],
)
def test_a_learning_curve_needs_a_score_for_each_epoch(epochs, scores, message):
    with pytest.raises(ValueError, match=message):
        plotting.learning_curve(epochs, scores)


def test_monitors_are_drawn_in_a_panel_for_each_group():
    history = {"loss": [3.0, 2.0, 1.0], "val_loss": ([2], [4.0]), "gap": [0.1, 0.2, 0.3]}
    figure = plotting.monitor_curves(history, {"nats": ["loss", "val_loss"], "energy": ["gap"]})
    nats, energy = figure.axes
    np.testing.assert_array_equal(nats.lines[0].get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(nats.lines[1].get_xydata(), [[2, 4]])
    np.testing.assert_allclose(energy.lines[0].get_xydata(), [[1, 0.1], [2, 0.2], [3, 0.3]])
    assert (nats.get_ylabel(), energy.get_ylabel()) == ("nats", "energy")
    assert energy.get_xlabel() == "epoch"
    alone = plotting.monitor_curves(history)
    assert [axes.get_ylabel() for axes in alone.axes] == list(history)


def test_what_is_not_finite_leaves_a_gap_and_is_counted():
    (axes,) = plotting.monitor_curves({"loss": [1.0, np.inf, 2.0]}).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1, np.nan, 2])
    assert texts(axes.get_legend().get_texts()) == ["loss (1 not finite)"]


@pytest.mark.parametrize(
    "history, groups, message",
    [
        ({}, None, "`history` and `groups` must name at least one curve"),
        ({"loss": [1.0]}, {"nats": []}, "`history` and `groups` must name at least one curve"),
        ({"loss": [1.0]}, {"nats": ["gap"]}, r"curves of `history`.*\['gap'\]"),
        ({"loss": [1.0, 2.0], "val": [1.0]}, None, "pairs.*'loss': 2, 'val': 1"),
        ({"val": ([1, 2], [1.0])}, None, r"`history\['val'\]`.*\(1,\)"),
    ],
)
def test_monitors_must_say_their_epochs(history, groups, message):
    with pytest.raises(ValueError, match=message):
        plotting.monitor_curves(history, groups)


def test_state_frequency_draws_a_panel_for_each_name_and_time(rng):
    spectra = {"SFM": rng.random((12, 5, 3)), "A-SFM": rng.random((20, 2, 4))}
    figure = plotting.state_frequency(spectra)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    times = [3, 6, 9, 12], [5, 10, 15, 20]
    expected = [(name, t) for name, ts in zip(spectra, times, strict=True) for t in ts]
    assert [p.get_title(loc="left") for p in panels] == [f"{n}, t = {t}" for n, t in expected]
    for panel, (name, t) in zip(panels, expected, strict=True):
        image = panel.images[0]
        np.testing.assert_array_equal(image.get_array(), spectra[name][t - 1].T)
        assert image.get_clim() == (0, spectra[name].max())
        assert panel.get_ylim()[0] < panel.get_ylim()[1]  # component 0 at the bottom


def test_the_least_fraction_shows_the_first_frame(rng):
    amplitudes = rng.random((4, 2, 3))
    panel = plotting.state_frequency({"SFM": amplitudes}, fractions=(0.01,)).axes[0]
    np.testing.assert_array_equal(panel.images[0].get_array(), amplitudes[0].T)


@pytest.mark.parametrize(
    "spectra, fractions",
    [({}, (1.0,)), ({"SFM": np.ones((4, 2, 3))}, ()), ({"SFM": np.ones((4, 2, 3))}, (0, 1))],
)
def test_spectra_and_fractions_are_needed(spectra, fractions):
    with pytest.raises(ValueError, match="`spectra` and `fractions`.*Received"):
        plotting.state_frequency(spectra, fractions)


def test_a_memory_spectrogram_averages_over_states(rng):
    amplitudes = rng.random((12, 5, 3))
    axes = plotting.memory_spectrogram(amplitudes, "a wave", [0.0, 0.5, 1.25]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), amplitudes.mean(axis=1).T)
    assert axes.get_title(loc="left") == "a wave"
    assert axes.get_xlim() == (0.5, 12.5)  # the first frame is t = 1
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0.00", "0.50", "1.25"]


def test_a_memory_that_holds_nothing_can_be_drawn(tmp_path):
    silence = np.zeros((4, 2, 3))
    for figure in (
        plotting.state_frequency({"SFM": silence}),
        plotting.memory_spectrogram(silence),
    ):
        plotting.save(figure, tmp_path / "silence.png")


def test_a_batch_of_spectra_is_not_one_spectrum(rng):
    batch = rng.random((2, 12, 5, 3))
    with pytest.raises(ValueError, match=r"`amplitudes`.*memory states.*\(2, 12, 5, 3\)"):
        plotting.memory_spectrogram(batch)
    with pytest.raises(ValueError, match=r"`spectra\['SFM'\]`.*memory states"):
        plotting.state_frequency({"SFM": batch})
    with pytest.raises(ValueError, match=r"`frequencies` must hold 3.*: 2"):
        plotting.memory_spectrogram(batch[0], frequencies=[0, 1])


def test_a_confusion_matrix_has_a_row_for_each_true_class(tmp_path):
    figure = plotting.confusion_matrix([[3, 1, 0], [0, 0, 0], [0, 5, 5]], ["aa", "b", "k"], "test")
    axes = figure.axes[0]
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array(), [[0.75, 0.25, 0], [0, 0, 0], [0, 0.5, 0.5]])
    assert image.get_clim() == (0, 1)
    for tick_labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [text.get_text() for text in tick_labels] == ["aa", "b", "k"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class on top
    assert axes.get_title(loc="left") == "test"


def test_61_phones_fit_in_a_confusion_matrix(tmp_path):
    figure = plotting.confusion_matrix(np.eye(61, dtype=int), [f"p{n}" for n in range(61)])
    plotting.save(figure, tmp_path / "phones.png")
    tops = [text.get_window_extent() for text in figure.axes[0].get_yticklabels()]
    assert all(above.y0 >= below.y1 - 1 for above, below in zip(tops, tops[1:], strict=False))


@pytest.mark.parametrize("matrix", [np.ones((2, 2)), np.ones((3, 2)), -np.eye(3), np.ones(3)])
def test_a_confusion_matrix_has_a_name_for_each_class(matrix):
    with pytest.raises(ValueError, match="`matrix` must .*Received"):
        plotting.confusion_matrix(matrix, ["aa", "b", "k"])


def test_spectrograms_share_a_scale_in_decibels():
    quiet, loud = np.full((4, 3), 0.1), np.ones((6, 3))
    loud[2, 1] = 10.0
    figure = plotting.spectrograms({"a": quiet, "b": loud}, 8000, 100, decibels=50)
    *panels, scale = figure.axes
    assert titles(figure) == ["a", "b"] and scale.get_ylabel() == "dB"
    np.testing.assert_allclose(panels[0].images[0].get_array(), np.full((3, 4), -40))
    assert panels[1].images[0].get_array()[1, 2] == 0
    for axes, frames in zip(panels, (4, 6), strict=True):
        assert axes.images[0].get_clim() == (-50, 0)
        assert axes.images[0].get_extent() == [0, frames / 80, 0, 4]


@pytest.mark.parametrize(
    "amplitudes, message",
    [
        ({}, "`amplitudes` must hold"),
        ({"a": -np.ones((2, 3))}, r"`amplitudes\['a'\]`.*0 or above.*from -1"),
        ({"a": np.ones(3)}, r"`amplitudes\['a'\]`.*\(3,\)"),
        ({"a": np.full((2, 3), np.nan)}, r"`amplitudes\['a'\]`.*6 of 6"),
    ],
)
def test_spectrograms_are_of_amplitudes(amplitudes, message):
    with pytest.raises(ValueError, match=message):
        plotting.spectrograms(amplitudes, 8000, 100)


RECORDING = np.sin(np.arange(800))  # a tenth of a second at 8 kHz


def test_found_segments_are_spans_below_what_was_labelled_by_hand():
    labels = [(0.01, 0.03, "a"), (0.05, 0.06, "b")]
    found = np.array([[0.012, 0.031], [0.07, 0.08]])
    figure = plotting.segments(
        *(RECORDING, 8000, found, labels), amplitudes=np.ones((25, 5)), hop_length=32
    )
    wave, spectrum, scale = figure.axes
    boxes = np.column_stack([found, [0, 0], [1, 1]])
    for axes in (wave, spectrum):
        actual = [p.get_extents() for c in axes.collections for p in c.get_paths()]
        actual = [b for b in actual if (b.y0, b.y1) == (0, 1)]
        np.testing.assert_allclose([[b.x0, b.x1, b.y0, b.y1] for b in actual], boxes)
        assert axes.get_xlim() == (0, 0.1)
    assert texts(wave.texts) == ["a", "b"]
    np.testing.assert_allclose([text.get_position()[0] for text in wave.texts], [0.02, 0.055])
    np.testing.assert_allclose([line.get_xdata() for line in wave.lines], [x[:2] for x in labels])
    assert all(line.get_ydata()[0] > 1 for line in wave.lines)  # above the panel
    assert spectrum.images[0].get_extent() == [0, 0.1, 0, 4]
    assert texts(figure.legends[0].get_texts()) == ["2 found"]
    assert scale.get_ylabel() == "dB"


def test_a_waveform_shows_the_greatest_sample_of_an_hour():
    samples = np.zeros(100_000, "int16")
    samples[12_345], samples[70_000] = 9000, -7000
    (axes,) = plotting.segments(samples, 1000, []).axes
    (shape,) = (c.get_paths()[0].vertices for c in axes.collections if c.get_paths())
    highest, lowest = shape[shape[:, 1].argmax()], shape[shape[:, 1].argmin()]
    np.testing.assert_allclose(highest, [12.345, 9000], atol=0.05)
    np.testing.assert_allclose(lowest, [70.0, -7000], atol=0.05)
    assert len(shape) < 10_000


def test_what_was_compared_with_the_threshold_is_drawn_over_the_waveform():
    figure = plotting.segments(RECORDING, 8000, [], envelope=RECORDING**2, threshold=0.25)
    (wave,) = figure.axes
    assert list(wave.lines[0].get_ydata()) == [0.25, 0.25]
    envelope = wave.collections[1].get_paths()[0].vertices
    np.testing.assert_allclose(envelope[:, 1].max(), (RECORDING**2).max())
    assert texts(figure.legends[0].get_texts()) == ["envelope", "threshold", "0 found"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"samples": []}, r"`samples`.*shape \(0,\)"),
        ({"samples": RECORDING + np.nan}, "`samples`.*800 of 800"),
        ({"samples": RECORDING[None]}, r"`samples`.*\(1, 800\)"),
        ({"sample_rate": 0}, "`sample_rate`"),
        ({"segments": [0.1, 0.2]}, r"`segments`.*shape \(2,\)"),
        ({"segments": [[0.02, 0.01]]}, r"`segments`.*after it, an end.*0.02, 0.01"),
        ({"segments": [[0.01, 0.02, 0.03]]}, "`segments`.*after it, an end"),
        ({"segments": [[100, 200]]}, "`segments`.*from 0 to 0.1 seconds.*100 to 200"),
        ({"segments": [[-0.1, 0.02]]}, "`segments`.*within the recording"),
        ({"labels": [(0.01, 0.02)]}, r"`labels` must be triples.*\(0.01, 0.02\)"),
        ({"labels": [(0.01, 0.2, "a")]}, "`labels`.*within the recording"),
        ({"envelope": np.ones(7)}, "`envelope`.*800 samples.*7"),
        ({"envelope": -np.ones(800)}, "`envelope`.*0 or above"),
        ({"threshold": np.nan}, "`threshold`.*nan"),
        ({"amplitudes": np.ones((9, 5))}, "`hop_length` must be given together"),
        ({"hop_length": 5}, "given together.*amplitudes missing"),
        ({"amplitudes": np.ones(9), "hop_length": 5}, r"`amplitudes`.*\(9,\)"),
    ],
)
def test_segments_must_lie_in_their_recording(arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.segments(**{"samples": RECORDING, "sample_rate": 8000, "segments": []} | arguments)


def test_spectra_are_compared_in_decibels_to_the_strongest_real_frequency():
    figure = plotting.spectrum_comparison([0, 500, 2000], [1, 100, 4], [0.0, 1000, 100])
    (average,) = figure.axes
    lines = {line.get_label(): line for line in average.lines}
    expected = [[0, -20], [0.5, 0], [2, 10 * np.log10(0.04)]]
    np.testing.assert_allclose(lines["real"].get_xydata(), expected)
    silent, *loud = lines["generated"].get_ydata()
    np.testing.assert_allclose(loud, [10, 0], atol=1e-9)
    assert -np.inf < silent < -100
    assert lines["real"].get_color() != lines["generated"].get_color()
    assert texts(average.get_legend().get_texts()) == ["real", "generated"]


def test_modulation_is_drawn_beside_as_it_is_and_averaged_over_bins(rng):
    real, generated = rng.random((4, 3)), rng.random(4)
    figure = plotting.spectrum_comparison([0, 1], [1, 1], [1, 1], [2, 4, 6, 8], (real, generated))
    _, beside = figure.axes
    lines = [line.get_xydata() for line in beside.lines]
    np.testing.assert_array_equal(lines[0][:, 0], [2, 4, 6, 8])
    np.testing.assert_allclose(lines[0][:, 1], 10 * np.log10(real.mean(axis=1)))
    np.testing.assert_allclose(lines[1][:, 1], 10 * np.log10(generated))
    assert beside.get_xlabel() == "Hz"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"frequencies": []}, "`frequencies`"),
        ({"frequencies": [0, 1]}, "`real` must have a power for each of 2.*3"),
        ({"real": np.ones((4, 3))}, r"`real` must .*\(4, 3\)"),
        ({"generated": -np.ones(3)}, "`generated`.*0 or above"),
        ({"generated": [1, np.nan, 1]}, "`generated`.*1 of 3"),
        ({"rates": [1.0]}, "given together.*modulation missing"),
        ({"modulation": ([1.0], [1.0])}, "given together.*rates missing"),
        ({"rates": [1.0], "modulation": [1.0]}, "`modulation` must be a pair.*1 items"),
        ({"rates": [1.0], "modulation": ([1.0], [1.0, 2.0])}, r"`modulation\[1\]`.*each of 1.*2"),
        ({"rates": [1.0], "modulation": ([1.0], np.ones((2, 3)))}, r"`modulation\[1\]`.*of 1.*2"),
        ({"rates": [1.0], "modulation": ([np.nan], [1.0])}, r"`modulation\[0\]`.*1 of 1"),
    ],
)
def test_compared_spectra_must_have_a_power_for_each_frequency(arguments, message):
    given = {"frequencies": [0, 1, 2], "real": np.ones(3), "generated": np.ones(3)}
    with pytest.raises(ValueError, match=message):
        plotting.spectrum_comparison(**given | arguments)


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")

    class Broken:
        def savefig(self, path, dpi):
            path.write_bytes(b"half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        plotting.save(Broken(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
