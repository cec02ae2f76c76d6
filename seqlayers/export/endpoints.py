"""Endpoints of an export: functions with checked inputs, and outputs in float32."""

import functools

import tensorflow as tf


class Endpoints:
    """Functions behind signatures. Each takes tensors by name and returns a dictionary.

    A subclass sets `specs`, defines the functions, and lists them in `signatures`.

    Args:
        dtype: Type in which the model takes the inputs that are `frames`, `frame` or `block`.

    Attributes:
        specs: `tf.TensorSpec` of each input, by its name.
    """

    def __init__(self, dtype):
        self.dtype = dtype
        self.specs = {}

    def signatures(self):
        """Returns a concrete function for each signature but the default one."""
        raise NotImplementedError

    def test_of(self, name, x):
        """Returns which values of an input are right, and what they must be; None if all are."""
        return (tf.math.is_finite(x), "must be finite") if x.dtype.is_floating else None

    def add_states(self, template, names):
        """Makes the parts of a state inputs, by their names.

        Args:
            template: The state of two sequences.
            names: A name for each part.

        Raises:
            ValueError: If a part does not have a row for each sequence.
        """
        for name, part in zip(names, template, strict=True):
            if part.shape.rank == 0 or part.shape[0] != 2:
                raise ValueError(
                    "Each state of the memory must have one row for each sequence. "
                    f"Received: {name} of shape {part.shape} for 2 sequences."
                )
            self.specs[name] = tf.TensorSpec((None, *part.shape[1:]), served(part.dtype))

    def concrete(self, function, *names):
        def endpoint(**tensors):
            outputs = function(**self._checked(tensors))
            # Each output is a tensor of its own, even where two of them are equal.
            return {name: tf.identity(tf.cast(x, served(x.dtype))) for name, x in outputs.items()}

        endpoint.__name__ = function.__name__
        specs = {
            name: tf.TensorSpec(self.specs[name].shape, self.specs[name].dtype, name)
            for name in names
        }
        return tf.function(endpoint, autograph=False).get_concrete_function(**specs)

    def _checked(self, tensors):
        """Returns the inputs, checked; frames in the dtype of the model, and 0 where padded."""
        # TensorFlow itself compares no shapes when it calls what it has loaded.
        tensors = {
            name: tf.ensure_shape(x, self.specs[name].shape, name=f"shape_of_{name}")
            for name, x in tensors.items()
        }
        first, *others = tensors
        for name in others:
            same = tf.equal(tf.shape(tensors[name])[0], tf.shape(tensors[first])[0])
            require(tensors, name, same, f"must have as many rows as `{first}`")
        if "frames" in tensors:
            lengths = tensors["lengths"]
            fits = (lengths >= 0) & (lengths <= tf.shape(tensors["frames"])[1])
            require(tensors, "lengths", fits, "must lie in 0 .. steps of `frames`")
            # Padding may hold anything, NaN included.
            mask = mask_of(tensors["frames"], tensors["lengths"])
            tensors["frames"] = keep_where(mask, tensors["frames"])
        for name, x in tensors.items():
            if test := self.test_of(name, x):
                require(tensors, name, *test)
        for name in {"frame", "frames", "block"} & set(tensors):
            tensors[name] = tf.cast(tensors[name], self.dtype)
        return tensors


def of_any_length(endpoint):
    """Makes an endpoint over all steps of `frames` take none: loops over time need one."""

    @functools.wraps(endpoint)
    def padded(self, frames, lengths, **more):
        time = tf.shape(frames)[1]
        frames = tf.pad(frames, [(0, 0), (0, tf.cast(time == 0, tf.int32)), (0, 0)])
        outputs = endpoint(self, frames, lengths, **more)
        return {name: x[:, :time] for name, x in outputs.items()}

    return padded


def require(tensors, name, condition, message):
    """Makes all use of `tensors[name]` fail unless `condition` holds."""
    check = tf.debugging.Assert(tf.reduce_all(condition), [f"`{name}` {message}."])
    with tf.control_dependencies([check]):
        tensors[name] = tf.identity(tensors[name])


def mask_of(frames, lengths):
    """Returns which frames are there, bool `(batch, time)`."""
    return tf.sequence_mask(lengths, tf.shape(frames)[1])


def keep_where(mask, x, otherwise=0):
    """Returns `x` where `mask`, over the first axes of `x`, is true, and `otherwise` elsewhere."""
    mask = tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (x.shape.rank - mask.shape.rank)], 0))
    return tf.where(mask, x, tf.cast(otherwise, x.dtype))


def served(dtype):
    """Returns the dtype in a signature of a tensor that has `dtype` in the model."""
    return tf.float32 if dtype.is_floating else dtype
