"""The RNN-DBN.

    u_t = tanh(u_{t-1} W_uu + v_t W_vu + b_u)                                    u_0 learned
    b_t = b + u_{t-1} W_uv                                                       (14)
    b_1,t = b_1 + u_{t-1} W_uh1,  b_2,t = b_2 + u_{t-1} W_uh2                    (13), (16)
    p(v_t | v_1 .. v_{t-1}) is a DBN with kernels W_1, W_2 and biases b_t, b_1,t and b_2,t

Numbers are the paper's. u_t is its (17) with two changes. It prints W_uu h^(t-1), which we read as
W_uu u^(t-1): the sentence before it connects u^(t) to u^(t-1) and v^(t) alone, u are to be units
apart from the hidden ones of the DBN, and step 1 of its training computes all u^(t) from (17)
before any of those is known. It has a sigmoid where we have a tanh, as in the RNN-RBM.

W_vu, W_uu and b_u are the
memory's `kernel`, `recurrent_kernel` and `bias`, u_0 is `initial_context`, W_uv, W_uh1 and W_uh2
are the head's `context_visible_kernel`, `context_hidden_1_kernel` and `context_hidden_2_kernel`.
Reference: K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music Generation by Modeling Temporal
Dependencies Using a RNN-DBN, ICANN 2014, section 3.
"""

from collections.abc import Sequence

import keras

from seqlayers.heads import ConditionalDBN
from seqlayers.models import pretraining
from seqlayers.models.recurrent import RecurrentModel


@keras.saving.register_keras_serializable("seqlayers")
class RNNDBN(RecurrentModel):
    """A recurrent layer that sets the biases of a deep belief network for each frame.

    For a head with other options, give `SequenceModel` a memory and a `ConditionalDBN`.

    There are two ways to train it: all layers at once, after `pretrain_head` has trained them one
    after the other on shuffled frames; or one layer after the other, together with the memory.
    `deeper` makes a model with one layer more, whose likelihood is that of the model it is made
    from; `seqlayers.models.pretraining.pretrain_layers` does this for all layers of a model.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number of units of each hidden layer, from the lowest up.
        recurrent_units: Number of recurrent units.
        cell: Any Keras cell, or a list of cells to stack, in place of the tanh cell with
            `recurrent_units`.
        gibbs_steps: Number k of Gibbs steps in training.
        objective: `"variational"` or `"contrastive"`, see `ConditionalDBN`.
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        **kwargs: `context_dropout`, `transpose`, `name` and `dtype`, as in `SequenceModel`.

    Example:
        >>> model = RNNDBN(88, (150,), seed=0)
        >>> model.compile(keras.optimizers.Adam(3e-3))
        >>> model.fit(rolls.train, epochs=100)
        >>> model = model.deeper(150)
        >>> model.compile(keras.optimizers.Adam(3e-3))
        >>> model.fit(rolls.train, epochs=100)
    """

    head_arguments = ("visible_units", "hidden_units", "gibbs_steps", "objective", "seed")

    def __init__(
        self,
        visible_units,
        hidden_units: Sequence[int] = (150, 150),
        recurrent_units=150,
        cell=None,
        gibbs_steps=15,
        objective="variational",
        seed=None,
        **kwargs,
    ):
        dtype = kwargs.get("dtype")
        head = ConditionalDBN(
            visible_units, hidden_units, gibbs_steps, objective, seed=seed, dtype=dtype
        )
        super().__init__(head, recurrent_units, cell, **kwargs)

    def deeper(self, units):
        """Returns a model with one hidden layer more, which has the same likelihood.

        With fewer units than the layer two below has, the likelihood is only about the same, see
        `ConditionalDBN.stack_on`. The new model is not compiled.

        Args:
            units: Number of units of the new top layer.

        Returns:
            An `RNNDBN`. This model stays as it is.

        Raises:
            ValueError: If `units` is not an integer of at least 1.
        """
        return pretraining.deeper(self, units)
