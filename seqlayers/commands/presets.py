"""`seqlayers presets`."""

import click

from seqlayers import presets
from seqlayers.commands.parameters import completing, debug
from seqlayers.datasets import piano_roll


@click.command("presets")
@click.argument("name", required=False, shell_complete=completing(presets.names))
@debug
def list_presets(name):
    """List the trained models that ship with seqlayers, or describe one.

    The list has the log-likelihood of the test split of their data, in nats per frame.

    \b
    Examples:
      seqlayers presets
      seqlayers presets tied-nade-jsb
    """
    if name is None:
        for each in presets.names():
            card = presets.read(each).card
            click.echo(f"{each:24}{card.test['nats']:8.3f} {card.test['kind']:9} {card.title}")
        return
    card = presets.read(name).card
    click.echo(f"{name}: {card.title}\n")
    click.echo(f"  {card.test['nats']:.3f} nats per frame of the test split, {card.test['kind']}")
    click.echo(f"  {card.weights:,} weights, float16")
    for training in card.training:
        seconds = f", {training['seconds']:,} s" if "seconds" in training else ""
        click.echo(f"\n  {training['command']}")
        click.echo(
            f"  seed {training['seed']}, epoch {training['epoch_chosen']} of {training['epochs']}, "
            f"{training['validation']:.3f} on the validation split{seconds}"
        )
    click.echo("\n  with " + ", ".join(f"{k} {v}" for k, v in card.versions.items()))
    about = piano_roll.info(card.dataset)
    for field, text in (
        ("not for", card.not_for),
        ("licence", card.licence),
        ("data", f"{about.title}. {about.source}"),
        ("terms of the data", about.terms),
    ):
        click.echo()
        click.echo(click.wrap_text(f"{field[0].upper()}{field[1:]}: {text}", 80))
