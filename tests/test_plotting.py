"""Pictures show what they are given, and are written whole or not at all."""

import numpy as np
import pytest

from seqlayers import plotting


def test_piano_rolls_draws_a_row_for_each_roll(rng):
    rolls = [rng.integers(0, 2, (length, 88)) for length in (5, 9)]
    figure = plotting.piano_rolls(rolls, ["real", "generated"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["real", "generated"]
    for axes, roll in zip(figure.axes, rolls, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), roll.T)
        assert axes.get_xlim() == (0, 9)


def test_piano_rolls_names_the_octaves_as_pianists_do():
    roll = np.zeros((4, 88))
    roll[0, [27, 39, 51]] = 1  # MIDI 48, 60, 72
    (axes,) = plotting.piano_rolls([roll], ["real"]).axes
    ticks = dict(
        zip(axes.get_yticks(), (t.get_text() for t in axes.get_yticklabels()), strict=True)
    )
    assert ticks == {48: "C3", 60: "C4", 72: "C5"}


def test_silence_can_be_drawn(tmp_path):
    figure = plotting.piano_rolls([np.zeros((3, 88))], ["real"])
    plotting.save(figure, tmp_path / "silence.png")
    assert (tmp_path / "silence.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("rolls, titles", [([], []), ([np.zeros((3, 88))], [])])
def test_rolls_and_titles_must_go_together(rolls, titles):
    with pytest.raises(ValueError, match="`rolls` and `titles`.*Received"):
        plotting.piano_rolls(rolls, titles)


def test_learning_curve_draws_scores_and_what_to_compare_them_to():
    figure = plotting.learning_curve([5, 10], {"RNN-RBM": [-9.0, -8.0]}, {"RBM": -10.0})
    curve, line = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xydata(), [[5, -9.0], [10, -8.0]])
    assert list(line.get_ydata()) == [-10.0, -10.0]
    assert line.get_label() == "RBM -10.00"


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
    with pytest.raises(ValueError, match=r"`amplitudes`.*one sequence.*\(2, 12, 5, 3\)"):
        plotting.memory_spectrogram(batch)
    with pytest.raises(ValueError, match=r"`spectra\['SFM'\]`.*one sequence"):
        plotting.state_frequency({"SFM": batch})
    with pytest.raises(ValueError, match=r"`frequencies` must hold 3.*\(2,\)"):
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
    with pytest.raises(ValueError, match="`matrix`.*Received.*3 labels"):
        plotting.confusion_matrix(matrix, ["aa", "b", "k"])


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
