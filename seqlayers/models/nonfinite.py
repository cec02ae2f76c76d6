"""The two rules for a training step whose gradient is not finite, and the metrics that count them.

    skip     no weight changes; `skipped_steps` counts the step
    shrink   w / 10 takes the place of each number of the gradient of w that is not finite, which
             draws that weight toward 0; `shrunk_steps` counts the step

`"shrink"` is the rule of the spectrogram RNN-RBM. It also replaces numbers whose square is not
finite: the second moment of RMSProp would be infinite, and that weight would never move again.
"""

import warnings

import keras
import tensorflow as tf
from keras import ops

from seqlayers import replicas
from seqlayers.checks import check_choice

COUNTERS = {"skip": "skipped_steps", "shrink": "shrunk_steps"}  # the metric of each rule


class _OfAllReplicas(keras.metrics.Metric):
    """A metric that each replica of `tf.distribute` updates by the same values."""

    def add_variable(self, *args, **kwargs):
        return super().add_variable(*args, **kwargs | {"aggregation": "mean"})


class _StepCount(_OfAllReplicas, keras.metrics.Sum):
    """A number of steps."""


def counters():
    """Returns a metric for each rule, by the rule's name."""
    return {rule: _StepCount(name=name) for rule, name in COUNTERS.items()}


class FrameMean(_OfAllReplicas, keras.metrics.Mean):
    """The mean over frames; NaN without any, since early stopping would take a 0 for the best."""

    def result(self):
        return ops.where(self.count > 0, super().result(), float("nan"))


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


def check_branches(optimizer, steps_per_execution):
    """Checks that Keras adds up over replicas in no branch, which TensorFlow cannot compile.

    Raises:
        ValueError: If the optimizer accumulates gradients or puts averages in place of the weights,
            or if `steps_per_execution` is above 1.
    """
    if steps_per_execution != 1:
        raise ValueError(
            "`steps_per_execution` must be 1 under a strategy of `tf.distribute` with several "
            "replicas: Keras makes each step a branch, which TensorFlow cannot run on many "
            f"devices. Received: steps_per_execution={steps_per_execution!r}."
        )
    for part in _parts(optimizer):
        for name in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
            if getattr(part, name, None):
                raise ValueError(
                    f"`{name}` of the optimizer must be None under a strategy of `tf.distribute` "
                    "with several replicas: Keras updates weights in a branch there, which "
                    "TensorFlow refuses in a compiled step. Use larger batches, or "
                    f"`run_eagerly=True`. Received: {name}={getattr(part, name)}."
                )


def apply_gradients(optimizer, rule, gradients, weights, moved):
    """Applies the gradients if all are finite; if not, follows the rule.

    The optimizer is called in either case, and what it moved is put back. It cannot be called in a
    branch of `tf.cond`, where `tf.distribute` refuses it. It counts every step, so that the next
    one does not draw the same again.

    The optimizer adds up the gradients of all replicas, but clips and accumulates those of each
    alone. It is therefore given their sum on the first replica, and zeros on the others.

    Args:
        optimizer: The optimizer.
        rule: `"skip"` or `"shrink"`. With an optimizer that accumulates gradients, a step that is
            skipped adds 0 to those of the steps around it.
        gradients: A gradient for each weight, None where the loss does not reach it; of a replica,
            its part.
        weights: The weights.
        moved: Pairs of a weight that the loss itself may have moved, such as an offset, and its
            value before. A step that is not finite puts these values back.

    Returns:
        A bool tensor: whether all gradients were finite.
    """
    pairs = zip(gradients, weights, strict=True)
    pairs = [(tf.convert_to_tensor(g), w) for g, w in pairs if g is not None]  # none is sparse
    if pairs:
        gradients, weights = zip(*pairs, strict=True)
        pairs = list(zip(replicas.total(list(gradients)), weights, strict=True))

    def known(gradient):
        return ops.isfinite(ops.square(gradient) if rule == "shrink" else gradient)

    finite = tf.reduce_all([True, *(ops.all(known(gradient)) for gradient, _ in pairs)])
    _put_back(moved, finite)
    if not pairs:
        warnings.warn("The model does not have any trainable weights.", stacklevel=2)  # as Keras
        step_counter(optimizer).assign_add(1)
    elif rule == "shrink":
        pairs = [(ops.where(known(g), g, 0.1 * ops.cast(w, g.dtype)), w) for g, w in pairs]
        optimizer.apply_gradients([(replicas.of_first_alone(g), w) for g, w in pairs])
    else:
        counters = {id(part._iterations) for part in _parts(optimizer)}
        state = [*weights, *(v for v in optimizer.variables if id(v) not in counters)]
        before = [(v, tf.identity(ops.convert_to_tensor(v))) for v in state]
        taken = finite | _has_accumulated(optimizer)
        found = []  # by the search for a scale of the loss, as in Keras
        if _scales_loss(optimizer):
            scale = optimizer.dynamic_scale
            found = [(scale, tf.identity(0.5 * scale)), (optimizer.step_counter, 0)]
        gradients, weights = zip(*pairs, strict=True)
        gradients = _chosen(finite, gradients, [tf.zeros_like(g) for g in gradients])
        gradients = [replicas.of_first_alone(gradient) for gradient in gradients]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        _put_back(before, taken)
        _put_back(found, finite)
    return finite


def step_counter(optimizer):
    """Returns the variable that counts the steps of training.

    With an optimizer that accumulates gradients, `iterations` counts the updates instead.
    """
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations


def _scales_loss(optimizer):
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _parts(optimizer):
    """Returns an optimizer and those that it consists of."""
    inner = getattr(optimizer, "inner_optimizer", None)
    inner = getattr(optimizer, "optimizers", []) if inner is None else [inner]
    return [optimizer, *(part for each in inner for part in _parts(each))]


def _has_accumulated(optimizer):
    """Returns whether gradients of earlier steps wait to be applied."""
    waiting = [getattr(part, "_accumulated_gradients", []) for part in _parts(optimizer)]
    return tf.reduce_any([False, *(ops.any(g != 0) for part in waiting for g in part)])


def _put_back(pairs, unless):
    """Sets variables to values, unless a bool tensor is True."""
    variables = [variable for variable, _ in pairs]
    now = [tf.convert_to_tensor(variable) for variable in variables]
    values = [tf.cast(value, n.dtype) for n, (_, value) in zip(now, pairs, strict=True)]
    for variable, value in zip(variables, _chosen(unless, now, values), strict=True):
        variable.assign(value)


def _chosen(condition, yes, no):
    """Returns one of two lists of tensors.

    As a branch: `where` would be fused with the optimizer's sums, which XLA then rounds otherwise.
    """
    return tf.cond(condition, lambda: list(yes), lambda: list(no)) if yes else []
