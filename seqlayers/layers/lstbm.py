"""Long short-term Boltzmann memory (LSTBM), and the hidden units of TRBM and RTRBM, as layers.

    f, i, o, g = sigmoid(x W + h' U + b)    (18)-(21)  expected hidden units  [B, J] each
    c = c' * f + g * i                      (10)       memory cells           [B, J]
    h = sigmoid(c * o)                      (11)       output                 [B, J]

Numbers are the paper's. A prime marks the step before; h and c start at 0. W, U and b are `kernel`,
`recurrent_kernel` and `bias`, with columns in the order f, i, o, g. The hidden units are those of
an RBM whose hidden biases are b + h' U; x is what they see of the visible ones: v where those are
binary, v / s^2 where they are Gaussian (15).

The paper describes its equations as those of an LSTM, but prints g as a unit of 0 and 1, and no
tanh. With `variant="lstm"` they are those of an LSTM, by our choice: g is a unit of -1 and 1, of
logit 2 y where the others have y, and the output has the tanh:

    g = tanh(x W_g + h' U_g + b_g)
    h = o * tanh(c)

Temporal RBMs have no memory cells. Their hidden units are their output, drawn in a TRBM and
expected in an RTRBM:

    h = sigmoid(x W + h' U + b)             of (7)(8)                         [B, J]

The gradient of a unit that is drawn is that of its expectation.

Reference: T. Nakashika, LSTBM: a Novel Sequence Representation of Speech Spectra Using Restricted
Boltzmann Machine with Long Short-Term Memory, Interspeech 2018.
"""

import keras
import numpy as np
from keras import ops

from seqlayers import replicas
from seqlayers.checks import check_choice
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.lstbm_recurrence import BoltzmannRecurrence, LSTBMRecurrence
from seqlayers.sampling import row_seeds, uniform


class HiddenUnitsCell(GatedCell):
    """Hidden units that depend on those of the step before.

    A subclass has `num_kinds` kinds of `units` hidden units and a `recurrence`. Activations are
    fixed: a unit of 0 and 1 has a sigmoid.

    Args:
        units: Number J of hidden units.
        mode: `"mean"`, expected hidden units, or `"sample"`: in training they are drawn, from
            `seed` as dropout is. The draws of Keras's loop over the cell are not those of the
            layer; on JAX they are the same at all frames, unless `unroll` is True.
    """

    num_kinds = 1
    fixed: tuple[str, ...] = ("activation", "recurrent_activation")
    why_fixed = "the hidden units of a Boltzmann machine leave no choice"

    def __init__(self, units, mode="mean", **kwargs):
        self.check_fixed(kwargs)
        super().__init__(units, **kwargs)
        self.mode = check_choice("mode", mode, ("mean", "sample"))
        self.state_size = [self.units] * len(self.state_names)

    def build(self, input_shape):
        self._add_weights(input_shape, self.num_kinds * self.units)

    def has_gradient(self):
        return True

    def _frames(self, sequences, training):
        """Returns x W + b, and as many uniform numbers where units are drawn.

        Draws of a frame do not depend on later frames or rows, padded ones included.
        """
        (x,) = super()._frames(sequences, training)
        if not (training and self.mode == "sample"):
            return (x,)
        seed = ops.cast(self.seed_generator.next(), "int32")
        frames = row_seeds(seed, ops.shape(x)[0], first_row=0)
        u = uniform(ops.shape(x), frames, first=replicas.first_row(ops.shape(x)[1]))
        return x, ops.cast(u, x.dtype)

    def get_config(self):
        return super().get_config() | {"mode": self.mode}


@keras.saving.register_keras_serializable("seqlayers")
class LSTBMCell(HiddenUnitsCell, equations=__doc__):
    """One step of the long short-term Boltzmann memory.

    Args:
        units: Number J of memory cells, and of hidden units of each kind.
        variant: `"paper"`, or `"lstm"`, the equations of `keras.layers.LSTM`.
        unit_forget_bias: Whether the biases of forget units start at 1.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: h and c, `(batch, J)` each.
        training: Whether to apply dropout and, with `mode="sample"`, to draw the hidden units.

    Returns:
        h and the list of the states after the frame.

    Raises:
        ValueError: If `units` is not an integer of at least 1, if `variant` or `mode` is unknown,
            or if an argument is given that the model fixes.

    Example:
        >>> keras.layers.RNN(LSTBMCell(8))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    state_names = ("h", "c")
    num_kinds = 4

    def __init__(self, units, variant="paper", mode="mean", **kwargs):
        super().__init__(units, mode, **kwargs)
        self.variant = check_choice("variant", variant, ("paper", "lstm"))

    @property
    def recurrence(self):
        return LSTBMRecurrence(self.units, self.variant)

    def _initial_bias(self, shape, dtype=None):
        bias = self.bias_initializer(shape, dtype=dtype)
        if not self.unit_forget_bias:
            return bias
        return ops.concatenate([ops.ones((self.units,), dtype=dtype), bias[self.units :]])

    def get_config(self):
        return super().get_config() | {"variant": self.variant}


@keras.saving.register_keras_serializable("seqlayers")
class BoltzmannCell(HiddenUnitsCell, equations=__doc__):
    """One step of the hidden units of a temporal RBM: a simple recurrent network with a sigmoid.

    Args:
        mode: `"mean"`, expected hidden units, those of an RTRBM; or `"sample"`, those of a TRBM: in
            training they are drawn, from `seed` as dropout is. The draws of Keras's loop over the
            cell are not those of the layer; on JAX they are the same at all frames, unless `unroll`
            is True.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: h `(batch, J)`.
        training: Whether to apply dropout and, with `mode="sample"`, to draw the hidden units.

    Returns:
        h and the list of the state after the frame.

    Raises:
        ValueError: If `units` is not an integer of at least 1, if `mode` is unknown, or if an
            argument is given that the model fixes.

    Example:
        >>> keras.layers.RNN(BoltzmannCell(8))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    state_names = ("h",)
    fixed = (*HiddenUnitsCell.fixed, "unit_forget_bias")

    @property
    def recurrence(self):
        return BoltzmannRecurrence(self.units)


@keras.saving.register_keras_serializable("seqlayers")
class LSTBM(GatedRNN, cell=LSTBMCell):
    """Long short-term Boltzmann memory, in all else like `keras.layers.LSTM`.

    Example:
        >>> LSTBM(8, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 8])
    """

    def to_lstm(self, input_scale=None, **kwargs):
        """Returns a `keras.layers.LSTM` with the outputs of this layer where no unit is drawn.

        Args:
            input_scale: Array `(features,)` that the inputs of this layer were multiplied by, such
                as 1 / s^2 of Gaussian visibles. The LSTM has it in its weights.
            **kwargs: Arguments of `keras.layers.LSTM`, instead of those of this layer.

        Returns:
            A built `keras.layers.LSTM`.

        Raises:
            ValueError: If `variant` is not `"lstm"`, if the layer is not built, or if `input_scale`
                is not one finite number for each feature.
        """
        if self.variant != "lstm":
            raise ValueError(
                '`to_lstm` needs `variant="lstm"`. Printed, the equations of the LSTBM are not '
                "those of an LSTM: its g is sigmoid(y), never negative, for tanh(y), and its "
                "output is sigmoid(c * o), 1/2 where o is 0, for o * tanh(c). "
                f"Received: variant={self.variant!r}."
            )
        if not self.built:
            raise ValueError(
                "`to_lstm` copies weights: call or build the layer first. Received: a layer that "
                "is not built."
            )
        kernel, *others = (w.numpy() for w in self.weights)
        if input_scale is not None:
            input_scale = np.asarray(input_scale, "float64")
            if input_scale.shape != kernel.shape[:1] or not np.all(np.isfinite(input_scale)):
                raise ValueError(
                    f"`input_scale` must be {len(kernel)} finite numbers, one for each feature. "
                    f"Received: input_scale={input_scale}."
                )
            kernel = kernel * input_scale[:, None]
        config = self.get_config()
        for name in ("name", "variant", "mode", "jit_compile"):
            del config[name]
        lstm = keras.layers.LSTM(**config | kwargs)
        lstm.build((self.states[0].shape[0] if self.stateful else None, None, len(kernel)))
        weights = []
        for weight in (kernel, *others):
            f, i, o, g = np.split(weight, 4, axis=-1)
            weights.append(np.concatenate([i, f, g, o], axis=-1))  # in the order of Keras
        lstm.set_weights(weights)
        return lstm


@keras.saving.register_keras_serializable("seqlayers")
class BoltzmannRNN(GatedRNN, cell=BoltzmannCell):
    """The hidden units of a temporal RBM, in all else like `keras.layers.SimpleRNN`.

    Example:
        >>> BoltzmannRNN(8, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 8])
    """
