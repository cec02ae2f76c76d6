"""Figures in pages are those that were measured."""

import re

import claims
import figures
import music_tables
import pytest

RESULTS = figures.ROOT / "RESULTS.md"
# Pages that tell of results in words. Times of a guide's own commands stand in that guide alone.
TOLD = [f"docs/{name}.md" for name in ("papers", "likelihoods", "start", "choose", "lstm")]
FIGURE = r"(?<![\w.])-?\d+\.\d\d+(?![\w.])|\d+\.\d %"
DETAILS = re.sub(
    r"<!-- figures: claims-[\w-]+ -->.*?<!-- end -->",
    "",
    RESULTS.read_text("utf-8"),
    flags=re.DOTALL,
)
ALL = [claim for paper in claims.papers().values() for claim in paper["claims"]]


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_results(page):
    text = page.read_text("utf-8")
    assert figures.MARKED.search(text)
    assert text == figures.filled(text), "run `python docs/tools/figures.py`"


def test_a_figure_that_was_changed_by_hand_is_seen():
    text = figures.PAGES[0].read_text("utf-8")
    assert figures.filled(text.replace("-8.743", "-7.743")) == figures.filled(text)
    assert text.replace("-8.743", "-7.743") != figures.filled(text)


@pytest.mark.parametrize("name", [*TOLD, "README.md"])
def test_a_figure_in_the_text_of_a_page_stands_in_the_results(name):
    text = (figures.ROOT / name).read_text("utf-8")
    text = text.partition("## The zoo")[2] or text  # README's first example has figures of its own
    text = re.sub(r"```.*?```|`[^`]*`", "", figures.MARKED.sub("", text), flags=re.DOTALL)
    told = re.findall(FIGURE, text)
    results = RESULTS.read_text("utf-8")
    assert [figure for figure in told if figure.lstrip("-") not in results] == []


@pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim["short"])
def test_a_claim_has_figures_that_stand_below_it_and_a_reason_where_it_fails(claim):
    _, ours, verdicts = claims._judged(claim)
    assert verdicts and verdicts.keys() <= set(claims.VERDICTS)
    told = [claims._told(claim, verdict, "") for verdict in verdicts]
    assert f"**{claims.FAILS}**." not in told
    computed = "recipes" in claim  # from files whose tables stand there
    found = re.findall(FIGURE, " ".join([*told, "" if computed else ours]))
    assert [figure for figure in found if figure.lstrip("-") not in DETAILS] == []


def test_the_table_of_waves_has_the_networks_that_were_run_over_their_seeds(monkeypatch):
    rows = {"printed": {}}
    monkeypatch.setattr(figures.waves_table, "results", lambda name: rows)
    assert figures.waves_table.waves() == "No network has been run yet.\n"
    for seed, accuracy in enumerate([0.99, 1.0]):
        counts = {"constant": 200 + seed, "rising": 900, "jumping": 2900}
        rows[f"gru-frames-seed{seed}"] = {
            "weights": 1207,
            "rate": 0.01,
            "accuracy": accuracy,
            "errors": {"constant": 3 + seed, "rising": 0, "jumping": 1},
            "waves": counts,
            "seconds": 200 + seed,
        }
    *_, line = figures.waves_table.waves().strip().splitlines()
    assert line == (
        "| GRU (18) | frames | 1,207 | 0.01 | 2 | 0.9950 ± 0.0050 | 7 of 401 | 0 of 1,800 | "
        "2 of 5,800 | 200 |"
    )


def test_the_table_of_labels_has_means_over_seeds_and_the_published_figures(monkeypatch):
    rows = {}
    monkeypatch.setattr(figures.labels_table, "results", lambda name: rows)
    assert figures.labels_table.phones() == "Not run yet.\n"
    for seed, accuracy in enumerate([0.98, 0.99]):
        part = {"accuracy": accuracy, "error_rate": 0.02, "log_prob": -0.1}
        part |= {"onset_ms": 0.5, "offset_ms": 0.75}
        measured = {"validation": part, "test": part, "weights": 1234, "processor_seconds": 40}
        rows[f"patches-30-seed{seed}"] = measured
    _, _, *lines = figures.labels_table.syllables().strip().splitlines()
    assert lines[0] == (
        '| 30 s | `network="patches"` | 1,234 | 2 | 0.0200 ± 0.0000 | 0.9850 ± 0.0050 | '
        "0.0200 ± 0.0000 | -0.100 ± 0.000 | 0.50 ± 0.00 | 0.75 ± 0.00 | 40 |"
    )
    assert [line.split(" | ")[1] for line in lines[1:]] == ["TweetyNet, published"] * 2


def of_folds(*errors, **others):
    folds = [{"test": error} for error in errors]
    return {"folds": folds, "tried": {"0.2": 0.5}, "seconds": 20, "dropout": 0.2, **others}


def test_the_tables_of_phones_are_over_folds_and_seeds(monkeypatch):
    rows = {"pace-cells": {}, "arctic-cells-lstm": of_folds(0.1, 0.1, weights=9)}
    monkeypatch.setattr(figures.phones_table, "results", lambda name: rows)
    assert figures.phones_table.phones("cells") == "Not run yet.\n"
    assert figures.phones_table.leads(("cells-sfm", "cells-lstm")) == "Not run yet.\n"
    rows["cells-lstm"] = of_folds(0.4, 0.6, weights=1000)
    rows["cells-lstm-seed1"] = of_folds(0.6, 0.6, weights=1000)
    rows["cells-sfm"] = of_folds(0.4, 0.3, weights=900)
    assert figures.phones_table.means()["cells-lstm"] == pytest.approx(0.55)
    *_, sfm, lstm = figures.phones_table.phones("cells").strip().splitlines()
    change = "-35.0 % (-50.0 to -20.0)"
    assert sfm == f"| SFM (58, 8, 30) | 900 | 1 | 0.3500 ± 0.0707 | {change} | 0.2 | 10 |"
    assert lstm == "| LSTM 122 | 1,000 | 2 | 0.5500 ± 0.0707 |  | 0.2 | 10 |"
    *_, lead = figures.phones_table.leads(("cells-sfm", "cells-lstm")).strip().splitlines()
    # By seeds, both with the variance of the LSTM, 0.02 of one of two folds: sqrt(0.005 (1 + 1/2)).
    assert lead == "| `cells-sfm` | `cells-lstm` | 1 and 2 | +0.2000 | 0.1000 | 0.0866 | +2.0 |"
    rows["arctic-cells-sfm"] = of_folds(0.2, 0.0, weights=9)
    pair = ("arctic-cells-sfm", "arctic-cells-lstm")
    assert " | 0.1000 |  | " in figures.phones_table.leads(pair)  # no seeds on that speech
    rows["cells-sfm-seed1"] = of_folds(0.4, 0.3, weights=900)
    *_, lead = figures.phones_table.leads(("cells-sfm", "cells-lstm")).strip().splitlines()
    assert lead.split(" | ")[5] == "0.0500"  # of one fold of the LSTM: 0.1414 / 2 / sqrt(2)
    rows["cells-sfm"] = rows["cells-sfm-seed1"] = of_folds(0.3, 0.4, weights=900)
    *_, lead = figures.phones_table.leads(("cells-sfm", "cells-lstm")).strip().splitlines()
    assert lead.endswith(" | +0.2000 | 0.0000 | 0.0500 | +4.0 |")
    assert "LSTM 122 | 9 |" in figures.phones_table.phones("cells", "arctic-")


def test_the_table_of_codes_has_means_over_seeds(monkeypatch):
    rows = {}
    monkeypatch.setattr(figures.codes_table, "results", lambda name: rows)
    for seed, pesq in enumerate([4.0, 4.2]):
        test = {"pesq_nb": pesq, "pesq_wb": 3.5, "mse": 0.1, "distortion": 6.0}
        test |= {"stoi": 0.9, "si_sdr": 20.0} if seed else {}
        row_of = {"test": test, "bits": 800, "epochs": 250, "seconds": 100 + 2 * seed}
        rows[f"lstbm-200-full-seed{seed}" if seed else "lstbm-200-full"] = row_of
    rows["lstbm-100-root-gamma"] = rows["lstbm-200-full-seed1"] | {"epochs": 30}
    _, _, gamma, full = figures.codes_table.codes().strip().splitlines()
    assert full == (
        "| LSTBM | 200 | 800 | root amplitude | 250 | 2 | 4.10 ± 0.14 | 3.95 | 3.50 ± 0.00 |  |  | "
        "0.100 ± 0.000 | 6.0 ± 0.0 | 101 |"
    )
    assert gamma.startswith('| LSTBM, `visibles="gamma"` | 100 | 800 | root amplitude | 30 | 1 |')
    assert " | 4.20 |  | 3.50 | 0.900 | 20.0 | " in gamma
    assert figures.codes_table.means()["lstbm-200-full"]["pesq_nb"] == pytest.approx(4.1)
    assert "stoi" not in figures.codes_table.means()["lstbm-200-full"]


def test_the_table_of_the_spectrogram_recipe_is_over_seeds(monkeypatch):
    rows = {"finch-3-tanh": {}}
    monkeypatch.setattr(figures.spectrograms_table, "results", lambda name: rows)
    assert figures.spectrograms_table.recipe() == "Not run yet.\n"
    about = {"weights": 1000, "processor_seconds": 200, "validation": -120.5}
    for seed, nats in enumerate([-100.0, -102.0]):
        likelihood = {"nats": nats, "reverse_nats": nats - 1}
        rows[f"recipe-arctic-3-tanh-seed{seed}"] = about | {
            "likelihood": likelihood,
            "epoch_chosen": 100 - 10 * seed,
        }
    *_, line = figures.spectrograms_table.recipe().strip().splitlines()
    assert line == (
        "| ARCTIC | 3 layers, tanh gates: the recipe | 1,000 | 2 | 90 to 100 | -120.50 ± 0.00 | "
        "-101.00 ± 1.41 | -102.00 ± 1.41 | 200 |"
    )


def test_the_leads_of_music_have_errors_over_the_same_pieces(monkeypatch):
    rows = {"music-nottingham-sfm-softmax": {"nats": -6.0, "weights": 7, "seconds": 3}}
    monkeypatch.setattr(figures.sfm_table, "results", lambda name: rows)
    assert figures.sfm_table.leads() == "Not run yet.\n"
    *_, line = figures.sfm_table.music().strip().splitlines()
    assert line == "| Nottingham | SFM | 7 | not run | -6.000 | -5.67 | 3 |"
    about = {"nats": -3.0, "weights": 7, "seconds": 3}
    for layer, shift in (("sfm", 0.0), ("gru", 5.0)):
        pieces = [(-60.0 - shift, 10), (-20.0 - shift, 10), (-10.0 - shift, 10)]
        rows[f"music-musedata-{layer}-bernoulli"] = about | {"pieces": pieces}
    rows["music-musedata-gru-bernoulli"]["pieces"][0] = (-68.0, 10)
    *_, line = figures.sfm_table.leads().strip().splitlines()
    name, one, other, lead, error, _ = line.strip("| ").split(" | ")
    assert (name, one, other, lead) == ("MuseData", "SFM", "GRU", "+0.600")
    assert 0 < float(error) < 0.15  # not that of the pieces themselves, which differ by nats


def row(nats, error=0.1, **others):
    return {"nats": nats, "kind": "exact", "error_over_pieces": error, **others}


@pytest.fixture
def measured(monkeypatch):
    """Rows of results by name, in place of those that were measured."""
    rows = {}
    monkeypatch.setattr(music_tables, "measured", lambda: rows)
    return rows


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (row(-5.7), "comes out"),
        (row(-5.9), "level"),
        (row(-6.1), "level"),
        (row(-6.3), "does not come out"),
        (row(-5.7, reverse_nats=-5.75), "comes out"),  # from both sides
        (row(-5.7, reverse_nats=-5.85), "undecided"),
        (row(-5.9, reverse_nats=-6.3), "undecided"),
        (row(-5.7, standard_error=0.2), "level"),  # of the annealing
        (row(-5.7, standard_error=float("inf")), "undecided"),
        (row(-5.7, reverse_nats=-float("inf")), "undecided"),
        (None, "not run"),
    ],
)
def test_a_verdict_follows_from_two_standard_errors(measured, ours, verdict):
    measured |= {"a-jsb": ours} if ours else {}
    claim = {"recipes": ["b", "a"], "printed": {"jsb": -6.0}}
    assert claims._judged(claim)[2] == {verdict: "JSB"}


def test_a_lead_has_the_errors_of_both(measured):
    measured |= {"a-jsb": row(-5.0, 0.3), "b-jsb": row(-5.9, 0.3)}
    claim = {"recipes": ["a"], "than": ["b"], "printed": {"jsb": 2.75}}
    assert claims._judged(claim) == ("+2.75", "+0.90", {"comes out": "JSB"})
    measured["b-jsb"]["nats"] = -5.8
    assert claims._judged(claim)[2] == {"level": "JSB"}


def test_a_row_without_an_error_has_that_of_the_nearest(measured):
    measured |= {"a-jsb": row(-7.0, 0.4), "b-jsb": row(-5.0, 0.1), "c-jsb": {"nats": -5.8}}
    assert claims._error(measured["c-jsb"], "jsb") == 0.1
    assert claims._error({"nats": -6.5}, "jsb") == 0.4


def test_a_row_shows_what_fewer_annealing_steps_give(measured):
    known = {
        "validation": -7.2,
        "epochs": 3,
        "epoch_chosen": 2,
        "seconds": 5,
        "weights": 9,
        "looks": 1,
    }
    measured |= {"a-jsb": row(-7.0, **known), "b-jsb": row(-7.0, **known)}
    assert "annealing" not in music_tables.trainings()
    measured["a-jsb"]["by_betas"] = {"100": row(-6.9)}
    head, _, a, b = (line.split(" | ") for line in music_tables.trainings().splitlines())
    assert head[4] == "by fewer annealing steps" and len(head) == len(a) == len(b)
    assert (a[4], b[4]) == ("-6.900 (100)", "")
