"""References in float64, on the CPU, for the contenders of `benchmarks/gpu.py`.

A process of its own imports it: it makes Keras compute in float64.
"""

import jax
import numpy as np
from keras.src.backend.common import dtypes

from benchmarks.contenders.counts import lstm_units
from benchmarks.contenders.on_jax import network
from benchmarks.contenders.problems import (
    CHECKED,
    ROWS,
    ais_data,
    blocks,
    cd_data,
    cd_seed,
    deviation,
    loss,
    sequences,
    sigmoid,
    targets,
)
from seqlayers import energy
from tests.reference import lstbm, peephole_lstm, sfm

jax.config.update("jax_enable_x64", True)
# Keras on JAX returns float32 for float64 in many places. `layer` notices if this fails to help.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


def layer(name, contender, s, steps):
    """Returns the outputs of `ROWS` sequences and the gradients of all weights.

    They are those of Keras's loop and of automatic differentiation.

    Raises:
        ArithmeticError: If the first outputs are not those of `tests/reference`.
    """
    run, weights = network(name, contender, s, "float64")
    x, row_weights = (a.astype("float64") for a in sequences(name, s, steps, ROWS))
    outputs = np.asarray(jax.jit(run, static_argnums=2)(weights, x, False))
    first = by_single_numbers(name, contender, s, [np.asarray(w) for w in weights], x[0, :3])
    if not (error := deviation(outputs[0, :3], first)) < 1e-12:
        raise ArithmeticError(
            f"Keras's loop over the cell of `{name}` in float64 must agree with tests/reference to "
            f"12 digits. Received: a relative difference of {error:.0e}."
        )

    @jax.jit
    @jax.grad
    def gradients(weights, x, y):
        return loss(run(weights, x, True), y, row_weights)

    y = targets(outputs.shape, ROWS).astype("float64")
    return {"outputs": outputs, "gradients": [np.asarray(g) for g in gradients(weights, x, y)]}


def by_single_numbers(name, contender, s, weights, x):
    """Returns the outputs of one sequence by `tests/reference`."""
    if contender != "lstm" and name in ("SFM", "AdaptiveSFM"):
        silence = sfm.silence(s.units, s.memory_units, s.frequencies)
        of_frequencies = (
            {"frequencies": sfm.harmonic(s.frequencies)}
            if name == "SFM"
            else {"adaptive": True, "phase": "accumulated"}
        )
        return sfm.sfm(sfm.SFM(*weights), x, silence, **of_frequencies).z
    units = lstm_units(name, s)
    if contender != "lstm" and name == "LSTBM":
        return lstbm.lstbm(weights, x, np.zeros(units), np.zeros(units))[0]
    if contender == "lstm":
        weights = [*weights, np.zeros((3, units))]
    lstm = peephole_lstm.LSTM(*weights, None)
    if name == "ConvLSTMPatch":
        zeros = np.zeros((s.patches, units))
        patch = (s.patch, s.stride, s.pool)
        return peephole_lstm.conv_lstm_patch(lstm, x, zeros, zeros, *patch)[0].reshape(len(x), -1)
    return peephole_lstm.lstm(lstm, x, np.zeros(units), np.zeros(units))[0]


def cd(s):
    """Returns the ends of chains: ours of one seed, and others by NumPy alone."""
    v, *params = (a.astype("float64") for a in cd_data(s, s.frames[0]))
    params = energy.RBMParams(*params)
    ours = jax.jit(energy.gibbs, static_argnums=2)(params, v, s.gibbs_steps, cd_seed())
    W, b, c = params[:3]
    rng = np.random.default_rng(5)
    m = v
    for _ in range(s.gibbs_steps):
        h = (rng.random(c.shape) < sigmoid(c + m @ W)).astype(float)
        m = (rng.random(b.shape) < sigmoid(b + h @ W.T)).astype(float)
    return {"ours": np.asarray(ours), "numpy": m}


def ais(s):
    """Returns log Z of the first frames, the sum over blocks of sums over their states."""
    W, b, c = (a.astype("float64") for a in ais_data(s, CHECKED))
    nats = np.zeros(CHECKED)
    for i, j in zip(*blocks(s), strict=True):
        states = (np.arange(2 ** len(i))[:, None] >> np.arange(len(i))) & 1
        x = c[:, None, j] + states @ W[np.ix_(i, j)]  # [frame, state, hidden unit]
        log_weights = b[:, i] @ states.T + np.logaddexp(0, x).sum(-1)
        nats += np.logaddexp.reduce(log_weights, axis=1)
    return {"nats": nats}
