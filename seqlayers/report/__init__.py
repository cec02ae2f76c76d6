"""A page to look at and to listen to: one HTML file, built from plain data.

`Page` and its parts hold the content, `write` makes the file. `pieces`, `drawn` and `charts` make
parts from sequences, a `SequenceModel` and a history. `KindsPage` is a page of kinds of segments,
which `write_kinds` writes.
"""

from seqlayers.report.gather import NUM_WORST, Music, charts, drawn, excerpts, hidden_units, pieces
from seqlayers.report.kinds import KindsPage, render_kinds, write_kinds
from seqlayers.report.page import MAX_BYTES, render, write
from seqlayers.report.parts import Chart, Confusion, Curve, Page, Piece, Score

__all__ = [
    "MAX_BYTES",
    "NUM_WORST",
    "Chart",
    "Confusion",
    "Curve",
    "KindsPage",
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
    "render_kinds",
    "write",
    "write_kinds",
]
