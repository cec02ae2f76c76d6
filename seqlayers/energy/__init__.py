"""Energies, samplers and likelihoods: pure functions over parameters."""

from seqlayers.energy.partition import (
    LogPartition,
    ais_log_partition,
    bridge_log_partition,
    can_enumerate,
    log_partition,
    reverse_log_partition,
)
from seqlayers.energy.rbm import (
    RBMParams,
    centered,
    contrastive_divergence,
    features,
    free_energy,
    gibbs,
    hidden_given_visible,
    independent,
    mean_field,
    persistent_contrastive_divergence,
    visible_given_hidden,
    visible_given_input,
)
from seqlayers.energy.visibles import VISIBLES, Bernoulli, Gamma, Gaussian

__all__ = [
    "VISIBLES",
    "Bernoulli",
    "Gamma",
    "Gaussian",
    "LogPartition",
    "RBMParams",
    "ais_log_partition",
    "bridge_log_partition",
    "can_enumerate",
    "centered",
    "contrastive_divergence",
    "features",
    "free_energy",
    "gibbs",
    "hidden_given_visible",
    "independent",
    "log_partition",
    "mean_field",
    "persistent_contrastive_divergence",
    "reverse_log_partition",
    "visible_given_hidden",
    "visible_given_input",
]
