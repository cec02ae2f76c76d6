"""Fixtures of the tests of sound."""

import io

import numpy as np
import pytest
import soundfile

from seqlayers import audio
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


def encoded(kind, subtype, samples, rate=16000, endian=None, **options):
    """Returns the bytes of a sound file."""
    file = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(file, "w", rate, channels, subtype, endian, kind, **options) as sound:
        sound.write(samples)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """Function that reads a file of given bytes, whole and in blocks, which must agree."""

    def read(data, **options):
        path = tmp_path / "sound"
        path.write_bytes(data)
        whole = audio.read(path, channel=None, **options).samples
        if not options:
            for block_samples in (777, 4096):
                blocks = [whole[:0], *audio.read_blocks(path, block_samples, channel=None)]
                np.testing.assert_array_equal(np.concatenate(blocks), whole)
        return whole

    return read
