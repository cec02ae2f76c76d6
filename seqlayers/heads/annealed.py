"""The common part of heads with an RBM: Gibbs sampling, log Z by annealing, codes, arguments.

    log p(v) = -F(v) - log Z

log Z is exact where one binary side of the RBM is small enough to enumerate; else it is estimated
by `seqlayers.energy.partition`, from both sides.
"""

from typing import Any

import keras

from seqlayers import energy
from seqlayers.checks import check_integer
from seqlayers.energy.partition import NUM_BETAS, NUM_CHAINS
from seqlayers.heads.head import Head
from seqlayers.sampling import fold_in


class AnnealedHead(Head):
    """A head with an RBM, whose log Z is exact where it can be and else estimated by annealing.

    The base class of `ConditionalRBM` and `ConditionalDBN`. A subclass has `can_enumerate`.

    Args:
        visible_units: Number V of visible units in a frame.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        sampling_steps: Number of Gibbs steps when drawing new frames.
        num_betas: Number of annealing steps when estimating likelihoods; without a context, ten
            times as many.
        num_chains: Number of annealing chains for each frame; without a context, where all frames
            have one partition function, AIS takes a hundred times as many.
        kernel_initializer: Initializer of the kernels; a normal one of standard deviation 0.01 if
            None.
        kernel_regularizer: Regularizer of the kernels.
        context_initializer: Initializer of the kernels from the context.
        context_regularizer: Regularizer of the kernels from the context.
        **kwargs: Arguments of `Head`.

    Raises:
        ValueError: If a number is not an integer of at least 1, or an argument of `Head` is wrong.
    """

    has_code = has_reverse = True

    def __init__(
        self,
        visible_units,
        *,
        gibbs_steps=15,
        sampling_steps=25,
        num_betas=NUM_BETAS,
        num_chains=NUM_CHAINS,
        kernel_initializer=None,
        kernel_regularizer=None,
        context_initializer: Any = "glorot_uniform",
        context_regularizer=None,
        **kwargs,
    ):
        super().__init__(visible_units, **kwargs)
        self.gibbs_steps = check_integer("gibbs_steps", gibbs_steps)
        self.sampling_steps = check_integer("sampling_steps", sampling_steps)
        self.num_betas = check_integer("num_betas", num_betas)
        self.num_chains = check_integer("num_chains", num_chains)
        if kernel_initializer is None:
            kernel_initializer = keras.initializers.RandomNormal(stddev=0.01)
        self.set_weight_options(
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            context_initializer=context_initializer,
            context_regularizer=context_regularizer,
        )

    def can_enumerate(self):
        """Returns whether log Z can be summed over all states of one side of the RBM."""
        raise NotImplementedError

    def log_partition(self, params, frames, context, seed):
        """Returns log Z of `energy.RBMParams`, exact or by AIS.

        Args:
            params: `energy.RBMParams` of the frames.
            frames: `(..., V)`, for the number of rows alone.
            context: None if all frames have one Z.
            seed: As in `Head.log_prob`.

        Returns:
            `energy.LogPartition`, of each frame or of all.
        """
        if self.can_enumerate():
            return energy.log_partition(params)
        if context is None:  # one Z for all frames, so it may cost a thousand times as much
            seed, chains = self.one_seed(seed), 100 * self.num_chains
            return energy.ais_log_partition(params, seed, 10 * self.num_betas, chains)
        seed = self.row_seeds(seed, frames)
        return energy.ais_log_partition(params, seed, self.num_betas, self.num_chains)

    def reverse_log_partition(self, params, states, context, seed):
        """Returns log Z of each frame from above, by annealing that starts from `states` of it."""
        seed = self.row_seeds(seed, states)
        betas = self.num_betas if context is not None else 10 * self.num_betas
        return energy.reverse_log_partition(params, states, seed, betas, self.num_chains)

    def gibbs_sample(self, params, visible_bias, seed, temperature):
        """Draws visible units of the RBM by `sampling_steps` of Gibbs sampling.

        Args:
            params: `energy.RBMParams`.
            visible_bias: Those of `params` with a row for each draw.
            seed: int32 `(2,)` or `(rows, 2)`.
            temperature: As `row_temperatures` returns it.
        """
        start = energy.independent(params._replace(visible_bias=visible_bias))
        v = energy.visible_given_input(start, 0.0, temperature)
        v = v.sample(seed=fold_in(seed, 2 * self.sampling_steps))
        return energy.gibbs(params, v, self.sampling_steps, seed, temperature)

    def checked_code(self, code, context):
        """Returns the code that `decode` was given, in the dtype of the weights.

        Raises:
            ValueError: If the code is of another size, or `context` is None in a head that does not
                `decodes_alone`.
        """
        _, context = self.cast_inputs(None, context)
        code = self.cast("code", code, self.code_units)
        if context is not None:
            self.check_axes(context, code, "code")
        elif not self.decodes_alone:
            raise ValueError(
                "`context` must be given: it sets biases of this head, and a code holds only the "
                "hidden units of a frame. Received: context=None."
            )
        return code

    def get_config(self):
        return super().get_config() | {
            "gibbs_steps": self.gibbs_steps,
            "sampling_steps": self.sampling_steps,
            "num_betas": self.num_betas,
            "num_chains": self.num_chains,
        }
