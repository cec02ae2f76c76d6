"""Data: piano-rolls, MIDI files, sound, waves, and batches of sequences."""

from seqlayers.datasets import audio, midi, piano_roll, waves
from seqlayers.datasets.batching import batches

__all__ = ["audio", "batches", "midi", "piano_roll", "waves"]
