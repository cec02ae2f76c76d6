"""A page to look at and to listen to: one HTML file, built from plain data.

`Page` and its parts hold the content, `write` makes the file. `pieces`, `drawn` and `charts` make
parts from sequences, a `SequenceModel` and a history.
"""

from seqlayers.report.gather import NUM_WORST, Music, charts, drawn, excerpts, hidden_units, pieces
from seqlayers.report.page import MAX_BYTES, render, write
from seqlayers.report.parts import Chart, Confusion, Curve, Page, Piece, Score

__all__ = [
    "MAX_BYTES",
    "NUM_WORST",
    "Chart",
    "Confusion",
    "Curve",
    "Music",
    "Page",
    "Piece",
    "Score",
    "charts",
    "drawn",
    "excerpts",
    "hidden_units",
    "pieces",
    "render",
    "write",
]
