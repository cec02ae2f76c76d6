"""The model that the options of a run describe, its optimizer, and its pre-training."""

from pkgutil import resolve_name

import keras
import numpy as np

from seqlayers import layers
from seqlayers.datasets import piano_roll
from seqlayers.models import FrameLabeller, SequenceModel
from seqlayers.models.pretraining import pretrain_layers
from seqlayers.models.rnn_rbm import SPECTROGRAM_LEARNING_RATES
from seqlayers.runs import sound
from seqlayers.runs.options.listing import LABELLER
from seqlayers.runs.registry import CELLS, MODELS, TIED

_COSINE_END = 0.02  # of the first learning rate
_DECAYS = (0.7, 0.95)  # of the means of the cell history
_RECALL = (0.6, 0.9)  # decays of the passages that `recall` compares
_OCTAVE, _NEAR = 12, 2  # keys to each side that a tied head reads of `lags` and of `far_lags`


def build_model(options, num_steps):
    """Returns a new compiled model. The same seed gives the same weights.

    Args:
        options: All options of the run.
        num_steps: Number of training steps of the whole run, over which a schedule falls.
    """
    keras.utils.set_random_seed(options["seed"])
    if options["model"] in TIED:
        model = _head(options)
    else:  # the memory first: what a seed gives depends on the order
        dropout = options["context_dropout"] or 0.0
        transpose = options["augment_told"]
        model = SequenceModel(_memory(options), _head(options), dropout, transpose)
    model.compile(_optimizer(options, num_steps), nonfinite=options["nonfinite"])
    return model


def build_labeller(options, classes, sample_rate):
    """Returns a new model that labels frames, not compiled. The same seed gives the same weights.

    Args:
        options: All options of the run.
        classes: The labels.
        sample_rate: Samples per second of the recordings, or of what they are resampled to.
    """
    keras.utils.set_random_seed(options["seed"])
    given = {each.name: options[each.name] for each in LABELLER}
    given["bidirectional"] = not given.pop("streaming")
    return FrameLabeller(classes, sample_rate, seed=options["seed"], **given)


def begin_labeller(labeller, options, frames, num_steps):
    """Sets the normalisation of the features, and compiles.

    Args:
        labeller: A new model of `build_labeller`.
        options: All options of the run.
        frames: The frames to train on.
        num_steps: As in `build_model`.
    """
    labeller.adapt(frames)
    labeller.compile(_optimizer(options, num_steps))


def _head(options):
    """Returns the head, or the whole model if it is one of `TIED`."""
    head = MODELS[options["model"]].head
    given = {name: options[name] for name in head.options if options[name] is not None}
    given.pop("first_bias", None)  # `begin` has the data for it
    if "head_dropout" in given:
        H = given["hidden_units"]
        given |= {"hidden_units": (H, -(-H // 4)), "dropout": given.pop("head_dropout")}
        given["layout"] = _layout(options)
    if "hidden_layers" in given:
        given["hidden_units"] = (given["hidden_units"],) * given.pop("hidden_layers")
    if "visibles" in head.options and not options["wav"]:
        given["visibles"] = "bernoulli"
    if l1 := given.pop("l1", 0):
        given["kernel_regularizer"] = keras.regularizers.L1(l1)
    bins = sound.NUM_BINS if options["wav"] else piano_roll.NUM_KEYS
    return resolve_name(head.path)(bins, seed=options["seed"], **given)


def _memory(options):
    """Returns a cell, a list of cells to stack, a layer, or None."""
    if not MODELS[options["model"]].memory:
        return None
    if options["cell"] == "history":
        return _history(options)
    cell = CELLS[options["cell"]]
    names = ("dropout", "recurrent_dropout", *cell.options)
    given = {name: options[name] for name in names if options[name] is not None}
    make = resolve_name(cell.path)
    cells = [make(options["recurrent_units"], **given) for _ in range(options["recurrent_layers"])]
    if options["metre"]:
        cells = [layers.PositionCell(options["metre"]), *cells]
    return cells if len(cells) > 1 else cells[0]


def _history(options):
    """Returns the memory that `_layout` describes."""
    metre, lags = options["metre"], options["lags"] + _far_lags(options)
    parts = [layers.FrameHistory(lags, _DECAYS)]
    if options["recall"]:
        parts.append(layers.Recall(options["recall"], _RECALL))
    if options["key_units"]:
        lstm = layers.PeepholeLSTMCell(options["key_units"])
        shared = layers.KeySharedCell(lstm, num_keys=piano_roll.NUM_KEYS)
        parts.append([layers.PositionCell(metre), shared])
    return layers.Joined([*parts, layers.Position(metre, pass_inputs=False)])


def _far_lags(options):
    """Returns the far lags that are not among the near ones."""
    return [lag for lag in options["far_lags"] if lag not in options["lags"]]


def _layout(options):
    """Returns which values of the context belong to which keys; all keys read the others alike."""
    if options["cell"] != "history":
        return ()
    blocks = [(len(options["lags"]), _OCTAVE)]
    if far_lags := _far_lags(options):
        blocks.append((len(far_lags), _NEAR))
    blocks.append((len(_DECAYS), "octave"))
    if options["recall"]:
        blocks += [(len(_RECALL), _NEAR), (len(_RECALL), "shared")]
    if options["key_units"]:
        blocks.append((options["key_units"], 0))
    return tuple(blocks)


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
    """Returns five phases of one length, with the proportions of the published rates."""
    first, count = SPECTROGRAM_LEARNING_RATES[0], len(SPECTROGRAM_LEARNING_RATES)
    rates = [rate * (each / first) for each in SPECTROGRAM_LEARNING_RATES]
    # Steps are counted from 0, and a phase in Keras includes its boundary.
    ends = [max(1, num_steps * phase // count) - 1 for phase in range(1, count)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(ends, rates)


def begin(model, options, rolls):
    """Sets the first biases of the keys, if the options ask for it.

    Args:
        model: A new model of `build_model`.
        options: All options of the run.
        rolls: The rolls to train on.
    """
    if options["first_bias"] != "frequencies":
        return
    low, high = options["augment"] or (0, 0)
    rng = np.random.default_rng(0)  # there is one shift to draw
    shifted = (
        [piano_roll.random_transpose(roll, shift, shift, rng) for roll in rolls]
        for shift in range(low, high + 1)
    )
    p = np.mean([piano_roll.note_frequencies(each) for each in shifted], axis=0)
    # Each key has half a note more than it sounds. Keys that never sound share one such half: in as
    # many frames, none of them was heard.
    never = p * (sum(map(len, rolls)) + 1) < 0.5 + 0.5 / (high - low + 1)
    p = np.where(never, p / max(1, never.sum()), p)
    model.head.visible_bias.assign(np.log(p) - np.log1p(-p))


def pretrain(model, options, sequences, dataset):
    """Trains head, memory and layers one by one, as the options ask.

    A run that is killed meanwhile does it again.

    Args:
        model: A model of `build_model`.
        options: All options of the run.
        sequences: The sequences to train on.
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
