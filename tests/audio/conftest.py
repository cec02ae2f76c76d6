"""Fixtures of the tests of sound."""

import numpy as np
import pytest

from seqlayers.audio import Spectra


@pytest.fixture(
    params=[
        Spectra(),
        Spectra(frame_length=400, hop_length=160),
        Spectra(frame_length=33, hop_length=10, window="hamming"),
        Spectra(frame_length=16, hop_length=16, window="rectangular"),
    ],
    ids=lambda s: f"{s.frame_length} {s.hop_length} {s.window}",
)
def settings(request):
    """Spectra of many kinds: of hops that divide the frame or do not, and without overlap."""
    return request.param


@pytest.fixture
def speech(rng):
    """A second of something as uneven as speech: harmonics, noise and a silence."""
    t = np.arange(16000) / 16000
    voiced = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 30))
    samples = 0.1 * voiced * (t < 0.6) + 0.01 * rng.normal(size=16000) * (t > 0.4)
    samples[-2000:] = 0
    return samples.astype("float32")


@pytest.fixture
def short(rng):
    """Few samples at a low rate, for references in loops."""
    return (0.1 * rng.normal(size=110)).astype("float32")
