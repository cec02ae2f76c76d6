"""A neural autoregressive distribution estimator whose keys share one network.

    h_i = relu(c + e_i + f_i W + g_i A)                      first hidden layer   [H]
    k_i = relu(d + h_i U)                                    second hidden layer  [K]
    x_i = b_i + f_i s + g_i r + k_i w                        log-odds
    p(v_i = 1 | v_<i, context) = sigmoid(x_i)
    log p(v | context) = sum_i [v_i x_i - softplus(x_i)]

W is `lower_kernel`, A `context_kernel`, e `embedding`, c `hidden_bias`, U `second_kernel`, d
`second_bias`, w `decoder_kernel`, b `visible_bias`, s `lower_skip_kernel` and r
`context_skip_kernel`. The network is the same for all keys. What it reads is relative to the key:

    f_i = [v_{i-L} .. v_{i-1}]                               the lower keys of this frame
          [S_{i-o} .. S_{i-1}],  S_j = min(1, v_j + v_{j-o} + v_{j-2o} + ..)   their pitch classes
          one-hot of how many v_j, j < i, are above 1/2, at most 7
    g_i = for each block of the context
              window n:    [u_{i-n} .. u_{i+n}] of each channel u
              "octave":    [P_i .. P_{i+o-1}] of each channel u, P_q = sum of u_j, j = q mod o,
                           and, with an embedding, [P_0 .. P_{o-1}]
              "shared":    the values, alike for all keys
          one-hot of how many u_j, j > i, of the first channel are above 1/2, at most 7

L is `lower_window` and o `octave`; places outside of the keyboard are 0. The count of g is there if
the first block of the context has a value for each key. In training each h_i is multiplied by a
mask, 0 with probability p, `dropout`, and else 1 / (1 - p), drawn for each frame and unit.
References: D. D. Johnson, Generating Polyphonic Music Using Tied Parallel Networks, EvoMUSART 2017;
H. Larochelle and I. Murray, The Neural Autoregressive Distribution Estimator, AISTATS 2011.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from seqlayers.arrays import in_parts
from seqlayers.checks import check_flag, check_integer, check_number
from seqlayers.heads.autoregressive import AutoregressiveHead
from seqlayers.heads.key_layout import (
    blocks_of_context,
    check_layout,
    check_window,
    context_terms,
    sizes_of_features,
)
from seqlayers.heads.key_windows import (
    COUNTS,
    Terms,
    Windows,
    above_half,
    key_pairs,
    one_hot,
    one_hot_count,
    total,
)
from seqlayers.sampling import dropout, fold_in

_LOWER_WINDOW = 24  # keys, where there are as many


class Carry(NamedTuple):
    """The state of a draw before unit i, for N frames."""

    past: Any  # what the first layer reads but for the lower keys [V, N, H + 1]
    weights: Any  # W and s; U, d and w
    window: Any  # v_{i-L} .. v_{i-1} [N, L]
    pitches: Any  # S_{i-o} .. S_{i-1} [N, o]
    below: Any  # how many sound below [N]


@keras.saving.register_keras_serializable("seqlayers")
class TiedNADE(AutoregressiveHead):
    """A neural autoregressive distribution estimator over one frame, one network for all keys.

    A key is a visible unit that has neighbours: the network reads windows around the key, so that
    what it learns of one chord holds for the chord in any other place. With `key_embedding=False`
    frames moved by some keys, and a context moved as much, have the same probability, away from the
    ends of the keyboard. With it keys may also differ.

    `layout` says which values of the context belong to which keys: blocks in the order in which
    they stand. A block `(count, n)` has `count` channels of V values, of each of which a key reads
    the 2 n + 1 around it. `(count, "octave")` has channels whose values are summed over octaves.
    `(count, "shared")` has `count` values that all keys read alike, as have all values after the
    last block. The default is the layout of `seqlayers.layers.FrameHistory()`.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Sizes H and K of the two hidden layers.
        lower_window: Number L of lower keys of the frame itself that a key reads; the smaller one
            of 24 and V if None.
        layout: Pairs `(count, window)`, see above; `()` for a context that all keys read alike. It
            has no effect in a head without a context. If None it is
            `((5, 12), (3, 2), (2, "octave"))`, with windows of at most V keys.
        octave: Number o of keys in an octave.
        key_embedding: Whether each key has an embedding and a bias of its own, and reads pitch
            classes by their place in the octave, too.
        dropout: Share of the first hidden layer that a training step sets to 0, drawn for each
            frame; at least 0 and below 1.
        kernel_initializer: Initializer of W and e.
        decoder_initializer: Initializer of U and w.
        kernel_regularizer: Regularizer of W, e, U, w and s.
        context_initializer: Initializer of A.
        context_regularizer: Regularizer of A and r.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a number is out of range, a window is wider than the keyboard, `hidden_units`
            are not two numbers, or `layout` has no such pairs; when built, if `layout` takes more
            values than the context has.

    Example:
        >>> head = TiedNADE(88, seed=0)
        >>> head.build([(None, 88), (None, 10 * 88)])
        >>> head.log_prob(np.zeros((2, 88)), np.zeros((2, 880))).nats.shape
        TensorShape([2])
    """

    def __init__(
        self,
        visible_units,
        hidden_units: Sequence[int] = (128, 32),
        lower_window: int | None = None,
        layout: Sequence[Any] | None = None,
        octave=12,
        key_embedding=True,
        dropout=0.3,
        kernel_initializer: Any = "random_normal",
        decoder_initializer: Any = "glorot_uniform",
        kernel_regularizer=None,
        context_initializer: Any = "random_normal",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(visible_units, seed=seed, **kwargs)
        if not isinstance(hidden_units, list | tuple) or len(hidden_units) != 2:
            raise ValueError(
                "`hidden_units` must be the sizes of two hidden layers. "
                f"Received: hidden_units={hidden_units!r}."
            )
        self.hidden_units = tuple(check_integer("hidden_units", units) for units in hidden_units)
        V = self.visible_units
        lower_window = min(_LOWER_WINDOW, V) if lower_window is None else lower_window
        layout = _layout_of_history(V) if layout is None else layout
        self.lower_window = check_window("lower_window", lower_window, V)
        self.layout = check_layout(layout, V)
        self.octave = check_integer("octave", octave)
        self.key_embedding = check_flag("key_embedding", key_embedding)
        self.dropout = check_number("dropout", dropout, least=0, below=1)
        self.set_weight_options(
            kernel_initializer=kernel_initializer,
            decoder_initializer=decoder_initializer,
            kernel_regularizer=kernel_regularizer,
            context_initializer=context_initializer,
            context_regularizer=context_regularizer,
        )

    def build(self, input_shape):
        super().build(input_shape)
        V, (H, K) = self.visible_units, self.hidden_units
        kernel = {"initializer": self.kernel_initializer, "regularizer": self.kernel_regularizer}
        decoder = {"initializer": self.decoder_initializer, "regularizer": self.kernel_regularizer}
        skip = {"initializer": "zeros", "regularizer": self.kernel_regularizer}
        F = self.lower_window + self.octave + COUNTS
        self.lower_kernel = self.add_weight(name="lower_kernel", shape=(F, H), **kernel)
        self.lower_skip_kernel = self.add_weight(name="lower_skip_kernel", shape=(F, 1), **skip)
        self.embedding = None
        if self.key_embedding:
            self.embedding = self.add_weight(name="embedding", shape=(V, H), **kernel)
        self.hidden_bias = self.add_weight(name="hidden_bias", shape=(H,), initializer="zeros")
        self.second_kernel = self.add_weight(name="second_kernel", shape=(H, K), **decoder)
        self.second_bias = self.add_weight(name="second_bias", shape=(K,), initializer="zeros")
        self.decoder_kernel = self.add_weight(name="decoder_kernel", shape=(K, 1), **decoder)
        self.visible_bias = self.add_weight(
            name="visible_bias",
            shape=(V if self.key_embedding else 1,),
            initializer=keras.initializers.Constant(-3.0),  # few keys of a frame sound
        )
        self.context_kernel = self.context_skip_kernel = None
        if self.context_units is not None:
            self._add_context_weights()

    def _add_context_weights(self):
        self._blocks = blocks_of_context(self.layout, self.context_units, self.visible_units)
        G = sum(sizes_of_features(self._blocks, self.octave, self.key_embedding))
        regularizer = self.context_regularizer
        self.context_kernel = self.add_weight(
            name="context_kernel",
            shape=(G, self.hidden_units[0]),
            initializer=self.context_initializer,
            regularizer=regularizer,
        )
        self.context_skip_kernel = self.add_weight(
            name="context_skip_kernel", shape=(G, 1), initializer="zeros", regularizer=regularizer
        )

    def log_odds(self, frames, context=None, dropout_seed=None):
        shape = ops.shape(frames)
        v = ops.reshape(frames, (-1, self.visible_units))
        if context is not None:
            context = ops.reshape(context, (-1, self.context_units))
        first = total(self._lower_terms(v), *self._past_terms(context))
        mask = None
        if self.dropout and dropout_seed is not None:
            mask = self._hidden_mask(shape, dropout_seed)
        return ops.reshape(_log_odds(first, self._second_weights(), mask), shape)

    def begin(self, context, rows):
        past = total(*self._past_terms(context))
        past = ops.broadcast_to(past, (rows, self.visible_units, self.hidden_units[0] + 1))
        zeros = functools.partial(ops.zeros, dtype=self.variable_dtype)
        return Carry(
            ops.transpose(past, (1, 0, 2)),
            (_with_skip(self.lower_kernel, self.lower_skip_kernel), self._second_weights()),
            zeros((rows, self.lower_window)),
            zeros((rows, self.octave)),
            zeros((rows,)),
        )

    def unit_log_odds(self, carry, i):
        kernel, second = carry.weights
        features = [carry.window, carry.pitches, one_hot(carry.below)]
        first = carry.past[i] + ops.matmul(ops.concatenate(features, axis=-1), kernel)
        return _log_odds(first, second)

    def append(self, carry, i, values):
        pitch = ops.minimum(values + carry.pitches[:, 0], 1)
        return carry._replace(
            window=ops.concatenate([carry.window[:, 1:], values[:, None]], axis=-1),
            pitches=ops.concatenate([carry.pitches[:, 1:], pitch[:, None]], axis=-1),
            below=carry.below + above_half(values),
        )

    def _hidden_mask(self, shape, seeds):
        """Returns 0 with probability p, else 1 / (1 - p), for each frame and unit `(N, 1, H)`."""
        ones = ops.ones((*shape[:-1], self.hidden_units[0]), self.variable_dtype)
        mask = dropout(ones, self.dropout, fold_in(seeds, 1))
        return ops.reshape(mask, (-1, 1, self.hidden_units[0]))

    def _second_weights(self):
        """Returns U, d and w."""
        weights = self.second_kernel, self.second_bias, self.decoder_kernel
        return tuple(map(ops.convert_to_tensor, weights))

    def _lower_terms(self, v):
        """Returns the `Terms` of the first layer that read frames `(N, V)`."""
        L, o = self.lower_window, self.octave
        octaves = key_pairs(v.shape[-1], lambda j, i: (j <= i) & ((i - j) % o == 0), v.dtype)
        pitches = ops.minimum(ops.matmul(v, octaves), 1)
        below = one_hot_count(v, lambda j, i: j < i)
        kernel = _with_skip(self.lower_kernel, self.lower_skip_kernel)
        of_keys, of_pitches, of_count = in_parts(kernel, [L, o, COUNTS], axis=0)
        windows = [
            Windows(v[:, None], -L, of_keys[None]),
            Windows(pitches[:, None], -o, of_pitches[None]),
        ]
        return Terms(windows, [(below, of_count)], [])

    def _past_terms(self, context):
        """Returns a list of the `Terms` of the first layer but for those that read the frame."""
        c, b = self.hidden_bias, self.visible_bias
        hidden = c if self.embedding is None else c + self.embedding
        hidden = ops.broadcast_to(hidden, (self.visible_units, self.hidden_units[0]))
        visible = ops.broadcast_to(b, (self.visible_units,))
        terms = [Terms([], [], [_with_skip(hidden, visible[:, None])[None]])]
        if context is not None:
            kernel = _with_skip(self.context_kernel, self.context_skip_kernel)
            V, o = self.visible_units, self.octave
            args = self._blocks, context, kernel, V, o, self.key_embedding
            terms.append(context_terms(*args))
        return terms

    def get_config(self):
        return super().get_config() | {
            "hidden_units": self.hidden_units,
            "lower_window": self.lower_window,
            "layout": tuple(map(tuple, self.layout)),
            "octave": self.octave,
            "key_embedding": self.key_embedding,
            "dropout": self.dropout,
        }


def _layout_of_history(V):
    """Returns the layout of `FrameHistory()`, with windows of at most V keys."""
    return (5, min(12, V)), (3, min(2, V)), (2, "octave")


def _log_odds(first, second, mask=None):
    """Returns x of keys whose terms of the first layer are `first` `(..., H + 1)`."""
    U, d, w = second
    h, skip = ops.relu(first[..., :-1]), first[..., -1]
    h = h if mask is None else h * mask
    k = ops.relu(ops.matmul(h, U) + d)
    return skip + ops.matmul(k, w)[..., 0]


def _with_skip(kernel, skip):
    return ops.concatenate([ops.convert_to_tensor(kernel), ops.convert_to_tensor(skip)], axis=-1)
