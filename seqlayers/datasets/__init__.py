"""Data: piano-rolls that ship with the library, MIDI files, and batches of sequences."""

from seqlayers.datasets import midi, piano_roll
from seqlayers.datasets.batching import batches

__all__ = ["batches", "midi", "piano_roll"]
