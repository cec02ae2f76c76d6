"""The results of a table: a JSON file, a row of it written as soon as it is done."""

import json

from seqlayers import files

TABLES = "`python docs/tools/figures.py` writes the tables of RESULTS.md"  # printed at the end


def read(path):
    """Returns the rows that are done, by name."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def keep(path, name, row):
    """Adds a row, or replaces it. The others are read anew: two of us may be at work."""
    text = json.dumps(read(path) | {name: row}, indent=1) + "\n"
    files.write_atomically(path, text.encode())


def remembered(path, name, make):
    """Returns the row of a name, made by `make()` and added if it is not done."""
    if name not in read(path):
        keep(path, name, make())
    return read(path)[name]
