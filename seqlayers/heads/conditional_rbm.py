"""A restricted Boltzmann machine whose biases are set by a context.

    p(v_t, h_t | context_t) = exp(-E(v_t, h_t)) / Z_t      E as in `seqlayers.energy.rbm`
    b_t = b + context_t A                                  visible bias of frame t
    c_t = c + context_t B                                  hidden bias of frame t

W is `kernel`, b `visible_bias`, c `hidden_bias`, A `context_visible_kernel`, B
`context_hidden_kernel`; log s^2 of Gaussian visibles is `log_variance`, log k of gamma ones
`log_shape`. With u_{t-1} of a recurrent layer as context this is the RNN-RBM's frame; without a
context it is a plain RBM.
Reference: K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music Generation by Modeling Temporal
Dependencies Using a RNN-DBN, ICANN 2014, section 2.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from seqlayers import energy, replicas
from seqlayers.checks import check_integer, check_number
from seqlayers.energy.partition import NUM_BETAS, NUM_CHAINS
from seqlayers.heads.annealed import AnnealedHead
from seqlayers.heads.head import FrameLogProb


class _Within(keras.constraints.Constraint):
    """Clips a weight to a range."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, value):
        return ops.clip(value, self.low, self.high)


@keras.saving.register_keras_serializable("seqlayers")
class ConditionalRBM(AnnealedHead):
    """A restricted Boltzmann machine over one frame, whose biases are set by a context.

    It is trained by contrastive divergence from the data or, without a context, by persistent
    chains. Likelihoods are exact with at most 20 hidden units, or at most 20 binary visible units;
    else they are estimates, see `log_prob` and `reverse_log_prob`.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number H of hidden units.
        gibbs_steps: Number k of Gibbs steps in training (CD-k, PCD-k).
        visibles: `"bernoulli"`, `"gaussian"` (with a learned variance for each unit) or `"gamma"`
            (amplitudes, 0 or more, with a learned shape for each unit).
        persistent_chains: Number of persistent chains for PCD; CD from the data if None. Each
            replica of `tf.distribute` runs all of them.
        centering_rate: Rate in (0, 1] of the moving averages that center visible and hidden units;
            None for an RBM that is not centered. Gamma visibles cannot be centered.
        sampling_steps: Number of Gibbs steps when drawing new frames.
        num_betas: Number of annealing steps when estimating likelihoods; without a context, ten
            times as many.
        num_chains: Number of annealing chains for each frame; without a context, where all frames
            have one partition function, AIS takes a hundred times as many.
        kernel_initializer: Initializer of W; a normal one of standard deviation 0.01 if None.
        kernel_regularizer: Regularizer of W.
        context_initializer: Initializer of A and B.
        context_regularizer: Regularizer of A and B.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a number is out of its range, `visibles` is not one of the three,
            `centering_rate` is given with gamma visibles, or, when building, `persistent_chains`
            with a context.

    Example:
        >>> frames = keras.Input((None, 88))
        >>> past = Delay()(keras.layers.LSTM(100, return_sequences=True)(frames))
        >>> model = keras.Model(frames, ConditionalRBM(88, 150)([frames, past]))
        >>> model.compile("adam")
    """

    VISIBLES = ("bernoulli", "gaussian", "gamma")
    has_free_energy = True

    def __init__(
        self,
        visible_units,
        hidden_units,
        gibbs_steps=15,
        visibles="bernoulli",
        persistent_chains=None,
        centering_rate=None,
        sampling_steps=25,
        num_betas=NUM_BETAS,
        num_chains=NUM_CHAINS,
        kernel_initializer=None,
        kernel_regularizer=None,
        context_initializer: Any = "glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            visible_units,
            visibles=visibles,
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
        self.hidden_units = check_integer("hidden_units", hidden_units)
        if persistent_chains is not None:
            persistent_chains = check_integer("persistent_chains", persistent_chains)
        if centering_rate is not None:
            centering_rate = check_number("centering_rate", centering_rate, above=0, most=1)
            if not self.visible_kind.CAN_CENTER:
                raise ValueError(
                    f"`centering_rate` must be None with {visibles} visibles: they cannot be "
                    f"centered. Received: centering_rate={centering_rate!r}."
                )
        self.persistent_chains = persistent_chains
        self.centering_rate = centering_rate
        self._visible_shift = self._hidden_shift = None

    @property
    def kind(self):
        return "exact" if self.can_enumerate() else "estimate"

    def build(self, input_shape):
        super().build(input_shape)
        V, H, C = self.visible_units, self.hidden_units, self.context_units
        if self.persistent_chains is not None and C is not None:
            raise ValueError(
                "`persistent_chains` needs a head without context: where biases move with the "
                "frame there is no distribution for a chain to stay in. Received: "
                f"persistent_chains={self.persistent_chains} and a context of {C} units."
            )
        self._build_hidden()
        self.visible_bias = self.add_weight(name="visible_bias", shape=(V,), initializer="zeros")
        self.log_variance = self.log_shape = None
        for name, (low, high) in self.visible_kind.WEIGHT_RANGES.items():
            weight = self.add_weight(
                name=name,
                shape=(V,),
                initializer="zeros",
                constraint=_Within(low, high),
            )
            setattr(self, name, weight)
        state = {"initializer": "zeros", "trainable": False}
        if self.persistent_chains is not None:
            shape = (self.persistent_chains, V)
            self.chains = self.add_weight(name="chains", shape=shape, **state)
        if self.centering_rate is not None:
            self.visible_offset = self.add_weight(name="visible_offset", shape=(V,), **state)
            self.hidden_offset = self.add_weight(name="hidden_offset", shape=(H,), **state)
        if self.centering_rate is not None and keras.backend.backend() == "jax":
            # On JAX `fit` drops what a step assigns to trainable weights, as the biases are. Files
            # hold the sums.
            self._visible_shift = self.add_weight(name="visible_shift", shape=(V,), **state)
            self._hidden_shift = self.add_weight(name="hidden_shift", shape=(H,), **state)

    def _build_hidden(self):
        """Makes W, c, A and B; a subclass that has them elsewhere makes none."""
        V, H = self.visible_units, self.hidden_units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(V, H),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.hidden_bias = self.add_weight(name="hidden_bias", shape=(H,), initializer="zeros")
        self.context_visible_kernel = self.add_context_kernel("visible", V)
        self.context_hidden_kernel = self.add_context_kernel("hidden", H)

    def params(self, context=None):
        """Returns the `energy.RBMParams` of the frames with these contexts.

        Args:
            context: `(..., C)`, or None for the RBM without time.
        """
        _, context = self.cast_inputs(None, context)
        kind = self.visible_kind
        params = energy.RBMParams(
            ops.convert_to_tensor(self.kernel),
            _sum(self.visible_bias, self._visible_shift),
            _sum(self.hidden_bias, self._hidden_shift),
            kind(*(ops.convert_to_tensor(getattr(self, name)) for name in kind.WEIGHT_RANGES)),
        )
        if self.centering_rate is not None:
            params = energy.centered(params, self.visible_offset, self.hidden_offset)
        b, c = params.visible_bias, params.hidden_bias
        if context is not None:
            c = c + ops.matmul(context, self.context_hidden_kernel)
            if self.context_visible_kernel is not None:
                b = b + ops.matmul(context, self.context_visible_kernel)
        return params._replace(visible_bias=b, hidden_bias=c)

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns the scalar of CD-k or PCD-k, whose gradient trains the RBM.

        It is a difference of free energies, which monitors the chains; it is not a likelihood.
        Arguments are those of `Head.loss`.
        """
        frames, context = self.cast_inputs(frames, context, mask)
        if training and self.centering_rate is not None:
            self._move_offsets(frames, context, mask)
        params = self.params(context)
        if self.persistent_chains is None:
            seed = self.row_seeds(seed, frames)
            return energy.contrastive_divergence(params, frames, self.gibbs_steps, seed, mask)
        seed = self.one_seed(seed)
        loss, chains = energy.persistent_contrastive_divergence(
            params, frames, ops.convert_to_tensor(self.chains), self.gibbs_steps, seed, mask
        )
        if training:
            self.chains.assign(chains)
        return loss

    def log_prob(self, frames, context=None, seed=None):
        """Returns log p(v_t | context_t): exact if one binary side has at most 20 units, or by AIS.

        An estimate by AIS is too high on average, one of `reverse_log_prob` too low.

        Returns:
            `FrameLogProb`.
        """
        frames, params = self._frames_and_params(frames, context)
        log_z = self.log_partition(params, frames, context, seed)
        nats = -energy.free_energy(params, frames) - log_z.nats
        return FrameLogProb(nats, log_z.standard_error + ops.zeros_like(nats))

    def reverse_log_prob(self, frames, context=None, seed=None):
        """Returns log p(v_t | context_t): exact as `log_prob`, or by reverse annealing.

        The estimate is too low on average.

        Returns:
            `FrameLogProb`.
        """
        if self.can_enumerate():
            return self.log_prob(frames, context)
        frames, params = self._frames_and_params(frames, context)
        log_z = self.reverse_log_partition(params, frames, context, seed)
        return FrameLogProb(-energy.free_energy(params, frames) - log_z.nats, log_z.standard_error)

    def free_energy(self, frames, context=None):
        """Returns F(v_t | context_t) in nats, `(...)`."""
        frames, params = self._frames_and_params(frames, context)
        return energy.free_energy(params, frames)

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        params = self.params(context)
        b = self.frame_rows(params.visible_bias, context, num_frames)
        temperature = self.row_temperatures(temperature, b)
        seed = self.row_seeds(seed, b)
        return self.gibbs_sample(params, b, seed, temperature)

    def reconstruct(self, frames, context=None):
        """Returns E[v | E[h | v]], one pass up and down in expectations."""
        frames, params = self._frames_and_params(frames, context)
        return energy.mean_field(params, frames)

    def features(self, frames):
        """Returns f(v), the input of the hidden units, `(..., V)`; f(v - m) if centered."""
        frames, params = self._frames_and_params(frames, None)
        if self.centering_rate is not None:
            frames = frames - self.visible_offset
        return energy.features(params, frames)

    def encode(self, frames, context=None):
        """Returns E[h | v], the code of frames, `(..., H)`."""
        frames, params = self._frames_and_params(frames, context)
        return energy.hidden_given_visible(params, frames).mean()

    def decode(self, code, context=None):
        """Returns E[v | h], the frames `(..., V)` of a code, hidden units `(..., H)`.

        Raises:
            ValueError: If the code is of another size, or `context` is None and the visible biases
                depend on it.
        """
        code = self.checked_code(code, context)
        return energy.visible_given_hidden(self.params(context), code).mean()

    @property
    def code_units(self):
        return self.hidden_units

    @property
    def decodes_alone(self):
        return self.context_visible_kernel is None

    def get_config(self):
        return super().get_config() | {
            "hidden_units": self.hidden_units,
            "visibles": self.visibles,
            "persistent_chains": self.persistent_chains,
            "centering_rate": self.centering_rate,
        }

    def save_own_variables(self, store):
        if self._visible_shift is None:
            super().save_own_variables(store)
            return
        shifts = {"visible_bias": self._visible_shift, "hidden_bias": self._hidden_shift}
        for place, weight in enumerate(self.weights[:-2]):
            store[str(place)] = _sum(weight, shifts.get(weight.name))

    def load_own_variables(self, store):
        if self._visible_shift is None:
            super().load_own_variables(store)
            return
        *saved, visible_shift, hidden_shift = self.weights
        if len(store.keys()) != len(saved):
            raise ValueError(
                f"The layer {self.name} must be loaded from {len(saved)} weights. "
                f"Received: {len(store.keys())}."
            )
        for place, weight in enumerate(saved):
            weight.assign(store[str(place)])
        for shift in (visible_shift, hidden_shift):
            shift.assign(np.zeros(shift.shape))

    def _shift_visible_bias(self, shift):
        moved = self.visible_bias if self._visible_shift is None else self._visible_shift
        moved.assign(moved + shift)

    def _shift_hidden_bias(self, shift):
        moved = self.hidden_bias if self._hidden_shift is None else self._hidden_shift
        moved.assign(moved + shift)

    def _frames_and_params(self, frames, context):
        frames, context = self.cast_inputs(frames, context)
        return frames, self.params(context)

    def can_enumerate(self):
        return energy.can_enumerate(self.visible_units, self.hidden_units, self.visibles)

    def _move_offsets(self, frames, context, mask):
        """Moves the offsets toward the means of the batch, and the biases so that p stays."""
        params = self.params(context)
        h = energy.hidden_given_visible(params, frames).mean()
        for offset, values in ((self.visible_offset, frames), (self.hidden_offset, h)):
            keep = ops.ones(ops.shape(values)[:-1], "bool") if mask is None else mask
            total = ops.sum(
                ops.where(keep[..., None], values, 0), tuple(range(len(values.shape) - 1))
            )
            total, count = replicas.total((total, ops.sum(ops.cast(keep, values.dtype))))
            rate = self.centering_rate * ops.cast(count > 0, values.dtype)
            change = ops.stop_gradient(rate * (total / ops.maximum(count, 1) - offset))
            offset.assign(offset + change)
            if offset is self.visible_offset:
                shift = ops.matmul(energy.features(params, change), params.kernel)
                self._shift_hidden_bias(ops.stop_gradient(shift))
            else:
                shift = ops.matmul(params.kernel, change)
                self._shift_visible_bias(ops.stop_gradient(shift))


def _sum(bias, shift):
    bias = ops.convert_to_tensor(bias)
    return bias if shift is None else bias + shift
