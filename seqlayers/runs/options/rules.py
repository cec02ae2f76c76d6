"""Rules by which an option of a run has an effect: the values of `Option.applies_to`.

A rule takes the name of an option and all options of a run. It returns None if the option has an
effect, else the option that leaves it without one, as written on the command line.
"""

from seqlayers.runs.options.schema import flag
from seqlayers.runs.registry import CELLS, MODELS

SOURCES = ("dataset", "midi", "wav")  # a run has one of them


def source(options):
    """Returns which of `SOURCES` the data come from; "wav" in a recipe that names no data."""
    return next((name for name in SOURCES if options[name]), "wav")


def _with_value(name, options):
    return f"{flag(name)} {options[name]}"


def midi(name, options):
    """Applies to MIDI files."""
    return None if source(options) == "midi" else flag(source(options))


def share(name, options):
    """Applies to MIDI files, for a split without a list of its files."""
    listed = f"{name}_files"
    return midi(name, options) or (flag(listed) if options[listed] else None)


def split_seed(name, options):
    """Applies to MIDI files, unless both splits are listed."""
    splits = [each for each in ("valid", "test") if not share(each, options)]
    return midi(name, options) or (None if splits else share("test", options))


def music(name, options):
    """Applies to music."""
    return None if source(options) != "wav" else "--wav"


def told(name, options):
    """Applies to music and models with a recurrent layer, in place of --augment."""
    without = music(name, options) or memory(name, options)
    return without or ("--augment" if options["augment"] else None)


def sound(name, options):
    """Applies to recordings."""
    return None if source(options) == "wav" else flag(source(options))


def labels(name, options):
    """Applies to recordings with labels."""
    return sound(name, options) or (None if options["labels"] else "no --labels")


def sequences(name, options):
    """Applies to models of sequences, not to those that learn labels."""
    return "--labels" if options["labels"] else None


def segments(name, options):
    """Applies to recordings without labels."""
    return sound(name, options) or sequences(name, options)


def head(name, options):
    """Applies to heads that list the option."""
    without = sequences(name, options)
    if without or name in MODELS[options["model"]].head.options:
        return without
    return _with_value("model", options)


def keys(name, options):
    """Applies to music, with heads that list the option."""
    return music(name, options) or head(name, options)


def memory(name, options):
    """Applies to models with a recurrent layer."""
    without = sequences(name, options)
    if without or MODELS[options["model"]].memory:
        return without
    return _with_value("model", options)


def units(name, options):
    """Applies to models with a recurrent layer that has units."""
    without = memory(name, options)
    if without or CELLS[options["cell"]].has_units:
        return without
    return _with_value("cell", options)


def cell(name, options):
    """Applies to cells that list the option."""
    without = memory(name, options)
    if without or name in CELLS[options["cell"]].options:
        return without
    return _with_value("cell", options)


def spread(name, options):
    """Applies to cells that list the option, with 3 frequencies or more."""
    few = _with_value("num_frequencies", options) if options["num_frequencies"] < 3 else None
    return cell(name, options) or few


def history(name, options):
    """Applies to music, with the cell history."""
    without = music(name, options) or memory(name, options)
    if without or options["cell"] == "history":
        return without
    return _with_value("cell", options)


def visibles(name, options):
    """Applies to recordings, with heads that list the option: keys of music are Bernoulli units."""
    return sound(name, options) or head(name, options)


def without_memory(name, options):
    """Applies to heads that list the option, without a recurrent layer."""
    model = MODELS[options["model"]]
    return head(name, options) or (_with_value("model", options) if model.memory else None)


def centering(name, options):
    """Applies to heads that list the option, unless visible units are gamma."""
    gamma = source(options) == "wav" and options["visibles"] == "gamma"
    return head(name, options) or (_with_value("visibles", options) if gamma else None)


def pretrains_head(name, options):
    """Applies to heads with hidden units, except the model rbm, which trains no more than that."""
    if without := sequences(name, options):
        return without
    if options["model"] == "rbm" or head("hidden_units", options):
        return _with_value("model", options)
    in_layers = options["pretrain_layers"] and not pretrains_layers("pretrain_layers", options)
    return "--pretrain-layers" if in_layers else None


def pretrains_memory(name, options):
    """Applies to models with a recurrent layer, if frames are of keys or of [0, 1]."""
    real = not visibles("visibles", options) and options["visibles"] != "bernoulli"
    return memory(name, options) or (_with_value("visibles", options) if real else None)


def pretrains_layers(name, options):
    """Applies to heads of several layers after a recurrent layer."""
    one = _with_value("hidden_layers", options) if options["hidden_layers"] == 1 else None
    return head("hidden_layers", options) or memory(name, options) or one


def nesterov(name, options):
    """Applies to the optimizer nesterov."""
    return None if options["optimizer"] == "nesterov" else _with_value("optimizer", options)


def warms_up(name, options):
    """Applies to models with a recurrent layer whose sequences are cut."""
    return memory(name, options) or (None if options["max_steps"] else "no --max-steps")
