"""Phones: LSTMs over patches beside LSTMs and feed-forward networks, and SFM beside its like.

    python benchmarks/tables/clstm.py [--rows heads-lstmp+relu ...] [--corpus arctic] [--masked]
    python benchmarks/tables/clstm.py --rows stack --seeds 0 1 2 [--tenth]

Frame phone error in five folds, of which a sixth of what is not tested validates. `--corpus` is

`timit`   the sample of TIMIT, 61 phones, 128 sentences without `sa`; folds by its 16 speakers
`arctic`  103 sentences of CMU ARCTIC slt, the 39 phones of Lee and Hon; folds by sentence

Rows `heads-..` are the networks of the CLSTM paper's tables, with sizes that suit six minutes of
speech: 40 log-mel bands and the energy, with deltas and their deltas; labels 5 frames late; ReLU
layers stand on top, and the energy goes past the patches to what is above them. Rows `cells-..` are
those of Figure 4 of the SFM paper: 12 MFCC, log energy and deltas, labels on time, one recurrent
layer of about 80,000 weights with the output layer; `parallel` is an SFM with `gates="input"`.
Rows `stack-..` are two or three LSTMs with the features of `heads`, from scratch or, `+greedy`,
with the weights of LSTBMs that `LSTBMModel.stack` trained on the sentences of the fold without
labels, as the LSTBM paper proposes, and the normalisation of their outputs.

All networks see chunks of a second that overlap by 20 frames, normal noise on their inputs, Adam
and the same number of epochs; the epoch is chosen on validation. `--masked` hides time and bands
of each chunk anew in each epoch, by `datasets.masking`. `--tenth` trains on the labels of a tenth
of the sentences, for ten times the epochs. Each row first tries the same three rates of dropout on
fold 0 and takes the one that validates best, which is that of its other `--seeds`, too; then the
test sentences of the five folds are looked at, once. The row `pace-cells` has seconds of a step,
for which the machine should be quiet; by these, rows `timed-cells-..` train for the seconds of the
LSTM.

Results go to `benchmarks/results/clstm.json`, a row as soon as it is done, and rows that are there
are kept. A row that was stopped goes on after its last training, from a file in `--work`, where the
weights of LSTBMs are, too; both stay: remove them to train a row anew. `--rows` takes beginnings of
names; the order is the program's. `--quick` trains an epoch on the sentences that ship, in a folder
that it removes.
"""

import argparse
import functools
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import numpy as np  # noqa: E402
import pace  # noqa: E402
import phone_data  # noqa: E402
import store  # noqa: E402
from phone_networks import GREEDY, NETWORKS  # noqa: E402
from phone_training import EPOCHS, Row, Task, compiled, task_of, train  # noqa: E402

from seqlayers.datasets import speech  # noqa: E402

ROOT = Path(__file__).parents[2]
RESULTS, WORK = ROOT / "benchmarks" / "results" / "clstm.json", ROOT / "runs" / "clstm"
SPEECH = ROOT / ".." / "shared" / "data" / "speech"
FILES = {"timit": SPEECH / "timit_sample.npz", "arctic": SPEECH / "arctic_slt_103.npz"}

DROPOUTS = (0.2, 0.35, 0.5)
TIMED = ("parallel", "min-gru", "sfm", "gru")  # trained for the seconds of the LSTM, too


def run(task, dropouts=DROPOUTS):
    """Tunes dropout on fold 0, unless there is one rate, then trains and tests on all folds.

    Tests of the rates that are not chosen are not looked at.
    """
    task.work.mkdir(parents=True, exist_ok=True)
    kept = task.work / f"{task.row.name}-{task.epochs}.json"

    def tried(fold, dropout):
        make = functools.partial(train, task, fold, dropout)
        figures = store.remembered(kept, f"fold {fold}, dropout {dropout}", make)
        best, epoch = figures["validation"], figures["epoch_chosen"]
        print(f"  fold {fold}, dropout {dropout}: {best:.4f} at {epoch}", flush=True)
        return figures

    trials = {dropout: tried(0, dropout) for dropout in dropouts}
    dropout = min(trials, key=lambda d: trials[d]["validation"])
    folds = [trials[dropout], *(tried(n, dropout) for n in range(1, len(task.folds)))]
    seconds = sum(figures["seconds"] for figures in store.read(kept).values())
    print(f"  test {np.mean([fold['test'] for fold in folds]):.4f}", flush=True)
    return {
        "seed": task.row.seed,
        "epochs": task.epochs * task.every,
        "weights": folds[0]["weights"],
        "dropout": dropout,
        "tried": {str(d): figures["validation"] for d, figures in trials.items()},
        "folds": [
            {key: fold[key] for key in ("validation", "epoch_chosen", "test", "frames")}
            for fold in folds
        ],
        "seconds": round(seconds),
    }


def run_seed(task):
    """Trains as `run`, with the dropout that the row of seed 0 has chosen."""
    if not task.row.seed:
        return run(task)
    first = task.row._replace(seed=0).name
    if first not in store.read(RESULTS):
        raise SystemExit(
            f"`--seeds` must begin with 0 where the row of that seed is not done: it chooses the "
            f"dropout. Received: {task.row.name} without {first}."
        )
    return run(task, (store.read(RESULTS)[first]["dropout"],))


def measure_pace(utterances, work):
    """Returns the seconds of a step on fold 0."""

    def network(cell, jit_compile):
        task = task_of(Row("timit", f"cells-{cell}"), utterances, work)
        model, arrays = compiled(task._replace(jit_compile=jit_compile), 0, DROPOUTS[0])
        return functools.partial(model.train_on_batch, *(a[: phone_data.BATCH] for a in arrays))

    return pace.measure({cell: functools.partial(network, cell) for cell in ("lstm", *TIMED)})


def run_timed(cell, utterances, work):
    """Trains as `run`, for as many epochs as take the seconds of the LSTM."""
    seconds = store.read(RESULTS)["pace-cells"]
    epochs, mode = pace.epochs_in_time_of(seconds["lstm"], EPOCHS, seconds[cell])
    task = task_of(Row("timit", f"cells-{cell}"), utterances, work)
    return run(task._replace(epochs=epochs, jit_compile=mode == "compiled")) | {"mode": mode}


# Rows.


def chosen(beginnings, corpus="timit", tenth=False, masked=False, seeds=(0,)):
    """Returns names of rows, those that teach most first."""
    networks = [*NETWORKS, *GREEDY]
    if tenth:
        networks = [name for name in networks if name.startswith("stack")]
    if masked:  # cepstra are not bands
        networks = [name for name in networks if not name.startswith("cells")]
    names = [Row(corpus, each, tenth, masked, seed).name for seed in seeds for each in networks]
    if corpus == "timit" and not (tenth or masked):
        names += ["pace-cells", *(f"timed-cells-{cell}" for cell in TIMED)]
    prefix = "" if corpus == "timit" else f"{corpus}-"
    return [name for name in names if name.removeprefix(prefix).startswith(beginnings)]


def main(names, corpus, file, work):
    utterances = None
    for name in names:
        if name in store.read(RESULTS):
            continue
        utterances = utterances or phone_data.CORPORA[corpus].load(file)
        print(name, flush=True)
        if name == "pace-cells":
            record = measure_pace(utterances, work)
        elif name.startswith("timed-"):
            record = run_timed(name.removeprefix("timed-cells-"), utterances, work)
        else:
            record = run_seed(task_of(Row.of(name), utterances, work))
        store.keep(RESULTS, name, record)
    print(store.TABLES)


def quick(names):
    """Trains rows for an epoch on three of the sentences that ship, and tests the others."""
    with tempfile.TemporaryDirectory() as work:
        for row in map(Row.of, names):
            print(row.name, flush=True)
            corpus = phone_data.CORPORA[row.corpus]._replace(by="sentence")
            folds = phone_data.parts(speech.load_examples(), corpus, row.table, 2, 2)
            run(Task(row, 1, "auto", folds, Path(work), 1), DROPOUTS[:1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="beginnings of names of networks")
    parser.add_argument("--corpus", choices=[*FILES], default="timit", help="the speech")
    parser.add_argument("--file", type=Path, help="its file, if it lies elsewhere")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds of trainings")
    parser.add_argument("--masked", action="store_true", help="hide time and bands in training")
    parser.add_argument("--tenth", action="store_true", help="labels of a tenth of the sentences")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of unfinished rows")
    parser.add_argument("--quick", action="store_true", help="an epoch on sentences that ship")
    given = parser.parse_args()
    names = chosen(tuple(given.rows), given.corpus, given.tenth, given.masked, given.seeds)
    if given.quick:
        quick(name for name in names if not name.startswith(("pace", "timed")))
    else:
        main(names, given.corpus, given.file or FILES[given.corpus], given.work)
