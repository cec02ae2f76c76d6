"""Tables in Markdown, and the files of results that fill them."""

import functools
import json
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def results(name):
    """Returns the rows of a file of results."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def wrong_frames(*names):
    """Returns the errors of rows of `clstm.json`, fold by fold: means over the seeds of all."""
    rows = results("clstm")
    suffixes = sorted({"", *(each for name in rows for each in re.findall(r"-seed\d+$", name))})
    seeds = [seed for seed in suffixes if all(f"{name}{seed}" in rows for name in names)]
    return [
        [
            statistics.mean(each["test"] for each in folds)
            for folds in zip(*(rows[f"{name}{seed}"]["folds"] for seed in seeds), strict=True)
        ]
        for name in names
    ]


def table(head, rows):
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
