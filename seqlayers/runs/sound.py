"""Frames of a model made from sound, and sound made from such frames.

    recording -> segments -> spectra -> scale -> normaliser -> frames of the model
    frames -> normaliser and scale undone -> amplitudes -> fast Griffin-Lim -> samples

`SoundFrames` holds what both directions need besides the model. A run keeps it in `config.json`, so
that it resumes, scores other recordings and makes sound with the numbers that it started with.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqlayers import audio
from seqlayers.datasets.recordings import FRAME_LENGTH, frames_of_segments
from seqlayers.runs.options import naming_flags, sequence_rules

NUM_BINS = FRAME_LENGTH // 2 + 1
# By the visible units of a model: the scale of its frames, and the kind of normaliser.
FRAMES = {
    "gaussian": ("log_amplitude", "standard"),
    "gamma": ("amplitude", "scale"),
    "bernoulli": ("log_amplitude", "unit"),
}


class SoundFrames(NamedTuple):
    """How frames are made from sound, and sound from frames.

    Attributes:
        settings: `audio.Spectra`.
        scale: Scale of the frames, as in `audio.to_frames`.
        normalizer: `audio.Normalizer`.
    """

    settings: audio.Spectra
    scale: str
    normalizer: audio.Normalizer

    def get_config(self):
        """Returns numbers, strings and lists, for JSON."""
        return {
            "spectra": self.settings.get_config(),
            "scale": self.scale,
            "normalizer": self.normalizer.get_config(),
        }

    @classmethod
    def from_config(cls, config):
        """Returns the `SoundFrames` that `get_config` describes, also one of an earlier version."""
        settings = audio.Spectra.from_config(config["spectra"])
        audio.to_frames(np.zeros((1, settings.num_bins)), config["scale"])  # checks the scale
        normalizer = audio.Normalizer.from_config(config["normalizer"])
        return cls(settings, config["scale"], normalizer)


def name(file, path):
    """Returns the name of a file that `audio.find(path)` found, relative to a folder."""
    return Path(file).relative_to(path).as_posix() if Path(path).is_dir() else Path(file).name


def channel_of(options):
    """Returns the channel of recordings that a run takes."""
    return "mean" if options["channel"] is None else options["channel"]


def segments(path, options, settings, scale, normalizer=None):
    """Makes frames of the segments of recordings.

    Args:
        path: A file or a folder.
        options: All options of the run.
        settings, scale, normalizer: As in `frames_of_segments`; those of a run that has begun are
            its `SoundFrames`.

    Returns:
        `SegmentCorpus`.

    Raises:
        AudioError: If there is no recording.
        NoSegments: If no recording has a segment.
        ValueError: If options contradict each other.
    """
    rules = sequence_rules(options)
    with naming_flags():
        return frames_of_segments(
            path,
            rules,
            settings=settings,
            scale=scale,
            normalizer=normalizer,
            channel=channel_of(options),
        )


def prime(path, sound, channel=None):
    """Makes frames of a whole recording, for a model to continue.

    The last frame is the last one without any silence behind the end.

    Args:
        path: The file.
        sound: `SoundFrames` of the run.
        channel: Channel to take, counted from 0; the mean of all if None.

    Returns:
        float32 array `(T, bins)`.

    Raises:
        AudioError: If the file cannot be read, or is shorter than a hop.
    """
    channel = "mean" if channel is None else channel
    samples, _ = audio.read(path, sound.settings.sample_rate, channel)
    whole = len(samples) // sound.settings.hop_length
    if not whole:
        raise audio.AudioError(f"too short: {len(samples)} samples", path)
    frames = audio.to_frames(audio.stft(samples, sound.settings)[:whole], sound.scale)
    return sound.normalizer.normalize(frames)


def to_sound(frames, sound, num_samples=None, seed=0):
    """Makes sound from the frames that a model draws.

    No sound of full scale has amplitudes above the sum of the window; larger ones that a model
    draws are reduced to it. If the sound exceeds full scale all the same, it is divided by its
    peak.

    Args:
        frames: Floats `(T, bins)`.
        sound: `SoundFrames` of the run.
        num_samples, seed: As in `audio.griffin_lim`.

    Returns:
        float32 array `(N,)`, between -1 and 1.

    Raises:
        ValueError: If frames are not finite, or too few.
    """
    if not np.isfinite(frames).all():
        raise ValueError(
            "`frames` must be finite; take an earlier model, or train with a smaller learning rate "
            "or sigmoid gates. Received: NaN or infinity, as from a model that has diverged."
        )
    settings = sound.settings
    loudest = audio.window_weights(settings.window, settings.frame_length).sum()
    frames = np.minimum(
        sound.normalizer.restore(frames),
        audio.to_frames(np.full(settings.num_bins, loudest), sound.scale),
    )
    amplitude = audio.to_amplitude(frames, sound.scale)
    samples = audio.griffin_lim(amplitude, num_samples, seed=seed, settings=settings)
    return samples / max(1.0, np.abs(samples).max())
