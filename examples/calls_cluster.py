"""The syllables of a finch clustered without labels, by the vectors of an RNN-RBM.

Finds segments in recordings, trains an RNN-RBM on their spectrograms, makes a vector of each call
that people marked, and clusters the vectors into as many groups as people marked kinds. Prints how
well clusters and kinds agree (1 is equal, 0 is chance), also for vectors of the spectrograms
themselves and of an untrained model. All vectors are reduced to ten principal components.

The songs are read from a file of arrays: `audio` of all songs, int16, its `sample_rate`, `lengths`
of the songs; `syllable_label`, `syllable_start` and `syllable_end` in samples of the song, and
`syllable_counts` of the songs. It can be made from the repository of Bengalese finch song
(doi.org/10.6084/m9.figshare.4805749). Without a file songs are synthesised.
"""

import argparse

import keras
import numpy as np

from seqlayers import audio
from seqlayers.datasets import recordings
from seqlayers.metrics import adjusted_mutual_information
from seqlayers.models import RNNRBM
from seqlayers.models.embedding import encode_segments

# The bird sings half of the time, and above wind and hum.
RULES = audio.SegmentRules(band=(500, 10000), threshold=55, min_length=25, max_length=1000)
SCALE, BATCH = "log_amplitude", 20


def main(finch=None, epochs=12, seeds=3, quick=False):
    """Two or three minutes on two cores; with `quick` a test of some seconds."""
    songs, marked, kinds = read(finch) if finch else made_up(np.random.default_rng(0))
    if quick:
        songs, marked, kinds = songs[:2], marked[:2], kinds[:2]
        epochs, seeds = 1, 1
    settings = audio.Spectra(hop_length=128, sample_rate=songs[0].sample_rate)
    corpus = recordings.frames_of_segments(songs, RULES, settings=settings, scale=SCALE)
    scale = audio.Normalizer.fit(corpus.sequences)
    train = [scale.normalize(frames) for frames in corpus.sequences]
    calls = []
    for song, times in zip(songs, marked, strict=True):
        for start, end in times:
            frames = audio.to_frames(audio.stft(song.samples[start:end], settings), SCALE)
            calls.append(scale.normalize(frames))
    kinds = np.concatenate(kinds)
    print(f"{len(train)} segments to learn from; {len(calls)} calls of {len(set(kinds))} kinds")

    means = np.array([frames.mean(axis=0) for frames in calls])
    deviations = np.array([frames.std(axis=0) for frames in calls])
    eight = [frames[np.linspace(0, len(frames) - 1, 8).round().astype(int)] for frames in calls]
    models = [model_of(seed, quick) for seed in range(seeds)]
    vectors = {
        "mean spectrum": [means] * seeds,
        "mean and deviation of spectra": [np.hstack([means, deviations])] * seeds,
        "spectrogram of eight frames": [np.reshape(eight, (len(calls), -1))] * seeds,
        "RNN-RBM before training": [encode_segments(model, calls) for model in models],
    }
    for model in models:
        train_model(model, train, epochs)
    vectors["RNN-RBM"] = [encode_segments(model, calls) for model in models]

    print(f"\n{'adjusted mutual information':30s}{'mean':>7s}  {'deviation':>9s}  of {seeds} seeds")
    clusters = {
        name: [k_means(principal(x), len(set(kinds)), seed) for seed, x in enumerate(each)]
        for name, each in vectors.items()
    }
    clusters["chance"] = [np.random.default_rng(seed).permutation(kinds) for seed in range(seeds)]
    for name, each in clusters.items():
        scores = [adjusted_mutual_information(kinds, found) for found in each]
        print(f"{name:30s}{np.mean(scores):7.3f}  {np.std(scores):9.3f}")


def model_of(seed, quick):
    """Returns a model of one layer, small enough for a minute."""
    keras.utils.set_random_seed(seed)
    units = (8, 8) if quick else (100, 100)
    options = {"num_layers": 1, "gate_activation": "sigmoid", "gibbs_steps": 5, "seed": seed}
    return RNNRBM.for_spectrograms(129, *units, **options)


def train_model(model, sequences, epochs):
    steps = epochs * -(-len(sequences) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps, alpha=0.05)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    model.fit(sequences, batch_size=BATCH, epochs=epochs, verbose=0)


def principal(x, components=10):
    """Returns the first principal components of rows."""
    x = x - x.mean(axis=0)
    U, S, _ = np.linalg.svd(x, full_matrices=False)
    return U[:, :components] * S[:components]


def k_means(x, num_clusters, seed, tries=10, iterations=100):
    """Returns the cluster of each row: the best of some tries from centres drawn far apart."""
    rng, best = np.random.default_rng(seed), (np.inf, None)
    for _ in range(tries):
        centres = x[rng.integers(len(x), size=1)]
        while len(centres) < num_clusters:
            nearest = distances(x, centres).min(axis=1)
            new = rng.choice(len(x), p=nearest / nearest.sum())
            centres = np.concatenate([centres, x[new : new + 1]])
        for _ in range(iterations):
            cluster = distances(x, centres).argmin(axis=1)
            old = centres
            centres = np.array(
                [
                    x[cluster == k].mean(axis=0) if (cluster == k).any() else old[k]
                    for k in range(num_clusters)
                ]
            )
            if np.allclose(centres, old):
                break
        squares = distances(x, centres).min(axis=1).sum()
        best = min(best, (squares, cluster), key=lambda pair: pair[0])
    return best[1]


def distances(x, centres):
    """Returns the squared distances of rows from centres."""
    return np.square(x[:, None] - centres).sum(axis=2)


def read(path):
    """Returns songs, and for each the starts and ends of its calls in samples, and their names.

    Calls were marked and named by people; those named `-`, without a name, are left out.
    """
    with np.load(path) as data:
        rate, ends = int(data["sample_rate"]), np.cumsum(data["lengths"])[:-1]
        songs = np.split(data["audio"].astype("float32") / 2**15, ends)
        times = np.stack([data["syllable_start"], data["syllable_end"]], axis=1)
        ends = np.cumsum(data["syllable_counts"])[:-1]
        marked, kinds = np.split(times, ends), np.split(data["syllable_label"], ends)
    marked = [times[names != "-"] for times, names in zip(marked, kinds, strict=True)]
    kinds = [names[names != "-"] for names in kinds]
    return [audio.Sound(song, rate) for song in songs], marked, kinds


def made_up(rng, num_songs=6, calls=40, rate=32000):
    """Returns songs of five kinds of sweeps, no two alike, over faint noise."""
    sweeps = [(2000, 2000), (2000, 5000), (5000, 2000), (7000, 6000), (4000, 4000)]  # Hz, from, to
    songs, marked, kinds = [], [], []
    for _ in range(num_songs):
        song, times, names = rng.normal(0, 1e-3, calls * 4000), [], rng.integers(0, 5, calls)
        for n, kind in enumerate(names):
            length, start = rng.integers(1500, 2500), n * 4000 + rng.integers(500, 1500)
            first, last = np.array(sweeps[kind]) * rng.normal(1, 0.02)
            phase = 2 * np.pi * np.cumsum(np.linspace(first, last, length)) / rate
            song[start : start + length] += (
                rng.uniform(0.1, 0.5) * np.hanning(length) * np.sin(phase)
            )
            times.append((start, start + length))
        songs.append(audio.Sound(song.astype("float32"), rate))
        marked.append(np.array(times))
        kinds.append(names)
    return songs, marked, kinds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finch", help="the file of songs")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a few seconds on few units")
    arguments = parser.parse_args()
    main(arguments.finch, arguments.epochs, arguments.seeds, arguments.quick)
