"""Keras models under `tf.distribute`: on several devices, and with workers on many machines.

A model is made and compiled inside `strategy.scope()`. Each batch is split between the replicas;
each computes its share of the gradient, and the sum is that of the whole batch on one device. A
worker is one process; the first worker, the chief, writes the files.
"""

import concurrent.futures

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.trainers.compile_utils import CompileLoss

from seqlayers import replicas
from seqlayers.datasets.batching import with_length
from seqlayers.models.nonfinite import check_branches


class Distributed:
    """Keras's training loop for any strategy: a base class to be named before `keras.Model`.

    Before training Keras takes the mean over replicas of the first batch, to build a model of its
    shape. Replicas may have batches of different shapes, or of bools, which have no mean. With many
    workers it also reduces each metric of a step along an axis that a scalar does not have. The
    methods that are replaced are private; tests/models/test_distributed.py fails if they change.
    """

    @property
    def has_replicas(self):
        """Whether several replicas share each batch."""
        return self.distribute_strategy.num_replicas_in_sync > 1

    def compile_from_config(self, config):
        """Compiles a loaded model as the saved one was, but for what replicas refuse."""
        config = keras.saving.deserialize_keras_object(config)
        if config.get("jit_compile") and self.has_replicas:
            config["jit_compile"] = "auto"  # it may have been compiled without a strategy
        self.compile(**config)

    def save(self, *args, **kwargs):
        """Saves the model as `keras.Model.save`; with many workers, the chief alone writes."""
        chief_alone(self.distribute_strategy, super().save, *args, **kwargs)

    def save_weights(self, *args, **kwargs):
        """Saves the weights as `keras.Model.save_weights`; see `save`."""
        chief_alone(self.distribute_strategy, super().save_weights, *args, **kwargs)

    def export(self, *args, **kwargs):
        """Exports the model as `keras.Model.export`; see `save`."""
        chief_alone(self.distribute_strategy, super().export, *args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None:
            check_same(
                self.distribute_strategy,
                "All workers must have the same number of batches, or datasets of unknown length: "
                "one that ends early would leave the others waiting.",
                batches=iterator.num_batches or 0,
            )
        parts = [*self._flatten_layers(), self._compile_loss, self._compile_metrics, self.optimizer]
        if self._distribute_strategy is None or all(part is None or part.built for part in parts):
            return
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(_of_first_replica, next(batches))
        with self._distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    def _make_function(self, step_function):
        if not has_many_workers(self.distribute_strategy):
            return super()._make_function(step_function)

        def step(data):
            logs = step_function(data)
            return keras.tree.map_structure(lambda value: ops.expand_dims(value, 0), logs)

        return super()._make_function(step)


@keras.saving.register_keras_serializable("seqlayers")
class DistributedModel(Distributed, keras.Model):
    """A `keras.Model` that trains under a strategy as on one device, whatever the batches.

    Keras gives each replica the same weight in the loss. If their shares of a batch differ in
    rows, as those of a short last batch do, or in unmasked steps, that is not the loss of the
    batch. Here each replica counts by what the loss takes the mean over: rows, unmasked steps, or
    sample weights; each of several losses by its own. Losses that layers add by `add_loss`, such as
    those of activity regularizers, are averaged over the replicas, as in Keras.

    Args:
        *args, **kwargs: Those of `keras.Model`: `inputs` and `outputs` of a functional graph, or
            nothing in a subclass with a `call` of its own.

    Example:
        >>> with tf.distribute.MirroredStrategy().scope():
        ...     inputs = keras.Input((None, 40))
        ...     outputs = keras.layers.Dense(10)(SFM(32, num_frequencies=4)(inputs))
        ...     model = DistributedModel(inputs, outputs)
        ...     model.compile("adam", "mse")
    """

    def compile(self, *args, **kwargs):
        """Configures training, as `keras.Model.compile`.

        Raises:
            ValueError: With several replicas, if `jit_compile` is True, if a loss has the reduction
                None, or if the optimizer accumulates gradients or puts averages in place of the
                weights.
        """
        super().compile(*args, **kwargs)
        if not self.has_replicas:
            return
        refuse_jit_compile(self.jit_compile)
        if not self.run_eagerly:
            check_branches(self.optimizer, self.steps_per_execution)
        if self._compile_loss is not None:
            for loss in keras.tree.flatten(self.loss):
                refuse_unreduced(loss)
            given = (self._compile_loss._user_loss, self._compile_loss._user_loss_weights)
            self._compile_loss = _LossesOfReplicas(*given, output_names=self.output_names)
        # Not an attribute that Keras tracks: like the metric it replaces, `metrics` lists it once.
        vars(self)["_loss_tracker"] = _MeanOfShares(name=self._loss_tracker.name)

    def compile_from_config(self, config):
        super().compile_from_config(config)
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def train_step(self, data):
        """Trains on this replica's part of a batch, as `keras.Model.train_step`.

        The optimizer adds up the gradients of all replicas, but clips those of each alone. It is
        therefore given their sum on the first replica, and zeros on the others.
        """
        if replicas.number() == 1:
            return super().train_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True) if self._call_has_training_arg else self(x)
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        rows = ops.shape(keras.tree.flatten(x)[0])[0]
        self._loss_tracker.update_state(loss * replicas.number(), rows)
        weights = self.trainable_weights
        pairs = zip(tape.gradient(scaled, weights), weights, strict=True)
        pairs = [(tf.convert_to_tensor(g), w) for g, w in pairs if g is not None]
        gradients, weights = zip(*pairs, strict=True)
        gradients = [replicas.of_first_alone(g) for g in replicas.total(list(gradients))]
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the share of this replica in the loss of the whole batch."""
        if replicas.number() == 1 or self._compile_loss is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # Replicas share the layers, which hold `losses`, and go on by turns from the next line on.
        losses = [*map(self._aggregate_additional_loss, self.losses)]
        return ops.sum([self._compile_loss(y, y_pred, sample_weight), *losses])


class _LossesOfReplicas(CompileLoss):
    """The losses of a compiled model, of which each replica computes its shares."""

    def build(self, y_true, y_pred):
        super().build(y_true, y_pred)
        shares = [part._replace(loss=_Share(part.loss)) for part in self._flat_losses]
        self._flat_losses = shares
        self._metrics[:] = [_MeanOfShares(name=metric.name) for metric in self._metrics]


class _Share:
    """A loss, whose value on a replica is the replica's share in that of the whole batch."""

    def __init__(self, loss):
        self.loss, self.name = loss, loss.name
        self.counted = _Counted(loss)

    def __call__(self, y_true, y_pred, sample_weight=None):
        value = self.loss(y_true, y_pred, sample_weight)
        if replicas.number() == 1:
            return value
        weighted = self.loss.reduction == "mean_with_sample_weight"
        count = ops.sum(self.counted(y_true, y_pred, sample_weight if weighted else None))
        # A replica without a row has no loss, which may be NaN; all of its steps may be masked.
        value = ops.sum(ops.where(count != 0, value, 0))
        if self.loss.reduction == "sum":
            return value
        return value * ops.divide_no_nan(count, replicas.average(count))


class _Counted(keras.losses.Loss):
    """The divisor of the mean of a loss: the sum of its weights, as a loss whose values are 1."""

    def __init__(self, loss):
        super().__init__(reduction="sum", dtype=loss.dtype)
        self.loss = loss

    def call(self, y_true, y_pred):
        values = self.loss.call(y_true, y_pred)
        if len(values.shape) == 0:
            raise ValueError(
                "A loss must return a value for each row or step under a strategy of "
                "`tf.distribute` with several replicas, which differ in rows: leave out its mean. "
                f"Received: {self.loss.name}, which returns one number."
            )
        ones = ops.ones_like(values)
        mask = get_keras_mask(values)  # of labels that the loss ignores
        if mask is not None:
            set_keras_mask(ones, mask)
        return ones


class _MeanOfShares(keras.metrics.Mean):
    """The mean of the losses of batches, of which each replica has a share."""

    def update_state(self, values, sample_weight=None):
        if replicas.number() > 1:
            values = replicas.average(values)
            if sample_weight is not None:
                sample_weight = replicas.average(ops.cast(sample_weight, values.dtype))
        return super().update_state(values, sample_weight)


def refuse_unreduced(loss):
    """Refuses a loss that several replicas cannot add up.

    Raises:
        ValueError: If its `reduction` is None.
    """
    if getattr(loss, "reduction", "sum") in (None, "none"):
        raise ValueError(
            'The `reduction` of a loss must be "sum_over_batch_size", "sum", "mean" or '
            '"mean_with_sample_weight" under a strategy of `tf.distribute` with several replicas. '
            f"Received: reduction={loss.reduction!r} of the loss {loss.name!r}."
        )


def refuse_jit_compile(jit_compile):
    """Refuses to compile whole steps, as XLA cannot with several replicas.

    Raises:
        ValueError: If `jit_compile` is true.
    """
    if jit_compile:
        raise ValueError(
            '`jit_compile` must be "auto" or False under a strategy of `tf.distribute` with '
            "several replicas: XLA cannot compile a step that adds up over them. Loops of "
            "recurrent layers are compiled all the same. "
            f"Received: jit_compile={jit_compile!r}."
        )


def has_many_workers(strategy):
    """Returns whether a strategy runs in more than one process."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return strategy.extended._in_multi_worker_mode()


def is_chief(strategy):
    """Returns whether this process is the one of a strategy that writes files.

    With many workers that is the one of the job `"chief"` in `TF_CONFIG`; without such a job it is
    worker 0.

    Args:
        strategy: A strategy of `tf.distribute`.
    """
    return not has_many_workers(strategy) or strategy.extended.should_checkpoint


def chief_alone(strategy, write, *args, **kwargs):
    """Calls a function that writes files; with many workers, in the chief only.

    Keras makes variables as it saves, and those made within the scope of a strategy all workers
    have to make together. The function is therefore called in another thread, outside of scopes.
    """
    if not has_many_workers(strategy):
        write(*args, **kwargs)
    elif is_chief(strategy):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(write, *args, **kwargs).result()


def check_same(strategy, wanted, **numbers):
    """Checks that all workers of a strategy have the same numbers; each of them must call it.

    Args:
        strategy: The strategy.
        wanted: Requirement on the workers, a sentence for the message.
        **numbers: Integers of up to 64 bits.

    Raises:
        ValueError: On all workers, if one has another number.
    """
    if not has_many_workers(strategy):
        return
    own = np.array([n % 2**64 for n in numbers.values()], "uint64").view("int64")
    of_all = strategy.run(_gathered, args=(tf.constant(own[None]),))
    of_all = strategy.experimental_local_results(of_all)[0].numpy()
    for name, values in zip(numbers, of_all.T, strict=True):
        if len(set(values)) > 1:
            raise ValueError(f"{wanted} Received: {name}={values.tolist()}, one for each replica.")


@tf.function(autograph=False)
def _gathered(rows):
    return tf.distribute.get_replica_context().all_gather(tf.identity(rows), axis=0)


def shared_out(strategy, batch):
    """Returns a batch, an array or None, as values of the replicas: to each its rows."""
    if batch is None or strategy.num_replicas_in_sync == 1:
        return batch

    def rows(context):
        parts = np.array_split(batch, context.num_replicas_in_sync)
        return tf.constant(parts[context.replica_id_in_sync_group])

    return strategy.experimental_distribute_values_from_function(rows)


def by_rows(dataset):
    """Returns a dataset of which each worker takes its rows of every batch, and not its files.

    A policy that the dataset's options set already is kept.
    """
    policies = tf.data.experimental.AutoShardPolicy
    if dataset.options().experimental_distribute.auto_shard_policy != policies.AUTO:
        return dataset
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policies.DATA
    return with_length(dataset.with_options(options), dataset.cardinality())


def _of_first_replica(value):
    return value.values[0] if isinstance(value, tf.distribute.DistributedValues) else value
