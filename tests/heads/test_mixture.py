"""MixtureHead: what it refuses. Its distribution is tested with that of `models.Mixture`."""

import pytest

from seqlayers.heads import NADE, BernoulliHead, MixtureHead, TiedNADE

V = 5


def built(head, context_units):
    head.build([(None, V), (None, context_units)])
    return head


def test_heads_that_are_built_have_the_sizes_of_their_contexts():
    heads = [built(NADE(V, 3), 2), built(TiedNADE(V, (3, 2), 2, layout=()), 4)]
    assert MixtureHead(V, heads).context_sizes == (2, 4)


@pytest.mark.parametrize(
    "heads, given, message",
    [
        ([], {}, "`heads` must be a list of at least one head"),
        (None, {}, "`heads` must be a list of at least one head.*None"),
        ([BernoulliHead(V)], {}, r"`heads\[0\]` must be an autoregressive head, such as"),
        ([NADE(V, 2), NADE(V + 1, 2)], {}, rf"`heads\[1\]` must be of the same size.*{V}.*{V + 1}"),
        ([NADE(V, 2, dtype="float64")], {}, r"`heads\[0\]` must have .* type, float32.*float64"),
        (
            [NADE(V, 2, orderless=True, num_orders=2)],
            {},
            r"`heads\[0\]` must draw the units in one order",
        ),
        ([NADE(V, 2)], {"context_sizes": (1, 2)}, r"`context_sizes` must be a list of 1.*\(1, 2\)"),
        (
            [NADE(V, 2)],
            {"context_sizes": (-1,)},
            "`context_sizes` must be an integer of at least 0",
        ),
    ],
)
def test_heads_that_do_not_go_together_are_refused_by_name(heads, given, message):
    with pytest.raises(ValueError, match=message):
        MixtureHead(V, heads, **given)


def test_contexts_of_other_sizes_are_refused_when_building():
    for head in (
        MixtureHead(V, [NADE(V, 2), NADE(V, 2)]),
        MixtureHead(V, [NADE(V, 2), NADE(V, 2)], context_sizes=(1, 3)),
    ):
        with pytest.raises(ValueError, match="`context_sizes` must .* add up to 5.*Received"):
            built(head, 5)
    head = MixtureHead(V, [NADE(V, 2), built(NADE(V, 2), 4)], context_sizes=(2, 3))
    with pytest.raises(ValueError, match=r"`heads\[1\]` must .* a context of 3.*a head with 4"):
        built(head, 5)
