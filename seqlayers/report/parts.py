"""The content of a page, as plain data: strings, numbers and NumPy arrays."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlayers.checks import check_number


@dataclasses.dataclass(frozen=True)
class Curve:
    """A line of a chart. Values that are not finite leave a gap.

    Attributes:
        name: Name of the line.
        x: Places, one for each value.
        y: Values.
    """

    name: str
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Chart:
    """Curves with one axis.

    Attributes:
        title: Title of the chart.
        unit: Unit of the values.
        curves: The `Curve`s.
        levels: Pairs `(name, value)` of values to compare with, drawn as dashed lines.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    levels: Sequence[tuple[str, float]] = ()


@dataclasses.dataclass(frozen=True)
class Score:
    """A row of the table of likelihoods.

    Attributes:
        name: Name of the model.
        nats: Mean log-likelihood in nats per frame.
        kind: How the number was found, as `"exact"`.
        error: Standard error of an estimate.
        reverse: The estimate from the other side, or None.
        own: Whether it is the model that the page is about.
    """

    name: str
    nats: float
    kind: str = ""
    error: float = 0.0
    reverse: float | None = None
    own: bool = False


@dataclasses.dataclass(frozen=True)
class Piece:
    """Something to look at and to listen to, frame by frame.

    Attributes:
        title: Its title.
        group: Title of the group that it is listed in; empty if it is shown only when one of the
            least probable frames in it is chosen.
        frames: The picture, floats `(T, F)`: a piano-roll of 0 and 1, or a spectrogram.
        seconds: Length of a frame in seconds.
        first_note: MIDI number of the first key of a piano-roll, which the browser plays; None for
            a spectrogram.
        sound: `(samples, rate)`, played as it is; None if there is none.
        top: Frequency of the last bin of a spectrogram, in Hz; None if bins have no frequencies.
        start: Number of the first frame in its sequence, from 0.
        hidden: Activity of hidden units, floats `(T, H)`, NaN where there is none; or None.
        hidden_name: Title of that picture.
        nats: Log-probability of each frame, floats `(T,)`, NaN where there is none; or None.
        segments: Pairs `(start, end)` in seconds.
        labels: Pair of the true and the predicted labels, integers `(T,)`, by their numbers in
            `Page.label_names`; or None.
        note: Remark for the reader, as on parts that were cut off.
    """

    title: str
    group: str
    frames: Any
    seconds: float
    first_note: int | None = None
    sound: tuple[Any, float] | None = None
    top: float | None = None
    start: int = 0
    hidden: Any = None
    hidden_name: str = "hidden units"
    nats: Any = None
    segments: Sequence[tuple[float, float]] = ()
    labels: tuple[Any, Any] | None = None
    note: str = ""

    def __post_init__(self):
        check_number("seconds", self.seconds, above=0)
        T = len(self.frames)
        parts = {"hidden": self.hidden, "nats": self.nats}
        parts |= dict(zip(("labels[0]", "labels[1]"), self.labels or (), strict=False))
        for name, part in parts.items():
            if part is not None and len(part) != T:
                raise ValueError(
                    f"`{name}` must have a row for each frame. Received: {len(part)} rows, and "
                    f"{T} frames."
                )
        if np.ndim(self.frames) != 2 or not T:
            raise ValueError(
                "`frames` must be an array `(time, features)` with at least one frame. "
                f"Received: shape {np.shape(self.frames)}."
            )


@dataclasses.dataclass(frozen=True)
class Confusion:
    """How often each label was recognised as each other one.

    Attributes:
        names: The labels.
        counts: Integers `(labels, labels)`; rows are true labels.
    """

    names: Sequence[str]
    counts: Any


@dataclasses.dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: Its title.
        summary: A sentence below the title.
        pieces: The `Piece`s, those of a group in a row.
        worst: Pairs `(piece, frame)` of numbers from 0: frames with the lowest log-probability, the
            lowest first.
        worst_of: The frames among which they are the worst, as `"the test split"`.
        charts: The `Chart`s.
        scores: The `Score`s.
        scores_of: The data of the scores.
        label_names: Names of the labels of pieces.
        confusion: A `Confusion`, or None.
        commands: The commands that make this model and this page again.
        facts: Pairs `(name, value)`: options, versions, seeds.
        notes: Sentences on what is missing, and why.
    """

    title: str
    summary: str = ""
    pieces: Sequence[Piece] = ()
    worst: Sequence[tuple[int, int]] = ()
    worst_of: str = ""
    charts: Sequence[Chart] = ()
    scores: Sequence[Score] = ()
    scores_of: str = ""
    label_names: Sequence[str] = ()
    confusion: Confusion | None = None
    commands: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
