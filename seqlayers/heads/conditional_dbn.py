"""A deep belief network whose biases a context sets.

    p(v, h_1 .. h_L) = p(v | h_1) p(h_1 | h_2) .. p(h_{L-2} | h_{L-1}) p(h_{L-1}, h_L)     (11)
    p(h_{l-1} | h_l) = sigmoid(b_{l-1} + h_l W_l^T), unit by unit          h_0 = v
    p(h_{L-1}, h_L)    an RBM with kernel W_L and biases b_{L-1}, b_L
    q(h_l | h_{l-1}) = sigmoid(r_l + h_{l-1} R_l), unit by unit            l = 1 .. L-1
    b_l <- b_l + context A_l,  r_l <- r_l + context C_l                    in frame t

What follows of (11), with h_L summed out by F, the free energy of the RBM:

    log p(v) >= E_q log w - log Z
    w = p(v | h_1) p(h_1 | h_2) .. p(h_{L-2} | h_{L-1}) exp(-F(h_{L-1})) / q(h_1 .. h_{L-1} | v)

b_0 is `visible_bias`, A_0 `context_visible_kernel`; W_1, b_1 and A_1 are `hidden_1_kernel`,
`hidden_1_bias` and `context_hidden_1_kernel`, R_1, r_1 and C_1 `recognition_1_kernel`,
`recognition_1_bias` and `context_recognition_1_kernel`, and so on. The paper has no weights of
recognition: R_l = W_l, r_l = b_l, C_l = A_l, as here with `objective="contrastive"`.
References: K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music Generation by Modeling Temporal
Dependencies Using a RNN-DBN, ICANN 2014, whose number (11) is; G. Hinton, S. Osindero and Y.-W.
Teh, A Fast Learning Algorithm for Deep Belief Nets, Neural Computation 2006 (a layer that starts as
the one below, turned around); J. Bornschein and Y. Bengio, Reweighted Wake-Sleep, ICLR 2015.
"""

import itertools
import math

import keras
import numpy as np
from keras import ops

from seqlayers import energy
from seqlayers.checks import check_choice, check_integer
from seqlayers.energy.partition import NUM_BETAS, NUM_CHAINS
from seqlayers.heads.conditional_rbm import AnnealedHead, ConditionalRBM
from seqlayers.heads.head import FrameLogProb
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import bernoulli, fold_in, seed_pair, uniform

_UP, _PICK, _DOWN = -1, -2, -3  # places of use; chains and annealing count theirs from 0


@keras.saving.register_keras_serializable("seqlayers")
class ConditionalDBN(AnnealedHead):
    """Says of a frame which visible units go together, through layers of hidden units.

    With one layer it is a `ConditionalRBM`. With more, likelihoods are lower bounds, which
    `num_samples` tighten, and training has two objectives to choose from:

    `"variational"` follows the gradient of the bound by reweighted wake-sleep. K states of the
    hidden units are drawn from q and weighed in proportion to p / q. To these the weights of
    generation are fitted by log p, where log Z is left to CD-k in the RBM on top, and those of
    recognition by log q. Only the former sends an error to the context.

    `"contrastive"` is the paper's: each pair of layers is an RBM that CD-k trains on the mean
    activations of the layer below, all at once. It is not the gradient of a likelihood.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number of units of each hidden layer, from the lowest up.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        objective: `"variational"` or `"contrastive"`.
        num_particles: Number K of states drawn for each frame by the variational objective. With
            one the weights of recognition stay as they are.
        sampling_steps: Number of Gibbs steps on top when drawing new frames.
        num_betas: Number of annealing steps when estimating likelihoods; without a context, ten
            times as many.
        num_chains: Number of annealing chains for each frame; without a context, where all frames
            have one partition function, a hundred times as many.
        num_samples: Number of states drawn from q for each frame when estimating likelihoods.
        kernel_initializer: Initializer of W_l and R_l.
        kernel_regularizer: Regularizer of W_l and R_l.
        context_initializer: Initializer of A_l and C_l.
        context_regularizer: Regularizer of A_l and C_l.
        seed: Seed of all draws.

    Example:
        >>> head = ConditionalDBN(88, (150, 150), seed=0)
        >>> head.build((None, 88))
        >>> head.sample(num_frames=3).shape
        TensorShape([3, 88])
    """

    trains_in_layers = True

    def __init__(
        self,
        visible_units,
        hidden_units=(150, 150),
        gibbs_steps=15,
        objective="variational",
        num_particles=5,
        sampling_steps=25,
        num_betas=NUM_BETAS,
        num_chains=NUM_CHAINS,
        num_samples=100,
        kernel_initializer=None,
        kernel_regularizer=None,
        context_initializer="glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(visible_units, seed=seed, **kwargs)
        counts = {
            "gibbs_steps": gibbs_steps,
            "num_particles": num_particles,
            "sampling_steps": sampling_steps,
            "num_betas": num_betas,
            "num_chains": num_chains,
            "num_samples": num_samples,
        }
        for name, value in counts.items():
            check_integer(name, value)
        if not isinstance(hidden_units, list | tuple) or not hidden_units:
            raise ValueError(
                "`hidden_units` must be a tuple or a list, a number of units for each layer. "
                f"Received: hidden_units={hidden_units!r}."
            )
        self.hidden_units = tuple(
            check_integer(f"hidden_units[{i}]", units) for i, units in enumerate(hidden_units)
        )
        self.gibbs_steps = gibbs_steps
        self.objective = check_choice("objective", objective, ("variational", "contrastive"))
        self.num_particles = num_particles
        self.sampling_steps = sampling_steps
        self.num_betas = num_betas
        self.num_chains = num_chains
        self.num_samples = num_samples
        if kernel_initializer is None:
            kernel_initializer = keras.initializers.RandomNormal(stddev=0.01)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.context_initializer = keras.initializers.get(context_initializer)
        self.context_regularizer = keras.regularizers.get(context_regularizer)

    @property
    def kind(self):
        if len(self.hidden_units) > 1:
            return "lower_bound"
        return "exact" if self._can_enumerate() else "estimate"

    @property
    def code_units(self):
        return self.hidden_units[-1]

    @property
    def decodes_alone(self):
        return self.context_units is None

    def build(self, input_shape):
        super().build(input_shape)
        below = None
        for name, units in zip(self._names(), self._units(), strict=True):
            self._add_layer(name, units, below)
            below = units
        if self.objective == "variational":
            for i, below in enumerate(self._units()[:-2]):
                self._add_layer(f"recognition_{i + 1}", self.hidden_units[i], below)

    def _names(self):
        return ["visible", *(f"hidden_{i + 1}" for i in range(len(self.hidden_units)))]

    def _units(self):
        return self.visible_units, *self.hidden_units

    def _add_layer(self, name, units, below):
        """Weights from the layer below, if there is one, a bias, and weights from the context."""
        if below is not None:
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(below, units),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
            )
            setattr(self, f"{name}_kernel", kernel)
        bias = self.add_weight(name=f"{name}_bias", shape=(units,), initializer="zeros")
        setattr(self, f"{name}_bias", bias)
        setattr(self, f"context_{name}_kernel", self._add_context_kernel(name, units))

    def pairs(self, context=None):
        """`energy.RBMParams` of each pair of layers, from the lowest up: W_l, b_{l-1} and b_l.

        Of the last pair they are those of the RBM on top.
        """
        _, context = self._cast(None, context)
        names = self._names()
        biases = [self._bias(name, context) for name in names]
        return [
            energy.RBMParams(self._kernel(name), *both)
            for name, both in zip(names[1:], itertools.pairwise(biases), strict=True)
        ]

    def _recognition(self, context):
        """R_l and r_l of each layer below the top, as `energy.RBMParams`."""
        pairs = self.pairs(context)[:-1]
        if self.objective == "contrastive":
            return pairs
        names = [f"recognition_{i + 1}" for i in range(len(pairs))]
        return [
            pair._replace(kernel=self._kernel(name), hidden_bias=self._bias(name, context))
            for name, pair in zip(names, pairs, strict=True)
        ]

    def _kernel(self, name):
        return ops.convert_to_tensor(getattr(self, f"{name}_kernel"))

    def _bias(self, name, context):
        bias = ops.convert_to_tensor(getattr(self, f"{name}_bias"))
        if context is None:
            return bias
        return bias + ops.matmul(context, getattr(self, f"context_{name}_kernel"))

    # Training.

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """The scalar whose gradient is that of `objective`; of one layer, the scalar of CD-k.

        It is a monitor of the chains on top and not a likelihood.
        """
        frames, context = self._cast(frames, context)
        frames = without_masked(frames, mask)
        seed = self._row_seeds(seed, frames)
        if self.objective == "contrastive" or len(self.hidden_units) == 1:
            return self._contrastive_loss(frames, context, mask, seed)
        return masked_mean(self._variational_loss(frames, context, seed), mask)

    def _contrastive_loss(self, frames, context, mask, seed):
        loss = 0.0
        for i, pair in enumerate(self.pairs(context)):
            pair_seed = fold_in(seed, -i) if i else seed
            loss = loss + energy.contrastive_divergence(
                pair, frames, self.gibbs_steps, pair_seed, mask
            )
            frames = ops.stop_gradient(energy.hidden_given_visible(pair, frames).mean())
        return loss

    def _variational_loss(self, frames, context, seed):
        """For each frame, `(...)`: K states of weight w, less what the model dreams.

            sum_k w_k [F(h_{L-1}) - log p(v | h_1) .. p(h_{L-2} | h_{L-1})]
            - sum_k (w_k - 1/K) log q(h_1 .. h_{L-1} | v) - F(h_{L-1} of the model)

        The weights sum to one, and 1/K takes from the gradient by q what is 0 on average.
        """
        pairs, K = self.pairs(context), self.num_particles
        past = None if context is None else ops.stop_gradient(context)
        layers, log_q = self._recognized(frames, past, seed, K)
        log_p, h = _log_downward(layers, pairs), layers[-1]  # h_{L-1}
        nats = log_p - energy.free_energy(pairs[-1], h)
        log_w = ops.stop_gradient(nats - log_q)
        w = ops.exp(log_w - ops.logsumexp(log_w, axis=0))
        start = _picked(h, w, fold_in(seed, _PICK))
        dreamt = ops.stop_gradient(energy.gibbs(pairs[-1], start, self.gibbs_steps, seed))
        loss = -ops.sum(w * nats + (w - 1.0 / K) * log_q, axis=0)
        return loss - energy.free_energy(pairs[-1], dreamt)

    def _recognized(self, frames, context, seed, number):
        """`number` draws from q: [v, h_1 .. h_{L-1}], each `(number, ...)`, and log q of them."""
        seeds = fold_in(seed, _UP)
        seeds = fold_in(seeds[None], _numbers(number, len(seeds.shape)))
        layers, log_q = [frames[None]], 0.0
        for i, pair in enumerate(self._recognition(context)):
            x = pair.hidden_bias + ops.matmul(layers[-1], pair.kernel)
            x = ops.broadcast_to(x, (number, *ops.shape(x)[1:]))
            h = bernoulli(x).sample(seed=fold_in(seeds, i))
            log_q = log_q + _log_bernoulli(h, x)
            layers.append(h)
        return layers, log_q

    def pretrain_layers(self, frames, train, seed, restart=True):
        """Trains layer after layer, each pair an RBM on the mean activations of the one below.

        A layer above the first starts as the one below it, turned around, see `stack_on`.

        Args:
            frames: `(N, V)`.
            train: A function of a `ConditionalRBM` and of frames for it, that trains it and returns
                a list of losses.
            seed: A whole number that the draws of all layers start from.
            restart: Whether layers start so; else they go on with the weights they have.

        Returns:
            A list of the losses of all layers, the lowest first.
        """
        losses, names, units = [], self._names(), self._units()
        for i, (low, high) in enumerate(itertools.pairwise(names)):
            rbm = ConditionalRBM(
                *units[i : i + 2],
                self.gibbs_steps,
                kernel_regularizer=self.kernel_regularizer,
                seed=int(np.asarray(fold_in(seed_pair(seed), i)).view("uint64")[0]),
                dtype=self.dtype_policy,
            )
            rbm.build((None, units[i]))
            upward = f"recognition_{i + 1}"  # what sets q(h_l | h_{l-1})
            upward = upward if hasattr(self, f"{upward}_kernel") else high
            if restart:
                if i:
                    self._turn_around(self, names[i - 1], low, high)
                self._copy_layer(self, high, upward)
            weights = {
                "kernel": getattr(self, f"{high}_kernel"),
                "visible_bias": getattr(self, f"{low}_bias"),
                "hidden_bias": getattr(self, f"{upward}_bias"),
            }
            for name, weight in weights.items():
                getattr(rbm, name).assign(weight)
            losses += train(rbm, frames)
            for name, weight in weights.items():
                weight.assign(getattr(rbm, name))
            getattr(self, f"{upward}_kernel").assign(rbm.kernel)
            if restart:  # where the visible bias of the next pair starts
                getattr(self, f"{high}_bias").assign(rbm.hidden_bias)
            frames = ops.convert_to_numpy(rbm.encode(frames))
        return losses

    def stack_on(self, shallower):
        """Takes all weights of a head with one layer less, and a top layer that changes nothing.

        The new layer is the one below it, turned around: W_L = W_{L-1}^T, b_L = b_{L-2} and
        A_L = A_{L-2}. The RBM on top then gives h_{L-1} the probability that it had as the hidden
        layer of the RBM below, so that p(v) is what it was, and q is exact for the new layer. Units
        that are left over have no weights yet and biases of their own. Of too few units the ones
        with the largest weights are kept, and p(v) changes.

        Args:
            shallower: A built `ConditionalDBN`, like this one but for the last of `hidden_units`.

        Raises:
            ValueError: if it is not.
        """
        L = len(self.hidden_units)
        alike = (
            isinstance(shallower, ConditionalDBN)
            and shallower.built
            and self.built
            and shallower._units() == self._units()[:L]
            and shallower.context_units == self.context_units
            and shallower.objective == self.objective
        )
        if not alike or L == 1:
            raise ValueError(
                "`shallower` must be a `ConditionalDBN` like this one but for its last layer: "
                f"hidden_units={self.hidden_units[:-1]}, objective={self.objective!r}, the same "
                "visible and context units, and both built. "
                f"Received: shallower={shallower!r} "
                f"with config {getattr(shallower, 'get_config', dict)()}."
            )
        names = self._names()
        for name in names[:L]:
            self._copy_layer(shallower, name, name)
        if self.objective == "variational":
            for i in range(1, L - 1):
                self._copy_layer(shallower, f"recognition_{i}", f"recognition_{i}")
            self._copy_layer(shallower, names[L - 1], f"recognition_{L - 1}")
        self._turn_around(shallower, *names[L - 2 :], with_context=True)

    def _copy_layer(self, source, name, into):
        """Copies the weights of a layer of `source` to one of this head."""
        for pattern in ("{}_kernel", "{}_bias", "context_{}_kernel"):
            weight = getattr(source, pattern.format(name), None)
            if weight is not None:
                getattr(self, pattern.format(into)).assign(weight)

    def _turn_around(self, source, low, middle, high, with_context=False):
        """Makes layer `high` of this head as layer `low` of `source` is seen from `middle`."""
        W = ops.convert_to_numpy(getattr(source, f"{middle}_kernel"))
        units = getattr(self, f"{high}_bias").shape[0]
        keep = np.sort(np.argsort(-np.square(W).sum(axis=1), kind="stable")[:units])

        def put(name, rows, onto):
            new = np.concatenate([rows[..., keep], onto[..., len(keep) :]], axis=-1)
            getattr(self, name).assign(new)

        put(f"{high}_kernel", W.T, np.zeros((W.shape[1], units)))
        # Units without weights learn the same for ever unless something tells them apart.
        apart = np.random.default_rng(self.seed % 2**64).normal(size=units)
        put(f"{high}_bias", ops.convert_to_numpy(getattr(source, f"{low}_bias")), apart)
        if with_context and self.context_units is not None:
            name = f"context_{high}_kernel"
            rows = ops.convert_to_numpy(getattr(source, f"context_{low}_kernel"))
            put(name, rows, ops.convert_to_numpy(getattr(self, name)))

    # Likelihood.

    def log_prob(self, frames, context=None, seed=None):
        """A bound of log p(v_t | context_t) from below: log of the mean of w over draws from q.

        With one layer it is log p as a `ConditionalRBM` gives it. With more, each number of samples
        gives a bound on average, and more of them a tighter one. log Z of the RBM on top is exact
        where one side of it has at most 20 units. Else it is estimated by AIS, which says too
        little of Z on average, so that the bound flatters; `reverse_log_prob` is cautious.

        Returns:
            `FrameLogProb`. Its error is that of AIS and of the mean of w: infinite of one sample.
        """
        frames, context = self._cast(frames, context)
        nats, error, _ = self._log_mean_weight(frames, context, seed)
        log_z = self._log_partition(self.pairs(context)[-1], frames, context, seed)
        error = ops.sqrt(ops.square(error) + ops.square(log_z.standard_error))
        return FrameLogProb(nats - log_z.nats, error)

    def reverse_log_prob(self, frames, context=None, seed=None):
        """As `log_prob`, but with log Z by reverse annealing: too low on average on both counts.

        It starts from a state h_{L-1} drawn from those that q gave, in proportion to their w. Where
        log Z is exact it is `log_prob`.

        Returns:
            `FrameLogProb`.
        """
        if self._can_enumerate():
            return self.log_prob(frames, context, seed)
        frames, context = self._cast(frames, context)
        nats, error, h = self._log_mean_weight(frames, context, seed)
        log_z = self._reverse_log_partition(self.pairs(context)[-1], h, context, seed)
        error = ops.sqrt(ops.square(error) + ops.square(log_z.standard_error))
        return FrameLogProb(nats - log_z.nats, error)

    def _can_enumerate(self):
        return energy.can_enumerate(*self._units()[-2:])

    def _log_mean_weight(self, frames, context, seed):
        """log of the mean of w over draws from q, its error, and one h_{L-1} picked by its w.

        One draw at a time, so that memory does not grow with their number. Of one layer w is
        exp(-F(v)), without draws and without error.
        """
        pairs, K = self.pairs(context), self.num_samples
        seed = self._row_seeds(seed, frames)

        def draw(k):
            layers, log_q = self._recognized(frames, context, fold_in(seed, k), 1)
            nats = _log_downward(layers, pairs) - energy.free_energy(pairs[-1], layers[-1])
            return (nats - log_q)[0], layers[-1][0]

        if len(pairs) == 1:
            nats = -energy.free_energy(pairs[0], frames)
            return nats, ops.zeros_like(nats), frames

        def step(k, carry):
            total, squares, picked = carry
            log_w, h = draw(k)
            total = ops.logaddexp(total, log_w)
            u = uniform(ops.shape(log_w), fold_in(fold_in(seed, _PICK), k))
            take = ops.cast(u, log_w.dtype) < ops.exp(log_w - total)
            squares = ops.logaddexp(squares, 2 * log_w)
            return total, squares, ops.where(take[..., None], h, picked)

        log_w, h = draw(0)
        total, squares, h = ops.fori_loop(1, K, step, (log_w, 2 * log_w, h))
        if K == 1:
            return total, ops.full_like(total, math.inf), h
        spread = ops.maximum(K * ops.exp(squares - 2 * total) - 1.0, 0.0)  # variance over mean^2
        return total - math.log(K), ops.sqrt(spread / (K - 1)), h

    # Draws and codes.

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        """Draws frames, one for each context: Gibbs sampling on top, then down a layer at a time.

        Args:
            context: `(..., C)`, or None for the model without time.
            seed: A whole number, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            temperature: Divides the energy of the RBM on top and the log-odds of the layers below,
                a number or `(rows,)`: above 1 is bolder, below 1 safer.
            num_frames: Without context, the number of frames.

        Returns:
            Frames, `(..., V)`.
        """
        *pairs, top = self.pairs(context)
        frames = self._for_frames(ops.zeros_like(self.visible_bias), context, num_frames)
        temperature = self._row_temperature(temperature, frames)
        seed = self._row_seeds(seed, frames)
        b = top.visible_bias
        b = ops.broadcast_to(b, (*ops.shape(frames)[:-1], b.shape[-1]))
        start = energy.independent(top._replace(visible_bias=b))
        x = energy.visible_given_input(start, 0.0, temperature)
        x = x.sample(seed=fold_in(seed, 2 * self.sampling_steps))
        x = energy.gibbs(top, x, self.sampling_steps, seed, temperature)
        for i, pair in enumerate(reversed(pairs)):
            x = energy.visible_given_hidden(pair, x, temperature)
            x = x.sample(seed=fold_in(fold_in(seed, _DOWN), i))
        return x

    def reconstruct(self, frames, context=None):
        """One pass up by q and down by p in expectations: what `decode` makes of `encode`."""
        return self._down(self.encode(frames, context), context)

    def encode(self, frames, context=None):
        """What the units of the top layer are expected to be, one pass up in expectations.

        Args:
            frames: `(..., V)`.
            context: `(..., C)`, or None for the model without time.

        Returns:
            The code, `(..., code_units)`.
        """
        x, context = self._cast(frames, context)
        for pair in [*self._recognition(context), self.pairs(context)[-1]]:
            x = energy.hidden_given_visible(pair, x).mean()
        return x

    def decode(self, code, context=None):
        """The frames that a code of the top layer stands for, one pass down in expectations.

        Args:
            code: `(..., code_units)`.
            context: `(..., C)`; without it only if `decodes_alone`.

        Returns:
            Frames, `(..., V)`.

        Raises:
            ValueError: if a context sets the biases, and there is none, or if a code is of another
                size.
        """
        code = ops.cast(code, self.variable_dtype)
        if code.shape[-1] != self.code_units:
            raise ValueError(
                f"`code` must have {self.code_units} values a frame, one for each unit of the "
                f"top layer. Received: shape {tuple(code.shape)}."
            )
        if context is None and not self.decodes_alone:
            raise ValueError(
                "`context` must be given: here the biases of all layers depend on it, and a code "
                "says only a part of its frame. Received: context=None."
            )
        return self._down(code, context)

    def _down(self, x, context):
        for pair in reversed(self.pairs(context)):
            x = energy.visible_given_hidden(pair, x).mean()
        return x

    def get_config(self):
        return super().get_config() | {
            "hidden_units": list(self.hidden_units),
            "gibbs_steps": self.gibbs_steps,
            "objective": self.objective,
            "num_particles": self.num_particles,
            "sampling_steps": self.sampling_steps,
            "num_betas": self.num_betas,
            "num_chains": self.num_chains,
            "num_samples": self.num_samples,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "context_initializer": keras.initializers.serialize(self.context_initializer),
            "context_regularizer": keras.regularizers.serialize(self.context_regularizer),
        }


def _log_downward(layers, pairs):
    """log p(v | h_1) .. p(h_{L-2} | h_{L-1}) of `layers` v, h_1 .. h_{L-1}, each `(K, ...)`."""
    total = 0.0
    for pair, (low, high) in zip(pairs, itertools.pairwise(layers), strict=False):  # not the top
        x = pair.visible_bias + ops.matmul(high, ops.transpose(pair.kernel))
        total = total + _log_bernoulli(low, x)
    return total


def _log_bernoulli(values, logits):
    """log of the probability of binary `values`, summed over the units."""
    return ops.sum(values * logits - ops.softplus(logits), axis=-1)


def _picked(values, w, seed):
    """Of `values` `(K, ..., H)` one of K for each frame, in proportion to `w` `(K, ...)`."""
    u = ops.cast(uniform(ops.shape(w)[1:], seed), w.dtype)
    before = ops.cumsum(w, axis=0) - w
    chosen = ops.sum(ops.cast(before[1:] <= u, "int32"), axis=0)
    here = _numbers(w.shape[0], len(w.shape)) == chosen
    return ops.sum(ops.where(here[..., None], values, 0), axis=0)


def _numbers(count, rank):
    """0 .. count - 1 along the first of `rank` axes."""
    return ops.reshape(ops.arange(count, dtype="int32"), (-1,) + (1,) * (rank - 1))
