"""Features of `FrameLabeller`: log-mel bands and the log energy of frames, one for each hop.

With hop length H and N samples there are T = max(1, floor(N / H)) frames. Frame t has its middle in
that of the samples t H .. t H + H - 1, and the sound is mirrored at both ends: features of added
zeros would be far from all others.
"""

from typing import NamedTuple

import numpy as np

from seqlayers import audio
from seqlayers.audio.framing import transform_length
from seqlayers.checks import check_integer, check_number

BLOCK = 2**14  # frames that are computed at once


class Usual(NamedTuple):
    """Usual settings for a kind of sound.

    Attributes:
        hop: Seconds from frame to frame.
        length: Seconds of a frame.
        low: Frequency in Hz at which the first band begins.
        frames_per_step: Number of frames that a network reads at once.
    """

    hop: float
    length: float
    low: float
    frames_per_step: int


SONG, SPEECH = Usual(0.001, 0.008, 300.0, 4), Usual(0.010, 0.025, 20.0, 1)
LEAST_SONG = 20_000  # samples per second


class Settings(NamedTuple):
    """Settings of the features, as in `FrameLabeller`."""

    sample_rate: int
    num_bands: int
    hop_length: int
    frame_length: int
    low: float

    @classmethod
    def of(cls, sample_rate, num_bands, hop_length=None, frame_length=None, low=None):
        """Returns settings, with usual values for None.

        Raises:
            ValueError: If a number is out of range, or a band would hold no bin of the spectrum.
        """
        rate = check_integer("sample_rate", sample_rate)
        usual = usual_for(rate)
        hop = max(1, round(usual.hop * rate)) if hop_length is None else hop_length
        hop = check_integer("hop_length", hop)
        length = max(hop, round(usual.length * rate)) if frame_length is None else frame_length
        length = check_integer("frame_length", length, least=hop)
        low = check_number("low", usual.low if low is None else low, least=0)
        bands = check_integer("num_bands", num_bands)
        audio.mel_filterbank(rate, transform_length(length), bands, low)
        return cls(rate, bands, hop, length, low)

    @property
    def hop(self):
        """Seconds from frame to frame."""
        return self.hop_length / self.sample_rate

    @property
    def suit_speech(self):
        """Whether the usual settings at this sample rate are those for speech."""
        return usual_for(self.sample_rate) is SPEECH


def usual_for(sample_rate):
    """Returns the usual settings for sound of this many samples per second."""
    return SONG if sample_rate >= LEAST_SONG else SPEECH


def features(samples, settings):
    """Returns the features of sound, float32 `(T, num_bands + 1)`.

    Args:
        samples: Floats `(N,)`, at least one, at the sample rate of the settings.
        settings: `Settings`.
    """
    L, H = settings.frame_length, settings.hop_length
    T, before = max(1, len(samples) // H), (L - H) // 2
    behind = max(0, (T - 1) * H + L - before - len(samples))
    samples = np.pad(samples, (before, behind), "symmetric")

    def block(first, last):
        part = samples[first * H : (last - 1) * H + L]
        lengths = {"frame_length": L, "hop_length": H}
        rate, bands = settings.sample_rate, settings.num_bands
        return audio.log_mel(part, rate, bands, low=settings.low, **lengths)

    return np.concatenate([block(t, min(t + BLOCK, T)) for t in range(0, T, BLOCK)])
