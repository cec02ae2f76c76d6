"""The layout of a context: which of its values belong to which keys, and what a key reads of them.

A context is a row of blocks. A block of windows has channels of a value for each of V keys; so has
an octave block, whose channels are summed over octaves; a shared block has values for no key.
"""

from typing import Any, NamedTuple

from keras import ops

from seqlayers.arrays import in_parts
from seqlayers.checks import check_integer
from seqlayers.heads.key_windows import COUNTS, Terms, Windows, one_hot_count, read_octaves


class Block(NamedTuple):
    """Values of a context: channels, and what a key reads of each."""

    channels: int
    window: Any  # number of keys read on both sides, "octave" or "shared"

    def size(self, V):
        """Returns the number of values of the context in this block."""
        return self.channels * (1 if self.window == "shared" else V)

    def features(self, octave, absolute):
        """Returns the number of values that a key reads, pitch classes once more if `absolute`."""
        if self.window == "shared":
            return self.channels
        if self.window == "octave":
            return self.channels * octave * (1 + absolute)
        return self.channels * (2 * self.window + 1)


def check_window(name, keys, V, least=1):
    """Returns a number of keys.

    Raises:
        ValueError: If it is not an integer of at least `least`, or is above V.
    """
    keys = check_integer(name, keys, least=least)
    if keys > V:
        raise ValueError(
            f"`{name}` must be at most the number of keys, visible_units={V}. "
            f"Received: {name}={keys}."
        )
    return keys


def check_layout(layout, V):
    """Returns a layout, pairs `(count, window)`, as a tuple of `Block`.

    Raises:
        ValueError: If the layout holds anything else, or a window is wider than V keys.
    """
    wanted = '`layout` must be pairs `(count, window)`, with a number, "octave" or "shared"'
    if not isinstance(layout, list | tuple):
        raise ValueError(f"{wanted}. Received: layout={layout!r}.")
    blocks = []
    for number, pair in enumerate(layout):
        name = f"layout[{number}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"{wanted}. Received: {name}={pair!r}.")
        count, window = pair
        if isinstance(window, str):
            if window not in ("octave", "shared"):
                raise ValueError(f"{wanted}. Received: {name}={pair!r}.")
        else:
            window = check_window(f"{name} window", window, V, least=0)
        blocks.append(Block(check_integer(f"{name} count", count), window))
    return tuple(blocks)


def blocks_of_context(layout, C, V):
    """Returns the blocks of a context, with a last one for the values that the layout leaves.

    Raises:
        ValueError: If the layout takes more than C values.
    """
    taken = sum(block.size(V) for block in layout)
    if taken > C:
        raise ValueError(
            f"`layout` must take at most as many values as the context has, {C}; give the layout "
            "of the memory's output. "
            f"Received: layout={tuple(map(tuple, layout))}, which takes {taken}."
        )
    return layout + ((Block(C - taken, "shared"),) if taken < C else ())


def sizes_of_features(blocks, octave, absolute):
    """Returns how many values a key reads of each block and, last, of the count of higher keys."""
    counted = blocks[0].window != "shared"
    return [*(b.features(octave, absolute) for b in blocks), COUNTS if counted else 0]


def context_terms(blocks, context, kernel, V, octave, absolute):
    """Returns the `Terms` that read a context.

    Args:
        blocks: What `blocks_of_context` returns.
        context: `(N, C)`.
        kernel: `(G, U)`, with G the sum of `sizes_of_features`.
        V, octave, absolute: Numbers of keys in a frame and in an octave; whether pitch classes are
            read by their place in the octave, too.
    """
    *kernels, of_count = in_parts(kernel, sizes_of_features(blocks, octave, absolute), axis=0)
    values = in_parts(context, [block.size(V) for block in blocks])
    terms, U = Terms([], [], []), kernel.shape[-1]
    for (count, window), block, kernel in zip(blocks, values, kernels, strict=True):
        if window == "shared":
            terms.others.append(ops.matmul(block, kernel)[:, None])
            continue
        channels = ops.reshape(block, (-1, count, V))
        if window == "octave":
            rotated, *fixed = ops.unstack(ops.reshape(kernel, (-1, count, octave, U)))
            terms.others.append(read_octaves(channels, rotated, *fixed))
        else:
            kernel = ops.reshape(kernel, (count, 2 * window + 1, U))
            terms.windows.append(Windows(channels, -window, kernel))
    if blocks[0].window != "shared":
        above = one_hot_count(values[0][:, :V], lambda j, i: j > i)
        terms.counts.append((above, of_count))
    return terms
