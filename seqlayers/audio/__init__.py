"""Signal processing in NumPy: sound files, frames, features, spectra, segments, normalisation."""

from seqlayers.audio.damage import AudioError
from seqlayers.audio.features import log_energy, log_mel, mel_filterbank, mfcc, with_deltas
from seqlayers.audio.files import (
    Sound,
    duration_of,
    find,
    read,
    read_blocks,
    resample,
    sample_rate_of,
    write,
)
from seqlayers.audio.framing import frame_lengths, num_frames, window_weights
from seqlayers.audio.normalizer import Normalizer, normalize
from seqlayers.audio.phases import SoundStream, griffin_lim
from seqlayers.audio.segment_rules import SegmentRules
from seqlayers.audio.segments import (
    NoSegments,
    Segments,
    envelope,
    segments,
    segments_of_blocks,
    segments_of_file,
)
from seqlayers.audio.spectra import Spectra, inverse_stft, stft, to_amplitude, to_frames

__all__ = [
    "AudioError",
    "NoSegments",
    "Normalizer",
    "SegmentRules",
    "Segments",
    "Sound",
    "SoundStream",
    "Spectra",
    "envelope",
    "find",
    "frame_lengths",
    "griffin_lim",
    "inverse_stft",
    "log_energy",
    "log_mel",
    "mel_filterbank",
    "mfcc",
    "normalize",
    "num_frames",
    "read",
    "read_blocks",
    "resample",
    "duration_of",
    "sample_rate_of",
    "segments",
    "segments_of_blocks",
    "segments_of_file",
    "stft",
    "to_amplitude",
    "to_frames",
    "window_weights",
    "with_deltas",
    "write",
]
