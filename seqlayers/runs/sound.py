"""Recordings as the data of a run: frames made of sound, and sound made of frames.

    recording -> segments -> spectra -> scale -> normalizer -> frames of the model
    frames -> normalizer and scale backwards -> amplitudes -> fast Griffin-Lim -> samples

Each segment is a sequence. Each recording is split by time, with the silence between its segments
left out: the first eight tenths of what sounds train, the ninth validates and the last one tests. A
segment is of the tenth that its middle lies in. So within a recording nothing is judged by what
came later, and nothing is shuffled; one of less than eight segments may not be in all three. The
normalizer sees what trains and nothing else; the level of a recording is that of all of it.

`Sound` is what both lines need beyond a model. A run keeps it in its `config.json`: it goes on,
scores other recordings and makes sound by the numbers that it was begun with.
"""

import hashlib
import itertools
import operator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio
from seqlayers.audio import (
    Normalizer,
    NoSegments,
    Spectra,
    UnitNormalizer,
    griffin_lim,
    stft,
    to_amplitude,
    to_frames,
)
from seqlayers.datasets.recordings import frames_of_segments
from seqlayers.runs.options import segment_options

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
FRAME_LENGTH, HOP_LENGTH = 256, 128
NUM_BINS = FRAME_LENGTH // 2 + 1
REASONS = 10  # of the files that have nothing to offer, in a message
# Of the visible units of a model: the scale of its frames, and how they are normalised.
FRAMES = {
    "gaussian": ("log_amplitude", Normalizer, "standard"),
    "gamma": ("amplitude", Normalizer, "scale"),
    "bernoulli": ("log_amplitude", UnitNormalizer, "unit"),
}
_NORMALIZERS = {each.__name__: each for each in (Normalizer, UnitNormalizer)}


class Sound(NamedTuple):
    """How frames are made of sound, and sound of frames."""

    settings: Spectra
    scale: str
    normalizer: Normalizer

    def get_config(self):
        """Numbers, strings and lists, for JSON."""
        normalizer = {"class": type(self.normalizer).__name__} | self.normalizer.get_config()
        return {
            "spectra": self.settings.get_config(),
            "scale": self.scale,
            "normalizer": normalizer,
        }

    @classmethod
    def from_config(cls, config):
        normalizer = dict(config["normalizer"])
        kind = _NORMALIZERS[normalizer.pop("class")]
        settings = Spectra.from_config(config["spectra"])
        to_frames(np.zeros((1, settings.num_bins)), config["scale"])  # refuses what is no scale
        return cls(settings, config["scale"], kind.from_config(normalizer))


class Recordings(NamedTuple):
    """Normalised frames of segments by split, and what was done to get them.

    Attributes:
        train, valid, test: Lists of float32 arrays `(T, bins)`; the last two may be empty.
        sound: `Sound`.
        files: Names of the recordings that have segments, below the folder they lie in.
        sha256: A hash of what these files hold.
        resampled: Pairs `(file, rate)`, recordings of another rate than the frames.
        skipped: Pairs `(file, reason)`, those that cannot be read or have no segment.
    """

    train: Any
    valid: Any
    test: Any
    sound: Sound
    files: Any
    sha256: str
    resampled: Any
    skipped: Any


def find(path):
    """The recordings in a folder and in those below, by path; of a file that file.

    Args:
        path: A file, or a folder, of which files count that end as one of `SUFFIXES`, in small
            letters or capitals, and have no name with a dot in front.

    Raises:
        AudioError: If there is none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES]
    files = [file for file in files if not _is_hidden(file.relative_to(path)) and file.is_file()]
    if not files:
        raise audio.AudioError(
            f"{path}: there must be a recording, {', '.join('*' + s for s in SUFFIXES)}. "
            "Received: a folder without any."
        )
    return files


def name(file, path):
    """What a file that `find(path)` found is called."""
    return Path(file).relative_to(path).as_posix() if Path(path).is_dir() else Path(file).name


def read(options, sound=None):
    """Reads the data of a run.

    Args:
        options: All options of the run, `wav` among them.
        sound: `Sound` of the run; made of the recordings if None, as for a new run.

    Returns:
        `Recordings`.

    Raises:
        AudioError: If there is no recording.
        NoSegments: If none has a segment. Tells which threshold would find some.
        ValueError: If options do not go together.
    """
    path = options["wav"]
    scale, normalizer, kind = FRAMES[options["visibles"] or "bernoulli"]
    settings = None if sound is None else sound.settings
    if settings is None and options["sample_rate"]:
        settings = Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=options["sample_rate"])
    corpus = _segments(path, options, settings, scale)
    files = list(dict.fromkeys(corpus.files))
    splits: tuple = [], [], []
    pairs = zip(corpus.files, corpus.sequences, strict=True)
    for _, group in itertools.groupby(pairs, key=operator.itemgetter(0)):
        own = [sequence for _, sequence in group]
        for sequence, tenth in zip(own, _tenths([*map(len, own)]), strict=True):
            splits[max(0, tenth - 7)].append(sequence)
    if sound is None:
        sound = Sound(corpus.settings, scale, normalizer.fit(splits[0], kind))
    return Recordings(
        *([sound.normalizer.normalize(sequence) for sequence in split] for split in splits),
        sound,
        [name(file, path) for file in files],
        _sha256(files),
        corpus.resampled,
        _with_names(corpus.skipped),
    )


def sequences(path, options, sound):
    """Frames of all segments of other recordings, made as those of a run.

    Args:
        path: A file or a folder.
        options: All options of the run.
        sound: `Sound` of the run.

    Returns:
        `(sequences, number of recordings, resampled, skipped)`, as in `Recordings`.

    Raises:
        AudioError: If there is no recording.
        NoSegments: If none has a segment.
    """
    corpus = _segments(path, options, sound.settings, sound.scale, sound.normalizer)
    skipped = _with_names(corpus.skipped)
    return corpus.sequences, len(corpus.durations), corpus.resampled, skipped


def prime(path, sound, channel=None):
    """The frames of a whole recording, for a model to go on from.

    The last frame is the last one that no silence behind the end is in.

    Raises:
        AudioError: If it cannot be read, or is shorter than a hop.
    """
    channel = "mean" if channel is None else channel
    samples, _ = audio.read(path, sound.settings.sample_rate, channel)
    whole = len(samples) // sound.settings.hop_length
    if not whole:
        raise audio.AudioError(f"{path}: too short: {len(samples)} samples")
    frames = to_frames(stft(samples, sound.settings)[:whole], sound.scale)
    return sound.normalizer.normalize(frames)


def to_sound(frames, sound, num_samples=None, seed=0):
    """Sound of the frames that a model draws.

    No sound of full scale has amplitudes above the sum of the window; those that a model draws
    beyond count as that. What is louder than full scale all the same is divided by its peak.

    Args:
        frames: Floats `(T, bins)`.
        sound: `Sound` of the run.
        num_samples, seed: As in `griffin_lim`.

    Returns:
        float32 array `(N,)`, between -1 and 1.

    Raises:
        ValueError: If frames are not finite, or too few.
    """
    if not np.isfinite(frames).all():
        raise ValueError(
            "`frames` must be finite. Received: NaN or infinity, as of a model that has diverged; "
            "an earlier one, a smaller learning rate or sigmoid gates may help."
        )
    settings = sound.settings
    loudest = audio.window_weights(settings.window, settings.frame_length).sum()
    frames = np.minimum(
        sound.normalizer.restore(frames),
        to_frames(np.full(settings.num_bins, loudest), sound.scale),
    )
    amplitude = to_amplitude(frames, sound.scale)
    samples = griffin_lim(amplitude, num_samples, seed=seed, settings=settings)
    return samples / max(1.0, np.abs(samples).max())


def _segments(path, options, settings, scale, normalizer=None):
    """The `SegmentCorpus` of a file or a folder."""
    found = segment_options(options)
    files = [str(file) for file in find(path)]
    channel = "mean" if options["channel"] is None else options["channel"]
    try:
        return frames_of_segments(
            files, settings=settings, scale=scale, normalizer=normalizer, channel=channel, **found
        )
    except ValueError as error:
        _, *reasons = str(error).splitlines()
        if not reasons:  # an option is wrong, and not the recordings
            raise
        raise no_segments(path, reasons) from error


def no_segments(path, reasons):
    """The exception that says of recordings, a reason for each, why none has a segment."""
    shown = reasons[:REASONS]
    if len(reasons) > REASONS:
        shown.append(f"and {len(reasons) - REASONS} more")
    return NoSegments(
        f"{path}: there must be a recording that has a segment. Received: {len(reasons)} that "
        "have none, or cannot be read:\n" + "\n".join(shown)
    )


def _tenths(lengths):
    """The tenth, 0 .. 9, that the middle of each of some segments lies in, by their lengths."""
    ends = np.cumsum(lengths)
    return (10 * (ends - np.array(lengths) / 2) / ends[-1]).astype(int)


def _with_names(skipped):
    return [(file, f"{file}: {reason}") for file, reason in skipped]


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _sha256(files):
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
