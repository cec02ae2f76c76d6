"""A network that labels frames as a TensorFlow SavedModel, for programs without this package.

    log_probs      frames, lengths       -> log_probs
    initial_state  rows                  -> state
    step           frames, state         -> log_probs, next state

`log_probs` is the default signature and takes whole recordings; `step` takes `frames_per_step`
frames. A state is `state_0`, `state_1`, ...; the next state has the same names with `next_` before
them. All inputs and outputs have the batch as their first axis, and all floats are float32.
Log-probabilities are 0 where there is no frame; padding may hold anything. A bidirectional network
has `log_probs` alone. Features are computed by the caller, see `FrameLabeller.frames`.
"""

from pathlib import Path

import keras
import tensorflow as tf

from seqlayers import files
from seqlayers.checks import check_weights


def export(model, path):
    """Writes a network as a SavedModel, whole or not at all; see `LabelNetwork.export`."""
    check_weights(model.weights)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.new_directory(path) as folder:
        signatures = _signatures(model)
        default = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        module = tf.Module()
        module.weights = model.weights  # TensorFlow saves what the module holds
        signatures[default] = signatures["log_probs"]
        tf.saved_model.save(module, str(folder), signatures=signatures)
    return path


def _signatures(model):
    frames = tf.TensorSpec((None, None, model.num_features), tf.float32)
    counts = tf.TensorSpec((None,), tf.int32)

    def log_probs(frames, lengths):
        mask = tf.sequence_mask(lengths, tf.shape(frames)[1])
        found = model((frames, mask), training=False)
        return {"log_probs": tf.where(mask[..., None], found, 0.0)}

    signatures = {"log_probs": _concrete(log_probs, frames=frames, lengths=counts)}
    if model.bidirectional:
        return signatures
    template = model.initial_state(2)
    parts = keras.tree.flatten(template)
    names = [f"state_{n}" for n in range(len(parts))]
    specs = {
        name: tf.TensorSpec((None, *part.shape[1:]), part.dtype)
        for name, part in zip(names, parts, strict=True)
    }

    def initial_state(rows):
        state = keras.tree.flatten(model.initial_state(tf.shape(rows)[0]))
        return dict(zip(names, state, strict=True))

    def step(frames, **state):
        state = keras.tree.pack_sequence_as(template, [state[name] for name in names])
        found, after = model.step(frames, state)
        after = {f"next_{n}": x for n, x in zip(names, keras.tree.flatten(after), strict=True)}
        return {"log_probs": found} | after

    block = tf.TensorSpec((None, model.frames_per_step, model.num_features), tf.float32)
    return signatures | {
        "initial_state": _concrete(initial_state, rows=counts),
        "step": _concrete(step, frames=block, **specs),
    }


def _concrete(function, **specs):
    named = {name: tf.TensorSpec(x.shape, x.dtype, name) for name, x in specs.items()}

    def endpoint(**tensors):  # each output is a tensor of its own, even where two are equal
        return {name: tf.identity(x) for name, x in function(**tensors).items()}

    return tf.function(endpoint, autograph=False).get_concrete_function(**named)
