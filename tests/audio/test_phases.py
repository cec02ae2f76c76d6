"""Amplitudes become sound, all at once or frame by frame."""

import numpy as np
import pytest
from reference import phases as reference

from seqlayers import audio
from seqlayers.audio import SoundStream, Spectra, griffin_lim, stft


def streamed(amplitude, *args, **options):
    stream = SoundStream(*args, **options)
    return np.concatenate([*map(stream.push, amplitude), stream.finish()])


def convergence(amplitude, samples, settings=Spectra()):  # noqa: B008
    found = np.abs(stft(samples, settings))
    return np.linalg.norm(found - amplitude[: len(found)]) / np.linalg.norm(amplitude)


def test_griffin_lim_finds_a_sound_of_the_amplitudes(sentence):
    A, N = np.abs(stft(sentence)), len(sentence)
    errors = [convergence(A, griffin_lim(A, N, n)) for n in (0, 5, 20, 60)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.5 and errors[-1] < 0.08
    old = convergence(A, griffin_lim(A, N, 60, momentum=0))
    assert errors[-1] < 0.6 * old  # that is what the momentum is for


def test_griffin_lim_gives_the_same_for_the_same_seed(sentence):
    A = np.abs(stft(sentence[:4000]))
    first = griffin_lim(A, 4000, 5, seed=3)
    assert first.shape == (4000,) and first.dtype == "float32"
    np.testing.assert_array_equal(first, griffin_lim(A, 4000, 5, seed=3))
    assert np.abs(first - griffin_lim(A, 4000, 5, seed=4)).max() > 0.01


def test_griffin_lim_keeps_silence():
    np.testing.assert_array_equal(griffin_lim(np.zeros((10, 129)), num_iterations=3), 0)


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


@pytest.mark.parametrize("power", [-130, -60, 60, 120])
def test_the_size_of_amplitudes_changes_nothing_but_that_of_the_sound(speech, power):
    A, scale = np.abs(stft(speech[:2000])), 2.0**power
    sound = griffin_lim(A, num_iterations=5).astype("float64")
    # The smallest numbers of float32 have fewer digits.
    actual = griffin_lim(A * scale, num_iterations=5)
    np.testing.assert_allclose(actual / scale, sound, atol=1e-3 if power < -100 else 0)


def test_the_largest_amplitudes_make_finite_sound():
    assert np.isfinite(griffin_lim(np.full((10, 129), 3.4e38))).all()


ONES = np.ones((10, 129))


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda: griffin_lim(ONES + 0j), "`amplitude` must be an array of numbers, real.*complex"),
        (lambda: griffin_lim(-ONES), "`amplitude` must not be negative.*-1"),
        (lambda: griffin_lim(ONES[:3]), "`amplitude` must have at least 4 frames.*3"),
        (lambda: griffin_lim(ONES, 384), "`num_samples` must be an integer from 385 to 448.*384"),
        (lambda: griffin_lim(ONES, num_iterations=-1), "`num_iterations`.*-1"),
        (lambda: griffin_lim(ONES, momentum=1.5), "`momentum`.*1.5"),
        (lambda: griffin_lim(ONES, seed=-1), "`seed`.*-1"),
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
