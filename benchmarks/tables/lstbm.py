"""Speech coded and decoded by RBM, TRBM, RTRBM and LSTBM: table 1 of the LSTBM paper.

    python benchmarks/tables/lstbm.py [--rows lstbm-100-root ...] [--again] [--quick]

Spectra (window 256, hop 64) of 50 sentences of CMU ARCTIC slt, 16 kHz, are learned, and those of 53
others coded, decoded and made audible with the phases they had. A code is the expectation of the
hidden units. All models see pieces of 100 frames, ten at a time, brought to mean 0 and variance 1
in each bin; they have Gaussian visibles with learned variances and are trained by CD-1 with Adam.

A row is a model, its number J of hidden units (of each gate in the LSTBM), and a recipe:
`paper` is that of the paper, amplitudes, a rate of 1e-3 and 250 epochs; `root` is square roots of
amplitudes, a rate of 5e-3 falling to 5 % of it and 30 epochs; where there are more than 400 hidden
units, whose steps add up, the rate is divided by their number / 400; `long` and `full` are the same
with 100 and 250 epochs. The rest of a name lists other changes, and `seed1` another seed than 0.
RBMs of 4J units have codes as long as those of an LSTBM.

Decoded speech is compared with the original by PESQ, narrow band and wide band, STOI and extended
STOI, of the packages `pesq` and `pystoi` (`pip install seqlayers[tables]`), and by SI-SDR. Results
go to `benchmarks/results/lstbm.json`, a row as soon as it is done, and rows that are there are
kept; `--again` trains once more those that lack a measure. A training that was stopped goes on
after its last epoch, from a folder of `--runs`; those that have ended stay there, for measures to
come. `--quick` trains an epoch on three sentences, in a folder that it removes.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import store  # noqa: E402

from seqlayers import audio, files, metrics  # noqa: E402
from seqlayers.callbacks import BackupAndRestore  # noqa: E402
from seqlayers.datasets import speech  # noqa: E402
from seqlayers.heads import ConditionalRBM  # noqa: E402
from seqlayers.models import RTRBM, TRBM, LSTBMModel, SequenceModel  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "lstbm.json"
RUNS = Path(__file__).parents[2] / "runs" / "lstbm"
ARCTIC = Path(__file__).parents[2] / ".." / "shared" / "data" / "speech" / "arctic_slt_103.npz"

BINS, TRAIN, PIECE, BATCH = 129, 50, 100, 10
MEASURES = ("distortion", "pesq_nb", "pesq_wb", "stoi", "estoi", "si_sdr")
SEEDS = (1, 2)  # beside 0, at 200 units
POWER_FLOOR = 1e-10  # below the noise of 16 bits
RECIPES = {  # scale of frames, rate and epochs
    "paper": ("amplitude", 1e-3, 250),
    "root": ("root_amplitude", 5e-3, 30),
    "long": ("root_amplitude", 5e-3, 100),
    "full": ("root_amplitude", 5e-3, 250),
}
MODELS = {"trbm": TRBM, "rtrbm": RTRBM, "lstbm": LSTBMModel}
OTHERWISE = {
    "bptt": {"truncate": False},
    "lstm": {"variant": "lstm"},
    "centered": {"centering_rate": 0.01},
    "gamma": {"visibles": "gamma"},
}


class Row(NamedTuple):
    """A training, as its name lists it."""

    model: str
    units: int
    recipe: str
    change: str | None = None
    seed: int = 0

    @classmethod
    def of(cls, name):
        """Returns the row of a name, such as `lstbm-200-long-gamma` or `trbm-200-full-seed1`."""
        model, units, recipe, *others = name.split("-")
        change = next((each for each in others if each in OTHERWISE), None)
        seed = next((each for each in others if each.startswith("seed")), "seed0")
        return cls(model, int(units), recipe, change, int(seed.removeprefix("seed")))

    @property
    def options(self):
        """The arguments of the model that the row changes."""
        return OTHERWISE.get(self.change, {})


def all_rows():
    """Yields names of rows, those that teach most first."""
    models = ("lstbm", "trbm", "rbm", "rtrbm")
    for recipe in RECIPES:
        for units in (100, 200, 400):
            yield from (f"{model}-{units}-{recipe}" for model in models)
            if units != 100:
                yield f"rbm-{4 * units}-{recipe}"
        for units in (100, 200, 400):
            yield from (f"lstbm-{units}-{recipe}-{name}" for name in OTHERWISE)
        for seed in SEEDS:
            yield from (f"{model}-200-{recipe}-seed{seed}" for model in models)


def model_of(row):
    if row.model == "rbm":
        options = {"visibles": "gaussian"} | row.options
        head = ConditionalRBM(BINS, row.units, 1, seed=row.seed, **options)
        return SequenceModel(None, head)
    return MODELS[row.model](BINS, row.units, seed=row.seed, **row.options)


def decoded(model, frames):
    """Returns each sequence coded and decoded."""
    longest = -(-max(map(len, frames)) // 64) * 64
    parts = []
    for start in range(0, len(frames), 8):
        some = frames[start : start + 8]
        x = np.stack([np.pad(f, [(0, longest - len(f)), (0, 0)]) for f in some])
        mask = np.arange(longest) < np.array([len(f) for f in some])[:, None]
        y = np.asarray(model.reconstruct(x, mask))
        parts += [row[: len(f)] for row, f in zip(y, some, strict=True)]
    return parts


def mean_squared_error(x, y):
    return float(np.square(np.concatenate(x) - np.concatenate(y)).mean())


def judged(sentences, transforms, amplitudes):
    """Returns the `MEASURES`, means over sentences."""
    from pesq import pesq
    from pystoi import stoi

    figures = []
    for sentence, X, A in zip(sentences, transforms, amplitudes, strict=True):
        rate, original = sentence.sample_rate, sentence.samples
        sound = audio.inverse_stft(A * np.exp(1j * np.angle(X)), len(original))
        powers = (np.square(x, dtype="float64") for x in (np.abs(X), A))
        figures.append(
            [
                metrics.log_spectral_distance(*powers, floor=POWER_FLOOR),
                *(pesq(rate, original, sound, band) for band in ("nb", "wb")),
                *(stoi(original, sound, rate, extended) for extended in (False, True)),
                metrics.si_sdr(original, sound),
            ]
        )
    return dict(zip(MEASURES, np.mean(figures, axis=0).tolist(), strict=True))


class Watch(keras.callbacks.Callback):
    """Keeps squared errors on training sentences and the seconds, over all starts of a training."""

    def __init__(self, file, frames):
        super().__init__()
        self.file, self.frames = file, frames
        kept = json.loads(file.read_text()) if file.exists() else {"curve": [], "seconds": 0.0}
        self.curve, self.before, self.started = kept["curve"], kept["seconds"], time.time()

    @property
    def seconds(self):
        return self.before + time.time() - self.started

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % 10 == 0 or epoch == 0:
            error = mean_squared_error(self.frames, decoded(self.model, self.frames))
            past = [point for point in self.curve if point[0] <= epoch]  # it may be run again
            self.curve = [*past, [epoch + 1, error]]
        kept = {"curve": self.curve, "seconds": self.seconds}
        files.write_atomically(self.file, json.dumps(kept).encode())


def train(row, frames, epochs, rate, folder):
    """Returns a model trained on frames, and what it was watched by."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(row.seed)
    model = model_of(row)
    if row.recipe != "paper":
        steps = epochs * -(-sum(-(-len(f) // PIECE) for f in frames) // BATCH)
        rate *= min(1, 400 / model.head.hidden_units)
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.05)
    model.compile(keras.optimizers.Adam(rate))
    watch = Watch(folder / "watch.json", frames[:10])
    backup = BackupAndRestore(folder, delete_checkpoint=False)
    arguments = {"batch_size": BATCH, "epochs": epochs, "max_steps": PIECE, "verbose": 0}
    model.fit(frames, callbacks=[watch, backup], **arguments)
    return model, watch


def run(name, sentences, runs, num_train=TRAIN, epochs=None):
    """Returns the results of a row, trained for the epochs of its recipe if `epochs` is None."""
    row = Row.of(name)
    scale, rate, epochs_of_recipe = RECIPES[row.recipe]
    epochs = epochs or epochs_of_recipe
    transforms = [audio.stft(s.samples) for s in sentences]
    frames = [audio.to_frames(X, scale) for X in transforms]
    kind = "scale" if row.options.get("visibles") == "gamma" else "standard"  # none below 0
    normalizer = audio.Normalizer.fit(frames[:num_train], kind)
    frames = [normalizer.normalize(f) for f in frames]
    model, watch = train(row, frames[:num_train], epochs, rate, runs / name)
    results = decoded(model, frames)
    amplitudes = [audio.to_amplitude(normalizer.restore(y), scale) for y in results]
    record = {
        "seed": row.seed,
        "epochs": epochs,
        "seconds": round(watch.seconds),
        "weights": int(model.count_params()),
        "bits": int(model.head.code_units),
        "curve": watch.curve,
    }
    for split, part in (("train", slice(num_train)), ("test", slice(num_train, None))):
        figures = judged(sentences[part], transforms[part], amplitudes[part])
        error = mean_squared_error(frames[part], results[part])
        record[split] = {"mse": error, **figures}
    print(f"  {record['test']}  {record['seconds']} s", flush=True)
    return record


def main(names, arctic, runs, again):
    sentences = None
    for row in names or all_rows():
        done = store.read(RESULTS).get(row)
        if done is None or (again and not done["test"].keys() >= set(MEASURES)):
            sentences = sentences or speech.load_arctic(arctic)
            print(row, flush=True)
            store.keep(RESULTS, row, run(row, sentences, runs))
    print(store.TABLES)


def quick(names):
    """Trains rows for an epoch on two sentences that ship, and tests a third."""
    with tempfile.TemporaryDirectory() as runs:
        for row in names or ["lstbm-100-root"]:
            run(row, speech.load_examples()[:3], Path(runs), num_train=2, epochs=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=[*all_rows()], default=[], help="names of rows; all if none"
    )
    parser.add_argument("--arctic", default=ARCTIC, help="the file of 103 sentences")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of unfinished trainings")
    parser.add_argument("--again", action="store_true", help="train rows that lack a measure, too")
    parser.add_argument("--quick", action="store_true", help="an epoch on three sentences")
    arguments = parser.parse_args()
    if arguments.quick:
        quick(arguments.rows)
    else:
        main(arguments.rows, arguments.arctic, arguments.runs, arguments.again)
