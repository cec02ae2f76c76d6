"""Cells, heads and models that a run can be made of, by their names on the command line.

A cell joins the command line by one line in `CELLS`, a head by one line in `HEADS`. An entry names
the class as text, `"module:class"`, so that this module imports no TensorFlow. It lists the options
(`seqlayers.runs.options.listing`) that are arguments of the class; they have no effect with classes
that do not list them.
"""

from typing import NamedTuple


class Cell(NamedTuple):
    """A recurrent cell.

    Attributes:
        path: Its class. It takes `units`, `dropout` and `recurrent_dropout`, if it `has_units`.
        options: Names of the options that are its other arguments.
        has_units: Whether it has units. Without them it has no weights, and is not stacked.
    """

    path: str
    options: tuple[str, ...] = ()
    has_units: bool = True


class Head(NamedTuple):
    """The distribution of a frame. It gives two models: `name` and, with a memory, `rnn-name`.

    Attributes:
        title: Its name in a help text.
        path: Its class. It takes the number of visible units and `seed`.
        options: Names of the options that are its other arguments.
        alone: Whether there is a model without a memory.
        has_code: Whether it has a code of a frame, as its class says.
    """

    title: str
    path: str
    options: tuple[str, ...] = ()
    alone: bool = True
    has_code: bool = False


class Model(NamedTuple):
    """A model.

    Attributes:
        title: Its name in a help text.
        head: Its `Head`.
        memory: Whether a recurrent layer sets the parameters of the head. Without one the class of
            `head` is a head, or in `TIED` the whole model.
    """

    title: str
    head: Head
    memory: bool


_RBM = ("hidden_units", "gibbs_steps", "sampling_steps", "num_betas")
_ONE_RBM = (*_RBM, "visibles", "centering_rate")

CELLS = {
    "tanh": Cell("keras.layers:SimpleRNNCell"),
    "tanh-gated": Cell("seqlayers.layers:TanhGatedCell", ("gate_activation",)),
    "gru": Cell("keras.layers:GRUCell"),
    "lstm": Cell("keras.layers:LSTMCell"),
    "peephole-lstm": Cell("seqlayers.layers:PeepholeLSTMCell"),
    "sfm": Cell(
        "seqlayers.layers:SFMCell",
        ("num_frequencies", "frequencies", "output_scale", "gradient_clip"),
    ),
    "history": Cell("seqlayers.layers:FrameHistoryCell", ("lags", "far_lags"), has_units=False),
}
HEADS = {
    "bernoulli": Head("independent units", "seqlayers.heads:BernoulliHead", alone=False),
    "rbm": Head(
        "RBM",
        "seqlayers.heads:ConditionalRBM",
        (*_ONE_RBM, "persistent_chains", "l1"),
        has_code=True,
    ),
    "nade": Head("NADE", "seqlayers.heads:NADE", ("hidden_units",)),
    "tied-nade": Head(
        "NADE tied over the keys",
        "seqlayers.heads:TiedNADE",
        ("hidden_units", "head_dropout", "first_bias"),
    ),
    "dbn": Head("DBN", "seqlayers.heads:ConditionalDBN", (*_RBM, "hidden_layers"), has_code=True),
}
TIED = {
    "rtrbm": Head(
        "RTRBM: an RBM whose hidden units are the memory",
        "seqlayers.models:RTRBM",
        (*_ONE_RBM, "context_visible", "learn_initial_context"),
        has_code=True,
    )
}

MODELS = {
    **{n: Model(f"{h.title} of single frames", h, False) for n, h in HEADS.items() if h.alone},
    **{f"rnn-{n}": Model(f"{h.title} after a recurrent layer", h, True) for n, h in HEADS.items()},
    **{n: Model(h.title, h, False) for n, h in TIED.items()},
}
NETWORKS = ("patches", "sfm")  # of `seqlayers.models.FrameLabeller`, the default first
