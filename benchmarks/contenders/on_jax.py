"""Contenders of `benchmarks/gpu.py` on JAX, which a process of their own imports.

A function returns times, and checks as `{name: (value, limit)}`.
"""

import math

import jax
import jax.numpy as jnp
import keras
import numpy as np

from benchmarks.contenders.counts import frame_shape, lstm_units, row_shape
from benchmarks.contenders.problems import (
    LIMITS,
    ais_data,
    cd_data,
    cd_seed,
    check_ais,
    check_cd,
    check_gradients,
    check_outputs,
    loss,
    matrices,
    measure,
    over_patches,
    peaks,
    random_weights,
    sequences,
    targets,
)
from seqlayers import energy, layers

PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}


def network(name, contender, s, dtype):
    """Returns a function of weights, sequences and `training`, and the weights.

    Args:
        name: One of `LAYERS`.
        contender: `"layer"`, that layer; `"cell"`, Keras's loop over its cell; or `"lstm"`.
        s: `Sizes`.
        dtype: Type of all numbers.
    """
    arguments = {
        "SFM": (s.units, s.frequencies, s.memory_units),
        "AdaptiveSFM": (s.units, s.frequencies, s.memory_units, "accumulated"),
        "ConvLSTMPatch": (s.cells, s.patch, s.stride, s.pool),
        "LSTBM": (s.gates,),
    }[name]
    shared = {"return_sequences": True, "dtype": dtype}
    if contender == "lstm":
        made = keras.layers.LSTM(lstm_units(name, s), **shared)
    elif contender == "cell":
        made = keras.layers.RNN(getattr(layers, f"{name}Cell")(*arguments, dtype=dtype), **shared)
    else:
        made = getattr(layers, name)(*arguments, **shared)
    patches = contender == "lstm" and name == "ConvLSTMPatch"
    shape = (math.prod(row_shape(name, s)),) if patches else frame_shape(name, s)
    made.build((None, None, *shape))
    fixed = [variable.value for variable in made.non_trainable_variables]

    def run(weights, x, training):
        def call(x):
            return made.stateless_call(weights, fixed, x, training=training)[0]

        outputs = over_patches(call, jnp.max, s, x) if patches else call(x)
        return outputs.reshape(*outputs.shape[:2], -1)

    weights = random_weights([w.shape for w in made.trainable_variables])
    return run, [jnp.asarray(w, dtype) for w in weights]


def layer(name, contender, s, batch, steps, train, precision, expected):
    """Times a layer, forward or a train step with Adam."""
    run, weights = network(name, contender, s, "float32")
    x, row_weights = map(jnp.asarray, sequences(name, s, steps, batch))
    with jax.default_matmul_precision(PRECISIONS[precision]):
        if not train:
            forward = jax.jit(run, static_argnums=2)
            times = measure(lambda: forward(weights, x, False), jax.block_until_ready, s.seconds)
            outputs = forward(weights, x, False)
            error = check_outputs(outputs, expected["outputs"], np.asarray)
            return times, {"outputs": (error, LIMITS[precision])}
        y = jnp.asarray(targets(expected["outputs"].shape, batch))
        optimizer = keras.optimizers.Adam()
        optimizer.build([keras.Variable(w) for w in weights])

        @jax.jit
        def step(weights, slots, x, y, row_weights):
            gradients = jax.grad(lambda w: loss(run(w, x, True), y, row_weights))(weights)
            return *optimizer.stateless_apply(slots, gradients, weights), gradients

        first = now = (weights, [slot.value for slot in optimizer.variables])

        def train_step():
            nonlocal now
            *now, _ = step(*now, x, y, row_weights)
            return now

        times = measure(train_step, jax.block_until_ready, s.seconds)
        error = check_gradients(step(*first, x, y, row_weights)[2], expected["gradients"])
        return times, {"gradients": (error, LIMITS[precision])}


def cd(s, frames, compiled, expected):
    """Times the gradient of CD-k, always compiled."""
    v, *params = cd_data(s, frames)

    @jax.jit
    def gradients(params, v, seed):
        def loss(params):
            return energy.contrastive_divergence(energy.RBMParams(*params), v, s.gibbs_steps, seed)

        return jax.grad(loss)(params)

    arguments = jax.tree.map(jnp.asarray, (params, v, cd_seed()))
    with jax.default_matmul_precision("float32"):
        times = measure(lambda: gradients(*arguments), jax.block_until_ready, s.seconds)
        result = [np.asarray(g) for g in gradients(*arguments)]
    m, checks = check_cd(s, v, params, result, expected)
    other = np.any(m[: len(expected["ours"])] != expected["ours"], axis=-1)
    return times, checks | {"other chains": (float(other.mean()), 0.01)}


def ais(s, frames, compiled, expected):
    """Times the estimate of log Z, always compiled."""

    @jax.jit
    def estimate(params, seed):
        return energy.ais_log_partition(energy.RBMParams(*params), seed, s.betas, s.chains)

    arguments = jax.tree.map(jnp.asarray, (ais_data(s, frames), cd_seed()))
    with jax.default_matmul_precision("float32"):
        times = measure(lambda: estimate(*arguments), jax.block_until_ready, s.seconds)
        return times, check_ais(np.asarray(estimate(*arguments).nats), expected)


def machine(s):
    """Returns the rates of products and of a copy, and what they ran on."""
    device = jax.devices()[0]

    def product(precision):
        a, b = jnp.asarray(matrices(s), "bfloat16" if precision == "bfloat16" else "float32")
        with jax.default_matmul_precision(PRECISIONS[precision]):
            multiply = jax.jit(jnp.matmul)
            times = measure(lambda: multiply(a, b), jax.block_until_ready, s.seconds)
            return times, np.asarray(multiply(a, b)[0], "float64")

    x = jnp.zeros(s.copied // 4, "float32")
    copy = jax.jit(lambda x: x + 1)  # a copy alone would be left out
    times = measure(lambda: copy(x), jax.block_until_ready, s.seconds)
    return {
        "device": device.device_kind,
        "gpu": device.platform == "gpu",
        "versions": {"jax": jax.__version__, "keras": keras.__version__},
        "rates": peaks(s, product, times),
    }
