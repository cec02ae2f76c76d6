"""The cell of both State-Frequency Memories, without their frequencies; `sfm` has the equations."""

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_choice, check_integer, check_number
from seqlayers.layers.clock import NUM_DIGITS, as_frequencies, count, digits
from seqlayers.layers.gated import GatedCell
from seqlayers.layers.sfm_chunks import in_chunks
from seqlayers.layers.sfm_parallel_recurrence import ParallelStateFrequencyRecurrence
from seqlayers.layers.sfm_recurrence import StateFrequencyRecurrence, cos_and_sin


class StateFrequencyCell(GatedCell):
    """The cell of both memories, without the frequencies.

    Args:
        rotation: Where the frequencies come from: `"given"` and `"learned"` ones, or adaptive ones
            with a phase that is a `"product"` or `"accumulated"`.
        units: Size M of the output z.
        num_frequencies: Number K of frequencies that the memory is split into.
        memory_units: Number D of states at each frequency; `units` if None.
        recurrent_output: Part of the previous output that each output gate reads: `"aggregated"`,
            all of z', or `"per_frequency"`, its own term of z'.
        variant: `"paper"` or `"stock"`.
        gates: What gates, input and adaptive frequencies see: `"recurrent"`, x and z', or
            `"input"`, x alone. Without z' there is no `recurrent_kernel`, and a layer computes many
            frames at once.
        output_scale: `"sum"`, z as in (13), or `"mean"`, the sum divided by K: its range and the
            gradients of long sequences do not grow with K. There is no sum in `variant="stock"`.
        gradient_clip: Largest norm of the gradient by z' that a frame sends back through its gates,
            for each sequence of the batch; longer ones are scaled down to it. The same holds for
            the terms of z'. None leaves them as they are. In a loss that is a mean over the batch,
            gradients are smaller by its size; with `mixed_float16` they are larger by the scale
            of the loss, which Keras changes in training.
        recurrent_initializer: Initializer of `recurrent_kernel`. This and the other two arguments
            of that weight have no effect with `gates="input"`.
        recurrent_dropout: Fraction of the output to drop in training on its way into the gates of
            the next frame, the same at all frames of a sequence; 0 with `gates="input"`.
        activation: Activation of i and of each term of the output.
        unit_forget_bias: Whether the biases of both forget gates start at 1.
        kernel_initializer: Initializer of `kernel` and `amplitude_kernel`.
        kernel_regularizer: Regularizer of `kernel` and `amplitude_kernel`.
        kernel_constraint: Constraint of `kernel` and `amplitude_kernel`.
    """

    detach_frequency = False

    def __init__(
        self,
        rotation,
        /,
        units,
        num_frequencies=4,
        memory_units=None,
        frequencies: Any = "log",
        recurrent_output="aggregated",
        variant="paper",
        gates="recurrent",
        output_scale="sum",
        gradient_clip: float | None = None,
        **kwargs,
    ):
        super().__init__(units, **kwargs)
        self.num_frequencies = check_integer("num_frequencies", num_frequencies)
        self.memory_units = (
            self.units if memory_units is None else check_integer("memory_units", memory_units)
        )
        self.initial_frequencies = as_frequencies(frequencies, self.num_frequencies)
        self.frequencies = self.initial_frequencies
        self._given_frequencies = (
            frequencies
            if isinstance(frequencies, str)
            else np.array(frequencies, "float64").tolist()
        )
        self.recurrent_output = check_choice(
            "recurrent_output", recurrent_output, ("aggregated", "per_frequency")
        )
        self.variant = check_choice("variant", variant, ("paper", "stock"))
        self.gates = check_choice("gates", gates, ("recurrent", "input"))
        self.output_scale = check_choice("output_scale", output_scale, ("sum", "mean"))
        self.gradient_clip = (
            None if gradient_clip is None else check_number("gradient_clip", gradient_clip, above=0)
        )
        self._check_choices()
        self.rotation = rotation
        M, K, D = self.units, self.num_frequencies, self.memory_units
        states = {"z": M, "Re S": K * D, "Im S": K * D}
        states |= {"phase": K} if rotation == "accumulated" else {"clock": NUM_DIGITS}
        if recurrent_output == "per_frequency":
            states["terms of z"] = K * M
        self.state_names, self.state_size = list(states), list(states.values())
        of_omega = 0 if rotation in ("given", "learned") else K
        self.columns = [D, K, D, D, of_omega, K * M if variant == "paper" else M]

    def _check_choices(self):
        """Raises `ValueError` for arguments that exclude each other."""
        if self.variant == "stock" and (
            self.memory_units != self.units
            or self.recurrent_output != "aggregated"
            or self.output_scale != "sum"
        ):
            raise ValueError(
                '`variant="stock"` has one output for each state of the memory, one output gate '
                "and no sum of terms: `memory_units` must be None or equal to `units`, "
                '`recurrent_output` "aggregated" and `output_scale` "sum". Received: '
                f"units={self.units}, memory_units={self.memory_units}, "
                f"recurrent_output={self.recurrent_output!r}, output_scale={self.output_scale!r}."
            )
        if self.gates == "input" and (
            self.recurrent_output != "aggregated"
            or self.recurrent_dropout
            or self.gradient_clip is not None
        ):
            raise ValueError(
                '`gates="input"` leaves no previous output to feed back: `recurrent_output` must '
                'be "aggregated", `recurrent_dropout` 0 and `gradient_clip` None; use `dropout` on '
                f"the inputs. Received: recurrent_output={self.recurrent_output!r}, "
                f"recurrent_dropout={self.recurrent_dropout}, gradient_clip={self.gradient_clip}."
            )

    def build(self, input_shape):
        M, K, D = self.units, self.num_frequencies, self.memory_units
        kernel = {
            "initializer": self.kernel_initializer,
            "regularizer": self.kernel_regularizer,
            "constraint": self.kernel_constraint,
        }
        bias = {"regularizer": self.bias_regularizer, "constraint": self.bias_constraint}
        paper = self.variant == "paper"
        recurrent_rows = 0 if self.gates == "input" else None
        self._add_weights(input_shape, sum(self.columns), recurrent_rows)
        self.output_bias = None
        self.amplitude_kernel = self.add_weight(
            name="amplitude_kernel", shape=(K, D, 2 * M) if paper else (K,), **kernel
        )
        if self.use_bias:
            self.output_bias = self.add_weight(
                name="output_bias",
                shape=(K, M) if paper else (M,),
                initializer=self.bias_initializer,
                **bias,
            )

    def _initial_bias(self, shape, dtype=None):
        bias = self.bias_initializer(shape, dtype=dtype)
        forget, inputs, omega, outputs = ops.split(bias, np.cumsum(self.columns)[[1, 3, 4]])
        if self.unit_forget_bias:
            forget = ops.ones_like(forget)
        if self.columns[4]:
            turns = self.initial_frequencies / (2 * math.pi)
            omega = omega + ops.cast(np.log(turns / (1 - turns)), bias.dtype)
        return ops.concatenate([forget, inputs, omega, outputs])

    @property
    def recurrence(self):
        parallel = self.gates == "input"
        recurrence = ParallelStateFrequencyRecurrence if parallel else StateFrequencyRecurrence
        return recurrence(
            self.units,
            self.num_frequencies,
            self.memory_units,
            self.rotation,
            self.recurrent_output,
            self.variant,
            self.activation,
            self.recurrent_activation,
            self.output_scale,
            self.gradient_clip,
            self.detach_frequency,
        )

    def has_gradient(self):
        return (
            (self.variant, self.recurrent_output) == ("paper", "aggregated")
            and self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
        )

    def turn_at(self, t):
        """Returns how far each frequency has turned at step t `(..., 1)`, in cycles, `(..., K)`."""
        raise NotImplementedError

    def _over_frames(self, loop, compiled):
        return functools.partial(in_chunks, loop, compiled) if self.gates == "input" else loop

    def _run(self, loop, sequences, states, mask, training):
        # The recurrence has S frequency by frequency and no clock: frames have t, or cos and sin.
        K, D = self.num_frequencies, self.memory_units

        def over_frequencies(weights, rows, frames, states, mask):
            z, S_re, S_im, clock_or_phase, *terms = states
            S = [ops.transpose(ops.reshape(s, (-1, K, D)), (1, 0, 2)) for s in (S_re, S_im)]
            memory = (z, *S)
            if self.rotation == "accumulated":
                memory += (clock_or_phase,)
            else:
                steps = ops.ones_like(frames[0][..., 0]) if mask is None else mask
                steps = ops.cast(steps, self.memory_dtype)[..., None]
                first = count(clock_or_phase)
                t = first + ops.cumsum(steps, axis=0)  # [T, B, 1]
                frames += (t if self.rotation == "product" else cos_and_sin(self.turn_at(t)),)
            outputs, after = loop(weights, rows, frames, (*memory, *terms), mask)
            z, S_re, S_im, *rest = after
            S = [ops.reshape(ops.transpose(s, (1, 0, 2)), (-1, K * D)) for s in (S_re, S_im)]
            if self.rotation != "accumulated":
                rest = [digits(first + ops.sum(steps, axis=0)), *rest]  # there may be no step
            return outputs, [z, *S, *rest]

        return super()._run(over_frequencies, sequences, states, mask, training)

    def _frames(self, sequences, training):
        if self.gates == "recurrent":
            return super()._frames(sequences, training)
        return (ops.cast(sequences, self.memory_dtype),)  # the product is one of each chunk

    def _weights(self):
        M, K, d = self.units, self.num_frequencies, self.output_bias
        if d is None:
            d = ops.zeros((K, M) if self.variant == "paper" else (M,))
        if self.gates == "recurrent":
            weights = (self.recurrent_kernel, self.amplitude_kernel, d)
        else:
            b = ops.zeros(sum(self.columns)) if self.bias is None else self.bias
            weights = (self.kernel, b, self.amplitude_kernel, d)
        return tuple(ops.cast(weight, self.memory_dtype) for weight in weights)

    def get_config(self):
        return super().get_config() | {
            "num_frequencies": self.num_frequencies,
            "memory_units": self.memory_units,
            "frequencies": self._given_frequencies,
            "recurrent_output": self.recurrent_output,
            "variant": self.variant,
            "gates": self.gates,
            "output_scale": self.output_scale,
            "gradient_clip": self.gradient_clip,
        }
