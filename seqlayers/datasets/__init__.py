"""Data of models: music, recordings and their labels, speech, waves; batches, chunks, masks."""

from seqlayers.datasets import (
    chunking,
    labels,
    masking,
    midi,
    piano_roll,
    recordings,
    roll_baselines,
    shards,
    speech,
    waves,
)
from seqlayers.datasets.batching import batches

__all__ = [
    "batches",
    "chunking",
    "labels",
    "masking",
    "midi",
    "piano_roll",
    "recordings",
    "roll_baselines",
    "shards",
    "speech",
    "waves",
]
