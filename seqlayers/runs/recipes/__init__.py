"""Recipes: what to train on which set, and how, as data files; and what came of it.

A file `<model>.toml` has a title, the options that all sets share, and a table for each set with
those of its own. The name of a recipe is that of the file and of the set: `rnn-dbn-jsb`. A file
without such tables is a recipe for recordings, which whoever trains it brings, and bears its name.

What was measured is in `measured.json`, which `benchmarks/tables/music.py` writes.
"""

import functools
import json
import tomllib
from importlib import resources
from typing import Any, NamedTuple

from seqlayers.runs.options import complete

SETS = {
    "jsb": "jsb_chorales",
    "musedata": "musedata",
    "nottingham": "nottingham",
    "piano-midi": "piano_midi",
}
MEASURED = "measured.json"


class Recipe(NamedTuple):
    """What to train, and how."""

    name: str
    title: str
    options: Any  # all options of the run, by name
    published: Any  # nats per frame on the test split, as printed; None if nothing is
    measured: Any  # what our own training reached; None if it was not run


def names():
    """Names of the recipes for sets: model after model, each on the sets it is for."""
    return [f"{model}-{each}" for model, file in _files().items() for each in SETS if each in file]


def sound_names():
    """Names of the recipes for recordings."""
    return [model for model, file in _files().items() if not SETS.keys() & file.keys()]


def read(name):
    """Reads a recipe.

    Args:
        name: One of `names()` or `sound_names()`.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If there is no such recipe.

    Example:
        >>> read("lstm-nade-jsb").options["cell"]
        'lstm'
    """
    known = [*names(), *sound_names()]
    if name not in known:
        raise ValueError(f"A recipe must be one of {', '.join(known)}. Received: {name!r}.")
    if name not in names():
        file = _files()[name]
        options = complete({"recipe": name} | file["options"])
        return Recipe(name, file["title"], options, file.get("published"), measured().get(name))
    each = next(each for each in SETS if name.endswith(f"-{each}"))
    file = _files()[name.removesuffix(f"-{each}")]
    options = {"recipe": name, "dataset": SETS[each]} | file["options"] | file[each]
    published = options.pop("published", None)
    return Recipe(name, file["title"], complete(options), published, measured().get(name))


def measured():
    """What was measured, by the name of the recipe."""
    path = resources.files("seqlayers.runs.recipes") / MEASURED
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


@functools.cache
def _files():
    """What the data files say, by model; in the order of their `row`."""
    folder = resources.files("seqlayers.runs.recipes")
    files = {
        path.name.removesuffix(".toml"): tomllib.loads(path.read_text("utf-8"))
        for path in folder.iterdir()
        if path.name.endswith(".toml")
    }
    return dict(sorted(files.items(), key=lambda item: item[1]["row"]))
