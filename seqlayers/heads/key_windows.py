"""Sums of products of the values that each key of a frame reads.

Key i reads the values of keys i + first .. i + first + n - 1, 0 outside of the keyboard. A copy of
the window of each key would have n values a key. Here a row of the product has the values that 8
neighbouring keys read together, and the kernel stands 8 times in the matrix, one key lower each
time (a block-Toeplitz matrix):

    [y_i .. y_{i+7}] = [v_{i+first} .. v_{i+first+n+6}]  [k_1          ]
                                                         [k_2 k_1      ]
                                                         [... k_2 ...  ]
                                                         [k_n ...  k_1 ]
                                                         [    k_n  ... ]

For n = 25 that is 1.3 times the arithmetic, and a sixth of the copies.
"""

from typing import Any, NamedTuple

from keras import ops

COUNTS = 8  # places of the one-hot of a number of keys
_KEYS = 8  # in a row of the product


class Windows(NamedTuple):
    """Windows of one size around all keys, and the kernel that reads them."""

    channels: Any  # [N, count, V]
    first: int  # key of a window's first value less the key that reads it, at most 0
    kernel: Any  # [count, n, U]


class Terms(NamedTuple):
    """Terms of a sum `(N, V, U)`, products of what the keys read with kernels."""

    windows: list  # of `Windows`
    counts: list  # of pairs of a one-hot `(N, V, 8)` and its kernel `(8, U)`
    others: list  # of what broadcasts to `(N, V, U)`


def total(*terms):
    """Returns the sum of all `Terms`, which broadcasts to `(N, V, U)`."""
    windows, counts, others = (sum(parts, []) for parts in zip(*terms, strict=True))
    if windows:
        others.append(read_windows(windows))
    if counts:
        one_hots, kernels = zip(*counts, strict=True)
        one_hots, kernels = ops.concatenate(one_hots, axis=-1), ops.concatenate(kernels)
        others.append(ops.matmul(one_hots, kernels))
    return sum(others)


def read_windows(windows):
    """Returns the sum over windows and their channels of what each key reads, `(N, V, U)`.

    Args:
        windows: A list of `Windows` of the same N, V and U.
    """
    V, U = windows[0].channels.shape[-1], windows[0].kernel.shape[-1]
    blocks = -(-V // _KEYS)
    rows = ops.concatenate([_rows(*w, blocks) for w in windows], axis=-1)
    kernel = ops.concatenate([_toeplitz(w.kernel) for w in windows], axis=0)
    product = ops.matmul(ops.reshape(rows, (-1, rows.shape[-1])), kernel)
    return ops.reshape(product, (-1, blocks * _KEYS, U))[:, :V]


def _rows(channels, first, kernel, blocks):
    """Returns the values that each block of keys reads, `(N, blocks, count (n + 7))`."""
    count, n = kernel.shape[:2]
    size = n + _KEYS - 1
    padded = ops.pad(channels, [(0, 0), (0, 0), (-first, size)])
    starts = range(0, blocks * _KEYS, _KEYS)
    rows = ops.stack([padded[:, :, s : s + size] for s in starts], axis=1)
    return ops.reshape(rows, (-1, blocks, count * size))


def _toeplitz(kernel):
    """Returns the kernel once for each key of a block, `(count (n + 7), 8 U)`."""
    count, n, U = kernel.shape
    places = [ops.pad(kernel, [(0, 0), (p, _KEYS - 1 - p), (0, 0)]) for p in range(_KEYS)]
    return ops.reshape(ops.stack(places, axis=2), (count * (n + _KEYS - 1), _KEYS * U))


def read_octaves(channels, kernel, absolute_kernel=None):
    """Returns what each key reads of sums over octaves, `(N, V, U)`.

    Args:
        channels: `(N, count, V)`. Each is summed over the keys of a pitch class, i mod o.
        kernel: `(count, o, U)`, whose first place is the key's own pitch class, and so on upwards.
        absolute_kernel: `(count, o, U)`, read alike by all keys; None for none.
    """
    (count, o, U), V = kernel.shape, channels.shape[-1]
    octaves = -(-V // o)
    sums = ops.pad(channels, [(0, 0), (0, 0), (0, octaves * o - V)])
    sums = ops.sum(ops.reshape(sums, (-1, count, octaves, o)), axis=2)  # [N, count, o]
    rotated = ops.stack([ops.roll(kernel, q, axis=1) for q in range(o)], axis=2)
    if absolute_kernel is not None:
        rotated = rotated + absolute_kernel[:, :, None]
    sums = ops.reshape(sums, (-1, count * o))
    product = ops.matmul(sums, ops.reshape(rotated, (count * o, o * U)))
    product = ops.reshape(product, (-1, o, U))
    return ops.concatenate([product] * octaves, axis=1)[:, :V]


def key_pairs(V, holds, dtype):
    """Returns 1 for the keys j and i of which `holds(j, i)` is True, else 0, `(V, V)`."""
    key = ops.arange(V, dtype="int32")  # computed: a constant would be kept in exported graphs
    return ops.cast(holds(key[:, None], key), dtype)


def above_half(values):
    """Returns 1 where a value is above 1/2, else 0."""
    return ops.cast(values > 0.5, values.dtype)


def one_hot(count):
    """Returns the one-hot of numbers of keys, `(..., 8)`; the last place is for 7 and more."""
    places = ops.arange(COUNTS, dtype=count.dtype)
    return ops.cast(ops.equal(ops.minimum(count, COUNTS - 1)[..., None], places), count.dtype)


def one_hot_count(values, holds):
    """Returns the one-hot of how many keys j sound of which `holds(j, i)` is True, `(N, V, 8)`."""
    pairs = key_pairs(values.shape[-1], holds, values.dtype)
    return one_hot(ops.matmul(above_half(values), pairs))
