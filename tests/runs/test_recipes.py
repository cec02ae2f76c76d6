"""Recipes: whole sets of options, and the scores beside them."""

import pytest

from seqlayers.runs import recipes
from seqlayers.runs.options import DEFAULTS, complete, upgrade

OWN = [*recipes.sound_names(), *recipes.midi_names()]


@pytest.mark.parametrize("name", [*recipes.names(), *OWN])
def test_a_recipe_is_a_whole_set_of_options(name):
    recipe = recipes.read(name)
    assert recipe.name == recipe.options["recipe"] == name
    assert set(recipe.options) == set(DEFAULTS)
    source = {"midi": "music"} if name in recipes.midi_names() else {}
    given = {k: v for k, v in recipe.options.items() if v is not None}
    assert complete(source | given) == recipe.options | source
    assert recipe.title
    assert (recipe.options["dataset"] is None) == (name in OWN)


@pytest.mark.parametrize("name", recipes.measured())
def test_a_score_was_made_with_the_options_of_its_recipe(name):
    recipe = recipes.read(name)
    assert upgrade(recipe.measured["options"]) == recipe.options
    assert recipe.measured["looks"] >= 1
    assert recipe.measured["epochs"] <= recipe.options["epochs"]


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="such as .*rnn-nade-jsb.*Received: 'rnn-gan-jsb'"):
        recipes.read("rnn-gan-jsb")


def test_a_score_made_before_an_option_existed_has_its_default():
    now = recipes.read("nade-jsb").options
    old = {k: v for k, v in now.items() if k not in ("wav", "nonfinite", "threshold")}
    assert upgrade(old) == now


def sized(num_pieces, **given):
    options = complete({"midi": "music", "recipe": recipes.OWN_MIDI} | given)
    options = recipes.sized(options, given, num_pieces)
    return options["batch_size"], options["epochs"]


def test_small_data_make_small_batches_and_many_epochs():
    assert sized(104) == (4, 20) and sized(99) == (4, 20)
    for num_pieces in (1, 10, 60, 300, 1000, 20_000):
        size, epochs = sized(num_pieces)
        assert 2 <= size <= 16 and 8 <= epochs <= 100
        batches = -(-num_pieces // size)
        assert batches >= min(5, num_pieces // 2)
        assert epochs * batches >= 500 or epochs == 100
    assert sized(1000, batch_size=100)[0] == 100 and sized(10, epochs=3) == (2, 3)


def test_other_recipes_have_sizes_of_their_own():
    options = recipes.read("nade-jsb").options
    assert recipes.sized(options, {}, 3) == options
