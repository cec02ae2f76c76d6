"""Kinds of visible units of an RBM: Bernoulli, Gaussian and gamma, an object each.

    E(v, h) = -b.v - c.h - v W h                                             Bernoulli, v 0 or 1
    E(v, h) = 1/2 |(v - b) / s|^2 - c.h - (v / s^2) W h                      Gaussian, v real
    E(v, h) = sum_i [rate_i(h) v_i - (k_i - 1) log v_i] - c.h                gamma, v > 0
    rate_i(h) = exp(-b_i) + sum_j [max(W_ij, 0) - W_ij h_j]

Each is `U(v) - c.h - f(v) W h`: U is `energy`, f `features`. A kind holds its own weights, log s^2
or log k, and takes W, b and c from the `RBMParams` it is part of. Biases may have leading axes, and
`hidden_input` is h W^T `(..., V)`.

Gamma visibles are for amplitudes and powers. Given h they are Gamma(k_i, rate_i(h)): noise is
multiplicative, with a spread of 1 / sqrt(k) of the mean. The rate is above 0 whatever W is; a
hidden unit that is on makes those visible units louder whose W to it is above 0. exp(b) is the mean
over k if all hidden units with W > 0 are on and the others off: the loudest that v can be.
"""

import math
from collections import namedtuple

from keras import ops

from seqlayers.energy.columns import softplus_difference, sum_over_units
from seqlayers.sampling import bernoulli, gamma, log_gamma, normal

LOG_VARIANCE_RANGE = (-8.0, 8.0)  # s from 0.02 to 55: wide for normalised data, safe in float32
LOG_SHAPE_RANGE = (-3.0, 6.0)  # k from 0.05 to 403: a spread of four and a half times to 5 %
# Smaller amplitudes count as this one. It is a thirtieth of the last of 16 bits of a sound in
# [-1, 1], which is all but silence, and its log of -14 no outlier.
AMPLITUDE_FLOOR = 1e-6
_BIAS_RANGE = (-30.0, 30.0)  # for gamma visibles: means of 1e-13 to 1e13 have finite squares


class Visibles:
    """The contract of a kind of visible unit.

    A kind is also a named tuple of its weights `(V,)`, so that it can be part of nested tensors.
    """

    NAME: str
    WANTED: str  # the values that a frame may hold, for messages
    BINARY = False  # whether states can be enumerated, and the RBM turned around
    CAN_CENTER = True
    WEIGHT_RANGES: dict[str, tuple[float, float]] = {}

    @staticmethod
    def takes(v):
        """Returns which values a frame may hold, bool of the shape of `v`, an array or a tensor."""
        raise NotImplementedError

    def features(self, v):
        """Returns f(v), the input of the hidden units, `(..., V)`."""
        raise NotImplementedError

    def energy(self, params, v):
        """Returns U(v), the part of the energy without hidden units, `(...)`."""
        raise NotImplementedError

    def energy_change(self, old, new, v):
        """Returns `energy` with the parameters `new` less that with `old`; equal terms cancel."""
        raise NotImplementedError

    def given_input(self, params, hidden_input, temperature=1.0):
        """Returns p(v | h), a distribution of `seqlayers.sampling` over `(..., V)`."""
        raise NotImplementedError

    def log_integral(self, params, hidden_input):
        """Returns log of the sum, or the integral, of exp(-U(v) + f(v) W h) over v, `(...)`."""
        raise NotImplementedError

    def independent(self, params):
        """Returns an RBM without interactions near this one, where annealing and chains start."""
        raise NotImplementedError

    def mixed_bias(self, base, params, beta):
        """Returns the visible bias of the RBM with energy (1 - beta) E_base + beta E_params."""
        return _between(base.visible_bias, params.visible_bias, beta)


class Bernoulli(namedtuple("Bernoulli", ()), Visibles):
    """Units that are 0 or 1."""

    NAME = "bernoulli"
    WANTED = "must lie in [0, 1]"
    BINARY = True

    @staticmethod
    def takes(v):
        return (v >= 0) & (v <= 1)

    def features(self, v):
        return v

    def energy(self, params, v):
        # v first: jaxlib 0.10 compiles -sum(b * v) to wrong numbers on a CPU where v has more axes.
        return -ops.sum(v * params.visible_bias, axis=-1)

    def energy_change(self, old, new, v):
        V, b, b_new = old.kernel.shape[0], old.visible_bias, new.visible_bias
        return sum_over_units(lambda i: (b[..., i] - b_new[..., i]) * v[..., i], V)

    def given_input(self, params, hidden_input, temperature=1.0):
        return bernoulli((params.visible_bias + hidden_input) / temperature)

    def log_integral(self, params, hidden_input):
        return ops.sum(ops.softplus(params.visible_bias + hidden_input), axis=-1)

    def independent(self, params):
        """Returns b_i + sum_j [softplus(c_j + W_ij) - softplus(c_j)], log-odds with others off."""
        W, b, c, _ = params
        off = c[..., None, :]
        b = b + softplus_difference(
            lambda j: off[..., j] + W[:, j], lambda j: off[..., j], W.shape[1]
        )
        return params._replace(kernel=ops.zeros_like(W), visible_bias=b)


class Gaussian(namedtuple("Gaussian", "log_variance"), Visibles):
    """Real units with a learned variance each.

    Attributes:
        log_variance: log s^2, `(V,)`.
    """

    NAME = "gaussian"
    WEIGHT_RANGES = {"log_variance": LOG_VARIANCE_RANGE}
    WANTED = "must be finite"

    @staticmethod
    def takes(v):
        return abs(v) < math.inf

    def features(self, v):
        return v * ops.exp(-self.log_variance)

    def energy(self, params, v):
        return 0.5 * ops.sum(self.features(ops.square(v - params.visible_bias)), axis=-1)

    def energy_change(self, old, new, v):
        b, b_new = old.visible_bias, new.visible_bias
        return ops.sum((b - b_new) * self.features(v - 0.5 * (b + b_new)), axis=-1)

    def given_input(self, params, hidden_input, temperature=1.0):
        scale = ops.exp(0.5 * self.log_variance) * temperature**0.5
        return normal(params.visible_bias + hidden_input, scale)

    def log_integral(self, params, hidden_input):
        x = hidden_input
        nats = ops.sum((params.visible_bias + 0.5 * x) * self.features(x), axis=-1)
        return nats + 0.5 * ops.sum(math.log(2 * math.pi) + self.log_variance)

    def independent(self, params):
        """Returns the RBM whose mean is that after one pass up and down from b."""
        W, b, c, _ = params
        h = ops.sigmoid(c + ops.matmul(self.features(b), W))
        b = b + ops.matmul(h, ops.transpose(W))
        return params._replace(kernel=ops.zeros_like(W), visible_bias=b)


class Gamma(namedtuple("Gamma", "log_shape"), Visibles):
    """Amplitudes with a learned shape each.

    An amplitude below `AMPLITUDE_FLOOR`, as in digital silence, has the energy of one at the floor,
    since log v and its slope have no bound near 0. `log_prob` is then the density at the floor.
    Frames should be scaled to a mean near 1. A b is clipped to [-30, 30]: no rate is 0 or infinite.

    Attributes:
        log_shape: log k, `(V,)`.
    """

    NAME = "gamma"
    CAN_CENTER = False  # v W l would go to the rates, which need not stay above 0
    WEIGHT_RANGES = {"log_shape": LOG_SHAPE_RANGE}
    WANTED = "must be at least 0 and finite"

    @staticmethod
    def takes(v):
        return (v >= 0) & (v < math.inf)

    def features(self, v):
        return ops.maximum(v, AMPLITUDE_FLOOR)

    def energy(self, params, v):
        v = self.features(v)
        log_v = (ops.exp(self.log_shape) - 1.0) * ops.log(v)
        return ops.sum(_silent_rate(params) * v - log_v, axis=-1)

    def energy_change(self, old, new, v):
        return ops.sum((_silent_rate(new) - _silent_rate(old)) * self.features(v), axis=-1)

    def given_input(self, params, hidden_input, temperature=1.0):
        """Returns exp(-E / T) normalized, a Gamma of shape (k - 1) / T + 1 and rate over T.

        With a k below 1 and a T of 1 - k or below there is none, since all weight would go to
        silence; the smallest k that is learned takes its place.
        """
        shape = (ops.exp(self.log_shape) - 1.0) / temperature + 1.0
        shape = ops.maximum(shape, math.exp(LOG_SHAPE_RANGE[0]))
        return gamma(shape, _rate(params, hidden_input) / temperature)

    def log_integral(self, params, hidden_input):
        k = ops.exp(self.log_shape)
        return ops.sum(log_gamma(k) - k * ops.log(_rate(params, hidden_input)), axis=-1)

    def independent(self, params):
        """Returns the RBM with rates halfway between those of mean field and the loudest.

        The hidden biases are c + v W with the v of mean field, so that along the path v W h grows
        around these v and h and not around 0. The base is louder than mean field because
        importance weights are unbounded if it is quieter than its target. On an RBM of speech
        spectra with 16 hidden units, 100 steps of 10 chains miss log Z by 1 nat; with c kept, by
        40; with one pass in place of five, by 17; with the rates of mean field, by 5.
        """
        W, b, c, _ = params
        x, h = c, 0.5 * ops.ones_like(c)
        for _ in range(5):
            v = ops.exp(self.log_shape) / _rate(params, ops.matmul(h, ops.transpose(W)))
            x = c + ops.matmul(v, W)
            h = ops.sigmoid(x)
        settled = -ops.log(_rate(params, ops.matmul(h, ops.transpose(W))))
        return params._replace(
            kernel=ops.zeros_like(W), visible_bias=0.5 * (settled + b), hidden_bias=x
        )

    def mixed_bias(self, base, params, beta):
        return -ops.log(_between(_loudest_rate(base), _loudest_rate(params), beta))


VISIBLES = {kind.NAME: kind for kind in (Bernoulli, Gaussian, Gamma)}


def _between(a, b, share):
    return a + share * (b - a)


def _loudest_rate(params):
    return ops.exp(-ops.clip(params.visible_bias, *_BIAS_RANGE))


def _silent_rate(params):
    """Returns the rates of gamma visibles with all hidden units off, `(..., V)`."""
    return _loudest_rate(params) + ops.sum(ops.relu(params.kernel), axis=-1)


def _rate(params, hidden_input):
    """Returns the rates given h; max(W, 0) - W h is below 0 only by rounding, which is cut off."""
    quiet = ops.sum(ops.relu(params.kernel), axis=-1) - hidden_input
    return _loudest_rate(params) + ops.relu(quiet)
