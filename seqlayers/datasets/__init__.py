"""Data: piano-rolls, MIDI files, sound, speech, waves; sequences in batches and in chunks."""

from seqlayers.datasets import audio, chunking, midi, piano_roll, speech, waves
from seqlayers.datasets.batching import batches

__all__ = ["audio", "batches", "chunking", "midi", "piano_roll", "speech", "waves"]
