"""Checks of the times, labels and bands that pictures of sound show."""

import numpy as np

from seqlayers.checks import check_number
from seqlayers.plotting.figures import check_numbers


def check_times(name, times, first, last):
    """Returns pairs of start and end, `(number, 2)`; the number may be 0.

    Args:
        name: Name of the argument, for the message.
        times: The pairs, in seconds.
        first, last: Between which they must lie, in seconds.

    Raises:
        ValueError: If they are no such pairs, or an end is not after its start.
    """
    none = times.shape[:1] == (0,) if isinstance(times, np.ndarray) else times in ([], ())
    if none:
        return np.zeros((0, 2))
    times = check_numbers(name, times, "(number, start and end)")
    if times.shape[1] != 2 or (times[:, 0] >= times[:, 1]).any():
        raise ValueError(
            f"`{name}` must each have a start and, after it, an end. "
            f"Received: {times[:3].tolist()!r}{' ...' if len(times) > 3 else ''}"
        )
    if times.min() < first - 1e-6 or times.max() > last + 1e-6:
        raise ValueError(
            f"`{name}` must lie within the samples, from {first:g} to {last:g} seconds. "
            f"Received: from {times.min():g} to {times.max():g}."
        )
    return times


def check_labels(labels, first, last):
    """Returns the times `(number, 2)` and the texts of triples `(start, end, text)`."""
    try:
        labels = [] if labels is None else list(labels)
        texts = [str(text) for _, _, text in labels]
    except (TypeError, ValueError):
        raise ValueError(
            "`labels` must be a list of triples `(start, end, text)`. Received: "
            f"{labels[:3] if isinstance(labels, list) else type(labels).__name__}."
        ) from None
    return check_times("labels", [label[:2] for label in labels], first, last), texts


def check_band(band):
    """Returns the edges of a band in Hz, a list of one or two."""
    if not isinstance(band, list | tuple) or len(band) != 2:
        raise ValueError(
            f"`band` must be a pair of frequencies, the lower one first. Received: band={band!r}."
        )
    low = check_number("band[0]", band[0], least=0)
    return [low] if band[1] is None else [low, check_number("band[1]", band[1], above=low)]
