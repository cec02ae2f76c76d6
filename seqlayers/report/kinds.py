"""A page of kinds of segments: a map on which they are heard, and examples of each kind."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlayers import files
from seqlayers.report import document
from seqlayers.report.document import encoded, section

_STYLES = ("page.css", "kinds.css")
_SCRIPTS = ("data.js", "player.js", "pictures.js", "charts.js", "kinds.js")


@dataclasses.dataclass(frozen=True)
class KindsPage:
    """Segments of recordings, their kinds, and the sound of as many of them as the page can hold.

    Attributes:
        title: Title of the page.
        summary: A sentence below the title.
        numbers: Kinds of the segments, integers `(N,)` from 1; 0 for those of no kind.
        places: Places on the map, floats `(N, 2)`.
        confidence: Floats `(N,)` from 0 to 1.
        times: Starts and ends in seconds, `(N, 2)`.
        recordings: Names of the recordings.
        owners: The recording of each segment, integers `(N,)` from 0.
        sounds: For each segment its samples, floats between -1 and 1; None if it has no sound.
        sample_rate: Sample rate of the sounds in Hz.
        commands, facts, notes: As of a `Page`.

    Raises:
        ValueError: If these are not of one number of segments.
    """

    title: str
    summary: str
    numbers: Any
    places: Any
    confidence: Any
    times: Any
    recordings: Sequence[str]
    owners: Any
    sounds: Sequence[Any]
    sample_rate: int
    commands: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()

    def __post_init__(self):
        N = len(self.numbers)
        for name in ("places", "confidence", "times", "owners", "sounds"):
            if len(getattr(self, name)) != N:
                raise ValueError(
                    f"`{name}` must have an item for each of {N} segments. "
                    f"Received: {len(getattr(self, name))}."
                )


def write_kinds(path, page):
    """Writes a page of kinds to a file, whole or not at all.

    Args:
        path: The file, in a folder that exists. One that is there is replaced.
        page: A `KindsPage`.

    Raises:
        OSError: If the file cannot be written.
    """
    files.write_atomically(path, render_kinds(page))


def render_kinds(page):
    """Returns a page of kinds as the bytes of an HTML file.

    Args:
        page: A `KindsPage`.
    """
    map_of_all = """<p>Each mark is a segment; alike ones are near each other, and each kind has a
colour and a shape. A click plays the nearest segment, arrow keys go to the next one. Small dots are
segments without sound on this page.</p>
<div class="card">
<div id="map" tabindex="0" role="application" aria-label="Map of segments: arrow keys go from one to
the next and play it, Space plays it again"></div>
<div id="chosen"><canvas id="picture" role="img" aria-label="Spectrogram of the segment"></canvas>
<output id="now" aria-live="polite">No segment is chosen yet.</output></div>
<p class="keys"><kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> go to the next segment,
<kbd>Space</kbd> plays it again, <kbd>Escape</kbd> shows all kinds.</p>
</div>
"""
    all_kinds = "<p>A click on a picture plays it; a click on a name shows its kind alone.</p>\n"
    sections = [
        section("segments", "Map", map_of_all),
        section("kinds", "Kinds", all_kinds + '<div id="list"></div>'),
        document.reproduce(page),
    ]
    return document.render(page, "".join(sections), _data(page), _STYLES, _SCRIPTS)


def _data(page):
    pcm = [np.zeros(0) if sound is None else np.asarray(sound) for sound in page.sounds]
    lengths = np.array([len(samples) for samples in pcm], "<i4")
    samples = np.clip(np.nan_to_num(np.concatenate([np.zeros(0), *pcm])), -1, 1)
    return {
        "pieces": [],
        "recordings": list(map(str, page.recordings)),
        "numbers": encoded(np.asarray(page.numbers, "<i2")),
        "places": encoded(np.asarray(page.places, "<f4")),
        "confidence": encoded(np.asarray(page.confidence, "<f4")),
        "times": encoded(np.asarray(page.times, "<f8")),
        "owners": encoded(np.asarray(page.owners, "<i4")),
        "lengths": encoded(lengths),
        "sound": {
            "rate": float(page.sample_rate),
            "data": encoded(np.rint(samples * 32767).astype("<i2")),
        },
    }
