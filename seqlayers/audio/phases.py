"""Sound from amplitudes alone, whose phases are unknown: of all frames at once, or frame by frame.

`griffin_lim` takes all frames at once. With amplitudes A,

    y_i = stft(inverse_stft(A c_{i-1} / |c_{i-1}|)),   c_i = y_i + momentum (y_i - y_{i-1})

where the phases of c_0 are drawn and y_0 = 0 (N. Perraudin, P. Balazs and P. L. Sondergaard, A Fast
Griffin-Lim Algorithm, WASPAA 2013). Momentum 0 is the algorithm of Griffin and Lim.

`SoundStream` takes one frame at a time. Frames are those of `spectra`, of length L and hop length
H, and w is the window. When frame t arrives with amplitudes A_t, the phases of frames t - R .. t
are open, R being the look-ahead; those of earlier frames are settled. The sound so far is

    x_n = sum_s w_{n,s} (F^-1 A_s c_s / |c_s|)_{n,s} / O_n,  O_n = sum_s w_{n,s}^2

where x sums over the frames so far and O over all frames, past and future, so that the sound fades
out where frames are still missing. The first phases of frame t are those of the sound without it.
Then, `num_iterations` times, for all open frames at once,

    y_s = F(w x_s),   c_s = y_s + momentum (y_s - y_s')

where y_s' is y_s of the iteration before. Finally frame t - R is settled, and the H samples that
lie in no open frame are returned. Where c_s is 0, its phase is that of a pulse in the middle of the
frame.

Reference: X. Zhu, G. T. Beauregard and L. L. Wyse, Real-Time Signal Estimation From Modified
Short-Time Fourier Transform Magnitude Spectra, IEEE TASLP 2007. Ours differs in that all open
frames move at once, with momentum, and under the window of `stft`.
"""

import numpy as np

from seqlayers.audio.framing import window_weights
from seqlayers.audio.spectra import (
    DEFAULT,
    check_amplitude,
    check_bins,
    check_num_samples,
    check_settings,
    inverse_stft,
    stft,
)
from seqlayers.checks import as_float32, check_integer, check_number


def griffin_lim(
    amplitude, num_samples=None, num_iterations=60, momentum=0.99, seed=0, settings=DEFAULT
):
    """Makes sound from amplitudes alone, by the fast algorithm of Griffin and Lim.

    Args:
        amplitude: Non-negative floats `(T, num_bins)`.
        num_samples: Samples N of the sound, as in `inverse_stft`.
        num_iterations: Number of times that the phases are computed again from the sound.
        momentum: From 0 to 1.
        seed: Non-negative integer that the first phases are drawn from.
        settings: The `Spectra` that the amplitudes have.

    Returns:
        float32 array `(N,)`, the same for the same seed.

    Raises:
        ValueError: If the amplitudes are not such an array, they or the samples are not finite, a
            number is out of range, or `num_samples` samples do not make T frames.

    Example:
        >>> amplitude = np.abs(stft(np.sin(np.arange(1000.0))))
        >>> griffin_lim(amplitude, 1000).shape
        (1000,)
    """
    settings = check_settings(settings)
    A = check_bins("amplitude", check_amplitude("amplitude", amplitude), settings)
    N = check_num_samples(num_samples, "amplitude", len(A), settings)
    num_iterations = check_integer("num_iterations", num_iterations, least=0)
    momentum = check_number("momentum", momentum, least=0, most=1)
    rng = np.random.default_rng(check_integer("seed", seed, least=0))

    # Around 1 nothing overflows or vanishes, and powers of 2 round nothing.
    scale = np.ldexp(1.0, np.frexp(A.max(initial=0))[1])
    A = (A / scale).astype("float32")
    c = np.exp(2j * np.pi * rng.random(A.shape)).astype("complex64")
    before = np.zeros_like(c)
    for _ in range(num_iterations):
        y = stft(inverse_stft(A * _phase(c), N, settings), settings)
        c = y + np.float32(momentum) * (y - before)
        before = y
    return as_float32("amplitude", inverse_stft(A * _phase(c), N, settings) * scale)


class SoundStream:
    """Makes sound from amplitudes alone, frame by frame.

    T frames give as many samples as with `griffin_lim`, `T H - (L - H)`. Samples that were returned
    never change. Nothing is drawn: the same frames make the same sound.

    Args:
        settings: The `Spectra` that the amplitudes have.
        look_ahead: Number R of later frames that are seen before a frame is settled. With 0 the
            sound comes sooner and is worse.
        num_iterations: Number of times that the phases of the open frames are computed again for
            each new frame.
        momentum: From 0 to 1.

    Attributes:
        latency: Samples from the end of the sound returned so far to the end of the last frame,
            `R H + L - H`.

    Raises:
        ValueError: If `settings` is not a `Spectra`, or a number is out of range.

    Example:
        >>> stream = SoundStream()
        >>> amplitude = np.abs(stft(np.sin(np.arange(16000.0))))
        >>> samples = np.concatenate([*map(stream.push, amplitude), stream.finish()])
        >>> samples.shape, stream.latency
        ((16000,), 384)
    """

    def __init__(self, settings=DEFAULT, look_ahead=3, num_iterations=8, momentum=0.5):
        self.settings = check_settings(settings)
        self.look_ahead = check_integer("look_ahead", look_ahead, least=0)
        self.num_iterations = check_integer("num_iterations", num_iterations, least=0)
        self.momentum = check_number("momentum", momentum, least=0, most=1)
        L, H = settings.frame_length, settings.hop_length
        self.latency = self.look_ahead * H + L - H
        self._window = window_weights(settings.window, L).astype("float64")
        self._overlap = np.resize(settings.overlap(), self.latency + H)  # O
        self._pulse = np.exp(-1j * np.pi * np.arange(settings.num_bins))
        self._start()

    def push(self, amplitude):
        """Adds a frame and returns the samples that are settled now.

        Args:
            amplitude: Non-negative floats `(num_bins,)`.

        Returns:
            float32 array `(H,)`; shorter or empty until the first sample of the sound is settled.

        Raises:
            ValueError: If the amplitudes are not such an array, or they or the samples not finite.
        """
        A = check_amplitude("amplitude", amplitude)
        if A.shape != (self.settings.num_bins,):
            raise ValueError(
                f"`amplitude` must be an array `({self.settings.num_bins},)`, a single frame. "
                f"Received: shape {A.shape}."
            )
        return self._push(A)

    def finish(self):
        """Ends the sound and returns its last samples, float32 `(n,)`.

        The next `push` starts another sound.
        """
        silence = np.zeros(self.settings.num_bins)
        rest = [self._push(silence) for _ in range(self.look_ahead)]
        self._start()
        return np.concatenate([np.zeros(0, "float32"), *rest])

    def _start(self):
        """Starts with silent frames before the first one, which leave the sound as it is."""
        shape = self.look_ahead + 1, self.settings.num_bins
        self._amplitude = np.zeros(shape)
        self._spectrum, self._before = np.zeros((2, *shape), "complex128")  # c and y'
        self._settled = np.zeros(len(self._overlap))  # sum of x over the settled frames
        self._skipped = self.latency  # samples still to come before the first one

    def _push(self, amplitude):
        A, c, y = (
            np.concatenate([array[1:], np.zeros_like(array[:1])])
            for array in (self._amplitude, self._spectrum, self._before)
        )
        c[-1] = self._seen(A, c)[-1]
        A[-1] = amplitude
        for _ in range(self.num_iterations):
            before, y = y, self._seen(A, c)
            c = y + self.momentum * (y - before)

        L, H = self.settings.frame_length, self.settings.hop_length
        settled = self._settled.copy()
        settled[:L] += self._sound(A[:1], c[:1])[0]
        samples = as_float32("amplitude", settled[:H] / self._overlap[:H])
        self._settled = np.concatenate([settled[H:], np.zeros(H)])
        self._amplitude, self._spectrum, self._before = A, c, y
        skipped = min(self._skipped, H)
        self._skipped -= skipped
        return samples[skipped:]

    def _seen(self, A, c):
        """Returns the spectra y of the open frames of x."""
        L, H = self.settings.frame_length, self.settings.hop_length
        x = self._settled.copy()
        for s, samples in enumerate(self._sound(A, c)):
            x[s * H : s * H + L] += samples
        frames = np.lib.stride_tricks.sliding_window_view(x / self._overlap, L)[::H]
        return np.fft.rfft(self._window * frames)

    def _sound(self, A, c):
        """Returns the samples `(frames, L)` that frames of amplitudes A and phases of c add."""
        phase = _phase(c, self._pulse)
        return self._window * np.fft.irfft(A * phase, self.settings.frame_length)


def _phase(c, of_zero=1):
    """Returns c / |c|, and `of_zero` where c is 0."""
    size = np.abs(c)
    return np.where(size > 0, c / np.where(size > 0, size, 1), of_zero)
