"""Recipes: options that train a model on a data set, as data files, and what they reached.

A file `<model>.toml` has a title, the options that all data sets share, and a table for each data
set with options of its own. A recipe is named after the file and the data set: `rnn-dbn-jsb`. A
file without such tables is a recipe for recordings of the user's own and gives it its name.

`measured.json` has the results, written by `benchmarks/tables/music.py`.
"""

import difflib
import functools
import tomllib
from importlib import resources
from typing import Any, NamedTuple

from seqlayers.files import parse_json
from seqlayers.runs.options import complete

SETS = {
    "jsb": "jsb_chorales",
    "musedata": "musedata",
    "nottingham": "nottingham",
    "piano-midi": "piano_midi",
}
MEASURED = "measured.json"


class Recipe(NamedTuple):
    """Options of a run, by name.

    Attributes:
        name: Its name.
        title: Name of its model.
        options: All options of the run.
        published: Log-likelihood of the test split as published, in nats per frame; None if it
            is not.
        measured: Row of `measured.json`: what our training reached. None if it was not run.
    """

    name: str
    title: str
    options: Any
    published: Any
    measured: Any


def names():
    """Returns the names of the recipes for data sets, model after model."""
    return [f"{model}-{each}" for model, file in _files().items() for each in SETS if each in file]


def sound_names():
    """Returns the names of the recipes for recordings."""
    return [model for model, file in _files().items() if not SETS.keys() & file.keys()]


def read(name):
    """Reads a recipe.

    Args:
        name: One of `names()` or `sound_names()`.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If there is no such recipe.
        OptionError: If its options contradict each other.

    Example:
        >>> read("lstm-nade-jsb").options["cell"]
        'lstm'
    """
    known = [*names(), *sound_names()]
    if name not in known:
        near = difflib.get_close_matches(name, known)
        raise ValueError(
            "`recipe` must be one of those that `seqlayers recipes` lists"
            f"{', such as ' * bool(near)}{' or '.join(near)}. Received: {name!r}."
        )
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
    """Returns the rows of `measured.json`, by the name of the recipe."""
    path = resources.files("seqlayers.runs.recipes") / MEASURED
    return parse_json(path.read_bytes(), path.name) if path.is_file() else {}


@functools.cache
def _files():
    """Returns the data files by model, in the order of their `row`."""
    folder = resources.files("seqlayers.runs.recipes")
    files = {
        path.name.removesuffix(".toml"): tomllib.loads(path.read_text("utf-8"))
        for path in folder.iterdir()
        if path.name.endswith(".toml")
    }
    return dict(sorted(files.items(), key=lambda item: item[1]["row"]))
