"""Heads: Keras layers that are distributions over a frame, given a context."""

from seqlayers.heads.autoregressive import AutoregressiveHead
from seqlayers.heads.bernoulli import BernoulliHead
from seqlayers.heads.conditional_dbn import ConditionalDBN
from seqlayers.heads.conditional_rbm import ConditionalRBM
from seqlayers.heads.head import FrameLogProb, Head
from seqlayers.heads.mixture import MixtureHead
from seqlayers.heads.nade import NADE
from seqlayers.heads.tied_nade import TiedNADE

__all__ = [
    "NADE",
    "AutoregressiveHead",
    "BernoulliHead",
    "ConditionalDBN",
    "ConditionalRBM",
    "FrameLogProb",
    "Head",
    "MixtureHead",
    "TiedNADE",
]
