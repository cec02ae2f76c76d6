"""Checks of arguments: accepted values, refused values and messages."""

import fractions
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.checks import check_choice, check_flag, check_integer, check_number, check_weights

NO_NUMBERS = [None, "3", True, np.True_, np.array(True), tf.constant(True), np.array("3"), 1j]


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), tf.constant(3)])
def test_an_integer_of_any_kind_becomes_an_int(value):
    number = check_integer("n", value)
    assert number == 3 and type(number) is int


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, 3.0, np.array([3]), math.nan])
def test_what_is_no_integer_from_1_is_refused(value):
    with pytest.raises(ValueError, match=r"`n` must be an integer of at least 1\. Received: n="):
        check_integer("n", value)


@pytest.mark.parametrize("check", [check_integer, check_number])
def test_an_error_of_reading_a_tensor_is_not_hidden(check):
    class Lost:
        shape = ()

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("the device is lost")

    with pytest.raises(RuntimeError, match="the device is lost"):
        check("n", Lost())


@pytest.mark.parametrize("check", [check_integer, check_number])
def test_a_tensor_without_a_value_is_refused(check):
    def refused(symbolic):
        with pytest.raises(ValueError, match="`n` must be an? .*Received: n="):
            check("n", symbolic)
        return symbolic

    refused(keras.KerasTensor(()))
    tf.function(refused)(tf.constant(1))


def test_an_integer_above_the_largest_is_refused():
    assert check_integer("n", 5, least=0, most=5) == 5
    with pytest.raises(ValueError, match=r"an integer from 0 to 5\. Received: n=6\."):
        check_integer("n", 6, least=0, most=5)


@pytest.mark.parametrize("value", [True, False, np.True_, np.array(False), 1, 0])
def test_a_flag_of_any_kind_becomes_a_bool(value):
    flag = check_flag("on", value)
    assert flag == value and type(flag) is bool


@pytest.mark.parametrize("value", [None, "yes", 2, math.nan, [True], np.array([True])])
def test_what_is_neither_true_nor_false_is_refused(value):
    with pytest.raises(ValueError, match=r"`on` must be True or False\. Received: on="):
        check_flag("on", value)


@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.int8(2), fractions.Fraction(2), np.array(2), tf.constant(2.0)],
)
def test_a_number_of_any_kind_becomes_a_float(value):
    number = check_number("x", value, above=1, most=2)
    assert number == 2 and type(number) is float


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, math.nan, math.inf, 10**400, [2.0], np.array([2.0])]
)
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"`x` must be a finite number\. Received: x="):
        check_number("x", value)


@pytest.mark.parametrize(
    "bounds, inside, outside, words",
    [
        ({"least": 0}, 0, -1, "of at least 0"),
        ({"above": 0}, 0.1, 0, "above 0"),
        ({"most": 1}, 1, 1.5, "of at most 1"),
        ({"least": 0, "most": 1}, 1, 1.5, "from 0 to 1"),
        ({"least": 0, "below": 1}, 0, 1, "of at least 0 and below 1"),
    ],
)
def test_bounds_hold_and_are_named(bounds, inside, outside, words):
    assert check_number("x", inside, **bounds) == inside
    with pytest.raises(ValueError, match=rf"finite number {words}\. Received: x={outside}\."):
        check_number("x", outside, **bounds)


def test_a_choice_is_one_of_the_strings():
    assert check_choice("mode", "a", ("a", "b")) == "a"
    for value in ("c", None, ["a"]):
        with pytest.raises(ValueError, match='`mode` must be "a" or "b"'):
            check_choice("mode", value, ("a", "b"))


def test_what_was_received_is_shown_in_short():
    nested = []
    for _ in range(5000):
        nested = [nested]
    for check in (check_integer, check_number):
        for value in (nested, "a" * 10_000, list(range(10_000))):
            with pytest.raises(ValueError, match="Received: n=") as error:
                check("n", value)
            assert len(str(error.value)) < 500


def test_weights_that_are_not_finite_are_named():
    layer = keras.layers.LSTM(2, name="memory")
    layer.build((None, None, 3))
    check_weights(layer.weights)
    layer.weights[1].assign(np.full((2, 8), np.inf))
    layer.weights[2].assign(np.array([np.nan, *range(7)]))
    match = "16 of 16 in .*memory/.*recurrent_kernel, 1 of 8 in .*memory/.*bias"
    with pytest.raises(ValueError, match=match):
        check_weights(layer.weights)
