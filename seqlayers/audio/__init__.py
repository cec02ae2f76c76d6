"""Signal processing in NumPy: sound files, frames, features, spectra, segments, normalisation."""

from seqlayers.audio.features import log_energy, log_mel, mel_filterbank, mfcc, with_deltas
from seqlayers.audio.files import AudioError, Sound, read, read_blocks, resample, write
from seqlayers.audio.framing import frame_lengths, num_frames, window_weights
from seqlayers.audio.normalizer import Normalizer, UnitNormalizer, mean_and_deviation, normalize
from seqlayers.audio.phases import SoundStream, griffin_lim
from seqlayers.audio.segments import (
    NoSegments,
    Segments,
    segment_scores,
    segments,
    segments_of_blocks,
    segments_of_file,
)
from seqlayers.audio.spectra import (
    Spectra,
    inverse_stft,
    log_spectral_distortion,
    stft,
    to_amplitude,
    to_frames,
)

__all__ = [
    "AudioError",
    "NoSegments",
    "Normalizer",
    "Segments",
    "Sound",
    "SoundStream",
    "Spectra",
    "UnitNormalizer",
    "frame_lengths",
    "griffin_lim",
    "inverse_stft",
    "log_energy",
    "log_mel",
    "log_spectral_distortion",
    "mean_and_deviation",
    "mel_filterbank",
    "mfcc",
    "normalize",
    "num_frames",
    "read",
    "read_blocks",
    "resample",
    "segment_scores",
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
