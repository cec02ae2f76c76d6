"""Trained models that ship with seqlayers, by name.

A preset is two files in this folder, written by `benchmarks/tables/presets.py`. `NAME.npz` has the
weights in the order of `model.weights`, in float16. `NAME.json` has the card, the config of the
model and the SHA-256 of the weights, so that the two always belong together.

`names` and `read` need no TensorFlow.
"""

import hashlib
import io
import json
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers import files
from seqlayers.datasets.arrays import Array, read_arrays

__all__ = ["Card", "Preset", "load", "names", "read", "round_weights", "write"]

FOLDER = resources.files(__name__)


class Card(NamedTuple):
    """A description of a preset for those who use it.

    Attributes:
        title: Model and data.
        dataset: Name of the set of `datasets.piano_roll` that it was trained on.
        licence: Terms of the weights and of the data.
        not_for: Uses that it is not good for.
        weights: Number of weights.
        training: For each training, a dictionary of `command`, `seed`, `epochs`, `epoch_chosen`,
            `validation` in nats per frame, and `seconds` if they were counted.
        versions: Versions of the libraries in training, by name.
        test: Fields of the `Likelihood` of the test split, of the weights in float16.
        first: The same of the first `sequences` pieces of the split, which takes seconds to repeat.
    """

    title: Any
    dataset: Any
    licence: Any
    not_for: Any
    weights: Any
    training: Any
    versions: Any
    test: Any
    first: Any


class Preset(NamedTuple):
    """A preset without its weights.

    Attributes:
        name: The name.
        card: The `Card`.
        config: Config of the model.
        sha256: SHA-256 of the weights.
    """

    name: str
    card: Card
    config: Any
    sha256: str


def names():
    """Returns the names of all presets, sorted."""
    return sorted(
        p.name.removesuffix(".json") for p in FOLDER.iterdir() if p.name.endswith(".json")
    )


def read(name):
    """Returns the `Preset` of a name, its weights apart.

    Args:
        name: Name of a preset, one of `names()`.

    Raises:
        ValueError: If there is no such preset; the message lists all.
        FileError: If its file is damaged.
    """
    if name not in (known := names()):
        raise ValueError(
            f"`preset` must be one of {', '.join(known) or '(none ships)'}. Received: {name!r}."
        )
    path = FOLDER / f"{name}.json"
    content = files.parse_json(path.read_bytes(), path)
    try:
        return Preset(name, Card(**content["card"]), content["config"], content["sha256"])
    except (KeyError, TypeError) as error:
        raise files.FileError(f"the file must hold a preset. Received: {error}.", path) from error


def load(name):
    """Returns the model of a preset, not compiled. Keras must run on TensorFlow.

    Args:
        name: Name of a preset, one of `names()`.

    Raises:
        ValueError: If there is no such preset; the message lists all.
        FileError: If its files are damaged or do not belong together.

    Example:
        >>> load("tied-nade-jsb").generate(num_steps=64).shape
        (1, 64, 88)
    """
    from keras.saving import deserialize_keras_object  # brings TensorFlow, which takes seconds

    preset = read(name)
    path = FOLDER / f"{name}.npz"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != preset.sha256:
        raise files.FileError(
            f"the weights must be those of {name}.json beside them; install seqlayers again. "
            "Received: a file with another SHA-256.",
            path,
        )
    model = deserialize_keras_object(preset.config)
    weights = dict(zip(_keys(model), model.weights, strict=True))
    wanted = {key: _array(weight) for key, weight in weights.items()}
    try:
        arrays = read_arrays(io.BytesIO(data), wanted)
        for key, weight in weights.items():
            weight.assign(arrays[key])
    except ValueError as error:
        raise files.FileError(str(error), path) from error
    return model


def round_weights(model):
    """Rounds the weights of a model to float16, as `write` stores them.

    Args:
        model: A built model, changed in place.

    Raises:
        ValueError: If a weight is too large for float16, or not finite.
    """
    for weight in model.weights:
        if _is_real(weight):
            weight.assign(_half(weight))


def write(folder, name, model, card):
    """Writes a model as a preset.

    The optimizer is left out, and so are initializers: weights are loaded, and the configs of
    initializers differ between versions of Keras.

    Args:
        folder: Where to write `NAME.json` and `NAME.npz`; files of these names are replaced.
        name: Name of the preset.
        model: A `SequenceModel`.
        card: Its `Card`, with scores of the weights after `round_weights`.

    Raises:
        ValueError: If a weight is too large for float16, or not finite.
    """
    from keras.saving import serialize_keras_object

    values = [_half(w) if _is_real(w) else w.numpy() for w in model.weights]
    packed = io.BytesIO()
    np.savez_compressed(packed, **dict(zip(_keys(model), values, strict=True)))
    content = {
        "card": card._asdict(),
        "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        "config": _without_initializers(serialize_keras_object(model)),
    }
    folder = Path(folder)
    files.write_atomically(folder / f"{name}.npz", packed.getvalue())
    files.write_atomically(folder / f"{name}.json", (json.dumps(content, indent=1) + "\n").encode())


def _keys(model):
    return [str(place) for place in range(len(model.weights))]


def _is_real(weight):
    return "float" in weight.dtype


def _array(weight):
    """Returns the expected form of the array of a weight."""
    axes = len(weight.shape)
    return Array("f", axes, item_bytes=2) if _is_real(weight) else Array("iu", axes)


def _half(weight):
    """Returns a weight in float16."""
    with np.errstate(over="ignore"):
        half = weight.numpy().astype("float16")
    if not np.isfinite(half).all():
        raise ValueError(
            "The weights of a preset must be finite in float16, at most 65504. "
            f"Received: {np.abs(weight.numpy()).max()} in {weight.path}."
        )
    return half


def _without_initializers(part):
    """Returns a config without what a trained model does not need."""
    if isinstance(part, list | tuple):
        return [_without_initializers(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _without_initializers(value)
        for key, value in part.items()
        if not key.endswith("_initializer") and key not in ("compile_config", "build_config")
    }
