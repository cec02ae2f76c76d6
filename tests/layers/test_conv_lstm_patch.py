"""LSTM over patches: its equations, the same by Keras's layers, its states, and what is refused."""

import math

import keras
import numpy as np
import pytest
from backend import value_and_gradients
from keras import ops
from layers import helpers
from layers.helpers import (
    DOUBLE,
    B,
    T,
    assert_all_close,
    assert_allclose,
    finite,
    looped,
    mask_of,
    masks,
    modes,
    random_states,
    randomised,
    results_and_gradients,
)
from reference import peephole_lstm as reference

from seqlayers.layers import ConvLSTMPatch, ConvLSTMPatchCell, PeepholeLSTM

pytestmark = pytest.mark.usefixtures("eagerly")

F, C, M, R = 11, 2, 7, 8  # all different, so that what is transposed does not fit
#       arguments                                                        bands, channels; J, J'
VARIANTS = {
    "plain": ({"patch_size": 4, "patch_stride": 2}, (F,), (4, 1)),
    "channels": ({"patch_size": 3, "patch_stride": 1}, (F, C), (9, 3)),
    "same": ({"patch_size": 4, "patch_stride": 2, "padding": "same"}, (F, C), (6, 2)),
    "same, pools not full": (
        {"patch_size": 3, "patch_stride": 3, "padding": "same"},
        (F,),
        (4, 2),
    ),
    "one pool": (
        {"patch_size": 2, "patch_stride": 4, "padding": "same", "pool_size": 8},
        (F,),
        (3, 1),
    ),
    "left over": ({"patch_size": 5, "patch_stride": 3, "pool_size": 2}, (F + 4,), (4, 2)),
    "no pools": ({"patch_size": 4, "patch_stride": 3, "pool_size": 1}, (F,), (3, 3)),
    "whole frame": ({"patch_size": F, "patch_stride": 1, "pool_size": 1}, (F,), (1, 1)),
    "projected": (
        {"patch_size": 4, "patch_stride": 2, "projection_units": R},
        (F,),
        (4, 1),
    ),
    "average": (
        {"patch_size": 3, "patch_stride": 2, "pooling": "average", "padding": "same"},
        (F, C),
        (6, 2),
    ),
    "average, pools not full": (
        {"patch_size": 3, "patch_stride": 3, "pooling": "average", "padding": "same"},
        (F,),
        (4, 2),
    ),
}
SOME = ("channels", "same, pools not full", "projected", "average, pools not full")
all_variants = pytest.mark.parametrize("name", VARIANTS)
some_variants = pytest.mark.parametrize("name", SOME)


def made(name="channels", **kwargs):
    arguments, frame, _ = VARIANTS[name]
    known = {"return_sequences": True, "return_state": True, "jit_compile": False}
    layer = ConvLSTMPatch(M, **known | {"dtype": DOUBLE} | arguments | kwargs)
    layer.build((B if layer.stateful else None, None, *frame))
    return randomised(layer)


def frames(name="channels", dtype=DOUBLE):
    return helpers.frames(B, T, *VARIANTS[name][1], dtype=dtype)


# The equations.


@all_variants
def test_outputs_and_states_are_those_of_the_equations(name):
    layer, x = made(name), frames(name)
    cell, (J, pools) = layer.cell, VARIANTS[name][2]
    assert (cell.num_patches, cell.num_pools) == (J, pools)
    arrays = (cell.kernel, cell.recurrent_kernel, cell.bias)
    arrays += (cell.peephole_kernel, cell.projection_kernel)
    weights = reference.LSTM(*(None if w is None else w.numpy() for w in arrays))
    options = {k: getattr(layer, k) for k in ("patch_size", "patch_stride", "pool_size")}
    options |= {k: getattr(layer, k) for k in ("padding", "pooling")}
    states = random_states(layer)
    expected = []
    for row, r, c in zip(x, *states, strict=True):
        before = (row.reshape(T, len(row[0]), -1), r.reshape(J, -1), c.reshape(J, -1))
        y, r, c = reference.conv_lstm_patch(weights, *before, **options)
        expected.append((y, r[-1].reshape(-1), c[-1].reshape(-1)))
    expected = [np.array(values) for values in zip(*expected, strict=True)]
    for training in (False, True):
        assert_all_close(layer(x, initial_state=states, training=training), expected)
    y, *after = looped(layer, *x.shape[2:])(x, initial_state=states)
    assert_all_close([ops.reshape(y, expected[0].shape), *after], expected)
    flat = made(name, flatten=True)(x, initial_state=states)[0]
    np.testing.assert_array_equal(
        flat, np.asarray(layer(x, initial_state=states)[0]).reshape(B, T, -1)
    )


POOLINGS = {
    "max": keras.layers.MaxPooling1D,
    "average": keras.layers.AveragePooling1D,
}


@pytest.mark.parametrize("size", [F + 2, F + 4])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_without_peepholes_it_is_an_lstm_of_keras_on_each_patch_and_pools_of_keras(
    pooling, padding, size
):
    P, S, L = 4, 2, 3
    way = {"padding": padding, "pooling": pooling, "return_sequences": True}
    layer = ConvLSTMPatch(M, P, S, L, dtype=DOUBLE, jit_compile=False, **way)
    x = np.random.default_rng(0).normal(size=(B, T, size, C))
    layer.build(x.shape)
    randomised(layer).cell.peephole_kernel.assign(np.zeros((3, M)))
    lstm = keras.layers.LSTM(M, return_sequences=True, dtype=DOUBLE)
    lstm.build((None, None, P * C))
    lstm.set_weights([w.numpy() for w in layer.weights[:3]])
    if padding == "same":
        missing = (math.ceil(size / S) - 1) * S + P - size
        x_wide = np.pad(x, [(0, 0), (0, 0), (missing // 2, missing - missing // 2), (0, 0)])
    else:
        x_wide = x
    starts = range(0, x_wide.shape[2] - P + 1, S)
    patches = [lstm(x_wide[:, :, s : s + P].reshape(B, T, P * C)) for s in starts]
    patches = ops.reshape(ops.stack(patches, axis=2), (B * T, len(starts), M))
    pool = POOLINGS[pooling](L, padding=padding, dtype=DOUBLE)
    assert_allclose(layer(x), ops.reshape(pool(patches), (B, T, -1, M)), atol=1e-13)


def test_a_patch_of_the_whole_frame_is_a_peephole_lstm():
    layer, x = made("whole frame", projection_units=R, flatten=True), frames("whole frame")
    way = {"return_sequences": True, "return_state": True, "jit_compile": False}
    lstm = PeepholeLSTM(M, projection_units=R, dtype=DOUBLE, **way)
    lstm.build(x.shape)
    lstm.set_weights([w.numpy() for w in layer.weights])
    expected = results_and_gradients(lstm, x, mask=mask_of("padded"))
    assert_all_close(results_and_gradients(layer, x, mask=mask_of("padded")), expected)


def test_the_sizes_of_the_paper():
    """Table 3: with 24 patches, pools of 3 and 2000 units behind, 4.1 million weights fewer."""
    sizes = []
    for pool_size in (1, 3):
        layer = ConvLSTMPatch(128, 18, 1, pool_size, flatten=True)
        shape = layer.compute_output_shape((None, 15, 41, 3))
        layer.build((None, 15, 41, 3))
        sizes.append(2000 * shape[-1])
        assert layer.count_params() == 4 * 128 * (18 * 3 + 128 + 1) + 3 * 128
    assert round((sizes[0] - sizes[1]) / 1e6, 1) == 4.1


# Gradients.


@some_variants
@masks
def test_gradients_are_those_of_automatic_differentiation(name, mask):
    layer, x, mask = made(name, flatten=True), frames(name), mask_of(mask)
    states = random_states(layer)
    expected = results_and_gradients(looped(layer, *x.shape[2:]), x, mask, states)
    for training in (True, False):
        assert_all_close(results_and_gradients(layer, x, mask, states, training), expected)


@pytest.mark.parametrize("argument", ["dropout", "recurrent_dropout"])
def test_with_dropout_too(argument):
    way = {argument: 0.5, "seed": 5, "flatten": True}
    layer, x, mask = made(**way), frames(), mask_of("gaps")
    expected = results_and_gradients(looped(made(**way), F, C), x, mask)
    assert_all_close(results_and_gradients(layer, x, mask), expected)
    np.testing.assert_array_equal(layer(x)[0], made(flatten=True)(x)[0])


def test_what_is_dropped_of_a_frame_is_dropped_in_all_patches_that_hold_it():
    way = {"pool_size": 1, "activation": "linear", "use_bias": False, "return_sequences": True}
    layer = ConvLSTMPatch(1, 3, 1, dropout=0.5, seed=0, **way)
    x = np.ones((40, 1, 5), "float32")
    layer.build(x.shape)
    kernel = np.zeros((3, 4), "float32")
    kernel[:, 2] = [1, 10, 100]  # of the cell input; the gates stay half open
    layer.set_weights([kernel, np.zeros((1, 4)), np.zeros((3, 1))])
    y = np.asarray(layer(x, training=True))[:, 0, :, 0]
    digits = np.rint(4 * y / 2)[..., None] // [1, 10, 100] % 10  # 1 for a band that is kept
    for j in (0, 1):
        np.testing.assert_array_equal(digits[:, j, 1:], digits[:, j + 1, :2])
    assert 0 < np.mean(digits) < 1


@pytest.mark.parametrize("pooling", ["max", "average"])
@modes
def test_silence_and_rows_without_frames_have_finite_gradients(pooling, training):
    layer = ConvLSTMPatch(M, 4, 2, pooling=pooling, jit_compile=False)
    layer.return_sequences = layer.return_state = True
    x = np.zeros((B, T, F), "float32")
    layer(x)
    for mask in (None, mask_of("gaps")):
        assert finite(results_and_gradients(layer, x, mask, training=training))


# Time.


@some_variants
def test_frame_by_frame_with_the_state_handed_on_is_the_whole(name):
    layer, x = made(name), frames(name)
    whole, *last = layer(x)
    states, outputs = None, []
    for t in range(T):
        output, *states = layer(x[:, t : t + 1], initial_state=states)
        outputs.append(output[:, 0])
    assert_all_close([np.stack(outputs, axis=1), *states], [whole, *last])
    states = layer.cell.get_initial_state(batch_size=B)
    for t in range(T):
        output, states = layer.cell(x[:, t], states)
        assert_allclose(output, np.asarray(outputs[t]).reshape(B, -1), atol=1e-12)


def test_a_stateful_layer_goes_on_where_it_stopped_until_it_is_reset():
    layer, x = made(stateful=True, return_state=False), frames()
    whole = made(return_state=False)(x)
    for _ in range(2):
        parts = [layer(x[:, :3]), layer(x[:, 3:])]
        assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-12)
        layer.reset_state()


def test_padded_or_not_the_outputs_and_states_are_the_same():
    layer, x, mask = made(), frames(), mask_of("padded")
    x[~mask] = np.nan
    y, *states = layer(x, mask=mask)
    for row, length in enumerate(mask.sum(axis=1)):
        short, *after = layer(x[row : row + 1, :length])
        assert_allclose(y[row, :length], short[0], atol=1e-12)
        assert_all_close([s[row] for s in states], [s[0] for s in after])


@pytest.mark.parametrize("name", ["plain", "channels"])
def test_a_mask_of_frames_is_found_and_handed_on(name):
    """`Masking` makes a mask for each band where bands have channels."""
    layer, x, mask = made(name, return_state=False), frames(name), mask_of("padded")
    x[~mask] = 0
    x[0, 0, 0] = 0  # a band without sound is no frame without sound
    inputs = keras.Input((None, *VARIANTS[name][1]), dtype=DOUBLE)
    masked = keras.layers.Masking(dtype=DOUBLE)(inputs)
    outputs = keras.Model(inputs, layer(masked))(x)
    np.testing.assert_array_equal(outputs, layer(x, mask=mask))
    np.testing.assert_array_equal(outputs._keras_mask, mask)


def test_a_bidirectional_layer_is_one_each_way():
    way = {"return_state": False, "zero_output_for_mask": True}  # the latter as it sets by itself
    forward, backward = made(**way), randomised(made(go_backwards=True, **way), seed=7)
    both = keras.layers.Bidirectional(made(return_state=False), dtype=DOUBLE)
    both.build((None, None, F, C))
    both.set_weights([w.numpy() for w in forward.weights + backward.weights])
    x, mask = frames(), mask_of("padded")
    expected = [forward(x, mask=mask), np.flip(backward(x, mask=mask), axis=1)]
    assert_allclose(both(x, mask=mask), np.concatenate(expected, axis=-1), atol=1e-12)


# Types and sizes.


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_a_policy_sets_the_type_of_outputs_and_leaves_them_close(policy, pooling):
    layer = made("same", dtype=policy, pooling=pooling)
    x = frames("same")
    expected = made("same", pooling=pooling)(x)
    for training in (False, True):
        results = layer(x, training=training)
        for result, close in zip(results, expected, strict=True):
            assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
            assert_allclose(np.asarray(result).astype("float64"), close, atol=0.1)
    assert finite(results_and_gradients(layer, x.astype("float32")))


@pytest.mark.parametrize("name", ["channels", "projected", "average"])
@pytest.mark.parametrize("flatten", [False, True])
def test_sizes_are_known_before_any_frame_is_seen(name, flatten):
    arguments, frame, _ = VARIANTS[name]
    x = frames(name)
    for sequences in (False, True):
        layer = ConvLSTMPatch(
            M, flatten=flatten, return_sequences=sequences, return_state=True, **arguments
        )
        told = layer.compute_output_shape((B, T, *frame))
        symbolic = layer(keras.Input((None, *frame)))
        results = layer(x)
        assert [tuple(r.shape) for r in results] == list(told)
        assert [r.shape[1:] for r in symbolic] == [
            (None, *shape[2:]) if sequences and number == 0 else shape[1:]
            for number, shape in enumerate(told)
        ]


def test_states_may_be_inputs_of_a_functional_model():
    layer, x = made(dtype="float32"), frames(dtype="float32")
    inputs = [keras.Input((None, F, C)), *(keras.Input((s,)) for s in layer.cell.state_size)]
    model = keras.Model(inputs, layer(inputs[0], initial_state=inputs[1:]))
    states = [s.astype("float32") for s in random_states(layer)]
    assert_all_close(model([x, *states]), layer(x, initial_state=states), 1e-6)


@pytest.mark.parametrize("cls", [ConvLSTMPatch, ConvLSTMPatchCell])
def test_a_config_that_holds_the_exponent_of_pools_still_loads(cls):
    """`pooling="lp"` and its `pool_exponent` were arguments once."""
    config = cls(M, 4, 2).get_config()
    assert cls.from_config(config | {"pool_exponent": 2.0}).get_config() == config
    saved = {"class_name": cls.__name__, "config": config | {"pool_exponent": 2.0}}
    saved |= {"module": "seqlayers.layers", "registered_name": f"seqlayers>{cls.__name__}"}
    assert keras.saving.deserialize_keras_object(saved).get_config() == config
    with pytest.raises((TypeError, ValueError), match='`pooling` must be "max" or "average"'):
        cls.from_config(config | {"pooling": "lp", "pool_exponent": 2.0})


def test_steps_that_run_again_for_their_gradient_have_that_of_steps_that_are_kept():
    x = helpers.frames(B, 35, F, C, dtype=DOUBLE)  # more than two of the chunks that are compiled
    mask = np.random.default_rng(5).random((B, 35)) < 0.7
    kept, again = made(), made(jit_compile=True)
    states = random_states(kept)
    expected = results_and_gradients(kept, x, mask, states)
    assert_all_close(results_and_gradients(again, x, mask, states), expected)


# What is refused.


@pytest.mark.parametrize("cls", [ConvLSTMPatch, ConvLSTMPatchCell])
@pytest.mark.parametrize(
    "argument", ["units", "patch_size", "patch_stride", "pool_size", "projection_units"]
)
def test_sizes_must_be_whole_numbers_above_zero(cls, argument):
    good = {"units": M, "patch_size": 4, "patch_stride": 2}
    for value in (0, -1, 2.5, True, "3"):
        with pytest.raises(ValueError, match=f"`{argument}` must be an integer.*{value!r}"):
            cls(**good | {argument: value})


@pytest.mark.parametrize(
    "argument, values",
    [
        ("padding", ("causal", None)),
        ("pooling", ("lp", None)),
    ],
)
def test_an_unknown_choice_is_refused(argument, values):
    for value in values:
        with pytest.raises(ValueError, match=f"`{argument}` must be.*Received: {argument}="):
            ConvLSTMPatch(M, 4, 2, **{argument: value})


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"patch_size": 12}, (B, T, F), "`patch_size`.* 11. The number of patches would be 0"),
        (
            {"patch_size": 12, "padding": "same"},
            (B, T, F, C),
            "`patch_size`.* 11. The number of patches would be 6",
        ),
        ({"pool_size": 5}, (B, T, F), "`pool_size` .* number of patches, which would be 4"),
        ({}, (None, T, None), "bands, must be known.* patches would be unknown"),
        ({}, (None, T, None, C), "bands, must be known.* patches would be unknown"),
        ({}, (None, T, F, None), r"channels of a band must be known.*\(11, None\)"),
        ({}, (T, F), r"`\(batch, time, bands\)`.*\(5, 11\), ndim=2.*number of patches would be 4"),
        ({}, (T, None), "number of patches would be unknown"),
        ({}, (B, T, F, C, 1), r"`\(batch, time, bands, channels\)`.*\(3, 5, 11, 2, 1\)"),
    ],
)
def test_frames_that_do_not_fit_are_refused_with_the_number_of_patches(arguments, shape, message):
    layer = ConvLSTMPatch(**{"units": M, "patch_size": 4, "patch_stride": 2} | arguments)
    with pytest.raises(ValueError, match=message):
        layer.build(shape)
    with pytest.raises(ValueError, match=message):
        layer(keras.Input(batch_shape=shape))


def test_frames_of_another_size_than_the_first_are_refused():
    layer = made()
    for shape in ((B, T, F + 1, C), (B, T, F, C + 1), (B, T, F), (B, T)):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            layer(np.zeros(shape))


def test_first_states_that_do_not_fit_are_refused_with_the_states_expected():
    layer = made("projected")
    r, c = random_states(layer)
    for states in ([c, r], [r], r, [r, c, c], [r[:, :R], c[:, :M]]):
        with pytest.raises(ValueError, match=r"r of 4 patches \(batch, 32\), c .*28\), with"):
            layer(frames("projected"), initial_state=states)


def test_states_before_the_number_of_patches_is_known_are_refused():
    for layer in (ConvLSTMPatch(M, 4, 2), ConvLSTMPatchCell(M, 4, 2)):
        with pytest.raises(ValueError, match="number of features.*`build` before"):
            layer.get_initial_state(2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_nan_in_a_patch_is_nan_in_its_pool_alone(pooling):
    cell = ConvLSTMPatchCell(1, patch_size=1, patch_stride=1, pool_size=2, pooling=pooling)
    cell.build((None, 6))
    rows = np.arange(6.0).reshape(6, 1)
    expected = np.array(cell.pool(rows))
    rows[3] = np.nan
    pools, (gradient,) = value_and_gradients(lambda rows: cell.pool(rows) ** 2, rows)
    np.testing.assert_array_equal(pools, np.where([0, 1, 0], np.nan, expected**2))
    lost = np.isnan(gradient[:, 0])
    assert lost[2:4].any() and not lost[:2].any() and not lost[4:].any()
