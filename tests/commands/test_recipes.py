"""`seqlayers recipes`."""

from commands.helpers import refused, succeeds

from seqlayers.runs import recipes


def test_recipes_are_listed_with_their_results():
    said = succeeds("recipes")
    assert [
        name
        for name in [*recipes.names(), *recipes.sound_names(), recipes.OWN_MIDI]
        if name not in said
    ] == []
    said = " ".join(succeeds("recipes", recipes.OWN_MIDI).split())
    assert "--epochs by the size of the data" in said and "--midi" not in said
    said = succeeds("recipes", "rnn-rbm-jsb")
    assert "--gibbs-steps" in said and "-6.27" in said and "--cell" in said
    assert "must be one of" in refused("recipes", "rnn-rbm-bach")
