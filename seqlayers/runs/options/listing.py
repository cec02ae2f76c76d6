"""The options of a training run, each once. `seqlayers.runs.options` has what follows from them.

An option joins the command line, recipes and `config.json` by one entry here; if it is an argument
of a cell or a head, `seqlayers.runs.registry` names it there as well.
"""

from seqlayers.audio.segment_rules import LENGTHS, LONG, METHODS, SegmentRules
from seqlayers.datasets.piano_roll import NAMES as DATASETS
from seqlayers.runs.options import rules
from seqlayers.runs.options.schema import (
    Boolean,
    Choice,
    Integer,
    Lines,
    Number,
    Option,
    Pair,
    Path,
    Several,
    Text,
)
from seqlayers.runs.registry import CELLS, MODELS, NETWORKS

_SIZE, _LAYERS, _COUNT = Integer(1, 10_000), Integer(1, 20), Integer(1)
_SHARE, _SEMITONES = Number(least=0, below=1), Integer(-88, 88)
_MS = Number(least=0, metavar="MS")
_PART = Number(least=0, below=1, metavar="SHARE")


def _by_method(name):
    """Returns the defaults of a length of segments, as text."""
    contrast, percentile = (LENGTHS[method][name] for method in METHODS)
    return f"{contrast:g}, or {percentile:g} with --method percentile"


DATA = (
    Option(
        "recipe",
        Text("NAME"),
        None,
        "Take the options of a recipe; options given beside it replace those of the recipe. "
        "`seqlayers recipes` lists recipes.",
        rules.sequences,
    ),
    Option(
        "dataset",
        Choice(DATASETS),
        None,
        "Train on a data set that ships with seqlayers. `seqlayers data` describes them.",
    ),
    Option(
        "midi",
        Path(folder=True),
        None,
        "Train on a folder of MIDI files. See --valid, --test and --split-seed for their split.",
    ),
    Option(
        "valid",
        _PART,
        0.1,
        "Validate on this share of the MIDI files, at least one: those before the files that test, "
        "in the order of their paths. 0 for none.",
        rules.share,
    ),
    Option(
        "test",
        _PART,
        0.1,
        "Test on this share of the MIDI files, at least one: the last in the order of their paths. "
        "0 for none.",
        rules.share,
    ),
    Option(
        "split_seed",
        Integer(0, 2**31 - 1),
        None,
        "Draw by this seed which MIDI files validate and which test, in place of their order.",
        rules.split_seed,
    ),
    Option(
        "valid_files",
        Lines(),
        None,
        "Validate on the MIDI files that this text file lists, one path below --midi in each line, "
        "in place of --valid.",
        rules.midi,
    ),
    Option(
        "test_files",
        Lines(),
        None,
        "Test on the MIDI files that this text file lists, in place of --test.",
        rules.midi,
    ),
    Option(
        "step_in_beats",
        Number(above=0),
        0.5,
        "Length of a time step of MIDI files, in beats: 0.5 is an eighth note.",
        rules.midi,
    ),
    Option(
        "transpose",
        _SEMITONES,
        0,
        "Add this many semitones to each note of MIDI files.",
        rules.midi,
    ),
    Option("wav", Path(), None, "Train on a recording, or on a folder of recordings; see above."),
    Option(
        "sample_rate",
        Integer(1, 1_000_000, "HZ"),
        None,
        "Resample recordings to this rate. Without it, the lowest rate among them is used.",
        rules.sound,
    ),
    Option(
        "channel",
        Integer(0),
        None,
        "Use this channel of recordings, counted from 0. Without it, the mean of all channels.",
        rules.sound,
    ),
    Option(
        "labels",
        Path(),
        None,
        "Learn the labels of the recordings: a folder of label files of Audacity, Raven, Praat and "
        "others, or a table of many recordings; see above.",
        rules.sound,
    ),
    Option(
        "tier",
        Text("NAME"),
        None,
        "Learn this tier of TextGrids. Without it, they have one.",
        rules.labels,
    ),
    Option(
        "column",
        Text("NAME"),
        None,
        "Learn this column of selection tables of Raven. Without it, Annotation, or the one column "
        "that is none of Raven's own.",
        rules.labels,
    ),
)
# Fields of `audio.SegmentRules`, whose defaults depend on the method.
_RULES = SegmentRules()
SEGMENTS = (
    Option(
        "method",
        Choice(METHODS),
        None,
        "How to tell sound from noise: by its contrast to the noise of the recording, or as what "
        "is louder than --threshold, the rule of the paper. Without it, by contrast, unless "
        "--threshold is given.",
        rules.segments,
    ),
    Option(
        "threshold",
        Number(least=0, most=100, metavar="PERCENT"),
        None,
        "Take as sound what is louder than this percentile of the recording's loudness. Without "
        "it, 90 with --method percentile.",
        rules.segments,
    ),
    Option(
        "buffer",
        _MS,
        None,
        f"Add this much before and after each segment. Without it, {_by_method('buffer')}.",
        rules.segments,
    ),
    Option(
        "min_spacing",
        _MS,
        None,
        "Join segments that are less than this apart. Without it, 2 with --method percentile, "
        "else 100 for speech and 5 for other sounds.",
        rules.segments,
    ),
    Option("window", _MS, _RULES.window, "Smooth the loudness over this time.", rules.segments),
    Option(
        "min_length", _MS, _RULES.min_length, "Drop segments shorter than this.", rules.segments
    ),
    Option(
        "max_length",
        _MS,
        None,
        f"Drop segments longer than this; see --long. Without it, {_by_method('max_length')}.",
        rules.segments,
    ),
    Option(
        "long",
        Choice(LONG),
        None,
        "What to do with a segment above --max-length: drop it, or split it into equal parts. "
        f"Without it, {_RULES.long}.",
        rules.segments,
    ),
    Option(
        "band",
        Pair(Number(least=0)),
        _RULES.band,
        "Look for segments between these two frequencies, in Hz. Without it, where the contrast "
        "is, or at all frequencies with --method percentile.",
        rules.segments,
    ),
    Option(
        "dip",
        Number(above=0, metavar="DB"),
        None,
        "Cut segments where the loudness dips by so much between louder sounds. Without it, by "
        "half of what sounds are above the noise, or nowhere with --method percentile.",
        rules.segments,
    ),
)
MODEL = (
    Option(
        "model", Choice(tuple(MODELS)), "rnn-rbm", "Train this model; see above.", rules.sequences
    ),
    Option(
        "visibles",
        Choice(("gaussian", "gamma", "bernoulli")),
        "gaussian",
        "Distribution of the frames of recordings; see above.",
        rules.visibles,
    ),
    Option(
        "hidden_units",
        _SIZE,
        150,
        "Number of hidden units, in a DBN of each layer.",
        rules.head,
        with_wav=219,
    ),
    Option("hidden_layers", _LAYERS, 2, "Number of hidden layers of a DBN.", rules.head),
    Option(
        "gibbs_steps",
        _SIZE,
        15,
        "Number of Gibbs steps in training: the k of contrastive divergence (CD-k).",
        rules.head,
    ),
    Option(
        "sampling_steps",
        _SIZE,
        25,
        "Number of Gibbs steps that draw a frame.",
        rules.head,
        with_wav=20,
    ),
    Option(
        "persistent_chains",
        _SIZE,
        None,
        "Train an RBM without time by persistent contrastive divergence, with this many chains.",
        rules.without_memory,
    ),
    Option(
        "centering_rate",
        _SHARE,
        None,
        "Center the units of the RBM on moving averages, which move by this share in each step.",
        rules.centering,
    ),
    Option(
        "l1",
        Number(least=0),
        0.0,
        "Factor of an L1 penalty on the weights of the RBM.",
        rules.head,
        with_wav=1e-4,
    ),
    Option(
        "context_visible",
        Boolean(),
        False,
        "Let the hidden units of the frame before set the visible biases of an RTRBM, too.",
        rules.head,
    ),
    Option(
        "learn_initial_context",
        Boolean(),
        False,
        "Learn the hidden units before the first frame of an RTRBM; without it they are 0.",
        rules.head,
    ),
    Option(
        "num_betas",
        _SIZE,
        100,
        "Number of annealing steps that estimate a likelihood. More are slower and more accurate.",
        rules.head,
    ),
    Option(
        "cell",
        Choice(tuple(CELLS)),
        "tanh",
        "Cell of the recurrent layers.",
        rules.memory,
        with_wav="tanh-gated",
    ),
    Option(
        "gate_activation",
        Choice(("sigmoid", "tanh")),
        "sigmoid",
        "Activation of the gates of the cell tanh-gated. The paper has tanh.",
        rules.cell,
    ),
    Option(
        "recurrent_units",
        _SIZE,
        150,
        "Number of units of each recurrent layer.",
        rules.units,
        with_wav=167,
    ),
    Option(
        "recurrent_layers",
        _LAYERS,
        1,
        "Number of recurrent layers, one on top of the other.",
        rules.units,
        with_wav=3,
    ),
    Option(
        "num_frequencies",
        _SIZE,
        4,
        "Number of frequencies that the memory of the cell sfm is split into.",
        rules.cell,
    ),
    Option(
        "frequencies",
        Pair(Number(least=2), apart=True),
        None,
        "Spread 3 frequencies or more of the cell sfm over periods from LOW to HIGH frames. "
        "Without it they are harmonics of a period of as many frames as there are frequencies.",
        rules.spread,
    ),
    Option(
        "output_scale",
        Choice(("mean", "sum")),
        "sum",
        "Whether the output of the cell sfm is the sum of the terms of its frequencies, as in the "
        "paper, or their mean, whose gradients are smaller.",
        rules.cell,
    ),
    Option(
        "gradient_clip",
        Number(above=0),
        None,
        "Scale the gradient that a frame sends back through the gates of the cell sfm, where its "
        "norm in a sequence is above this.",
        rules.cell,
    ),
    Option(
        "dropout",
        _SHARE,
        0.0,
        "Share of the inputs of each recurrent layer to drop in training.",
        rules.units,
    ),
    Option(
        "recurrent_dropout",
        _SHARE,
        0.0,
        "Share of the recurrent state to drop in training.",
        rules.units,
    ),
    Option(
        "context_dropout",
        _SHARE,
        0.0,
        "Share of the outputs of the last recurrent layer to drop in training.",
        rules.memory,
    ),
    Option(
        "lags",
        Several(Integer(1, 10_000)),
        [1, 2, 3, 4, 8],
        "How many frames back the cell history looks. The head tied-nade reads an octave to each "
        "side of a key there.",
        rules.cell,
    ),
    Option(
        "far_lags",
        Several(Integer(1, 10_000)),
        [6, 12, 16],
        "More frames that the cell history looks back to. The head tied-nade reads two keys to "
        "each side of a key there.",
        rules.cell,
    ),
    Option(
        "recall",
        _COUNT,
        None,
        "Beside the cell history, look for the moments most like the last frames, this many frames "
        "back, and recall what followed them.",
        rules.history,
    ),
    Option(
        "key_units",
        _SIZE,
        None,
        "Beside the cell history, run an LSTM with this many units on each key; all keys share "
        "its weights.",
        rules.history,
    ),
    Option(
        "metre",
        Integer(1, 10_000),
        None,
        "Number of frames in a bar: the memory adds the position of each frame in its bar, counted "
        "from the first frame of the piece.",
        rules.memory,
    ),
    Option(
        "head_dropout",
        _SHARE,
        0.3,
        "Share of the hidden units of the head to drop in training.",
        rules.head,
    ),
    Option(
        "first_bias",
        Choice(("constant", "frequencies")),
        "constant",
        "Where the biases of the keys begin: all alike, or at the log-odds of how often each key "
        "sounds in training, shifts of --augment included.",
        rules.keys,
    ),
)
LABELLER = (
    Option(
        "network",
        Choice(NETWORKS),
        NETWORKS[0],
        "Network that labels frames: an LSTM over each patch of frequencies and one above them, "
        "or a State-Frequency Memory.",
        rules.labels,
    ),
    Option(
        "units", _SIZE, 48, "Number of units of its upper layer, in each direction.", rules.labels
    ),
    Option(
        "streaming",
        Boolean(),
        False,
        "Let the network read nothing that comes after a frame, so that it can label a stream; it "
        "is less accurate.",
        rules.labels,
    ),
)
TRAINING = (
    Option(
        "pretrain_head",
        _COUNT,
        None,
        "Before training, train the head alone on shuffled frames, for this many epochs.",
        rules.pretrains_head,
    ),
    Option(
        "pretrain_memory",
        _COUNT,
        None,
        "Before training, train the recurrent layers alone to predict the next frame, for this "
        "many epochs.",
        rules.pretrains_memory,
    ),
    Option(
        "pretrain_layers",
        _COUNT,
        None,
        "Before training, grow the DBN one layer at a time, with this many epochs per depth.",
        rules.pretrains_layers,
    ),
    Option("epochs", _COUNT, 100, "Train until this epoch.", with_labels=60),
    Option("batch_size", _SIZE, 16, "Number of sequences in a batch.", with_wav=20, with_labels=4),
    Option(
        "optimizer",
        Choice(("adam", "rmsprop", "sgd", "nesterov")),
        "adam",
        "Optimizer; nesterov is SGD with Nesterov momentum.",
    ),
    Option(
        "learning_rate",
        Number(above=0),
        1e-3,
        "Learning rate of the first epoch.",
        with_labels=3e-3,
    ),
    Option(
        "schedule",
        Choice(("constant", "linear", "cosine", "phases")),
        "constant",
        "How the learning rate falls over the epochs: not at all, in a straight line to 0, along a "
        "cosine, or in the five phases of the RNN-RBM on spectrograms.",
        with_labels="cosine",
    ),
    Option("momentum", _SHARE, 0.9, "Momentum of the optimizer nesterov.", rules.nesterov),
    Option(
        "clip_norm",
        Number(least=0),
        1.0,
        "Scale gradients whose norm, over all weights, is above this; 0 scales none.",
    ),
    Option(
        "nonfinite",
        Choice(("skip", "shrink")),
        "skip",
        "What to do when a gradient is not finite: skip the step, or shrink the weights.",
        rules.sequences,
    ),
    Option(
        "augment",
        Pair(_SEMITONES),
        None,
        "Shift each piece by a number of semitones from LOW to HIGH, drawn anew in each epoch.",
        rules.music,
    ),
    Option(
        "augment_told",
        Pair(_SEMITONES, around=0),
        None,
        "Shift pieces as --augment does, anew in each step, and tell the model by how much; scores "
        "and music are those of no shift.",
        rules.told,
    ),
    Option(
        "max_steps",
        _COUNT,
        None,
        "Cut sequences into pieces of at most this many frames.",
        with_labels=768,
    ),
    Option(
        "warm_up",
        _COUNT,
        None,
        "Before each piece, let the memory read this many frames, which do not count in the loss.",
        rules.warms_up,
    ),
    Option(
        "patience",
        _COUNT,
        None,
        "Stop early when validation has not improved for this many epochs.",
    ),
    Option(
        "validate_every",
        _COUNT,
        5,
        "Number of epochs from one validation to the next.",
        with_labels=1,
    ),
    Option(
        "seed",
        Integer(0, 2**31 - 1),
        0,
        "Seed of the first weights, of the order of the data, and of all draws.",
    ),
)
