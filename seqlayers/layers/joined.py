"""Several recurrent layers that read the same frames, with their outputs side by side.

    y_t = [y_t of part 1, y_t of part 2, ...]

Each part has its own states, which are the states of the whole in the order of the parts. Before
any frame y is what each part returns before any: values that a part leaves open, as an LSTM does,
are for a model to learn.
"""

import keras
import numpy as np
from keras import ops

from seqlayers.layers import parts as recurrent
from seqlayers.layers.scanned import MemoryRNN


@keras.saving.register_keras_serializable("seqlayers")
class JoinedCell(recurrent.CellOfParts, equations=__doc__):
    """One step of several recurrent layers side by side.

    Args:
        parts: List of recurrent layers with `return_sequences=True`, cells, or lists of cells to
            stack. A layer runs over a whole sequence as it does alone.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: those of all parts, one after the other.
        training: Whether to apply the parts' dropout.

    Returns:
        y `(batch, sum of the parts' outputs)`, and the list of the states after the frame.

    Raises:
        ValueError: If there is no part, or one is neither a recurrent layer nor made of cells, or
            it goes backwards, is stateful or returns states.

    Example:
        >>> cell = JoinedCell([PositionCell(16), keras.layers.LSTMCell(32)])
        >>> keras.layers.RNN(cell)(np.zeros((2, 10, 88))).shape
        TensorShape([2, 139])
    """

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(parts, list | tuple) or not parts:
            raise ValueError(
                "`parts` must be a list of recurrent layers or cells, at least one. "
                f"Received: parts={parts!r}."
            )
        self.parts = [recurrent.as_part(f"parts[{i}]", part) for i, part in enumerate(parts)]

    @property
    def state_size(self):
        return keras.tree.flatten([cell.state_size for cell in self.cells])

    @property
    def state_names(self):
        return tuple(name for cell in self.cells for name in recurrent.state_names(cell))

    @property
    def output_sizes(self):
        """Sizes of the parts' outputs; None where they are not known yet."""
        return [recurrent.output_size(cell) for cell in self.cells]

    @property
    def output_size(self):
        return None if None in self.output_sizes else sum(self.output_sizes)

    def build(self, input_shape):
        for part in self.parts:
            if not part.built:
                part.build((input_shape[0], None, input_shape[-1]))
        self.supports_jit = all(part.supports_jit for part in self.parts)

    def get_initial_state(self, batch_size=None):
        return keras.tree.flatten([part.get_initial_state(batch_size) for part in self.parts])

    def inputs_of_parts(self, inputs):
        return [inputs] * len(self.parts)

    def states_of_parts(self, states):
        structure = [recurrent.nested(cell) for cell in self.cells]
        return keras.tree.pack_sequence_as(structure, list(states))

    def call(self, inputs, states, training=False):
        outputs, after = [], []
        for cell, before in zip(self.cells, self.states_of_parts(states), strict=True):
            output, states = cell(inputs, before, training=training)
            outputs.append(ops.cast(output, self.compute_dtype))
            after.append(states)
        return ops.concatenate(outputs, axis=-1), keras.tree.flatten(after)

    def scan(self, sequences, states, mask, training, jit_compile):
        sequences = ops.swapaxes(sequences, 0, 1)
        mask = None if mask is None else ops.swapaxes(mask, 0, 1)
        outputs, after = [], []
        for part, before in zip(self.parts, self.states_of_parts(states), strict=True):
            output, states = recurrent.outputs_and_states(part, sequences, before, mask, training)
            outputs.append(ops.cast(output, self.compute_dtype))
            after.append(states)
        outputs = ops.swapaxes(ops.concatenate(outputs, axis=-1), 0, 1)
        return outputs, keras.tree.flatten(after)

    def first_output(self, inputs):
        return np.concatenate([recurrent.first_output(cell, inputs) for cell in self.cells])

    def get_config(self):
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return super().get_config() | {"parts": parts}


@keras.saving.register_keras_serializable("seqlayers")
class Joined(MemoryRNN, cell=JoinedCell):
    """Several recurrent layers that read the same frames, side by side.

    Example:
        >>> Joined([FrameHistory(), keras.layers.LSTMCell(64)])(np.zeros((2, 10, 88))).shape
        TensorShape([2, 10, 944])
    """
