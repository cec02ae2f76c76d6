"""Tables in Markdown, and the files of results that fill them."""

import functools
import json
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def results(name):
    """Returns the rows of a file of results."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def mean_with_deviation(values, digits):
    """Returns a mean as text, with the standard deviation of several values."""
    return _with_spread([*values], digits, power=0.0)


def mean_with_error(values, digits):
    """Returns a mean as text, with the standard error of several values."""
    return _with_spread([*values], digits, power=0.5)


def _with_spread(values, digits, power):
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ± {statistics.stdev(values) / len(values) ** power:.{digits}f}"


def table(head, rows):
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
