"""Independent Bernoulli units against the equation, in loops."""

import math

import numpy as np

from seqlayers.heads import BernoulliHead


def test_log_prob_is_the_sum_over_units_of_log_odds(rng):
    head = BernoulliHead(4)
    head.build([(None, 4), (None, 3)])
    b, A = rng.normal(size=4), rng.normal(size=(3, 4))
    head.visible_bias.assign(b)
    head.context_visible_kernel.assign(A)
    frames, context = rng.integers(0, 2, (6, 4)), rng.normal(size=(6, 3))
    expected = np.zeros(6)
    for n in range(6):
        for i in range(4):
            p = 1 / (1 + math.exp(-(b[i] + sum(context[n, k] * A[k, i] for k in range(3)))))
            expected[n] += math.log(p if frames[n, i] else 1 - p)
    np.testing.assert_allclose(head.log_prob(frames, context).nats, expected, atol=1e-5)
    mask = np.array([1, 0, 1, 1, 0, 1], bool)
    loss = head.loss(frames, context, mask)
    np.testing.assert_allclose(loss, -expected[mask].mean(), atol=1e-5)


def test_probabilities_near_zero_and_one_stay_finite():
    head = BernoulliHead(2)
    head.build((None, None, 2))
    head.visible_bias.assign([200.0, -200.0])
    nats = head.log_prob(np.array([[1.0, 0.0], [0.0, 1.0]])).nats
    np.testing.assert_allclose(nats, [0, -400], atol=1e-4)
