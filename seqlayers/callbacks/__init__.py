"""Keras callbacks: monitors of a model in training, a progress line, a page, and a backup.

A monitor looks every `every` epochs, after the epoch, and adds numbers to `logs`: they reach
`History`, the progress line, and callbacks that come after it in the list given to `fit`. Monitors
need a `SequenceModel`, most of them one with an RBM head.

    model.fit(x, callbacks=[
        callbacks.FreeEnergyGap(x[:100], x_valid),
        callbacks.HiddenActivity(x_valid),
        callbacks.GeneratedSpectra(x_valid, every=10, to_amplitudes=restore),
        callbacks.Progress(),
    ], verbose=0)
"""

from seqlayers.callbacks.backup import BackupAndRestore
from seqlayers.callbacks.monitors import (
    FreeEnergyGap,
    GeneratedSpectra,
    HiddenActivity,
    LikelihoodBracket,
    Monitor,
    mean_free_energy,
)
from seqlayers.callbacks.pages import PageFile, Report
from seqlayers.callbacks.progress import Progress

__all__ = [
    "BackupAndRestore",
    "FreeEnergyGap",
    "GeneratedSpectra",
    "HiddenActivity",
    "LikelihoodBracket",
    "Monitor",
    "PageFile",
    "Progress",
    "Report",
    "mean_free_energy",
]
