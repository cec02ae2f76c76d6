"""State-Frequency Memory: its equations, its clock, its spectrum and its limits."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import sfm as reference

from seqlayers.layers import SFM, AdaptiveSFM, AdaptiveSFMCell, SFMCell

N, M, D, K = 2, 3, 4, 3  # all different, so that what is transposed does not fit
B, T = 2, 5
ARRAY = [0.3, 1.7, 4.0]

VARIANTS = {
    "paper": (SFM, {}),
    "without memory_units": (SFM, {"memory_units": None}),
    "per frequency": (SFM, {"recurrent_output": "per_frequency"}),
    "stock": (SFM, {"variant": "stock", "memory_units": None}),
    "octaves": (SFM, {"frequencies": "log"}),
    "array": (SFM, {"frequencies": ARRAY}),
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
    "adaptive without bias": (AdaptiveSFM, {"use_bias": False}),
}
GIVEN = [name for name, (cls, _) in VARIANTS.items() if cls is SFM]
all_variants = pytest.mark.parametrize("name", VARIANTS)


def randomised(layer, scale=0.7, seed=1):
    layer.build((None, None, N))
    rng = np.random.default_rng(seed)
    for weight in layer.cell.trainable_weights:
        if weight.name != "frequencies":
            weight.assign(scale * rng.normal(size=weight.shape))
    return layer


def made(name, **kwargs):
    cls, arguments = VARIANTS[name]
    sizes = {"units": M, "num_frequencies": K, "memory_units": D}
    known = {"return_sequences": True, "return_state": True, "jit_compile": False}
    return randomised(cls(**sizes | known | {"dtype": "float64"} | arguments | kwargs))


def frames(batch=B, steps=T, seed=2):
    return np.random.default_rng(seed).normal(size=(batch, steps, N))


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
        "activation": ACTIVATIONS[config["activation"]],
        "recurrent_activation": ACTIVATIONS[config["recurrent_activation"]],
    }
    if isinstance(layer, AdaptiveSFM):
        options |= {"adaptive": True, "phase": config["phase"]}
    elif config["learn_frequencies"]:
        options["frequencies"] = arrays.pop()
    else:
        given = config["frequencies"]
        known = FREQUENCIES[given](config["num_frequencies"]) if isinstance(given, str) else given
        options["frequencies"] = known
    if config["use_bias"]:
        V, W, b, UP, d = arrays
    else:
        (V, W, UP), b, d = arrays, None, None
    return reference.SFM(V, W, b, UP, d), options


def silence(layer):
    cell = layer.cell
    return reference.silence(cell.units, cell.memory_units, cell.num_frequencies)


def clock(t):
    return np.array([[t % 256, t // 256 % 256, t // 256**2]], "float64")


def states_of(layer, memory):
    """What is known of one sequence, as one row of the states of a layer."""
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
    np.testing.assert_allclose((actual - expected + 0.5) % 1, 0.5, atol=atol)


def assert_same_states(layer, actual, expected, atol):
    for name, a, e in zip(layer.cell.state_names, actual, expected, strict=True):
        if name == "phase":
            assert_same_turn(a, e, atol)
        else:
            np.testing.assert_allclose(a, e, atol=atol, rtol=0, err_msg=name)


def last(known):
    return reference.Memory(*(values[-1] for values in known))


def rows(states, number=B):
    return [np.repeat(s, number, axis=0) for s in states]


# The equations.


@all_variants
@pytest.mark.parametrize("start", ["silence", "some memory"])
def test_outputs_and_states_are_those_of_the_equations(name, start):
    layer, x = made(name), frames()
    weights, options = in_the_paper(layer)
    first = states_of(layer, silence(layer)) if start == "silence" else some_states(layer)
    before = memory_of(layer, first)
    known = [reference.sfm(weights, row, before, **options) for row in x]
    loop = keras.layers.RNN(layer.cell, True, True, dtype="float64")
    for run in (layer, loop, lambda *given, **more: layer(*given, **more, training=True)):
        z, *states = run(x, initial_state=rows(first))
        np.testing.assert_allclose(z, [k.z for k in known], atol=1e-12, rtol=0)
        for row in range(B):
            expected = states_of(layer, last(known[row]))
            assert_same_states(layer, [s[row : row + 1] for s in states], expected, 1e-12)


@all_variants
def test_single_precision_is_close_to_the_equations(name):
    layer, x = made(name, dtype="float32"), frames().astype("float32")
    weights, options = in_the_paper(layer)
    for training in (False, True):
        z = layer(x, training=training)[0]
        for row in range(B):
            known = reference.sfm(weights, x[row].astype("float64"), silence(layer), **options)
            np.testing.assert_allclose(z[row], known.z, atol=3e-6, rtol=3e-6)


def test_frequencies_are_those_of_their_names():
    def of(frequencies):
        layer = SFM(1, 4, frequencies=frequencies, learn_frequencies=True, dtype="float64")
        layer.build((None, None, 1))
        assert layer.weights[-1].name == "frequencies"
        assert layer.trainable_weights[-1] is layer.weights[-1]
        return layer.weights[-1].numpy()

    pi = math.pi
    np.testing.assert_allclose(of("harmonic"), [0, pi / 2, pi, 3 * pi / 2], rtol=1e-15)
    np.testing.assert_allclose(of("log"), [pi / 8, pi / 4, pi / 2, pi], rtol=1e-15)
    np.testing.assert_array_equal(of([3, 1, 4, 1]), [3, 1, 4, 1])
    np.testing.assert_array_equal(of(np.float32([3, 1, 4, 1])), [3, 1, 4, 1])


@pytest.mark.parametrize("name", ["paper", "learned", "stock", "adaptive", "accumulated"])
def test_weights_have_the_shapes_and_the_order_that_is_told(name):
    layer = made(name)
    gates = D + K + D + D + K * M
    shapes = {"kernel": (N, gates), "recurrent_kernel": (M, gates), "bias": (gates,)}
    shapes |= {"amplitude_kernel": (K, D, 2 * M), "output_bias": (K, M)}
    if name == "learned":
        shapes["frequencies"] = (K,)
    if name == "stock":
        gates = M + K + M + M + M
        shapes = {"kernel": (N, gates), "recurrent_kernel": (M, gates), "bias": (gates,)}
        shapes |= {"amplitude_kernel": (K,), "output_bias": (M,)}
    if name in ("adaptive", "accumulated"):
        gates += K
        shapes |= {"kernel": (N, gates), "recurrent_kernel": (M, gates), "bias": (gates,)}
    assert {w.name: tuple(w.shape) for w in layer.weights} == shapes
    assert [w.name for w in layer.weights] == list(shapes)


@pytest.mark.parametrize("unit_forget_bias", [True, False])
@pytest.mark.parametrize("other", [0.0, 0.5])
@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_biases_of_both_forget_gates_start_at_one_and_others_as_their_initializer_says(
    cls, other, unit_forget_bias
):
    constant = keras.initializers.Constant(other)
    layer = cls(M, K, D, bias_initializer=constant, unit_forget_bias=unit_forget_bias)
    layer.build((None, None, N))
    bias = layer.cell.bias.numpy()
    forget, rest = bias[: D + K], bias[D + K :]
    if cls is AdaptiveSFM:
        rest = np.delete(rest, np.s_[2 * D : 2 * D + K])  # those of the frequencies
    np.testing.assert_array_equal(forget, np.full(D + K, 1 if unit_forget_bias else other))
    np.testing.assert_array_equal(rest, np.full(2 * D + K * M, other))
    np.testing.assert_array_equal(layer.cell.output_bias, np.full((K, M), other))


@pytest.mark.parametrize("frequencies", ["log", ARRAY])
def test_adaptive_frequencies_start_where_they_are_told(frequencies):
    options = {"frequencies": frequencies, "phase": "accumulated", "return_state": True}
    layer = AdaptiveSFM(M, K, D, dtype="float64", **options)
    phase = layer(np.zeros((1, 1, N)))[4]
    expected = reference.octaves(K) if frequencies == "log" else frequencies
    np.testing.assert_allclose(phase[0] * 2 * np.pi, expected, rtol=1e-6)


@pytest.mark.parametrize("options", [{"use_bias": False}, {}], ids=["without bias", "with bias"])
def test_without_bias_all_adaptive_frequencies_start_at_half_the_sampling_rate(options):
    layer = AdaptiveSFM(M, K, D, phase="accumulated", return_state=True, **options)
    phase = layer(np.zeros((1, 1, N), "float32"))[4]
    assert np.all(phase == 0.5) == ("use_bias" in options)


# Gradients, against differences of the reference.


def slopes(function, arrays, step=1e-5):
    """Central differences of a scalar function of arrays, which are moved in place."""
    results = []
    for array in arrays:
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            kept, ends = array[index], []
            for end in (kept + step, kept - step):
                array[index] = end
                ends.append(function())
            array[index] = kept
            slope[index] = (ends[0] - ends[1]) / (2 * step)
        results.append(slope)
    return results


@all_variants
def test_gradients_of_everything_are_slopes_of_the_equations(name):
    layer, x = made(name), frames(1, 3)
    weights, options = in_the_paper(layer)
    states = some_states(layer)
    of_z = np.random.default_rng(5).normal(size=(3, M))
    of_states = some_states(layer, t=0, seed=6)  # nothing of the clock

    def expected():
        known = reference.sfm(weights, x[0], memory_of(layer, states), **options)
        after = states_of(layer, last(known))
        return np.sum(of_z * known.z) + sum(map(np.sum, map(np.multiply, of_states, after)))

    arrays = [array for array in weights if array is not None]
    arrays += [options["frequencies"]] if name == "learned" else []
    tensors = [w.value for w in layer.trainable_weights] + [tf.constant(a) for a in (x, *states)]
    arrays += [x, *states]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        inputs, *first = tensors[len(layer.trainable_weights) :]
        z, *after = layer(inputs, initial_state=first, training=True)
        total = tf.reduce_sum(z * of_z)
        total += sum(tf.reduce_sum(c * s) for c, s in zip(of_states, after, strict=True))
    gradients = tape.gradient(total, tensors, unconnected_gradients="zero")
    if "clock" in layer.cell.state_names:
        place = layer.cell.state_names.index("clock") - len(states)
        del gradients[place], arrays[place]
    for gradient, slope in zip(gradients, slopes(expected, arrays), strict=True):
        np.testing.assert_allclose(gradient, slope, atol=2e-8, rtol=1e-6)


@pytest.mark.parametrize("t", [1, 5, 21])
def test_the_gradient_of_a_frequency_grows_with_time(t):
    """With w = pi / 2 the angle is the same at t = 1, 5, 21, and its slope by w is t."""
    arguments = {"frequencies": [np.pi / 2], "learn_frequencies": True, "dtype": "float64"}
    layer = randomised(SFM(M, 1, D, **arguments))
    gradients = []
    for before in (0, t - 1):
        states = some_states(layer, t=before)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(frames(1, 1), initial_state=states))
        gradients.append(tape.gradient(total, layer.weights[-1].value).numpy())
    assert abs(gradients[0]) > 1e-3
    np.testing.assert_allclose(gradients[1], t * gradients[0], rtol=1e-9)


def memory_alone(dtype, S, training):
    """The gradient by S' of a random sum of what is put out of S = f S', with nothing put in."""
    layer = made("paper", dtype=dtype)
    for weight in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias):
        columns = np.arange(weight.shape[-1])
        off = (columns >= 2 * D + K) & (columns < 3 * D + K)  # i
        weight.assign(np.where(off, 0, weight.numpy()))
    states = [s.astype(dtype) for s in some_states(layer)]
    states[1] = np.reshape(S.real.T, (1, -1)).astype(dtype)
    states[2] = np.reshape(S.imag.T, (1, -1)).astype(dtype)
    of_z = np.random.default_rng(7).normal(size=(1, 1, M))
    x, states = frames(1, 1), [tf.constant(s) for s in states]
    with tf.GradientTape() as tape:
        tape.watch(states)
        z = layer(x, initial_state=states, training=training)[0]
        total = tf.reduce_sum(tf.cast(z, "float64") * of_z)
    gradient = [g.numpy().reshape(K, D).T for g in tape.gradient(total, states[1:3])]

    weights, options = in_the_paper(layer)
    arrays = [S.real.copy(), S.imag.copy()]

    def expected():
        memory = memory_of(layer, [np.float64(s) for s in states])
        memory = memory._replace(S=arrays[0] + 1j * arrays[1])
        return np.sum(of_z * reference.sfm(weights, x[0], memory, **options).z)

    return gradient, lambda step: slopes(expected, arrays, step)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("dtype, size, atol", [("float64", 1e-3, 1e-7), ("float32", 1e-3, 1e-5)])
def test_the_gradient_of_the_amplitude_is_exact_where_there_is_one(dtype, size, atol, training):
    rng = np.random.default_rng(8)
    S = size * (rng.normal(size=(D, K)) + 1j * rng.normal(size=(D, K)))
    S[0] *= 1e3
    gradient, slopes_with = memory_alone(dtype, S, training)
    for actual, slope in zip(gradient, slopes_with(size * 1e-4), strict=True):
        assert np.abs(slope).max() > 0.01
        np.testing.assert_allclose(actual, slope, atol=atol)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_the_amplitude_is_zero_in_silence(dtype, training):
    S = np.zeros((D, K), complex)
    S[0], S[1] = 0.5 - 0.25j, -0.5j
    for gradient in memory_alone(dtype, S, training)[0]:
        np.testing.assert_array_equal(gradient[2:], 0)
    real, imaginary = memory_alone(dtype, S, training)[0]
    assert np.all(real[0] != 0) and np.all(imaginary[:2] != 0)
    np.testing.assert_array_equal(real[1], 0)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_the_gradient_of_the_amplitude_does_not_depend_on_how_small_it_is(training):
    direction = np.exp(1j * np.arange(D * K).reshape(D, K))
    of_tiny, of_small = (
        memory_alone("float32", size * direction, training)[0] for size in (1e-15, 1e-8)
    )
    np.testing.assert_allclose(of_tiny, of_small, rtol=1e-5, atol=1e-7)


# The clock.


@all_variants
def test_time_starts_at_one_and_masked_frames_do_not_count(name):
    layer, x = made(name), frames()
    mask = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], bool)
    weights, options = in_the_paper(layer)
    for training in (False, True):
        z, *states = layer(x, mask=mask, training=training)
        for row in range(B):
            known = reference.sfm(weights, x[row, mask[row]], silence(layer), **options)
            np.testing.assert_allclose(z.numpy()[row, mask[row]], known.z, atol=1e-12)
            assert last(known).t == mask[row].sum()
            expected = states_of(layer, last(known))
            assert_same_states(layer, [s[row : row + 1] for s in states], expected, 1e-12)


LATE = [255, 65_534, 100_002, 999_998, 5_000_000]


@pytest.mark.parametrize("t", LATE)
@pytest.mark.parametrize("name", ["paper", "octaves", "array", "per frequency"])
def test_the_memory_turns_exactly_however_late_it_is(name, t):
    layer = made(name, dtype="float32")
    weights, options = in_the_paper(layer)
    nothing, x = silence(layer)._replace(t=t), frames(1, 3).astype("float32")
    first = [np.float32(s) for s in states_of(layer, nothing)]
    known = reference.sfm(weights, x[0].astype("float64"), nothing, **options)
    for training in (False, True):
        _, *states = layer(x, initial_state=first, training=training)
        assert_same_states(layer, states, states_of(layer, last(known)), 2e-6)


@pytest.mark.parametrize("t", LATE)
@pytest.mark.parametrize("name", ["learned", "adaptive", "accumulated"])
def test_frequencies_that_move_turn_exactly_in_double_precision(name, t):
    layer = made(name)
    weights, options = in_the_paper(layer)
    start = silence(layer)._replace(t=t, angle=np.arange(K) + 2 * np.pi * t)
    # One frame: from the next on, w t magnifies what rounding has done to w.
    known = reference.sfm(weights, frames(1, 1)[0], start, **options)
    for training in (False, True):
        given = {"initial_state": states_of(layer, start), "training": training}
        _, *states = layer(frames(1, 1), **given)
        assert_same_states(layer, states, states_of(layer, last(known)), 1e-8)


@pytest.mark.parametrize("name", ["paper", "adaptive"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_the_clock_counts_on_where_its_type_would_not(name, policy):
    layer = made(name, dtype=policy)
    for t in (254, 2047, 65_534):
        states = [s * 0 for s in some_states(layer)]
        states[3] = clock(t)
        for step in range(1, 4):
            _, *states = layer(frames(1, 1), initial_state=states)
            np.testing.assert_array_equal(tf.cast(states[3], "float64"), clock(t + step))


@pytest.mark.parametrize("name", [*GIVEN, "accumulated"])
def test_when_the_clock_starts_changes_no_output(name):
    """S turns as a whole, and its amplitude does not see it."""
    layer, x = made(name), frames()
    early, late = [s * 0 for s in some_states(layer)], [s * 0 for s in some_states(layer)]
    late[3] = clock(100_003) if "clock" in layer.cell.state_names else late[3] + 0.3
    first, second = (layer(x, initial_state=rows(states)) for states in (early, late))
    np.testing.assert_allclose(second[0], first[0], atol=1e-9)
    assert np.any(np.abs(second[2] - first[2]) > 0.01)


# The spectrum.


@all_variants
def test_the_spectrum_is_the_amplitude_of_the_memory_at_each_frame(name):
    layer, x = made(name), frames()
    weights, options = in_the_paper(layer)
    first = some_states(layer)
    for states in (None, first):
        before = silence(layer) if states is None else memory_of(layer, states)
        known = [reference.sfm(weights, row, before, **options) for row in x]
        given = None if states is None else rows(states)
        actual = layer.spectrum(x, initial_state=given)
        assert actual.shape == (B, T, *before.S.shape)
        np.testing.assert_allclose(actual, np.abs([k.S for k in known]), atol=1e-12)


@pytest.mark.parametrize("name", ["paper", "adaptive", "per frequency"])
def test_the_spectrum_stands_still_at_masked_frames(name):
    layer, x = made(name), frames()
    mask = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], bool)
    held = np.where(mask[..., None], x, np.nan)
    actual = layer.spectrum(held, mask=mask).numpy()
    for row in range(B):
        dense = layer.spectrum(x[row : row + 1, mask[row]])[0]
        np.testing.assert_allclose(actual[row, mask[row]], dense, atol=1e-12)
    np.testing.assert_array_equal(actual[0, 0], np.zeros((D, K)))
    np.testing.assert_array_equal(actual[0, 3], actual[0, 2])
    np.testing.assert_array_equal(actual[1, 4], actual[1, 0])


def test_the_spectrum_of_a_layer_that_goes_backwards_is_read_as_its_outputs_are():
    layer, backwards = made("paper"), made("paper", go_backwards=True)
    x = frames()
    np.testing.assert_allclose(
        backwards.spectrum(x), layer.spectrum(np.flip(x, axis=1)), atol=1e-12
    )


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_a_spectrum_can_be_had_first_of_all_and_changes_nothing(cls):
    layer = cls(M, K, D, dropout=0.5, stateful=True)
    x = frames().astype("float32")
    spectrum = layer.spectrum(x)
    np.testing.assert_array_equal(layer.spectrum(x), spectrum)
    assert [w.name for w in layer.trainable_weights][:2] == ["kernel", "recurrent_kernel"]
    assert layer(x).shape == (B, M)


# Limits.


def assigned(layer, **weights):
    """A layer of 1 in which nothing but what is given is not 0."""
    layer.build((None, None, 1))
    for weight in layer.cell.trainable_weights:
        weight.assign(weights.get(weight.name, np.zeros(weight.shape)))
    return layer


OPEN, SHUT = 60.0, -60.0  # a sigmoid of these is 1 or 0 in double precision, but for 1e-26


def columns(K, ste, fre, g, i):
    """A row of a layer of one unit; output gates stay at 0."""
    return np.array([ste] + [fre] * K + [g, i] + [0.0] * K)


def test_a_memory_that_forgets_nothing_is_the_fourier_transform_of_what_went_in():
    x = frames(1, 16)[:, :, :1]
    layer = assigned(
        SFM(1, 16, dtype="float64"),
        kernel=columns(16, 0, 0, 0, 1)[None],
        bias=columns(16, OPEN, OPEN, OPEN, 0),
    )
    spectrum = layer.spectrum(x)[0, -1, 0]
    np.testing.assert_allclose(spectrum, np.abs(np.fft.fft(np.tanh(x[0, :, 0]))), atol=1e-12)


def test_a_wave_of_one_of_the_frequencies_is_heard_at_that_frequency():
    t = np.arange(1, 65)
    layer = assigned(
        SFM(1, 4, frequencies="log", dtype="float64"),
        kernel=columns(4, 0, 0, 0, 1)[None],
        bias=columns(4, OPEN, OPEN, OPEN, 0),
    )
    for k, w in enumerate(reference.octaves(4)):
        spectrum = layer.spectrum(0.01 * np.cos(w * t)[None, :, None])[0, -1, 0]
        assert np.argmax(spectrum) == k
        assert spectrum[k] > 10 * np.max(np.delete(spectrum, k))


@pytest.mark.parametrize("frequencies", ["harmonic", [0.0]], ids=["harmonic", "given"])
def test_at_frequency_zero_the_memory_is_a_leaky_sum(frequencies):
    x, leak = frames(1, 8)[:, :, :1], reference.sigmoid(0.5) * reference.sigmoid(1.0)
    layer = assigned(
        SFM(1, 1, frequencies=frequencies, return_state=True, dtype="float64"),
        kernel=columns(1, 0, 0, 0, 1)[None],
        bias=columns(1, 0.5, 1.0, OPEN, 0),
    )
    total = 0.0
    for value in x[0, :, 0]:
        total = leak * total + math.tanh(value)
    _, _, S_re, S_im, _ = layer(x)
    np.testing.assert_allclose(S_re, [[total]], atol=1e-12)
    np.testing.assert_array_equal(S_im, [[0]])


def test_a_memory_that_forgets_all_at_once_sees_one_frame():
    layer, x = made("paper"), frames()
    bias = layer.cell.bias.numpy()
    bias[: D + K] = 20 * SHUT
    layer.cell.bias.assign(bias)
    layer.cell.recurrent_kernel.assign(np.zeros(layer.cell.recurrent_kernel.shape))
    each = layer(x.reshape(B * T, 1, N))[0]
    np.testing.assert_allclose(np.reshape(layer(x)[0], each.shape), each, atol=1e-12)


@pytest.mark.parametrize("phase", ["product", "accumulated"])
@pytest.mark.parametrize("form", ["paper", "stock", "per_frequency"])
def test_adaptive_frequencies_that_do_not_adapt_are_given_ones(phase, form):
    options = {"variant": "stock"} if form == "stock" else {}
    options |= {"recurrent_output": form} if form == "per_frequency" else {}
    options |= {"units": M, "num_frequencies": K, "return_sequences": True, "dtype": "float64"}
    adaptive = randomised(AdaptiveSFM(phase=phase, **options))
    omega = np.s_[2 * M + K + M : 2 * M + K + M + K]
    b_w, kept = np.array([-1.0, 0.3, 2.0]), []
    for weight in adaptive.weights:
        array = weight.numpy()
        if weight.name in ("kernel", "recurrent_kernel", "bias"):
            array[..., omega] = b_w if weight.name == "bias" else 0
            weight.assign(array)
            array = np.delete(array, omega, axis=-1)
        kept.append(array)
    w = [2 * np.pi * reference.sigmoid(b) for b in b_w]
    given = SFM(frequencies=w, **options)
    given.build((None, None, N))
    given.set_weights(kept)
    np.testing.assert_allclose(adaptive(frames()), given(frames()), atol=1e-9)


def test_the_two_phases_differ_when_the_frequency_moves():
    product, accumulated = made("adaptive"), made("accumulated")
    x = frames()
    first, second = product(x)[0].numpy(), accumulated(x)[0].numpy()
    np.testing.assert_allclose(first[:, 0], second[:, 0], atol=1e-12)
    assert np.all(np.abs(first - second)[:, 1:].max(axis=(0, 2)) > 1e-4)


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_with_one_frequency_its_own_output_is_the_output(cls):
    arguments = {"return_sequences": True, "dtype": "float64"}
    whole = randomised(cls(M, 1, D, **arguments))
    apart = randomised(cls(M, 1, D, recurrent_output="per_frequency", **arguments))
    np.testing.assert_allclose(apart(frames()), whole(frames()), atol=1e-12)


# Arguments.


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
@pytest.mark.parametrize(
    "name, value",
    [
        *(("num_frequencies", value) for value in (0, -1, 2.0, True, "2", None)),
        *(("memory_units", value) for value in (0, -1, 2.5, True, "2")),
        *(("variant", value) for value in ("x", None, 1)),
        *(("recurrent_output", value) for value in ("x", None, True)),
    ],
)
def test_a_bad_argument_is_named_with_what_was_received(cls, name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received.*{value!r}"):
        cls(3, **{name: value})


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
@pytest.mark.parametrize(
    "frequencies",
    [
        "linear",
        None,
        1.0,
        [],
        [1.0, 2.0],
        [1.0, 2.0, 3.0, np.nan],
        [1.0, 2.0, np.inf, 4.0],
        [[1.0, 2.0], [3.0, 4.0]],
        [1.0, 2.0, 3.0, "4 Hz"],
        [1.0, 2.0, 3.0, 4j],
    ],
    ids=repr,
)
def test_frequencies_that_are_none_are_refused(cls, frequencies):
    with pytest.raises(ValueError, match="`frequencies` must be.*Received: frequencies="):
        cls(3, 4, frequencies=frequencies)


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
def test_an_unknown_phase_is_refused(cls):
    for phase in ("x", None, 1):
        with pytest.raises(ValueError, match="`phase` must be.*product.*accumulated.*Received"):
            cls(3, phase=phase)


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
def test_frequencies_that_adapt_cannot_be_learned_as_well(cls):
    with pytest.raises((TypeError, ValueError), match="learn_frequencies"):
        cls(3, learn_frequencies=True)


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
@pytest.mark.parametrize(
    "frequencies", ["harmonic", [0.0, 1.0], [1.0, 2 * np.pi], [-1.0, 1.0]], ids=repr
)
def test_adaptive_frequencies_cannot_start_where_no_sigmoid_can_be(cls, frequencies):
    with pytest.raises(ValueError, match="`frequencies`.*above 0 and below 2 pi.*Received"):
        cls(3, 2, frequencies=frequencies)


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
def test_the_form_for_stock_prices_has_as_many_outputs_as_states(cls):
    assert cls(3, memory_units=3, variant="stock").memory_units == 3
    with pytest.raises(ValueError, match="stock.*`memory_units`.*Received.*memory_units=4"):
        cls(3, memory_units=4, variant="stock")


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
@pytest.mark.parametrize("given", ["log", ARRAY, np.array(ARRAY), np.float32(ARRAY)])
def test_config_holds_the_frequencies_as_given(cls, given):
    layer = cls(3, 3, frequencies=given)
    expected = given if isinstance(given, str) else list(np.float64(given))
    assert layer.get_config()["frequencies"] == expected
    assert cls.from_config(layer.get_config()).get_config() == layer.get_config()
