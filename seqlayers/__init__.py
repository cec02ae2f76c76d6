"""Recurrent layers and energy-based sequence models for Keras.

Energies, layers, heads, models and metrics are imported at once, so that a `.keras` file that
names one of their classes loads after a plain `import seqlayers`. What only a script needs is
imported when it is first named.
"""

import importlib

from seqlayers import energy, export, heads, layers, metrics, models

__version__ = "0.1.0"  # setup.cfg reads this line without running it
_LAZY = ("datasets", "plotting")
__all__ = ["energy", "export", "heads", "layers", "metrics", "models", *_LAZY]


def __getattr__(name):
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY})
