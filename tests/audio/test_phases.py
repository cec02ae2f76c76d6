"""Amplitudes become sound while they come."""

import numpy as np
import pytest
from reference import phases as reference

from seqlayers import audio
from seqlayers.audio import SoundStream, Spectra, griffin_lim, stft


def streamed(amplitude, *args, **options):
    stream = SoundStream(*args, **options)
    return np.concatenate([*map(stream.push, amplitude), stream.finish()])


def convergence(amplitude, samples, settings):
    found = np.abs(stft(samples, settings))
    return np.linalg.norm(found - amplitude[: len(found)]) / np.linalg.norm(amplitude)


@pytest.mark.parametrize("momentum", [0, 0.5])
@pytest.mark.parametrize("look_ahead", [0, 2])
@pytest.mark.parametrize("L, H", [(8, 2), (9, 4)])
def test_the_sound_matches_the_reference(rng, L, H, look_ahead, momentum):
    settings = Spectra(frame_length=L, hop_length=H, window="hamming")
    A = np.abs(stft(rng.normal(size=30), settings))
    w = audio.window_weights("hamming", L).astype("float64")
    expected = reference.sound(A.astype("float64"), w, H, look_ahead, 3, momentum)
    actual = streamed(A, settings, look_ahead, 3, momentum)
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("hop", [64, 128])
def test_it_is_as_near_to_the_amplitudes_as_that_of_griffin_and_lim(sentence, hop):
    settings = Spectra(hop_length=hop)
    A = np.abs(stft(sentence, settings))
    offline = convergence(A, griffin_lim(A, settings=settings), settings)
    now = convergence(A, streamed(A, settings), settings)
    assert now < offline < 0.07
    in_a_hurry = convergence(A, streamed(A, settings, look_ahead=0), settings)
    assert 1.5 * now < in_a_hurry < 0.15


def test_there_are_as_many_samples_as_offline(rng, settings):
    for N in (1, settings.frame_length + 1, 1001):
        A = np.abs(stft(rng.normal(size=N), settings))
        assert len(streamed(A, settings)) == len(
            griffin_lim(A, num_iterations=0, settings=settings)
        )


def test_each_frame_brings_out_a_hop_of_samples_once_the_latency_is_over(rng):
    stream = SoundStream(look_ahead=2)
    counts = [len(stream.push(a)) for a in rng.gamma(1, 1, (10, 129))]
    assert counts == [0] * 5 + [64] * 5
    assert stream.latency == 5 * 64  # behind the end of the frame that was given last
    assert len(stream.finish()) == 2 * 64


def test_what_is_out_does_not_depend_on_what_comes(rng):
    A, B = rng.gamma(1, 1, (2, 20, 129))
    a = streamed(A)
    b = streamed(np.concatenate([A[:15], B[15:]]))
    np.testing.assert_array_equal(a[: 15 * 64 - 384], b[: 15 * 64 - 384])
    assert np.abs(a - b)[15 * 64 - 384 :][:64].max() > 0


def test_a_finished_stream_begins_anew(sentence):
    A, stream = np.abs(stft(sentence[:3000])), SoundStream()
    first, second = (np.concatenate([*map(stream.push, A), stream.finish()]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(SoundStream().finish()) == 0


def test_silence_stays_silent_and_sound_after_it_begins(sentence):
    A = np.abs(stft(sentence[:6400]))
    x = streamed(np.concatenate([0 * A, A]))
    np.testing.assert_array_equal(x[: len(A) * 64 - 192], 0)
    assert convergence(np.concatenate([0 * A, A]), x, Spectra()) < 0.15


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda: SoundStream(256), "`settings`.*256"),
        (lambda: SoundStream(look_ahead=-1), "`look_ahead`.*-1"),
        (lambda: SoundStream(num_iterations=1.5), "`num_iterations`.*1.5"),
        (lambda: SoundStream(momentum=2), "`momentum` must.*Received: momentum=2"),
        (lambda: SoundStream().push(np.ones((1, 129))), r"`amplitude`.*\(129,\).*\(1, 129\)"),
        (lambda: SoundStream().push(-np.ones(129)), "`amplitude` must not be negative.*-1"),
        (lambda: SoundStream().push(np.full(129, np.nan)), "`amplitude` must be finite.*nan"),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()
