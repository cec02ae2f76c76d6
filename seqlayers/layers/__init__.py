"""Keras layers over time."""

from seqlayers.layers.conv_lstm_patch import ConvLSTMPatch, ConvLSTMPatchCell
from seqlayers.layers.delay import Delay, delay
from seqlayers.layers.frame_history import FrameHistory, FrameHistoryCell
from seqlayers.layers.joined import Joined, JoinedCell
from seqlayers.layers.key_shared import KeyShared, KeySharedCell
from seqlayers.layers.lstbm import LSTBM, BoltzmannCell, BoltzmannRNN, LSTBMCell
from seqlayers.layers.peephole_lstm import PeepholeLSTM, PeepholeLSTMCell
from seqlayers.layers.position import Position, PositionCell
from seqlayers.layers.recall import Recall, RecallCell
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
    "FrameHistory",
    "FrameHistoryCell",
    "Joined",
    "JoinedCell",
    "KeyShared",
    "KeySharedCell",
    "LSTBMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "Position",
    "PositionCell",
    "Recall",
    "RecallCell",
    "SFMCell",
    "TanhGated",
    "TanhGatedCell",
    "delay",
]
