"""The RNN-RBM.

    u_t = tanh(u_{t-1} W_uu + v_t W_vu + b_u)        u_0 learned
    b_t = b + u_{t-1} W_uv,  c_t = c + u_{t-1} W_uh
    p(v_t | v_1 .. v_{t-1}) is an RBM with kernel W and biases b_t, c_t

W_vu, W_uu and b_u are the memory's `kernel`, `recurrent_kernel` and `bias`, u_0 is
`initial_context`, W_uv and W_uh are the head's `context_visible_kernel` and
`context_hidden_kernel`.
In `RNNRBM.for_spectrograms` u_t is the output of three layers of tanh-gated units.
References: N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal Dependencies in
High-Dimensional Sequences, ICML 2012; K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music
Generation by Modeling Temporal Dependencies Using a RNN-DBN, ICANN 2014, section 2.3;
S. A. Razzaq, an RNN-RBM for the unsupervised modelling of audio spectrograms.
"""

from collections.abc import Sequence
from typing import Any

import keras

from seqlayers.checks import check_integer, check_number
from seqlayers.heads import ConditionalRBM
from seqlayers.layers import TanhGatedCell
from seqlayers.models.recurrent import RecurrentModel

SPECTROGRAM_LEARNING_RATES = (3e-4, 1e-4, 5e-5, 3e-5, 1e-5)


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
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        sampling_steps: Number of Gibbs steps when drawing new frames.
        kernel_regularizer: Regularizer of W.
        **kwargs: `context_dropout`, `transpose`, `name` and `dtype`, as in `SequenceModel`.

    Example:
        >>> model = RNNRBM(88, 150, 100, seed=0)
        >>> model.generate(num_steps=8).shape
        (1, 8, 88)
    """

    head_arguments = (
        "visible_units",
        "hidden_units",
        "gibbs_steps",
        "visibles",
        "seed",
        "sampling_steps",
        "kernel_regularizer",
    )

    def __init__(
        self,
        visible_units,
        hidden_units=150,
        recurrent_units=150,
        cell=None,
        gibbs_steps=15,
        visibles="bernoulli",
        seed=None,
        sampling_steps=25,
        kernel_regularizer=None,
        **kwargs,
    ):
        head = ConditionalRBM(
            visible_units,
            hidden_units,
            gibbs_steps,
            visibles,
            sampling_steps=sampling_steps,
            kernel_regularizer=kernel_regularizer,
            seed=seed,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(head, recurrent_units, cell, **kwargs)

    @classmethod
    def for_spectrograms(
        cls,
        visible_units=129,
        hidden_units=None,
        recurrent_units=None,
        num_layers=3,
        gate_activation: Any = "tanh",
        visibles="gaussian",
        seed=None,
        **kwargs,
    ):
        """Makes the RNN-RBM on spectrograms: three layers of gated units set the RBM's biases.

        As published it has CD-15 in training, 20 Gibbs steps in generation and an L1 penalty of
        1e-4; these are the defaults of `gibbs_steps`, `sampling_steps` and `kernel_regularizer`.
        The paper does not name the weights that the penalty is for. Here it is for W alone, since
        it is meant to make features sparse. The published model was trained in batches of 20 with
        `optimizer_for_spectrograms` and `compile(..., nonfinite="shrink")`.

        Args:
            visible_units: Number V of bins in a frame; a 256-point FFT has 129.
            hidden_units: Number of hidden units of the RBM; 1.7 V, rounded down, if None.
            recurrent_units: Number of units of each layer; 1.3 V, rounded down, if None.
            num_layers: Number of layers.
            gate_activation: Activation of the gates: `"tanh"` as published, or `"sigmoid"`, with
                which a memory cannot grow without bound.
            visibles: `"gaussian"`, `"gamma"` or `"bernoulli"`.
            seed: Seed of all draws.
            **kwargs: The other arguments of `RNNRBM`, except `cell`.

        Returns:
            An `RNNRBM`, not compiled.

        Raises:
            ValueError: If a number is out of range, or a name is not one of those above.

        Example:
            >>> model = RNNRBM.for_spectrograms(seed=0)
            >>> optimizer = RNNRBM.optimizer_for_spectrograms(steps_per_phase=2000)
            >>> model.compile(optimizer, nonfinite="shrink")
            >>> model.fit(frames, batch_size=20, epochs=100)
        """
        V = check_integer("visible_units", visible_units)
        hidden_units = max(1, 17 * V // 10) if hidden_units is None else hidden_units
        recurrent_units = max(1, 13 * V // 10) if recurrent_units is None else recurrent_units
        num_layers = check_integer("num_layers", num_layers)
        check_integer("recurrent_units", recurrent_units)
        dtype = kwargs.get("dtype")
        cells = [
            TanhGatedCell(recurrent_units, gate_activation, dtype=dtype) for _ in range(num_layers)
        ]
        options = {"sampling_steps": 20, "kernel_regularizer": keras.regularizers.L1(1e-4)}
        options |= {"visibles": visibles, "seed": seed} | kwargs
        return cls(V, hidden_units, recurrent_units, cells, **options)

    @staticmethod
    def optimizer_for_spectrograms(
        steps_per_phase, learning_rates: Sequence[float] = SPECTROGRAM_LEARNING_RATES
    ):
        """Returns the optimizer of the spectrogram model: RMSProp, its rate lower in each phase.

            a = 0.9 a' + 0.1 g^2,  step = rate * g / sqrt(a + 1e-6)

        Args:
            steps_per_phase: Number of training steps in each phase: epochs times batches. The
                paper does not give it. The last phase lasts as long as training does.
            learning_rates: Learning rate of each phase, numbers above 0.

        Returns:
            A `keras.optimizers.RMSprop`.

        Raises:
            ValueError: If `steps_per_phase` is not an integer of at least 1, or `learning_rates` is
                not a list of numbers above 0.
        """
        steps = check_integer("steps_per_phase", steps_per_phase)
        if not isinstance(learning_rates, list | tuple) or not learning_rates:
            raise ValueError(
                "`learning_rates` must be a list of numbers above 0, one for each phase. "
                f"Received: learning_rates={learning_rates!r}."
            )
        rates = [
            check_number(f"learning_rates[{i}]", rate, above=0)
            for i, rate in enumerate(learning_rates)
        ]
        # Steps are counted from 0, and in Keras a phase includes its boundary.
        boundaries = [phase * steps - 1 for phase in range(1, len(rates))]
        rate = rates[0]
        if boundaries:
            rate = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
        return keras.optimizers.RMSprop(rate, rho=0.9, epsilon=1e-6)
