"""A deep belief network whose biases are set by a context.

    p(v, h_1 .. h_L)   as in `seqlayers.energy.dbn`, with biases b_l and, in q, r_l
    b_l <- b_l + context A_l,  r_l <- r_l + context C_l                    in frame t

W_l, b_l and A_l are `kernel`, `bias` and `context_kernel` of `generation[l]`; R_l, r_l and C_l are
those of `recognition[l - 1]`. The weights' names are `hidden_1_kernel`, `recognition_1_bias`,
`context_hidden_1_kernel` and so on. The paper has no weights of recognition: R_l = W_l, r_l = b_l,
C_l = A_l, as here with `objective="contrastive"`.
Reference: K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music Generation by Modeling Temporal
Dependencies Using a RNN-DBN, ICANN 2014.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from seqlayers import energy
from seqlayers.checks import check_choice, check_integer
from seqlayers.energy import dbn
from seqlayers.energy.partition import NUM_BETAS, NUM_CHAINS
from seqlayers.heads import dbn_stacking
from seqlayers.heads.annealed import AnnealedHead
from seqlayers.heads.dbn_stacking import LayerWeights
from seqlayers.heads.head import FrameLogProb
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import fold_in


@keras.saving.register_keras_serializable("seqlayers")
class ConditionalDBN(AnnealedHead):
    """A deep belief network over one frame, whose biases are set by a context.

    With one layer it is a `ConditionalRBM`. With more, likelihoods are lower bounds, which become
    tighter with `num_samples`, and training has two objectives to choose from:

    `"variational"` follows the gradient of the bound by reweighted wake-sleep. K states of the
    hidden units are drawn from q and weighted in proportion to p / q. The weights of generation are
    fitted to these states by log p, where CD-k in the RBM on top stands for log Z. The weights of
    recognition are fitted to them by log q. Only the former send an error to the context.

    `"contrastive"` is the paper's: each pair of layers is an RBM that CD-k trains on the mean
    activations of the layer below, all at once. It is not the gradient of a likelihood.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number of units of each hidden layer, from the lowest up.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        objective: `"variational"` or `"contrastive"`.
        num_particles: Number K of states drawn for each frame by the variational objective. With
            one, the weights of recognition are not trained.
        sampling_steps: Number of Gibbs steps on top when drawing new frames.
        num_betas: Number of annealing steps when estimating likelihoods; without a context, ten
            times as many.
        num_chains: Number of annealing chains for each frame; without a context, where all frames
            have one partition function, AIS takes a hundred times as many.
        num_samples: Number of states drawn from q for each frame when estimating likelihoods.
        kernel_initializer: Initializer of W_l and R_l; a normal one of standard deviation 0.01 if
            None.
        kernel_regularizer: Regularizer of W_l and R_l.
        context_initializer: Initializer of A_l and C_l.
        context_regularizer: Regularizer of A_l and C_l.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a number is not an integer of at least 1, `hidden_units` is not a tuple or a
            list of such numbers, or `objective` is not one of the two.

    Attributes:
        generation: `LayerWeights` of the visible layer and of each hidden one, from the lowest up.
        recognition: `LayerWeights` of q for each hidden layer below the top.

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
        hidden_units: Sequence[int] = (150, 150),
        gibbs_steps=15,
        objective="variational",
        num_particles=5,
        sampling_steps=25,
        num_betas=NUM_BETAS,
        num_chains=NUM_CHAINS,
        num_samples=100,
        kernel_initializer=None,
        kernel_regularizer=None,
        context_initializer: Any = "glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            visible_units,
            gibbs_steps=gibbs_steps,
            sampling_steps=sampling_steps,
            num_betas=num_betas,
            num_chains=num_chains,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            context_initializer=context_initializer,
            context_regularizer=context_regularizer,
            seed=seed,
            **kwargs,
        )
        if not isinstance(hidden_units, list | tuple) or not hidden_units:
            raise ValueError(
                "`hidden_units` must be a tuple or a list, a number of units for each layer. "
                f"Received: hidden_units={hidden_units!r}."
            )
        self.hidden_units = tuple(
            check_integer(f"hidden_units[{i}]", units) for i, units in enumerate(hidden_units)
        )
        self.objective = check_choice("objective", objective, ("variational", "contrastive"))
        self.num_particles = check_integer("num_particles", num_particles)
        self.num_samples = check_integer("num_samples", num_samples)

    @property
    def kind(self):
        if len(self.hidden_units) > 1:
            return "lower_bound"
        return "exact" if self.can_enumerate() else "estimate"

    @property
    def code_units(self):
        return self.hidden_units[-1]

    @property
    def decodes_alone(self):
        return self.context_units is None

    def build(self, input_shape):
        super().build(input_shape)
        units, L = self.layer_sizes(), len(self.hidden_units)
        self.generation = (
            self._add_layer("visible", None, units[0]),
            *(self._add_layer(f"hidden_{i}", units[i - 1], units[i]) for i in range(1, L + 1)),
        )
        self.recognition = self.generation[1:-1]
        if self.objective == "variational":
            self.recognition = tuple(
                self._add_layer(f"recognition_{i}", units[i - 1], units[i]) for i in range(1, L)
            )

    def _add_layer(self, name, below, units):
        """Makes the weights of a layer; the visible one has no layer below."""
        kernel = None
        if below is not None:
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(below, units),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
            )
        bias = self.add_weight(name=f"{name}_bias", shape=(units,), initializer="zeros")
        return LayerWeights(kernel, bias, self.add_context_kernel(name, units))

    @property
    def visible_bias(self):
        """b_0, the bias of the visible units, `(V,)`."""
        return self.generation[0].bias

    @property
    def context_visible_kernel(self):
        """A_0, from the context to the visible units, `(C, V)`; None without a context."""
        return self.generation[0].context_kernel

    def layer_sizes(self):
        """Returns the number of units of each layer, `(V, *hidden_units)`."""
        return self.visible_units, *self.hidden_units

    def layers_upward(self):
        """Returns the `LayerWeights` of q(h_l | h_{l-1}), l = 1 .. L; at the top it is p's own."""
        return *self.recognition, self.generation[-1]

    def pairs(self, context=None):
        """Returns the `energy.RBMParams` of each pair of layers, from the lowest up.

        Those of pair l are W_l, b_{l-1} and b_l; the last pair is the RBM on top.

        Args:
            context: `(..., C)`, or None for the model without time.
        """
        _, context = self.cast_inputs(None, context)
        biases = itertools.pairwise(layer.bias_given(context) for layer in self.generation)
        return [
            energy.RBMParams(ops.convert_to_tensor(layer.kernel), *both)
            for layer, both in zip(self.generation[1:], biases, strict=True)
        ]

    def recognition_pairs(self, context=None):
        """Returns the `energy.RBMParams` of q, from the lowest up: R_l and r_l, l = 1 .. L-1."""
        _, context = self.cast_inputs(None, context)
        return [
            energy.RBMParams(ops.convert_to_tensor(layer.kernel), None, layer.bias_given(context))
            for layer in self.recognition
        ]

    # Training.

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns the scalar whose gradient is that of `objective`; with one layer, that of CD-k.

        It monitors the chains on top; it is not a likelihood. Arguments are those of `Head.loss`.
        """
        frames, context = self.cast_inputs(frames, context, mask)
        frames = without_masked(frames, mask)
        seed = self.row_seeds(seed, frames)
        pairs, steps = self.pairs(context), self.gibbs_steps
        if self.objective == "contrastive" or len(self.hidden_units) == 1:
            return dbn.pairwise_contrastive_divergence(pairs, frames, steps, seed, mask)
        past = None if context is None else ops.stop_gradient(context)
        nats = dbn.reweighted_wake_sleep(
            pairs, self.recognition_pairs(past), frames, steps, self.num_particles, seed
        )
        return masked_mean(nats, mask)

    def pretrain_layers(self, frames, train, seed, restart=True):
        """Trains layer after layer, each pair an RBM on the mean activations of the one below.

        A layer above the first starts as the one below it, turned around, see `stack_on`.

        Args:
            frames: `(N, V)`.
            train: Function of a `ConditionalRBM` and of frames for it, which trains the RBM and
                returns a list of losses.
            seed: An integer that the draws of all layers start from.
            restart: Whether layers start anew; if not, they go on with the weights they have.

        Returns:
            A list of the losses of all layers, the lowest first.
        """
        return dbn_stacking.pretrain_layers(self, frames, train, seed, restart)

    def stack_on(self, shallower):
        """Takes all weights of a head with one layer less; the top layer changes nothing yet.

        The new layer is the one below it, turned around, see `seqlayers.heads.dbn_stacking`. p(v)
        is what it was, and q is exact for the new layer. Units that are left over have no weights
        yet and biases of their own. If the new layer has too few units, those with the largest
        weights are kept, and p(v) changes.

        Args:
            shallower: A built `ConditionalDBN`, like this one but for the last of `hidden_units`.

        Raises:
            ValueError: If `shallower` differs in anything else, or one of the two is not built.
        """
        alike = (
            isinstance(shallower, ConditionalDBN)
            and shallower.built
            and self.built
            and shallower.layer_sizes() == self.layer_sizes()[:-1]
            and shallower.context_units == self.context_units
            and shallower.objective == self.objective
        )
        if not alike:
            raise ValueError(
                "`shallower` must be a `ConditionalDBN` like this one but for its last layer: "
                f"hidden_units={self.hidden_units[:-1]}, objective={self.objective!r}, the same "
                "visible and context units, and both built. "
                f"Received: shallower={shallower!r} "
                f"with config {getattr(shallower, 'get_config', dict)()}."
            )
        dbn_stacking.stack_on(self, shallower)

    # Likelihood.

    def log_prob(self, frames, context=None, seed=None):
        """Returns a lower bound of log p(v_t | context_t): log of the mean of w over draws from q.

        With one layer it is the log p of a `ConditionalRBM`. With more, it is a bound on average
        for each `num_samples`, and a tighter one for more. log Z of the RBM on top is exact if one
        side of it has at most 20 units. Else it is estimated by AIS, too low on average, which
        makes the bound too high; `reverse_log_prob` errs to the other side.

        Returns:
            `FrameLogProb`. Its error is that of AIS and of the mean of w; infinite for one sample.
        """
        frames, context = self.cast_inputs(frames, context)
        nats, error, _ = self._log_mean_weight(frames, context, seed)
        log_z = self.log_partition(self.pairs(context)[-1], frames, context, seed)
        return _normalized(nats, error, log_z)

    def reverse_log_prob(self, frames, context=None, seed=None):
        """Returns the bound of `log_prob` with log Z by reverse annealing: too low on average.

        The annealing starts from a state h_{L-1} drawn from those of q in proportion to their w. If
        log Z is exact, the result is that of `log_prob`.

        Returns:
            `FrameLogProb`.
        """
        if self.can_enumerate():
            return self.log_prob(frames, context, seed)
        frames, context = self.cast_inputs(frames, context)
        nats, error, h = self._log_mean_weight(frames, context, seed)
        log_z = self.reverse_log_partition(self.pairs(context)[-1], h, context, seed)
        return _normalized(nats, error, log_z)

    def can_enumerate(self):
        return energy.can_enumerate(*self.layer_sizes()[-2:])

    def _log_mean_weight(self, frames, context, seed):
        seed = self.row_seeds(seed, frames)

        def draw(k):
            return dbn.recognize(self.recognition_pairs(context), frames, 1, fold_in(seed, k))

        return dbn.log_mean_weight(self.pairs(context), draw, self.num_samples, seed)

    # Draws and codes.

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        """Draws frames, one for each context: Gibbs sampling on top, then down a layer at a time.

        Args:
            context: `(..., C)`, or None for the model without time.
            seed: An integer, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            temperature: Divisor of the energy of the RBM on top and of the log-odds of the layers
                below, a number above 0 or `(rows,)`: above 1 is bolder, below 1 safer.
            num_frames: Without context, the number of frames.

        Returns:
            Frames, `(..., V)`.
        """
        *pairs, top = self.pairs(context)
        frames = ops.zeros((self.visible_units,), dtype=self.variable_dtype)
        frames = self.frame_rows(frames, context, num_frames)
        temperature = self.row_temperatures(temperature, frames)
        seed = self.row_seeds(seed, frames)
        b = top.visible_bias
        b = ops.broadcast_to(b, (*ops.shape(frames)[:-1], b.shape[-1]))
        x = self.gibbs_sample(top, b, seed, temperature)
        return dbn.sample_downward(pairs, x, seed, temperature)

    def reconstruct(self, frames, context=None):
        """Returns one pass up by q and down by p in expectations: `decode` of `encode`."""
        return dbn.mean_downward(self.pairs(context), self.encode(frames, context))

    def encode(self, frames, context=None):
        """Returns the expected units of the top layer, by one pass up in expectations.

        Args:
            frames: `(..., V)`.
            context: `(..., C)`, or None for the model without time.

        Returns:
            The code, `(..., code_units)`.
        """
        frames, context = self.cast_inputs(frames, context)
        pairs = [*self.recognition_pairs(context), self.pairs(context)[-1]]
        return dbn.mean_upward(pairs, frames)

    def decode(self, code, context=None):
        """Returns the frames of a code of the top layer, by one pass down in expectations.

        Args:
            code: `(..., code_units)`.
            context: `(..., C)`; without it only if `decodes_alone`.

        Returns:
            Frames, `(..., V)`.

        Raises:
            ValueError: If the code is of another size, or `context` is None in a head built with
                one.
        """
        code = self.checked_code(code, context)
        return dbn.mean_downward(self.pairs(context), code)

    def get_config(self):
        return super().get_config() | {
            "hidden_units": list(self.hidden_units),
            "objective": self.objective,
            "num_particles": self.num_particles,
            "num_samples": self.num_samples,
        }


def _normalized(nats, error, log_z):
    """Returns the `FrameLogProb` of unnormalized nats, with the error of both parts."""
    error = ops.sqrt(ops.square(error) + ops.square(log_z.standard_error))
    return FrameLogProb(nats - log_z.nats, error)
