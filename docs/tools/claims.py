"""Tables of what the papers claim, from `claims.toml`.

A claim has the text `claim` and `short`, its name in the overview. Most have `printed`, `ours`,
`verdict` and `why` as texts; `{sfm[row][key]:.3f}` in `ours` and `why` is read from
`benchmarks/results/`, `{phones[row]:.4f}` is a mean over folds and seeds, and
`{waves[network]:.4f}` and `{codes[row][measure]:.2f}`, of speech that was coded, are over seeds.

A claim on music is computed from the likelihoods of recipes instead. `recipes` names models by the
beginning of their recipes' names, of which the first that was measured on a set counts, or one
baseline; `than` does the same for what they are to be ahead of. The printed likelihoods, or leads,
are those of the recipes; `printed` has others by set. `why` then has a sentence for each verdict.
"""

import functools
import math
import tomllib
from pathlib import Path

import codes_table
import music_tables
import phones_table
import spectrograms_table
import waves_table
from tables import results, table

from seqlayers.runs import recipes

COMES_OUT, LEVEL, FAILS = "comes out", "level", "does not come out"
UNDECIDED, NOT_RUN = "undecided", "not run"
VERDICTS = (COMES_OUT, LEVEL, FAILS, UNDECIDED, NOT_RUN)
SHORT = dict(zip(recipes.SETS, ("JSB", "MuseData", "Nottingham", "Piano-midi"), strict=True))
NUM_ERRORS = 2  # from the printed figure, beyond which ours is another


@functools.cache
def papers():
    """Returns the papers with their claims, by name."""
    return tomllib.loads(Path(__file__).with_name("claims.toml").read_text("utf-8"))


def claims_of(name):
    """Returns a table of the claims of a paper."""
    rows = []
    for claim in papers()[name]["claims"]:
        printed, ours, verdicts = _judged(claim)
        told = [_told(claim, verdict, sets) for verdict, sets in verdicts.items()]
        rows.append([claim["claim"], printed, ours, " ".join(told)])
    return table(["claim", "printed", "ours", "verdict"], rows)


def overview():
    """Returns a table of all papers, with the claims of each by verdict."""
    rows = []
    for paper in papers().values():
        cells = {verdict: [] for verdict in VERDICTS}
        for claim in paper["claims"]:
            for verdict, sets in _judged(claim)[2].items():
                cells[verdict].append(claim["short"] + (f" ({sets})" if sets else ""))
        rows.append([f"[{paper['title']}](#{paper['anchor']})", cells])
    shown = [each for each in VERDICTS if any(cells[each] for _, cells in rows)]
    lines = [[title, *("; ".join(cells[each]) for each in shown)] for title, cells in rows]
    return table(["paper", *shown], lines)


def unexplained():
    """Returns the claims without a reason where one is due: their names and verdicts."""
    return [
        f"{claim['short']}: {verdict}"
        for paper in papers().values()
        for claim in paper["claims"]
        for verdict in _judged(claim)[2]
        if verdict == FAILS and not _why(claim, verdict)
    ]


@functools.cache
def _figures():
    """Returns what texts of claims may name."""
    return {
        "phones": phones_table.means(),
        "waves": waves_table.accuracies(),
        "codes": codes_table.means(),
        "spectrograms": spectrograms_table.means(),
        "sfm": results("sfm"),
    }


def _told(claim, verdict, sets):
    """Returns a verdict with its sets and its reason."""
    why = _why(claim, verdict).format(**_figures())
    return f"**{verdict}**" + (f" ({sets})" * bool(sets)) + (f": {why}" if why else ".")


def _why(claim, verdict):
    why = claim.get("why", "")
    return why if isinstance(why, str) else why.get(verdict, "")


def _judged(claim):
    """Returns what is printed, what is ours, and the sets by verdict, "" where it is all."""
    if "recipes" not in claim:
        ours = claim["ours"].format(**_figures())
        return claim["printed"], ours, {claim["verdict"]: ""}
    printed, ours, verdicts = [], [], {}
    for each in _sets(claim):
        text, verdict = _compared(claim, each)
        if (nats := _printed(claim, each)) is not None:
            printed.append(_text(claim, nats))
        ours.append(text)
        verdicts.setdefault(verdict, []).append(SHORT[each])
    names = {k: ", ".join(verdicts[k]) for k in VERDICTS if k in verdicts}
    if len(names) == 1 and len(ours) == len(SHORT):
        names = dict.fromkeys(names, "")
    return " / ".join(printed), " / ".join(ours), names


def _sets(claim):
    """Returns the sets that a claim is about: those of its printed figures, if there are any."""
    if "than" in claim and not any(_printed(claim, each) is not None for each in recipes.SETS):
        models = [claim["recipes"], claim["than"]]
        return [s for s in recipes.SETS if all(_known(each, s) for each in models)]
    return [each for each in recipes.SETS if _printed(claim, each) is not None]


def _known(models, each):
    return any(f"{model}-{each}" in music_tables.known() for model in models)


def _printed(claim, each):
    if each in claim.get("printed", {}):
        return claim["printed"][each]
    ours, than = (_published(claim.get(key, ()), each) for key in ("recipes", "than"))
    if "than" in claim:
        return None if None in (ours, than) else ours - than
    return ours


def _published(models, each):
    known = music_tables.known()
    found = [known[f"{model}-{each}"].published for model in models if _known([model], each)]
    return next((nats for nats in found if nats is not None), None)


def _compared(claim, each):
    """Returns our figure on a set, and its verdict."""
    ours = _first(claim["recipes"], each)
    than = _first(claim["than"], each) if "than" in claim else None
    if ours is None or ("than" in claim and than is None):
        return NOT_RUN, NOT_RUN
    low, high = _sides(ours)
    if than is None:
        text = f"{music_tables.SIGNS[ours['kind']]}{ours['nats']:.3f}"
        return text, _verdict(low, high, _printed(claim, each), _error(ours, each))
    below, above = _sides(than)
    error = math.hypot(_error(ours, each), _error(than, each))
    text = f"{ours['nats'] - than['nats']:+.2f}"
    return text, _verdict(low - above, high - below, 0.0, error)


def _verdict(low, high, against, error):
    """Returns the verdict on figures from two sides, if both have the same."""
    if not all(map(math.isfinite, (low, high, error))):
        return UNDECIDED
    margin = NUM_ERRORS * error
    lead = [(side > against + margin) - (side < against - margin) for side in (low, high)]
    if lead[0] != lead[1]:
        return UNDECIDED
    return {1: COMES_OUT, 0: LEVEL, -1: FAILS}[lead[0]]


def _text(claim, nats):
    return f"{nats:+.2f}" if "than" in claim else f"{nats:.2f}"


def _first(models, each):
    baselines = results("music_baselines")
    for model in models:
        if model in baselines:
            return baselines[model][recipes.SETS[each]] | {"kind": "exact"}
        if row := music_tables.measured().get(f"{model}-{each}"):
            return row
    return None


def _sides(row):
    """Returns a likelihood as estimated from below and from above."""
    sides = [nats for nats in (row["nats"], row.get("reverse_nats")) if nats is not None]
    return min(sides), max(sides)


def _error(row, each):
    """Returns the standard error of a likelihood over pieces, and over annealing.

    An older row without the error over pieces has that of the nearest likelihood on its set.
    """
    if "error_over_pieces" not in row:
        found = [_first([model], each) for model in results("music_baselines")]
        found += [other for name, other in music_tables.measured().items() if name.endswith(each)]
        known = [other for other in found if "error_over_pieces" in other]
        row = row | {"error_over_pieces": _nearest(known, row)["error_over_pieces"]}
    return math.hypot(row["error_over_pieces"], row.get("standard_error", 0.0))


def _nearest(rows, row):
    return min(rows, key=lambda other: abs(other["nats"] - row["nats"]))
