"""What a model is judged by."""

from typing import NamedTuple


class Likelihood(NamedTuple):
    """Log-likelihood of data under a model.

    Attributes:
        nats: Mean of log p(v_t | v_1 .. v_{t-1}), natural logarithm, per frame.
        standard_error: Standard error of the estimate of that mean; 0 where it is exact. It says
            nothing of how the mean would vary with other data.
        kind: `"exact"`, `"estimate"` or `"lower_bound"`.
        frames: Number of frames in the mean.
        sequences: Number of sequences they come from.
        averaging: `"per_frame"`: all frames of all sequences count alike, the first ones included.
        reverse_nats: The cautious estimate from the other side; the truth lies between. None
            where it was not asked for.
    """

    nats: float
    standard_error: float
    kind: str
    frames: int
    sequences: int
    averaging: str = "per_frame"
    reverse_nats: float | None = None

    def __str__(self):
        text = f"{self.nats:.3f} nats per frame ({self.kind}"
        if self.standard_error:
            text += f", standard error {self.standard_error:.4f}"
        if self.reverse_nats is not None:
            text += f", from the other side {self.reverse_nats:.3f}"
        return text + f"; {self.averaging}, {self.frames:,} frames of {self.sequences:,} sequences)"
