"""The base of the models named after their head: a recurrent layer before that head."""

import copy

import keras

from seqlayers.checks import check_integer
from seqlayers.models.sequence import SequenceModel

_OF_MODEL = ("name", "dtype", "context_dropout", "transpose")


class RecurrentModel(SequenceModel):
    """A `SequenceModel` whose arguments are those of its head, in place of the head itself.

    A subclass makes the head, and lists in `head_arguments` which of its own arguments go there.

    Args:
        head: A `seqlayers.heads.Head`.
        recurrent_units: Number of recurrent units.
        cell: Any Keras cell, or a list of cells to stack, in place of the tanh cell with
            `recurrent_units`.
        **kwargs: `context_dropout`, `transpose`, `name` and `dtype`, as in `SequenceModel`.
    """

    head_arguments: tuple[str, ...] = ()

    def __init__(self, head, recurrent_units, cell, **kwargs):
        recurrent_units = check_integer("recurrent_units", recurrent_units)
        if cell is None:
            cell = keras.layers.SimpleRNNCell(recurrent_units, dtype=kwargs.get("dtype"))
        super().__init__(cell, head, **kwargs)
        self.recurrent_units = recurrent_units

    def get_config(self):
        config, head = super().get_config(), self.head.get_config()
        return {name: config[name] for name in _OF_MODEL} | {
            "recurrent_units": self.recurrent_units,
            "cell": keras.saving.serialize_keras_object(self.memory.cell),
            **{name: head[name] for name in self.head_arguments},
        }

    @classmethod
    def from_config(cls, config):
        config = copy.deepcopy(config)  # Keras takes parts out of it
        for part in ("cell", "dtype"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
