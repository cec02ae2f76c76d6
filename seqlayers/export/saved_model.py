"""Models written as SavedModels."""

import contextlib
from pathlib import Path

import keras
import tensorflow as tf

from seqlayers import files
from seqlayers.checks import check_integer, check_weights
from seqlayers.export.labels import LabelEndpoints
from seqlayers.export.sequences import SequenceEndpoints

MAX_STEPS = 10_000


def export(model, path, max_steps=MAX_STEPS):
    """Writes a model as a SavedModel, whole or not at all.

    Args:
        model: A `seqlayers.models.SequenceModel` or `FrameLabeller`.
        path: Folder to make; it must not exist yet. TensorFlow Serving looks for
            `<name>/<version>`, see `next_version`. Folders above it are made, too.
        max_steps: Largest number of frames in one call of `generate`, which a `FrameLabeller` does
            not have.

    Returns:
        The path.

    Raises:
        FileExistsError: If there is something at `path`.
        ValueError: If `model` is neither of these or has weights that are not finite, `max_steps`
            is not an integer of at least 1, or the model's state does not have one row for each
            sequence.

    Example:
        >>> export(model, next_version("saved_models/rnn_rbm"))
        PosixPath('saved_models/rnn_rbm/1')
    """
    known = isinstance(model, keras.Model)
    if not (known and (hasattr(model, "head") or hasattr(model, "log_probs"))):
        raise ValueError(
            "`model` must be a `seqlayers.models.SequenceModel` or a `FrameLabeller`. "
            f"Received: model={model!r}."
        )
    max_steps = check_integer("max_steps", max_steps)
    check_weights(model.weights)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = not hasattr(model, "head")
    with files.new_directory(path) as folder, _for_serving(model if labels else model.memory):
        endpoints = LabelEndpoints(model) if labels else SequenceEndpoints(model, max_steps)
        signatures = endpoints.signatures()
        signatures[tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY] = signatures["serve"]
        module = tf.Module()
        used = {id(v): v for function in signatures.values() for v in function.variables}
        module.weights = list(used.values())  # TensorFlow saves what the module holds
        tf.saved_model.save(module, str(folder), signatures=signatures)
    return path


def check_format(format):
    """Refuses another format than `"tf_saved_model"`."""
    if format != "tf_saved_model":
        raise ValueError(
            '`format` must be "tf_saved_model", the only one that holds all endpoints. '
            "tf2onnx converts single ones of it for ONNX Runtime: see docs/runtimes.md. "
            f"Received: format={format!r}."
        )


def next_version(folder):
    """Returns the path of the next version of a served model: one above the highest, or 1.

    Args:
        folder: Folder of the versions; it need not exist.

    Returns:
        A `pathlib.Path` to export to.
    """
    folder = Path(folder)
    names = [child.name for child in folder.iterdir()] if folder.is_dir() else []
    versions = [int(name) for name in names if name.isascii() and name.isdigit()]
    return folder / str(max(versions, default=0) + 1)


@contextlib.contextmanager
def _for_serving(layers):
    """Keeps two things of Keras's out of the graph.

    The cuDNN form of `LSTM` and `GRU` needs a machine with a GPU. The masks of dropout are drawn
    even where they have no effect, from a state that changes with each call.
    """
    serving = {"use_cudnn": False, "dropout": 0.0, "recurrent_dropout": 0.0}
    before = [
        (layer, name, vars(layer)[name])
        for layer in ([] if layers is None else layers._flatten_layers())
        for name in serving
        if name in vars(layer)
    ]
    try:
        for layer, name, _ in before:
            setattr(layer, name, serving[name])
        yield
    finally:
        for layer, name, value in before:
            setattr(layer, name, value)
