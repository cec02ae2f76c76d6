"""The errors of AIS and of the bridge, at as many steps.

    python benchmarks/ais.py [ROW ...]

On RBMs with 88 visible and 16 hidden units, whose log Z is summed exactly: random ones with biases
of each frame, and others trained on single frames of music by PCD and by CD. Their kernels are
taken once, twice and three times. Then on the RNN-RBM that ships, with 150 hidden
units, against a bridge of 2,000 steps and 100 chains, which is too long for daily use. A row of
`benchmarks/results/partition.json` is written as soon as it is done; rows that are there are
skipped, unless they are named.
"""

import functools
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported
sys.path.insert(0, str(Path(__file__).parent / "tables"))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import store  # noqa: E402
import tensorflow as tf  # noqa: E402

from seqlayers import energy, sampling  # noqa: E402
from seqlayers.datasets import piano_roll  # noqa: E402
from seqlayers.heads import ConditionalRBM  # noqa: E402
from seqlayers.models import SequenceModel  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "partition.json"
FRAMES, REPEATS = 50, 4  # of each small RBM
SCALES, STEPS, CHAINS = (1, 2, 3), (100, 20), 10
LONG = (2000, 100)  # steps and chains
ESTIMATES = {"ais": energy.ais_log_partition, "bridge": energy.bridge_log_partition}


@functools.cache
def rolls():
    return piano_roll.load("jsb_chorales")


def random():
    """Returns six RBMs with normal weights, biases of each frame their own."""
    rng, result = np.random.default_rng(0), []
    for scale in np.linspace(0.1, 0.6, 6):
        W, b, c = (rng.normal(scale=scale, size=s) for s in ((88, 16), (FRAMES, 88), (FRAMES, 16)))
        result.append((W, b - 3, c))
    return result


def trained(persistent_chains):
    """Returns four RBMs of music without time."""
    result = []
    for number, epochs in enumerate((2, 5, 10, 20)):
        keras.utils.set_random_seed(number)
        head = ConditionalRBM(
            88, 16, gibbs_steps=5, persistent_chains=persistent_chains, seed=number
        )
        model = SequenceModel(None, head)
        model.compile(keras.optimizers.Adam(1e-2))
        model.fit(rolls().train, batch_size=8, epochs=epochs, max_steps=32, verbose=0)
        W, b, c = head.params(None)[:3]
        result.append((W, *(np.tile(bias, (FRAMES, 1)) for bias in (b, c))))
        print(f"{epochs} epochs: {model.score(rolls().test)}", flush=True)
    return result


def compiled(estimate, num_betas, num_chains):
    """Returns a function of weights and seeds."""
    return tf.function(
        lambda weights, seeds: estimate(energy.RBMParams(*weights), seeds, num_betas, num_chains),
        jit_compile=True,
        autograph=False,
    )


@tf.function(jit_compile=True, autograph=False)
def exact(weights):
    return energy.log_partition(energy.RBMParams(*weights)).nats


def figures(gaps, errors):
    """Returns what estimates miss by, and how often intervals of finite width have the truth."""
    gaps, errors = np.concatenate(gaps), np.concatenate(errors)
    known = np.isfinite(errors)
    low, high = energy.LogPartition(gaps, errors).interval(CHAINS)
    return {
        "bias": round(float(gaps.mean()), 4),
        "rmse": round(float(np.sqrt(np.mean(gaps**2))), 4),
        "known": round(float(known.mean()), 4),
        "covered": round(float(np.mean((low <= 0) & (high >= 0), where=known)), 4),
    }


def small(kind, scale, num_betas):
    """Returns the row of a kind of small RBM."""
    results = {name: ([], []) for name in ESTIMATES}
    estimates = {name: compiled(way, num_betas, CHAINS) for name, way in ESTIMATES.items()}
    for number, (W, b, c) in enumerate(RBMS[kind]()):
        weights = [tf.constant(x, tf.float32) for x in (scale * np.asarray(W), b, c)]
        truth = np.tile(exact(weights), REPEATS)
        weights = [weights[0], *(tf.tile(bias, (REPEATS, 1)) for bias in weights[1:])]
        seeds = sampling.row_seeds(sampling.seed_pair(number), len(truth))
        for name, (gaps, errors) in results.items():
            nats, error = estimates[name](weights, seeds)
            gaps.append(nats - truth)
            errors.append(error)
    return {"rbms": number + 1, "estimates": len(np.concatenate(gaps))} | {
        name: figures(*result) for name, result in results.items()
    }


def preset():
    """Returns the row of the RNN-RBM that ships, and the seconds of its estimates."""
    model = SequenceModel.from_preset("rnn-rbm-jsb")
    pieces = [tf.constant(piece[None, :40], tf.float32) for piece in rolls().test[:6]]
    params = [model.head.params(model.contexts(piece)[0]) for piece in pieces]
    weights = [params[0].kernel, *(tf.concat([p[place] for p in params], 0) for place in (1, 2))]
    count = len(weights[1])
    long = compiled(energy.bridge_log_partition, *LONG)
    truth, error = long(weights, sampling.row_seeds(sampling.seed_pair(0), count))
    row = {"frames": count, "error_of_long": round(float(np.mean(error)), 4)}
    for name, way in ESTIMATES.items():
        estimate, gaps, errors, seconds = compiled(way, STEPS[0], CHAINS), [], [], []
        for number in range(1, REPEATS + 1):
            seeds = sampling.row_seeds(sampling.seed_pair(number), count)
            estimate(weights, seeds)
            start = time.process_time()
            nats, error = estimate(weights, seeds)
            gaps.append(nats - truth)
            errors.append(error)
            seconds.append(time.process_time() - start)
        row[name] = figures(gaps, errors) | {"seconds": round(min(seconds), 3)}
    return row


RBMS = {
    "random": random,
    "pcd": functools.cache(lambda: trained(persistent_chains=100)),
    "cd": functools.cache(lambda: trained(persistent_chains=None)),
}
ROWS = {
    f"{kind}-x{scale}-{steps}": functools.partial(small, kind, scale, steps)
    for kind in RBMS
    for steps in STEPS
    for scale in SCALES
} | {"preset": preset}


def main(*named):
    done = store.read(RESULTS)
    for name in named or [name for name in ROWS if name not in done]:
        row = ROWS[name]()
        store.keep(RESULTS, name, row)
        print(name, row, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
