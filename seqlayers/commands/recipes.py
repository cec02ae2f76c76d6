"""`seqlayers recipes`."""

import click

from seqlayers.commands.parameters import completing, debug
from seqlayers.runs import recipes
from seqlayers.runs.options import written
from seqlayers.runs.options.schema import flag


@click.command("recipes")
@click.argument("name", required=False, shell_complete=completing(recipes.all_names))
@debug
def list_recipes(name):
    """List the recipes that ship with seqlayers, or describe one.

    The list has the log-likelihood of the test split in nats per frame, as published and as ours.
    benchmarks/tables/music.py in the source code trains and measures recipes. Recipes
    without a data set are for files of your own: tied-nade-midi for --midi, rnn-rbm-spectrograms
    for --wav.

    \b
    Examples:
      seqlayers recipes
      seqlayers recipes rnn-rbm-jsb
    """
    if name:
        recipe = recipes.read(name)
        click.echo(f"{name}: {recipe.title}\n")
        for option_name, value in recipe.options.items():
            if recipe.updates and option_name in recipes.SIZED:
                click.echo(f"  {flag(option_name):24} by the size of the data")
            elif value is not None and option_name != "recipe":
                click.echo(f"  {flag(option_name):24} {' '.join(written(option_name, value))}")
        click.echo(
            f"\n  published  {_nats(recipe.published)}\n  ours       {_score(recipe).strip()}"
        )
        if recipe.measured and "made_by" in recipe.measured:
            click.echo(f"  made by    {recipe.measured['made_by']}")
        return
    click.echo(f"{'name':26}{'published':>10}{'ours':>9}")
    for name in recipes.all_names():
        recipe = recipes.read(name)
        click.echo(f"{name:26}{_nats(recipe.published):>10}{_score(recipe)}")


def _nats(nats):
    return "-" if nats is None else f"{nats:.2f}"


def _score(recipe):
    ours = recipe.measured
    if ours is None:
        return "  not run"
    nats, other = ours["nats"], ours.get("reverse_nats")
    bracket = f" ({other:.3f} from the other side)" if other is not None else ""
    return f"{nats:9.3f}  {ours['kind']}{bracket}, {ours['epochs']} epochs, {ours['seconds']:,} s"
