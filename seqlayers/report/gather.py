"""Pieces of a page made from sequences and from a model: excerpts, hidden units, drawn sequences.

A model is anything with the methods of a `SequenceModel`; only they are called.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer, check_number
from seqlayers.report.parts import Chart, Curve, Piece

LONGEST = 256  # frames of an excerpt
NUM_WORST = 10
NUM_UNITS = 64  # most hidden units that are shown
_POINTS = 1000  # most points of a curve
_MONITOR = "val_log_likelihood"
_REPEATED = {_MONITOR: "val_loss"}  # a name, and another one for minus the same numbers
_TITLES = {_MONITOR: "log-likelihood of the validation split", "loss": "training loss"}
_UNITS = {_MONITOR: "nats per frame"}
_COUNTS = ("skipped_steps", "shrunk_steps")  # curves of nothing but 0 are not drawn


class Excerpt(NamedTuple):
    """Frames `start` to `stop` of a sequence, given by its number."""

    sequence: int
    start: int
    stop: int


def excerpts(lengths, nats=None, num_first=2, longest=LONGEST):
    """Chooses excerpts of sequences: the first ones, and those around the least probable frames.

    Args:
        lengths: Numbers of frames of the sequences.
        nats: Log-probabilities of their frames, a list of arrays `(T,)`; None if unknown.
        num_first: Number of sequences that are chosen in any case, from their first frame on.
        longest: Largest number of frames of an excerpt.

    Returns:
        `(excerpts, worst)`: a list of `Excerpt`s, the first ones first, and a list of pairs of an
        excerpt, by its number, and of a frame in it, the least probable frame first.
    """
    chosen = [Excerpt(n, 0, min(T, longest)) for n, T in enumerate(lengths[:num_first])]
    worst: list[tuple[int, int]] = []
    if nats is None:
        return chosen, worst
    owners = np.repeat(np.arange(len(nats)), [len(each) for each in nats])
    frames = np.concatenate([np.arange(len(each)) for each in nats])
    order = np.argsort(np.concatenate(nats), kind="stable")[:NUM_WORST]
    for n, t in zip(owners[order].tolist(), frames[order].tolist(), strict=True):
        holding = [e for e in chosen if e.sequence == n and e.start <= t < e.stop]
        if not holding:
            start = max(0, min(t - longest // 2, lengths[n] - longest))
            holding = [Excerpt(n, start, min(lengths[n], start + longest))]
            chosen += holding
        worst.append((chosen.index(holding[0]), t - holding[0].start))
    return chosen, worst


def hidden_units(model, sequences, chosen=None):
    """Returns the activity of the hidden units of a model for each frame of sequences.

    Args:
        model: A model. If its head has no hidden units, the outputs of its memory are returned.
        sequences: List of arrays `(T, V)`.
        chosen: `Excerpt`s of them to return; the whole sequences if None.

    Returns:
        `(title, activities)`, with a float array `(T, H)` for each excerpt; `("", None)` if the
        model has neither. No more than `NUM_UNITS` units are returned, those that vary most,
        sorted by the time at which they are most active.
    """
    if chosen is None:
        chosen = [Excerpt(n, 0, len(sequence)) for n, sequence in enumerate(sequences)]
    if model.head.has_code:
        name, function = "encode", model.encode
        title = "hidden units, E[h | v]"
    elif model.memory is not None:
        name, function = "contexts_of_frames", model.contexts
        title = "outputs of the memory"
    else:
        return "", None
    compiled = model.compiled_function(name, function, xla=False, reduce_retracing=True)
    stops: dict[int, int] = {}
    for number, _, stop in chosen:
        stops[number] = max(stop, stops.get(number, 0))
    parts = {}
    for number, stop in stops.items():  # one at a time: those of all may be too large for memory
        frames = np.asarray(sequences[number][:stop], "float32")[None]
        activity = np.asarray(compiled(frames, np.ones(frames.shape[:2], bool)))[0]
        for excerpt in chosen:
            if excerpt.sequence == number:
                parts[excerpt] = activity[excerpt.start : excerpt.stop].copy()
    units = [parts[excerpt] for excerpt in chosen]
    shown = np.sort(np.argsort(-np.concatenate(units).std(axis=0), kind="stable")[:NUM_UNITS])
    shown = shown[np.argsort(units[0][:, shown].argmax(axis=0), kind="stable")]
    if units[0].shape[1] > len(shown):
        title += f", the {len(shown)} of {units[0].shape[1]} that vary most"
    return title, [each[:, shown] for each in units]


@dataclass(frozen=True)
class Music:
    """How piano-rolls become pieces.

    Attributes:
        seconds: Length of a frame.
        first_note: MIDI note of the lowest key; None for frames that have no sound.

    Raises:
        ValueError: If one is out of range.
    """

    seconds: float
    first_note: int | None = 21  # A0

    def __post_init__(self):
        check_number("seconds", self.seconds, above=0)
        if self.first_note is not None:
            check_integer("first_note", self.first_note, least=0, most=127)

    def piece(self, frames, **about):
        """Returns a `Piece` of frames `(T, keys)`."""
        return Piece(frames=frames, seconds=self.seconds, first_note=self.first_note, **about)


def pieces(model, sequences, form, nats=None, of="", names=None, num_first=2):
    """Returns pieces of real sequences, with hidden units and log-probabilities.

    Args:
        model: A `SequenceModel`; None if there is none yet.
        sequences: List of arrays `(T, V)`.
        form: `Music`, or anything else with a method `piece(frames, **about)`.
        nats: Log-probabilities of the frames, a list of arrays `(T,)`, or None.
        of: Name of the data, for titles.
        names: Names of the sequences; numbers from 1 if None.
        num_first: Number of sequences that are shown in any case.

    Returns:
        `(pieces, worst)`, as a `Page` has them.
    """
    chosen, worst = excerpts([len(sequence) for sequence in sequences], nats, num_first)
    hidden_name, hidden = "", None
    if model is not None and chosen:
        hidden_name, hidden = hidden_units(model, sequences, chosen)
    made = []
    for n, (sequence, start, stop) in enumerate(chosen):
        whole = len(sequences[sequence])
        made.append(
            form.piece(
                sequences[sequence][start:stop],
                title=names[sequence] if names else f"{of} {sequence + 1}".strip(),
                group="Real" if n < min(num_first, len(sequences)) else "",
                start=start,
                hidden=None if hidden is None else hidden[n],
                hidden_name=hidden_name,
                nats=None if nats is None else nats[sequence][start:stop],
                note="" if stop - start == whole else f"The sequence has {whole:,} frames.",
            )
        )
    return made, worst


def drawn(model, form, num, num_steps, temperature=1.0, seed=0):
    """Returns pieces that a model generates, with its hidden units.

    Args:
        model: A `SequenceModel`.
        form: As in `pieces`.
        num: Number of pieces.
        num_steps: Number of frames of each.
        temperature, seed: As in `SequenceModel.generate`.
    """
    frames = model.generate(num_steps, num_sequences=num, temperature=temperature, seed=seed)
    name, hidden = hidden_units(model, list(frames))
    return [
        form.piece(
            frames[n],
            title=f"generated {n + 1}",
            group="Generated",
            hidden=None if hidden is None else hidden[n],
            hidden_name=name,
            note=f"Sequence {n + 1} of seed {seed}, temperature {temperature:g}.",
        )
        for n in range(num)
    ]


def charts(history, levels=()):
    """Returns charts of a training.

    Args:
        history: Dictionary of numbers for each epoch, with its number as `epoch`. A number that was
            not measured after an epoch is missing.
        levels: Pairs `(name, value)` of log-likelihoods to compare with the validation split.
    """
    names = dict.fromkeys(name for row in history for name in row if name != "epoch")
    order = sorted(names, key=lambda name: (name != _MONITOR, name != "loss"))
    found: list[Any] = []
    for name in order:
        if name in (_REPEATED.get(other) for other in names):
            continue
        rows = [row for row in history if name in row]
        if name in _COUNTS and not any(row[name] for row in rows):
            continue
        kept = rows[:: math.ceil(len(rows) / _POINTS)]
        kept += rows[-1:] if kept[-1] is not rows[-1] else []
        curve = Curve(name, [row["epoch"] for row in kept], [row[name] for row in kept])
        beside = levels if name == _MONITOR else ()
        title = _TITLES.get(name, name.replace("_", " "))
        found.append(Chart(title, _UNITS.get(name, ""), [curve], beside))
    return found
