"""The layers of both State-Frequency Memories: their spectrum, and their conversion."""

import keras
import numpy as np
from keras import ops

from seqlayers.layers.gated import GatedRNN
from seqlayers.layers.sfm_recurrence import amplitude


class StateFrequencyRNN(GatedRNN):
    """A recurrent layer whose memory has a spectrum."""

    @classmethod
    def from_parallel(cls, layer):
        """Returns a recurrent layer with the outputs of a parallel one, to train further.

        Its `recurrent_kernel` is 0, all other weights, arguments and the name are those of `layer`.

        Args:
            layer: A built layer of this class with `gates="input"`.

        Raises:
            ValueError: If it is anything else.

        Example:
            >>> parallel = SFM(8, gates="input")
            >>> outputs = parallel(np.ones((2, 10, 3)))
            >>> recurrent = SFM.from_parallel(parallel)
            >>> np.allclose(recurrent(np.ones((2, 10, 3))), outputs, atol=1e-6)
            True
        """
        if type(layer) is not cls or not layer.built or layer.gates != "input":
            raise ValueError(
                f'`layer` must be a built `{cls.__name__}` with `gates="input"`; call it on data '
                f"first. Received: {layer!r}."
            )
        recurrent = cls.from_config(layer.get_config() | {"gates": "recurrent"})
        recurrent.build((None, None, layer.cell.kernel.shape[0]))
        kept = {weight.name: weight for weight in layer.cell.weights}
        for weight in recurrent.cell.weights:
            known = kept.get(weight.name)
            weight.assign(np.zeros(weight.shape) if known is None else known.value)
        return recurrent

    def spectrum(self, inputs, initial_state=None, mask=None):
        """Returns the amplitudes A of the memory at each frame, eq. 4.

        Args:
            inputs: Sequences `(batch, time, features)`.
            initial_state: List of the states before the first frame; zeros if None.
            mask: Which steps are frames, bool `(batch, time)`. At other steps the amplitudes are
                those of the frame before.

        Returns:
            `(batch, time, D, K)`.
        """
        inputs = ops.convert_to_tensor(inputs)
        if not self.built:
            self.build(inputs.shape)
        cell = _Amplitudes(self.cell, dtype=self.dtype_policy)
        reader = keras.layers.RNN(
            cell, return_sequences=True, go_backwards=self.go_backwards, dtype=self.dtype_policy
        )
        if initial_state is not None:
            initial_state = cell.with_silence(initial_state)
        amplitudes = reader(inputs, initial_state=initial_state, mask=mask)
        shape = (*ops.shape(amplitudes)[:2], self.cell.num_frequencies, self.cell.memory_units)
        return ops.swapaxes(ops.reshape(amplitudes, shape), 2, 3)


class _Amplitudes(keras.layers.Layer):
    """A cell whose outputs are the amplitudes of another's memory.

    They are a state, too: on JAX, Keras takes the first state for the output of a masked step.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.output_size = cell.num_frequencies * cell.memory_units
        self.state_size = [self.output_size, *cell.state_size]

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size=None):
        return self.with_silence(self.cell.get_initial_state(batch_size))

    def with_silence(self, states):
        """Returns states of the cell behind amplitudes of 0."""
        silence = ops.zeros((ops.shape(states[0])[0], self.output_size), self.compute_dtype)
        return [silence, *states]

    def call(self, inputs, states):
        _, states = self.cell(inputs, states[1:])
        A = amplitude(*(ops.cast(s, self.cell.memory_dtype) for s in states[1:3]))
        A = ops.cast(A, self.compute_dtype)
        return A, [A, *states]
