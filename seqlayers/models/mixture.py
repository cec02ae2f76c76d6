"""Several trained models of sequences as one.

    p(v_t,i | v_t,<i, v_<t) = 1/K sum_k p_k(v_t,i | v_t,<i, v_<t)

The mean is that of `seqlayers.heads.MixtureHead`: of the probabilities of each unit, given the
units before it in its frame and the frames before.
"""

import copy

import keras

from seqlayers.heads import MixtureHead
from seqlayers.layers.joined import Joined
from seqlayers.models.contexts import ContextModel
from seqlayers.models.sequence import SequenceModel


@keras.saving.register_keras_serializable("seqlayers")
class Mixture(SequenceModel):
    """The mean of several trained models of the same frames: exact likelihoods and draws.

    Models that were trained from other seeds, or that differ in kind, err in other places, so that
    their mean is often better than the best of them. Its memories run side by side. The weights of
    memories and heads are those of the models, not copies: to train one trains the other. It has no
    `context_dropout`, which acts in training alone: `fit` of a mixture drops no contexts, whatever
    its models were trained with.

    Args:
        models: List of `SequenceModel`s with autoregressive heads, such as `TiedNADE` or `NADE`,
            over frames of the same size.
        **kwargs: `name`, as in `keras.Model`.

    Raises:
        ValueError: If there is no model, one is no `SequenceModel`, gives its memory something else
            than the frames, has `transpose`, a head that is not autoregressive, another size, or a
            memory of another type; or if `initial_context` of some is trainable and of others not.

    Example:
        >>> models = [SequenceModel(FrameHistory(), TiedNADE(88, seed=k)) for k in range(3)]
        >>> for model in models:
        ...     model.compile("adam")
        ...     model.fit(rolls.train)
        >>> print(Mixture(models).score(rolls.test))
    """

    def __init__(self, models, **kwargs):
        if not isinstance(models, list | tuple) or not models:
            raise ValueError(
                f"`models` must be a list of at least one model. Received: models={models!r}."
            )
        for k, model in enumerate(models):
            _check_model(f"models[{k}]", model, models[0])
        contexts = _initial_contexts(models)
        configs = [_serialized(model) for model in models]
        memories = _memories(models)
        heads, first = [model.head for model in models], models[0].head
        memory = Joined(memories, dtype=memories[0].dtype_policy) if memories else None
        head = MixtureHead(first.visible_units, heads, seed=first.seed, dtype=first.dtype_policy)
        super().__init__(memory, head, **kwargs)
        self.__dict__["_configs"] = configs  # Keras would wrap and track lists and dicts
        if contexts:
            self.initial_context.assign(keras.ops.concatenate([c.numpy() for c in contexts]))
            self.initial_context.trainable = contexts[0].trainable

    def get_config(self):
        return {"models": copy.deepcopy(self.__dict__["_configs"]), "name": self.name}

    @classmethod
    def from_config(cls, config):
        configs = copy.deepcopy(config["models"])  # Keras takes parts out of them
        models = [keras.saving.deserialize_keras_object(model) for model in configs]
        return cls(**config | {"models": models})


def _check_model(name, model, first):
    if not isinstance(model, SequenceModel):
        raise ValueError(f"`{name}` must be a `SequenceModel`. Received: {model!r}.")
    if type(model).memory_input is not ContextModel.memory_input:
        raise ValueError(
            f"`{name}` must have a memory that reads the frames themselves. Received: {model!r}."
        )
    if model.transposition is not None:
        raise ValueError(
            f"`{name}` must have been made without `transpose`: a head that reads the shift "
            f"cannot share a context. Received: {model!r}, with {model.transposition}."
        )
    if model.head.visible_units != first.head.visible_units:
        raise ValueError(
            f"`{name}` must be of the size of the first model, {first.head.visible_units} visible "
            f"units. Received: a model of {model.head.visible_units}."
        )


def _memories(models):
    """Returns the memories of the models that have one.

    Raises:
        ValueError: If one computes in another type than the first, as all do side by side.
    """
    memories = [model.memory for model in models if model.memory is not None]
    for k, model in enumerate(models):
        if model.memory is not None and _types(model.memory) != _types(memories[0]):
            raise ValueError(
                f"`models[{k}]` must have a memory of the type of the first memory, "
                f"{memories[0].dtype_policy.name}. Received: {model.memory.dtype_policy.name}."
            )
    return memories


def _types(layer):
    return layer.compute_dtype, layer.variable_dtype


def _initial_contexts(models):
    """Returns the first contexts that are weights of the models.

    Raises:
        ValueError: If some are trainable and others are not: in the mixture they are one weight.
    """
    contexts = {}
    for k, model in enumerate(models):
        if model.initial_context is not None:
            contexts[k] = model.initial_context
    fixed = [k for k, context in contexts.items() if not context.trainable]
    if 0 < len(fixed) < len(contexts):
        raise ValueError(
            "`initial_context` must be trainable in all of `models` or in none: in a mixture it is "
            f"one weight. Received: not trainable in {', '.join(f'models[{k}]' for k in fixed)}."
        )
    return list(contexts.values())


def _serialized(model):
    """Returns the config of a model, without how it was compiled."""
    config = keras.saving.serialize_keras_object(model)
    return {name: value for name, value in config.items() if name != "compile_config"}
