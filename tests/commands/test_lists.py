"""`seqlayers data` and `seqlayers recipes`."""

from commands.helpers import refused, succeeds

from seqlayers.datasets import piano_roll
from seqlayers.runs import recipes


def test_data_lists_sets_with_counts_and_terms():
    said = succeeds("data")
    for name in piano_roll.NAMES:
        about = piano_roll.info(name)
        assert name in said and f"{about.sequences['train']:,}" in said
        assert about.terms.split(". ")[-1].split()[0] in said
        detail = " ".join(succeeds("data", name).split())
        assert " ".join(about.terms.split()) in detail
        assert f"{about.frames['test']:,} frames" in detail


def test_recipes_are_listed_with_their_results():
    said = succeeds("recipes")
    assert [name for name in [*recipes.names(), *recipes.sound_names()] if name not in said] == []
    said = succeeds("recipes", "rnn-rbm-jsb")
    assert "--gibbs-steps" in said and "-6.27" in said and "--cell" in said
    assert "must be one of" in refused("recipes", "rnn-rbm-bach")
