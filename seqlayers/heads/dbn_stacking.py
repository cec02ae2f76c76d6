"""The layers of a deep belief network: their weights, and training and adding them one by one.

A new top layer starts as the layer below it, turned around: W_L = W_{L-1}^T, b_L = b_{L-2} and
A_L = A_{L-2}. The RBM on top then gives h_{L-1} the probability that it had as the hidden layer of
the RBM below, so that p(v) is what it was.

Letters are those of `seqlayers.heads.conditional_dbn`.
Reference: G. Hinton, S. Osindero and Y.-W. Teh, A Fast Learning Algorithm for Deep Belief Nets,
Neural Computation 2006.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from seqlayers.heads.conditional_rbm import ConditionalRBM
from seqlayers.sampling import fold_in, seed_pair


class LayerWeights(NamedTuple):
    """The weights that set the biases and the input from below of one layer of units."""

    kernel: Any  # [below, units]; None for the visible layer
    bias: Any  # [units]
    context_kernel: Any  # [C, units]; None without a context

    def bias_given(self, context):
        """Returns the bias of the frames with these contexts, `(..., units)`; of all if None."""
        bias = ops.convert_to_tensor(self.bias)
        return bias if context is None else bias + ops.matmul(context, self.context_kernel)

    def assign(self, other):
        """Sets all weights to those of another layer of the same size."""
        for mine, its in zip(self, other, strict=True):
            if mine is not None and its is not None:
                mine.assign(its)


def pretrain_layers(head, frames, train, seed, restart=True):
    """Trains each pair of layers as an RBM on the mean activations of the one below.

    Arguments and results are those of `ConditionalDBN.pretrain_layers`.
    """
    losses, upward = [], head.layers_upward()
    for i, (low, high) in enumerate(itertools.pairwise(head.generation)):
        V, H = high.kernel.shape
        rbm = ConditionalRBM(
            V,
            H,
            head.gibbs_steps,
            kernel_regularizer=head.kernel_regularizer,
            seed=int(np.asarray(fold_in(seed_pair(seed), i)).view("uint64")[0]),
            dtype=head.dtype_policy,
        )
        rbm.build((None, V))
        if restart:
            if i:
                turn_around(head.generation[i - 1], low, high, head.seed, with_context=False)
            upward[i].assign(high)
        for weight, start in (
            (rbm.kernel, high.kernel),
            (rbm.visible_bias, low.bias),
            (rbm.hidden_bias, upward[i].bias),
        ):
            weight.assign(start)
        losses += train(rbm, frames)
        for layer in (high, upward[i]):
            layer.kernel.assign(rbm.kernel)
        low.bias.assign(rbm.visible_bias)
        upward[i].bias.assign(rbm.hidden_bias)
        if restart:  # where the visible bias of the next pair starts
            high.bias.assign(rbm.hidden_bias)
        frames = ops.convert_to_numpy(rbm.encode(frames))
    return losses


def stack_on(head, shallower):
    """Copies the layers of `shallower` and starts the top layer of `head`; both are as checked.

    Arguments are those of `ConditionalDBN.stack_on`.
    """
    for mine, its in zip(head.generation, shallower.generation, strict=False):
        mine.assign(its)
    # The top layer of `shallower` had no recognition of its own: its posterior is exact.
    for mine, its in zip(head.recognition, shallower.layers_upward(), strict=True):
        mine.assign(its)
    turn_around(*shallower.generation[-2:], head.generation[-1], head.seed, with_context=True)


def turn_around(low, middle, high, seed, with_context):
    """Sets layer `high` to the layer `low` as it is seen from `middle`, the layer between.

    Units of `high` that are left over have no kernel yet and biases of their own. Where it has too
    few, the units of `low` with the largest weights are kept.

    Args:
        low, middle, high: `LayerWeights` of three layers, from the lowest up.
        seed: An integer that the biases of units left over are drawn from.
        with_context: Whether kernels from the context are set, too.
    """
    W, units = ops.convert_to_numpy(middle.kernel), high.bias.shape[0]
    keep = np.sort(np.argsort(-np.square(W).sum(axis=1), kind="stable")[:units])

    def put(weight, rows, left_over):
        rows = ops.convert_to_numpy(rows)[..., keep]
        weight.assign(np.concatenate([rows, left_over[..., len(keep) :]], axis=-1))

    put(high.kernel, W.T, np.zeros((W.shape[1], units)))
    # Units without weights learn the same for ever unless they differ by a bias.
    put(high.bias, low.bias, np.random.default_rng(seed % 2**64).normal(size=units))
    if with_context and high.context_kernel is not None:
        kernel = ops.convert_to_numpy(high.context_kernel)
        put(high.context_kernel, low.context_kernel, kernel)
