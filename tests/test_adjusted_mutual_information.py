"""Two ways to sort the same things agree by what is more than chance."""

from itertools import permutations

import numpy as np
import pytest

from seqlayers.metrics import adjusted_mutual_information


def information(labels, clusters):
    """I, summed pair of groups by pair of groups."""
    total = 0.0
    for i in set(labels):
        for j in set(clusters):
            a, b = (np.array([x == k for x in y]) for y, k in ((labels, i), (clusters, j)))
            if (a & b).any():
                p = (a & b).mean()
                total += p * np.log(p / (a.mean() * b.mean()))
    return total


def test_agreement_is_judged_by_the_mean_over_all_shuffles():
    labels, clusters = "aaabbc", [0, 0, 1, 1, 2, 2]
    mean = np.mean([information(each, clusters) for each in permutations(labels)])
    most = (information(labels, labels) + information(clusters, clusters)) / 2
    expected = (information(labels, clusters) - mean) / (most - mean)
    actual = adjusted_mutual_information(list(labels), clusters)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    assert adjusted_mutual_information(clusters, list(labels)) == pytest.approx(actual)


def test_a_known_value_comes_out():
    """The one that scikit-learn tests its own by."""
    labels = [1] * 6 + [2] * 6 + [3] * 5
    clusters = [1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 3, 1, 3, 3, 3, 2, 2]
    np.testing.assert_allclose(adjusted_mutual_information(labels, clusters), 0.27821, atol=5e-6)


def test_names_of_groups_do_not_matter_and_chance_is_0(rng):
    labels = rng.integers(0, 11, 600)
    assert adjusted_mutual_information(labels, (labels * 7) % 11) == pytest.approx(1)
    by_chance = [adjusted_mutual_information(labels, rng.integers(0, 30, 600)) for _ in range(20)]
    assert abs(np.mean(by_chance)) < 0.01


def test_the_edges_are_as_one_would_have_them():
    assert adjusted_mutual_information([1, 1, 1], [2, 2, 2]) == 1
    assert adjusted_mutual_information([1, 2, 3], ["c", "a", "b"]) == 1
    assert adjusted_mutual_information([0, 0, 0, 0], [0, 1, 2, 3]) == pytest.approx(0, abs=1e-12)
    for labels, clusters in (([], []), ([1], [1, 2])):
        with pytest.raises(ValueError, match=f"go together.*{len(labels)} and {len(clusters)}"):
            adjusted_mutual_information(labels, clusters)
