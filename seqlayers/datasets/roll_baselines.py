"""Baselines of polyphonic music: what is known without a model, in nats per frame.

    independent keys    q(v) = prod_i p_i^{v_i} (1 - p_i)^{1 - v_i}
    frame table         p(v) = w n(v) / N + (1 - w) q(v)
    held chord          p(v_t | v_{t-1}) = prod_i p_i(v_{t,i} | v_{t-1,i}),  p(v_1) = q(v_1)

p_i is how often key i sounds in the training split (`piano_roll.note_frequencies`), n(v) how often
the frame v occurs among its N frames, and w the weight that makes the validation split most likely.
Each p_i(on | on) and p_i(on | off) is counted over pairs of frames of the training split as p_i is:
(frames with the key + 0.5) / (frames + 1). All three are exact and normalised over all 2^88 frames.
"""

from collections import Counter

import numpy as np

from seqlayers.datasets import piano_roll
from seqlayers.datasets.piano_roll import check_rolls, note_frequencies

_ROUNDS = 200  # of expectation maximisation; w no longer changes in its sixth digit


def baselines(name):
    """Scores the test split of a set by all baselines.

    Args:
        name: One of `piano_roll.NAMES`.

    Returns:
        Dict from the name of a baseline to a list of float64 arrays `(T,)`, log p of each frame of
        each piece, as `SequenceModel.frame_log_probs` returns them.

    Raises:
        ValueError: If `name` is not one of `piano_roll.NAMES`.

    Example:
        >>> for name, nats in baselines("jsb_chorales").items():
        ...     print(f"{name} {np.concatenate(nats).mean():.3f}")
        independent keys -11.060
        frame table -7.381
        held chord -10.469
    """
    train, valid, test = piano_roll.load(name)
    return {
        "independent keys": independent_keys(train, test),
        "frame table": frame_table(train, valid, test),
        "held chord": held_chord(train, test),
    }


def independent_keys(train, rolls):
    """Returns log p of each frame if keys depend neither on each other nor on time.

    Args:
        train: Rolls to count on, a list of arrays `(T, 88)` or one array `(N, T, 88)`.
        rolls: Rolls to score.

    Returns:
        A list of float64 arrays `(T,)`, one for each of `rolls`.

    Raises:
        ValueError: If `train` or `rolls` are not piano-rolls.
    """
    p = note_frequencies(check_rolls(train, "train"))
    return [_log_prob(roll, p) for roll in check_rolls(rolls, "rolls")]


def frame_table(train, valid, rolls):
    """Returns log p of each frame under a table of training frames, mixed with independent keys.

    Args:
        train: Rolls to count on, a list of arrays `(T, 88)` or one array `(N, T, 88)`.
        valid: Rolls to choose the weight w of the table on.
        rolls: Rolls to score.

    Returns:
        A list of float64 arrays `(T,)`, one for each of `rolls`.

    Raises:
        ValueError: If one of the three are not piano-rolls.
    """
    train, valid = check_rolls(train, "train"), check_rolls(valid, "valid")
    counts = Counter(frame for roll in train for frame in _as_bytes(roll))
    p = note_frequencies(train)

    def parts(roll):
        shares = np.array([counts[frame] for frame in _as_bytes(roll)]) / counts.total()
        return shares, np.exp(_log_prob(roll, p))

    w, (table, independent) = 0.5, parts(np.concatenate(valid))
    for _ in range(_ROUNDS):
        w = np.mean(w * table / (w * table + (1 - w) * independent))
    each = [parts(roll) for roll in check_rolls(rolls, "rolls")]
    return [np.log(w * table + (1 - w) * independent) for table, independent in each]


def held_chord(train, rolls):
    """Returns log p of each frame if each key depends on itself in the frame before alone.

    Args:
        train: Rolls to count on, a list of arrays `(T, 88)` or one array `(N, T, 88)`.
        rolls: Rolls to score.

    Returns:
        A list of float64 arrays `(T,)`, one for each of `rolls`.

    Raises:
        ValueError: If `train` or `rolls` are not piano-rolls.
    """
    train = check_rolls(train, "train")
    before = np.concatenate([roll[:-1] for roll in train])
    after = np.concatenate([roll[1:] for roll in train])
    on = before.sum(axis=0, dtype="int64")
    held = (before * after).sum(axis=0, dtype="int64")
    struck = after.sum(axis=0, dtype="int64") - held
    after_on = (held + 0.5) / (on + 1)
    after_off = (struck + 0.5) / (len(before) - on + 1)
    first = note_frequencies(train)
    return [
        _log_prob(roll, np.vstack([first, np.where(roll[:-1] == 1, after_on, after_off)]))
        for roll in check_rolls(rolls, "rolls")
    ]


def _log_prob(frames, p):
    """Returns log p of frames `(T, 88)` of independent keys, each on with probability p."""
    return np.log(np.where(frames == 1, p, 1 - p)).sum(axis=-1)


def _as_bytes(roll):
    """Returns each frame of a roll as bytes, which a table can look up."""
    return map(bytes, np.packbits(roll == 1, axis=1))
