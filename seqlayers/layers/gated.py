"""Recurrent cells with gates and their layers, with the arguments and behaviour of Keras's own.

A cell takes the arguments of `keras.layers.LSTMCell`, and its own. Its layer takes those of the
cell and of `keras.layers.RNN`.
"""

from typing import Any

import keras
from keras import ops

from seqlayers import replicas
from seqlayers.checks import check_flag, check_integer, check_number
from seqlayers.layers import documentation
from seqlayers.layers import scan as loops
from seqlayers.layers.scanned import CellRNN, ScannedCell, without

# Seeds that Keras's `SeedGenerator` takes.
SEEDS = (0, 2**32 - 1) if keras.backend.backend() == "jax" else (-(2**63), 2**63 - 1)


class GatedCell(ScannedCell, keras.layers.SimpleRNNCell):
    """A recurrent cell with gates.

    A subclass sets `state_size` in `__init__` and returns its equations as `recurrence`, which a
    layer runs over all frames at once: on TensorFlow those that `has_gradient` alone.

    Args:
        units: Size of the output.
        recurrent_activation: Activation of the gates.
        unit_forget_bias: Whether the biases of forget gates start at 1.
        **kwargs: The rest of `keras.layers.SimpleRNNCell`.
    """

    argument_texts = documentation.LSTM_ARGUMENTS
    rows_of_frame = 1  # in the batch that the recurrence sees

    def __init__(
        self, units, recurrent_activation: Any = "sigmoid", unit_forget_bias=True, **kwargs
    ):
        implementation = check_integer("implementation", kwargs.pop("implementation", 2), most=2)
        for name in {"dropout", "recurrent_dropout"} & kwargs.keys():
            kwargs[name] = check_number(name, kwargs[name], least=0, most=1)
        if kwargs.get("seed") is not None:
            kwargs["seed"] = check_integer("seed", kwargs["seed"], *SEEDS)
        kwargs["use_bias"] = check_flag("use_bias", kwargs.get("use_bias", True))
        super().__init__(check_integer("units", units), **kwargs)
        if implementation == 1 and (self.dropout or self.recurrent_dropout):
            raise ValueError(
                "`implementation` must be 2 where there is dropout: all gates share one product, "
                "and its dropout. Received: implementation=1."
            )
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = check_flag("unit_forget_bias", unit_forget_bias)

    def _add_weights(self, input_shape, columns, recurrent_rows=None):
        """Makes `kernel`, `recurrent_kernel` with a row for each unit of the output, and `bias`.

        With `recurrent_rows=0` there is no `recurrent_kernel`.
        """
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], columns),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        rows = self.units if recurrent_rows is None else recurrent_rows
        if rows:
            self.recurrent_kernel = self.add_weight(
                name="recurrent_kernel",
                shape=(rows, columns),
                initializer=self.recurrent_initializer,
                regularizer=self.recurrent_regularizer,
                constraint=self.recurrent_constraint,
            )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(columns,),
                initializer=self._initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _initial_bias(self, shape, dtype=None):
        return self.bias_initializer(shape, dtype=dtype)

    @property
    def memory_dtype(self):
        """Type of the states within a step, at least float32.

        In half precision squares vanish below 2e-4, uniform numbers round to 1 and counts stop at
        256.
        """
        return "float32" if self.compute_dtype in ("float16", "bfloat16") else self.compute_dtype

    # One step and all steps are the same equations, those of `recurrence`.

    @property
    def recurrence(self):
        """The equations, as a `seqlayers.layers.recurrence.Recurrence`."""
        raise NotImplementedError

    def call(self, inputs, states, training=False):
        def step(weights, rows, frames, states, mask):
            frame = tuple(x[0] for x in frames)
            after, _ = self.recurrence.step(weights, rows, frame, states)
            return after[0][None], after

        step = self._over_frames(step, compiled=False)
        outputs, after = self._run(step, inputs[None], states, None, training)
        after = [ops.cast(new, old.dtype) for new, old in zip(after, states, strict=True)]
        return ops.cast(outputs[0], self.compute_dtype), after

    def can_scan(self):
        return loops.can_scan(self.has_gradient())

    def has_gradient(self):
        """Returns whether `recurrence` has its gradient by hand, for these activations."""
        return False

    def scan(self, sequences, states, mask, training, jit_compile):
        def loop(weights, rows, frames, states, mask):
            return loops.scan(
                self.recurrence,
                self.has_gradient(),
                weights,
                rows,
                frames,
                states,
                mask,
                training,
                jit_compile,
            )

        loop = self._over_frames(loop, loops.compiles(training, jit_compile))
        return self._run(loop, sequences, states, mask, training)

    def _over_frames(self, loop, compiled):
        """Returns a loop over frames, of one over the frames of `recurrence`.

        Args:
            loop: Function of weights, rows, frames, states and a mask.
            compiled: Whether XLA compiles it by itself.
        """
        return loop

    def _run(self, loop, sequences, states, mask, training):
        """Gives a loop over time the weights, rows, frames and states that the recurrence reads."""
        if training and self.dropout:
            sequences = sequences * self.get_dropout_mask(sequences[0])
        rows = ()  # the dropout of the output of the step before, if any
        if training and self.recurrent_dropout:
            rows = (ops.cast(self.get_recurrent_dropout_mask(states[0]), self.memory_dtype),)
        frames = self._frames(sequences, training)
        states = tuple(ops.cast(s, self.memory_dtype) for s in states)
        outputs, after = loop(self._weights(), rows, frames, states, mask)
        return outputs, list(after)

    def _create_dropout_mask(self, step_input, dropout_rate):
        """Draws the rows of this replica as those of the whole batch, which Keras would not."""
        if replicas.number() == 1:
            return super()._create_dropout_mask(step_input, dropout_rate)
        rows, *units = shape = ops.shape(step_input)
        before, after = replicas.rows_around(rows)
        whole = ops.ones((before + rows + after, *units), step_input.dtype)
        mask = super()._create_dropout_mask(whole, dropout_rate)
        return ops.reshape(mask[before : before + rows], shape)

    def _weights(self):
        return (ops.cast(self.recurrent_kernel, self.memory_dtype),)

    def _frames(self, sequences, training):
        """Returns x W + b of all frames, `(time, batch, columns)`."""
        # One product for all steps, since it needs no state.
        time, batch, *frame = ops.shape(sequences)
        x = self.project(ops.reshape(sequences, (-1, *frame)))
        return (ops.reshape(x, (time, batch * self.rows_of_frame, x.shape[-1])),)

    def project(self, inputs):
        """Returns x W + b, `(..., columns)`, in `memory_dtype`."""
        x = ops.matmul(inputs, self.kernel)
        return ops.cast(x if self.bias is None else x + self.bias, self.memory_dtype)

    def get_config(self):
        config = super().get_config()
        config["recurrent_activation"] = keras.activations.serialize(self.recurrent_activation)
        config["unit_forget_bias"] = self.unit_forget_bias
        return without(self.fixed, config)


class GatedRNN(CellRNN):
    """A recurrent layer of one gated cell: `class SFM(GatedRNN, cell=SFMCell)`.

    Its docstring is completed by that of the cell, by the rules of `documentation`.

    Args:
        *args, **kwargs: Those of the cell and of `ScannedRNN`.
    """

    def __init__(self, *args, **kwargs):
        if (use_cudnn := kwargs.pop("use_cudnn", "auto")) not in ("auto", False):
            raise ValueError(
                f'`use_cudnn` must be "auto" or False: cuDNN has no `{type(self).__name__}`. '
                f"Received: use_cudnn={use_cudnn!r}."
            )
        super().__init__(*args, **kwargs)
