"""Draws the pictures of docs/benchmarks.md from what was measured.

    python benchmarks/pictures.py

`docs/peers.png` has the speed of ours and of peers, from `benchmarks/results/speed.json`;
`docs/music_board.png` the likelihoods of recipes on four sets of music, from
`seqlayers/runs/recipes/measured.json`. It needs `pip install 'seqlayers[plot]'`.
"""

import json
from pathlib import Path

from seqlayers.runs import recipes

ROOT = Path(__file__).resolve().parent.parent
SPEED = ROOT / "benchmarks" / "results" / "speed.json"
BASELINES = ROOT / "benchmarks" / "results" / "music_baselines.json"
OURS, PEER = "#3f51b5", "#9e9e9e"  # they differ in lightness, too
PEERS = {  # of each table: title, and the rows that are shown, ours first
    "cd15": ("CD-15 step", ("seqlayers", "PyTorch, torch.rand < p", "PyTorch, torch.bernoulli")),
    "rnn_rbm": (
        "RNN-RBM train step",
        ("seqlayers, train_on_batch", "PyTorch, torch.rand < p", "PyTorch, torch.bernoulli"),
    ),
    "rbm_epoch": ("RBM epoch", ("seqlayers (CD-1)", "scikit-learn BernoulliRBM (PCD-1)")),
    "sfm": ("SFM train step", ("SFM", "keras.layers.LSTM(139)", "keras.layers.RNN(SFMCell)")),
    "sfm_parallel": (
        "8 x 4,096 frames",
        ("sfm parallel, 8 x 4096", "lstm, 8 x 4096"),
    ),
    "patches": ("patches train step", ("ConvLSTMPatch", "16 keras.layers.LSTM")),
    "lstbm": ("LSTBM train step", ("LSTBMModel", "keras.layers.LSTM, Dense")),
}
NAMES = {  # of rows, where they have others in the tables
    "seqlayers, train_on_batch": "seqlayers",
    "sfm parallel, 8 x 4096": 'SFM(gates="input")',
    "lstm, 8 x 4096": "keras.layers.LSTM(139)",
}
SETS = {
    "jsb": "JSB Chorales",
    "musedata": "MuseData",
    "nottingham": "Nottingham",
    "piano-midi": "Piano-midi",
}
KINDS = {
    "exact": "",
    "estimate": " (estimate)",
    "lower_bound": " (bound)",
    "not_converged": " (not converged)",
}


def peers(plt):
    """Returns a figure of times, as multiples of ours in the same run."""
    tables = json.loads(SPEED.read_text())
    fig, ax = plt.subplots(figsize=(8, 6.4), layout="constrained")
    labels, times, colors = [], [], []
    for table, (title, rows) in PEERS.items():
        milliseconds = [tables[table]["contenders"][row]["ms"] for row in rows]
        for row, ms in zip(rows, milliseconds, strict=True):
            labels.append(f"{title}: {NAMES.get(row, row)}")
            times.append(ms / milliseconds[0])
            colors.append(OURS if row == rows[0] else PEER)
    places = range(len(labels))
    bars = ax.barh(places, times, color=colors)
    ax.bar_label(bars, [f"{time:.2f}" for time in times], padding=3)
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    ax.set(xlabel="time, as a multiple of ours in the same run", xlim=(0, 1.1 * max(times)))
    return fig


def music_board(plt):
    """Returns a figure of log-likelihoods, a panel for each set."""
    measured, baselines = recipes.measured(), json.loads(BASELINES.read_text())
    models = {}  # title and kind by the beginning of the recipes' names, in the order of recipes
    for name in filter(measured.get, recipes.names()):
        model = next(name.removesuffix(f"-{each}") for each in SETS if name.endswith(f"-{each}"))
        models[model] = recipes.read(name).title + KINDS[measured[name]["kind"]]
    fig, axes = plt.subplots(1, 4, figsize=(10, 3.6), sharey=True, layout="constrained")
    for ax, (each, title) in zip(axes, SETS.items(), strict=True):
        known = {
            place: measured[f"{model}-{each}"]["nats"]
            for place, model in enumerate(models)
            if f"{model}-{each}" in measured
        }
        for baseline, style in (("frame table", ":"), ("held chord", "--")):
            nats = baselines[baseline][recipes.SETS[each]]["nats"]
            ax.axvline(nats, color=PEER, linestyle=style, label=baseline)
        ax.plot(list(known.values()), list(known), "o", color=OURS)
        ax.set(title=title, xlabel="nats a frame")
        ax.grid(axis="y", alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(models)), models.values())
    axes[0].set_ylim(-0.5, len(models) - 0.5)
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False
    )
    return fig


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    for draw in (peers, music_board):
        draw(plt).savefig(ROOT / "docs" / f"{draw.__name__}.png", dpi=100)
