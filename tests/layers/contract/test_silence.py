"""Outputs and gradients are finite on silence, on loudness and without frames."""

import pytest
from layers.contract.members import (
    all_layers,
    built,
    hard_rows,
    looped,
    new,
)
from layers.helpers import finite, results_and_gradients

pytestmark = pytest.mark.usefixtures("eagerly")


LOOPS = {
    "ours": lambda name, **kwargs: new(name, **kwargs),
    "of keras": lambda name, **kwargs: looped(built(new(name, **kwargs))),
}


@all_layers
@pytest.mark.parametrize("loop", LOOPS)
def test_gradients_are_finite_on_silence_constants_and_without_frames(name, loop):
    layer = built(LOOPS[loop](name, return_sequences=True, return_state=True))
    x, mask = hard_rows()
    for training in (True, False) if loop == "ours" else (True,):
        results, gradients = results_and_gradients(layer, x, mask, training=training)
        assert finite(results) and finite(gradients)
