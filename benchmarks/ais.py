"""The error of AIS at the default schedule.

    python benchmarks/ais.py [MODEL.keras]

First on 20 conditional RBMs with 16 hidden units, whose log Z is summed exactly; every second one
is trained on music, the others are random. Then, given a model, on the test split of JSB Chorales
against a run of 1,000 betas and 100 chains, which is too long for daily use.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from seqlayers import energy, sampling  # noqa: E402
from seqlayers.datasets import piano_roll  # noqa: E402
from seqlayers.models import RNNRBM  # noqa: E402

FRAMES = 50  # of each small RBM, with biases of their own


def small_rbms(rolls):
    """Yields 20 conditional RBMs, random and trained in turn."""
    rng = np.random.default_rng(0)
    for number in range(20):
        if number % 2 == 0:
            scale = rng.uniform(0.1, 0.6)
            shapes = {"kernel": (88, 16), "visible_bias": (FRAMES, 88), "hidden_bias": (FRAMES, 16)}
            arrays = {name: rng.normal(scale=scale, size=shape) for name, shape in shapes.items()}
            arrays["visible_bias"] -= 3
            yield "random", energy.RBMParams(**{n: a.astype("float32") for n, a in arrays.items()})
        else:
            keras.utils.set_random_seed(number)
            model = RNNRBM(88, 16, 30, gibbs_steps=5, seed=number)
            model.compile(keras.optimizers.Adam(1e-2, global_clipnorm=1.0))
            model.fit(rolls.train[:64], epochs=5 + 2 * number, max_steps=32, verbose=0)
            contexts = model.contexts(tf.constant(rolls.test[number][None, :30], tf.float32))[0]
            yield "trained", model.head.params(contexts)


def main(path=None):
    rolls = piano_roll.load("jsb_chorales")
    estimate = tf.function(
        lambda p, seed: energy.ais_log_partition(energy.RBMParams(*p), seed),
        jit_compile=True,
        autograph=False,
        reduce_retracing=True,
    )
    exact = tf.function(
        lambda p: energy.log_partition(energy.RBMParams(*p)).nats, jit_compile=True, autograph=False
    )
    print("16 hidden units: error of mean log Z over the frames, in nats and in standard errors")
    inside = 0
    for number, (kind, params) in enumerate(small_rbms(rolls)):
        params = [tf.convert_to_tensor(p) for p in params[:3]]
        nats, errors = estimate(params, tf.constant(sampling.seed_pair(number)))
        error = float(tf.reduce_mean(nats - exact(params)))
        standard_error = float(tf.sqrt(tf.reduce_sum(errors**2))) / len(errors)
        inside += abs(error) <= 3 * standard_error
        print(f"  {kind:8s} {error:+.5f}   {error / standard_error:+.2f}")
    print(f"  {inside} of 20 within 3 standard errors")
    if path is None:
        return
    model = keras.models.load_model(path)
    for schedule in (energy.partition.NUM_BETAS, energy.partition.NUM_CHAINS), (1000, 100):
        model.head.num_betas, model.head.num_chains = schedule
        print(f"  {schedule[0]} betas x {schedule[1]} chains: {model.score(rolls.test)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
