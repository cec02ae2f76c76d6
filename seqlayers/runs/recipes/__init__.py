"""Recipes: options that train a model on a data set, as data files, and what they reached.

A file `<model>.toml` has a title, the options that all data sets share, and a table for each data
set with options of its own. A recipe is named after the file and the data set: `rnn-dbn-jsb`. A
file without such tables is a recipe for data of the user's own and gives it its name: for MIDI
files if its `data` is "midi", else for recordings. With `updates` it leaves the batch size and the
number of epochs to the size of the data.

`measured.json` has the results, written by `benchmarks/tables/music.py`.
"""

import difflib
import functools
import math
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
OWN_MIDI = "tied-nade-midi"  # for MIDI files where no model is chosen
SIZED = ("batch_size", "epochs")  # what `updates` leaves to the size of the data
_SIZES = ((2, 0), (4, 10), (8, 25), (16, 25))  # of batches, with the number that makes an epoch
_FEWEST, _MOST = 8, 100  # epochs


class Recipe(NamedTuple):
    """Options of a run, by name.

    Attributes:
        name: Its name.
        title: Name of its model.
        options: All options of the run.
        published: Log-likelihood of the test split as published, in nats per frame; None if it
            is not.
        measured: Row of `measured.json`: what our training reached. None if it was not run.
        updates: Number of updates for which `sized` chooses the epochs; None if they are set.
    """

    name: str
    title: str
    options: Any
    published: Any
    measured: Any
    updates: Any = None


def names():
    """Returns the names of the recipes for data sets, model after model."""
    return [f"{model}-{each}" for model, file in _files().items() for each in SETS if each in file]


def sound_names():
    """Returns the names of the recipes for recordings."""
    return _own_names("wav")


def midi_names():
    """Returns the names of the recipes for MIDI files of the user's own."""
    return _own_names("midi")


def all_names():
    """Returns the names of all recipes."""
    return [*names(), *midi_names(), *sound_names()]


def _own_names(data):
    own = [name for name, file in _files().items() if not SETS.keys() & file.keys()]
    return [name for name in own if _files()[name].get("data", "wav") == data]


def read(name):
    """Reads a recipe.

    Args:
        name: One of `all_names()`.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If there is no such recipe.
        OptionError: If its options contradict each other.

    Example:
        >>> read("lstm-nade-jsb").options["cell"]
        'lstm'
    """
    known = all_names()
    if name not in known:
        near = difflib.get_close_matches(name, known)
        raise ValueError(
            "`recipe` must be one of those that `seqlayers recipes` lists"
            f"{', such as ' * bool(near)}{' or '.join(near)}. Received: {name!r}."
        )
    if name not in names():
        file = _files()[name]
        source = {"midi": "music"} if name in midi_names() else {}
        options = complete({"recipe": name} | source | file["options"]) | dict.fromkeys(source)
        found = file.get("published"), measured().get(name), file.get("updates")
        return Recipe(name, file["title"], options, *found)
    each = next(each for each in SETS if name.endswith(f"-{each}"))
    file = _files()[name.removesuffix(f"-{each}")]
    options = {"recipe": name, "dataset": SETS[each]} | file["options"] | file[each]
    published = options.pop("published", None)
    return Recipe(name, file["title"], complete(options), published, measured().get(name))


def sized(options, given, num_pieces):
    """Returns the options of a run with the batch size and the epochs that suit its data.

    Small data make small batches, so that an epoch has many, and many epochs.

    Args:
        options: All options of the run.
        given: Names of the options that are given and stay. The others follow from the data if the
            recipe has `updates`.
        num_pieces: Number of sequences to train on, after they are cut.
    """
    updates = options["recipe"] and read(options["recipe"]).updates
    if not updates:
        return options
    size = max(size for size, number in _SIZES if num_pieces >= size * number)
    size = options["batch_size"] if "batch_size" in given else size
    epochs = math.ceil(updates / math.ceil(num_pieces / size))
    fitted = {"batch_size": size, "epochs": min(max(epochs, _FEWEST), _MOST)}
    return options | {name: fitted[name] for name in SIZED if name not in given}


def measured():
    """Returns the rows of `measured.json`, by the name of the recipe."""
    path = resources.files("seqlayers.runs.recipes") / MEASURED
    if not path.is_file():
        return {}
    # An estimate that has not converged has an infinite error.
    return parse_json(path.read_bytes(), path.name, finite=False)


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
