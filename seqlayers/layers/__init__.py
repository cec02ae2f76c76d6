"""Keras layers over time."""

from seqlayers.layers.conv_lstm_patch import ConvLSTMPatch, ConvLSTMPatchCell
from seqlayers.layers.delay import Delay, delay
from seqlayers.layers.peephole_lstm import PeepholeLSTM, PeepholeLSTMCell
from seqlayers.layers.sfm import SFM, AdaptiveSFM, AdaptiveSFMCell, SFMCell

__all__ = [
    "SFM",
    "AdaptiveSFM",
    "AdaptiveSFMCell",
    "ConvLSTMPatch",
    "ConvLSTMPatchCell",
    "Delay",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "SFMCell",
    "delay",
]
