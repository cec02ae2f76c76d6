"""Seconds of a step, and the number of epochs that a network trains in the time of another."""

import math
import time

ROUNDS = 40


def measure(networks):
    """Returns the least seconds of a step of each network, measured in turn.

    Args:
        networks: Functions by name. Each takes `jit_compile` and returns a function of one step.

    Returns:
        For each name a dict, seconds by mode: "compiled" where XLA compiles the whole step, and
        "plain".
    """
    modes = {"compiled": True, "plain": False}
    steps = {(name, mode): make(modes[mode]) for name, make in networks.items() for mode in modes}
    least = dict.fromkeys(steps, math.inf)
    for number in range(ROUNDS + 2):
        for key, step in steps.items():
            started = time.perf_counter()
            step()
            if number >= 2:  # the first ones compile
                least[key] = min(least[key], time.perf_counter() - started)
    return {name: {mode: round(least[name, mode], 5) for mode in modes} for name in networks}


def epochs_in_time_of(reference, epochs, own):
    """Returns the epochs that take the time of those of a reference, and the faster mode.

    Args:
        reference: Seconds of a step of the reference by mode.
        epochs: Number of its epochs.
        own: Seconds of a step by mode, of batches of the same size.
    """
    mode = min(own, key=own.get)
    return max(1, round(epochs * min(reference.values()) / own[mode])), mode
