"""Checks of arguments, shared by all rooms."""

import math
import numbers
import operator

import numpy as np


def check_integer(name, value, least=1, most=None):
    """Returns `value` as an int.

    Args:
        name: Name of the argument, for the message.
        value: An integer; NumPy's are accepted, bools are not.
        least, most: Smallest and largest value accepted; no largest one if `most` is None.

    Raises:
        ValueError: If `value` is not an integer in that range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    outside = number is None or number < least or (most is not None and number > most)
    if isinstance(value, bool | np.bool_) or outside:
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"`{name}` must be an integer {bounds}. Received: {name}={value!r}.")
    return number


def check_number(name, value, least=None, above=None, most=None, below=None):
    """Returns `value` as a float.

    Args:
        name: Name of the argument, for the message.
        value: A finite real number; NumPy's scalars are accepted, bools are not.
        least, above: Lower bound, which the value may equal (`least`) or not (`above`).
        most, below: Upper bound, which the value may equal (`most`) or not (`below`).

    Raises:
        ValueError: If `value` is not a finite number within the bounds.
    """
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
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
        raise ValueError(
            f"`{name}` must be a finite number {bounds}".rstrip() + f". Received: {name}={value!r}."
        )
    return number


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
        raise ValueError(f"`{name}` must be {known}. Received: {name}={value!r}.")
    return value
