"""Training the parts of a model before the whole.

    pretrain_head     the head, without context, on shuffled frames
    pretrain_memory   the memory, predicting each frame by cross-entropy
    pretrain_layers   a deep head, one layer more at each depth, together with the memory

References: N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal Dependencies in
High-Dimensional Sequences, ICML 2012 (head and memory); K. Goel, R. Vohra and J. K. Sahoo,
Polyphonic Music Generation by Modeling Temporal Dependencies Using a RNN-DBN, ICANN 2014 (layers).
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from seqlayers import replicas
from seqlayers.checks import check_integer
from seqlayers.heads import BernoulliHead
from seqlayers.models.inputs import checked_sequences
from seqlayers.models.nonfinite import step_counter
from seqlayers.sampling import Use, fold_in, seed_pair


def _in_scope_of_model(function):
    """Returns a function of a model that makes other models, under the model's strategy."""

    @functools.wraps(function)
    def within(model, *args, **kwargs):
        with model.distribute_strategy.scope():
            return function(model, *args, **kwargs)

    return within


def epoch_function(model):
    """Returns a compiled epoch over single frames, see `SequenceModel.epoch_function`."""

    strategy = model.distribute_strategy

    def train_step(frames, order):
        model.train_step(tf.gather(frames, replicas.share(order))[:, None])

    def train_epoch(frames, order):
        def body(step):
            strategy.run(train_step, args=(frames, order[step]))
            return (step + 1,)

        model.reset_metrics()
        tf.while_loop(lambda step: step < tf.shape(order)[0], body, (0,))
        return model.get_metrics_result()["loss"]

    return tf.function(train_epoch, jit_compile=model.jit_compile, autograph=False)


@_in_scope_of_model
def pretrain_head(model, x, epochs, batch_size, optimizer, verbose, first_epoch):
    """Trains the head on shuffled frames, see `SequenceModel.pretrain_head`."""
    frames = np.concatenate(checked_sequences(model.head, x)).astype(model.head.variable_dtype)
    epochs = check_integer("epochs", epochs)
    first_epoch = check_integer("first_epoch", first_epoch, least=0)
    batch_size = min(check_integer("batch_size", batch_size), len(frames))
    steps = len(frames) // batch_size

    def train(head, frames):
        alone, frames, losses = model.of_parts(None, head), tf.constant(frames), []
        alone.compile(new_optimizer(optimizer), jit_compile=_jit_compile(model))
        train_epoch = alone.epoch_function()
        step_counter(alone.optimizer).assign(first_epoch * steps)
        bar = keras.utils.Progbar(
            epochs, verbose=int(bool(verbose)), stateful_metrics=["loss"], unit_name="epoch"
        )
        for epoch in range(epochs):
            rng = np.random.default_rng((head.seed, first_epoch + epoch))
            order = rng.permutation(len(frames))[: steps * batch_size]
            order = order.reshape(steps, batch_size).astype("int32")
            losses.append(float(train_epoch(frames, order)))
            bar.update(epoch + 1, [("loss", losses[-1])])
        return losses

    seed = fold_in(seed_pair(model.head.seed), Use.PRETRAINING)
    seed = int(np.asarray(seed).view("uint64")[0])  # else `fit` would draw the same again
    if model.head.trains_in_layers:
        return model.head.pretrain_layers(frames, train, seed, restart=first_epoch == 0)
    head = model.head.without_context(seed=seed)
    _copy_weights(model.head, head)
    losses = train(head, frames)
    _copy_weights(head, model.head)
    return losses


@_in_scope_of_model
def pretrain_memory(model, x, epochs, optimizer, **kwargs):
    """Trains the memory to predict frames, see `SequenceModel.pretrain_memory`."""
    if model.memory is None:
        raise ValueError("This model has no memory to train. Received: memory=None.")
    if model.head.visibles != "bernoulli":
        raise ValueError(
            "`pretrain_memory` predicts by cross-entropy, which is for Bernoulli visibles. "
            f"Received: visibles={model.head.visibles!r}."
        )
    head = BernoulliHead(model.head.visible_units, seed=model.head.seed)
    predictor = model.of_parts(model.memory, head, transpose=model.transposition)
    predictor.compile(optimizer, jit_compile=_jit_compile(model))
    _copy_first_context(model, predictor)
    losses = predictor.fit(x, epochs=check_integer("epochs", epochs), **kwargs).history["loss"]
    _copy_first_context(predictor, model)
    _copy_weights(predictor.head, model.head, only="context")
    return losses


@_in_scope_of_model
def pretrain_layers(model, dataset, epochs, optimizer_for, after_memory=False, **kwargs):
    """Trains a deep head one layer after the other, each time together with the memory.

    At each depth but the last, a model of the memory and the lowest layers is trained. Its head,
    with a layer on top that changes no likelihood, is where the next depth starts. The last depth
    is the model itself, which `fit` trains afterwards.

    Args:
        model: A compiled `SequenceModel` with a memory and a head of several layers, such as an
            `RNNDBN`.
        dataset: A `tf.data.Dataset` of batches, as in `SequenceModel.fit`, of known length.
        epochs: Number of epochs at each depth.
        optimizer_for: Function that returns a new optimizer, given the number of training steps
            at one depth.
        after_memory: Whether `pretrain_memory` came before. The first depth then keeps the
            weights from the context to the visible units that it has learned.
        **kwargs: The rest of `SequenceModel.fit`: `callbacks`, `verbose`, ...

    Returns:
        A list of the loss of each epoch, those of the lowest depth first.

    Raises:
        ValueError: If the model has no memory or its head is not trained in layers.
    """
    if model.memory is None or not model.head.trains_in_layers:
        raise ValueError(
            "`model` must have a memory and a head of several layers, such as `ConditionalDBN`. "
            f"Received: memory={model.memory!r}, head={model.head!r}."
        )
    steps = check_integer("epochs", epochs) * int(dataset.cardinality())
    config, units = model.head.get_config(), model.head.hidden_units
    below, losses = None, []
    for depth in range(1, len(units)):
        head = type(model.head).from_config(config | {"hidden_units": units[:depth]})
        given = model.context_dropout, model.transposition
        stage = model.of_parts(model.memory, head, *given)
        if below is not None:
            head.stack_on(below)
        elif after_memory:
            _copy_weights(model.head, head, only="context_visible")
        _copy_first_context(model, stage)
        stage.compile(
            optimizer_for(steps), jit_compile=_jit_compile(model), nonfinite=model.nonfinite
        )
        losses += stage.fit(dataset, epochs=epochs, **kwargs).history["loss"]
        _copy_first_context(stage, model)
        below = head
    if below is not None:
        model.head.stack_on(below)
    return losses


@_in_scope_of_model
def deeper(model, units):
    """Returns a copy of an `RNNDBN` with one hidden layer more, see `RNNDBN.deeper`."""
    config = model.get_config()
    hidden_units = [*config["hidden_units"], units]
    copy = type(model).from_config(config | {"hidden_units": hidden_units})
    copy.memory.set_weights(model.memory.get_weights())
    _copy_first_context(model, copy)
    copy.head.stack_on(model.head)
    return copy


def new_optimizer(optimizer):
    """Returns an optimizer like a given one, by itself or by name, that has trained nothing."""
    config = keras.optimizers.serialize(keras.optimizers.get(optimizer))
    return keras.optimizers.deserialize(config)


def _jit_compile(model):
    """Returns the argument of `compile` for a part of a model."""
    return "auto" if model.uses_xla else False


def _copy_first_context(source, target):
    """Copies u_0 between models of the same memory, if it is learned."""
    if source.initial_context is not None:
        target.initial_context.assign(source.initial_context)


def _copy_weights(source, target, only=""):
    """Copies the weights that both heads have under the same name."""
    targets = {w.name: w for w in target.weights if w.name.startswith(only)}
    for weight in source.weights:
        if weight.name in targets and weight.name != "calls":
            targets[weight.name].assign(weight)
