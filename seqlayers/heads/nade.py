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

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.heads.head import FrameLogProb, Head
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import fold_in, uniform


@keras.saving.register_keras_serializable("seqlayers")
class NADE(Head):
    """A neural autoregressive distribution estimator over one frame, with biases set by a context.

    Each visible unit has a probability given the units before it. Likelihoods and draws are exact;
    a loop runs over the units, all frames at once. A temperature divides the log-odds of each unit
    as its turn comes. This differs from dividing the energy of the whole frame, which would weigh
    an early unit by all that may follow it.

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
        kernel_initializer="glorot_uniform",
        decoder_initializer="glorot_uniform",
        kernel_regularizer=None,
        context_initializer="glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(visible_units, seed=seed, **kwargs)
        self.hidden_units = check_integer("hidden_units", hidden_units)
        self.num_orders = check_integer("num_orders", num_orders)
        if not isinstance(orderless, bool):
            raise ValueError(
                f"`orderless` must be True or False. Received: orderless={orderless!r}."
            )
        if num_orders > 1 and not orderless:
            raise ValueError(
                "`num_orders` must be 1 unless the head is `orderless`: it is trained for one. "
                f"Received: num_orders={num_orders}."
            )
        self.orderless = orderless
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

    kind = "exact"

    @property
    def has_exact_loss(self):
        return not self.orderless

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

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns the mean of -log p(v | context) over the frames that `mask` keeps, in nats.

        If `orderless` it is an estimate of the mean over all orders, drawn from `seed`.
        """
        frames = without_masked(frames, mask)
        if self.orderless:
            return masked_mean(-self._drawn_log_prob(frames, context, seed), mask)
        return masked_mean(-self.log_prob(frames, context).nats, mask)

    def log_prob(self, frames, context=None, seed=None):
        frames, context = self.cast_inputs(frames, context)
        biases = self._biases(context)

        def log_prob(k):
            return _log_prob(frames, self._logits(frames, *biases, k))

        def add_order(k, nats):
            return k + 1, ops.logaddexp(nats, log_prob(k))

        nats, K = log_prob(0), self.num_orders
        if K > 1:
            # JAX differentiates loops from number to number, XLA under TensorFlow bounded ones.
            if keras.backend.backend() == "jax":
                nats = ops.fori_loop(1, K, lambda k, nats: add_order(k, nats)[1], nats)
            else:
                _, nats = ops.while_loop(
                    lambda k, _: k < K, add_order, (1, nats), maximum_iterations=K - 1
                )
            nats = nats - math.log(K)
        return FrameLogProb(nats, ops.zeros_like(nats))

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        """Draws frames, one for each context: unit after unit, each given those before it.

        With K above 1, each frame draws one of the K orders first.

        Args:
            context: `(..., C)`, or None for the model without time.
            seed: An integer, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            temperature: Divisor of the log-odds of each unit given those before it, a number above
                0 or `(rows,)`: above 1 is bolder, below 1 safer.
            num_frames: Without context, the number of frames.

        Returns:
            Frames, `(..., V)`.
        """
        _, context = self.cast_inputs(None, context)
        b, c = self._biases(context)
        b = self.frame_rows(b, context, num_frames)
        seed = self.row_seeds(seed, b)
        u = ops.cast(uniform(ops.shape(b), fold_in(seed, 0)), b.dtype)
        # u < sigmoid((b_i + h_i . U_i) / T) where h_i . U_i is above this
        threshold = self.row_temperatures(temperature, b) * (ops.log(u) - ops.log1p(-u)) - b
        weights = self._weights()
        if self.num_orders == 1:
            v = _draw(self._in_rows(threshold), self._hidden_rows(c, b), *weights)
            return ops.reshape(v, ops.shape(b))
        k = ops.floor(self.num_orders * uniform(ops.shape(b)[:-1], fold_in(seed, 1)))
        k = ops.cast(k, "int32")
        order, back = ops.take(self.orders, k, axis=0), ops.take(self._back(), k, axis=0)
        threshold = self._in_rows(ops.take_along_axis(threshold, order, axis=-1))
        v = _draw(threshold, self._hidden_rows(c, b), *weights, order=self._in_rows(order))
        return ops.take_along_axis(ops.reshape(v, ops.shape(b)), back, axis=-1)

    def reconstruct(self, frames, context=None):
        """Returns p(v_i = 1 | v_<i, context), `(..., V)`: the mean over the K orders."""
        frames, context = self.cast_inputs(frames, context)
        biases = self._biases(context)

        def add_order(k, p):
            return p + ops.sigmoid(self._logits(frames, *biases, k))

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

    def _logits(self, frames, b, c, k=0):
        """Returns x of all units in order number k, `(..., V)`."""
        v, c = self._in_rows(frames), self._hidden_rows(c, frames)
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
        return V / ops.sum(1 - seen, axis=-1) * _log_prob(frames, x, 1 - seen)

    def _in_rows(self, values):
        """Returns `(..., V)` as `(N, V)`."""
        return ops.reshape(values, (-1, self.visible_units))

    def _hidden_rows(self, c, frames):
        """Returns c_t as `(N, H)`, a row for each frame."""
        c = ops.broadcast_to(c, (*ops.shape(frames)[:-1], self.hidden_units))
        return ops.reshape(c, (-1, self.hidden_units))

    def _back(self):
        """Returns the orders that undo `orders`."""
        return np.argsort(self.orders, axis=-1).astype("int32")


def _log_prob(v, x, weights=1.0):
    """Returns sum_i [v_i x_i - softplus(x_i)]."""
    return ops.sum(weights * (v * x - ops.softplus(x)), axis=-1)


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
            s = _put(s, i, ops.matmul(ops.sigmoid(a), constants[3][i]))
            return a + added(i, *constants), s

        v, c, *_ = constants
        last, s = ops.fori_loop(0, V, forward, (c, _rows_like(v)))

        def gradient(ds):
            v, c, W, U, *masks = tensors
            # Equal to `last`, and a function of `tensors`, for the gradient of this gradient.
            a = c + ops.matmul(ops.transpose(v), W)
            a = a + ops.sum(masks[0], axis=0) if masks else a
            a = last + (a - ops.stop_gradient(a))

            def backward(step, carry):
                i = V - 1 - step
                a, da, dv, dW, dU, dM = carry
                dv = _put(dv, i, ops.matmul(da, W[i]))
                dW = _put(dW, i, ops.matmul(v[i], da))
                if masks:
                    dM = _put(dM, i, ops.sum(da, axis=0))
                a = a - added(i, *tensors)
                h = ops.sigmoid(a)
                dU = _put(dU, i, ops.matmul(ds[i], h))
                da = da + ds[i][:, None] * U[i] * (h * (1 - h))
                return a, da, dv, dW, dU, dM

            start = [_rows_like(w) for w in (v, W, U, U)]
            _, dc, *rows = ops.fori_loop(0, V, backward, (a, ops.zeros_like(c), *start))
            dv, dW, dU, dM = map(_without_last, rows)
            return (dv, dc, dW, dU, dM)[: len(tensors)]

        return _without_last(s), gradient

    return ops.transpose(run(ops.transpose(v), c, W, U, *masks))


def _draw(threshold, c, W, U, M=None, order=None):
    """Draws frames `(N, V)`: unit i is on where h_i . U_i is above `threshold` `(N, V)`.

    With `order` `(N, V)`, place i of frame n is that of unit `order[n, i]`.
    """
    threshold = ops.transpose(threshold)
    order = None if order is None else ops.transpose(order)

    def row(weight, i):
        return weight[i] if order is None else ops.take(weight, order[i], axis=0)  # [N, H]

    def step(i, carry):
        a, v = carry
        x = ops.sum(ops.sigmoid(a) * row(U, i), axis=-1)
        on = ops.cast(x > threshold[i], c.dtype)
        on = ops.where(ops.isnan(x + threshold[i]), np.nan, on)
        a = a + on[:, None] * row(W, i)
        return a if M is None else a + row(M, i), _put(v, i, on)

    _, v = ops.fori_loop(0, W.shape[0], step, (c, _rows_like(threshold)))
    return ops.transpose(_without_last(v))


# Rows that a loop writes have a column too many: a scatter refuses the rows of no frames at all.


def _rows_like(rows):
    return ops.pad(ops.zeros_like(rows), [(0, 0), (0, 1)])


def _put(rows, i, row):
    """Returns `rows` with `row` in place i."""
    return ops.scatter_update(rows, [[i]], ops.pad(row, [(0, 1)])[None])


def _without_last(rows):
    return rows[:, :-1]
