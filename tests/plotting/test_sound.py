"""Spectrograms, segments of recordings and spectra that are compared."""

import numpy as np
import pytest
from plotting.helpers import texts, titles

from seqlayers import plotting


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
        ({}, "`amplitudes` must be a dict with at least one"),
        ({"a": -np.ones((2, 3))}, r"`amplitudes\['a'\]`.*0 or above.*from -1"),
        ({"a": np.ones(3)}, r"`amplitudes\['a'\]`.*\(3,\)"),
        ({"a": np.full((2, 3), np.nan)}, r"`amplitudes\['a'\]`.*6 of 6"),
    ],
)
def test_spectrograms_are_of_amplitudes(amplitudes, message):
    with pytest.raises(ValueError, match=message):
        plotting.spectrograms(amplitudes, 8000, 100)


RECORDING = np.sin(np.arange(800))  # a tenth of a second at 8 kHz


def bars(axes):
    """Left, right and height of the middle of all bars of a panel."""
    boxes = [p.get_extents() for c in axes.collections for p in c.get_paths()]
    return np.array([[b.x0, b.x1, (b.y0 + b.y1) / 2] for b in boxes])


def test_found_segments_are_bars_below_what_was_labelled_by_hand():
    labels = [(2.01, 2.03, "a"), (2.05, 2.06, "b")]
    found = np.array([[2.012, 2.031], [2.07, 2.08]])
    sound = {"amplitudes": np.ones((25, 5)), "hop_length": 32, "start": 2.0, "band": (500, 3000)}
    figure = plotting.segments(*(RECORDING, 8000, found, labels), **sound, title="a song")
    strip, spectrum, wave, scale = figure.axes
    drawn = bars(strip)
    np.testing.assert_allclose(drawn[:, :2], [*found, *(label[:2] for label in labels)])
    assert drawn[0, 2] == drawn[1, 2] < drawn[2, 2] == drawn[3, 2]
    assert texts(strip.texts) == ["a", "b"]
    np.testing.assert_allclose([text.get_position()[0] for text in strip.texts], [2.02, 2.055])
    assert texts(strip.get_yticklabels()) == ["2 found", "2 marked"]
    assert spectrum.images[0].get_extent() == [2, 2.1, 0, 4]
    (edges,) = spectrum.collections  # nothing else lies on the spectrogram
    np.testing.assert_allclose([path[0, 1] for path in edges.get_segments()], [0.5, 3])
    np.testing.assert_allclose([axes.get_xlim() for axes in figure.axes[:3]], [(2, 2.1)] * 3)
    assert len({axes.get_position().x1 for axes in figure.axes[:3]}) == 1
    assert scale.get_ylabel() == "dB" and figure.get_suptitle() == "a song"
    assert len(wave.collections) == 1 and wave.get_xlabel() == "seconds"


def test_a_band_without_an_end_has_one_edge():
    sound = {"amplitudes": np.ones((25, 5)), "hop_length": 32}
    figure = plotting.segments(RECORDING, 8000, [], band=[700, None], **sound)
    np.testing.assert_allclose(figure.axes[1].collections[0].get_segments()[0][:, 1], 0.7)
    assert texts(figure.axes[0].get_yticklabels()) == ["0 found"]


def test_a_waveform_shows_the_greatest_sample_of_an_hour():
    samples = np.zeros(100_000, "int16")
    samples[12_345], samples[70_000] = 9000, -7000
    _, axes = plotting.segments(samples, 1000, []).axes
    (shape,) = (c.get_paths()[0].vertices for c in axes.collections if c.get_paths())
    highest, lowest = shape[shape[:, 1].argmax()], shape[shape[:, 1].argmin()]
    np.testing.assert_allclose(highest, [12.345, 9000], atol=0.05)
    np.testing.assert_allclose(lowest, [70.0, -7000], atol=0.05)
    assert len(shape) < 10_000


def test_what_was_compared_with_the_threshold_is_drawn_beside_it():
    loudness = RECORDING**2
    figure = plotting.segments(RECORDING, 8000, [], envelope=loudness, threshold=0.25)
    _, wave, levels = figure.axes
    assert not wave.lines
    np.testing.assert_allclose(levels.lines[0].get_ydata(), 20 * np.log10(0.25))
    drawn = levels.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose(drawn.max(), 20 * np.log10(loudness.max()))
    assert drawn.min() > -101  # also where it is 0
    assert texts(figure.legends[0].get_texts()) == ["envelope", "threshold"]
    silent = plotting.segments(np.zeros(800), 8000, [], envelope=np.zeros(800))
    assert np.isfinite(silent.axes[2].collections[0].get_paths()[0].vertices).all()


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
        ({"segments": [[-0.1, 0.02]]}, "`segments`.*within the samples"),
        ({"labels": [(0.01, 0.02)]}, r"`labels` must be a list of triples.*\(0.01, 0.02\)"),
        ({"labels": [(0.01, 0.2, "a")]}, "`labels`.*within the samples"),
        ({"envelope": np.ones(7)}, "`envelope`.*800 samples.*7"),
        ({"envelope": -np.ones(800)}, "`envelope`.*0 or above"),
        ({"threshold": np.nan}, "`threshold`.*nan"),
        ({"start": -1}, "`start`.*-1"),
        ({"start": 5, "segments": [[0.01, 0.02]]}, "`segments`.*from 5 to 5.1 seconds"),
        ({"band": 500}, "`band` must be a pair.*500"),
        ({"band": (500, 100)}, r"`band\[1\]`.*above 500.*100"),
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
