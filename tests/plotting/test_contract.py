"""Every picture refuses wrong input by the name of the argument, before it is drawn."""

import numpy as np
import pytest

from seqlayers import plotting

NUMBERS = np.random.default_rng(0).random((20, 5))
MEMORY = np.ones((5, 4, 3))
RIGHT = {
    "confusion_matrix": {"matrix": np.eye(3), "labels": ["a", "b", "c"]},
    "hidden_activity": {"activity": NUMBERS},
    "kind_map": {
        "places": np.ones((20, 2)),
        "numbers": np.arange(20) % 3,
        "examples": {1: [NUMBERS]},
    },
    "learning_curve": {"epochs": [1, 2], "scores": {"a": [1.0, 2.0]}, "references": {"r": 1.0}},
    "memory_spectrogram": {"amplitudes": MEMORY, "frequencies": [0, 1, 2]},
    "monitor_curves": {"history": {"a": [1, 2]}, "groups": {"g": ["a"]}},
    "music_measures": {
        "real": {"density": 1.0, "sizes": np.ones(3)},
        "generated": {"m": {0.5: {"density": 2, "sizes": np.zeros(3)}}},
    },
    "piano_rolls": {"rolls": [np.eye(88)], "titles": ["a"], "kinds": ["real"], "first_note": 21},
    "receptive_fields": {"kernel": NUMBERS, "first_note": 21, "num_units": 3, "sample_rate": 1.0},
    "segments": {
        "samples": np.ones(1000),
        "sample_rate": 100,
        "segments": [[1, 2]],
        "labels": [(1, 2, "x")],
        "envelope": np.ones(1000),
        "threshold": 0.1,
        "amplitudes": NUMBERS,
        "hop_length": 50,
        "start": 0.5,
        "band": (5, 20),
    },
    "spectrograms": {
        "amplitudes": {"a": NUMBERS},
        "sample_rate": 100,
        "hop_length": 10,
        "decibels": 80,
    },
    "spectrum_comparison": {
        "frequencies": [0, 1, 2],
        "real": np.ones(3),
        "generated": np.ones(3),
        "rates": [1, 2],
        "modulation": [np.ones(2), np.ones(2)],
    },
    "state_frequency": {"spectra": {"a": MEMORY}, "fractions": (0.5, 1.0)},
}
WRONG = [
    b"x",
    np.array(1j),
    np.zeros((0, 3)),
    np.full((2, 2, 2, 2), np.nan),
    {"a": None},
    [[1, 2], [3]],
    float("nan"),
    object(),
]


def test_every_picture_is_tried():
    assert {*RIGHT, "save", "save_pages"} == set(plotting.__all__)


@pytest.mark.parametrize(
    "name, argument", [(name, argument) for name, right in RIGHT.items() for argument in right]
)
def test_wrong_input_is_refused_by_name(name, argument):
    draw, right = getattr(plotting, name), RIGHT[name]
    draw(**right)
    for wrong in WRONG:
        if argument in ("segments", "labels") and isinstance(wrong, np.ndarray) and not wrong.size:
            continue  # none were found
        with pytest.raises(ValueError, match=rf"`{argument}[`\[].*Received"):
            draw(**right | {argument: wrong})
