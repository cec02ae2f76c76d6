"""RBMs whose hidden units are their own memory: TRBM, RTRBM and the LSTBM.

    E(v_t, s_t | h_{t-1}) = E_v(v_t) - b.s_t - h_{t-1} U s_t - f(v_t) W s_t    (8), (15)
    s_t   the hidden units; in an LSTBM f, i, o and g, joined
    h_t   the context of the next frame, h_0 = 0:
            TRBM    s_t, drawn in training                                     (6)
            RTRBM   E[s_t]
            LSTBM   sigmoid(c_t * o_t),  c_t = c_{t-1} * f_t + g_t * i_t       (10)(11)

Numbers are those of the LSTBM paper. E_v(v) and f(v) are `energy` and `features` of the visible
units, see `seqlayers.energy.visibles`; for Gaussian ones f(v) = v / s^2. W, U and b are shared with
the memory, a recurrent layer that reads f(v): they are its `kernel`, `recurrent_kernel` and `bias`.

The RTRBM of the RNN-DBN paper has two parameters more. Each is an option of all three models:

    b_v,t = b_v + h_{t-1} W_uv    its (14), `context_visible=True`: b_v,t in the place of b_v
    h_0   learned                 its u^(0), `learn_initial_context=True`

b_v is the head's `visible_bias`, W_uv its `context_visible_kernel`, h_0 `initial_context`. By
default W_uv and h_0 are 0, as in the LSTBM paper. Its (13) and (15) are h_{t-1} U and E[s_t] above.
The RTRBM of Sutskever et al. has no W_uv, and hidden biases of the first frame in place of h_0.

In the LSTBM paper h_{t-1} is a constant in the gradient of frame t. With `truncate=False` the error
goes back through time, as in the RTRBM. h_0 learns from the first frame at least.

Outside training h_{t-1} is its expectation after the frames before, in a TRBM and an LSTBM, too.
Then p(v_t | v_1 .. v_{t-1}) is that of an RBM, which can be computed; (6) and (13) would need a sum
over all states of s_1 .. s_{t-1}.

With `variant="lstm"` g is a unit of -1 and 1, and the visible units see g + 1. For the head this is
a unit of 0 and 1 with twice the weights: `encode` returns P(g = 1).

References: T. Nakashika, LSTBM: a Novel Sequence Representation of Speech Spectra Using Restricted
Boltzmann Machine with Long Short-Term Memory, Interspeech 2018; I. Sutskever, G. Hinton and
G. Taylor, The Recurrent Temporal Restricted Boltzmann Machine, NIPS 2008; K. Goel, R. Vohra and
J. K. Sahoo, Polyphonic Music Generation by Modeling Temporal Dependencies Using a RNN-DBN, ICANN
2014, section 2.4.
"""

import copy
import inspect

import keras
import numpy as np
from keras import ops

from seqlayers import energy
from seqlayers.checks import check_flag, check_integer
from seqlayers.heads import ConditionalRBM
from seqlayers.layers import LSTBM, BoltzmannRNN
from seqlayers.masks import without_masked
from seqlayers.models import stacking
from seqlayers.models.sequence import SequenceModel
from seqlayers.sampling import seed_pair


@keras.saving.register_keras_serializable("seqlayers")
class TiedRBM(ConditionalRBM):
    """A conditional RBM over one frame whose hidden units are those of a recurrent cell.

    Args:
        cell: A `BoltzmannCell` or an `LSTBMCell`, which owns the weights W, U and b: it
            initializes, regularizes and constrains them.
        visible_units: Number V of visible units in a frame.
        context_visible: Whether the context sets the visible biases, too, by W_uv.
        **kwargs: Arguments of `ConditionalRBM`, except those of the weights of the cell. With
            `context_visible`, `context_initializer` and `context_regularizer` are those of W_uv.

    Raises:
        ValueError: If an argument belongs to the cell or has no effect, `context_visible` is not
            True or False, or the cell has no bias.
    """

    def __init__(self, cell, visible_units, context_visible=False, **kwargs):
        self.context_visible = check_flag("context_visible", context_visible)
        for name in _OF_CELL & kwargs.keys():
            raise ValueError(
                f"`{name}` must be set on `cell`, which owns these weights. "
                f"Received: {name}={kwargs[name]!r}."
            )
        for name in () if context_visible else sorted(_OF_CONTEXT & kwargs.keys()):
            raise ValueError(
                f"`{name}` is for the weights from the context to the visible units: use it with "
                f"context_visible=True. Received: {name}={kwargs[name]!r}, context_visible=False."
            )
        if not cell.use_bias:
            raise ValueError(
                "`cell` must have a bias, which is the hidden bias of the RBM. "
                "Received: a cell with use_bias=False."
            )
        super().__init__(visible_units, cell.num_kinds * cell.units, **kwargs)
        self._logit_scale = 1.0
        if getattr(cell, "variant", None) == "lstm":  # the logit of g is 2 y, of the others y
            self._logit_scale = np.repeat([1.0, 1.0, 1.0, 2.0], cell.units)
        self.cell = cell

    def _build_hidden(self):
        if not self.cell.built:
            self.cell.build((None, self.visible_units))
        self.context_visible_kernel = None
        if self.context_visible:  # W_uv; the model without time has none
            self.context_visible_kernel = self.add_context_kernel("visible", self.visible_units)

    @property
    def kernel(self):
        return self._scaled(self.cell.kernel)

    @property
    def hidden_bias(self):
        return self._scaled(self.cell.bias)

    @property
    def context_hidden_kernel(self):
        return self._scaled(self.cell.recurrent_kernel)

    def _scaled(self, weight):
        weight = ops.cast(weight, self.variable_dtype)
        return weight * ops.cast(self._logit_scale, self.variable_dtype)

    def without_context(self, **changes):
        head = super().without_context(**changes)
        head.cell.recurrent_kernel.trainable = False  # nor is it regularized: it has no effect
        return head

    def _shift_hidden_bias(self, shift):
        self.cell.bias.assign_add(shift / ops.cast(self._logit_scale, shift.dtype))

    def get_config(self):
        config = super().get_config()
        not_ours = _OF_CELL if self.context_visible else _OF_CELL | _OF_CONTEXT
        config = {name: value for name, value in config.items() if name not in not_ours}
        return config | {
            "cell": keras.saving.serialize_keras_object(self.cell),
            "context_visible": self.context_visible,
        }

    @classmethod
    def from_config(cls, config):
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**config | {"cell": cell})


_OF_CELL = {"hidden_units", "kernel_initializer", "kernel_regularizer"}
_OF_CONTEXT = {"context_initializer", "context_regularizer"}


class TemporalRBM(SequenceModel):
    """The base of `TRBM`, `RTRBM` and `LSTBMModel`: a memory and a head that share their weights.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number J of hidden units; in an LSTBM, of each of the four kinds.
        visibles: `"gaussian"`, `"gamma"` or `"bernoulli"`.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        truncate: Whether h_{t-1} is a constant in the gradient of frame t. If None, True except in
            an `RTRBM`.
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        name: Name of the model.
        dtype: Dtype policy of the model, its memory and its head.
        context_visible: Whether h_{t-1} sets the visible biases, too, by W_uv.
        learn_initial_context: Whether h_0 is learned, from 0 on; it stays 0 if False.
        **options: Other arguments of `ConditionalRBM` (`centering_rate`, `sampling_steps`,
            `num_betas`, `num_chains`; with `context_visible`, `context_initializer` and
            `context_regularizer` of W_uv) and of the memory: initializers, regularizers and
            constraints of its weights, `dropout`, `recurrent_dropout` and so on.

    Raises:
        ValueError: If an option is not one of these, or an argument is out of range.
    """

    memory_class: type
    memory_options: dict[str, str] = {}  # arguments of the memory that define this model
    truncates = True  # the default of `truncate`

    def __init__(
        self,
        visible_units,
        hidden_units,
        visibles="gaussian",
        gibbs_steps=1,
        truncate=None,
        seed=None,
        name=None,
        dtype=None,
        context_visible=False,
        learn_initial_context=False,
        **options,
    ):
        check_integer("hidden_units", hidden_units)
        if truncate not in (None, True, False):
            raise ValueError(
                "`truncate` must be True, False or None, which is the model's default. "
                f"Received: truncate={truncate!r}."
            )
        if seed is not None:
            seed_pair(seed)  # refuses a wrong seed
            seed = int(seed)
        self._check_options(options)
        of_head = {k: v for k, v in options.items() if k in _HEAD_OPTIONS}
        of_memory = {k: v for k, v in options.items() if k not in _HEAD_OPTIONS}
        of_memory |= self.memory_options | {"seed": seed, "dtype": dtype}
        memory = self.memory_class(hidden_units, return_sequences=True, **of_memory)
        of_head |= {"visibles": visibles, "gibbs_steps": gibbs_steps, "seed": seed, "dtype": dtype}
        head = TiedRBM(memory.cell, visible_units, context_visible, **of_head)
        self.learns_initial_context = check_flag("learn_initial_context", learn_initial_context)
        super().__init__(memory, head, name=name, dtype=dtype)
        self.truncate = self.truncates if truncate is None else bool(truncate)
        self._options = tuple(options)

    @classmethod
    def _check_options(cls, options):
        known = inspect.signature(cls.memory_class.cell_class).parameters.keys()
        known = (known | _HEAD_OPTIONS | _LAYER_OPTIONS) - _NO_OPTIONS - cls.memory_options.keys()
        for name in options.keys() - known:
            raise ValueError(
                f"`{name}` is no argument of `{cls.__name__}`. Its options are "
                f"{', '.join(sorted(known))}. Received: {name}={options[name]!r}."
            )

    def memory_input(self, frames):
        return self.head.features(frames)

    def memory_outputs(self, inputs, states, mask, training=False):
        outputs = super().memory_outputs(inputs, states, mask, training)
        return ops.stop_gradient(outputs) if self.truncate else outputs

    def hidden_states(self, frames, mask=None):
        """Returns h_t, which a model stacked on this one reads.

        Args:
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.

        Returns:
            `(batch, time, J)`.
        """
        inputs = self.memory_input(without_masked(frames, mask))
        states = self.initial_state(ops.shape(inputs)[0]).memory
        return self.memory(inputs, initial_state=states, mask=mask)

    def pretrain_memory(self, x, *args, **kwargs):
        """Raises an error: this memory shares its weights with the RBM.

        Raises:
            ValueError: Always. Use `pretrain_head`, which trains the weights on single frames.
        """
        raise ValueError(
            f"The memory of a `{type(self).__name__}` has the weights of its RBM and cannot be "
            "trained apart from it. Use `pretrain_head`, which trains them on single frames."
        )

    def get_config(self):
        head, memory = self.head.get_config(), self.memory.get_config()
        given = {name: {**memory, **head}[name] for name in self._options}
        return given | {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "visible_units": head["visible_units"],
            "hidden_units": memory["units"],
            "visibles": head["visibles"],
            "gibbs_steps": head["gibbs_steps"],
            "truncate": self.truncate,
            "context_visible": self.head.context_visible,
            "learn_initial_context": self.learns_initial_context,
            "seed": head["seed"],
        }

    @classmethod
    def from_config(cls, config):
        dtype = keras.saving.deserialize_keras_object(copy.deepcopy(config["dtype"]))
        return cls(**config | {"dtype": dtype})


_HEAD_OPTIONS = {"centering_rate", "sampling_steps", "num_betas", "num_chains", *_OF_CONTEXT}
_LAYER_OPTIONS = {"activity_regularizer", "jit_compile", "unroll"}
_NO_OPTIONS = {"units", "use_bias", "seed", "kwargs"}  # of the cell: set by the model, or fixed


@keras.saving.register_keras_serializable("seqlayers")
class TRBM(TemporalRBM):
    """The temporal RBM: s_{t-1} sets the biases of s_t, drawn in training and else expected.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number J of hidden units.
        visibles: `"gaussian"`, `"gamma"` or `"bernoulli"`.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        truncate: Whether h_{t-1} is a constant in the gradient of frame t; True if None.
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        name: Name of the model.
        dtype: Dtype policy of the model, its memory and its head.
        context_visible: Whether h_{t-1} sets the visible biases, too, by W_uv.
        learn_initial_context: Whether h_0 is learned, from 0 on; it stays 0 if False.
        **options: Other arguments of the head and of the memory, see `TemporalRBM`.

    Example:
        >>> model = TRBM(129, 100, seed=0)
        >>> model.generate(num_steps=8).shape
        (1, 8, 129)
    """

    memory_class = BoltzmannRNN
    memory_options = {"mode": "sample"}


@keras.saving.register_keras_serializable("seqlayers")
class RTRBM(TemporalRBM):
    """The recurrent temporal RBM: E[s_{t-1}] sets the biases of s_t, and learns from frame t.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number J of hidden units.
        visibles: `"gaussian"`, `"gamma"` or `"bernoulli"`.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        truncate: Whether h_{t-1} is a constant in the gradient of frame t; False if None.
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        name: Name of the model.
        dtype: Dtype policy of the model, its memory and its head.
        context_visible: Whether h_{t-1} sets the visible biases, too, by W_uv.
        learn_initial_context: Whether h_0 is learned, from 0 on; it stays 0 if False.
        **options: Other arguments of the head and of the memory, see `TemporalRBM`.

    Example:
        >>> model = RTRBM(88, 150, "bernoulli", gibbs_steps=15, seed=0)
        >>> model.compile("adam")
        >>> model.fit(piano_roll.load("jsb_chorales").train)
    """

    memory_class = BoltzmannRNN
    memory_options = {"mode": "mean"}
    truncates = False


@keras.saving.register_keras_serializable("seqlayers")
class LSTBMModel(TemporalRBM):
    """The long short-term Boltzmann memory: an RBM whose hidden units are the gates of an LSTM.

    With `variant="lstm"` its weights, learned without labels, fit a `keras.layers.LSTM`. `stack`
    trains several of them, one on top of the other.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number J of hidden units of each of the kinds f, i, o and g.
        visibles: `"gaussian"`, `"gamma"` or `"bernoulli"`.
        gibbs_steps: Number k of Gibbs steps in training (CD-k).
        truncate: Whether h_{t-1} is a constant in the gradient of frame t; True if None.
        seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if None.
            Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        name: Name of the model.
        dtype: Dtype policy of the model, its memory and its head.
        context_visible: Whether h_{t-1} sets the visible biases, too, by W_uv.
        learn_initial_context: Whether h_0 is learned, from 0 on; it stays 0 if False.
        **options: Other arguments of the head and of the memory, see `TemporalRBM`; `variant` and
            `mode`, see `seqlayers.layers.LSTBM`.

    Example:
        >>> model = LSTBMModel(129, 200, variant="lstm")
        >>> model.compile("adam")
        >>> model.fit(frames)
        >>> classifier = keras.Sequential([model.to_lstm(), keras.layers.Dense(61)])
    """

    memory_class = LSTBM

    @classmethod
    def stack(cls, x, hidden_units, optimizer="adam", seed=None, options=None, **kwargs):
        """Trains LSTBMs one on top of the other, without labels; returns them as Keras LSTMs.

        The first one learns the frames, each other the outputs of the one below, brought to mean 0
        and variance 1: greedily, as a deep belief network is trained. Add layers on top and train
        the whole with labels. Normalise frames before, where they are Gaussian visibles. Train for
        few epochs: after many, most gates are near 0 or 1, and labels hardly move them.

        Args:
            x: Sequences: a list of arrays `(T, V)`, whose T may differ, or an array `(N, T, V)`.
            hidden_units: List of the numbers of units, from the lowest layer up.
            optimizer: A Keras optimizer or its name; each layer is trained by a new one like it.
            seed: Seed of all draws, an integer of up to 64 bits; drawn from Python's `random` if
                None. Weights start from Keras's own seed, `keras.utils.set_random_seed`.
            options: Dict of other arguments of `LSTBMModel`, the same for all layers, but for
                `visibles`, the kind of the frames: the outputs of a layer are Gaussian visibles.
            **kwargs: Arguments of `fit`, but for `mask` and `validation_data`: `epochs` of each
                layer, `batch_size`, `max_steps`, ...

        Returns:
            A `keras.Sequential` of built layers, from frames `(batch, time, V)` to the outputs of
            the last one, `(batch, time, units)`: for each LSTBM a `keras.layers.LSTM` and, without
            weights, a `keras.layers.Normalization` to mean 0 and variance 1.

        Raises:
            ValueError: Before any training, if sequences, `hidden_units` or `options` are none of
                these, or `mask` or `validation_data` is given.

        Example:
            >>> deep = LSTBMModel.stack(frames, [200, 100], epochs=1, verbose=0)
            >>> deep.add(keras.layers.Dense(61))
            >>> deep.output_shape
            (None, None, 61)
        """
        return stacking.stack(cls, x, hidden_units, optimizer, seed, options, **kwargs)

    def to_lstm(self, **kwargs):
        """Returns a `keras.layers.LSTM` with the weights of this model: from frames v_t to h_t.

        Args:
            **kwargs: Arguments of `keras.layers.LSTM`; `return_sequences` is True if not given.

        Returns:
            A built `keras.layers.LSTM`.

        Raises:
            ValueError: If `variant` is not `"lstm"`, or h_0 is learned: a Keras LSTM starts at 0.
        """
        if self.learns_initial_context:
            raise ValueError(
                "`to_lstm` needs a model with learn_initial_context=False: a `keras.layers.LSTM` "
                "starts from 0. Received: learn_initial_context=True."
            )
        head = self.head
        scale = energy.features(head.params(), ops.ones(head.visible_units, head.variable_dtype))
        lstm = self.memory.to_lstm(scale, **kwargs)
        if head.centering_rate is not None:  # the memory reads f(v - m)
            kernel, recurrent_kernel, bias = lstm.get_weights()
            bias = bias - ops.convert_to_numpy(head.visible_offset) @ kernel
            lstm.set_weights([kernel, recurrent_kernel, bias])
        return lstm
