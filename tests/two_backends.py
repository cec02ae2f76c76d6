"""Numbers that must be alike on every backend of Keras; as a script, writes them to a file.

KERAS_BACKEND=jax python tests/two_backends.py numbers.npz model.keras after.keras results.npz

The last three are those of layers/one_file.py.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    sys.modules["tensorflow"] = None  # not needed, installed or not

import garbage
import keras
import numpy as np
from backend import compiled, graph
from heads.helpers import built, loss_and_gradients
from heads.test_contract import HEADS, B, C, T, V, data, made
from keras import ops
from layers import one_file

from seqlayers import sampling
from seqlayers.heads import ConditionalDBN, ConditionalRBM
from seqlayers.layers import SFM, Delay

FITTED = ("centered rbm", "persistent rbm", "orderless nade")
# Too large to enumerate: by annealing.
ESTIMATED = {
    "rbm": lambda: ConditionalRBM(21, 22, num_betas=20, num_chains=5, seed=0),
    "gamma rbm": lambda: ConditionalRBM(
        21, 22, visibles="gamma", num_betas=20, num_chains=5, seed=0
    ),
    "dbn": lambda: ConditionalDBN(21, (22, 21), num_betas=20, num_chains=5, num_samples=10, seed=0),
}


def numbers():
    """Returns a dictionary of arrays."""
    found = of_draws()
    for name in HEADS:
        found |= {f"{name}: {key}": value for key, value in of_head(name).items()}
    for name in FITTED:
        found |= {f"{name}, fit: {key}": value for key, value in of_fit(name).items()}
    for name in ESTIMATED:
        found |= {f"{name}, {key}": value for key, value in of_estimates(name).items()}
    return {key: np.asarray(value) for key, value in found.items()}


def of_draws():
    rng = np.random.default_rng(0)
    seeds = sampling.row_seeds(sampling.seed_pair(2**40 - 3), 7)
    x = rng.normal(size=(7, 100)).astype("float32")
    k, rate = np.exp(3 * x), np.exp(x[::-1])
    value = np.exp(x[:, ::-1])
    units = {
        "bernoulli": (sampling.bernoulli(3 * x), value > 1),
        "normal": (sampling.normal(x, rate), value),
        "gamma": (sampling.gamma(k, rate), value),
    }
    found = {"seeds": seeds, "uniform": sampling.uniform((7, 100), seeds)}
    found["log_gamma"] = sampling.log_gamma(k)
    for name, (unit, at) in units.items():
        found[f"{name} draws"] = unit.sample(3, seed=seeds)
        found[f"{name} log_prob"] = unit.log_prob(ops.cast(at, "float32"))
        found[f"{name} mean"], found[f"{name} variance"] = unit.mean(), unit.variance()
    return found


def of_head(name):
    with_context = name != "persistent rbm"
    head = made(name, with_context)
    frames, context = data(head, with_context)
    count = None if with_context else B

    @compiled
    def everything():
        found = {
            "log_prob": head.log_prob(frames, context).nats,
            "reconstruct": head.reconstruct(frames, context),
            "draws": head.sample(context, 3, num_frames=count),
            "cold draws": head.sample(context, 4, temperature=0.5, num_frames=count),
        }
        if head.has_code:
            found["code"] = head.encode(frames, context)
            found["decoded"] = head.decode(found["code"], context)
        if head.has_free_energy:
            found["free_energy"] = head.free_energy(frames, context)
        if head.has_reverse:
            found["reverse_log_prob"] = head.reverse_log_prob(frames, context).nats
        loss, gradients = loss_and_gradients(head, frames, context)
        return found | {"loss": loss, "gradients": [ops.ravel(g) for g in gradients]}

    found = dict(everything())
    return found | {"gradients": np.concatenate(found["gradients"])}


def of_estimates(name):
    rng = np.random.default_rng(3)
    head = built(ESTIMATED[name](), C, rng, scale=0.3)
    frames = rng.integers(0, 2, (2, 21)).astype("float32")
    context = rng.normal(size=(2, C)).astype("float32")
    found = {}
    for method in (head.log_prob, head.reverse_log_prob):
        nats, error = graph(method)(frames, context)
        found |= {method.__name__: nats, f"{method.__name__} error": error}
    return found


def of_fit(name):
    """A functional model of a recurrent layer and a head, after plain `fit` with a mask."""
    head = HEADS[name](seed=0)
    frames, _ = data(head)
    frames[1, 3:] = -9.0
    inputs = keras.Input((T, V))
    masked = keras.layers.Masking(-9.0)(inputs)
    if name == "persistent rbm":
        outputs = head(masked)
    else:
        outputs = head([masked, Delay()(SFM(3, 2, return_sequences=True)(masked))])
    model, rng = keras.Model(inputs, outputs), np.random.default_rng(5)
    for weight in model.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    model.compile(keras.optimizers.SGD(0.05))
    history = model.fit(frames, batch_size=2, epochs=2, shuffle=False, verbose=0).history
    weights: dict = {}
    head.save_own_variables(weights)  # what a file holds
    return {
        "loss": history["loss"],
        "weights": np.concatenate([np.ravel(w) for w in weights.values()]),
        "weights of the memory": [np.sum(w) for layer in model.layers[:-1] for w in layer.weights],
        "predicted": model.predict(frames, verbose=0),
        "evaluated": model.evaluate(frames, verbose=0),
    }


if __name__ == "__main__":
    garbage.spare()
    np.savez(sys.argv[1], **numbers())
    np.savez(sys.argv[4], **one_file.results(*sys.argv[2:4]))
