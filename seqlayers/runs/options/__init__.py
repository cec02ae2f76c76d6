"""Options of a training run: their defaults, and which of them apply to which model.

`listing` has each option once, with its type (`schema`) and the rule by which it has an effect
(`rules`). The command line, the defaults, the check of options without an effect, recipes and
`config.json` follow from it. TensorFlow is not imported.
"""

import contextlib
import re
from dataclasses import replace

from seqlayers.audio.segment_rules import SegmentRules
from seqlayers.files import FileError
from seqlayers.runs.options.listing import DATA, LABELLER, MODEL, SEGMENTS, TRAINING
from seqlayers.runs.options.rules import SOURCES
from seqlayers.runs.options.schema import Boolean, Lines, OptionError, Several, flag

SEQUENCE = 250.0  # milliseconds: a sentence has sequences for all splits, a syllable is one
OPTIONS = {each.name: each for each in (*DATA, *SEGMENTS, *MODEL, *LABELLER, *TRAINING)}
DEFAULTS = {name: each.default for name, each in OPTIONS.items()}
# On recordings: the sizes of the RNN-RBM on spectrograms, as published.
WITH_WAV = {name: each.with_wav for name, each in OPTIONS.items() if each.with_wav is not None}
WITH_LABELS = {k: each.with_labels for k, each in OPTIONS.items() if each.with_labels is not None}


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
        OptionError: If there is no such option, one has no effect, or a value is of a wrong type or
            out of range.
    """
    options = _checked(options)
    without = unused(options)
    for name in sorted(options.keys() & without.keys()):
        raise OptionError(name, f"`{flag(name)}` has no effect with `{without[name]}`; remove it.")
    return _with_defaults(options) | dict.fromkeys(without)


def upgrade(options):
    """Returns all options of a run that has begun, perhaps with an earlier version.

    Args:
        options: Dictionary of the options that there were. Others have their defaults, or None
            where they have no effect.

    Raises:
        OptionError: As `complete`, or if an option is None that has a value in such a run.
    """
    given = _checked(options)
    # Earlier versions wrote the defaults of options without an effect.
    given = {k: v for k, v in given.items() if k not in unused(given) or v != DEFAULTS[k]}
    whole = complete(given)
    for name in options:
        if options[name] is None and whole[name] is not None:
            raise OptionError(name, f"`{flag(name)}` must have a value. Received: none.")
    return whole


def fixed(options):
    """Returns the names of the options that cannot change in a run that has begun."""
    may_change = ["patience", "validate_every"]
    if options["schedule"] == "constant":
        may_change.append("epochs")
    return [name for name in OPTIONS if name not in may_change]


def arguments(options):
    """Returns what is written on the command line for the options of a run, without its recipe."""
    names = (*SOURCES, "labels")
    sources = {name: options[name] for name in names if options[name] is not None}
    default = _with_defaults(sources)
    words = []
    for name, value in options.items():
        given = value is not None and name != "recipe"
        if given and (name in sources or value != default[name]):
            words += [flag(name), *written(name, value)]
    return words


def written(name, value):
    """Returns the words of the value of an option, as on the command line."""
    if isinstance(OPTIONS[name].type, Several):
        return [",".join(map(str, value))]
    if isinstance(OPTIONS[name].type, Boolean):
        return [str(value).lower()]
    if isinstance(OPTIONS[name].type, Lines):
        return [f"{name}.txt"]  # a file that the person has, under whatever name
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def segment_rules(options):
    """Returns the `audio.SegmentRules` among the options of `seqlayers segment`.

    Raises:
        ValueError: If they contradict each other.
    """
    with naming_flags():
        given = {each.name: options[each.name] for each in SEGMENTS}
        return SegmentRules(**{k: v for k, v in given.items() if v is not None})


def sequence_rules(options):
    """Returns the `audio.SegmentRules` of the sequences that a run trains on.

    They are those of `segment_rules`, but segments found by contrast, such as runs of speech, are
    split to sequences of at most `SEQUENCE` ms, unless `max_length` or `long` is given.

    Raises:
        ValueError: If options contradict each other.
    """
    rules = segment_rules(options)
    if rules.method != "contrast" or options["max_length"] or options["long"]:
        return rules
    return replace(rules, long="split", max_length=max(SEQUENCE, 2 * rules.min_length))


def with_flags(message):
    """Returns a message on `audio.SegmentRules` or label files, with options of commands in it."""
    names = "|".join([*(each.name for each in SEGMENTS), "tier", "column"])
    return re.sub(rf"(?<![-\w])({names})(\[\d\])?(?=[`=])", lambda match: flag(match[1]), message)


@contextlib.contextmanager
def naming_flags():
    """Names options as on the command line in errors of `audio.segments` and `datasets.labels`."""
    try:
        yield
    except ValueError as error:
        error.args = (with_flags(str(error)),)
        if isinstance(error, FileError):
            error.reason = with_flags(error.reason)
        raise


def _with_defaults(options):
    of_source = WITH_WAV if options.get("wav") else {}
    return DEFAULTS | of_source | (WITH_LABELS if options.get("labels") else {}) | options


def _checked(options):
    """Returns the options that are not None, with values of their types."""
    checked = {}
    for name, value in options.items():
        if name not in OPTIONS:
            raise OptionError(
                name, f"An option must be one of {', '.join(OPTIONS)}. Received: {name}."
            )
        if value is not None:
            try:
                checked[name] = OPTIONS[name].type.check(flag(name), value)
            except ValueError as error:
                raise OptionError(name, str(error)) from error
    return checked
