"""Bennett's acceptance ratio in plain loops.

r:  sum_i sigmoid(up_i - r) = sum_j sigmoid(r - down_j)
error^2 = sum over both ways of (mean f^2 / (mean f)^2 - 1) / (n - 1)
"""

import math


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def acceptance_ratio(up, down):
    """r, by halving, and its error."""
    low, high = min(*up, *down), max(*up, *down)
    while high - low > 1e-12:
        r = (low + high) / 2
        excess = sum(sigmoid(x - r) for x in up) - sum(sigmoid(r - x) for x in down)
        low, high = (r, high) if excess > 0 else (low, r)
    r, square = (low + high) / 2, 0.0
    for f in ([sigmoid(x - r) for x in up], [sigmoid(r - x) for x in down]):
        mean, n = sum(f) / len(f), len(f)
        square += (sum(x * x for x in f) / n / mean**2 - 1) / (n - 1)
    return r, math.sqrt(square)
