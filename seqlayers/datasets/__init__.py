"""Data of models: piano-rolls, MIDI files, recordings, speech, waves; batches, shards, chunks."""

from seqlayers.datasets import (
    chunking,
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
    "midi",
    "piano_roll",
    "recordings",
    "roll_baselines",
    "shards",
    "speech",
    "waves",
]
