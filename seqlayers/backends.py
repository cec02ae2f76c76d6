"""Refusals by the parts of the package that need TensorFlow, where it is missing.

Layers, heads, energies, audio and metrics run on TensorFlow and on JAX, whichever of them Keras
runs on. Models and exports run on TensorFlow alone; datasets of `tf.data` need it installed.
"""

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
