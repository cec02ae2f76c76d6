"""Speed, as ratios to named peers in the same run.

    python benchmarks/speed.py [--rounds 15] [--only cd15]

Each contender runs in its own process with two threads. They are called in turn (A, B, C, A, B, C,
...), so that a change of the machine's speed affects all. The smallest wall time counts. The peak
is the fastest float32 matrix product (2048^3) in the same run. `benchmarks/results/speed.json` has
the last figures of each table, of which `benchmarks/growth.py` draws those of size.
"""

import argparse
import json
import platform
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import lengths  # noqa: E402
from benchmarks.contenders import tied_keys  # noqa: E402
from benchmarks.contenders.energies import (  # noqa: E402
    FRAMES,
    H,
    V,
    our_ais,
    our_cd,
    our_rbm_epoch,
    our_rnn_rbm_step,
    sklearn_rbm_epoch,
    torch_cd,
    torch_rnn_rbm_step,
)
from benchmarks.contenders.recurrent import (  # noqa: E402
    BINS,
    CELLS,
    PATCHES,
    STEPS,
    UNITS,
    growth,
    of_spectra,
    one_step,
    patch_contenders,
    recurrent,
)
from benchmarks.race import THREADS, machine, matrix_product, race  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "speed.json"


def main(rounds=15, only=None):
    for name, (title, contenders, flops) in TABLES.items():
        if only not in (None, name):
            continue
        contenders = {"matrix product 2048^3": matrix_product, **contenders}
        seconds, megabytes = race(contenders, rounds)
        peak = 2 * 2048**3 / seconds.pop("matrix product 2048^3") / 1e9
        ours = next(iter(seconds.values()))
        print(f"\n{title}   (peak of this run {peak:.0f} GFLOP/s)")
        figures = {}
        for contender, s in seconds.items():
            share = f"{100 * flops / s / 1e9 / peak:5.1f}% of peak" if flops else ""
            mb = megabytes[contender]
            print(
                f"  {contender:42s} {1e3 * s:9.2f} ms {s / ours:6.2f} x first {mb:5.0f} MB {share}"
            )
            figures[contender] = {"ms": 1e3 * s, "times_first": s / ours, "peak_mb": mb}
        write(name, {"peak_gflops": peak, "contenders": figures})
    if only in (None, "lengths"):
        write("lengths", lengths.measure())


def write(name, table):
    """Replaces one table of the results."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    run = {"python": platform.python_version(), "machine": machine(), "threads": THREADS}
    RESULTS.write_text(json.dumps(results | {name: run | table}, indent=2) + "\n")


PER_PRODUCT = 2 * FRAMES * V * H  # floating-point operations
TABLES = {
    "cd15": (
        f"CD-15 gradient step, {V} x {H}, {FRAMES} frames, biases of their own",
        {
            "seqlayers": partial(our_cd, 15),
            "seqlayers without XLA": partial(our_cd, 15, xla=False),
            "PyTorch, torch.bernoulli": partial(torch_cd, 15),
            "PyTorch, torch.rand < p": partial(torch_cd, 15, "rand"),
        },
        PER_PRODUCT * (3 + 2 * 15),
    ),
    "cd1": (
        f"CD-1 gradient step, {V} x {H}, {FRAMES} frames, biases of their own",
        {
            "seqlayers": partial(our_cd, 1),
            "seqlayers without XLA": partial(our_cd, 1, xla=False),
            "PyTorch, torch.bernoulli": partial(torch_cd, 1),
            "PyTorch, torch.rand < p": partial(torch_cd, 1, "rand"),
        },
        PER_PRODUCT * (3 + 2 * 1),
    ),
    "rbm_epoch": (
        f"RBM without time, `pretrain_head`: an epoch of {FRAMES} frames in hundreds, k = 1",
        {"seqlayers (CD-1)": our_rbm_epoch, "scikit-learn BernoulliRBM (PCD-1)": sklearn_rbm_epoch},
        PER_PRODUCT * 5,
    ),
    "rnn_rbm": (
        f"RNN-RBM train step with Adam, CD-15, {V} x {H}, 150 recurrent, 32 x 100 frames",
        {
            "seqlayers, train_on_batch": our_rnn_rbm_step,
            "seqlayers, train_on_batch without XLA": partial(our_rnn_rbm_step, xla=False),
            "PyTorch, torch.bernoulli": torch_rnn_rbm_step,
            "PyTorch, torch.rand < p": partial(torch_rnn_rbm_step, "rand"),
        },
        None,
    ),
    "ais": (
        f"log Z of {FRAMES} frames by AIS, {V} x {H}, 100 betas x 10 chains",
        {"seqlayers": our_ais},
        2 * PER_PRODUCT * 100 * 10,
    ),
    "sfm": (
        "SFM train step, 32 x 100 frames, about 139,000 weights with the output layer",
        {
            "SFM": partial(recurrent, "sfm"),
            "SFM, model compiled by XLA": partial(recurrent, "sfm", xla=True),
            "SFM, without XLA": partial(recurrent, "sfm", jit_compile=False),
            "AdaptiveSFM": partial(recurrent, "adaptive"),
            "keras.layers.RNN(SFMCell)": partial(recurrent, "cell"),
            "keras.layers.RNN(SFMCell), XLA": partial(recurrent, "cell", xla=True),
            "keras.layers.LSTM(139)": partial(recurrent, "lstm"),
            "keras.layers.LSTM(139), XLA": partial(recurrent, "lstm", xla=True),
            "keras.layers.GRU(164)": partial(recurrent, "gru"),
            "SFM of 50 units": partial(recurrent, "sfm 50"),
        },
        None,
    ),
    "sfm_forward": (
        "The same, `predict_on_batch`",
        {
            "SFM": partial(recurrent, "sfm", train=False),
            "SFM, jit_compile=False": partial(recurrent, "sfm", train=False, jit_compile=False),
            "keras.layers.RNN(SFMCell)": partial(recurrent, "cell", train=False),
            "keras.layers.LSTM(139)": partial(recurrent, "lstm", train=False),
            "keras.layers.GRU(164)": partial(recurrent, "gru", train=False),
        },
        None,
    ),
    "one_step": (
        f"{STEPS} single steps of one sequence, each from the states before, not compiled by XLA",
        {
            "SFM": partial(one_step, "sfm"),
            'SFM(gates="input")': partial(one_step, "sfm parallel"),
            "AdaptiveSFM": partial(one_step, "adaptive"),
            "keras.layers.LSTM(139)": partial(one_step, "lstm"),
            "keras.layers.GRU(164)": partial(one_step, "gru"),
        },
        None,
    ),
    "one_step_gated": (
        "The same of gated layers",
        {
            "PeepholeLSTM(139)": partial(one_step, "peephole"),
            "TanhGated(164)": partial(one_step, "tanh gated"),
            "keras.layers.LSTM(139)": partial(one_step, "lstm"),
        },
        None,
    ),
    "gated": (
        "Train step of gated layers, 32 x 100 frames",
        {
            "PeepholeLSTM(139)": partial(recurrent, "peephole"),
            "TanhGated(164)": partial(recurrent, "tanh gated"),
            "keras.layers.LSTM(139)": partial(recurrent, "lstm"),
        },
        None,
    ),
    "patches": (
        f"Train step over {PATCHES} patches of a frame, {CELLS} cells, 32 x 100 frames",
        patch_contenders(32, 100),
        None,
    ),
    "patches_chunks": (
        "The same in chunks of 15 frames, 20 at a time",
        patch_contenders(20, 15),
        None,
    ),
    "lstbm": (
        f"LSTBM train step, CD-1, {BINS} bins, {UNITS} units of each gate, 10 x 100 frames",
        {
            "LSTBMModel": partial(of_spectra, "lstbm"),
            "LSTBMModel, truncate=False": partial(of_spectra, "lstbm", truncate=False),
            'LSTBMModel, mode="sample"': partial(of_spectra, "lstbm", mode="sample"),
            "LSTBMModel without XLA": partial(of_spectra, "lstbm", xla=False),
            "TRBM": partial(of_spectra, "trbm"),
            "RBM": partial(of_spectra, "rbm"),
            "keras.layers.LSTM, Dense": partial(of_spectra, "lstm"),
            "keras.layers.LSTM, Dense, XLA": partial(of_spectra, "lstm", xla=True),
        },
        None,
    ),
    "tied_nade": (
        f"TiedNADE, loss and gradients of {tied_keys.FRAMES} frames of {tied_keys.V} keys",
        {
            "TiedNADE": tied_keys.tied_nade,
            "the same with a copy of each key's window": partial(tied_keys.tied_nade, copies=True),
            "draws of 4 x 200 frames": tied_keys.draws,
        },
        None,
    ),
    "sfm_parallel": (
        'SFM(gates="input") train step, beside LSTM(139)',
        growth(("sfm parallel", "lstm"), [(32, 100), (8, 4096), (256, 100)])
        | {"sfm parallel, 32 x 100, by XLA": partial(recurrent, "sfm parallel", xla=True)}
        | {"lstm, 32 x 100, by XLA": partial(recurrent, "lstm", xla=True)},
        None,
    ),
    "sfm_steps": (
        "SFM train step over the number of frames, beside LSTM(139)",
        growth(("sfm", "lstm"), [(32, steps) for steps in (50, 25, 100, 200, 400, 800)]),
        None,
    ),
    "sfm_batch": (
        "SFM train step over the size of the batch, beside LSTM(139)",
        growth(("sfm", "lstm"), [(batch, 100) for batch in (32, 1, 8, 128, 256)]),
        None,
    ),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=[*TABLES, "lengths"])
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.only)
