"""Data: piano-rolls that ship with the library, MIDI files, waves, and batches of sequences."""

from seqlayers.datasets import midi, piano_roll, waves
from seqlayers.datasets.batching import batches

__all__ = ["batches", "midi", "piano_roll", "waves"]
