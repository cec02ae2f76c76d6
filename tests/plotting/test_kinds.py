"""The map of kinds: what is drawn, and what is refused."""

import numpy as np
import pytest

from seqlayers import plotting

pytest.importorskip("matplotlib")


def test_each_kind_is_a_mark_of_its_own_with_its_examples(rng):
    places, numbers = rng.normal(size=(30, 2)), np.repeat([1, 2, 0], 10)
    examples = {1: [rng.random((9, 5)), rng.random((4, 5))], 2: [rng.random((3, 5))] * 5}
    figure = plotting.kind_map(places, numbers, examples)
    axes, *panels = figure.axes
    drawn = [each.get_offsets() for each in axes.collections]
    assert [len(each) for each in drawn] == [10, 10, 10]
    np.testing.assert_allclose(drawn[1], places[numbers == 1])
    assert axes.get_title(loc="left") == "30 segments, 2 kinds, 10 of no kind"
    assert [len(panel.images) for panel in panels] == [1, 1, 0, 1, 1, 1]
    assert {panel.get_xlim() for panel in panels if panel.images} == {(-0.5, 8.5)}
    assert len(plotting.kind_map(places, numbers).axes) == 1
    (axes,) = plotting.kind_map(places, 0 * numbers, {}).axes
    assert axes.get_title(loc="left") == "30 segments, 0 kinds, 30 of no kind"


@pytest.mark.parametrize(
    "places, numbers, reason",
    [
        (np.ones((3, 3)), [1, 1, 1], r"`places` must be `\(N, 2\)`.*\(3, 3\)"),
        (np.ones((3, 2)), [1.0, 1.0, 1.0], "N integers.*float64"),
        (np.ones((3, 2)), [1, 1, -1], "`numbers`.*0 or above"),
        (np.full((3, 2), np.nan), [1, 1, 1], "`places` must be finite"),
    ],
)
def test_what_cannot_be_drawn_is_refused(places, numbers, reason):
    with pytest.raises(ValueError, match=reason):
        plotting.kind_map(places, numbers)
