"""Labels of frames: the syllables of a finch's songs, and the phones of speech.

    python benchmarks/tables/annotate.py [--rows patches ...] [--seconds 30 75] [--seeds 0 1 2]
    python benchmarks/tables/annotate.py --speech [--rows patches ...]

A `models.FrameLabeller` is trained on the first 30 or 75 seconds of the ten songs of the first day
and tested on the five songs of the second. Songs of the first day that it has not seen validate:
features, sizes and the training were chosen by them. An unlabelled sound of the second day counts
as silence. With `--speech`, the phones of 103 sentences of CMU ARCTIC slt take the place of
syllables: 39 phones, fold 0 of five by sentence; the first sixth of what is not tested validates.

`patches` and `sfm` are networks of the class. `convolution` has convolutions of 32 and 64 filters
over blocks and bands, with pools of bands, below the bidirectional LSTM of `patches`, as TweetyNet
has them. `stream` is `patches` without the frames behind a frame. All have about as many weights,
and train on the same blocks of frames in the same way.

Results go to `benchmarks/results/annotate.json`, a row as soon as it is done, and rows that are
there are kept.
"""

import argparse
import itertools
import os
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import store  # noqa: E402

from seqlayers import layers, metrics  # noqa: E402
from seqlayers.datasets import labels, speech  # noqa: E402
from seqlayers.models import FrameLabeller  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "annotate.json"
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
DAY_1 = 10  # songs
EPOCHS = {30: 60, 75: 40, "speech": 60}
TOLERANCE = 0.010  # seconds


class Recording(NamedTuple):
    """Samples, their rate and their `Annotation`."""

    samples: np.ndarray
    rate: int
    annotation: labels.Annotation


@keras.saving.register_keras_serializable("benchmarks")
class Convolutional(FrameLabeller):
    """Convolutions over blocks and bands, each with a pool of four bands, below an LSTM."""

    def hidden_layers(self):
        hidden = []
        for filters in (32, 64):
            hidden += [
                keras.layers.Conv2D(filters, 5, padding="same", activation="relu"),
                keras.layers.MaxPooling2D((1, 4)),
            ]
        hidden.append(keras.layers.Reshape((-1, 64 * (self.num_features // 4 // 4))))
        above = layers.PeepholeLSTM(self.units, return_sequences=True)
        return [*hidden, keras.layers.Bidirectional(above), keras.layers.Dropout(self.dropout)]


NETWORKS = {  # of about as many weights
    "patches": (FrameLabeller, {}),
    "sfm": (FrameLabeller, {"network": "sfm", "units": 55}),
    "convolution": (Convolutional, {"units": 66}),
    "stream": (FrameLabeller, {"bidirectional": False, "units": 126}),
}


def songs(path):
    """Returns the songs of both days."""
    with np.load(path) as file:
        rate, ends = int(file["sample_rate"]), np.cumsum(file["lengths"])[:-1]
        sounds = np.split(file["audio"].astype("float32") / 2**15, ends)
        parts = np.cumsum(file["syllable_counts"])[:-1]
        times = np.stack([file["syllable_start"], file["syllable_end"]], axis=1) / rate
        named = zip(
            sounds, np.split(times, parts), np.split(file["syllable_label"], parts), strict=True
        )
        return [
            Recording(x, rate, labels.Annotation(t[y != "-"], y[y != "-"].tolist()))
            for x, t, y in named
        ]


def sentences(path):
    """Returns the sentences to train on, those that validate and those to test on."""

    def of(utterance):
        times = np.array([[each.start, each.end] for each in utterance.phones])
        phones = speech.fold_phones([each.label for each in utterance.phones])
        rate = utterance.sample_rate
        return Recording(utterance.samples, rate, labels.Annotation(times / rate, list(phones)))

    rest, test = speech.folds(speech.load_arctic(path), 5, by="sentence")[0]
    train, valid = speech.folds(rest, 6, by="sentence")[0]
    return [[*map(of, part)] for part in (train, valid, test)]


def parts(recordings, seconds):
    """Returns the first recordings, the last one cut, that last so long together, and the rest."""
    kept, left = [], seconds
    for n, (samples, rate, annotation) in enumerate(recordings):
        part = samples[: round(left * rate)]
        inside = annotation.times[:, 0] < len(part) / rate
        times = np.minimum(annotation.times[inside], len(part) / rate)
        names = [name for name, is_in in zip(annotation.labels, inside, strict=True) if is_in]
        kept.append(Recording(part, rate, labels.Annotation(times, names)))
        left -= len(part) / rate
        if left < 1 / rate:
            return kept, recordings[n + 1 :]
    raise ValueError(f"`seconds` must be at most those of the songs. Received: {seconds}.")


def prepared(model, recordings):
    """Returns the frames and the targets of recordings."""
    frames = [model.frames(each.samples) for each in recordings]
    pairs = zip(recordings, frames, strict=True)
    return frames, [model.targets(each.annotation, len(x)) for each, x in pairs]


def figures_of(model, recordings):
    """Returns the figures of a trained model."""
    frames, targets = prepared(model, recordings)
    found = [model.annotate(each).annotation.times for each in frames]
    given = [each.annotation.times for each in recordings]
    scores = metrics.segment_scores(found, given, TOLERANCE)
    edges = [scores.onset.error, scores.offset.error]
    return {
        **model.score(frames, targets)._asdict(),
        "onset_ms": 1000 * edges[0],
        "offset_ms": 1000 * edges[1],
        "f1": scores.segment.f1,
    }


def run(network, data, epochs, seed):
    """Returns the figures of a network, trained anew."""
    started = time.process_time()
    train, valid, test = data
    keras.utils.set_random_seed(seed)
    make, options = NETWORKS[network]
    classes = sorted({label for part in data for each in part for label in each.annotation.labels})
    model = make(classes, train[0].rate, seed=seed, **options)
    frames, targets = prepared(model, train)
    model.adapt(frames)
    batches = model.dataset(frames, targets)
    model.compile(model.optimizer_for(epochs * len(batches)))
    model.fit(batches, epochs=epochs, verbose=0)
    return {
        "weights": model.count_params(),
        "steps": epochs * len(batches),
        "hop_ms": 1000 * model.settings.hop,
        "processor_seconds": round(time.process_time() - started),
        "validation": figures_of(model, valid),
        "test": figures_of(model, test),
    }


def main(networks, of_speech, data, seconds, seeds):
    if of_speech:
        tasks = {"speech": sentences(data / "speech" / "arctic_slt_103.npz")}
    else:
        all_songs = songs(data / "bird" / "bengalese_finch_gy6or6.npz")
        day_1, day_2 = all_songs[:DAY_1], all_songs[DAY_1:]
        tasks = {number: (*parts(day_1, number), day_2) for number in seconds}
    for seed, task, network in itertools.product(seeds, tasks, networks):
        name = f"{network}-{task}-seed{seed}"
        if name not in store.read(RESULTS):
            print(name, flush=True)
            store.keep(RESULTS, name, run(network, tasks[task], EPOCHS[task], seed))
        row = store.read(RESULTS)[name]
        for part in ("validation", "test"):
            numbers = (f"{key} {value:.4g}" for key, value in row[part].items())
            print(f"  {name:24s} {part:10s}", *numbers, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=NETWORKS, default=[*NETWORKS], help="networks")
    parser.add_argument("--speech", action="store_true", help="phones in place of syllables")
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder of bird and speech")
    parser.add_argument("--seconds", nargs="+", type=int, choices=(30, 75), default=[30, 75])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds of trainings")
    given = parser.parse_args()
    main(given.rows, given.speech, given.data, given.seconds, given.seeds)
