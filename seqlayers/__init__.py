"""Recurrent layers and energy-based sequence models for Keras.

Energies, export, heads, layers, metrics and models are imported at once, so that a `.keras` file
that names one of their classes loads after a plain `import seqlayers`. What only a script needs is
imported when it is first named.
"""

import importlib
import sys
from pathlib import Path

__version__ = "0.1.0"  # setup.cfg reads this line without running it
__all__ = [
    "audio",
    "callbacks",
    "datasets",
    "energy",
    "export",
    "heads",
    "layers",
    "metrics",
    "models",
]
__all__ += ["plotting"]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})


# The command line imports TensorFlow when a command needs it, so that --help answers at once.
if sys.orig_argv[1:3] != ["-m", "seqlayers"] and Path(sys.argv[0]).name != "seqlayers":
    from seqlayers import energy, export, heads, layers, metrics, models  # noqa: F401
