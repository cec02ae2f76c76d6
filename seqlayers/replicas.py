"""The replicas of a model under `tf.distribute`: what each must know of the others in a step.

A strategy cuts the batch of a step in parts, one for each replica, and the optimizer adds up their
gradients. The parts need not be equal, and one may be empty. Results are those of one device on the
whole batch if

    draws    are those of the row in the whole batch            `first_row`
    a mean   is this replica's sum, over this replica's share of the count of all: the mean of it
             over the replicas, as Keras takes it of losses, is that over the batch    `average`
    state    that a step assigns is the same on all replicas    `total`, `first_of_all`

Without a strategy, outside of `strategy.run` and on other backends than TensorFlow there is one
replica, and these functions return what they are given. All replicas call them in the same order,
and not within a loop or a branch of a graph, where TensorFlow refuses to add up.
"""

import concurrent.futures
import contextlib
import functools

import keras
from keras import ops
from keras.src.backend.common import global_state


def number():
    """Returns the number of replicas that share the batch of this step, an int; 1 if none do."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def in_step():
    """Returns whether the code runs within `tf.distribute.Strategy.run`, with or without replicas.

    `fit`, `evaluate` and `predict` of Keras run their steps so, and nothing that is exported is.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.get_replica_context() not in (None, _outside_of_steps())


@functools.cache
def _outside_of_steps():
    """Returns the context that each thread of TensorFlow begins in."""
    import tensorflow as tf

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(tf.distribute.get_replica_context).result()


def total(values):
    """Returns tensors, in any structure, summed over the replicas."""
    context = _context()
    if context is None:
        return values
    try:
        with _nothing_in_flight():
            return context.all_reduce("SUM", values)
    except RuntimeError as error:
        if "merge_call" not in str(error):
            raise
        raise RuntimeError(
            "Replicas cannot add up within a loop or a branch: use a layer of `seqlayers.layers` "
            "in place of `keras.layers.RNN` over its cell, and call a head outside of loops. "
            f"Received: {error}"
        ) from error


def average(value):
    """Returns the mean of a tensor over the replicas."""
    return value if _context() is None else total(value) / number()


def first_of_all(rows):
    """Returns the first row of the whole batch, of a tensor that has the rows of this replica."""
    if _context() is None:
        return rows[0]
    row = ops.sum(rows[:1], axis=0)  # 0 on a replica without rows
    return total(ops.where(first_row(ops.shape(rows)[0]) == 0, row, ops.zeros_like(row)))


def of_first_alone(value):
    """Returns a tensor as it is on the first replica, and zeros on the others."""
    context = _context()
    if context is None:
        return value
    return ops.where(context.replica_id_in_sync_group == 0, value, ops.zeros_like(value))


def first_row(num_rows):
    """Returns the number of the first row of this replica in the whole batch.

    Args:
        num_rows: Number of rows of this replica, an int or a scalar tensor.
    """
    return 0 if _context() is None else rows_around(num_rows)[0]


def rows_around(num_rows):
    """Returns how many rows of the whole batch are before those of this replica, and after them."""
    context = _context()
    if context is None:
        return 0, 0
    here, numbers = context.replica_id_in_sync_group, ops.arange(number())
    # In floats, which all devices can add up.
    sizes = total(ops.where(numbers == here, ops.cast(num_rows, "float32"), 0.0))
    before = ops.sum(ops.where(numbers < here, sizes, 0.0))
    after = ops.sum(ops.where(numbers > here, sizes, 0.0))
    return ops.cast(before, "int32"), ops.cast(after, "int32")


def share(rows):
    """Returns the rows of this replica, of a whole batch that all replicas are given."""
    context = _context()
    if context is None:
        return rows
    here, size = context.replica_id_in_sync_group, ops.shape(rows)[0]
    return rows[here * size // number() : (here + 1) * size // number()]


def apart(seed, fold):
    """Returns a seed of this replica's own, for draws that cannot be those of its rows.

    Args:
        seed: int32, `(2,)`.
        fold: Function that makes a seed of a seed and a number; the first replica keeps `seed`.
    """
    context = _context()
    if context is None:
        return seed
    here = context.replica_id_in_sync_group
    return ops.where(here == 0, seed, fold(seed, here))


@contextlib.contextmanager
def _nothing_in_flight():
    """Removes the losses and masks that Keras keeps in layers during a call; then restores them.

    The replicas of a machine share the layers. Each runs in a thread. Where one waits for a sum,
    another goes on.
    """
    call = global_state.get_global_attribute("current_call_ctx")
    layers = [] if call is None else call.entry_layer._flatten_layers()
    kept = []
    for layer in layers:
        masks = {name: getattr(layer, name) for name in _MASKS if hasattr(layer, name)}
        kept.append((layer, list(layer._losses), masks))
        layer._losses.clear()
        for name in masks:
            setattr(layer, name, None)
    try:
        yield
    finally:
        for layer, losses, masks in kept:
            layer._losses[:] = losses
            for name, mask in masks.items():
                setattr(layer, name, mask)


_MASKS = "_dropout_mask", "_recurrent_dropout_mask"  # of Keras's cells


def _context():
    """Returns TensorFlow's context of this replica if there are others, else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context
