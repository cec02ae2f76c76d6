"""Data of models: piano-rolls, MIDI files, recordings, speech, waves; batches, chunks, masks."""

from seqlayers.datasets import (
    chunking,
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
    "masking",
    "midi",
    "piano_roll",
    "recordings",
    "roll_baselines",
    "shards",
    "speech",
    "waves",
]
