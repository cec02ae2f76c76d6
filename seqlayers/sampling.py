"""Random draws from explicit seeds: all of the package except dropout and initial weights.

A seed is a pair of int32, or one pair for each row of a batch; `fold_in` makes new seeds from old
ones and numbers: the step of training, the place of use, the number of a Gibbs step. With a pair
for each row, the draws of a row depend on that row's seed alone: neither on the batch it came in
nor on the padding behind it.

Draws are made by TensorFlow Probability's distributions where Keras runs on TensorFlow, and by
those of `seqlayers.distributions` elsewhere. Three of them, `Bernoulli`, `Normal` and `Gamma`, take
their bits from here instead of from TensorFlow, whose floats differ between eager execution, graphs
and XLA, and which are a hundred times slower under XLA on a CPU. The bits here are integers (the
three-round multiply-xorshift hash `triple32`, keyed, over a counter), so that one seed gives the
same bits in eager execution, in a graph, under XLA, in a served model and on JAX. A Bernoulli draw
is the same everywhere. A Normal one is the same up to the rounding of `erfinv`, and so is a Gamma
one, except for the rare draw that rounding turns from accepted to rejected. Where a parameter is
NaN, so is the draw.
References: C. Wellons, Prospecting for Hash Functions, 2018 (the constants of `triple32`);
G. Marsaglia and W. W. Tsang, A Simple Method for Generating Gamma Variables, ACM TOMS 2000.
"""

import enum
import functools
import math

import keras
import numpy as np
from keras import ops

from seqlayers import replicas
from seqlayers.backends import in_one_call
from seqlayers.checks import check_integer

_GOLDEN, _SQRT_2 = 0x9E3779B9, 0x6A09E667  # digits of irrationals: keep a seed's words apart
# tanh(x / 2) as a ratio of polynomials in x^2, times x: a least maximum error for |x| below 17.4.
_TANH_NUMERATOR = (0.499999966, 0.0167413976, 0.000109694429, 1.62978372e-07, 2.68113208e-11)
_TANH_DENOMINATOR = (1.0, 0.11681606, 0.00162074689, 5.17194764e-06, 3.09532825e-09)
_GAMMA_ROUNDS = 10  # each rejects less than 0.05: all of them, less than one draw in 10^13


class Use(enum.IntEnum):
    """The purpose of a draw, folded into a seed first so that no two uses draw the same."""

    TRAINING, DROPOUT, PRETRAINING, CALL, SCORE, REVERSE, GENERATE, CONTEXT = range(8)
    INFILL, TRANSPOSE = 8, 9


def seed_pair(seed):
    """Returns the seed of an integer of up to 64 bits, a pair of int32.

    Args:
        seed: An integer, which may be negative.

    Raises:
        ValueError: If `seed` is not an integer of 64 bits.
    """
    seed = check_integer("seed", seed, least=-(2**63), most=2**64 - 1)
    words = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
    return np.array(words, "uint32").view("int32")


def fold_in(seed, number):
    """Returns a new seed made from a seed and a number.

    Args:
        seed: int32, `(2,)` or `(..., 2)`.
        number: An int or an integer tensor that broadcasts with `seed[..., 0]`.

    Returns:
        An int32 tensor, `(..., 2)`.
    """
    number = ops.convert_to_tensor(_u32(number))
    return ops.cast(in_one_call(_folded)(_words(seed), number[..., None]), "int32")


def row_seeds(seed, num_rows, first_row=None):
    """Returns a seed `(num_rows, 2)`, one pair for each row of a batch.

    Args:
        seed: int32, `(2,)`.
        num_rows: Number of rows, an int or a scalar tensor.
        first_row: Number of the first row, if the batch is a slice of a larger one. If None, rows
            are counted over all replicas of `tf.distribute`, and else from 0.
    """
    first_row = replicas.first_row(num_rows) if first_row is None else first_row
    return fold_in(seed, ops.arange(num_rows, dtype="int32") + first_row)


def uniform(shape, seed, first=0):
    """Draws float32 numbers from (0, 1), each an odd multiple of 2^-24.

    Args:
        shape: Shape of the draw; entries are ints or scalar tensors.
        seed: int32, `(2,)`, or `(shape[0], 2)` for rows that do not depend on each other.
        first: Number of the first entry along the first axis that has no seeds of its own, if the
            draw is a slice of a larger one.
    """
    return (_integers(shape, seed, first) + 0.5) * 2.0**-23


def dropout(values, share, seed):
    """Returns values of which a share is set to 0 and the others are divided by 1 - share.

    Args:
        values: Numbers of any shape.
        share: Share to drop, at least 0 and below 1.
        seed: As in `uniform`.
    """
    keep = 1.0 - share
    kept = uniform(ops.shape(values), seed) < keep
    return ops.where(kept, values / ops.cast(keep, values.dtype), 0)


def bernoulli(logits):
    """Returns a `Bernoulli` whose `sample(seed=...)` takes the seeds of this module."""
    return _distributions().Bernoulli(logits=logits, dtype=logits.dtype)


def normal(mean, scale):
    """Returns a `Normal` whose `sample(seed=...)` takes the seeds of this module."""
    return _distributions().Normal(loc=mean, scale=scale)


def gamma(shape, rate):
    """Returns a `Gamma` whose `sample(seed=...)` takes the seeds of this module.

    Draws are above 0, have the precision of float32 and carry no gradient.
    """
    return _distributions().Gamma(concentration=shape, rate=rate)


def log_gamma(x):
    """Returns the log of the gamma function, which `keras.ops` lacks.

    It is a term of log p(1) of a Gamma of rate 1.
    """
    return -1.0 - gamma(x, ops.ones_like(x)).log_prob(ops.ones_like(x))


@functools.cache
def _distributions():
    """Returns distributions over the bits of this module; importing TFP's takes two seconds."""
    if keras.backend.backend() == "tensorflow":
        from tensorflow_probability import distributions
    else:
        from seqlayers import distributions

    class Distributions:
        class Bernoulli(distributions.Bernoulli):
            def _sample_n(self, n, seed=None):
                shape = (n, *ops.shape(self.logits))
                on = _below_sigmoid(_integers(shape, _seeds_n(n, seed)), self.logits)
                drawn = ops.where(ops.isnan(self.logits), self.logits, on)
                return ops.cast(drawn, self.dtype)

        class Normal(distributions.Normal):
            def _sample_n(self, n, seed=None):
                shape = ops.shape(self.loc + self.scale)
                z = math.sqrt(2.0) * ops.erfinv(2.0 * _uniform_n(n, shape, seed) - 1.0)
                return self.loc + self.scale * ops.cast(z, self.dtype)

        class Gamma(distributions.Gamma):
            reparameterization_type = distributions.NOT_REPARAMETERIZED

            def _sample_n(self, n, seed=None):
                shape = ops.shape(self.concentration + self.rate)
                g = _standard_gamma(n, ops.cast(self.concentration, "float32"), shape, seed)
                tiny = float(np.finfo("float32").tiny)  # a draw below it would round to 0
                return ops.stop_gradient(ops.maximum(ops.cast(g, self.dtype) / self.rate, tiny))

    return Distributions


def _below_sigmoid(integers, x):
    """Returns whether uniform numbers u are below sigmoid(x), bool of the shape of `integers`.

        u < sigmoid(x)  <=>  2 u - 1 < tanh(x / 2) = x P(x^2) / Q(x^2)

    Q is above 0, so this needs neither an exponential nor a division. Compiled, it takes half of
    the time of a sigmoid, which would take more time than all else in a draw. The ratio is within
    2e-8 of tanh; where |x| is above 17.7 it passes 1, so that a unit is on, or off, for certain.

    Args:
        integers: 2^23 u - 1/2, as `_integers` returns them.
        x: Log-odds, of the same trailing shape.
    """
    x = ops.clip(ops.cast(x, "float32"), -19.0, 19.0)
    P, Q = (_polynomial(ops.square(x), c) for c in (_TANH_NUMERATOR, _TANH_DENOMINATOR))
    return (integers * 2.0**-22 + (2.0**-23 - 1.0)) * Q < x * P


def _polynomial(z, coefficients):
    """Returns the sum of c_i z^i."""
    return functools.reduce(lambda total, c: total * z + c, reversed(coefficients))


def _standard_gamma(n, k, shape, seed):
    """Draws `n` times `shape` from Gamma(k, 1), by Marsaglia and Tsang's rejection.

        d (1 + t)^3,  t = x / (3 sqrt(d)),  d = k - 1/3,  x normal

    is accepted where log u < d (3 log(1 + t) - 3 t + 3/2 t^2 - t^3): their bound, without the terms
    that cancel. For k below 1, k + 1 takes its place, and u^(1/k) multiplies the draw. An accepted
    draw is kept, so that it does not depend on the number of rounds that the others need.
    """
    seeds, k = _seeds_n(n, seed), ops.stop_gradient(k)
    d = ops.where(k < 1, k + 1, k) - 1 / 3

    def draw(number):
        return uniform((n, *shape), fold_in(seeds, number))

    def propose(i, t, done):
        new = math.sqrt(2.0) * ops.erfinv(2.0 * draw(2 * i + 1) - 1.0) / (3.0 * ops.sqrt(d))
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
    """Draws `n` times `shape`, `(n, *shape)`; draw i is that of `fold_in(seed, i)` alone."""
    return uniform((n, *shape), _seeds_n(n, seed))


def _seeds_n(n, seed):
    """Returns the seeds of `n` draws, `(n, 2)` or `(n, rows, 2)`."""
    if seed is None or len(np.shape(seed)) == 0:
        raise ValueError(
            "`seed` must be an int32 pair, such as `seed_pair(0)`, or one pair for each row. "
            f"Received: seed={seed!r}."
        )
    seed = ops.convert_to_tensor(seed, "int32")
    numbers = ops.reshape(ops.arange(n, dtype="int32"), (-1,) + (1,) * (len(seed.shape) - 1))
    return fold_in(seed[None], numbers)


def _integers(shape, seed, first=0):
    """Draws float32 integers from 0 to 2^23 - 1; arguments are those of `uniform`."""
    return ops.cast(ops.right_shift(_bits(shape, seed, first), _u32(9)), "float32")


def _bits(shape, seed, first):
    """Returns uint32 words: `triple32` of a counter over the axes that `seed` does not span."""
    words = _words(seed)
    rows = len(words.shape) - 1
    counted = shape[rows:]
    counter = ops.arange(_product(counted), dtype="int32")  # no kernel counts in uint32
    if not isinstance(first, int) or first:
        counter = counter + first * _product(counted[1:])
    counter = _u32(counter)
    counter = ops.reshape(counter, (1,) * rows + tuple(counted))
    keys = words[..., 0], words[..., 1]
    k0, k1 = (ops.reshape(k, ops.shape(k) + (1,) * len(counted)) for k in keys)
    return in_one_call(_mix)(counter + k0, k1)


def _folded(words, number):
    """Returns the words of a new seed from those of a seed, `(..., 2)`, and a number `(..., 1)`."""
    low, high, number = words[..., 0], words[..., 1], number[..., 0]
    low = _mix(low + _u32(_GOLDEN))
    high = _mix((high ^ _u32(_SQRT_2)) + low)
    low = _mix(ops.bitwise_xor(low, high) + number)
    high = _mix(high ^ low)
    return ops.stack([low, high], axis=-1)


def _mix(x, key=None):
    """Returns `triple32(x)`, a bijection of 32-bit words; `key` is added after its first round."""

    def xorshift(x, places):
        return ops.bitwise_xor(x, ops.right_shift(x, _u32(places)))

    x = xorshift(x, 17) * _u32(0xED5AD4BB)
    if key is not None:
        x = x + key
    x = xorshift(x, 11) * _u32(0xAC4C1B51)
    x = xorshift(x, 15) * _u32(0x31848BAB)
    return xorshift(x, 14)


def _words(seed):
    """Returns a seed, int32 `(..., 2)`, as uint32."""
    return ops.cast(ops.convert_to_tensor(seed, "int32"), "uint32")


def _u32(number):
    if isinstance(number, int):
        return np.uint32(number & 0xFFFFFFFF)
    return ops.cast(number, "uint32")


def _product(sizes):
    return functools.reduce(lambda a, b: a * b, sizes, 1)
