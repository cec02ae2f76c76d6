"""The model that the options of a run ask for, its optimizer, and what it learns beforehand."""

import keras

from seqlayers import heads
from seqlayers.datasets import piano_roll
from seqlayers.layers import SFMCell, TanhGatedCell
from seqlayers.models import RTRBM, SequenceModel
from seqlayers.models.pretraining import pretrain_layers
from seqlayers.models.rnn_rbm import SPECTROGRAM_LEARNING_RATES
from seqlayers.runs import sound
from seqlayers.runs.options import MODELS

_CELLS = {
    "tanh": keras.layers.SimpleRNNCell,
    "gru": keras.layers.GRUCell,
    "lstm": keras.layers.LSTMCell,
    "sfm": SFMCell,
    "tanh-gated": TanhGatedCell,
}
_OF_CELL = {"sfm": ("num_frequencies",), "tanh-gated": ("gate_activation",)}
_COSINE_END = 0.02  # of the first learning rate


def build_model(options, num_steps):
    """A new compiled model. With one seed its weights are the same each time.

    Args:
        options: All options of the run.
        num_steps: Number of training steps of the whole run, over which a schedule falls.
    """
    keras.utils.set_random_seed(options["seed"])
    V = _visible_units(options)
    if options["model"] == "rtrbm":
        visibles = options["visibles"] or "bernoulli"
        model = RTRBM(V, visibles=visibles, **_head_options(options))
    else:
        dropout = options["context_dropout"] or 0.0
        model = SequenceModel(_memory(options), _head(options, V), dropout)
    model.compile(_optimizer(options, num_steps), nonfinite=options["nonfinite"])
    return model


def _visible_units(options):
    return sound.NUM_BINS if options["wav"] else piano_roll.NUM_KEYS


def _head_options(options):
    names = ("hidden_units", "gibbs_steps", "sampling_steps", "num_betas", "centering_rate", "seed")
    return {name: options[name] for name in names if options[name] is not None}


def _head(options, V):
    kind, seed = MODELS[options["model"]].head, options["seed"]
    if kind == "bernoulli":
        return heads.BernoulliHead(V, seed=seed)
    if kind == "nade":
        return heads.NADE(V, options["hidden_units"], seed=seed)
    given = _head_options(options)
    if kind == "dbn":
        given["hidden_units"] = (options["hidden_units"],) * options["hidden_layers"]
        return heads.ConditionalDBN(V, **given)
    if options["visibles"]:
        given["visibles"] = options["visibles"]
    if options["l1"]:
        given["kernel_regularizer"] = keras.regularizers.L1(options["l1"])
    return heads.ConditionalRBM(V, persistent_chains=options["persistent_chains"], **given)


def _memory(options):
    """A cell, a list of cells to stack, or None."""
    if not MODELS[options["model"]].memory:
        return None
    given = {"units": options["recurrent_units"]}
    given |= {name: options[name] for name in ("dropout", "recurrent_dropout")}
    given |= {name: options[name] for name in _OF_CELL.get(options["cell"], ())}
    cells = [_CELLS[options["cell"]](**given) for _ in range(options["recurrent_layers"])]
    return cells if len(cells) > 1 else cells[0]


def _optimizer(options, num_steps):
    rate, schedules = options["learning_rate"], keras.optimizers.schedules
    if options["schedule"] == "linear":
        rate = schedules.PolynomialDecay(rate, num_steps, end_learning_rate=0.0)
    elif options["schedule"] == "cosine":
        rate = schedules.CosineDecay(rate, num_steps, alpha=_COSINE_END)
    elif options["schedule"] == "phases":
        rate = _phases(rate, num_steps)
    clip = {"global_clipnorm": options["clip_norm"] or None}
    if options["optimizer"] == "adam":
        return keras.optimizers.Adam(rate, **clip)
    if options["optimizer"] == "rmsprop":  # as `RNNRBM.optimizer_for_spectrograms`
        return keras.optimizers.RMSprop(rate, rho=0.9, epsilon=1e-6, **clip)
    nesterov = options["optimizer"] == "nesterov"
    momentum = options["momentum"] if nesterov else 0.0
    return keras.optimizers.SGD(rate, momentum, nesterov, **clip)


def _phases(rate, num_steps):
    """Five phases of one length, at rates that are to each other as those of the spectrograms."""
    first, count = SPECTROGRAM_LEARNING_RATES[0], len(SPECTROGRAM_LEARNING_RATES)
    rates = [rate * (each / first) for each in SPECTROGRAM_LEARNING_RATES]
    # Steps are counted from 0, and a phase of Keras's holds its boundary.
    ends = [max(1, num_steps * phase // count) - 1 for phase in range(1, count)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(ends, rates)


def pretrain(model, options, sequences, dataset):
    """Head and memory each by itself, as published. A run killed meanwhile does it again.

    Args:
        model: What `build_model` returns.
        options: All options of the run.
        sequences: What the run trains on.
        dataset: The same in batches.
    """
    rate = options["learning_rate"]
    if options["pretrain_head"]:
        adam = keras.optimizers.Adam(rate, global_clipnorm=options["clip_norm"] or None)
        model.pretrain_head(sequences, options["pretrain_head"], optimizer=adam, verbose=0)
    if options["pretrain_memory"]:
        adam = keras.optimizers.Adam(rate, global_clipnorm=options["clip_norm"] or None)
        model.pretrain_memory(dataset, options["pretrain_memory"], adam, verbose=0)
    if options["pretrain_layers"]:
        pretrain_layers(
            model,
            dataset,
            options["pretrain_layers"],
            lambda num_steps: _optimizer(options, num_steps),
            after_memory=bool(options["pretrain_memory"]),
            verbose=0,
        )
