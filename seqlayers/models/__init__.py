"""Models of sequences, which fit, score, generate, step and export, and of their labels."""

from seqlayers.backends import check_keras_on_tensorflow

check_keras_on_tensorflow("seqlayers.models")

# ruff: noqa: E402 - what follows needs TensorFlow

from seqlayers.models.contexts import State
from seqlayers.models.distributed import DistributedModel, is_chief
from seqlayers.models.embedding import encode_segments
from seqlayers.models.frame_labeller import FrameLabeller
from seqlayers.models.generation import stream_frames
from seqlayers.models.kinds import Kinds, find_kinds
from seqlayers.models.labelling import Labelled, LabelScore
from seqlayers.models.mixture import Mixture
from seqlayers.models.rnn_dbn import RNNDBN
from seqlayers.models.rnn_nade import RNNNADE
from seqlayers.models.rnn_rbm import RNNRBM
from seqlayers.models.sequence import SequenceModel
from seqlayers.models.temporal_rbm import RTRBM, TRBM, LSTBMModel

__all__ = [
    "RNNDBN",
    "RNNNADE",
    "RNNRBM",
    "RTRBM",
    "TRBM",
    "DistributedModel",
    "FrameLabeller",
    "Kinds",
    "LSTBMModel",
    "LabelScore",
    "Labelled",
    "Mixture",
    "SequenceModel",
    "State",
    "encode_segments",
    "find_kinds",
    "is_chief",
    "stream_frames",
]
