"""The neural autoregressive distribution estimator.

    a_1 = c_t,  a_{i+1} = a_i + v_i W_i                     hidden pre-activation  [H]
    h_i = sigmoid(a_i)
    x_i = b_t,i + h_i . U_i
    p(v_i = 1 | v_<i, context) = sigmoid(x_i)
    log p(v | context) = sum_i [v_i x_i - softplus(x_i)]
    b_t = b + context A,  c_t = c + context B

W is `kernel`, U `decoder_kernel`, b `visible_bias`, c `hidden_bias`, A `context_visible_kernel`
and B `context_hidden_kernel`. Unit i has row i of W and of U; the order is that of the units.

With `orderless` one set of weights serves every order o, and the hidden units also see which
visible units are known; M is `mask_kernel`:

    a_i = c_t + sum_{j before i in o} (v_j W_j + M_j)
    loss = mean of V / (V - d + 1) sum_{i not seen} -log p(v_i | v_seen, context)
    p(v | context) = 1/K sum_k p(v | context, o_k)

Each frame draws an order and d in 1 .. V; its first d - 1 units are seen. The expected loss is the
mean of -log p(v | context, o) over all orders.
References: H. Larochelle and I. Murray, The Neural Autoregressive Distribution Estimator, AISTATS
2011; N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal Dependencies in
High-Dimensional Sequences, ICML 2012 (the context); B. Uria, I. Murray and H. Larochelle, A Deep
and Tractable Density Estimator, ICML 2014 (orderless).
"""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_flag, check_integer
from seqlayers.heads.autoregressive import (
    AutoregressiveHead,
    frame_log_prob,
    put,
    rows_like,
    without_last,
)
from seqlayers.heads.head import FrameLogProb
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import fold_in, uniform


class _Carry(NamedTuple):
    """The state of a draw before a unit, for N frames."""

    a: Any  # [N, H]
    b: Any  # b_t, in the order of the draw [V, N]
    weights: tuple  # W, U and, if orderless, M
    order: tuple  # the order [V, N], unless that of the units is the only one


@keras.saving.register_keras_serializable("seqlayers")
class NADE(AutoregressiveHead):
    """A neural autoregressive distribution estimator over one frame, with biases set by a context.

    Each visible unit has a probability given the units before it. Likelihoods and draws are exact;
    a loop runs over the units, all frames at once.

    Args:
        visible_units: Number V of visible units in a frame.
        hidden_units: Number H of hidden units.
        orderless: Whether to train for all orders of the units, a random one for each frame. If
            False, the only order is that of the units in the frame.
        num_orders: Number K of orders whose mean is the probability of a frame: the order of the
            units in the frame, and others drawn from `seed`. It is 1 unless `orderless`.
        kernel_initializer: Initializer of W.
        decoder_initializer: Initializer of U.
        kernel_regularizer: Regularizer of W, U and M.
        context_initializer: Initializer of A and B.
        context_regularizer: Regularizer of A and B.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a number is not an integer of at least 1, `orderless` is not a bool, or
            `num_orders` is above 1 and the head is not `orderless`.

    Example:
        >>> head = NADE(88, 150, seed=0)
        >>> head.build((None, 88))
        >>> head.log_prob(np.zeros((2, 88))).nats.shape
        TensorShape([2])
    """

    def __init__(
        self,
        visible_units,
        hidden_units,
        orderless=False,
        num_orders=1,
        kernel_initializer: Any = "glorot_uniform",
        decoder_initializer: Any = "glorot_uniform",
        kernel_regularizer=None,
        context_initializer: Any = "glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(visible_units, seed=seed, **kwargs)
        self.hidden_units = check_integer("hidden_units", hidden_units)
        self.num_orders = check_integer("num_orders", num_orders)
        self.orderless = check_flag("orderless", orderless)
        if num_orders > 1 and not orderless:
            raise ValueError(
                "`num_orders` must be 1 unless the head is `orderless`: it is trained for one. "
                f"Received: num_orders={num_orders}."
            )
        rng = np.random.default_rng(self.seed % 2**64)
        orders = [rng.permutation(visible_units) for _ in range(self.num_orders - 1)]
        self.orders = np.array([np.arange(visible_units), *orders], "int32")  # [K, V]
        self.set_weight_options(
            kernel_initializer=kernel_initializer,
            decoder_initializer=decoder_initializer,
            kernel_regularizer=kernel_regularizer,
            context_initializer=context_initializer,
            context_regularizer=context_regularizer,
        )

    def build(self, input_shape):
        super().build(input_shape)
        V, H = self.visible_units, self.hidden_units
        shared = {"shape": (V, H), "regularizer": self.kernel_regularizer}
        self.kernel = self.add_weight(name="kernel", initializer=self.kernel_initializer, **shared)
        self.decoder_kernel = self.add_weight(
            name="decoder_kernel", initializer=self.decoder_initializer, **shared
        )
        self.mask_kernel = None
        if self.orderless:
            self.mask_kernel = self.add_weight(name="mask_kernel", initializer="zeros", **shared)
        self.visible_bias = self.add_weight(name="visible_bias", shape=(V,), initializer="zeros")
        self.hidden_bias = self.add_weight(name="hidden_bias", shape=(H,), initializer="zeros")
        self.context_visible_kernel = self.add_context_kernel("visible", V)
        self.context_hidden_kernel = self.add_context_kernel("hidden", H)

    @property
    def draws_in_order(self):
        return self.num_orders == 1

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns the mean of -log p(v | context) over the frames that `mask` keeps, in nats.

        If `orderless` it is an estimate of the mean over all orders, drawn from `seed`.
        """
        if not self.orderless:
            return super().loss(frames, context, mask, seed, training)
        frames = without_masked(frames, mask)
        return masked_mean(-self._drawn_log_prob(frames, context, seed), mask)

    def log_odds(self, frames, context=None, dropout_seed=None):
        """Returns the log-odds x_i of each unit given those before it in the frame, `(..., V)`."""
        return self._log_odds(frames, *self._biases(context))

    def log_prob(self, frames, context=None, seed=None):
        if self.num_orders == 1:
            return super().log_prob(frames, context)
        frames, context = self.cast_inputs(frames, context)
        biases = self._biases(context)

        def log_prob(k):
            return frame_log_prob(frames, self._log_odds(frames, *biases, k))

        def add_order(k, nats):
            return k + 1, ops.logaddexp(nats, log_prob(k))

        nats, K = log_prob(0), self.num_orders
        # JAX differentiates loops from number to number, XLA under TensorFlow bounded ones.
        if keras.backend.backend() == "jax":
            nats = ops.fori_loop(1, K, lambda k, nats: add_order(k, nats)[1], nats)
        else:
            _, nats = ops.while_loop(
                lambda k, _: k < K, add_order, (1, nats), maximum_iterations=K - 1
            )
        return FrameLogProb(nats - math.log(K), ops.zeros_like(nats))

    def draw(
        self, context=None, seed=None, temperature=1.0, given=None, keep=None, num_frames=None
    ):
        """Draws frames as `AutoregressiveHead.draw`.

        With K above 1, each frame draws one of the K orders first, and no units may be given.
        """
        if self.num_orders == 1:
            return super().draw(context, seed, temperature, given, keep, num_frames)
        if given is not None:
            raise ValueError(
                "`given` must be None in a head of several orders, whose frames are not drawn in "
                f"one of them. Received: num_orders={self.num_orders}."
            )
        context, blank, seed = self.rows_to_draw(context, seed, num_frames)
        k = ops.floor(self.num_orders * uniform(ops.shape(blank)[:-1], fold_in(seed, 1)))
        k = ops.cast(k, "int32")
        order, back = ops.take(self.orders, k, axis=0), ops.take(self._back(), k, axis=0)
        threshold = self.thresholds(blank, seed, temperature)
        threshold = self.in_units(ops.take_along_axis(threshold, order, axis=-1))
        carry = self.begin(context, ops.shape(threshold)[1], self.in_units(order))
        v = self.in_frames(self.draw_units(carry, threshold), blank)
        return ops.take_along_axis(v, back, axis=-1)

    def begin(self, context, rows, order=None):
        """Returns the carry before the first unit.

        Args:
            context: `(rows, C)`, or None for the model without time.
            rows: Number of frames.
            order: Place i of frame n is that of unit `order[i, n]`, `(V, rows)`; that of the frame
                if None.
        """
        b, c = self._biases(context)
        b = ops.transpose(ops.broadcast_to(b, (rows, self.visible_units)))
        if order is not None:
            b = ops.take_along_axis(b, order, axis=0)
        c = ops.broadcast_to(c, (rows, self.hidden_units))
        weights = tuple(w for w in self._weights() if w is not None)
        return _Carry(c, b, weights, () if order is None else (order,))

    def unit_log_odds(self, carry, i):
        U = _rows_of_unit(carry, carry.weights[1], i)
        return carry.b[i] + ops.sum(ops.sigmoid(carry.a) * U, axis=-1)

    def append(self, carry, i, values):
        W, _, *masks = (_rows_of_unit(carry, weight, i) for weight in carry.weights)
        return carry._replace(a=sum(masks, carry.a + values[:, None] * W))

    def reconstruct(self, frames, context=None):
        """Returns p(v_i = 1 | v_<i, context), `(..., V)`: the mean over the K orders."""
        if self.num_orders == 1:
            return super().reconstruct(frames, context)
        frames, context = self.cast_inputs(frames, context)
        biases = self._biases(context)

        def add_order(k, p):
            return p + ops.sigmoid(self._log_odds(frames, *biases, k))

        total = ops.fori_loop(0, self.num_orders, add_order, ops.zeros_like(frames))
        return total / self.num_orders

    def get_config(self):
        return super().get_config() | {
            "hidden_units": self.hidden_units,
            "orderless": self.orderless,
            "num_orders": self.num_orders,
        }

    def _biases(self, context):
        """Returns b_t and c_t, with a row for each context."""
        b, c = ops.convert_to_tensor(self.visible_bias), ops.convert_to_tensor(self.hidden_bias)
        if context is not None:
            b = b + ops.matmul(context, self.context_visible_kernel)
            c = c + ops.matmul(context, self.context_hidden_kernel)
        return b, c

    def _weights(self):
        """Returns W, U and M; M is None unless the head is `orderless`."""
        W, U, M = self.kernel, self.decoder_kernel, self.mask_kernel
        # Tensors, not variables: a gradient written by hand is one by its arguments.
        return tuple(w if w is None else w + 0.0 for w in (W, U, M))

    def _log_odds(self, frames, b, c, k=0):
        """Returns x of all units in order number k, `(..., V)`."""
        v, c = ops.reshape(frames, (-1, self.visible_units)), self._hidden_rows(c, frames)
        weights = self._weights()
        if self.num_orders == 1:
            s = _hidden_to_visible(v, c, *weights)
        else:
            order, back = ops.take(self.orders, k, axis=0), ops.take(self._back(), k, axis=0)
            weights = (w if w is None else ops.take(w, order, axis=0) for w in weights)
            s = _hidden_to_visible(ops.take(v, order, axis=1), c, *weights)
            s = ops.take(s, back, axis=1)
        return b + ops.reshape(s, ops.shape(frames))

    def _drawn_log_prob(self, frames, context, seed):
        """Returns V / (V - d + 1) times log p of the unseen units given the seen ones, `(...)`.

        Each unit draws a time, which sets the order; d is the place in it of one unit, drawn
        evenly. The units before that one are seen.
        """
        frames, context = self.cast_inputs(frames, context)
        (b, c), (W, U, M), V = self._biases(context), self._weights(), self.visible_units
        seed = self.row_seeds(seed, frames)
        time = uniform(ops.shape(frames), fold_in(seed, 0))
        i = ops.floor(V * uniform((*ops.shape(frames)[:-1], 1), fold_in(seed, 1)))
        now = ops.take_along_axis(time, ops.cast(i, "int32"), axis=-1)
        seen = ops.cast(time < now, frames.dtype)
        a = c + ops.matmul(frames * seen, W) + ops.matmul(seen, M)
        x = b + ops.matmul(ops.sigmoid(a), ops.transpose(U))
        return V / ops.sum(1 - seen, axis=-1) * frame_log_prob(frames, x, 1 - seen)

    def _hidden_rows(self, c, frames):
        """Returns c_t as `(N, H)`, a row for each frame."""
        c = ops.broadcast_to(c, (*ops.shape(frames)[:-1], self.hidden_units))
        return ops.reshape(c, (-1, self.hidden_units))

    def _back(self):
        """Returns the orders that undo `orders`."""
        return np.argsort(self.orders, axis=-1).astype("int32")


def _hidden_to_visible(v, c, W, U, M=None):
    """Returns h_i . U_i of every unit, `(N, V)`, for frames `(N, V)` and hidden biases `(N, H)`.

    The gradient is written by hand: it runs from the last unit to the first and takes from a what
    was added, so that nothing of the size N V H is kept.

        da_{V+1} = 0,  da_i = da_{i+1} + (dx_i U_i) h_i (1 - h_i)
        dW_i = v_i da_{i+1},  dv_i = da_{i+1} . W_i,  dM_i = da_{i+1},  dU_i = dx_i h_i

    Its own gradient is that of automatic differentiation.
    """
    V, masks = W.shape[0], () if M is None else (M,)

    @ops.custom_gradient
    def run(*tensors):
        constants = tuple(map(ops.stop_gradient, tensors))  # the gradient below is the one

        def added(i, v, c, W, U, M=None):
            a = v[i][:, None] * W[i]
            return a if M is None else a + M[i]

        def forward(i, carry):
            a, s = carry
            s = put(s, i, ops.matmul(ops.sigmoid(a), constants[3][i]))
            return a + added(i, *constants), s

        v, c, *_ = constants
        last, s = ops.fori_loop(0, V, forward, (c, rows_like(v)))

        def gradient(ds):
            v, c, W, U, *masks = tensors
            # Equal to `last`, and a function of `tensors`, for the gradient of this gradient.
            a = c + ops.matmul(ops.transpose(v), W)
            a = a + ops.sum(masks[0], axis=0) if masks else a
            a = last + (a - ops.stop_gradient(a))

            def backward(step, carry):
                i = V - 1 - step
                a, da, dv, dW, dU, dM = carry
                dv = put(dv, i, ops.matmul(da, W[i]))
                dW = put(dW, i, ops.matmul(v[i], da))
                if masks:
                    dM = put(dM, i, ops.sum(da, axis=0))
                a = a - added(i, *tensors)
                h = ops.sigmoid(a)
                dU = put(dU, i, ops.matmul(ds[i], h))
                da = da + ds[i][:, None] * U[i] * (h * (1 - h))
                return a, da, dv, dW, dU, dM

            start = [rows_like(w) for w in (v, W, U, U)]
            _, dc, *rows = ops.fori_loop(0, V, backward, (a, ops.zeros_like(c), *start))
            dv, dW, dU, dM = map(without_last, rows)
            return (dv, dc, dW, dU, dM)[: len(tensors)]

        return without_last(s), gradient

    return ops.transpose(run(ops.transpose(v), c, W, U, *masks))


def _rows_of_unit(carry, weight, i):
    """Returns the row of W, U or M of the unit in place i: one, or one for each frame."""
    if not carry.order:
        return weight[i]
    return ops.take(weight, carry.order[0][i], axis=0)
