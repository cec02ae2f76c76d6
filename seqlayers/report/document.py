"""The parts that all pages share: one HTML file that needs nothing else.

Style, script and data are in the file. Its Content-Security-Policy forbids all requests, and all
scripts and styles but those two. Text is escaped where it enters HTML; the script sets text, never
HTML. Arrays are bytes in base64. The same page gives the same bytes.
"""

import base64
import hashlib
import html
import json
from importlib import resources

import numpy as np

from seqlayers import files


def render(page, body, data, styles, scripts):
    """Returns the bytes of an HTML file.

    Args:
        page: Anything with a `title`, a `summary` and `notes`.
        body: HTML of its sections.
        data: What its scripts find in the element `data`, for JSON.
        styles, scripts: Names of the files of this folder that it consists of.
    """
    style = "\n".join(map(_file, styles))
    script = '"use strict";\n' + "\n".join(map(_file, scripts))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{printed(page.title)}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{printed(page.title)}</h1>
<p>{printed(page.summary)}</p>
</header>
<main>
{"".join(f'<p class="note">{printed(" ".join(note.split()))}</p>' for note in page.notes)}
<noscript><p class="note">The pictures and the sound of this page need JavaScript.</p></noscript>
{body}
</main>
<script type="application/json" id="data">{_json(data)}</script>
<script>{script}</script>
</body>
</html>
"""
    return text.encode("utf-8", "backslashreplace")


def section(name, title, body):
    """Returns a section with a heading."""
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{printed(title)}</h2>\n{body}'
        "</section>\n"
    )


def reproduce(page):
    """Returns the section with the `commands` and the `facts` of a page, if it has some."""
    if not page.commands and not page.facts:
        return ""
    command = "\n".join(map(printed, page.commands))
    command = f'<pre tabindex="0">{command}</pre>' if command else ""
    rows = "".join(
        f"<div><dt>{printed(name)}</dt><dd>{printed(value)}</dd></div>"
        for name, value in page.facts
    )
    return section("reproduce", "How to reproduce", f'{command}<dl class="card">{rows}</dl>')


def printed(text):
    """Returns text for HTML. Control characters are escaped as in file names."""
    return html.escape(files.printable(str(text)))


def image(array, low=None, high=None):
    """Returns an array as bytes from 0 to 255, scaled to its own range unless one is given.

    255 stands for the highest value. NaN becomes 0.
    """
    array = np.asarray(array, "float64")
    finite = array[np.isfinite(array)]
    if low is None:
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    scaled = (array - low) / (high - low) if high > low else np.zeros_like(array)
    shades = np.rint(np.clip(np.nan_to_num(scaled, posinf=1, neginf=0), 0, 1) * 255)
    return {"shape": list(array.shape), "data": encoded(shades.astype("uint8"))}


def encoded(array):
    """Returns the bytes of an array in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _file(name):
    return (resources.files(__package__) / name).read_text("utf-8")


def _hash(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value):
    """Returns JSON that ends no element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
