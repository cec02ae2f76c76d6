"""The two rules for a training step whose gradient is not finite, and the metrics that count them.

    skip     no weight changes; `skipped_steps` counts the step
    shrink   w / 10 takes the place of each number of the gradient of w that is not finite, which
             draws that weight toward 0; `shrunk_steps` counts the step

`"shrink"` is the rule of the spectrogram RNN-RBM. It also replaces numbers whose square is not
finite: the second moment of RMSProp would be infinite, and that weight would never move again.
"""

import keras
import tensorflow as tf
from keras import ops

from seqlayers.checks import check_choice

COUNTERS = {"skip": "skipped_steps", "shrink": "shrunk_steps"}  # the metric of each rule


def counters():
    """Returns a `keras.metrics.Sum` for each rule, by the rule's name."""
    return {rule: keras.metrics.Sum(name=name) for rule, name in COUNTERS.items()}


def check_rule(rule, optimizer):
    """Returns `rule`.

    Raises:
        ValueError: If there is no such rule, or if it is `"shrink"` and `optimizer` scales the
            loss, which finds its scale by skipping steps.
    """
    check_choice("nonfinite", rule, tuple(COUNTERS))
    if rule == "shrink" and _scales_loss(optimizer):
        raise ValueError(
            '`nonfinite` must be "skip" where the loss is scaled, as with a policy of '
            "mixed_float16: the scale is found by skipping what overflows. "
            'Received: nonfinite="shrink".'
        )
    return rule


def apply_gradients(optimizer, rule, gradients, weights, moved):
    """Applies the gradients if all are finite; if not, follows the rule.

    Args:
        optimizer: The optimizer.
        rule: `"skip"` or `"shrink"`.
        gradients: A gradient for each weight, None where the loss does not reach it.
        weights: The weights.
        moved: Pairs of a weight that the loss itself may have moved, such as an offset, and its
            value before. A step that is not finite puts these values back.

    Returns:
        A bool tensor: whether all gradients were finite.
    """
    pairs = [(g, w) for g, w in zip(gradients, weights, strict=True) if g is not None]

    def known(gradient):
        return ops.isfinite(ops.square(gradient) if rule == "shrink" else gradient)

    finite = ops.all(ops.stack([ops.all(known(gradient)) for gradient, _ in pairs]))

    def apply():
        optimizer.apply_gradients(pairs)
        return 0

    def put_back():
        for weight, value in moved:
            weight.assign(value)

    def skip():
        put_back()
        if _scales_loss(optimizer):
            apply()  # it finds the same gradient not finite, changes no weight, lowers its scale
        optimizer.iterations.assign_add(1)  # the next step must not draw the same again
        return 0

    def shrink():
        put_back()
        optimizer.apply_gradients(
            [(ops.where(known(g), g, 0.1 * ops.cast(w, g.dtype)), w) for g, w in pairs]
        )
        return 0

    tf.cond(finite, apply, {"skip": skip, "shrink": shrink}[rule])
    return finite


def _scales_loss(optimizer):
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
