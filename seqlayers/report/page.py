"""A `Page` as one HTML file that needs nothing else; see `document` for what holds of all pages."""

import math

import numpy as np

from seqlayers import files
from seqlayers.report import document
from seqlayers.report.document import encoded, image, printed, section

MAX_BYTES = 3_000_000
_STYLES = ("page.css",)
_SCRIPTS = ("data.js", "player.js", "pictures.js", "charts.js", "page.js")
_CONFUSIONS = 10  # most that are listed


def write(path, page, follow=True):
    """Writes a page to a file, whole or not at all.

    Args:
        path: The file, in a folder that exists. One that is there is replaced.
        page: A `Page`.
        follow: Whether a symbolic link at `path` stands for the file that it points to. If not, it
            is refused.

    Raises:
        ValueError: If the page is larger than `MAX_BYTES`, or `path` cannot be replaced.
        OSError: If the file cannot be written.
    """
    files.write_atomically(path, render(page), follow)


def render(page):
    """Returns a page as the bytes of an HTML file.

    Args:
        page: A `Page`.

    Raises:
        ValueError: If there are more than `MAX_BYTES`.
    """
    sections = [
        _listen(page),
        section("learning", "Learning", '<div id="charts"></div>') if page.charts else "",
        _likelihood(page),
        _labels(page),
        document.reproduce(page),
    ]
    page_bytes = document.render(page, "".join(sections), _data(page), _STYLES, _SCRIPTS)
    if len(page_bytes) > MAX_BYTES:
        raise ValueError(
            f"A page must have at most {MAX_BYTES:,} bytes; give fewer or shorter pieces. "
            f"Received: {len(page_bytes):,} bytes."
        )
    return page_bytes


def _listen(page):
    if not page.pieces:
        return ""
    worst = ""
    if page.worst:
        of = f" of {printed(page.worst_of)}" if page.worst_of else ""
        worst = f"""<h3>The least probable frames{of}</h3>
<p>A click plays from a little before the frame.</p>
<div id="worst" class="buttons"></div>
"""
    body = f"""<div id="pieces"></div>
<div class="card" id="stage">
<div id="bar">
<button type="button" id="play" aria-keyshortcuts="Space">Play</button>
<input type="range" id="seek" min="0" step="any" value="0" aria-label="Position in seconds">
<output id="time" aria-live="off"></output>
</div>
<p id="about"></p>
<div id="tracks"><div id="mark" hidden></div><div id="cursor"></div></div>
<output id="now" aria-live="off"></output>
<div id="segments" class="buttons" role="group" aria-label="Segments"></div>
<p class="keys"><kbd>Space</kbd> plays and stops, <kbd>←</kbd> <kbd>→</kbd> seek
(with <kbd>Shift</kbd> farther), <kbd>Home</kbd> and <kbd>End</kbd> go to the start and the end.
A click on a picture seeks.</p>
</div>
{worst}"""
    return section("listen", "Listen", body)


def _likelihood(page):
    if not page.scores:
        return ""
    known = [score.nats for score in page.scores if math.isfinite(score.nats)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = "".join(_score_row(score, low, high) for score in page.scores)
    of = f"Nats per frame of {printed(page.scores_of)}" if page.scores_of else "Nats per frame"
    body = f"""<p>{of}: higher is better.</p>
<div class="card wide"><table class="scores">
<thead><tr><th scope="col">model</th><th scope="col" class="number">nats per frame</th>
<th scope="col">worse to better</th><th scope="col">kind</th></tr></thead>
<tbody>{rows}</tbody></table></div>
"""
    return section("likelihood", "Likelihood", body)


def _score_row(score, low, high):
    number = _signed(score.nats) if math.isfinite(score.nats) else "not finite"
    if score.error and math.isfinite(score.error):
        number += f" ± {score.error:.3f}"
    kind = score.kind.replace("_", " ")
    if score.reverse is not None:
        reverse = _signed(score.reverse) if math.isfinite(score.reverse) else "not converged"
        kind += f"; from the other side {reverse}"
    place = ""
    if math.isfinite(score.nats):
        at = 4 + 92 * (score.nats - low) / (high - low) if high > low else 50.0
        spread = 92 * score.error / (high - low) if high > low and score.error < 1e6 else 0.0
        left, right = max(0.0, at - spread), min(100.0, at + spread)
        whisker = f'<rect x="{left:.2f}" y="5" width="{right - left:.2f}" height="2"/>'
        place = (
            '<svg class="place" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="track" x="0" y="5.5" width="100" height="1"/>{whisker}'
            f'<rect x="{at - 1:.2f}" y="1" width="2" height="10"/></svg>'
        )
    own = ' class="own"' if score.own else ""
    return (
        f'<tr{own}><th scope="row">{printed(score.name)}</th><td class="number">{number}</td>'
        f"<td>{place}</td><td>{printed(kind)}</td></tr>"
    )


def _signed(nats):
    return f"{nats:.3f}".replace("-", "−")


def _labels(page):
    if page.confusion is None:
        return ""
    names, counts = page.confusion.names, np.asarray(page.confusion.counts)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    rows = "".join(
        f"<tr><td>{printed(names[n // len(names)])}</td><td>{printed(names[n % len(names)])}</td>"
        f'<td class="number">{wrong.flat[n]:,}</td></tr>'
        for n in order.tolist()
        if wrong.flat[n]
    )
    share = np.trace(counts) / max(1, counts.sum())
    body = f"""<p>{share:.1%} of {counts.sum():,} frames are right. Rows are true labels, columns
predicted ones; a row is shaded by its shares.</p>
<div class="two"><div class="card"><canvas id="confusion" role="img"
aria-label="Confusion matrix; the table has its largest entries"></canvas></div>
<div class="card"><table><thead><tr><th scope="col">true</th><th scope="col">predicted</th>
<th scope="col" class="number">frames</th></tr></thead><tbody>{rows}</tbody></table></div></div>
"""
    return section("labels", "Labels", body)


def _data(page):
    data = {
        "pieces": [_piece(piece) for piece in page.pieces],
        "worst": [list(map(int, each)) for each in page.worst],
        "charts": [_chart(chart) for chart in page.charts],
        "labelNames": list(map(str, page.label_names)),
        "confusion": None,
    }
    if page.confusion is not None:
        counts = np.asarray(page.confusion.counts, "float64")
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        data["confusion"] = {"names": list(map(str, page.confusion.names))} | image(shares, 0, 1)
    return data


def _piece(piece):
    roll = piece.first_note is not None
    packed = {
        "title": piece.title,
        "group": piece.group,
        "seconds": float(piece.seconds),
        "start": int(piece.start),
        "note": piece.note,
        "firstNote": int(piece.first_note) if roll else None,
        "top": None if piece.top is None else float(piece.top),
        "frames": image(piece.frames, *((0, 1) if roll else ())),
        "segments": [[float(start), float(end)] for start, end in piece.segments],
    }
    if piece.sound is not None:
        samples, rate = piece.sound
        pcm = np.rint(np.clip(np.nan_to_num(samples), -1, 1) * 32767).astype("<i2")
        packed["sound"] = {"rate": float(rate), "data": encoded(pcm)}
    if piece.hidden is not None:
        packed["hidden"] = image(piece.hidden) | {"name": piece.hidden_name}
    if piece.nats is not None:
        packed["nats"] = encoded(np.asarray(piece.nats, "<f4"))
    if piece.labels is not None:
        packed["labels"] = [encoded(np.asarray(labels, "<i2")) for labels in piece.labels]
    return packed


def _chart(chart):
    return {
        "title": chart.title,
        "unit": chart.unit,
        "curves": [
            {"name": c.name, "x": [_number(x) for x in c.x], "y": [_number(y) for y in c.y]}
            for c in chart.curves
        ],
        "levels": [[name, float(value)] for name, value in chart.levels if math.isfinite(value)],
    }


def _number(value):
    """Returns a number for JSON, with six digits; None if it is not finite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
