"""Checks of arguments, shared by all rooms."""

import contextlib
import math
import numbers
import operator
import reprlib

import numpy as np

# What was received, in messages: as `repr` writes it, but cut where it is long or nested deeply.
_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = _SHORT.maxlong = 200
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20


class NotFiniteError(ValueError):
    """Weights of a model, or numbers computed from them, that are not finite."""


def counted(number, noun):
    """Returns a number with its noun, in the singular or the plural, as text.

    Example:
        >>> counted(1, "batch"), counted(2, "batch"), counted(2000, "epoch")
        ('1 batch', '2 batches', '2,000 epochs')
    """
    plural = "es" if noun.endswith("tch") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def check_integer(name, value, least=1, most=None):
    """Returns `value` as an int.

    Args:
        name: Name of the argument, for the message.
        value: An integer; NumPy's and arrays and tensors without axes are accepted, bools are not.
        least, most: Smallest and largest value accepted; no largest one if `most` is None.

    Raises:
        ValueError: If `value` is not an integer in that range.
    """
    given, value = value, _scalar(value)
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(
            f"`{name}` must be an integer {bounds}. Received: {name}={_SHORT.repr(given)}."
        )
    return number


def check_number(name, value, least=None, above=None, most=None, below=None):
    """Returns `value` as a float.

    Args:
        name: Name of the argument, for the message.
        value: A finite real number; NumPy's and arrays and tensors without axes are accepted, bools
            are not.
        least, above: Lower bound, which the value may equal (`least`) or not (`above`).
        most, below: Upper bound, which the value may equal (`most`) or not (`below`).

    Raises:
        ValueError: If `value` is not a finite number within the bounds.
    """
    number, given, value = math.nan, value, _scalar(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an integer beyond all floats
            number = float(value)
    tests = {
        "of at least": (least, operator.ge),
        "above": (above, operator.gt),
        "of at most": (most, operator.le),
        "below": (below, operator.lt),
    }
    tests = {word: test for word, test in tests.items() if test[0] is not None}
    if not (math.isfinite(number) and all(holds(number, at) for at, holds in tests.values())):
        bounds = " and ".join(f"{word} {at:g}" for word, (at, _) in tests.items())
        if least is not None and most is not None:
            bounds = f"from {least:g} to {most:g}"
        raise ValueError(
            f"`{name}` must be a finite number {bounds}".rstrip()
            + f". Received: {name}={_SHORT.repr(given)}."
        )
    return number


def _scalar(value):
    """Returns the number in an array or a tensor without axes; anything else as it is."""
    if not isinstance(value, np.generic) and getattr(value, "shape", None) == ():
        # A tensor of a graph has no value yet: TensorFlow's, JAX's, and one of a functional model.
        with contextlib.suppress(NotImplementedError, TypeError, ValueError):
            return np.asarray(value)[()]
    return value


def check_choice(name, value, choices):
    """Returns `value`.

    Args:
        name: Name of the argument, for the message.
        value: A string.
        choices: The strings accepted.

    Raises:
        ValueError: If `value` is not one of `choices`.
    """
    if not isinstance(value, str) or value not in choices:
        known = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"`{name}` must be {known}. Received: {name}={_SHORT.repr(value)}.")
    return value


def check_flag(name, value):
    """Returns `value` as a bool.

    Args:
        name: Name of the argument, for the message.
        value: True or False; NumPy's, 0 and 1 are accepted.

    Raises:
        ValueError: If `value` is anything else.
    """
    scalar = _scalar(value)
    if not isinstance(scalar, numbers.Real | np.bool_) or scalar not in (0, 1):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={_SHORT.repr(value)}.")
    return bool(scalar)


def check_sequences(sequences, features=None, name="sequences"):
    """Checks that data is a list of sequences a model can take.

    Args:
        sequences: A list of arrays `(T, F)` or one array `(N, T, F)`; of booleans, integers or
            floats, all finite as float32, with T at least 1 and F the same for all.
        features: Number F expected; any if None.
        name: Name of the argument, for the message.

    Returns:
        List of arrays `(T, F)`, not copied, of unchanged types.

    Raises:
        ValueError: If there is no sequence, or one has another shape, no frames, another type or
            values that are not finite. The message gives its place in the list.

    Example:
        >>> [s.shape for s in check_sequences([[[0, 1], [1, 1]], np.zeros((5, 2))])]
        [(2, 2), (5, 2)]
    """
    wanted = f"`{name}` must be a list of arrays `(time, features)` or one array of rank 3"
    if not isinstance(sequences, list | tuple):
        try:
            sequences = np.asarray(sequences)
        except Exception as error:
            raise ValueError(f"{wanted}. Received: {type(sequences).__name__}.") from error
        if sequences.ndim != 3:
            hint = "; put a single sequence in a list" if sequences.ndim == 2 else ""
            raise ValueError(f"{wanted}{hint}. Received: an array of shape {sequences.shape}.")
    if len(sequences) == 0:
        raise ValueError(f"`{name}` must hold at least one sequence. Received: none.")

    arrays = []
    for n, sequence in enumerate(sequences):
        arrays.append(check_sequence(sequence, features, f"{name}[{n}]"))
        features = arrays[0].shape[1]
    return arrays


def check_sequence(sequence, features=None, name="sequence"):
    """Returns one sequence as an array `(T, F)`, checked as by `check_sequences`."""
    try:
        array = np.asarray(sequence)
    except Exception as error:
        raise ValueError(
            f"`{name}` must be an array `(time, features)`. "
            f"Received: {type(sequence).__name__} ({error})."
        ) from error
    if array.ndim != 2:
        raise ValueError(
            f"`{name}` must be an array `(time, features)`. Received: shape {array.shape}."
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold real numbers. Received: dtype {array.dtype}.")
    if len(array) == 0:
        raise ValueError(
            f"`{name}` must have at least one frame; remove empty sequences. "
            f"Received: shape {array.shape}."
        )
    if array.shape[1] != (features or array.shape[1]) or array.shape[1] == 0:
        raise ValueError(
            f"`{name}` must have {features or 'at least 1'} features. "
            f"Received: shape {array.shape}."
        )
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype("float32", copy=False))
        if not finite.all():
            step, feature = np.argwhere(~finite)[0]
            raise ValueError(
                f"`{name}` must be finite in float32; repair or remove the sequence. "
                f"Received: {array[step, feature]} at step {step}, feature {feature}."
            )
    return array


def check_finite(name, array, kinds="biuf", wanted="real"):
    """Returns an array of numbers with at least one axis, all finite in float32.

    Args:
        name: Name of the argument, for the message.
        array: The numbers.
        kinds: Kinds of NumPy types that are accepted.
        wanted: Description of these kinds, for the message.

    Raises:
        ValueError: If `array` has no axis, another type, or numbers that are not finite in float32.
    """
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"`{name}` must be an array of numbers. Received: {error}.") from error
    if array.dtype.kind not in kinds or array.ndim == 0:
        raise ValueError(
            f"`{name}` must be an array of numbers, {wanted}. "
            f"Received: shape {array.shape}, dtype {array.dtype}."
        )
    as_float32(name, array)
    return array


def as_float32(name, array):
    """Returns an array as float32, or as complex64 if it is complex.

    Raises:
        ValueError: If a number is not finite in that type.
    """
    with np.errstate(over="ignore"):
        array = array.astype("complex64" if array.dtype.kind == "c" else "float32", copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        at = tuple(np.argwhere(~finite)[0].tolist())
        raise ValueError(
            f"`{name}` must be finite in float32, and give finite results. "
            f"Received: {array[at]} at {at}."
        )
    return array


def check_weights(weights):
    """Checks that all numbers in a model's weights are finite.

    Args:
        weights: List of Keras variables.

    Raises:
        NotFiniteError: If there is a number that is not finite. The message names the weights.
    """
    wrong = []
    for weight in weights:
        values = weight.numpy()
        lost = values.size - np.count_nonzero(np.isfinite(values))
        if lost:
            wrong.append(f"{lost} of {values.size} in {weight.path}")
    if wrong:
        more = f" and {len(wrong) - 3} more weights" if len(wrong) > 3 else ""
        raise NotFiniteError(
            "The weights must be finite; load an earlier file of the model or train it anew. "
            f"Received: NaN or infinity, {', '.join(wrong[:3])}{more}."
        )
