"""The docstring of audio/phases.py in loops, with all frames kept."""

import numpy as np


def sound(A, w, H, R, num_iterations, momentum):
    """The sound of amplitudes `(T, L // 2 + 1)`, which come one by one."""
    (T, K), L = A.shape, len(w)
    pulse = np.array([np.exp(-1j * np.pi * k) for k in range(K)])
    O = np.zeros((T + R) * H + L)  # noqa: E741
    for t in range(-L, T + R + L):  # frames that there might be before and behind count, too
        for i in range(L):
            if 0 <= t * H + i < len(O):
                O[t * H + i] += w[i] ** 2
    c, y = {}, {}

    def seen(s, frames):
        """y_s of the sound that these frames make; frame s begins at sample s H."""
        x = np.zeros(len(O))
        for r in frames:
            phase = [c[r][k] / abs(c[r][k]) if c[r][k] else pulse[k] for k in range(K)]
            x[r * H : r * H + L] += w * np.fft.irfft(A[r] * phase, L)
        x = x / O
        return x, np.fft.rfft(w * x[s * H : s * H + L])

    for t in range(T):
        c[t] = seen(t, range(t))[1]
        y[t] = np.zeros(K)
        for _ in range(num_iterations):
            last, open_frames = dict(y), range(max(0, t - R), t + 1)
            y |= {s: seen(s, range(t + 1))[1] for s in open_frames}
            c |= {s: y[s] + momentum * (y[s] - last[s]) for s in open_frames}
    for t in range(T, T + R):  # nothing comes, but what is open goes on
        for _ in range(num_iterations):
            last, open_frames = dict(y), range(max(0, t - R), T)
            y |= {s: seen(s, range(T))[1] for s in open_frames}
            c |= {s: y[s] + momentum * (y[s] - last[s]) for s in open_frames}
    return seen(0, range(T))[0][L - H : T * H]
