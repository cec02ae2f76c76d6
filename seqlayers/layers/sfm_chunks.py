"""A loop over chunks of frames, for a State-Frequency Memory whose gates see the input alone."""

from keras import ops

# Frames of all rows that a chunk has: its outputs before their sigmoids and tanh are 3 MB.
FRAMES_IN_A_CHUNK = 1024
STEPS_IN_A_CHUNK = 32  # where sizes are not known and nothing is compiled: no loop is in the loop


def in_chunks(loop, compiled, weights, rows, frames, states, mask):
    """Runs a loop over chunks of frames, as if it were one over frames.

    There are few lengths of a chunk, since XLA compiles the loop for each.
    """
    steps, batch = ops.shape(frames[0])[:2]
    if compiled or _known(steps, batch):
        least, most = (min, max) if _known(steps, batch) else (ops.minimum, ops.maximum)
        longest = most(FRAMES_IN_A_CHUNK // most(batch, 1), 1)
        chunks = most(-(-steps // longest), 1)
        unit = most(longest // 16, 1)
        chunk = least(-(-most(-(-steps // chunks), 1) // unit) * unit, longest)
    else:
        chunk = min(steps, STEPS_IN_A_CHUNK) if _known(steps) else STEPS_IN_A_CHUNK
        chunk = max(chunk, 1)
    chunks = (steps + chunk - 1) // chunk  # ONNX rounds negative numbers up
    padding = chunks * chunk - steps
    padded = not _known(padding) or padding > 0
    if mask is not None or padded:
        seen = ops.ones((steps, batch)) if mask is None else mask
        frames = (*frames, ops.cast(seen, frames[0].dtype)[..., None])
    if padded:
        frames = tuple(
            ops.concatenate([x, ops.zeros((padding, batch, x.shape[-1]), x.dtype)]) for x in frames
        )
    frames = tuple(ops.reshape(x, (chunks, chunk, batch, x.shape[-1])) for x in frames)
    first, *others = states
    z = ops.zeros((chunk, batch, first.shape[-1]), first.dtype)
    outputs, (_, *others) = loop(weights, rows, frames, (z, *others), None)
    outputs = ops.reshape(outputs, (-1, batch, first.shape[-1]))[:steps]
    if mask is None and _known(steps) and steps > 0:
        return outputs, (outputs[-1], *others)
    outputs = ops.concatenate([first[None], outputs])  # there may be no step, or none that is seen
    if mask is not None:
        outputs = _held(outputs, mask)
    return outputs[1:], (outputs[-1], *others)


def _held(outputs, mask):
    """Returns the first state and outputs, which stay as they are at masked steps.

    Args:
        outputs: `(1 + time, batch, units)`, the first state before those of all steps.
        mask: Which steps are frames, bool `(time, batch)`.
    """
    time, batch, units = ops.shape(outputs)
    steps = ops.arange(1, time)[:, None]
    seen = ops.argsort(ops.where(mask, steps, steps + time), axis=0) + 1  # those that are, first
    number = ops.cumsum(ops.cast(mask, "int32"), axis=0)
    seen, number = (ops.pad(ops.cast(x, "int32"), ((1, 0), (0, 0))) for x in (seen, number))
    rows = ops.arange(batch)
    last = ops.take(ops.reshape(seen, (-1,)), number * batch + rows)  # seen up to each step
    outputs = ops.take(ops.reshape(outputs, (-1, units)), last * batch + rows, axis=0)
    return ops.reshape(outputs, (time, batch, units))


def _known(*numbers):
    return all(isinstance(number, int) for number in numbers)
