"""Recordings on the page of a run: parts of them with their segments, and sounds that are drawn."""

import math
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio, files, report
from seqlayers.runs import sound as run_sound

_SAMPLES = 560_000  # of all sounds of a page, in 16 bits: a megabyte
_REAL, _DRAWN = 12.0, 4.0  # longest sounds in seconds
_WINDOWS = 2  # most recordings that are shown
_RATES = 8000, 96_000  # that every browser plays
_AROUND = 0.25  # seconds of a recording before and behind its segments
_DYNAMICS = 70.0  # dB of a spectrogram below its loudest point


class _Window(NamedTuple):
    """A part of a recording.

    Attributes:
        place: `Place` of its first segment of the split.
        start: Its start in the recording, in seconds.
        samples: Its samples.
        numbers: Numbers of its segments in the split.
        segments: Pairs `(start, end)` of all its segments, in seconds from its own start.
    """

    place: Any
    start: float
    samples: Any
    numbers: list[int]
    segments: list[tuple[float, float]]


class Recordings:
    """Shows recordings of a split.

    Args:
        options: All options of the run.
        sound: Its `SoundFrames`.
        places: `Place` of each sequence.
        sequences: Frames of the segments.
        num_drawn: Number of sounds that are drawn, with which the real ones share the page.
        others: `Place` of each segment of the other splits, shown if there is room.
    """

    def __init__(self, options, sound, places, sequences, num_drawn, others=()):
        self.sound, self.places, self.sequences = sound, places, sequences
        self.all_places = sorted([*places, *others])
        self.settings = settings = sound.settings
        self.path, self.channel = options["wav"], options["channel"]
        self.rate = min(max(settings.sample_rate, _RATES[0]), _RATES[1])
        recordings = list(dict.fromkeys(place.file for place in places))[:_WINDOWS]
        seconds = len(recordings) * _REAL + num_drawn * _DRAWN
        share = min(1.0, _SAMPLES / (max(self.rate, settings.sample_rate) * seconds))
        self.num_drawn_samples = round(share * _DRAWN * settings.sample_rate)
        self.windows = [self._window(file, share * _REAL) for file in recordings]

    def real(self, model, nats):
        """Returns pieces of the recordings, and the least probable frames in them."""
        numbers = [n for window in self.windows for n in window.numbers]
        title, hidden = "", None
        if model is not None:
            title, hidden = report.hidden_units(model, [self.sequences[n] for n in numbers])
        units = dict(zip(numbers, hidden, strict=True)) if hidden is not None else None
        pieces = [self._piece(window, title, units, nats) for window in self.windows]
        frames = [
            (piece.nats[t], n, t)
            for n, piece in enumerate(pieces)
            for t in (np.flatnonzero(~np.isnan(piece.nats)) if nats is not None else ())
        ]
        return pieces, [(n, int(t)) for _, n, t in sorted(frames)[: report.NUM_WORST]]

    def drawn(self, model, num, temperature, seed):
        """Returns sounds that the model draws."""
        steps = self.settings.num_frames(self.num_drawn_samples)
        return report.drawn(model, self, num, steps, temperature, seed)

    def piece(self, frames, **about):
        """Returns the `report.Piece` of frames that the model draws."""
        samples = run_sound.to_sound(frames, self.sound, self.num_drawn_samples)
        return self._of_samples(samples, frames=self._spectrogram(samples), **about)

    def _window(self, file, seconds):
        """Reads a part of a recording: the segments of the split, and what fits before them."""
        own = [n for n, place in enumerate(self.places) if place.file == file]
        rate, first = self.settings.sample_rate, self.places[own[0]]
        around = min(_AROUND, seconds / 4)  # windows are short at very high rates
        last = min(self.places[own[-1]].end + around, first.duration)
        start = max(0.0, min(first.start - around, last - seconds))
        start = math.floor(100 * start) / 100  # as `note` has it
        end = min(start + seconds, last)
        own = [n for n in own if self.places[n].end <= end] or own[:1]
        segments = [
            (place.start - start, min(place.end, end) - start)
            for place in self.all_places
            if place.file == file and start <= place.start and place.start < end
        ]
        samples = self._read(file, round(start * rate), round(end * rate))
        return _Window(first, start, samples, own, segments)

    def _read(self, file, start, end):
        """Returns the samples of a recording from number `start` to number `end`."""
        channel = "mean" if self.channel is None else self.channel
        blocks, count = [], 0
        for block in audio.read_blocks(
            file, sample_rate=self.settings.sample_rate, channel=channel
        ):
            blocks.append(block[max(0, start - count) : max(0, end - count)])
            count += len(block)
            if count >= end:
                break
        return np.concatenate(blocks)

    def _piece(self, window, title, units, nats):
        picture = self._spectrogram(window.samples)
        T, rate = len(picture), self.settings.sample_rate
        of_frames, activity = np.full(T, np.nan), None
        if units is not None:
            activity = np.full((T, units[window.numbers[0]].shape[1]), np.nan)
        for n in window.numbers:
            start = self.places[n].start - window.start
            at = round(start * rate / self.settings.hop_length)
            count = max(0, min(len(self.sequences[n]), T - at))
            if nats is not None:
                of_frames[at : at + count] = nats[n][:count]
            if activity is not None:
                activity[at : at + count] = units[n][:count]
        end = window.start + len(window.samples) / rate
        others = len(window.segments) > len(window.numbers)
        return self._of_samples(
            window.samples,
            frames=picture,
            title=files.printable(run_sound.name(window.place.file, self.path)),
            group="Real",
            hidden=activity,
            hidden_name=title,
            nats=None if nats is None else of_frames,
            segments=window.segments,
            note=f"From {window.start:.2f} to {end:.2f} s of {window.place.duration:.2f} s."
            + (" Segments without log-probabilities are those of other splits." * others),
        )

    def _of_samples(self, samples, **about):
        rate = self.settings.sample_rate
        if self.rate != rate:
            samples = audio.resample(samples, rate, self.rate)
        seconds = self.settings.hop_length / rate
        return report.Piece(seconds=seconds, sound=(samples, self.rate), top=rate / 2, **about)

    def _spectrogram(self, samples):
        """Returns the spectra of sound in dB, none below `_DYNAMICS` under the loudest point."""
        decibels = 20 * np.log10(np.abs(audio.stft(samples, self.settings)) + 1e-9)
        return np.maximum(decibels, decibels.max() - _DYNAMICS)
