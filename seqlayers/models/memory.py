"""A recurrent layer as the memory of a model: its states, one step at a time."""

import keras
import numpy as np
from keras import ops

from seqlayers import replicas
from seqlayers.arrays import in_parts
from seqlayers.layers import PositionCell
from seqlayers.layers.gated import GatedCell
from seqlayers.layers.joined import JoinedCell
from seqlayers.layers.parts import as_recurrent, first_output, outputs_and_states
from seqlayers.layers.scan import scan
from seqlayers.layers.simple_rnn_recurrence import SimpleRNNRecurrence
from seqlayers.sampling import dropout, fold_in, row_seeds


def as_memory(memory):
    """Returns the recurrent layer of a layer, a cell or a list of cells; None for None."""
    accepted = "a recurrent layer, a cell, a list of cells or None"
    return None if memory is None else as_recurrent("memory", memory, accepted)


def check_bars(memory, **steps):
    """Checks that pieces of sequences begin with a bar, in a memory that counts bars.

    Args:
        memory: A recurrent layer, or None.
        **steps: Numbers of frames after which a piece may begin, by the names of the arguments.

    Raises:
        ValueError: If one is no multiple of the metre of a `PositionCell`.
    """
    cells = [] if memory is None else _simple_cells(memory.cell)
    for metre in {cell.metre for cell in cells if isinstance(cell, PositionCell) and cell.metre}:
        for name, number in steps.items():
            if number and number % metre:
                raise ValueError(
                    f"`{name}` must be a multiple of the metre of the memory's `PositionCell`, "
                    f"{metre}: it counts from the first frame of a piece. Received: "
                    f"{name}={number}."
                )


def first_context(memory, features):
    """Returns what a built memory outputs before any frame `(features,)`, a NumPy array `(C,)`.

    A cell fixes it by a method `first_output`, as `seqlayers.layers.parts.first_output` calls it.
    NaN stands for values that the memory leaves open: a model learns them.
    """
    return first_output(memory.cell, np.zeros(features, "float32"))


def first_states(memory, context, batch_size):
    """Returns the states before the first frame: Keras's own, but `context` for the output.

    A cell that fixes its first output has the states that go with it already.
    """
    return _begun(memory.cell, list(memory.get_initial_state(batch_size)), context)


def _begun(cell, states, context):
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [*states[:-1], _begun(cell.cells[-1], states[-1], context)]
    if isinstance(cell, JoinedCell):
        contexts = in_parts(context, cell.output_sizes)
        of_parts = zip(cell.cells, cell.states_of_parts(states), contexts, strict=True)
        return keras.tree.flatten([_begun(*part) for part in of_parts])
    return states if hasattr(cell, "first_output") else _with_output(states, context)


def outputs_in_training(memory, frames, states, mask):
    """Returns the outputs of frames `(batch, time, V)`, with dropout.

    Keras's loop over `SimpleRNNCell` spends three quarters of its time on sums of the gradients of
    the weights. Where the result is the same, `scan` runs this cell instead.
    """
    cell, dtype = memory.cell, memory.compute_dtype
    same = (
        type(memory) in (keras.layers.RNN, keras.layers.SimpleRNN)
        and type(cell) is keras.layers.SimpleRNNCell
        and cell.activation is keras.activations.tanh
        and not (cell.dropout or cell.recurrent_dropout or memory.unroll)
        and memory.activity_regularizer is None
        and dtype in ("float32", "float64")
    )
    if not same:
        return memory(frames, initial_state=states, mask=mask, training=True)
    x = ops.matmul(ops.swapaxes(ops.cast(frames, dtype), 0, 1), cell.kernel)
    x = x if cell.bias is None else x + cell.bias
    mask = None if mask is None else ops.swapaxes(mask, 0, 1)
    weights = (ops.convert_to_tensor(cell.recurrent_kernel),)
    recurrence, states = SimpleRNNRecurrence(cell.units), tuple(keras.tree.flatten(states))
    outputs, _ = scan(recurrence, True, weights, (), (x,), states, mask, training=True)
    return ops.swapaxes(outputs, 0, 1)


def next_states(memory, frame, states):
    """Returns the output and the states after one more frame `(batch, V)`."""
    output, after = memory.cell(ops.cast(frame, memory.compute_dtype), states)
    return output, _like(after, states)


def all_outputs(memory, frames, states, mask):
    """Returns the outputs of frames `(batch, time, V)`, and the states after the last one."""
    outputs, after = outputs_and_states(memory, frames, states, mask)
    return outputs, _like(after, states)


def _like(after, states):
    """Returns the states `after` in the structure and the dtypes of `states`."""
    # A stack of one cell forgets that its states are a list of lists.
    after = keras.tree.pack_sequence_as(states, keras.tree.flatten(after))
    return keras.tree.map_structure(lambda new, old: ops.cast(new, old.dtype), after, states)


def _with_output(states, output):
    """Returns the states of one cell, the first one replaced by `output` if that has its size."""
    if not isinstance(states, list | tuple):
        return output if states.shape[-1] == output.shape[-1] else states
    return [_with_output(states[0], output), *states[1:]]


def seed_dropout(memory, seed):
    """Makes dropout a function of the step: `.keras` files do not keep Keras's own counters.

    Gated cells draw by the row. Keras's cells draw by the shape of their batch, and so from a seed
    for each replica of `tf.distribute`.
    """
    weights = {id(w) for w in memory.weights}
    states = [v for v in memory.variables if id(v) not in weights]
    cells = _simple_cells(memory.cell)
    by_row = {id(c.seed_generator.state) for c in cells if isinstance(c, GatedCell)}
    for number, state in enumerate(states):
        drawn = fold_in(seed, number)
        if id(state) not in by_row:
            drawn = replicas.apart(drawn, fold_in)
        state.assign(ops.cast(drawn, state.dtype))


def _simple_cells(cell):
    """Returns the cells that a cell is made of, itself if it is not made of others."""
    parts = getattr(cell, "cells", None)
    return [cell] if parts is None else [c for part in parts for c in _simple_cells(part)]


def dropped(context, share, seed, kept=0):
    """Returns contexts `(batch, time, C)` with a share set to 0, drawn for each row and frame.

    The last `kept` values of each context stay as they are.
    """
    if not share:
        return context
    others = np.arange(context.shape[-1]) < context.shape[-1] - kept
    scaled = dropout(context, share, row_seeds(seed, ops.shape(context)[0]))
    return ops.where(others, scaled, context)
