"""Executes the notebooks in docs/tutorials, or those that are named, in place: `make tutorials`.

What differs from one run to the next and is not a result is not kept: times, versions, and what
libraries log to stderr, which is printed here.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIALS = Path(__file__).resolve().parents[1] / "tutorials"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path):
    """Runs all cells of a notebook; an error in one ends it, and leaves the file as it was."""
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id, cell.metadata = f"cell-{number}", {}
    notebook.metadata = METADATA
    NotebookClient(notebook, timeout=600, record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                if output.get("name") == "stderr":
                    print(output.text, end="", file=sys.stderr)
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    notebook.metadata = METADATA
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(TUTORIALS.glob("*.ipynb")):
        started = time.time()
        execute(path)
        print(f"{path.name}: {time.time() - started:.0f} seconds, {path.stat().st_size:,} bytes")
