"""A recurrent layer as the memory of a model: its states, one step at a time."""

import keras
from keras import ops

from seqlayers.layers.gated import scanned


def as_memory(memory):
    """A recurrent layer that returns sequences, from what stands for one."""
    if memory is None:
        return None
    memory = scanned(memory)
    if isinstance(memory, list | tuple) or (
        not isinstance(memory, keras.layers.RNN) and hasattr(memory, "state_size")
    ):
        cell = memory[0] if isinstance(memory, list | tuple) and memory else memory
        policy = getattr(cell, "dtype_policy", None)
        memory = keras.layers.RNN(memory, return_sequences=True, dtype=policy)
    if not isinstance(memory, keras.layers.RNN):
        raise ValueError(
            "`memory` must be a recurrent layer, a cell, a list of cells or None. "
            f"Received: memory={memory!r}."
        )
    wanted = {"return_sequences": True, "return_state": False}
    wanted |= {"go_backwards": False, "stateful": False}
    for argument, value in wanted.items():
        if getattr(memory, argument) != value:
            raise ValueError(
                f"`memory` must be made with {argument}={value}: the model reads forward, hands "
                f"its state on itself and needs an output for each frame. Received: {memory!r}."
            )
    return memory


def first_states(memory, context, batch_size):
    """The states before the first frame: `context` where the output is kept, else Keras's own."""
    states = list(memory.get_initial_state(batch_size))
    if isinstance(memory.cell, keras.layers.StackedRNNCells):
        return [*states[:-1], _with_output(states[-1], context)]
    return _with_output(states, context)


def next_states(memory, frame, states):
    """The output and the states after one more frame `(batch, V)`."""
    output, after = memory.cell(ops.cast(frame, memory.compute_dtype), states)
    # A stack of one cell forgets that its states are a list of lists.
    after = keras.tree.pack_sequence_as(states, keras.tree.flatten(after))
    return output, keras.tree.map_structure(
        lambda new, old: ops.cast(new, old.dtype), after, states
    )


def _with_output(states, output):
    """The states of one cell with `output` in the place of the first, if that has its size."""
    if not isinstance(states, list | tuple):
        return output if states.shape[-1] == output.shape[-1] else states
    return [_with_output(states[0], output), *states[1:]]
