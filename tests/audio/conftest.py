"""Fixtures of the tests of sound."""

import pytest

from seqlayers.audio import Spectra


@pytest.fixture(
    params=[
        Spectra(),
        Spectra(frame_length=400, hop_length=160),
        Spectra(frame_length=33, hop_length=10, window="hamming"),
        Spectra(frame_length=16, hop_length=16, window="rectangular"),
    ],
    ids=lambda s: f"{s.frame_length} {s.hop_length} {s.window}",
)
def settings(request):
    """Spectra of many kinds: of hops that divide the frame or do not, and without overlap."""
    return request.param
