"""Labelled segments of one recording, and the error of a label file."""

import dataclasses
import reprlib
from typing import Any

import numpy as np

from seqlayers.checks import check_number
from seqlayers.files import FileError

TOLERANCE = 0.001  # seconds; programs round times to milliseconds


class LabelError(FileError):
    """A label file that cannot be used, or labels that a file or a recording cannot hold.

    Args:
        reason: Why, without the name of the file.
        path: The file, or None.
        line: Number of the line in the file, from 1, or None.

    Attributes:
        reason: The reason, after the number of the line if there is one.
        path: The file as a string, or None.
        line: The number of the line, or None.
    """

    def __init__(self, reason, path=None, line=None):
        self.line = line
        super().__init__(reason if line is None else f"line {line}: {reason}", path)

    def in_file(self, path):
        """Returns the same error with the name of its file."""
        error = LabelError(self.reason, path)
        error.line = self.line
        return error


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
    """Labelled segments of one recording, in order of their starts, then of their ends.

    Segments may overlap. One whose start and end are equal is a point.

    Args:
        times: Starts and ends in seconds, `(N, 2)`, in any order of segments.
        labels: A string for each segment; may be empty.

    Attributes:
        times: float64 array `(N, 2)`.
        labels: List of N strings.

    Raises:
        ValueError: If times are not such an array, not finite or negative, a segment ends before it
            starts, or there is not one string for each segment.

    Example:
        >>> song = Annotation([[0.5, 0.75], [0.1, 0.3]], ["b", "a"])
        >>> song.labels, len(song)
        (['a', 'b'], 2)
    """

    times: Any
    labels: Any

    def __post_init__(self):
        try:
            times = np.asarray(self.times, "float64")
        except (ValueError, TypeError) as error:
            raise ValueError(f"`times` must be numbers `(N, 2)`. Received: {error}.") from error
        if not times.size:
            times = times.reshape(0, 2)
        if times.ndim != 2 or times.shape[1] != 2:
            raise ValueError(f"`times` must be numbers `(N, 2)`. Received: shape {times.shape}.")
        wrong = ~(
            np.isfinite(times).all(axis=1) & (times[:, 0] >= 0) & (times[:, 1] >= times[:, 0])
        )
        if wrong.any():
            n = int(np.argmax(wrong))
            raise ValueError(
                "`times` must be finite, at least 0, and no end before its start. "
                f"Received: {times[n].tolist()} in segment {n}."
            )
        labels = self.labels if isinstance(self.labels, list | tuple) else [None]
        if len(labels) != len(times) or not all(isinstance(label, str) for label in labels):
            raise ValueError(
                "`labels` must be a list of strings, one for each segment. "
                f"Received: labels={reprlib.repr(self.labels)}, for {len(times)} segments."
            )
        order = np.lexsort((times[:, 1], times[:, 0]))
        object.__setattr__(self, "times", times[order])
        object.__setattr__(self, "labels", [labels[n] for n in order])

    def __len__(self):
        return len(self.labels)


def check_duration(annotation, duration, path=None):
    """Refuses labels that end behind the end of their recording.

    Args:
        annotation: `Annotation`.
        duration: Duration of the recording in seconds. Labels may end a millisecond later, since
            programs round.
        path: The label file, for the message.

    Raises:
        LabelError: If a label ends later. The message has the first of them, and their number.
        ValueError: If `duration` is negative or not finite.

    Example:
        >>> check_duration(Annotation([[0.1, 0.3]], ["a"]), duration=1.5)
    """
    duration = check_number("duration", duration, least=0)
    late = np.flatnonzero(annotation.times[:, 1] > duration + TOLERANCE)
    if len(late):
        (start, end), label = annotation.times[late[0]], annotation.labels[late[0]]
        raise LabelError(
            f"labels must end within their recording, which has {duration:.6f} s. Received: "
            f"{len(late)} of {len(annotation)} that end later, the first {reprlib.repr(label)} "
            f"from {start:.6f} to {end:.6f} s",
            path,
        )
