"""What a run can be told: options, what they are if nothing is said, and where they have a part.

The command line, recipes and runs share this page. It imports no TensorFlow.
"""

from typing import Any, NamedTuple


class Model(NamedTuple):
    """What `--model` names."""

    title: str
    head: str  # one of `seqlayers.runs.HEADS`; of "tied" the memory is the head's own
    memory: bool  # whether a recurrent layer remembers the frames before


MODELS = {
    "rnn-bernoulli": Model("independent keys after a recurrent layer", "bernoulli", True),
    "rbm": Model("RBM without time", "rbm", False),
    "rnn-rbm": Model("RNN-RBM", "rbm", True),
    "rtrbm": Model("RTRBM", "tied", False),
    "nade": Model("NADE without time", "nade", False),
    "rnn-nade": Model("RNN-NADE", "nade", True),
    "dbn": Model("DBN without time", "dbn", False),
    "rnn-dbn": Model("RNN-DBN", "dbn", True),
}
SOURCES = ("dataset", "midi", "wav")  # a run has one of them
CELLS = ("tanh", "tanh-gated", "gru", "lstm", "sfm")
GATES = ("sigmoid", "tanh")
VISIBLES = ("gaussian", "gamma", "bernoulli")
NONFINITE = ("skip", "shrink")
OPTIMIZERS = ("adam", "rmsprop", "sgd", "nesterov")
SCHEDULES = ("constant", "linear", "cosine", "phases")

# Those of `seqlayers.audio.segments`.
SEGMENTS: dict[str, Any] = {
    "threshold": 90.0,
    "buffer": 5.0,
    "min_spacing": 2.0,
    "window": 4.0,
    "min_length": 15.0,
    "max_length": 500.0,
    "long": "drop",
    "band": None,
}
DEFAULTS: dict[str, Any] = {
    "recipe": None,
    "dataset": None,
    "midi": None,
    "step_in_beats": None,
    "transpose": 0,
    "wav": None,
    "sample_rate": None,
    "channel": None,
    **SEGMENTS,
    "model": "rnn-rbm",
    "visibles": "gaussian",
    "hidden_units": 150,
    "hidden_layers": 2,
    "gibbs_steps": 15,
    "sampling_steps": 25,
    "persistent_chains": None,
    "centering_rate": None,
    "l1": 0.0,
    "num_betas": 100,
    "cell": "tanh",
    "gate_activation": "sigmoid",
    "recurrent_units": 150,
    "recurrent_layers": 1,
    "num_frequencies": 4,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "context_dropout": 0.0,
    "pretrain_head": None,
    "pretrain_memory": None,
    "pretrain_layers": None,
    "epochs": 100,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "momentum": 0.9,
    "clip_norm": 1.0,
    "nonfinite": "skip",
    "augment": None,
    "max_steps": None,
    "patience": None,
    "validate_every": 5,
    "seed": 0,
}

# What is else with recordings: the sizes of the RNN-RBM on spectrograms, as published.
OF_RECORDINGS: dict[str, Any] = {
    "hidden_units": 219,
    "sampling_steps": 20,
    "l1": 1e-4,
    "cell": "tanh-gated",
    "recurrent_units": 167,
    "recurrent_layers": 3,
    "batch_size": 20,
}

_MEMORY = {"cell", "recurrent_units", "recurrent_layers", "num_frequencies", "gate_activation"}
_MEMORY |= {"dropout", "recurrent_dropout", "context_dropout", "pretrain_memory"}
_MEMORY |= {"pretrain_layers"}
_OF_RBM = {"hidden_units", "gibbs_steps", "sampling_steps", "num_betas", "pretrain_head"}
_HEAD = _OF_RBM | {"hidden_layers", "persistent_chains", "centering_rate", "l1"}
_HEAD |= {"pretrain_layers"}
_OF_HEAD = {
    "bernoulli": set(),
    "rbm": _OF_RBM | {"centering_rate", "l1"},
    "tied": _OF_RBM | {"centering_rate"},
    "nade": {"hidden_units", "pretrain_head"},
    "dbn": _OF_RBM | {"hidden_layers", "pretrain_layers"},
}
_REAL_HEADS = ("rbm", "tied")  # whose visible units may be other than Bernoulli


def unused(options):
    """The options that have no part in a run.

    Args:
        options: Dictionary of some of `DEFAULTS`; the others are what they are if nothing is said.

    Returns:
        Dictionary of such an option and of the option, as written, that leaves it no part.
    """
    options = _with_defaults(options)
    model, name = MODELS[options["model"]], f"--model {options['model']}"
    without = dict.fromkeys(_HEAD - _OF_HEAD[model.head], name)
    if not model.memory:
        without |= dict.fromkeys(_MEMORY, name)
    if model.head == "rbm" and not model.memory:
        del without["persistent_chains"]
        without["pretrain_head"] = name  # that is all the training there is
    if model.head == "dbn" and options["hidden_layers"] == 1:
        without["pretrain_layers"] = "--hidden-layers 1"
    if options["pretrain_layers"] and "pretrain_layers" not in without:
        without["pretrain_head"] = "--pretrain-layers"
    if model.memory and options["cell"] != "sfm":
        without["num_frequencies"] = f"--cell {options['cell']}"
    if model.memory and options["cell"] != "tanh-gated":
        without["gate_activation"] = f"--cell {options['cell']}"
    if options["optimizer"] != "nesterov":
        without["momentum"] = f"--optimizer {options['optimizer']}"
    if not (options["dataset"] or options["midi"]):  # recordings, or a recipe for them
        without |= dict.fromkeys(("step_in_beats", "transpose"), "--wav")
        without["augment"] = "--wav, where there are no notes to shift"
        if model.head not in _REAL_HEADS:
            without["visibles"] = name
        else:
            if options["visibles"] == "gamma":
                without["centering_rate"] = "--visibles gamma"
            if options["visibles"] != "bernoulli":
                without["pretrain_memory"] = f"--visibles {options['visibles']}"
    else:
        music = "--dataset" if options["dataset"] else "--midi"
        of_sound = ("visibles", "sample_rate", "channel", *SEGMENTS)
        without |= dict.fromkeys(of_sound, f"{music}, which is for music")
    if options["dataset"]:
        without |= dict.fromkeys(("step_in_beats", "transpose"), "--dataset")
    return without


def complete(options):
    """All options of a run from those that were told: defaults added, None where without a part.

    Args:
        options: Dictionary of some of `DEFAULTS`.

    Raises:
        ValueError: If there is no such option, or if one has no part in the run.
    """
    for name in options.keys() - DEFAULTS.keys():
        raise ValueError(
            f"An option must be one of {', '.join(DEFAULTS)}. Received: {name}={options[name]!r}."
        )
    whole = _with_defaults(options)
    without = unused(options)
    for name in sorted(options.keys() & without.keys()):
        if options[name] is not None:
            raise ValueError(f"{flag(name)} has no part in {without[name]}; leave it out.")
    if whole["midi"] and not whole["step_in_beats"]:
        whole["step_in_beats"] = 0.5
    whole = {k: list(v) if isinstance(v, tuple) else v for k, v in whole.items()}
    return whole | dict.fromkeys(without)


def completed(options):
    """The options of a run of an earlier version, with those that it did not have yet."""
    for name in options.keys() - DEFAULTS.keys():
        raise ValueError(f"There is no option {name}.")
    missing = unused(options).keys() - options.keys()
    return _with_defaults(options) | dict.fromkeys(missing)


def segment_options(options):
    """The part of a run's options that `seqlayers.audio.segments` takes.

    Raises:
        ValueError: If they do not go together.
    """
    found = {name: options[name] for name in SEGMENTS}
    least, most, band = found["min_length"], found["max_length"], found["band"]
    if least > most:
        raise ValueError(
            f"--min-length must not be above --max-length. Received: {least:g} and {most:g}."
        )
    if band and band[0] >= band[1]:
        raise ValueError(f"--band wants LOW before HIGH. Received: {band[0]:g} {band[1]:g}.")
    return found


def flag(name):
    """How an option is written on the command line."""
    return "--" + name.replace("_", "-")


def _with_defaults(options):
    return DEFAULTS | (OF_RECORDINGS if options.get("wav") else {}) | options
