"""Pictures. Each function returns a Matplotlib figure; `save` writes one to a file.

Matplotlib comes with `pip install seqlayers[plot]` and is imported when a picture is made.
"""

from seqlayers.plotting.figures import save, save_pages
from seqlayers.plotting.kinds import kind_map
from seqlayers.plotting.memory import memory_spectrogram, state_frequency
from seqlayers.plotting.music import music_measures
from seqlayers.plotting.rolls import piano_rolls
from seqlayers.plotting.scores import confusion_matrix, learning_curve, monitor_curves
from seqlayers.plotting.sound import segments, spectrograms, spectrum_comparison
from seqlayers.plotting.units import hidden_activity, receptive_fields

__all__ = [
    "confusion_matrix",
    "hidden_activity",
    "kind_map",
    "learning_curve",
    "memory_spectrogram",
    "monitor_curves",
    "music_measures",
    "piano_rolls",
    "receptive_fields",
    "save",
    "save_pages",
    "segments",
    "spectrograms",
    "spectrum_comparison",
    "state_frequency",
]
