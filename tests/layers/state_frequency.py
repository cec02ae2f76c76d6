"""State-frequency memories in all variants, and what the reference makes of them."""

import math

import numpy as np
import pytest
from layers import helpers
from layers.helpers import DOUBLE, assert_allclose
from reference import sfm as reference

from seqlayers.layers import SFM, AdaptiveSFM

N, M, D, K = 2, 3, 4, 3  # all different, so that what is transposed does not fit
B, T = 2, 5
ARRAY = [0.3, 1.7, 4.0]
PERIODS = (3, 24)

VARIANTS = {
    "paper": (SFM, {}),
    "without memory_units": (SFM, {"memory_units": None}),
    "per frequency": (SFM, {"recurrent_output": "per_frequency"}),
    "stock": (SFM, {"variant": "stock", "memory_units": None}),
    "octaves": (SFM, {"frequencies": "log"}),
    "array": (SFM, {"frequencies": ARRAY}),
    "mean": (SFM, {"output_scale": "mean", "frequencies": PERIODS}),
    "mean per frequency": (SFM, {"output_scale": "mean", "recurrent_output": "per_frequency"}),
    "learned": (SFM, {"frequencies": ARRAY, "learn_frequencies": True}),
    "without bias": (SFM, {"use_bias": False}),
    "other activations": (SFM, {"activation": "linear", "recurrent_activation": "tanh"}),
    "adaptive": (AdaptiveSFM, {}),
    "accumulated": (AdaptiveSFM, {"phase": "accumulated"}),
    "adaptive per frequency": (AdaptiveSFM, {"recurrent_output": "per_frequency"}),
    "accumulated stock": (
        AdaptiveSFM,
        {"phase": "accumulated", "variant": "stock", "memory_units": None},
    ),
    "parallel": (SFM, {"gates": "input"}),
    "parallel learned": (
        SFM,
        {"gates": "input", "frequencies": ARRAY, "learn_frequencies": True},
    ),
    "parallel stock": (SFM, {"gates": "input", "variant": "stock", "memory_units": None}),
    "parallel without bias": (SFM, {"gates": "input", "use_bias": False}),
    "parallel mean": (SFM, {"gates": "input", "output_scale": "mean"}),
    "adaptive parallel": (AdaptiveSFM, {"gates": "input"}),
    "accumulated parallel": (AdaptiveSFM, {"gates": "input", "phase": "accumulated"}),
    "adaptive without bias": (AdaptiveSFM, {"use_bias": False}),
}
DETACHED = {"detach_frequency": True}
OF_THE_WAY_BACK = {  # what changes gradients alone
    "detached": (AdaptiveSFM, DETACHED),
    "clipped": (SFM, {"gradient_clip": 0.1}),
    "both per frequency": (
        AdaptiveSFM,
        DETACHED | {"gradient_clip": 0.1, "recurrent_output": "per_frequency"},
    ),
}
GIVEN = [name for name, (cls, _) in VARIANTS.items() if cls is SFM]
all_variants = pytest.mark.parametrize("name", VARIANTS)


def randomised(layer):
    layer.build((None, None, N))
    return helpers.randomised(layer, without=("frequencies",))


def made(name, **kwargs):
    cls, arguments = (VARIANTS | OF_THE_WAY_BACK)[name]
    sizes = {"units": M, "num_frequencies": K, "memory_units": D}
    known = {"return_sequences": True, "return_state": True, "jit_compile": False}
    return randomised(cls(**sizes | known | {"dtype": DOUBLE} | arguments | kwargs))


def frames(batch=B, steps=T, seed=2):
    return helpers.frames(batch, steps, N, dtype=DOUBLE, seed=seed)


ACTIVATIONS = {
    "tanh": math.tanh,
    "sigmoid": reference.sigmoid,
    "linear": lambda x: x,
}
FREQUENCIES = {"harmonic": reference.harmonic, "log": reference.octaves}


def in_the_paper(layer):
    """The weights and options of a layer as the reference takes them."""
    arrays = [w.numpy().astype("float64") for w in layer.weights]
    config = layer.get_config()
    options = {
        "variant": config["variant"],
        "recurrent_output": config["recurrent_output"],
        "output_scale": config["output_scale"],
        "activation": ACTIVATIONS[config["activation"]],
        "recurrent_activation": ACTIVATIONS[config["recurrent_activation"]],
    }
    if isinstance(layer, AdaptiveSFM):
        options |= {"adaptive": True, "phase": config["phase"]}
    elif config["learn_frequencies"]:
        options["frequencies"] = arrays.pop()
    else:
        options["frequencies"] = known_frequencies(config["frequencies"], config["num_frequencies"])
    V, *arrays = arrays
    W = arrays.pop(0) if config["gates"] == "recurrent" else None
    b, UP, d = arrays if config["use_bias"] else (None, arrays[0], None)
    return reference.SFM(V, W, b, UP, d), options


def known_frequencies(given, number):
    if isinstance(given, str):
        return FREQUENCIES[given](number)
    return reference.spread(*given, number) if len(given) == 2 != number else given


def silence(layer):
    cell = layer.cell
    return reference.silence(cell.units, cell.memory_units, cell.num_frequencies)


def clock(t):
    return np.array([[t % 256, t // 256 % 256, t // 256**2]], "float64")


def states_of(layer, memory):
    """The memory of one sequence, as one row of the states of a layer."""
    config = layer.get_config()
    states = [memory.z, memory.S.real.T, memory.S.imag.T]
    accumulated = config.get("phase") == "accumulated"
    states.append(memory.angle / (2 * np.pi) % 1 if accumulated else clock(memory.t))
    if config["recurrent_output"] == "per_frequency":
        states.append(memory.z_k)
    return [np.reshape(s, (1, -1)).astype("float64") for s in states]


def memory_of(layer, states):
    """The other way round."""
    z, S_re, S_im, time, *z_k = (s[0] for s in states)
    nothing = silence(layer)
    S = np.reshape(S_re + 1j * S_im, nothing.S.T.shape).T
    z_k = np.reshape(z_k[0], nothing.z_k.shape) if z_k else nothing.z_k
    if layer.get_config().get("phase") == "accumulated":
        return reference.Memory(z, S, 0, 2 * np.pi * time, z_k)
    return reference.Memory(z, S, int(time @ [1, 256, 256**2]), nothing.angle, z_k)


def some_states(layer, t=3, seed=4):
    """Those of a memory that sounds."""
    rng = np.random.default_rng(seed)
    states = [rng.normal(size=(1, size)) for size in layer.cell.state_size]
    states[3] = rng.random((1, K)) if "phase" in layer.cell.state_names else clock(t)
    return states


def assert_same_turn(actual, expected, atol):
    """Fractions of a turn are the same; 0.999 and 0.001 are close."""
    assert_allclose((actual - expected + 0.5) % 1, 0.5, atol=atol)


def assert_same_states(layer, actual, expected, atol):
    for name, a, e in zip(layer.cell.state_names, actual, expected, strict=True):
        if name == "phase":
            assert_same_turn(a, e, atol)
        else:
            assert_allclose(a, e, atol=atol, rtol=0, err_msg=name)


def last(known):
    return reference.Memory(*(values[-1] for values in known))


def rows(states, number=B):
    return [np.repeat(s, number, axis=0) for s in states]
