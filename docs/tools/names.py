"""The index of public names, `docs/names.md`, as data: the reference has its rooms and its rows."""

import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

INDEX = Path(__file__).resolve().parents[1] / "names.md"
PACKAGE = "seqlayers"
CODE = re.compile(r"`([\w.]+)`")


class Row(NamedTuple):
    """A row of a table: names that belong together.

    Attributes:
        names: As they are written, by the full path of each.
        text: Text of the row.
    """

    names: dict[str, str]
    text: str


class Room(NamedTuple):
    """A heading of the index and the rows below it."""

    name: str
    title: str
    rows: list[Row]


def rooms(text=None):
    """Returns the rooms of the index."""
    found = []
    for line in (INDEX.read_text("utf-8") if text is None else text).splitlines():
        heading = re.fullmatch(r"## `(\w+)`(?:: (.+))?", line)
        if heading:
            found.append(Room(heading[1], heading[2] or "", []))
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[-1].rows.append(Row(_paths(found[-1].name, cells[0]), cells[1]))
    return found


def _paths(room, cell):
    """Returns the full paths of the names in a cell, by the names: `pad` of "`batching`: `pad`"."""
    module, colon, names = cell.partition(": ")
    prefix = [PACKAGE, room] if room != PACKAGE else [PACKAGE]
    if colon:
        prefix.append(module.strip("`"))
    paths = {}
    for name in CODE.findall(names if colon else cell):
        path = f"{PACKAGE}.{name}" if name.startswith(f"{room}.") else ".".join([*prefix, name])
        paths[name] = path
    return paths


def resolve(path):
    """Returns the object that a full path names.

    Raises:
        LookupError: If there is none.
    """
    parts = path.split(".")
    found = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join(parts[:number]))
            except ImportError as error:
                raise LookupError(f"docs/names.md lists {path}, which does not exist.") from error
        found = getattr(found, part)
    return found


def members(cls):
    """Returns the documented public members of a class: own ones, and those of private bases.

    Bases that the index lists document theirs on a page of their own.

    Returns:
        The names, and by the path of each public base the names of its members.
    """
    public = {id(resolve(path)): path for path in all_paths()}
    seen, own, inherited = set(), [], {}
    for base in cls.__mro__:
        if not base.__module__.startswith(f"{PACKAGE}."):
            continue
        documented = {
            name
            for name, member in vars(base).items()
            if not name.startswith("_") and _docstring(member)
        }
        new = sorted(documented - seen)
        seen |= documented
        if base is not cls and id(base) in public:
            inherited[public[id(base)]] = new
        else:
            own += new
    return own, {path: names for path, names in inherited.items() if names}


def _docstring(member):
    functions = (classmethod, staticmethod, property)
    if isinstance(member, functions) or inspect.isfunction(member):
        return inspect.unwrap(getattr(member, "fget", member)).__doc__
    return None


def all_paths():
    """Returns the full paths of all names of the index that are classes, functions or values."""
    return [path for room in rooms() for row in room.rows for path in row.names.values()]
