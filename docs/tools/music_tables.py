"""Tables of music: every recipe's likelihood on four sets, and how it was reached."""

import functools

from tables import results, table

from seqlayers.runs import recipes

TITLES = {
    "jsb": "JSB Chorales",
    "musedata": "MuseData",
    "nottingham": "Nottingham",
    "piano-midi": "Piano-midi",
}
BASELINES = {
    "independent keys": "independent keys",
    "frame table": "table of training frames, mixed with independent keys",
    "held chord": "held chord: each key after itself",
}
SIGNS = {"exact": "", "estimate": "~ ", "lower_bound": "≥ ", "not_converged": "? "}


@functools.cache
def known():
    """Returns the recipes for data sets, by name."""
    return {name: recipes.read(name) for name in recipes.names()}


def measured():
    """Returns what recipes reached, by name."""
    return {name: recipe.measured for name, recipe in known().items() if recipe.measured}


def models():
    """Returns the title of each model that has recipes, by the beginning of their names."""
    titles = {}
    for name, recipe in known().items():
        kind = next(name.removesuffix(f"-{s}") for s in recipes.SETS if name.endswith(f"-{s}"))
        titles[kind] = recipe.title
    return titles


def likelihood(row, sign=""):
    """Returns nats per frame with the sign of their kind, and the error over pieces if known."""
    error = f" ± {row['error_over_pieces']:.2f}" if "error_over_pieces" in row else ""
    return f"{sign}{row['nats']:.3f}{error}"


def likelihoods():
    """Likelihoods of the test splits: baselines, recipes and their mixtures."""
    rows = []
    for name, title in BASELINES.items():
        on = [results("music_baselines")[name][each] for each in recipes.SETS.values()]
        rows.append([title, *map(likelihood, on)])
    for model, title in models().items():
        names = [f"{model}-{each}" for each in recipes.SETS]
        rows.append([title, *map(_cell, names)])
        mixed = [measured().get(name, {}).get("mixture") for name in names]
        if any(mixed):
            rows.append([f"{title}, mixed", *(likelihood(row) if row else "" for row in mixed)])
    return table(["model", *TITLES.values()], rows)


def _cell(name):
    """Returns the likelihood of a recipe, and the printed one in brackets."""
    if name not in known():
        return ""
    _, _, _, published, row, _ = known()[name]
    printed = f" ({published:.2f})" if published is not None else ""
    return (likelihood(row, SIGNS[row["kind"]]) if row else "not run") + printed


def trainings():
    """How each recipe reached its likelihood."""
    rows = []
    shown = any("by_betas" in row for row in measured().values())
    for name, row in measured().items():
        reverse, processor = row.get("reverse_nats"), row.get("processor_seconds")
        rows.append(
            [
                f"`{name}`",
                row["kind"].replace("_", " "),
                f"{row['nats']:.3f}",
                "" if reverse is None else f"{reverse:.3f}",
                *[_annealed(row)] * shown,
                f"{row['validation']:.3f}",
                f"{row['epochs']:,} ({row['epoch_chosen']})",
                f"{row['seconds']:,}" + (f" ({processor:,})" if processor else ""),
                f"{row['weights']:,}",
                row["looks"],
            ]
        )
    head = ["recipe", "kind", "nats per frame", "from the other side"]
    head += ["by fewer annealing steps"] * shown
    head += ["validation", "epochs (chosen)", "seconds (processor)", "weights", "looks"]
    others = ""
    for name, row in measured().items():
        if made_by := row.get("made_by"):
            others += (
                f"\n`{name}` was trained and scored by `{made_by}`, with other initial weights "
            )
            others += "than the recipe has.\n"
    return table(head, rows) + others


def _annealed(row):
    """Returns the likelihoods by other numbers of annealing steps."""
    others = row.get("by_betas", {}).items()
    return ", ".join(f"{other['nats']:.3f} ({steps})" for steps, other in others)


def seeds():
    """Other seeds of a recipe, and the mixture of its models."""
    rows = []
    for name, row in measured().items():
        if others := row.get("other_seeds"):
            nats = [f"{each['nats']:.3f}" for each in (row, *others)]
            size = len(row["mixture"].get("runs", nats))
            rows.append([f"`{name}`", ", ".join(nats), size, likelihood(row["mixture"])])
    return table(["recipe", "seeds 0, 1, 2", "models mixed", "mixture"], rows)
