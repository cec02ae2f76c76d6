"""The RNN-RBM in loops: one number at a time, in the order in which the equations stand.

u_t = tanh(u_{t-1} W_uu + v_t W_vu + b_u),  u_0 given
b_t = b + u_{t-1} A,  c_t = c + u_{t-1} B
p(v_1 .. v_T) = prod_t p(v_t | b_t, c_t)              each an RBM with kernel W
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from reference import rbm


class RNNRBM(NamedTuple):
    """`log_variance` is None for Bernoulli visibles."""

    W_vu: np.ndarray  # [V, D]
    W_uu: np.ndarray  # [D, D]
    b_u: np.ndarray  # [D]
    u_0: np.ndarray  # [D]
    W: np.ndarray  # [V, H]
    b: np.ndarray  # [V]
    c: np.ndarray  # [H]
    A: np.ndarray  # [D, V]
    B: np.ndarray  # [D, H]
    log_variance: np.ndarray | None = None


def memory(W_vu, W_uu, b_u, u_0, frames):
    """u_0, u_1 .. u_{T-1}: what is known before each frame."""
    u, known = [float(value) for value in u_0], []
    for v in frames:
        known.append(np.array(u))
        after = []
        for k in range(len(u)):
            x = b_u[k]
            for j in range(len(u)):
                x += u[j] * W_uu[j, k]
            for i in range(len(v)):
                x += v[i] * W_vu[i, k]
            after.append(math.tanh(x))
        u = after
    return np.array(known)


def frame_rbm(model, u):
    """The RBM of a frame, before which u is known."""
    b, c = model.b.copy(), model.c.copy()
    for j in range(len(u)):
        for i in range(len(b)):
            b[i] += u[j] * model.A[j, i]
        for k in range(len(c)):
            c[k] += u[j] * model.B[j, k]
    return rbm.RBM(model.W, b, c, model.log_variance)


def log_probs(model, frames):
    """log p(v_t | v_1 .. v_{t-1}) of each frame of one sequence."""
    known = memory(model.W_vu, model.W_uu, model.b_u, model.u_0, frames)
    return np.array(
        [rbm.log_prob(frame_rbm(model, u), v) for u, v in zip(known, frames, strict=True)]
    )


def sequence_probs(model, length):
    """p of every sequence of Bernoulli frames, `(2^V,) * length`, states in binary order."""
    states = rbm.binary_states(len(model.b))
    probs = np.zeros((len(states),) * length)
    for index in itertools.product(range(len(states)), repeat=length):
        probs[index] = math.exp(sum(log_probs(model, [states[i] for i in index])))
    return probs
