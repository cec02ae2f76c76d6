"""Pictures of what a State-Frequency Memory holds."""

import numpy as np
import pytest

from seqlayers import plotting


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
    "spectra, fractions, name",
    [
        ({}, (1.0,), "spectra"),
        ({"SFM": np.ones((4, 2, 3))}, (), "fractions"),
        ({"SFM": np.ones((4, 2, 3))}, (0, 1), "fractions"),
    ],
)
def test_spectra_and_fractions_are_needed(spectra, fractions, name):
    with pytest.raises(ValueError, match=f"`{name}` must.*Received"):
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
