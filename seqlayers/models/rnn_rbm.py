"""The RNN-RBM.

    u_t = tanh(u_{t-1} W_uu + v_t W_vu + b_u)        u_0 learned
    b_t = b + u_{t-1} W_uv,  c_t = c + u_{t-1} W_uh
    p(v_t | v_1 .. v_{t-1}) is an RBM with kernel W and biases b_t, c_t

W_vu, W_uu and b_u are the memory's `kernel`, `recurrent_kernel` and `bias`, u_0 is
`initial_context`, W_uv and W_uh are the head's `context_visible_kernel` and
`context_hidden_kernel`.
References: N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal Dependencies in
High-Dimensional Sequences, ICML 2012; K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music
Generation by Modeling Temporal Dependencies Using a RNN-DBN, ICANN 2014, section 2.3.
"""

import keras

from seqlayers.heads import ConditionalRBM
from seqlayers.models.recurrent import RecurrentModel


@keras.saving.register_keras_serializable("seqlayers")
class RNNRBM(RecurrentModel):
    """A recurrent layer that sets the biases of an RBM for each frame.

    For a head with other options, give `SequenceModel` a memory and a `ConditionalRBM`.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number of hidden units of the RBM.
        recurrent_units: Number of recurrent units.
        cell: Any Keras cell, or a list of cells to stack, in place of the tanh cell with
            `recurrent_units`.
        gibbs_steps: Number k of Gibbs steps in training.
        visibles: `"bernoulli"`, `"gaussian"` or `"gamma"`.
        seed: Seed of all draws. Weights start from Keras's own, `keras.utils.set_random_seed`.

    Example:
        >>> model = RNNRBM(88, 150, 100, seed=0)
        >>> model.generate(num_steps=8).shape
        (1, 8, 88)
    """

    head_arguments = ("visible_units", "hidden_units", "gibbs_steps", "visibles", "seed")

    def __init__(
        self,
        visible_units,
        hidden_units=150,
        recurrent_units=150,
        cell=None,
        gibbs_steps=15,
        visibles="bernoulli",
        seed=None,
        **kwargs,
    ):
        dtype = kwargs.get("dtype")
        head = ConditionalRBM(
            visible_units, hidden_units, gibbs_steps, visibles, seed=seed, dtype=dtype
        )
        super().__init__(head, recurrent_units, cell, **kwargs)
