"""The RNN-NADE.

    u_t = tanh(u_{t-1} W_uu + v_t W_vu + b_u)        u_0 learned
    b_t = b + u_{t-1} W_uv,  c_t = c + u_{t-1} W_uh
    p(v_t | v_1 .. v_{t-1}) is a NADE with kernels W and U and biases b_t, c_t

W_vu, W_uu and b_u are the memory's `kernel`, `recurrent_kernel` and `bias`, u_0 is
`initial_context`, W_uv and W_uh are the head's `context_visible_kernel` and
`context_hidden_kernel`.
Reference: N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal Dependencies in
High-Dimensional Sequences, ICML 2012, section 5.
"""

import keras

from seqlayers.heads import NADE
from seqlayers.models.recurrent import RecurrentModel


@keras.saving.register_keras_serializable("seqlayers")
class RNNNADE(RecurrentModel):
    """A recurrent layer that sets the biases of a NADE for each frame: exact likelihoods and draws.

    For a head with other options, give `SequenceModel` a memory and a `NADE`.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number of hidden units of the NADE.
        recurrent_units: Number of recurrent units.
        cell: Any Keras cell, or a list of cells to stack, in place of the tanh cell with
            `recurrent_units`.
        orderless: Whether to train one model for all orders of the visible units.
        num_orders: Number of orders whose mean is the probability of a frame, if `orderless`.
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        **kwargs: `context_dropout`, `transpose`, `name` and `dtype`, as in `SequenceModel`.

    Example:
        >>> model = RNNNADE(88, 150, 100, seed=0)
        >>> model.generate(num_steps=8).shape
        (1, 8, 88)
    """

    head_arguments = ("visible_units", "hidden_units", "orderless", "num_orders", "seed")

    def __init__(
        self,
        visible_units,
        hidden_units=150,
        recurrent_units=150,
        cell=None,
        orderless=False,
        num_orders=1,
        seed=None,
        **kwargs,
    ):
        dtype = kwargs.get("dtype")
        head = NADE(visible_units, hidden_units, orderless, num_orders, seed=seed, dtype=dtype)
        super().__init__(head, recurrent_units, cell, **kwargs)
