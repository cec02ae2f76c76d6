"""Data: piano-rolls, MIDI files, sound, segments, spectra, speech, waves; in batches and chunks."""

from seqlayers.datasets import (
    audio,
    chunking,
    midi,
    normalizer,
    piano_roll,
    segments,
    sound_corpus,
    spectra,
    speech,
    streaming_sound,
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
    "segments",
    "sound_corpus",
    "spectra",
    "speech",
    "streaming_sound",
    "waves",
]
