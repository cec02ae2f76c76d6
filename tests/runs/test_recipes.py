"""Recipes: whole sets of options, and the scores beside them."""

import pytest

from seqlayers.runs import recipes
from seqlayers.runs.options import DEFAULTS, complete, upgrade


@pytest.mark.parametrize("name", [*recipes.names(), *recipes.sound_names()])
def test_a_recipe_is_a_whole_set_of_options(name):
    recipe = recipes.read(name)
    assert recipe.name == recipe.options["recipe"] == name
    assert set(recipe.options) == set(DEFAULTS)
    assert complete({k: v for k, v in recipe.options.items() if v is not None}) == recipe.options
    assert recipe.title
    assert (recipe.options["dataset"] is None) == (name in recipes.sound_names())


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
