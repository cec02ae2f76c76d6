"""Data: piano-rolls, MIDI files, sound, spectra, speech, waves; sequences in batches and chunks."""

from seqlayers.datasets import (
    audio,
    chunking,
    midi,
    normalizer,
    piano_roll,
    sound_corpus,
    spectra,
    speech,
    waves,
)
from seqlayers.datasets.batching import batches

__all__ = [
    "audio",
    "batches",
    "chunking",
    "midi",
    "normalizer",
    "piano_roll",
    "sound_corpus",
    "spectra",
    "speech",
    "waves",
]
