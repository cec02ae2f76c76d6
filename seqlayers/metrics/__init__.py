"""Measures of models: likelihoods, labels, and what is generated."""

from seqlayers.metrics.generated import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    hidden_activity,
    log_spectral_distance,
    long_term_spectrum,
    modulation_spectrum,
    pieces,
    precision_recall,
)
from seqlayers.metrics.labels import (
    FrameAccuracy,
    adjusted_mutual_information,
    collapse_repeats,
    phone_error_rate,
    v_measure,
)
from seqlayers.metrics.likelihood import (
    Likelihood,
    bootstrap_error,
    softmax_ceiling,
    softmax_score,
)
from seqlayers.metrics.music import MusicMeasures, music_measures
from seqlayers.metrics.segments import Score, SegmentScores, most_alike, segment_scores
from seqlayers.metrics.sound import si_sdr

__all__ = [
    "DensityCoverage",
    "FrameAccuracy",
    "Likelihood",
    "MusicMeasures",
    "PrecisionRecall",
    "Score",
    "SegmentScores",
    "adjusted_mutual_information",
    "bootstrap_error",
    "collapse_repeats",
    "density_coverage",
    "hidden_activity",
    "log_spectral_distance",
    "long_term_spectrum",
    "modulation_spectrum",
    "most_alike",
    "music_measures",
    "phone_error_rate",
    "pieces",
    "precision_recall",
    "segment_scores",
    "si_sdr",
    "softmax_ceiling",
    "softmax_score",
    "v_measure",
]
