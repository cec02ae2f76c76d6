"""Bernoulli, Normal and Gamma, for backends of Keras that TensorFlow Probability does not run on.

    log p(x) = -x softplus(-l) - (1 - x) softplus(l)              Bernoulli with logits l
    log p(x) = -1/2 ((x - m) / s)^2 - log s - 1/2 log(2 pi)       Normal with mean m, deviation s
    log p(x) = (k - 1) log x - r x + k log r - log Gamma(k)       Gamma with shape k and rate r

They have the names, arguments, attributes and numbers of TFP's, as far as energies and heads need
them. TFP's own half for JAX stands still since 2024 and does not import with the JAX of today.
`seqlayers.sampling` adds `_sample_n`, the draws of all distributions.
"""

import math

import keras
from keras import ops

NOT_REPARAMETERIZED = "NOT_REPARAMETERIZED"  # TFP's name for draws that carry no gradient


class _Distribution:
    """Independent draws of numbers with the same kind of distribution, each with its parameters.

    Args:
        **parameters: Tensors or numbers that broadcast with each other.

    Attributes:
        dtype: Type of the draws, that of the parameters.
    """

    def __init__(self, **parameters):
        types = [value.dtype for value in parameters.values() if hasattr(value, "dtype")]
        self.dtype = keras.backend.standardize_dtype(types[0] if types else None)
        for name, value in parameters.items():
            setattr(self, name, ops.convert_to_tensor(value, self.dtype))

    def sample(self, sample_shape=(), seed=None):
        """Returns draws, `(*sample_shape, ...)`.

        Args:
            sample_shape: Number of draws for each number, or a tuple of such numbers.
            seed: int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each other.
        """
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        draws = self._sample_n(math.prod(shape), seed)
        return ops.reshape(draws, (*shape, *ops.shape(draws)[1:]))

    def log_prob(self, value):
        """Returns the log of the probability, or of its density, of each number."""
        return self._log_prob(ops.cast(value, self.dtype))

    def mean(self):
        """Returns the expected values."""
        raise NotImplementedError

    def variance(self):
        """Returns the expected squares of the distances from the mean."""
        raise NotImplementedError

    def stddev(self):
        """Returns the square roots of `variance`."""
        return ops.sqrt(self.variance())

    def _sample_n(self, n, seed=None):
        raise NotImplementedError

    def _log_prob(self, x):
        raise NotImplementedError


class Bernoulli(_Distribution):
    """Units that are 0 or 1.

    Args:
        logits: Log-odds of 1.
        dtype: Type of the draws; that of `logits` if None.
    """

    def __init__(self, logits, dtype=None):
        super().__init__(logits=logits)
        self.dtype = keras.backend.standardize_dtype(dtype or self.dtype)

    def mean(self):
        return ops.sigmoid(self.logits)

    def variance(self):
        return ops.sigmoid(self.logits) * ops.sigmoid(-self.logits)

    def _log_prob(self, x):
        x = ops.cast(x, self.logits.dtype)
        off, on = ops.softplus(self.logits), ops.softplus(-self.logits)  # -log p
        return -_times(x, on) - _times(1 - x, off)


class Normal(_Distribution):
    """Real numbers.

    Args:
        loc: Mean.
        scale: Standard deviation.
    """

    def __init__(self, loc, scale):
        super().__init__(loc=loc, scale=scale)

    def mean(self):
        return self.loc + ops.zeros_like(self.scale)

    def stddev(self):
        return self.scale + ops.zeros_like(self.loc)

    def variance(self):
        return ops.square(self.stddev())

    def _log_prob(self, x):
        z = (x - self.loc) / self.scale
        return -0.5 * ops.square(z) - ops.log(self.scale) - 0.5 * math.log(2 * math.pi)


class Gamma(_Distribution):
    """Numbers above 0.

    Args:
        concentration: Shape.
        rate: Rate, one over the scale.
    """

    def __init__(self, concentration, rate):
        super().__init__(concentration=concentration, rate=rate)

    def mean(self):
        return self.concentration / self.rate

    def variance(self):
        return self.concentration / ops.square(self.rate)

    def stddev(self):
        return ops.sqrt(self.concentration) / self.rate

    def _log_prob(self, x):
        import jax  # `keras.ops` has no log of the gamma function

        k, rate = self.concentration, self.rate
        log_z = jax.lax.lgamma(k) - k * ops.log(rate)
        # With k = 1 there is no log x, not at 0 either, where its own gradient is infinite.
        has_log = ops.logical_or(k != 1, ops.logical_and(x > 0, x < math.inf))
        return (k - 1) * ops.log(ops.where(has_log, x, 1)) - rate * x - log_z


def _times(weight, nats):
    """Returns the product, and 0 with the gradient 0 where 0 meets infinite `nats`."""
    return weight * ops.where(ops.logical_and(weight == 0, ops.isinf(nats)), 0, nats)
