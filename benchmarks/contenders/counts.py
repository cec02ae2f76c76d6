"""Sizes of what `benchmarks/gpu.py` times, and the work of it, counted.

Counted are the products of matrices, and them alone: a product of (m, k) and (k, n) takes 2 m k n
operations, reads both of its operands from memory and writes its result there. All that is done to
single numbers counts nothing.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Sizes:
    """Sizes of everything that is timed; the defaults are those of a GPU."""

    keys: int = 88  # SFM: piano keys, and M, K, D of the memory
    units: int = 91
    frequencies: int = 4
    memory_units: int = 50
    bands: int = 40  # ConvLSTMPatch: bands with their deltas
    channels: int = 3
    cells: int = 64
    patch: int = 10
    stride: int = 2
    pool: int = 3
    bins: int = 129  # LSTBM
    gates: int = 200
    batches: tuple[int, ...] = (32, 256)
    steps: tuple[int, ...] = (100, 1000)
    visible: int = 88  # CD and AIS
    hidden: int = 150
    frames: tuple[int, ...] = (3200, 51200)
    gibbs_steps: int = 15
    betas: int = 100
    chains: int = 10
    product: int = 8192  # for the peaks: rows of a matrix, bytes of a copy
    copied: int = 2**30
    seconds: float = 0.7  # of timing for one figure
    variants: bool = True  # also PyTorch compiled, and TensorFloat-32

    @property
    def patches(self):
        return (self.bands - self.patch) // self.stride + 1


SMALL = Sizes(
    *(10, 12, 3, 6, 12, 2, 6, 4, 2, 3, 9, 8),
    batches=(8,),
    steps=(5, 20),
    visible=20,
    hidden=30,
    frames=(256, 512),
    betas=50,
    product=512,
    copied=2**26,
    seconds=0.1,
    variants=False,
)


class Product(NamedTuple):
    """Products of matrices (m, k) and (k, n), a number of them at each step of a loop."""

    m: int
    k: int
    n: int
    steps: int = 1
    number: int = 1
    of_data: bool = False  # whether the first operand needs no gradient


def work(products):
    """Returns the operations of products, and the bytes that they read and write in float32."""
    operations = sum(p.steps * p.number * 2 * p.m * p.k * p.n for p in products)
    numbers = (p.steps * p.number * (p.m * p.k + p.k * p.n + p.m * p.n) for p in products)
    return operations, 4 * sum(numbers)


def backward(products):
    """Returns the products of a backward pass: that of the weights is one for all steps."""
    of_operands = [Product(p.m, p.n, p.k, p.steps, p.number) for p in products if not p.of_data]
    return of_operands + [Product(p.k, p.steps * p.m, p.n, 1, p.number) for p in products]


def layer_products(layer, contender, s, batch, steps, train):
    """Returns the products of a layer; a train step runs forward and backward."""
    features = math.prod(row_shape(layer, s))
    rows = batch * (s.patches if layer == "ConvLSTMPatch" else 1)
    sfm = contender != "lstm" and layer in ("SFM", "AdaptiveSFM")
    units, columns = (s.units, sfm_columns(layer, s)) if sfm else (0, 0)
    if not sfm:  # the LSTM of patches, and the LSTBM, have the products of an LSTM
        units = lstm_units(layer, s)
        columns = 4 * units
    products = [
        Product(steps * rows, features, columns, of_data=True),  # x V of all steps at once
        Product(rows, units, columns, steps),  # z W
    ]
    if sfm:  # A_k of each frequency with U_k and P_k
        products.append(Product(rows, s.memory_units, 2 * s.units, steps, s.frequencies))
    return products + backward(products) if train else products


def cd_products(s, frames):
    """Returns the products of CD-k: the first one upwards is also that of the data's gradient."""
    return [
        Product(frames, s.visible, s.hidden, s.gibbs_steps + 1),
        Product(frames, s.hidden, s.visible, s.gibbs_steps),
        Product(s.visible, frames, s.hidden, 2),
    ]


def ais_products(s, frames):
    """Returns the products of annealing: up and down at each of the betas."""
    rows = frames * s.chains
    return [
        Product(rows, s.visible, s.hidden, s.betas),
        Product(rows, s.hidden, s.visible, s.betas),
    ]


# Layers. LSTMs have as many weights; the one beside the ConvLSTMPatch reads patches as rows, too.


def row_shape(layer, s):
    """Returns the shape of what one row of a batch reads at one step."""
    if layer == "ConvLSTMPatch":
        return s.patch, s.channels
    return (s.bins,) if layer == "LSTBM" else (s.keys,)


def frame_shape(layer, s):
    """Returns the shape of a frame: that of a row, or all bands where rows are patches of it."""
    return (s.bands, s.channels) if layer == "ConvLSTMPatch" else row_shape(layer, s)


def sfm_columns(layer, s):
    """Returns the columns of the kernel of an SFM: f_ste, f_fre, g, i, o of each frequency, w."""
    adaptive = s.frequencies if layer == "AdaptiveSFM" else 0
    return 3 * s.memory_units + s.frequencies * (1 + s.units) + adaptive


def lstm_units(layer, s):
    """Returns the units of an LSTM with as many weights as a layer, as near as may be."""
    if layer == "ConvLSTMPatch":
        return s.cells
    if layer == "LSTBM":
        return s.gates
    weights = sfm_columns(layer, s) * (s.keys + s.units + 1)
    weights += s.frequencies * s.units * (2 * s.memory_units + 1)
    # 4 n (n + N + 1) of them, for n units and N features.
    return round((math.sqrt((s.keys + 1) ** 2 + weights) - (s.keys + 1)) / 2)
