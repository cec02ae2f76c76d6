"""Tables in Markdown, and the files of results that fill them."""

import functools
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def results(name):
    """Returns the rows of a file of results."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def table(head, rows):
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
