"""Recurrent layers and energy-based sequence models for Keras.

The rooms of the package are imported when they are first named. Classes are registered with Keras
as soon as both are imported, so that a `.keras` file loads after a plain `import seqlayers`. Where
a class is missing in one, `load_model` names it.
"""

import importlib
from typing import TYPE_CHECKING

from seqlayers.registration import import_after_keras

if TYPE_CHECKING:  # what `__getattr__` imports when it is first named
    from seqlayers import (
        audio,
        callbacks,
        datasets,
        energy,
        export,
        heads,
        layers,
        metrics,
        models,
        plotting,
        presets,
        report,
    )
    from seqlayers.loading import load_model

__version__ = "0.2.0"  # setup.cfg reads this line without running it
__all__ = ["audio", "callbacks", "datasets", "energy", "export", "heads", "layers", "metrics"]
__all__ += ["load_model", "models", "plotting", "presets", "report"]


def __getattr__(name):
    if name == "load_model":
        return importlib.import_module(f"{__name__}.loading").load_model
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__, "__version__"]


def _rooms():
    """Returns the modules of classes that `.keras` files name; models run on TensorFlow alone."""
    import keras

    models = ("models",) if keras.backend.backend() == "tensorflow" else ()
    return [f"{__name__}.{room}" for room in ("layers", "heads", *models, "metrics")]


import_after_keras(__name__, _rooms)
