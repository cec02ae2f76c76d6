"""LSTBMs trained one on top of the other without labels, as a stack of Keras LSTMs.

    x_0   the frames
    h_n   the outputs of LSTBM n over x_{n-1}, `hidden_states`, n = 1, 2, ...
    x_n   (h_n - m_n) / d_n, with mean 0 and variance 1 in each unit

LSTBM n learns x_{n-1} alone, those below stay as they are. The last x_n is the output.

Reference: T. Nakashika, LSTBM: a Novel Sequence Representation of Speech Spectra Using Restricted
Boltzmann Machine with Long Short-Term Memory, Interspeech 2018, section 1, which proposes it.
"""

import itertools

import keras
import numpy as np
from keras import ops

from seqlayers.audio import Normalizer
from seqlayers.checks import check_integer, check_sequences
from seqlayers.models.pretraining import new_optimizer
from seqlayers.sampling import fold_in, seed_pair

_SET = {
    "variant": 'always "lstm"',
    "learn_initial_context": "always False",
    "seed": "an argument of its own",
    "hidden_units": "an argument of its own",
    "visible_units": "the number of features of `x`",
}
_OF_FRAMES = ("mask", "validation_data")  # arguments of `fit` that would fit one layer alone


def stack(cls, x, hidden_units, optimizer, seed, options, **kwargs):
    """Trains a stack of LSTBMs, see `LSTBMModel.stack`."""
    for name in _OF_FRAMES:
        if kwargs.get(name) is not None:
            raise ValueError(
                f"`{name}` must be None: each layer learns other frames. Give a list of sequences "
                f"without padding, and `validation_split`. Received: `{name}` of class "
                f"{type(kwargs[name]).__name__}."
            )
    sequences = check_sequences(x, name="x")
    models = _models(cls, sequences[0].shape[1], hidden_units, seed, options)
    layers = []
    for model in models:
        model.compile(new_optimizer(optimizer))
        model.fit(sequences, **kwargs)
        outputs = [ops.convert_to_numpy(model.hidden_states(s[None]))[0] for s in sequences]
        normalizer = Normalizer.fit(outputs)
        sequences = [normalizer.normalize(each) for each in outputs]
        shift, variance = normalizer.shift, normalizer.divisor**2
        layers += [model.to_lstm(), keras.layers.Normalization(mean=shift, variance=variance)]
    return keras.Sequential([keras.Input((None, models[0].head.visible_units)), *layers])


def _models(cls, features, hidden_units, seed, options):
    """Returns a model for each layer, not trained, so that wrong arguments are refused at once."""
    if not isinstance(hidden_units, list | tuple) or not hidden_units:
        raise ValueError(
            "`hidden_units` must be a list with the number of units of each layer. "
            f"Received: hidden_units={hidden_units!r}."
        )
    sizes = [check_integer(f"hidden_units[{n}]", size) for n, size in enumerate(hidden_units)]
    if not isinstance(options, dict | None):
        raise ValueError(f"`options` must be a dict or None. Received: options={options!r}.")
    options = dict(options or {})
    for name in _SET.keys() & options.keys():
        raise ValueError(
            f"`options` must not have `{name}`, which is {_SET[name]}. "
            f"Received: {name}={options[name]!r}."
        )
    models = []
    for n, (below, size) in enumerate(itertools.pairwise([features, *sizes])):
        if n:
            options["visibles"] = "gaussian"
        own = None
        if seed is not None:
            own = int(np.asarray(fold_in(seed_pair(seed), n)).view("int64")[0])
        models.append(cls(below, size, variant="lstm", seed=own, **options))
    return models
