"""Parts of an option of a run: its name, the type of its value, its default and its help.

`seqlayers.runs.options.listing` has the options themselves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from seqlayers.checks import check_choice, check_flag, check_integer, check_number

# `check(name, value)` of a type returns the value, or raises a ValueError that has the name.


class Integer(NamedTuple):
    """An integer of at least `least`, and of at most `most` if that is not None."""

    least: int
    most: int | None = None
    metavar: str = "N"

    def check(self, name, value):
        return check_integer(name, value, self.least, self.most)


class Number(NamedTuple):
    """A finite number within bounds, which it may equal (`least`, `most`) or not."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    metavar: str = "NUMBER"

    def check(self, name, value):
        return check_number(name, value, self.least, self.above, self.most, self.below)


class Boolean(NamedTuple):
    """True or False, on the command line `true` or `false`."""

    metavar: str = "true|false"

    def check(self, name, value):
        return check_flag(name, value)


class Choice(NamedTuple):
    """One of some strings."""

    values: tuple[str, ...]

    def check(self, name, value):
        return check_choice(name, value, self.values)


class Pair(NamedTuple):
    """Two values of a type, the low one before the high one, as a list; `around` lies between.

    They may be equal, unless they are `apart`.
    """

    kind: Any
    around: float | None = None
    apart: bool = False

    def check(self, name, value):
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError(f"`{name}` must be two values, LOW HIGH. Received: {value!r}.")
        low, high = (self.kind.check(name, each) for each in value)
        if low > high or (self.apart and low == high):
            raise ValueError(f"`{name}` must be LOW before HIGH. Received: {low:g} {high:g}.")
        if self.around is not None and not low <= self.around <= high:
            raise ValueError(
                f"`{name}` must have {self.around} from LOW to HIGH. Received: {low:g} {high:g}."
            )
        return [low, high]


class Several(NamedTuple):
    """One or more values of a type, each once; on the command line with commas between them."""

    kind: Any

    @property
    def metavar(self):
        return f"{self.kind.metavar},{self.kind.metavar},..."

    def check(self, name, value):
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(
                f"`{name}` must be numbers, with commas between them. Received: {value!r}."
            )
        checked = [self.kind.check(name, each) for each in value]
        if len(set(checked)) < len(checked):
            raise ValueError(f"`{name}` must hold each number once. Received: {value!r}.")
        return checked


class Lines(NamedTuple):
    """Names of files, each once, as a list; on the command line a text file with one a line."""

    metavar: str = "FILE"

    def check(self, name, value):
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"`{name}` must list at least one file. Received: {value!r}.")
        checked = [_check_text(name, each) for each in value]
        for each in checked:
            if checked.count(each) > 1:
                raise ValueError(f"`{name}` must list each once. Received: {each!r} twice.")
        return checked


class Text(NamedTuple):
    """Any string."""

    metavar: str

    def check(self, name, value):
        return _check_text(name, value)


class Path(NamedTuple):
    """A file or a folder that exists, or only a folder."""

    folder: bool = False

    def check(self, name, value):
        return _check_text(name, value)


def _check_text(name, value):
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"`{name}` must be text. Received: {value!r}.")
    return value


class OptionError(ValueError):
    """An option that is unknown, has no effect, or has a wrong value.

    Attributes:
        option: Name of the option.
    """

    def __init__(self, option, message):
        super().__init__(option, message)  # both, so that it can be pickled
        self.option = option

    def __str__(self):
        return self.args[1]


def always(name, options):
    """The rule of an option that has an effect in every run."""
    return None


class Option(NamedTuple):
    """An option of a run.

    Attributes:
        name: Its name in Python; `flag(name)` is its name on the command line.
        type: `Integer`, `Number`, `Boolean`, `Choice`, `Pair`, `Several`, `Lines`, `Text` or
            `Path`.
        default: Its default; None where there is none.
        help: An instruction to the person at the command line.
        applies_to: Function `(name, options)` that returns None if the option has an effect, else
            the option that leaves it without one, as written on the command line. See
            `seqlayers.runs.options.rules`.
        with_wav: Its default on recordings, where it differs.
        with_labels: Its default on recordings with labels, where it differs.
    """

    name: str
    type: Any
    default: Any
    help: str
    applies_to: Callable[[str, dict[str, Any]], str | None] = always
    with_wav: Any = None
    with_labels: Any = None


def flag(name):
    """Returns the name of an option on the command line."""
    return "--" + name.replace("_", "-")
