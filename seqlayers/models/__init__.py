"""Models of sequences: Keras models that fit, score, generate, step and export."""

from seqlayers.models.rnn_rbm import RNNRBM
from seqlayers.models.sequence import SequenceModel, State

__all__ = ["RNNRBM", "SequenceModel", "State"]
