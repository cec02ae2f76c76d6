"""Writes tables of measured figures into pages.

    python docs/tools/figures.py

A table stands between `<!-- figures: NAME -->` and `<!-- end -->`. The figures are read from
`benchmarks/results/` and `seqlayers/runs/recipes/measured.json`, into which the benchmarks write
them, the claims of the papers from `docs/tools/claims.toml`. A test compares the pages with what
this would write.
"""

import functools
import re

import claims
import codes_table
import kinds_table
import labels_table
import music_tables
import phones_table
import sfm_table
import spectrograms_table
import waves_table
from tables import ROOT, results, table

PAGES = [ROOT / "docs" / "choose.md", ROOT / "docs" / "papers.md", ROOT / "RESULTS.md"]
MARKED = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def milliseconds(name, contender):
    return results("speed")[name]["contenders"][contender]["ms"]


def recurrent_layers():
    """Recurrent layers beside LSTM and GRU, in the same trainings and the same runs."""
    lstm = "keras.layers.LSTM(139)"
    layers = {  # title: name in the tables of papers; train step and single step: table, row, LSTM
        "`SFM`": ("sfm", ("sfm", "SFM", lstm), ("one_step", "SFM")),
        '`SFM(gates="input")`': (
            "parallel",
            ("sfm_parallel", "sfm parallel, 32 x 100", "lstm, 32 x 100"),
            ("one_step", 'SFM(gates="input")'),
        ),
        '`AdaptiveSFM(phase="accumulated")`': (
            "a-sfm",
            ("sfm", "AdaptiveSFM", lstm),
            ("one_step", "AdaptiveSFM"),
        ),
        "`PeepholeLSTM`": (
            None,
            ("gated", "PeepholeLSTM(139)", lstm),
            ("one_step_gated", "PeepholeLSTM(139)"),
        ),
        "`TanhGated`": (
            None,
            ("gated", "TanhGated(164)", lstm),
            ("one_step_gated", "TanhGated(164)"),
        ),
        "`keras.layers.LSTM`": ("lstm", ("sfm", lstm, lstm), ("one_step", lstm)),
        "`keras.layers.GRU`": (
            "gru",
            ("sfm", "keras.layers.GRU(164)", lstm),
            ("one_step", "keras.layers.GRU(164)"),
        ),
    }
    sfm = results("sfm")
    rows = []
    for title, (name, (train, row, of_train), (step, contender)) in layers.items():
        scores = ["", "", "", ""]
        if name:
            wrong = phones_table.means()[f"cells-{name}"]
            music = [sfm[f"music-{s}-{name}-bernoulli"] for s in ("jsb_chorales", "nottingham")]
            scores = [f"{row_of['nats']:.3f}" for row_of in music]
            scores += [f"{sfm[f'waves-1k-{name}-seed0']['accuracy']:.4f}", f"{wrong:.3f}"]
        times = milliseconds(train, row) / milliseconds(train, of_train)
        steps = milliseconds(step, contender) / milliseconds(step, lstm)
        rows.append([title, *scores, f"{times:.2f}", f"{steps:.2f}"])
    head = ["layer", "music, JSB", "music, Nottingham", "waves", "phones", "train step", "one step"]
    return table(head, rows)


def music_models():
    """Models of music by their recipes."""
    measured, sets = music_tables.measured(), music_tables.TITLES
    titles = {
        "tied-nade-recall": "`TiedNADE` after `FrameHistory` and `Recall`",
        "tied-nade": "`TiedNADE` after `FrameHistory`",
        "lstm-nade": "LSTM and `NADE`",
        "rnn-nade": "`RNNNADE`",
        "lstm-rbm": "`RNNRBM` with an LSTM",
        "rnn-rbm": "`RNNRBM`",
        "lstm-dbn": "`RNNDBN` with an LSTM",
        "rnn-dbn": "`RNNDBN`",
        "rtrbm": "`RTRBM`",
        "rnn": "RNN and `BernoulliHead`",
        "nade": "`NADE` without time",
        "rbm": "`ConditionalRBM` without time",
    }
    rows = []
    for recipe, title in titles.items():
        on = [measured.get(f"{recipe}-{name}") for name in sets]
        if (jsb := on[0]) is None:
            continue
        nats = [f"{row['nats']:.3f}" if row else "" for row in on]
        seconds = f"{jsb['seconds']:,}"
        rows.append([title, jsb["kind"].replace("_", " "), *nats, f"{jsb['weights']:,}", seconds])
    return table(["model", "kind", *sets.values(), "weights", "seconds"], rows)


def speech_codes():
    """Codes of speech: models of 400 hidden units, trained for 250 epochs."""
    lstbm = results("lstbm")
    rows = []
    for name, title, speed in (
        ("lstbm", "`LSTBMModel`", "LSTBMModel"),
        ("trbm", "`TRBM`", "TRBM"),
        ("rbm", "`SequenceModel(None, ConditionalRBM)`", "RBM"),
    ):
        row = lstbm[f"{name}-400-full"]
        quality = [f"{row['test'][key]:.2f}" for key in ("pesq_nb", "pesq_wb")]
        ms = f"{milliseconds('lstbm', speed):.1f}"
        rows.append([title, f"{row['weights']:,}", row["bits"], *quality, ms])
    return table(
        ["model", "weights", "numbers in a code", "PESQ nb", "PESQ wb", "train step, ms"], rows
    )


def patches():
    """Networks over patches of a spectrum beside others."""
    rows = []
    for name, title in {
        "heads-clstmp+lstmp+relu": "`ConvLSTMPatch` with projection, `PeepholeLSTM`, dense layers",
        "heads-clstm32+relu": "`ConvLSTMPatch`, dense layers",
        "heads-lstmp+relu": "`PeepholeLSTM` with projection, dense layers",
        "heads-lstm+relu": "`keras.layers.LSTM`, dense layers",
        "heads-cnn+relu": "convolution over 11 frames, dense layers",
        "heads-ffnn": "dense layers over 11 frames",
    }.items():
        seeds, wrong = phones_table.seeds_of(name), phones_table.means()[name]
        seconds = phones_table.seconds_of(seeds)
        rows.append([title, f"{seeds[0]['weights']:,}", f"{wrong:.3f}", seconds])
    return table(["network", "weights", "wrong frames", "seconds a training"], rows)


def partition():
    """Errors of AIS and of the bridge at as many steps."""
    titles = {
        "random": "16 hidden, random",
        "pcd": "16 hidden, music, PCD",
        "cd": "16 hidden, music, CD",
        "preset": "150 hidden, the RNN-RBM that ships",
    }
    rows = []
    for name, row in results("partition").items():
        kind, *sizes = name.split("-")
        scale, steps = sizes or ("x1", "100")
        cells = []
        for key in ("bias", "rmse", "covered", "known"):
            sign, digits = ("+", 3) if key == "bias" else ("", 3 if key == "rmse" else 2)
            cells += [f"{row[way][key]:{sign}.{digits}f}" for way in ("ais", "bridge")]
        rows.append([titles[kind], scale[1:], steps, *cells])
    head = ["RBMs", "kernel times", "steps"]
    for title in ("bias", "RMSE", "in the interval", "converged"):
        head += [f"{title}: AIS", "bridge"]
    return table(head, rows)


HEADS = (
    ("heads-clstmp+lstmp+relu", "heads-lstmp+relu"),
    ("heads-clstmp+lstmp+relu", "heads-lstm+relu"),
    ("heads-clstmp+lstmp+relu", "heads-ffnn"),
    ("heads-clstm32+relu", "heads-lstmp+relu"),
    ("heads-clstm48+relu", "heads-lstmp+relu"),
    ("heads-clstm48+relu", "heads-ffnn"),
    ("heads-clstm48+relu", "heads-clstmp+lstmp+relu"),
    ("heads-clstm48+relu", "heads-clstm16+relu"),
    ("heads-clstmp48+relu", "heads-clstm48+relu"),
    ("heads-clstmp48+relu", "heads-clstm16+relu"),
    ("heads-2clstm+relu", "heads-clstm32+relu"),
    ("heads-lstmp+relu", "heads-ffnn"),
    ("heads-lstmp+relu", "heads-cnn+relu"),
    ("heads-lstm+relu", "heads-ffnn"),
    ("heads-lstm+relu", "heads-cnn+relu"),
    ("heads-lstmp+relu", "heads-lstm+relu"),
    ("heads-lstmp+relu", "heads-lstmp"),
)
CELLS = (
    ("cells-sfm", "cells-lstm"),
    ("cells-a-sfm", "cells-lstm"),
    ("cells-sfm", "cells-gru"),
    ("cells-a-sfm", "cells-gru"),
    ("cells-a-sfm", "cells-bi-lstm"),
)
STACKS = (("stack-2+greedy", "stack-2"), ("stack-3+greedy", "stack-3"))
LITTLE = [tuple(f"{each}-tenth" for each in pair) for pair in STACKS]
ARCTIC = [tuple(f"arctic-{each}" for each in pair) for pair in HEADS]
MASKED = [
    *((f"{each}-masked", each) for each in dict.fromkeys(each for pair in HEADS for each in pair)),
    *(tuple(f"{each}-masked" for each in pair) for pair in HEADS),
]
TABLES = {
    "recurrent_layers": recurrent_layers,
    "music_models": music_models,
    "speech_codes": speech_codes,
    "patches": patches,
    "partition": partition,
    "phones-heads": functools.partial(phones_table.phones, "heads"),
    "phones-cells": functools.partial(phones_table.phones, "cells"),
    "folds-heads": functools.partial(phones_table.leads, *HEADS),
    "phones-arctic": functools.partial(phones_table.phones, "heads", prefix="arctic-"),
    "folds-arctic": functools.partial(phones_table.leads, *ARCTIC),
    "phones-masked": functools.partial(phones_table.phones, "heads", suffix="-masked"),
    "folds-masked": functools.partial(phones_table.leads, *MASKED),
    "folds-cells": functools.partial(phones_table.leads, *CELLS),
    "phones-stack": functools.partial(phones_table.phones, "stack"),
    "phones-stack-tenth": functools.partial(phones_table.phones, "stack", suffix="-tenth"),
    "folds-stack": functools.partial(phones_table.leads, *STACKS),
    "folds-stack-tenth": functools.partial(phones_table.leads, *LITTLE),
    "codes": codes_table.codes,
    "spectrogram-recipe": spectrograms_table.recipe,
    "spectrogram-drawn": spectrograms_table.drawn,
    "sfm-music": sfm_table.music,
    "sfm-leads": sfm_table.leads,
    "sfm-waves": sfm_table.waves,
    "likelihoods": music_tables.likelihoods,
    "trainings": music_tables.trainings,
    "seeds": music_tables.seeds,
    "overview": claims.overview,
    "waves": waves_table.waves,
    "syllables": labels_table.syllables,
    "labelled-phones": labels_table.phones,
    "kinds": kinds_table.kinds,
} | {f"claims-{name}": functools.partial(claims.claims_of, name) for name in claims.papers()}


def filled(text):
    """Returns the text of a page with its tables made anew."""
    return MARKED.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
    for claim in claims.unexplained():
        print(f"docs/tools/claims.toml has no `why` for: {claim}")
