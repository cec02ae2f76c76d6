"""Data that models are fed: piano-rolls, MIDI files, recordings, speech, waves; batches, chunks."""

from seqlayers.datasets import chunking, midi, piano_roll, recordings, speech, waves
from seqlayers.datasets.batching import batches

__all__ = ["batches", "chunking", "midi", "piano_roll", "recordings", "speech", "waves"]
