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
CELLS = ("tanh", "gru", "lstm", "sfm")
OPTIMIZERS = ("adam", "rmsprop", "sgd", "nesterov")
SCHEDULES = ("constant", "linear", "cosine")

DEFAULTS: dict[str, Any] = {
    "recipe": None,
    "dataset": None,
    "midi": None,
    "step_in_beats": None,
    "transpose": 0,
    "model": "rnn-rbm",
    "hidden_units": 150,
    "hidden_layers": 2,
    "gibbs_steps": 15,
    "persistent_chains": None,
    "centering_rate": None,
    "num_betas": 100,
    "cell": "tanh",
    "recurrent_units": 150,
    "recurrent_layers": 1,
    "num_frequencies": 4,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "context_dropout": 0.0,
    "pretrain_head": None,
    "pretrain_memory": None,
    "epochs": 100,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "momentum": 0.9,
    "clip_norm": 1.0,
    "augment": None,
    "max_steps": None,
    "patience": None,
    "validate_every": 5,
    "seed": 0,
}

_MEMORY = {"cell", "recurrent_units", "recurrent_layers", "num_frequencies"}
_MEMORY |= {"dropout", "recurrent_dropout", "context_dropout", "pretrain_memory"}
_HEAD = {"hidden_units", "hidden_layers", "gibbs_steps", "num_betas"}
_HEAD |= {"persistent_chains", "centering_rate", "pretrain_head"}
_OF_HEAD = {
    "bernoulli": set(),
    "rbm": {"hidden_units", "gibbs_steps", "num_betas", "centering_rate", "pretrain_head"},
    "tied": {"hidden_units", "gibbs_steps", "num_betas", "centering_rate", "pretrain_head"},
    "nade": {"hidden_units", "pretrain_head"},
    "dbn": {"hidden_units", "hidden_layers", "gibbs_steps", "num_betas", "pretrain_head"},
}


def unused(options):
    """The options that have no part in a run.

    Args:
        options: Dictionary with a value for each of `DEFAULTS`.

    Returns:
        Dictionary of such an option and of the option, as written, that leaves it no part.
    """
    model, name = MODELS[options["model"]], f"--model {options['model']}"
    without = dict.fromkeys(_HEAD - _OF_HEAD[model.head], name)
    if not model.memory:
        without |= dict.fromkeys(_MEMORY, name)
    if model.head == "rbm" and not model.memory:
        del without["persistent_chains"]
        without["pretrain_head"] = name  # that is all the training there is
    if model.memory and options["cell"] != "sfm":
        without["num_frequencies"] = f"--cell {options['cell']}"
    if options["optimizer"] != "nesterov":
        without["momentum"] = f"--optimizer {options['optimizer']}"
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
    whole = DEFAULTS | options
    without = unused(whole)
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
    whole = DEFAULTS | options
    missing = unused(whole).keys() - options.keys()
    return whole | dict.fromkeys(missing)


def flag(name):
    """How an option is written on the command line."""
    return "--" + name.replace("_", "-")
