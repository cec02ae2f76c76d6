"""Features of sound as the docstrings of audio/framing.py and features.py write them, in loops."""

import numpy as np

FLOOR = 1e-10


def hann(length):
    return np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / length) for n in range(length)])


def frames(x, L, H):
    found, start = [], 0
    while start + L <= len(x):
        found.append(np.asarray(x[start : start + L], "float64"))
        start += H
    return found


def spectrum(x, fft_length):
    """X_k of one frame, k = 0 .. fft_length / 2."""
    return np.array(
        [
            sum(x[n] * np.exp(-2j * np.pi * k * n / fft_length) for n in range(len(x)))
            for k in range(fft_length // 2 + 1)
        ]
    )


def stft(x, L, H, fft_length):
    return np.array([spectrum(hann(L) * frame, fft_length) for frame in frames(x, L, H)])


def mel(f):
    return 2595 * np.log10(1 + f / 700)


def hertz(m):
    return 700 * (10 ** (m / 2595) - 1)


def filterbank(rate, fft_length, J, low, high):
    M = np.zeros((fft_length // 2 + 1, J))
    step = (mel(high) - mel(low)) / (J + 1)
    for m in range(J):
        left, peak, right = (hertz(mel(low) + (m + k) * step) for k in range(3))
        for k in range(fft_length // 2 + 1):
            f = k * rate / fft_length
            if left < f <= peak:
                M[k, m] = (f - left) / (peak - left)
            elif peak < f < right:
                M[k, m] = (right - f) / (right - peak)
    return M


def log_mel(x, rate, L, H, fft_length, J, low, high):
    M = filterbank(rate, fft_length, J, low, high)
    P = []
    for X in stft(x, L, H, fft_length):
        bands = [sum(M[k, m] * abs(X[k]) ** 2 for k in range(len(X))) for m in range(J)]
        P.append([np.log(max(band, FLOOR)) for band in bands])
    return np.array(P)


def log_energy(x, L, H):
    return np.array([np.log(max(sum(frame**2), FLOOR)) for frame in frames(x, L, H)])


def cepstrum(P, num_coefficients):
    J = len(P[0])
    return np.array(
        [
            [
                np.sqrt(2 / J) * sum(p[m] * np.cos(np.pi * i * (m + 0.5) / J) for m in range(J))
                for i in range(1, num_coefficients + 1)
            ]
            for p in P
        ]
    )


def delta(c, width):
    T, d = len(c), np.zeros_like(c)
    for t in range(T):
        for i in range(1, width + 1):
            d[t] += i * (c[min(t + i, T - 1)] - c[max(t - i, 0)])
    return d / (2 * sum(i**2 for i in range(1, width + 1)))
