"""Measures of music are drawn where real and generated can be compared."""

import numpy as np
import pytest
from plotting.helpers import texts, titles

from seqlayers import metrics, plotting


def measured(rng, density=0.05):
    return metrics.music_measures((rng.random((3, 20, 88)) < density).astype("uint8"))


def test_each_measure_has_a_panel_with_real_music_and_each_model_over_temperature(rng):
    real = measured(rng)
    generated = {
        "an RBM": {1.2: measured(rng, 0.1), 0.8: measured(rng)},  # sorted in the picture
        "NADE": {0.8: measured(rng), 1.2: measured(rng)},
    }
    figure = plotting.music_measures(real, generated)
    assert titles(figure) == [name.replace("_", " ") for name in metrics.MusicMeasures._fields]
    for axes, name in zip(figure.axes, real._fields[:-1], strict=False):
        line, *models = axes.get_lines()
        assert line.get_ydata()[0] == getattr(real, name)
        for model, drawn in zip(generated.values(), models, strict=True):
            np.testing.assert_array_equal(drawn.get_xdata(), [0.8, 1.2])
            expected = [getattr(model[t], name) for t in (0.8, 1.2)]
            np.testing.assert_array_equal(drawn.get_ydata(), expected)
    sizes = figure.axes[-1]
    bars = [bar.get_height() for bar in sizes.patches]
    np.testing.assert_array_equal(bars, real.chord_sizes[: len(bars)])
    assert len(sizes.get_lines()) == 4 and len(bars) < 30
    legend = texts(figure.legends[0].get_texts())
    assert legend[:3] == ["real", "an RBM", "NADE"] and "NADE, temperature 1.2" in legend
    assert len(legend) == len(set(legend)) == 7


def test_what_has_no_measure_leaves_a_gap(rng):
    silent = metrics.music_measures(np.zeros((1, 9, 88)))
    figure = plotting.music_measures(measured(rng), {"m": {0.5: silent, 1: measured(rng)}})
    assert np.isnan(figure.axes[1].get_lines()[1].get_ydata()[0])


def test_measures_of_other_names_or_impossible_temperatures_are_refused(rng):
    real = measured(rng)
    with pytest.raises(ValueError, match=r"`generated\['m'\]\[1\]` must have the measures of"):
        plotting.music_measures(real, {"m": {1: {"note_density": 1.0}}})
    with pytest.raises(ValueError, match=r"`generated\['m'\]` must be a finite number above 0"):
        plotting.music_measures(real, {"m": {0: real}})
