"""Pictures of recordings with their segments, `seqlayers segment --picture`."""

import click
import numpy as np

from seqlayers import audio
from seqlayers.audio.loudness import FILTER
from seqlayers.commands.cli import note, writing
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH
from seqlayers.files import printable

PICTURES = (".png", ".pdf", ".svg")
BEFORE = 0.5  # seconds before the first segment


def check_picture(path):
    """Refuses a picture that cannot be drawn, before any work."""
    if path.suffix.lower() not in PICTURES:
        raise click.UsageError(
            f"--picture must end as {', '.join(PICTURES[:-1])} or {PICTURES[-1]}. Received: {path}."
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise click.UsageError(
            "--picture needs Matplotlib: pip install 'seqlayers[plot]'."
        ) from error


def shown(found, first):
    """Returns those recordings that last longer than a time.

    Args:
        found: Dictionary from names to pairs of a path and its `audio.Segments`.
        first: Seconds; None for shortly before the first segment of each.

    Raises:
        click.UsageError: If there is none.
    """
    if first is None or not found:
        return found
    longest = max(segments.duration for _, segments in found.values())
    if first >= longest:
        raise click.UsageError(
            f"--picture-from must lie within a recording, of {longest:.3f} s at most. "
            f"Received: {first:g}."
        )
    return {name: each for name, each in found.items() if first < each[1].duration}


def draw(path, found, first, seconds, sample_rate, channel):
    """Writes a picture of each recording to the pages of a PDF file, or one of a recording.

    That one is the first with a segment, or the first if there is none.

    Args:
        path: File of the picture.
        found: Dictionary from names to pairs of a path and its `audio.Segments`, as `shown` returns
            it.
        first: Where to begin, in seconds; None for shortly before the first segment.
        seconds: How much to draw.
        sample_rate, channel: As in `audio.read_blocks`; each has its own sample rate if it is None.
    """
    from seqlayers import plotting

    def figures(found):
        for name, (recording, segments) in found:
            yield _figure(name, recording, segments, first, seconds, sample_rate, channel)

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".pdf":
            plotting.save_pages(figures(found.items()), path)
            return
        empty_last = sorted(found.items(), key=lambda each: not len(each[1][1].times))
        plotting.save(next(figures(empty_last)), path)
    if len(found) > 1:
        note(
            f"{printable(path)} shows one of {len(found)} recordings; a name that ends as "
            ".pdf is of a file with a page for each."
        )


def _figure(name, recording, found, first, seconds, sample_rate, channel):
    from seqlayers import plotting

    rate = sample_rate or audio.sample_rate_of(recording)
    if first is None:
        first = max(0.0, found.times[0, 0] - BEFORE) if len(found.times) else 0.0
    begin = round(first * rate)
    end = min(begin + max(1, round(seconds * rate)), round(found.duration * rate))
    # What the filter and the window reach beyond the stretch.
    margin = 1 + round((FILTER + found.rules.window) * rate / 1000)
    before = min(margin, begin)
    blocks = audio.read_blocks(recording, sample_rate=rate, channel=channel)
    around = _stretch(blocks, begin - before, end + margin)
    samples = around[before : before + end - begin]
    envelope = audio.envelope(around, rate, found.rules)[before : before + end - begin]
    settings = audio.Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=rate)
    inside = np.clip(found.times, begin / rate, end / rate)
    return plotting.segments(
        samples,
        rate,
        inside[inside[:, 0] < inside[:, 1]],
        envelope=envelope,
        threshold=found.level or None,
        amplitudes=np.abs(audio.stft(samples, settings)),
        hop_length=settings.hop_length,
        start=begin / rate,
        band=found.rules.band,
        title=name,
    )


def _stretch(blocks, begin, end):
    """Returns the samples from one to another of a recording, and holds no others."""
    held, at = [], 0
    for block in blocks:
        held.append(block[max(0, begin - at) : max(0, end - at)])
        at += len(block)
        if at >= end:
            break
    return np.concatenate(held)
