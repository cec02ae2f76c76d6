"""Checks of arguments that any room may ask for."""

import operator

import numpy as np


def check_integer(name, value, least=1):
    """Returns `value` as an int.

    Raises:
        ValueError: unless `value` is an integer of at least `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_) or number < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}. Received: {name}={value!r}."
        )
    return number


def check_choice(name, value, choices):
    """Returns `value`.

    Raises:
        ValueError: unless `value` is one of `choices`.
    """
    if not isinstance(value, str) or value not in choices:
        known = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"`{name}` must be {known}. Received: {name}={value!r}.")
    return value
