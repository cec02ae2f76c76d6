"""Every random draw of the package, but for dropout and initial weights, which are Keras's.

Nothing is drawn without a seed one can name. A seed is a pair of int32, or one pair for each row
of a batch; `fold_in` makes new seeds of old ones and numbers: the step of training, the place of
use, the number of a Gibbs step. With a pair for each row, what is drawn for a row depends on that
row's seed and on nothing else: not on the batch it came in and not on the padding behind it.

Draws are made by TensorFlow Probability's distributions. Three of them, `Bernoulli`, `Normal` and
`Gamma`, take their bits from here rather than from TensorFlow: TensorFlow's floats differ between
eager execution, graphs and XLA, and XLA on a CPU makes them a hundred times slower. Ours are
integers (the three-round multiply-xorshift hash `triple32`, keyed, over a counter), so the same
seed gives the same bits in eager execution, in a graph, under XLA and in a served model: a
Bernoulli draw is the same everywhere, a Normal one up to how `erfinv` is rounded, and so a Gamma
one, but for the rare draw that rounding turns from accepted to rejected.
References: C. Wellons, Prospecting for Hash Functions, 2018 (the constants of `triple32`);
G. Marsaglia and W. W. Tsang, A Simple Method for Generating Gamma Variables, ACM TOMS 2000.
"""

import enum
import functools

import numpy as np
from keras import ops

_GOLDEN, _SQRT_2 = 0x9E3779B9, 0x6A09E667  # digits of irrationals: keep a seed's words apart
_GAMMA_ROUNDS = 10  # each rejects less than 0.05: all of them, less than one draw in 10^13


class Use(enum.IntEnum):
    """What a draw is for: folded into a seed first, so that no two uses draw the same."""

    TRAINING, DROPOUT, PRETRAINING, CALL, SCORE, REVERSE, GENERATE, CONTEXT = range(8)


def seed_pair(seed):
    """Turns a whole number of up to 64 bits into a seed, a pair of int32.

    Args:
        seed: An int; negative numbers and numbers above 2^31 are fine.

    Raises:
        ValueError: if `seed` is not a whole number of 64 bits.
    """
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not -(2**63) <= int(seed) < 2**64:
        raise ValueError(f"`seed` must be a whole number of 64 bits. Received: seed={seed!r}.")
    words = [int(seed) & 0xFFFFFFFF, (int(seed) >> 32) & 0xFFFFFFFF]
    return np.array(words, "uint32").view("int32")


def fold_in(seed, number):
    """Makes a new seed from a seed and a whole number.

    Args:
        seed: int32, `(2,)` or `(..., 2)`.
        number: An int or an integer tensor that broadcasts with `seed[..., 0]`.

    Returns:
        An int32 tensor, `(..., 2)`.
    """
    low, high = _words(seed)
    low = _mix(low + _u32(_GOLDEN))
    high = _mix((high ^ _u32(_SQRT_2)) + low)
    low = _mix(ops.bitwise_xor(low, high) + _u32(number))
    high = _mix(high ^ low)
    return ops.cast(ops.stack([low, high], axis=-1), "int32")


def row_seeds(seed, num_rows, first_row=0):
    """A seed `(num_rows, 2)`: one pair for each row of a batch.

    Args:
        seed: int32, `(2,)`.
        num_rows: Number of rows, an int or a scalar tensor.
        first_row: Number of the first row, where a batch is a slice of a larger one.
    """
    return fold_in(seed, ops.arange(num_rows, dtype="int32") + first_row)


def uniform(shape, seed):
    """Draws float32 numbers from (0, 1), each an odd multiple of 2^-24.

    Args:
        shape: Shape of the draw; entries are ints or scalar tensors.
        seed: int32, `(2,)`, or `(shape[0], 2)` for rows that do not depend on each other.
    """
    return (ops.cast(ops.right_shift(_bits(shape, seed), _u32(9)), "float32") + 0.5) * 2.0**-23


def bernoulli(logits):
    """A TFP `Bernoulli` whose `sample(seed=...)` takes the seeds of this module."""
    return _distributions().Bernoulli(logits=logits, dtype=logits.dtype)


def normal(mean, scale):
    """A TFP `Normal`, whose `sample(seed=...)` takes the seeds of this module."""
    return _distributions().Normal(loc=mean, scale=scale)


def gamma(shape, rate):
    """A TFP `Gamma`, whose `sample(seed=...)` takes the seeds of this module.

    Draws are above 0, have the precision of float32 and carry no gradient.
    """
    return _distributions().Gamma(concentration=shape, rate=rate)


def log_gamma(x):
    """log of the gamma function, which `keras.ops` lacks: log p(1) of a Gamma of rate 1 has it."""
    return -1.0 - gamma(x, ops.ones_like(x)).log_prob(ops.ones_like(x))


@functools.cache
def _distributions():
    """TFP's distributions over our bits; its import takes two seconds, so it waits for use."""
    import tensorflow_probability as tfp

    tfd = tfp.distributions

    class Distributions:
        class Bernoulli(tfd.Bernoulli):
            def _sample_n(self, n, seed=None):
                probs = ops.cast(ops.sigmoid(self.logits), "float32")
                return ops.cast(_uniform_n(n, ops.shape(probs), seed) < probs, self.dtype)

        class Normal(tfd.Normal):
            def _sample_n(self, n, seed=None):
                shape = ops.shape(self.loc + self.scale)
                z = np.sqrt(2.0) * ops.erfinv(2.0 * _uniform_n(n, shape, seed) - 1.0)
                return self.loc + self.scale * ops.cast(z, self.dtype)

        class Gamma(tfd.Gamma):
            reparameterization_type = tfd.NOT_REPARAMETERIZED

            def _sample_n(self, n, seed=None):
                shape = ops.shape(self.concentration + self.rate)
                g = _standard_gamma(n, ops.cast(self.concentration, "float32"), shape, seed)
                tiny = float(np.finfo("float32").tiny)  # a draw below it would round to 0
                return ops.stop_gradient(ops.maximum(ops.cast(g, self.dtype) / self.rate, tiny))

    return Distributions


def _standard_gamma(n, k, shape, seed):
    """`n` draws of `shape` from Gamma(k, 1), by Marsaglia and Tsang's rejection.

        d (1 + t)^3,  t = x / (3 sqrt(d)),  d = k - 1/3,  x normal

    is accepted where log u < d (3 log(1 + t) - 3 t + 3/2 t^2 - t^3): their bound, without what
    cancels. Below 1, k + 1 takes the place of k, and u^(1/k) multiplies the draw. What a round
    accepts is kept, so that it does not depend on how many rounds the others need.
    """
    seeds, k = _seeds_n(n, seed), ops.stop_gradient(k)
    d = ops.where(k < 1, k + 1, k) - 1 / 3

    def draw(number):
        return uniform((n, *shape), fold_in(seeds, number))

    def propose(i, t, done):
        new = np.sqrt(2.0) * ops.erfinv(2.0 * draw(2 * i + 1) - 1.0) / (3.0 * ops.sqrt(d))
        bound = d * (3.0 * ops.log1p(new) + new * (-3.0 + new * (1.5 - new)))  # NaN below -1
        accepted = ops.log(draw(2 * i + 2)) < bound
        return i + 1, ops.where(done, t, ops.where(accepted, new, t)), done | accepted

    t = ops.zeros((n, *shape), "float32")
    _, t, _ = ops.while_loop(
        lambda i, t, done: ops.logical_not(ops.all(done)),
        propose,
        (0, t, ops.zeros((n, *shape), "bool")),
        maximum_iterations=_GAMMA_ROUNDS,
    )
    boost = ops.where(k < 1, ops.exp(ops.log(draw(0)) / k), 1.0)
    return d * (1.0 + t) ** 3 * boost


def _uniform_n(n, shape, seed):
    """`n` draws of `shape`, `(n, *shape)`; draw i is what `fold_in(seed, i)` gives alone."""
    return uniform((n, *shape), _seeds_n(n, seed))


def _seeds_n(n, seed):
    """The seeds of `n` draws, `(n, 2)` or `(n, rows, 2)`."""
    if seed is None or len(np.shape(seed)) == 0:
        raise ValueError(
            "`seed` must be an int32 pair, such as `seed_pair(0)`, or one pair for each row. "
            f"Received: seed={seed!r}."
        )
    seed = ops.convert_to_tensor(seed, "int32")
    numbers = ops.reshape(ops.arange(n, dtype="int32"), (-1,) + (1,) * (len(seed.shape) - 1))
    return fold_in(seed[None], numbers)


def _bits(shape, seed):
    """uint32 words: `triple32` of a counter over the dimensions that `seed` does not span."""
    seed = ops.convert_to_tensor(seed, "int32")
    rows = len(seed.shape) - 1
    counted = shape[rows:]
    counter = _u32(ops.arange(_product(counted), dtype="int32"))  # no kernel counts in uint32
    counter = ops.reshape(counter, (1,) * rows + tuple(counted))
    k0, k1 = (ops.reshape(k, ops.shape(k) + (1,) * len(counted)) for k in _words(seed))
    return _mix(counter + k0, k1)


def _mix(x, key=None):
    """`triple32`, a bijection of 32-bit words; `key` is added after its first round."""

    def xorshift(x, places):
        return ops.bitwise_xor(x, ops.right_shift(x, _u32(places)))

    x = xorshift(x, 17) * _u32(0xED5AD4BB)
    if key is not None:
        x = x + key
    x = xorshift(x, 11) * _u32(0xAC4C1B51)
    x = xorshift(x, 15) * _u32(0x31848BAB)
    return xorshift(x, 14)


def _words(seed):
    seed = ops.cast(ops.convert_to_tensor(seed, "int32"), "uint32")
    return seed[..., 0], seed[..., 1]


def _u32(number):
    if isinstance(number, int):
        return np.uint32(number & 0xFFFFFFFF)
    return ops.cast(number, "uint32")


def _product(sizes):
    return functools.reduce(lambda a, b: a * b, sizes, 1)
