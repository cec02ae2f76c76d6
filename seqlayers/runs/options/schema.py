"""Parts of an option of a run: its name, the type of its value, its default and its help.

`seqlayers.runs.options.listing` has the options themselves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Integer(NamedTuple):
    """An integer of at least `least`, and of at most `most` if that is not None."""

    least: int
    most: int | None = None
    metavar: str = "N"


class Number(NamedTuple):
    """A finite number within bounds, which it may equal (`least`, `most`) or not."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    metavar: str = "NUMBER"


class Choice(NamedTuple):
    """One of some strings."""

    values: tuple[str, ...]


class Pair(NamedTuple):
    """Two values, low and high."""

    kind: Any


class Text(NamedTuple):
    """Any string."""

    metavar: str


class Path(NamedTuple):
    """A file or a folder that exists, or only a folder."""

    folder: bool = False


class OptionError(ValueError):
    """An option that is unknown, has no effect, or has a wrong value.

    Attributes:
        option: Name of the option.
    """

    def __init__(self, option, message):
        super().__init__(message)
        self.option = option


def always(name, options):
    """The rule of an option that has an effect in every run."""
    return None


class Option(NamedTuple):
    """An option of a run.

    Attributes:
        name: Its name in Python; `flag(name)` is its name on the command line.
        type: `Integer`, `Number`, `Choice`, `Pair`, `Text` or `Path`.
        default: Its default; None where there is none.
        help: An instruction to the person at the command line.
        applies_to: Function `(name, options)` that returns None if the option has an effect, else
            the option that leaves it without one, as written on the command line. See
            `seqlayers.runs.options.rules`.
        with_wav: Its default on recordings, where it differs.
    """

    name: str
    type: Any
    default: Any
    help: str
    applies_to: Callable[[str, dict[str, Any]], str | None] = always
    with_wav: Any = None


def flag(name):
    """Returns the name of an option on the command line."""
    return "--" + name.replace("_", "-")
