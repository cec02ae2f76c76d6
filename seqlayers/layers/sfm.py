"""State-Frequency Memory, with given frequencies and with frequencies that adapt.

    f_ste = sigmoid(x V_ste + z' W_ste + b_ste)                   (6)  state forget gate      [B, D]
    f_fre = sigmoid(x V_fre + z' W_fre + b_fre)                   (7)  frequency forget gate  [B, K]
    u     = sigmoid(x V_g + z' W_g + b_g) * tanh(x V_i + z' W_i + b_i)  (9)(10)  gated input  [B, D]
    S     = outer(f_ste, f_fre) * S' + outer(u, exp(j w t))       (1)(8)  memory, complex  [B, D, K]
    A     = |S|                                                   (4)  amplitude           [B, D, K]
    o_k   = sigmoid(x V_ok + z' W_ok + b_ok + A_k U_k)            (12)  output gates          [B, M]
    z     = sum_k o_k * tanh(A_k P_k + d_k)                       (11)(13)  output            [B, M]
    w_k   = 2 pi k / K, k = 0 .. K-1                              (3.3)  given frequencies
    w     = 2 pi sigmoid(x V_w + z' W_w + b_w)                    (16)  adaptive frequencies  [B, K]

Numbers are the paper's; (3.3) is a section. A prime marks the step before; t = 1, 2, ... counts the
frames of a sequence, masked ones left out. V, W and b are `kernel`, `recurrent_kernel` and `bias`,
with columns in the order ste, fre, g, i, (w), o_1 .. o_K; [U_k, P_k] is `amplitude_kernel[k]` and d
`output_bias`.

Where sources disagree: eq. 12 prints z'_k where we, with the authors' code, feed back the sum z'
(`recurrent_output="per_frequency"` is the printed form). The authors' code divides integers, which
keeps its t at 0 but for the last step; ours counts. `variant="stock"` is the later form of Zhang,
Aggarwal and Qi (KDD 2017), with one output gate o and the frequencies summed up before it:

    z = sigmoid(x V_o + z' W_o + b_o) * tanh(sum_k A_k^2 u_k + d)

`gates="input"` is ours: z' is left out of (6) to (10), (12) and (16), and there is no W,

    f_ste = sigmoid(x V_ste + b_ste), ..., o_k = sigmoid(x V_ok + b_ok + A_k U_k)

Then S is a linear recurrence, whose decays and inputs are known for all frames at once, and
everything else sees one frame: a layer computes many frames in each step of its loop.

Three options, ours as well, keep gradients of long sequences small. `output_scale="mean"` divides
(13) by K. `detach_frequency` and `gradient_clip` leave all outputs as they are and change the
gradient: with the one (16) reads z' as a constant, with the other the gradient by z' that a frame
sends back through its gates is scaled down to a norm. Gradients of such gradients are not exact.

Reference: H. Hu and G.-J. Qi, State-Frequency Memory Recurrent Neural Networks, ICML 2017.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_choice, check_flag
from seqlayers.layers.clock import cycles
from seqlayers.layers.sfm_cell import StateFrequencyCell
from seqlayers.layers.sfm_layer import StateFrequencyRNN


@keras.saving.register_keras_serializable("seqlayers")
class SFMCell(StateFrequencyCell, equations=__doc__):
    """One step of the State-Frequency Memory.

    Args:
        frequencies: `"harmonic"`, w_k = 2 pi k / K, as printed; `"log"`, octaves up to pi, half the
            sampling rate; a pair of periods in steps, such as `(64, 2048)`, for K of them evenly
            spaced in their logarithm, the longest first; or K numbers, in radians per step, which
            a pair is if K is 2.
        learn_frequencies: Whether the frequencies are weights, trained from there.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: z `(batch, M)`; Re S and Im S, `(batch, K * D)`, frequency by frequency; and the
            clock `(batch, 3)`, t in digits of base 256, the least first. With
            `recurrent_output="per_frequency"` also the terms of z, `(batch, K * M)`.
        training: Whether to apply dropout.

    Returns:
        z and the list of the states after the frame.

    Raises:
        ValueError: If a size is not an integer of at least 1, `gradient_clip` is not above 0, a
            choice is unknown, `frequencies` are not K finite numbers or a pair of periods of 2
            steps or more, the stock form is asked for with `memory_units` other than `units`, with
            `recurrent_output="per_frequency"` or with `output_scale="mean"`, or gates that see the
            input alone with an option of what is fed back.

    Example:
        >>> keras.layers.RNN(SFMCell(8, num_frequencies=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        units,
        num_frequencies=4,
        memory_units=None,
        frequencies: Any = "harmonic",
        learn_frequencies=False,
        **kwargs,
    ):
        learn_frequencies = check_flag("learn_frequencies", learn_frequencies)
        rotation = "learned" if learn_frequencies else "given"
        super().__init__(rotation, units, num_frequencies, memory_units, frequencies, **kwargs)
        self.learn_frequencies = learn_frequencies

    def build(self, input_shape):
        super().build(input_shape)
        if self.learn_frequencies:
            self.frequencies = self.add_weight(
                name="frequencies",
                shape=(self.num_frequencies,),
                initializer=lambda shape, dtype: ops.cast(self.initial_frequencies, dtype),
                autocast=False,
            )

    def turn_at(self, t):
        if self.learn_frequencies:
            return cycles(ops.cast(self.frequencies, self.memory_dtype) / (2 * math.pi), t)
        return cycles(self.initial_frequencies / (2 * math.pi), t)

    def get_config(self):
        return super().get_config() | {"learn_frequencies": self.learn_frequencies}


@keras.saving.register_keras_serializable("seqlayers")
class AdaptiveSFMCell(StateFrequencyCell, equations=__doc__):
    """One step of the Adaptive State-Frequency Memory, whose frequencies follow the input.

    Args:
        phase: `"product"`, an angle of w_t * t at step t, as printed: it jumps when the frequency
            moves, the more the later, and its gradient grows with t at every step back, so that it
            overflows on sequences of some hundred frames; see `detach_frequency`. `"accumulated"`,
            an angle of w_1 + ... + w_t, does neither.
        frequencies: Where the adaptive frequencies start, by their bias: `"log"`, octaves up to pi;
            a pair of periods in steps, such as `(64, 2048)`, for K of them evenly spaced in their
            logarithm, the longest first; or K numbers above 0 and below 2 pi, in radians per step,
            which a pair is if K is 2. With a bias of 0 all would start at pi.
        detach_frequency: Whether (16) reads z' as a constant, so that no gradient flows from the
            frequencies into the output before. Their weights have one. With `phase="product"` the
            gradient that is cut is the one that overflows.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: z `(batch, M)`; Re S and Im S, `(batch, K * D)`, frequency by frequency; and the
            clock `(batch, 3)`, t in digits of base 256, the least first. With
            `phase="accumulated"` the phases `(batch, K)`, in cycles from 0 to 1, replace the clock.
            With `recurrent_output="per_frequency"` also the terms of z, `(batch, K * M)`.
        training: Whether to apply dropout.

    Returns:
        z and the list of the states after the frame.

    Raises:
        ValueError: If a size is not an integer of at least 1, `gradient_clip` is not above 0, a
            choice is unknown, `frequencies` are not K numbers above 0 and below 2 pi or a pair of
            periods of 2 steps or more, the stock form is asked for with `memory_units` other than
            `units`, with `recurrent_output="per_frequency"` or with `output_scale="mean"`, or gates
            that see the input alone with an option of what is fed back.

    Example:
        >>> keras.layers.RNN(AdaptiveSFMCell(8, num_frequencies=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        units,
        num_frequencies=4,
        memory_units=None,
        phase="product",
        frequencies: Any = "log",
        detach_frequency=False,
        **kwargs,
    ):
        check_choice("phase", phase, ("product", "accumulated"))
        super().__init__(phase, units, num_frequencies, memory_units, frequencies, **kwargs)
        self.phase = phase
        self.detach_frequency = check_flag("detach_frequency", detach_frequency)
        if self.detach_frequency and self.gates == "input":
            raise ValueError(
                '`detach_frequency` must be False with `gates="input"`, where frequencies do not '
                f"see z'. Received: detach_frequency={detach_frequency!r}."
            )
        if np.any((self.initial_frequencies <= 0) | (self.initial_frequencies >= 2 * math.pi)):
            raise ValueError(
                "`frequencies` that adapt must start above 0 and below 2 pi, as eq. 16 has them. "
                f"Received: frequencies={frequencies!r}."
            )

    def get_config(self):
        return super().get_config() | {
            "phase": self.phase,
            "detach_frequency": self.detach_frequency,
        }


@keras.saving.register_keras_serializable("seqlayers")
class SFM(StateFrequencyRNN, cell=SFMCell):
    """State-Frequency Memory, in all else like `keras.layers.LSTM`.

    Example:
        >>> SFM(8, num_frequencies=4, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 8])
    """


@keras.saving.register_keras_serializable("seqlayers")
class AdaptiveSFM(StateFrequencyRNN, cell=AdaptiveSFMCell):
    """Adaptive State-Frequency Memory, in all else like `keras.layers.LSTM`.

    Example:
        >>> AdaptiveSFM(8, phase="accumulated")(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """
