"""Heads: Keras layers that are distributions over a frame, given a context."""

from seqlayers.heads.bernoulli import BernoulliHead
from seqlayers.heads.conditional_dbn import ConditionalDBN
from seqlayers.heads.conditional_rbm import ConditionalRBM
from seqlayers.heads.head import FrameLogProb, Head
from seqlayers.heads.nade import NADE

__all__ = ["NADE", "BernoulliHead", "ConditionalDBN", "ConditionalRBM", "FrameLogProb", "Head"]
