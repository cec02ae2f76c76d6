"""Options of a training run: their defaults, and which of them apply to which model.

`listing` has each option once, with its type (`schema`) and the rule by which it has an effect
(`rules`). The command line, the defaults, the check of options without an effect, recipes and
`config.json` follow from it. TensorFlow is not imported.
"""

import contextlib
import re
from typing import Any

from seqlayers.audio.segments import SegmentRules
from seqlayers.files import FileError
from seqlayers.runs.options.listing import DATA, MODEL, SEGMENTS, TRAINING
from seqlayers.runs.options.schema import OptionError, Pair, flag

OPTIONS = {each.name: each for each in (*DATA, *SEGMENTS, *MODEL, *TRAINING)}
DEFAULTS = {name: each.default for name, each in OPTIONS.items()}
# On recordings: the sizes of the RNN-RBM on spectrograms, as published.
WITH_WAV = {name: each.with_wav for name, each in OPTIONS.items() if each.with_wav is not None}


def unused(options):
    """Returns the options that have no effect in a run.

    Args:
        options: Dictionary of options by name; those not in it have their defaults.

    Returns:
        Dictionary from the name of an option to the option, as written on the command line, that
        leaves it without an effect.
    """
    options = _with_defaults(options)
    found = {name: each.applies_to(name, options) for name, each in OPTIONS.items()}
    return {name: because for name, because in found.items() if because}


def complete(options):
    """Returns all options of a new run: those given, defaults, None where there is no effect.

    Args:
        options: Dictionary of options by name. None counts as not given.

    Raises:
        OptionError: If there is no such option, one has no effect, or a pair is the wrong way
            round.
    """
    _check_names(options)
    options = {name: value for name, value in options.items() if value is not None}
    without = unused(options)
    for name in sorted(options.keys() & without.keys()):
        raise OptionError(name, f"`{flag(name)}` has no effect with `{without[name]}`; remove it.")
    whole: dict[str, Any] = _with_defaults(options) | dict.fromkeys(without)
    pairs = [name for name, each in OPTIONS.items() if isinstance(each.type, Pair) and whole[name]]
    for name in pairs:
        low, high = whole[name]
        if low > high:
            raise OptionError(
                name, f"`{flag(name)}` must be LOW before HIGH. Received: {low:g} {high:g}."
            )
        whole[name] = [low, high]
    return whole


def upgrade(options):
    """Returns all options of a run that an earlier version began.

    Args:
        options: Dictionary of the options that there were. Others have their defaults, or None
            where they have no effect.

    Raises:
        OptionError: If there is no such option, as in a run of a later version.
    """
    _check_names(options)
    missing = unused(options).keys() - options.keys()
    return _with_defaults(options) | dict.fromkeys(missing)


def segment_rules(options):
    """Returns the `audio.SegmentRules` among the options of a run.

    Raises:
        ValueError: If they contradict each other.
    """
    with naming_flags():
        return SegmentRules(**{each.name: options[each.name] for each in SEGMENTS})


def with_flags(message):
    """Returns a message on `audio.SegmentRules` with its fields as on the command line."""
    names = "|".join(each.name for each in SEGMENTS)
    return re.sub(rf"(?<![-\w])({names})(\[\d\])?(?=[`=])", lambda match: flag(match[1]), message)


@contextlib.contextmanager
def naming_flags():
    """Names options as on the command line in errors of `audio.SegmentRules` and `segments`."""
    try:
        yield
    except ValueError as error:
        error.args = (with_flags(str(error)),)
        if isinstance(error, FileError):
            error.reason = with_flags(error.reason)
        raise


def _with_defaults(options):
    return DEFAULTS | (WITH_WAV if options.get("wav") else {}) | options


def _check_names(options):
    for name in options.keys() - OPTIONS.keys():
        raise OptionError(name, f"An option must be one of {', '.join(OPTIONS)}. Received: {name}.")
