"""Recurrent layers as parts of others, and as the memory of a model."""

import copy
import functools

import keras
import numpy as np
from keras import ops
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

from seqlayers.layers.scanned import ScannedCell, scanned


class CellOfParts(ScannedCell, DropoutRNNCell):
    """A cell that is made of recurrent layers.

    A subclass has them as `parts`, returns what each of them reads of a frame by
    `inputs_of_parts(inputs)`, and the list of their states by `states_of_parts(states)`.
    """

    @property
    def cells(self):
        return [part.cell for part in self.parts]

    # Keras calls these before its loop over time and after it: a mask is the same at all steps.

    def get_dropout_mask(self, step_input):
        """Draws the dropout of all parts."""
        states = self.states_of_parts(self.get_initial_state(ops.shape(step_input)[0]))
        inputs = self.inputs_of_parts(step_input)
        for part, read, before in zip(self.parts, inputs, states, strict=True):
            part._maybe_config_dropout_masks(part.cell, read, before)

    def get_recurrent_dropout_mask(self, step_input):
        """Has been done with the rest."""

    def reset_dropout_mask(self):
        for part in self.parts:
            part._maybe_reset_dropout_masks(part.cell)

    def reset_recurrent_dropout_mask(self):
        """Has been done with the rest."""


def as_recurrent(name, value, accepted="a recurrent layer, a cell or a list of cells"):
    """Returns a recurrent layer that reads forward and returns the outputs of all frames.

    Args:
        name: Name of the argument, for messages.
        value: Such a layer, a cell or a list of cells to stack.
        accepted: All that the argument may be, for messages.

    Raises:
        ValueError: If `value` is none of these.
    """
    layer, cells = value, value if isinstance(value, list | tuple) else [value]
    if not isinstance(value, keras.layers.RNN):
        if not cells or not all(hasattr(cell, "state_size") for cell in cells):
            raise ValueError(f"`{name}` must be {accepted}. Received: {name}={value!r}.")
        layer = scanned(value)
        if layer is value:
            policy = getattr(cells[0], "dtype_policy", None)
            layer = keras.layers.RNN(value, return_sequences=True, dtype=policy)
    wanted = {"return_sequences": True, "return_state": False}
    wanted |= {"go_backwards": False, "stateful": False}
    for argument, expected in wanted.items():
        if getattr(layer, argument) != expected:
            raise ValueError(
                f"`{name}` must be made with {argument}={expected}: the model reads forward, keeps "
                f"its states itself and needs an output for each frame. Received: {layer!r}."
            )
    return layer


def as_part(name, part):
    """Returns the recurrent layer of a layer, a cell, a list of cells, or a layer's config."""
    if isinstance(part, dict):
        part = keras.saving.deserialize_keras_object(copy.deepcopy(part))  # Keras takes it apart
    if isinstance(part, list | tuple) and len(part) == 1:
        part = part[0]  # Keras's stack of one cell takes no mask
    return as_recurrent(name, part)


def output_size(cell):
    """Returns the size of a cell's output, as Keras finds it; None if it is not known yet."""
    own = hasattr(cell, "output_size")
    return cell.output_size if own else keras.tree.flatten(cell.state_size)[0]


def state_names(cell):
    """Returns names of a cell's states: its own, if it has any."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [name for part in cell.cells for name in state_names(part)]
    return getattr(cell, "state_names", ["state" for _ in nested(cell)])


def nested(cell):
    """Returns the structure of a cell's states, as Keras's layers want it."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [nested(part) for part in cell.cells]
    return list(cell.state_size) if isinstance(cell.state_size, list | tuple) else [0]


def first_output(cell, inputs):
    """Returns the output of a built cell before any frame, a NumPy array `(size,)`.

    It is that of `cell.first_output` if the cell has this method. A value that the cell leaves
    open, as Keras's cells do with all of theirs, is NaN.

    Args:
        cell: A cell, or `keras.layers.StackedRNNCells`.
        inputs: What the cell reads before any frame: zeros, or the first output of a cell below it.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part in cell.cells:
            inputs = first_output(part, inputs)
        return inputs
    if hasattr(cell, "first_output"):
        return cell.first_output(inputs)
    return np.full(output_size(cell), np.nan, "float32")


def outputs_and_states(layer, sequences, states, mask, training=False):
    """Returns the outputs of a built layer from `as_recurrent`, and its states after the last one.

    It is the layer's call with `return_state`, an attribute that threads of other replicas, and
    other models of the same layer, read as well.
    """
    sequences = ops.cast(sequences, layer.compute_dtype)
    cast = functools.partial(ops.cast, dtype=layer.cell.compute_dtype)
    states = keras.tree.map_structure(cast, list(states))
    layer._maybe_config_dropout_masks(layer.cell, sequences[:, 0, :], states)
    _, outputs, after = layer.inner_loop(sequences, states, mask, training)
    layer._maybe_reset_dropout_masks(layer.cell)
    outputs = ops.cast(outputs, layer.compute_dtype)
    if layer.activity_regularizer is not None:
        layer.add_loss(layer.activity_regularizer(outputs))
    return outputs, list(after)
