"""Keras layers over time."""

from seqlayers.layers.conv_lstm_patch import ConvLSTMPatch, ConvLSTMPatchCell
from seqlayers.layers.delay import Delay, delay
from seqlayers.layers.lstbm import LSTBM, BoltzmannCell, BoltzmannRNN, LSTBMCell
from seqlayers.layers.peephole_lstm import PeepholeLSTM, PeepholeLSTMCell
from seqlayers.layers.sfm import SFM, AdaptiveSFM, AdaptiveSFMCell, SFMCell
from seqlayers.layers.tanh_gated import TanhGated, TanhGatedCell

__all__ = [
    "LSTBM",
    "SFM",
    "AdaptiveSFM",
    "AdaptiveSFMCell",
    "BoltzmannCell",
    "BoltzmannRNN",
    "ConvLSTMPatch",
    "ConvLSTMPatchCell",
    "Delay",
    "LSTBMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "SFMCell",
    "TanhGated",
    "TanhGatedCell",
    "delay",
]
