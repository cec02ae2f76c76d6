"""Sound of amplitudes whose phases are lost, all at once or frame by frame.

`griffin_lim` makes it of all frames. With amplitudes A,

    y_i = stft(inverse_stft(A c_{i-1} / |c_{i-1}|)),   c_i = y_i + momentum (y_i - y_{i-1})

where the phases of c_0 are drawn and y_0 = 0 (N. Perraudin, P. Balazs and P. L. Sondergaard, A Fast
Griffin-Lim Algorithm, WASPAA 2013). With momentum 0 it is the algorithm of Griffin and Lim.

`SoundStream` takes one frame at a time and does not wait for the end. Frames are those of
`spectra`, of length L and hop length H, and w is the window. When frame t with amplitudes A_t
comes, the phases of frames t - R .. t are still open, R being the look-ahead, and those of all
frames before are settled. Of what is known of the sound,

    x_n = sum_s w_{n,s} (F^-1 A_s c_s / |c_s|)_{n,s} / O_n,  O_n = sum_s w_{n,s}^2

where the sum of x runs over the frames so far, and that of O over all frames there will ever be,
so that where frames are still missing the sound fades out. The first phases of frame t are those
of the sound without it. Then, `num_iterations` times, for all open frames at once,

    y_s = F(w x_s),   c_s = y_s + momentum (y_s - y_s'),   y_s' that of the iteration before

Then frame t - R is settled, and the H samples come out that lie in no open frame. Where c_s is 0,
its phase is that of a pulse in the middle of the frame.

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
from seqlayers.checks import check_integer, check_number


def griffin_lim(
    amplitude, num_samples=None, num_iterations=60, momentum=0.99, seed=0, settings=DEFAULT
):
    """Makes a sound of amplitudes alone, by the fast algorithm of Griffin and Lim.

    Args:
        amplitude: Floats `(T, num_bins)`, none of them negative.
        num_samples: Samples N of the sound, as in `inverse_stft`.
        num_iterations: Number of times that the phases are made anew of the sound they make.
        momentum: From 0 to 1.
        seed: Non-negative integer that the first phases are drawn from.
        settings: `Spectra`, those of `stft`.

    Returns:
        float32 array `(N,)`, the same for the same seed.

    Raises:
        ValueError: If an argument is not as above, or T frames are not made of `num_samples`.

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

    c = np.exp(2j * np.pi * rng.random(A.shape)).astype("complex64")
    before = np.zeros_like(c)
    for _ in range(num_iterations):
        y = stft(inverse_stft(A * _phase(c), N, settings), settings)
        c = y + np.float32(momentum) * (y - before)
        before = y
    return inverse_stft(A * _phase(c), N, settings)


class SoundStream:
    """Makes sound of amplitudes, frame by frame.

    For T frames there come as many samples as of `griffin_lim`, `T H - (L - H)`, and no frame is
    ever changed once its samples are out. Nothing is drawn: the same frames make the same sound.

    Args:
        settings: `Spectra`, those of `stft`.
        look_ahead: Number R of frames that are seen before one is settled. Without any the sound
            comes sooner and is worse.
        num_iterations: Number of times that the phases of the open frames are made anew for each
            new frame.
        momentum: From 0 to 1.

    Attributes:
        latency: Samples, `R H + L - H`, from the end of what came out to the end of the last frame.

    Raises:
        ValueError: If an argument is not as above.

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
        """Takes in one more frame.

        Args:
            amplitude: Floats `(num_bins,)`, none of them negative.

        Returns:
            float32 array `(H,)`, the samples that are settled now; fewer or none while it is
            still before the first sample.

        Raises:
            ValueError: If the argument is not as above.
        """
        A = check_amplitude("amplitude", amplitude)
        if A.shape != (self.settings.num_bins,):
            raise ValueError(
                f"`amplitude` must be an array `({self.settings.num_bins},)`, a single frame. "
                f"Received: shape {A.shape}."
            )
        return self._push(A)

    def finish(self):
        """Ends the sound.

        Returns:
            float32 array `(n,)`, the samples that were still open. The next `push` begins another
            sound.
        """
        silence = np.zeros(self.settings.num_bins)
        rest = [self._push(silence) for _ in range(self.look_ahead)]
        self._start()
        return np.concatenate([np.zeros(0, "float32"), *rest])

    def _start(self):
        """Before the first frame there are silent ones, which take nothing from the sound."""
        shape = self.look_ahead + 1, self.settings.num_bins
        self._amplitude = np.zeros(shape)
        self._spectrum, self._before = np.zeros((2, *shape), "complex128")  # c and y'
        self._settled = np.zeros(len(self._overlap))  # sums of x over the settled frames
        self._skipped = self.latency  # samples still to come that are before the first

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
        self._amplitude, self._spectrum, self._before = A, c, y

        L, H = self.settings.frame_length, self.settings.hop_length
        self._settled[:L] += self._sound(A[:1], c[:1])[0]
        samples = (self._settled[:H] / self._overlap[:H]).astype("float32")
        self._settled = np.concatenate([self._settled[H:], np.zeros(H)])
        skipped = min(self._skipped, H)
        self._skipped -= skipped
        return samples[skipped:]

    def _seen(self, A, c):
        """The spectra y of the open frames of x."""
        L, H = self.settings.frame_length, self.settings.hop_length
        x = self._settled.copy()
        for s, samples in enumerate(self._sound(A, c)):
            x[s * H : s * H + L] += samples
        frames = np.lib.stride_tricks.sliding_window_view(x / self._overlap, L)[::H]
        return np.fft.rfft(self._window * frames)

    def _sound(self, A, c):
        """What frames of amplitudes A and phases of c add to the sound, `(frames, L)`."""
        size = np.abs(c)
        phase = np.where(size > 0, c / np.where(size > 0, size, 1), self._pulse)
        return self._window * np.fft.irfft(A * phase, self.settings.frame_length)


def _phase(c):
    """c / |c|, and 1 where c is 0."""
    size = np.abs(c)
    return np.where(size > 0, c / np.where(size > 0, size, 1), 1)
