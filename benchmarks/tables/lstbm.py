"""Speech coded and decoded by RBM, TRBM, RTRBM and LSTBM: table 1 of the LSTBM paper.

    python benchmarks/tables/lstbm.py [--rows lstbm-100-root ...] [--arctic FILE]

Spectra (window 256, hop 64) of 50 sentences of CMU ARCTIC slt, 16 kHz, are learned, and those of 53
others coded, decoded and made audible with the phases they had. A code is the expectation of the
hidden units. All models see pieces of 100 frames, ten at a time, brought to mean 0 and variance 1
in each bin; they have Gaussian visibles with learned variances and are trained by CD-1 with Adam.

A row is a model, its number J of hidden units (of each gate in the LSTBM), and a recipe:
`paper` is that of the paper, amplitudes, a rate of 1e-3 and 250 epochs; `root` is square roots of
amplitudes, a rate of 5e-3 falling to 5 % of it and 30 epochs; where there are more than 400 hidden
units, whose steps add up, the rate is divided by their number / 400; `long` and `full` are the same
with 100 and 250 epochs. The rest of a name lists other changes. RBMs of 4J units have codes as long
as those of an LSTBM.

PESQ is that of the package `pesq` (`pip install seqlayers[tables]`), in narrow band and wide band.
Results go to `benchmarks/results/lstbm.json`, a row as soon as it is done, and rows that are there
are kept.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import store  # noqa: E402

from seqlayers import audio, metrics  # noqa: E402
from seqlayers.datasets import speech  # noqa: E402
from seqlayers.heads import ConditionalRBM  # noqa: E402
from seqlayers.models import RTRBM, TRBM, LSTBMModel, SequenceModel  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "lstbm.json"
ARCTIC = Path(__file__).parents[2] / ".." / "shared" / "data" / "speech" / "arctic_slt_103.npz"

BINS, TRAIN, PIECE, BATCH, SEED = 129, 50, 100, 10, 0
POWER_FLOOR = 1e-10  # below the noise of 16 bits
RECIPES = {  # scale of frames, rate and epochs
    "paper": ("amplitude", 1e-3, 250),
    "root": ("root_amplitude", 5e-3, 30),
    "long": ("root_amplitude", 5e-3, 100),
    "full": ("root_amplitude", 5e-3, 250),
}
PUBLISHED = {  # PESQ on test sentences, of an ATR corpus that we do not have
    "rbm": {100: 2.69, 200: 3.20, 400: 3.63},
    "trbm": {100: 3.22, 200: 3.75, 400: 3.94},
    "lstbm": {100: 3.81, 200: 3.95, 400: 4.02},
}
MODELS = {"trbm": TRBM, "rtrbm": RTRBM, "lstbm": LSTBMModel}
OTHERWISE = {
    "bptt": {"truncate": False},
    "lstm": {"variant": "lstm"},
    "centered": {"centering_rate": 0.01},
    "gamma": {"visibles": "gamma"},
}


def all_rows():
    """Yields names of rows, those that teach most first."""
    for recipe in ("root", "long", "full", "paper"):
        for units in (100, 200, 400):
            yield from (f"{model}-{units}-{recipe}" for model in ("lstbm", "trbm", "rbm", "rtrbm"))
            if units != 100:
                yield f"rbm-{4 * units}-{recipe}"
        for units in (100, 400):
            yield from (f"lstbm-{units}-{recipe}-{name}" for name in OTHERWISE)


def model_of(name, units, options):
    if name == "rbm":
        head = ConditionalRBM(BINS, units, 1, seed=SEED, **{"visibles": "gaussian"} | options)
        return SequenceModel(None, head)
    return MODELS[name](BINS, units, seed=SEED, **options)


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
    """Returns means over sentences: log-spectral distance, and PESQ in both bands."""
    from pesq import pesq

    figures = []
    for sentence, X, A in zip(sentences, transforms, amplitudes, strict=True):
        powers = (np.square(x, dtype="float64") for x in (np.abs(X), A))
        distortion = metrics.log_spectral_distance(*powers, floor=POWER_FLOOR)
        sound = audio.inverse_stft(A * np.exp(1j * np.angle(X)), len(sentence.samples))
        bands = [pesq(sentence.sample_rate, sentence.samples, sound, b) for b in ("nb", "wb")]
        figures.append([distortion, *bands])
    return dict(
        zip(("distortion", "pesq_nb", "pesq_wb"), np.mean(figures, axis=0).tolist(), strict=True)
    )


def run(row, sentences):
    started = time.time()
    name, units, recipe, *otherwise = row.split("-")
    scale, rate, epochs = RECIPES[recipe]
    options = OTHERWISE[otherwise[0]] if otherwise else {}
    transforms = [audio.stft(s.samples) for s in sentences]
    frames = [audio.to_frames(X, scale) for X in transforms]
    kind = "scale" if options.get("visibles") == "gamma" else "standard"  # none below 0
    normalizer = audio.Normalizer.fit(frames[:TRAIN], kind)
    frames = [normalizer.normalize(f) for f in frames]

    keras.utils.set_random_seed(SEED)
    model = model_of(name, int(units), options)
    if recipe != "paper":
        pieces = sum(-(-len(f) // PIECE) for f in frames[:TRAIN])
        steps = epochs * -(-pieces // BATCH)
        rate *= min(1, 400 / model.head.hidden_units)
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.05)
    model.compile(keras.optimizers.Adam(rate))
    curve = []

    def look(epoch, logs):
        if (epoch + 1) % 10 == 0 or epoch == 0:
            some = frames[:10]
            curve.append((epoch + 1, mean_squared_error(some, decoded(model, some))))

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    model.fit(
        frames[:TRAIN],
        batch_size=BATCH,
        epochs=epochs,
        max_steps=PIECE,
        callbacks=[watch],
        verbose=0,
    )
    seconds = round(time.time() - started)

    results = decoded(model, frames)
    amplitudes = [audio.to_amplitude(normalizer.restore(y), scale) for y in results]
    record = {
        "seed": SEED,
        "epochs": epochs,
        "seconds": seconds,
        "weights": int(model.count_params()),
        "bits": int(model.head.code_units),
        "curve": curve,
    }
    for split, part in (("train", slice(TRAIN)), ("test", slice(TRAIN, None))):
        figures = judged(sentences[part], transforms[part], amplitudes[part])
        error = mean_squared_error(frames[part], results[part])
        record[split] = {"mse": error, **figures}
    print(f"  {record['test']}  {seconds} s", flush=True)
    return record


def print_table(results):
    print("\nTest sentences; MSE in the units of the row's own frames, distortion in dB")
    heads = "bits  PESQ nb  printed  PESQ wb      MSE  distortion  epochs  seconds"
    print(" " * 27 + heads)
    for row in all_rows():
        if row not in results:
            continue
        name, units, _, *otherwise = row.split("-")
        printed = None if otherwise else PUBLISHED.get(name, {}).get(int(units))
        r, test = results[row], results[row]["test"]
        print(
            f"  {row:24s}{r['bits']:5d}  {test['pesq_nb']:7.3f}  {printed or '':>7}"
            f"  {test['pesq_wb']:7.3f}  {test['mse']:7.4f}  {test['distortion']:10.2f}"
            f"  {r['epochs']:6d}  {r['seconds']:7d}"
        )


def main(names, arctic):
    sentences = None
    for row in all_rows():
        if (row in names or not names) and row not in store.read(RESULTS):
            sentences = sentences or speech.load_arctic(arctic)
            print(row, flush=True)
            store.keep(RESULTS, row, run(row, sentences))
    print_table(store.read(RESULTS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=[*all_rows()], default=[], help="names of rows; all if none"
    )
    parser.add_argument("--arctic", default=ARCTIC, help="the file of 103 sentences")
    arguments = parser.parse_args()
    main(arguments.rows, arguments.arctic)
