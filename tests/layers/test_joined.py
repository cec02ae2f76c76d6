"""Recurrent layers side by side, against each of them alone."""

import json

import keras
import numpy as np
import pytest
from layers.helpers import UNROLLED

from seqlayers.layers import SFM, FrameHistoryCell, Joined, JoinedCell, KeySharedCell, PositionCell
from seqlayers.layers.parts import as_recurrent, first_output
from seqlayers.layers.scanned import ScannedRNN

MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 0]], bool)


def parts():
    return [
        FrameHistoryCell((1, 2), (0.5,)),
        keras.layers.GRU(4, return_sequences=True),
        [PositionCell(3), keras.layers.LSTMCell(2), keras.layers.SimpleRNNCell(3)],
        SFM(2, num_frequencies=2, return_sequences=True),
        keras.layers.SimpleRNNCell(2),
        JoinedCell([[keras.layers.GRUCell(2)]]),
    ]


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 5, 2)).astype("float32")


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_outputs_and_states_are_those_of_each_part_alone(x, mask):
    joined = Joined(parts(), return_state=True)
    outputs, *states = joined(x, mask=mask)
    alone, after = [], []
    for part in joined.cell.parts:
        part.return_state = True
        output, *state = part(x, mask=mask)
        part.return_state = False
        alone.append(output)
        after += keras.tree.flatten(state)
    expected = np.concatenate(alone, axis=-1)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    for actual, state in zip(states, after, strict=True):
        np.testing.assert_allclose(actual, state, atol=1e-6)
    looped = keras.layers.RNN(joined.cell, return_sequences=True, **UNROLLED)(x, mask=mask)
    np.testing.assert_allclose(looped, expected, atol=1e-6)
    states = joined.cell.get_initial_state(3)
    for t in range(5 if mask is None else 0):
        output, states = joined.cell(x[:, t], states)
        np.testing.assert_allclose(output, expected[:, t], atol=1e-6)


def test_the_first_output_is_that_of_the_parts_that_have_one():
    joined = Joined(parts())
    joined.build((None, None, 2))
    expected = [*np.zeros(6), *np.full(4 + 3 + 2 + 2 + 2, np.nan)]
    np.testing.assert_array_equal(first_output(joined.cell, np.zeros(2)), expected)
    assert isinstance(as_recurrent("memory", joined.cell), ScannedRNN)
    joined = JoinedCell([[PositionCell(2), PositionCell(2, first_steps=1)]])
    joined.build((None, 1))
    expected = [0, 1, 0, 1, 0, 0, 1, 0, 1]
    np.testing.assert_array_equal(first_output(joined, np.zeros(1)), expected)


def test_dropout_is_that_of_the_parts_in_any_loop_and_new_at_each_call(x):
    def cell():
        of_keys = KeySharedCell(keras.layers.GRUCell(2, dropout=0.5, seed=1), 1, 2)
        return JoinedCell([of_keys, keras.layers.LSTMCell(3, recurrent_dropout=0.5, seed=2)])

    keras.utils.set_random_seed(0)
    way = {"return_sequences": True}
    layers = [Joined(cell().parts), Joined(cell().parts, unroll=True)]
    layers += [keras.layers.RNN(cell(), **way), ScannedRNN([cell(), PositionCell(2)], **way)]
    calls = []
    for layer in layers:
        layer.build((None, None, 2))
        layer.set_weights(layers[0].get_weights())
        calls.append([np.asarray(layer(x, training=True))[..., :7] for _ in range(2)])
        np.testing.assert_allclose(calls[-1], calls[0], atol=1e-6)
    assert np.any(calls[0][0] != calls[0][1])


def test_a_saved_model_has_the_same_parts_and_outputs(x, tmp_path):
    model = keras.Sequential([keras.Input((None, 2)), Joined(parts())])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    actual, expected = (json.dumps(m.layers[0].get_config()) for m in (loaded, model))
    assert actual == expected


@pytest.mark.parametrize(
    "wrong, message",
    [
        ([], "`parts` must be a list of recurrent layers or cells, at least one"),
        (keras.layers.GRUCell(2), "`parts` must be a list"),
        ([keras.layers.GRUCell(2), 3], r"`parts\[1\]` must be a recurrent layer.*=3"),
        ([[]], r"`parts\[0\]` must be a recurrent layer, a cell or a list of cells"),
        ([keras.layers.GRU(2)], r"`parts\[0\]` must be made with return_sequences=True"),
    ],
)
def test_wrong_parts_are_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        Joined(wrong)
