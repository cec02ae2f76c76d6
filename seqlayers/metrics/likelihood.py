"""Log-likelihoods, and the softmax score, which is none."""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from seqlayers.checks import check_finite, check_integer, counted


class Likelihood(NamedTuple):
    """Log-likelihood of data under a model.

    Attributes:
        nats: Mean of log p(v_t | v_1 .. v_{t-1}), natural logarithm, per frame.
        standard_error: Standard error of the estimate of that mean; 0 where it is exact, infinite
            where it has not converged. How much the mean varies with the data is not part of it.
        kind: `"exact"`, `"estimate"`, `"lower_bound"` or, where annealing has not converged and
            `nats` may be far from the truth, `"not_converged"`; `"adapted"` where the model has
            learned from the data meanwhile (`score(..., adapt=...)`), exact but no match for the
            others.
        frames: Number of frames in the mean.
        sequences: Number of sequences they come from.
        averaging: `"per_frame"`: all frames of all sequences count alike, the first ones included.
        reverse_nats: The cautious estimate from the other side. On average the truth lies between
            the two; if this one is the larger, the annealing is too short. Minus infinity where it
            has not converged, None if it was not asked for.
    """

    nats: float
    standard_error: float
    kind: str
    frames: int
    sequences: int
    averaging: str = "per_frame"
    reverse_nats: float | None = None

    @property
    def converged(self):
        """Whether `nats` is exact, an estimate or a bound; False if annealing has not converged."""
        return self.kind != "not_converged"

    def __str__(self):
        kind = self.kind if self.converged else "not converged, no estimate"
        text = f"{self.nats:.3f} nats per frame ({kind}"
        if self.standard_error and self.converged:
            text += f", standard error {self.standard_error:.4f}"
        if self.reverse_nats is not None:
            converged = self.reverse_nats != -math.inf
            text += ", from the other side "
            text += f"{self.reverse_nats:.3f}" if converged else "not converged"
        frames, sequences = counted(self.frames, "frame"), counted(self.sequences, "sequence")
        return text + f"; {self.averaging}, {frames} of {sequences})"


def bootstrap_error(nats, frames, num_resamples=10_000, seed=0):
    """Estimates the standard error over sequences of a mean per frame, by the bootstrap.

        s_b = sum_n nats_{b_n} / sum_n frames_{b_n},  b_1 .. b_N drawn from 1 .. N with replacement
        error = standard deviation of s over the resamples b

    Frames of one sequence are alike: sequences are drawn, not frames. The result is the error of
    the mean as an estimate for further sequences of the same kind; `Likelihood.standard_error` is
    that of an estimate for the given ones. To compare two models on the same sequences, give the
    differences of their nats.

    Args:
        nats: Sum of log p over the frames of each sequence, floats `(N,)`.
        frames: Number of frames of each sequence, integers `(N,)`.
        num_resamples: Number of resamples, at least 2.
        seed: A non-negative integer.

    Returns:
        A float, in nats per frame.

    Raises:
        ValueError: If there are fewer than two sequences, numbers are not finite, a sequence has no
            frames, or shapes differ.

    Reference: B. Efron, Bootstrap Methods: Another Look at the Jackknife, Ann. Statist. 1979.

    Example:
        >>> each = model.frame_log_probs(rolls.test)
        >>> bootstrap_error([nats.sum() for nats in each], [len(nats) for nats in each])
    """
    nats, frames = check_finite("nats", nats), check_finite("frames", frames, "iu", "integers")
    if nats.shape != frames.shape or nats.ndim != 1 or len(nats) < 2 or frames.min() < 1:
        raise ValueError(
            "`nats` and `frames` must hold a number for each of two or more sequences, of at least "
            f"one frame each. Received: shapes {nats.shape} and {frames.shape}"
            + (f", at least {frames.min()} frames." if frames.size else ".")
        )
    num_resamples = check_integer("num_resamples", num_resamples, least=2)
    rng = np.random.default_rng(check_integer("seed", seed, least=0))
    # How often each sequence is drawn, one resample at a time: N^2 numbers would be many.
    even = np.full(len(nats), 1 / len(nats))
    means = np.empty(num_resamples)
    for b in range(num_resamples):
        times = rng.multinomial(len(nats), even)
        means[b] = (times @ nats) / (times @ frames)
    return float(means.std(ddof=1))


def softmax_score(frames, logits):
    """Returns the score of table 2 of the SFM paper, which is not a log-likelihood.

    A softmax shares one unit of probability among all keys, and a frame scores the sum of log
    softmax(logits) over its pressed keys. Several keys at once cannot each have probability 1, so
    even a prediction that knows the frame scores no more than `softmax_ceiling`. Silence scores
    0.

    Args:
        frames: Which keys are pressed, `(..., keys)` of 0 and 1.
        logits: `(..., keys)`.

    Returns:
        Scores in nats, `(...)`.

    Reference: H. Hu and G.-J. Qi, State-Frequency Memory Recurrent Neural Networks, ICML 2017.

    Example:
        >>> softmax_score([[1.0, 1.0, 0.0]], [[20.0, 20.0, 0.0]])  # -2 log 2
        <tf.Tensor: shape=(1,), dtype=float32, numpy=array([-1.3862944], dtype=float32)>
    """
    logits = ops.convert_to_tensor(logits)
    frames = ops.cast(frames, logits.dtype)
    return ops.sum(frames * ops.log_softmax(logits, axis=-1), axis=-1)


def softmax_ceiling(frames):
    """Returns the best possible `softmax_score` of each frame: -n log n for n pressed keys.

    Args:
        frames: Which keys are pressed, array `(..., keys)` of 0 and 1.

    Returns:
        A float64 array `(...)`.

    Example:
        >>> softmax_ceiling([[0, 0, 0], [1, 0, 0], [1, 1, 0]]).round(3)
        array([ 0.   ,  0.   , -1.386])
    """
    n = np.sum(frames, axis=-1, dtype="float64")
    return 0.0 - n * np.log(np.maximum(n, 1))
