"""Recordings on a page: which part is shown, how it is played, and that it fits. No TensorFlow."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqlayers import audio, report
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH
from seqlayers.runs import sound
from seqlayers.runs.data import Place
from seqlayers.runs.recordings import Recordings

BINS = FRAME_LENGTH // 2 + 1
SECONDS = 30


class Loud:
    """A model with many hidden units, which draws noise."""

    head, memory = SimpleNamespace(has_code=True), None

    def encode(self, frames, mask):
        return np.random.default_rng(0).random((*frames.shape[:2], 100))

    def compiled_function(self, name, function, **_):
        return function

    def generate(self, num_steps, num_sequences, **_):
        return np.random.default_rng(0).normal(size=(num_sequences, num_steps, BINS))


def recordings(folder, rate, segments, num_drawn=8, others=()):
    """`Recordings` of two files of noise, with the same segments in each."""
    rng, places = np.random.default_rng(0), []
    settings = audio.Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=rate)
    normalizer = audio.Normalizer.fit([rng.random((9, BINS))], "standard")
    for name in ("a.wav", "b.wav"):
        audio.write(folder / name, rng.uniform(-0.5, 0.5, SECONDS * rate), rate)
        places += [Place(str(folder / name), *segment, SECONDS) for segment in segments]
    frames = [
        np.zeros((settings.num_frames(round((p.end - p.start) * rate)), BINS)) for p in places
    ]
    options = {"wav": str(folder), "channel": None}
    how = sound.SoundFrames(settings, "log_amplitude", normalizer)
    return Recordings(options, how, places, frames, num_drawn, others)


@pytest.mark.parametrize("rate, played", [(4000, 8000), (44_100, 44_100), (192_000, 96_000)])
def test_the_fullest_page_fits_and_every_browser_plays_it(rate, played, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sound, "to_sound", lambda frames, how, n: np.random.default_rng(0).uniform(-1, 1, n)
    )
    segments = [(at, at + 0.499) for at in np.arange(1.0, 29.0, 0.5)]
    shown = recordings(tmp_path, rate, segments)
    nats = [-np.ones(len(frames)) for frames in shown.sequences]
    pieces, worst = shown.real(Loud(), nats)
    pieces += shown.drawn(Loud(), 8, 1.0, 0)
    rendered = report.render(report.Page("full", pieces=pieces, worst=worst))
    assert len(rendered) < report.MAX_BYTES - 200_000  # which curves and options may need
    assert len(pieces) == 10 and len(worst) == report.NUM_WORST
    assert {piece.sound[1] for piece in pieces} == {played}
    for piece in pieces:
        length = len(piece.sound[0]) / played
        assert len(piece.frames) * piece.seconds == pytest.approx(length, abs=3 * piece.seconds)


def test_a_window_that_is_shorter_than_the_space_around_segments_has_log_probabilities(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("seqlayers.runs.recordings._SAMPLES", 4000)  # as at a very high rate
    shown = recordings(tmp_path, 8000, [(2.0, 2.5)])
    pieces, worst = shown.real(Loud(), [-np.ones(len(frames)) for frames in shown.sequences])
    for piece in pieces:
        assert len(piece.sound[0]) < 0.25 * 8000
        assert 0 < np.isfinite(piece.nats).sum() < len(piece.nats)
    assert len(worst) > 0


def test_a_segment_is_where_its_sound_is_and_a_long_one_is_cut(tmp_path):
    shown = recordings(tmp_path, 16_000, [(2.0, 2.5), (20.0, 29.0)], num_drawn=1)
    piece = shown.real(None, None)[0][0]
    assert piece.segments == [pytest.approx((0.25, 0.75))] and piece.nats is None
    assert piece.note == "From 1.75 to 13.75 s of 30.00 s." and piece.title == "a.wav"
    whole = audio.read(tmp_path / "a.wav").samples
    np.testing.assert_array_equal(piece.sound[0], whole[28_000:220_000])

    others = [Place(str(tmp_path / "a.wav"), at, at + 0.1, SECONDS) for at in (1.0, 9.0, 16.9)]
    shown = recordings(tmp_path, 16_000, [(20.0, 20.5), (21.0, 21.5)], 1, others)
    piece = shown.real(None, None)[0][0]  # from 9.75 s on: what is judged is at the end
    times = [(7.15, 7.25), (10.25, 10.75), (11.25, 11.75)]
    assert [pytest.approx(pair) for pair in times] == piece.segments
    assert "Segments without log-probabilities are those of other splits." in piece.note

    shown = recordings(tmp_path, 16_000, [(2.0, 29.0)], num_drawn=1)
    pieces, _ = shown.real(Loud(), [np.zeros(len(frames)) for frames in shown.sequences])
    assert pieces[0].segments == [pytest.approx((0.25, 12.0))]
    assert np.isnan(pieces[0].nats[:31]).all() and np.isfinite(pieces[0].nats[32:]).all()
