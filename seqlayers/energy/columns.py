"""Sums over units, a block of columns at a time.

XLA may not reorder the terms of a sum of floats: it writes all terms to memory and adds the units
of a row one by one. Here blocks of columns are added up first. Their terms are computed in the same
loop, many at once, and never written.
"""

from keras import ops

_COLUMNS, _BLOCKS = 16, 10  # floats in a processor's register; blocks, at most


def sum_over_units(term, units):
    """Returns sum_i x_i, `(...)`.

    Args:
        term: Function of a slice of the units that returns their x, `(..., columns)`.
        units: Number of units.
    """
    width, blocks = _blocks(units)
    return ops.sum(sum(_padded(term(columns), width) for columns in blocks), axis=-1)


def softplus_difference(x, y, units):
    """Returns sum_j softplus(x_j) - softplus(y_j), `(...)`.

        softplus(x) = max(x, 0) + log(1 + exp(-|x|)),  max(x, 0) = (x + |x|) / 2

    The logarithms of several units are one of a product, whose factors lie between 1 and 2. The
    slope at x = 0 is 1/2, as it should be.

    Args:
        x: Function of a slice of the units that returns their x, `(..., columns)`.
        y: The same for y.
        units: Number of units.
    """
    width, blocks = _blocks(units)
    linear, above, below = 0.0, 1.0, 1.0
    for columns in blocks:
        x_part, y_part = x(columns), y(columns)
        x_size, y_size = ops.abs(x_part), ops.abs(y_part)
        linear = linear + _padded(0.5 * (x_part + x_size) - 0.5 * (y_part + y_size), width)
        above = above * (1.0 + _padded(ops.exp(-x_size), width))
        below = below * (1.0 + _padded(ops.exp(-y_size), width))
    return ops.sum(linear + ops.log(above / below), axis=-1)


def _blocks(units):
    """Returns the width of a block, and the slice of the units of each block."""
    width = _COLUMNS * -(-units // (_COLUMNS * _BLOCKS))
    return width, [slice(start, min(start + width, units)) for start in range(0, units, width)]


def _padded(x, width):
    """Returns `x` `(..., columns)` with zeros up to the width of a block."""
    missing = width - x.shape[-1]
    return ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, missing)]) if missing else x
