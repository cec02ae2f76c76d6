"""Calls that depend on the backend of Keras, and refusals where TensorFlow is missing.

Layers, heads, energies, audio and metrics run on TensorFlow and on JAX, whichever of them Keras
runs on. Models and exports run on TensorFlow alone; datasets of `tf.data` need it installed.
"""

import functools

_INSTALL = "`pip install 'seqlayers[tensorflow]'`"


def import_tensorflow(what):
    """Returns the module `tensorflow`, whatever Keras runs on.

    Args:
        what: Name of that which needs it, for the message.

    Raises:
        ImportError: If TensorFlow is not installed.
    """
    try:
        import tensorflow
    except ImportError as error:
        raise ImportError(
            f"`{what}` needs TensorFlow; install it by {_INSTALL}. Received: {error}.",
            name="tensorflow",
        ) from error
    return tensorflow


def check_keras_on_tensorflow(what):
    """Checks that Keras runs on TensorFlow.

    Args:
        what: Name of that which needs it, for the message.

    Raises:
        ImportError: If Keras runs on something else.
    """
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"`{what}` needs Keras on TensorFlow; install it by {_INSTALL} and set "
            "KERAS_BACKEND=tensorflow. On JAX, use `seqlayers.layers` and `seqlayers.heads` in a "
            f'`keras.Model`. Received: Keras on "{backend}".'
        )


@functools.cache
def in_one_call(function):
    """Returns a function whose operations TensorFlow traces once and then runs as one call.

    Dozens of small operations would be dispatched by Keras one by one at each use: with those of
    seeds in one call a model is traced in up to a fifth less time, and eager code draws several
    times faster. Arrays are uint32, since TensorFlow keeps int32 arguments of a call off the GPU.

    Args:
        function: Takes two uint32 arrays that broadcast; returns one of their broadcast shape.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    any_shape = tf.TensorSpec(None, tf.uint32)
    traced = tf.function(function, autograph=False).get_concrete_function(any_shape, any_shape)

    def call(x, y):
        result = traced(x, y)
        result.set_shape(tf.broadcast_static_shape(x.shape, y.shape))
        return result

    return call
