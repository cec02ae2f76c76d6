"""The RNN-RBM on spectrograms: the claims of its paper, measured.

    python benchmarks/tables/spectrogram.py [--rows finch-rbm finch-3-sigmoid ...] [--minutes 4]

Recordings are 15 songs of a Bengalese finch (32 kHz) and 50 sentences of CMU ARCTIC slt (16 kHz).
Segments are found by loudness, the finch's with numbers that suit the marks of ten songs. The first
two thirds of each recording are for training, the rest for testing. Frames are log amplitudes of
256-point FFTs every 128 samples, normalised in each bin by the training side. The segments of a
side follow one another, without the gaps between them, in pieces of 64 frames.

All models have 219 hidden units, Gaussian visibles and an L1 of 1e-4 on W; `rbm` has no memory, the
others have 1 to 3 layers of 167 units with tanh or sigmoid gates, as in the paper. To compare them
in minutes they are trained by CD-5 and Adam, 2e-3 falling to 5 % of it, in 60 epochs of batches of
10, seed 0. `normal` is each bin for itself.

Likelihoods are of the first 960 frames of the test side, in nats per frame as they are normalised:
by annealing, which flatters, and from the other side, which is the likelihood under the annealing
itself and may be higher where that smooths a model. Eight sequences of 256 generated frames, four
times the length of a piece, are compared with the test side, quarter by quarter, by the dB between
long-term spectra and between modulation spectra. The training side, compared in the same way, gives
the distance to expect of real sound.

- `-no-l1` has no L1, `-more-l1` has ten times as much, `-long` has 180 epochs.
- `-longer` trains on pieces of 320 frames, two in a batch. Its likelihood is that of pieces of 320
  frames, too, as is that of rows that were made since.
- `-skip`, `-shrink` and `-none` train with one frame of 1e30, as from a damaged file, and with one
  of the two rules for gradients that are not finite, or none; 20 epochs.
- `streaming` is the time to draw a frame and to turn it into sound, for 500 frames of the untrained
  model of three layers.

One thread. Results go to `benchmarks/results/spectrogram.json`, a row as soon as it is done; rows
that are there are kept. `epochs` of a row is the number that `--minutes` left time for.
"""

import argparse
import os
import time
from itertools import islice
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import store  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import ops  # noqa: E402

from seqlayers import audio, metrics  # noqa: E402
from seqlayers.datasets import recordings, speech  # noqa: E402
from seqlayers.heads import ConditionalRBM  # noqa: E402
from seqlayers.models import RNNRBM, SequenceModel, stream_frames  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "spectrogram.json"
ROOT = Path(__file__).parents[2]
SHARED = ROOT / ".." / "shared" / "data"
FINCH = SHARED / "bird" / "bengalese_finch_gy6or6.npz"
ARCTIC = SHARED / "speech" / "arctic_slt_103.npz"

BINS, HIDDEN, UNITS, GIBBS = 129, 219, 167, 5
L1 = {"": 1e-4, "no-l1": 0.0, "more-l1": 1e-3}
PIECE, LONGER, BATCH, RATE, SEED = 64, 320, 10, 2e-3, 0
DAMAGED = ("skip", "shrink", "none")
EPOCHS = {"": 60, "long": 180} | dict.fromkeys(DAMAGED, 20)
TEST_FRAMES = 960
DRAWN, DRAWN_FRAMES, MODULATION = 8, 4 * PIECE, 32  # frames of a piece of the modulation spectrum
SEGMENTS = {
    "finch": audio.SegmentRules(band=(500, 10000), threshold=55, min_length=25, max_length=1000),
    "arctic": audio.SegmentRules(threshold=40, min_spacing=20, max_length=1000, long="split"),
}
SCALE = "log_amplitude"


def all_rows():
    """Yields names of rows, those that teach most first."""
    for data in SEGMENTS:
        for model in (
            *("normal", "rbm", "3-sigmoid", "3-tanh", "1-sigmoid", "1-tanh", "2-sigmoid", "2-tanh"),
            *("1-sigmoid-no-l1", "1-sigmoid-more-l1", "3-sigmoid-no-l1"),
            *("1-sigmoid-skip", "1-sigmoid-shrink", "1-sigmoid-none"),
            *("1-sigmoid-long", "3-sigmoid-long"),
            *("1-sigmoid-longer", "2-sigmoid-longer", "3-sigmoid-longer"),
        ):
            yield f"{data}-{model}"
    yield "streaming"


def parts_of(row):
    """Splits `finch-3-sigmoid-no-l1` in data, model (`3-sigmoid`) and change (`no-l1`)."""
    data, *model = row.split("-", 3)
    if not model[0].isdigit():
        return data, model[0], ""
    return data, "-".join(model[:2]), "".join(model[2:])


class Unprotected(RNNRBM):
    """Trains with gradients as they come."""

    def _apply_if_finite(self, gradients, before):
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return ops.all(ops.stack([ops.all(ops.isfinite(gradient)) for gradient in gradients]))


def songs_and_sentences(name, finch, arctic):
    """Returns the recordings of that name."""
    if name == "finch":
        with np.load(finch) as file:
            rate, ends = int(file["sample_rate"]), np.cumsum(file["lengths"])[:-1]
            songs = np.split(file["audio"].astype("float32") / 2**15, ends)
        return [audio.Sound(song, rate) for song in songs]
    return [audio.Sound(s.samples, s.sample_rate) for s in speech.load_arctic(arctic)[:50]]


class Data:
    """Pieces to train on and to test on, and what they were made of."""

    def __init__(self, name, finch, arctic):
        sounds = songs_and_sentences(name, finch, arctic)
        corpus = recordings.frames_of_segments(sounds, SEGMENTS[name], scale=SCALE)
        self.settings = corpus.settings
        train, test = recordings.temporal_folds(corpus, 2)[-1]
        self.normalizer = audio.Normalizer.fit([corpus.sequences[n] for n in train])
        self.train, self.test = (
            np.concatenate([self.normalizer.normalize(corpus.sequences[n]) for n in side])
            for side in (train, test)
        )

    def amplitudes(self, frames):
        return audio.to_amplitude(self.normalizer.restore(frames), SCALE)


def pieces(frames, length=PIECE):
    """Returns consecutive pieces `(pieces, length, bins)`; the frames left over are dropped."""
    return metrics.pieces([frames], length).astype("float32")


def tested(data, length=PIECE):
    """Returns the pieces of the test side whose likelihood counts."""
    return pieces(data.test[:TEST_FRAMES], length)


class Watch(keras.callbacks.Callback):
    """Counts the steps whose gradient was not finite, and ends when time is up."""

    def __init__(self, seconds):
        super().__init__()
        self.ends, self.not_finite = time.time() + seconds, 0

    def on_epoch_end(self, epoch, logs):
        self.not_finite += sum(int(logs.get(name, 0)) for name in ("skipped_steps", "shrunk_steps"))
        if time.time() > self.ends:
            self.model.stop_training = True


def model_of(name, otherwise):
    keras.utils.set_random_seed(SEED)
    strength = L1.get(otherwise, L1[""])
    regularizer = keras.regularizers.L1(strength) if strength else None
    options = {"kernel_regularizer": regularizer, "seed": SEED}
    if name == "rbm":
        head = ConditionalRBM(BINS, HIDDEN, GIBBS, "gaussian", sampling_steps=20, **options)
        return SequenceModel(None, head)
    layers, gates = name.split("-")
    kind = Unprotected if otherwise == "none" else RNNRBM
    return kind.for_spectrograms(
        BINS, HIDDEN, UNITS, int(layers), gates, gibbs_steps=GIBBS, **options
    )


def run(row, data, minutes):
    """Trains and judges one model."""
    _, name, otherwise = parts_of(row)
    if name == "normal":
        return normal(data)
    model, length = model_of(name, otherwise), LONGER if otherwise == "longer" else PIECE
    train, batch = pieces(data.train, length), BATCH * PIECE // length
    epochs = EPOCHS.get(otherwise, EPOCHS[""])
    if otherwise in DAMAGED:
        train[7, 11, 13] = 1e30
    steps = epochs * -(-len(train) // batch)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.05)
    model.compile(
        keras.optimizers.Adam(rate, global_clipnorm=1.0),
        nonfinite="shrink" if otherwise == "shrink" else "skip",
    )
    watch = Watch(60 * minutes)
    model.fit(train, batch_size=batch, epochs=1, callbacks=[watch], verbose=0)  # and compiles
    wall, busy = time.time(), time.process_time()
    options = {"initial_epoch": 1, "callbacks": [watch], "verbose": 0}
    history = model.fit(train, batch_size=batch, epochs=epochs, **options)
    wall, busy = time.time() - wall, time.process_time() - busy
    heard = len(history.epoch) * train[..., 0].size * hop_seconds(data.settings)
    record = {
        "epochs": 1 + len(history.epoch),
        "epochs_planned": epochs,
        "seconds": round(wall),
        "processor_seconds": round(busy),
        "sound_per_processor_second": heard / busy,
        "weights": int(model.count_params()),
        "not_finite_steps": watch.not_finite,
        "seed": SEED,
    }
    record["finite_weights"] = all(np.isfinite(w).all() for w in model.get_weights())
    if record["finite_weights"]:
        record |= judged(model, data)
    return record


def judged(model, data):
    """Returns the likelihood, sparsity, and the distances of generated frames from real ones."""
    model.head.num_betas, model.head.num_chains = 100, 4
    test = tested(data)
    W = np.abs(model.head.kernel.numpy())
    activity = np.concatenate([model.encode(piece[None])[0] for piece in test])
    mean, silent = metrics.hidden_activity(activity)
    drawn = model.generate(DRAWN_FRAMES, num_sequences=DRAWN, seed=SEED)
    return {
        "likelihood": likelihood(model, test),
        "likelihood_longer": likelihood(model, tested(data, LONGER)),
        "weights_near_zero": float((W < 1e-2).mean()),
        "mean_weight": float(W.mean()),
        "mean_activity": mean,
        "silent_units": silent,
        "drawn": [apart(data, quarter) for quarter in np.split(data.amplitudes(drawn), 4, axis=1)],
        "real": apart(data, data.amplitudes(pieces(data.train))),
    }


def likelihood(model, test):
    """Returns the likelihood of pieces from both sides, as numbers of Python."""
    values = model.score(test, bracket=True)._asdict()
    return {k: getattr(v, "item", lambda v=v: v)() for k, v in values.items()}


def apart(data, amplitudes):
    """Returns dB between long-term and modulation spectra of amplitudes and of the test side."""
    real = data.amplitudes(pieces(data.test))
    slow, fast = metrics.long_term_spectrum, metrics.modulation_spectrum
    return [
        metrics.log_spectral_distance(slow(amplitudes), slow(real)),
        metrics.log_spectral_distance(
            fast(amplitudes, MODULATION).mean(axis=1), fast(real, MODULATION).mean(axis=1)
        ),
    ]


def normal(data):
    """Returns the row of independent bins and frames, all normal of mean 0 and variance 1."""
    test = tested(data).astype("float64")
    nats = -0.5 * (np.square(test) + np.log(2 * np.pi)).sum(axis=-1)
    return {
        "epochs": 0,
        "seconds": 0,
        "weights": 2 * BINS,
        "likelihood": {"nats": float(nats.mean()), "kind": "exact", "frames": nats.size},
        "pieces": [len(pieces(data.train)), len(pieces(data.test))],
        "real": apart(data, data.amplitudes(pieces(data.train))),
    }


def streaming(num_frames=500, rates=(16000, 32000)):
    """Milliseconds that a frame takes to draw and to sound, once compiled."""
    model = RNNRBM.for_spectrograms(seed=SEED)
    settings = audio.Spectra(hop_length=128)
    frames, sound = stream_frames(model, seed=SEED), audio.SoundStream(settings)
    for frame in islice(frames, 5):
        sound.push(np.exp(frame))
    clocks, spent = (time.perf_counter, time.process_time), []
    for _ in range(num_frames):
        times = [[clock() for clock in clocks]]
        frame = next(frames)
        times.append([clock() for clock in clocks])
        sound.push(np.exp(frame))
        times.append([clock() for clock in clocks])
        spent.append(np.diff(times, axis=0))
    spent = 1000 * np.array(spent)  # [frames, (draw, sound), (wall, processor)]
    record = {"frames": num_frames, "weights": int(model.count_params())}
    for n, clock in enumerate(("wall", "processor")):
        for k, part in enumerate(("draw", "sound")):
            ms = spent[:, k, n]
            record[f"{part}_{clock}_ms"] = {"median": float(np.median(ms)), "max": float(ms.max())}
        each = spent[:, :, n].sum(axis=1)
        record[f"real_time_factor_{clock}"] = {
            rate: float(np.median(each) / (1000 * settings.hop_length / rate)) for rate in rates
        }
    return record


def hop_seconds(settings):
    return settings.hop_length / settings.sample_rate


def print_table(results):
    print("\nnats per frame, test side: AIS, from the other side; dB between spectra of what is")
    print("drawn, first and last quarter, and what is real: long-term, modulation")
    for row in filter(results.__contains__, all_rows()):  # the file has those of the recipe, too
        r = results[row]
        if row == "streaming":
            print(f"  {row}: {r}")
            continue
        nats = r.get("likelihood", {})
        line = f"  {row:25s}{nats.get('nats', np.nan):9.2f}{nats.get('reverse_nats', np.nan):9.2f}"
        if "drawn" in r:
            first, last = r["drawn"][0], r["drawn"][-1]
            line += f"   {first[0]:5.1f} {last[0]:5.1f}   {first[1]:5.1f} {last[1]:5.1f}"
            line += f"   near zero {r['weights_near_zero']:.2f}, active {r['mean_activity']:.2f}"
        line += f"   {r['epochs']} epochs, {r['seconds']} s"
        if r.get("not_finite_steps"):
            line += f", {r['not_finite_steps']} steps not finite"
            line += "" if r["finite_weights"] else ", and now not all weights are"
        print(line)


def main(names, minutes, finch, arctic):
    made = {}
    for row in all_rows():
        if (names and row not in names) or row in store.read(RESULTS):
            continue
        print(row, flush=True)
        if row == "streaming":
            store.keep(RESULTS, row, streaming())
            continue
        data = parts_of(row)[0]
        if data not in made:
            made[data] = Data(data, finch, arctic)
        store.keep(RESULTS, row, run(row, made[data], minutes))
    print_table(store.read(RESULTS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=[*all_rows()], default=[], help="names of rows; all if none"
    )
    parser.add_argument("--minutes", type=float, default=60, help="of training, at most, a row")
    parser.add_argument("--finch", default=FINCH, help="the file of songs")
    parser.add_argument("--arctic", default=ARCTIC, help="the file of sentences")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    main(arguments.rows, arguments.minutes, arguments.finch, arguments.arctic)
