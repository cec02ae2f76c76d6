"""Data of the contenders of `benchmarks/gpu.py`, and how they are timed and checked.

Functions of arrays take those of NumPy, JAX and PyTorch.
"""

import math
import statistics
import time

import numpy as np

from benchmarks.contenders.counts import frame_shape

ROWS = 4  # different sequences in a batch
CHECKED = 256  # frames whose log Z is summed
BLOCKS = 10
LIMITS = {"float32": 1e-4, "tf32": 2e-2}  # of relative errors


def random_weights(shapes):
    """Returns weights that keep the size of what they multiply, and small biases."""
    rng = np.random.default_rng(1)
    scales = (s[-2] ** -0.5 if len(s) > 1 else 0.1 for s in shapes)
    return [rng.normal(scale=c, size=s).astype("float32") for c, s in zip(scales, shapes, strict=1)]


def sequences(layer, s, steps, batch):
    """Returns copies of `ROWS` sequences, and the weight of each row in the loss, 1 on average."""
    copies = batch // ROWS
    x = np.random.default_rng(2).normal(size=(ROWS, steps, *frame_shape(layer, s)))
    weights = np.linspace(0.5, 1.5, copies) if copies > 1 else np.ones(1)
    return np.concatenate([x.astype("float32")] * copies), np.repeat(weights, ROWS).astype(
        "float32"
    )


def targets(shape, batch):
    """Returns copies of as many random sequences like `ROWS` outputs of this shape."""
    y = np.random.default_rng(3).normal(size=shape).astype("float32")
    return np.concatenate([y] * (batch // ROWS))


def loss(outputs, y, row_weights):
    """Computes the squared error, in arrays of either library."""
    return (row_weights[:, None, None] * (outputs - y) ** 2).mean()


def over_patches(lstm, largest, s, frames):
    """Runs an LSTM over the patches of frames, in arrays of either library, and pools them."""
    (batch, steps), J, pools = frames.shape[:2], s.patches, s.patches // s.pool
    bands = s.stride * np.arange(J)[:, None] + np.arange(s.patch)
    x = frames[:, :, bands].reshape(batch, steps, J, -1)
    h = lstm(x.swapaxes(1, 2).reshape(batch * J, steps, -1))
    h = h.reshape(batch, J, steps, -1).swapaxes(1, 2)[:, :, : pools * s.pool]
    return largest(h.reshape(batch, steps, pools, s.pool, -1), 3)


# Data of CD and AIS. Fewer frames are the first of more.


def cd_data(s, frames):
    """Returns v, W, b and c, biases of their own for each frame."""
    shapes = [(frames, s.visible), (s.visible, s.hidden), (frames, s.visible), (frames, s.hidden)]
    v, W, b, c = (np.random.default_rng([4, i]).normal(size=z) for i, z in enumerate(shapes))
    return [a.astype("float32") for a in (v < -1.5, 0.1 * W, b - 3, c)]


def cd_seed():
    return np.array([20, 26], "int32")


def blocks(s):
    """Returns the units of each block, visible and hidden ones."""
    return [np.array_split(np.arange(n), BLOCKS) for n in (s.visible, s.hidden)]


def ais_data(s, frames):
    """Returns W, which is 0 between blocks, and b and c of each frame."""
    _, W, b, c = cd_data(s, frames)
    of_visible, of_hidden = (
        np.repeat(np.arange(BLOCKS), [len(part) for part in parts]) for parts in blocks(s)
    )
    return [5 * W * (of_visible[:, None] == of_hidden), b + 2, c]


def check_cd(s, v, params, gradients, expected):
    """Returns the ends of the chains of CD-k, and checks as `{name: (value, limit)}`.

    The gradient of the visible biases is (m - v) / frames, where m are these ends.
    """
    W, b, c = (a.astype("float64") for a in params)
    dW, db, dc = (g.astype("float64") for g in gradients)
    frames = len(v)
    m = v + frames * db
    whole = float(np.abs(m - np.rint(m)).max())
    m = np.rint(m)
    p, q = sigmoid(c + v @ W), sigmoid(c + m @ W)
    known = [(m.T @ q - v.T @ p) / frames, (q - p) / frames]
    n = len(expected["numpy"])
    means = np.array([m[:n].mean(0), expected["numpy"].mean(0)])
    z = (means[0] - means[1]) / np.sqrt((means * (1 - means)).sum(0) / n + 1e-12)
    return m, {
        "chains are 0 or 1": (whole, 1e-2),
        "gradients": (check_gradients([dW, dc], known), LIMITS["float32"]),
        "means, in standard errors": (float(np.abs(z).max()), 5.0),
    }


def check_ais(nats, expected):
    """Returns the check of a mean log Z, in nats."""
    return {"log Z": (abs(float(np.mean(nats[:CHECKED] - expected["nats"]))), 0.05)}


# Times and errors.


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def deviation(actual, expected):
    """Returns the size of the difference, relative to that of what is expected."""
    actual = np.asarray(actual, "float64")
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def check_outputs(outputs, expected, to_numpy):
    """Returns the error of all rows: that of the first copies, and how far others are from them."""
    copies = outputs.reshape(-1, *expected.shape)
    apart = copies - copies[:1]
    apart = max(float(apart.max()), -float(apart.min())) / math.sqrt(np.mean(expected**2))
    return max(deviation(to_numpy(copies[0]), expected), apart)


def check_gradients(actual, expected):
    """Returns the error of the weight whose gradient is the least exact."""
    return max(deviation(a, e) for a, e in zip(actual, expected, strict=True))


def measure(run, wait, seconds):
    """Times a function that returns before its work is done.

    Calls go out without waiting in between, as in training, for a seventh of the time at least, and
    the last one is waited for. The result is the median of at most seven such rounds.

    Args:
        run: The function.
        wait: A function that waits for its result.
        seconds: How long to go on, two calls to warm up apart.
    """

    def timed(calls):
        start = time.perf_counter()
        for _ in range(calls):
            result = run()
        wait(result)
        return (time.perf_counter() - start) / calls

    first, one = timed(1), timed(1)
    calls = max(1, min(1000, int(seconds / 7 / one)))
    times, start = [], time.perf_counter()
    while not times or (len(times) < 7 and time.perf_counter() - start < seconds):
        times.append(timed(calls))
    ms = 1e3 * statistics.median(times)
    return {"ms": ms, "spread": max(times) / min(times), "first_call_s": first}


# Peaks.


def matrices(s):
    """Returns two matrices to multiply."""
    return np.random.default_rng(6).normal(size=(2, s.product, s.product)).astype("float32")


def peaks(s, product, copy_times):
    """Returns the rates of products, operations a second, and the one of a copy, bytes a second.

    Args:
        s: `Sizes`.
        product: A function that returns the times of a product of `matrices` in some precision, and
            a row of it, which is compared with that in float64.
        copy_times: Those of a copy of `s.copied` bytes, each of them read and written.
    """
    a, b = matrices(s)
    expected = a[0].astype("float64") @ b
    found = {"bytes": 2 * s.copied / copy_times["ms"] * 1e3}
    for precision, limit in LIMITS.items() | {("bfloat16", 3e-2)}:
        times, row = product(precision)
        if not (error := deviation(row, expected)) < limit:
            raise ArithmeticError(f"A product in {precision} has an error of {error:.0e}.")
        found[precision] = 2 * s.product**3 / times["ms"] * 1e3
    return found
