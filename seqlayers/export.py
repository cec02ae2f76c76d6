"""A model as a TensorFlow SavedModel, for programs that have neither this package nor Keras.

    serve          frames, lengths                                  -> context
    score          frames, lengths, seed                            -> log_prob, standard_error
    initial_state  rows                                             -> state
    step           frame, state                                     -> next state
    prime          frames, lengths, state                           -> next state
    generate       state, seed, first_step, num_steps, temperature  -> frames, next state
    encode         frames, lengths                                  -> code
    decode         code                                             -> frames

A state is the `context` of the next frame and the memory's `state_0`, `state_1`, ...; the next
state has the same names with `next_` before them. `serve` is the default signature. Without a
memory there is no state: `serve` returns `reconstruction`, `generate` returns frames only, and
`initial_state`, `step` and `prime` are missing. `encode` is there if the head has a code,
`decode` if the expected frame depends on it alone.

All inputs and outputs have the batch as their first axis, so that a server may join requests; all
floats are float32. The outputs of a row depend on that row alone, up to rounding; its draws depend
on its seed and on the number of the frame. The server keeps nothing between calls. A wrong input,
NaN or infinity in any of them included, fails its whole call; padding may hold anything.
`saved_models/README.md` shows each signature in use.
"""

import contextlib
import functools
from pathlib import Path

import keras

from seqlayers import files
from seqlayers.backends import check_keras_on_tensorflow
from seqlayers.checks import check_integer, check_weights
from seqlayers.sampling import Use, fold_in

check_keras_on_tensorflow("seqlayers.export")

import tensorflow as tf  # noqa: E402

MAX_STEPS = 10_000
_FRAMES_AT_ONCE = 1024  # in scoring: a bound on memory


def export(model, path, max_steps=MAX_STEPS):
    """Writes a model as a SavedModel, whole or not at all.

    Args:
        model: A `seqlayers.models.SequenceModel`.
        path: Folder to make; it must not exist yet. TensorFlow Serving looks for
            `<name>/<version>`, see `next_version`. Folders above it are made, too.
        max_steps: Largest number of frames in one call of `generate`.

    Returns:
        The path.

    Raises:
        FileExistsError: If there is something at `path`.
        ValueError: If `model` is no `SequenceModel` or has weights that are not finite, `max_steps`
            is not an integer of at least 1, or the model's state does not have one row for each
            sequence.

    Example:
        >>> export(model, next_version("saved_models/rnn_rbm"))
        PosixPath('saved_models/rnn_rbm/1')
    """
    if not (isinstance(model, keras.Model) and hasattr(model, "head")):
        raise ValueError(
            f"`model` must be a `seqlayers.models.SequenceModel`. Received: model={model!r}."
        )
    max_steps = check_integer("max_steps", max_steps)
    check_weights(model.weights)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.new_directory(path) as folder, _for_serving(model.memory):
        signatures = _Endpoints(model, max_steps).signatures()
        module = tf.Module()
        used = {id(v): v for function in signatures.values() for v in function.variables}
        module.weights = list(used.values())  # TensorFlow saves what the module holds
        tf.saved_model.save(module, str(folder), signatures=signatures)
    return path


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


def _of_any_length(endpoint):
    """Makes an endpoint over all steps of `frames` take none: loops over time need one."""

    @functools.wraps(endpoint)
    def padded(self, frames, lengths, **more):
        time = tf.shape(frames)[1]
        frames = tf.pad(frames, [(0, 0), (0, tf.cast(time == 0, tf.int32)), (0, 0)])
        outputs = endpoint(self, frames, lengths, **more)
        return {name: x[:, :time] for name, x in outputs.items()}

    return padded


class _Endpoints:
    """The functions behind the signatures. Each takes tensors by name and returns a dict."""

    def __init__(self, model, max_steps):
        self.model = model
        self.max_steps = max_steps
        V = model.head.visible_units
        self.specs = {
            "frames": tf.TensorSpec((None, None, V), tf.float32),
            "frame": tf.TensorSpec((None, V), tf.float32),
            "lengths": tf.TensorSpec((None,), tf.int32),
            "rows": tf.TensorSpec((None,), tf.int32),
            "seed": tf.TensorSpec((None, 2), tf.int32),
            "first_step": tf.TensorSpec((None,), tf.int32),
            "num_steps": tf.TensorSpec((None,), tf.int32),
            "temperature": tf.TensorSpec((None,), tf.float32),
        }
        if model.head.has_code:
            shape = (None, None, model.head.code_units)
            self.specs["code"] = tf.TensorSpec(shape, tf.float32)
        self.state_names = []
        if model.memory is not None:
            self.template = model.initial_state(2)
            parts = keras.tree.flatten(self.template)
            self.state_names = ["context", *(f"state_{i}" for i in range(len(parts) - 1))]
            for name, part in zip(self.state_names, parts, strict=True):
                if part.shape.rank == 0 or part.shape[0] != 2:
                    raise ValueError(
                        "Each state of the memory must have one row for each sequence. "
                        f"Received: {name} of shape {part.shape} for 2 sequences."
                    )
                self.specs[name] = tf.TensorSpec((None, *part.shape[1:]), _served(part.dtype))

    def signatures(self):
        drawn = ("seed", "first_step", "num_steps", "temperature")
        functions = {
            "serve": self._concrete(self.serve, "frames", "lengths"),
            "score": self._concrete(self.score, "frames", "lengths", "seed"),
            "generate": self._concrete(self.generate, *drawn, *self.state_names),
        }
        head = self.model.head
        if head.has_code:
            functions["encode"] = self._concrete(self.encode, "frames", "lengths")
            if head.decodes_alone:
                functions["decode"] = self._concrete(self.decode, "code")
        if self.state_names:
            functions |= {
                "initial_state": self._concrete(self.initial_state, "rows"),
                "step": self._concrete(self.step, "frame", *self.state_names),
                "prime": self._concrete(self.prime, "frames", "lengths", *self.state_names),
            }
        return functions | {tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: functions["serve"]}

    @_of_any_length
    def serve(self, frames, lengths):
        mask = _mask(frames, lengths)
        if self.model.memory is None:
            return {"reconstruction": _keep(mask, self.model.head.reconstruct(frames))}
        return {"context": _keep(mask, self.model.contexts(frames, mask))}

    @_of_any_length
    def score(self, frames, lengths, seed):
        mask = _mask(frames, lengths)
        if self.model.memory is None:
            nats, error = self._log_prob_without_memory(frames, fold_in(seed, Use.SCORE))
            return {"log_prob": _keep(mask, nats), "standard_error": _keep(mask, error)}
        needed = [frames, self.model.contexts(frames, mask)]
        if self.model.head.kind != "exact":  # else a graph without draws, which others can run
            steps = tf.range(tf.shape(frames)[1])
            needed.append(fold_in(fold_in(seed, Use.SCORE)[:, None], steps))
        nats, error = self._log_prob(*(tf.boolean_mask(x, mask) for x in needed))
        where, shape = tf.where(mask), tf.shape(mask, tf.int64)
        return {
            "log_prob": tf.scatter_nd(where, nats, shape),
            "standard_error": tf.scatter_nd(where, error, shape),
        }

    def initial_state(self, rows):
        state = self.model.initial_state(tf.shape(rows)[0])
        return dict(zip(self.state_names, keras.tree.flatten(state), strict=True))

    def step(self, frame, **state):
        return self._next(self.model.step(frame, self._state(state)))

    def prime(self, frames, lengths, **state):
        def body(t, state):
            return t + 1, self._advance(state, frames[:, t], t < lengths)

        steps = tf.reduce_max(lengths)
        _, state = tf.while_loop(lambda t, _: t < steps, body, (0, self._state(state)))
        return self._next(state)

    def generate(self, seed, first_step, num_steps, temperature, **state):
        head = self.model.head
        steps = tf.maximum(tf.reduce_max(num_steps), 0)
        frames = tf.TensorArray(
            head.variable_dtype,
            size=tf.maximum(steps, 1),  # an array without any entry has no shape
            element_shape=(None, head.visible_units),
        )

        def body(t, state, frames):
            context = state.context if self.state_names else None
            step_seed = fold_in(fold_in(seed, Use.GENERATE), first_step + t)
            frame = head.sample(context, step_seed, temperature, num_frames=tf.shape(seed)[0])
            keep = t < num_steps
            frame = _keep(keep, frame)
            return t + 1, self._advance(state, frame, keep), frames.write(t, frame)

        start = (0, self._state(state), frames)
        _, state, frames = tf.while_loop(lambda t, *_: t < tf.maximum(steps, 1), body, start)
        frames = tf.transpose(frames.stack(), (1, 0, 2))[:, :steps]
        return {"frames": frames} | self._next(state)

    @_of_any_length
    def encode(self, frames, lengths):
        mask = _mask(frames, lengths)
        return {"code": _keep(mask, self.model.encode(frames, mask))}

    def decode(self, code):
        return {"frames": self.model.decode(code)}

    def _log_prob(self, *of_frames):
        """Returns log p of all frames in one long row, a bounded number at a time."""

        def block(start):
            part = slice(start, start + _FRAMES_AT_ONCE)
            return self.model.head.log_prob(*(x[part] for x in of_frames))

        return _joined(block, tf.shape(of_frames[0])[0], _FRAMES_AT_ONCE, of_frames[0][:, 0])

    def _log_prob_without_memory(self, frames, seed):
        head = self.model.head
        if head.kind == "exact":
            return head.log_prob(frames)

        # All frames share one Z. Each row estimates it anew, so that rows do not depend on others.
        def row(i):
            nats, error = head.log_prob(frames[i], None, seed[i])
            return nats[None], error[None]

        return _joined(row, tf.shape(frames)[0], 1, frames[:, :, 0])

    def _advance(self, state, frame, keep):
        """Returns the state after one more frame in the rows to `keep`; others stay."""
        if not self.state_names:
            return state
        return keras.tree.map_structure(
            lambda new, old: _keep(keep, new, old), self.model.step(frame, state), state
        )

    def _state(self, tensors):
        if not self.state_names:
            return ()
        parts = keras.tree.flatten(self.template)
        parts = [
            tf.cast(tensors[name], part.dtype)
            for name, part in zip(self.state_names, parts, strict=True)
        ]
        return keras.tree.pack_sequence_as(self.template, parts)

    def _next(self, state):
        parts = keras.tree.flatten(state)
        return {f"next_{name}": x for name, x in zip(self.state_names, parts, strict=True)}

    def _concrete(self, function, *names):
        def endpoint(**tensors):
            outputs = function(**self._checked(tensors))
            # Each output is a tensor of its own, even where two of them are equal.
            return {name: tf.identity(tf.cast(x, _served(x.dtype))) for name, x in outputs.items()}

        endpoint.__name__ = function.__name__
        specs = {
            name: tf.TensorSpec(self.specs[name].shape, self.specs[name].dtype, name)
            for name in names
        }
        return tf.function(endpoint, autograph=False).get_concrete_function(**specs)

    def _checked(self, tensors):
        """Returns the inputs, checked; frames in the dtype of the head, and 0 where padded."""
        # TensorFlow itself compares no shapes when it calls what it has loaded.
        tensors = {
            name: tf.ensure_shape(x, self.specs[name].shape, name=f"shape_of_{name}")
            for name, x in tensors.items()
        }
        first, *others = tensors
        for name in others:
            same = tf.equal(tf.shape(tensors[name])[0], tf.shape(tensors[first])[0])
            _require(tensors, name, same, f"must have as many rows as `{first}`")
        if "frames" in tensors:
            lengths = tensors["lengths"]
            fits = (lengths >= 0) & (lengths <= tf.shape(tensors["frames"])[1])
            _require(tensors, "lengths", fits, "must lie in 0 .. steps of `frames`")
            # Padding may hold anything, NaN included.
            mask = _mask(tensors["frames"], tensors["lengths"])
            tensors["frames"] = _keep(mask, tensors["frames"])
        for name, x in tensors.items():
            if test := self._test_of(name, x):
                _require(tensors, name, *test)
        for name in {"frame", "frames"} & set(tensors):
            tensors[name] = tf.cast(tensors[name], self.model.head.variable_dtype)
        return tensors

    def _test_of(self, name, x):
        """Returns which values of an input are right, and what they must be; None if all are."""
        if name in ("frame", "frames"):
            kind = self.model.head.visible_kind
            return kind.takes(x), kind.WANTED
        if name == "code":
            return (x >= 0) & (x <= 1), "must lie in [0, 1]"
        if name == "first_step":
            return x >= 0, "must be at least 0"
        if name == "num_steps":
            return (x >= 0) & (x <= self.max_steps), f"must lie in 0 .. {self.max_steps}"
        if name == "temperature":
            return (x > 0) & tf.math.is_finite(x), "must be above 0 and finite"
        return (tf.math.is_finite(x), "must be finite") if x.dtype.is_floating else None


def _require(tensors, name, condition, message):
    """Makes all use of `tensors[name]` fail unless `condition` holds."""
    check = tf.debugging.Assert(tf.reduce_all(condition), [f"`{name}` {message}."])
    with tf.control_dependencies([check]):
        tensors[name] = tf.identity(tensors[name])


def _mask(frames, lengths):
    return tf.sequence_mask(lengths, tf.shape(frames)[1])


def _keep(mask, x, otherwise=0):
    """Returns `x` where `mask`, over the first axes of `x`, is true, and `otherwise` elsewhere."""
    mask = tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (x.shape.rank - mask.shape.rank)], 0))
    return tf.where(mask, x, tf.cast(otherwise, x.dtype))


def _joined(function, stop, step, like):
    """Joins both results of `function(0)`, `function(step)`, ... below `stop`, one at a time."""

    def body(i, *results):
        new = function(i)
        return i + step, *(tf.concat(pair, axis=0) for pair in zip(results, new, strict=True))

    shape = tf.TensorShape([None] * like.shape.rank)
    _, *results = tf.while_loop(
        lambda i, *_: i < stop,
        body,
        (0, like[:0], like[:0]),
        shape_invariants=(tf.TensorShape(()), shape, shape),
        parallel_iterations=1,  # to bound memory
    )
    return results


def _served(dtype):
    """Returns the dtype in a signature of a tensor that has `dtype` in the model."""
    return tf.float32 if dtype.is_floating else dtype


@contextlib.contextmanager
def _for_serving(memory):
    """Keeps two things of Keras's out of the graph.

    The cuDNN form of `LSTM` and `GRU` needs a machine with a GPU. The masks of dropout are drawn
    even where they have no effect, from a state that changes with each call.
    """
    serving = {"use_cudnn": False, "dropout": 0.0, "recurrent_dropout": 0.0}
    before = [
        (layer, name, vars(layer)[name])
        for layer in ([] if memory is None else memory._flatten_layers())
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
