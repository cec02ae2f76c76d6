"""The syllables of a finch sorted into kinds without labels, by the vectors of an RNN-RBM.

Finds segments in recordings, trains an RNN-RBM on their spectrograms, makes a vector of each call
that people marked, and sorts the calls into kinds, whose number is found. Prints how well these
kinds and those of people agree (1 is equal; 0 is chance, of the adjusted mutual information), also
for mean spectra and for an untrained model. `seqlayers cluster` does this with a run.

The songs are read from a file of arrays: `audio` of all songs, int16, its `sample_rate`, `lengths`
of the songs; `syllable_label`, `syllable_start` and `syllable_end` in samples of the song, and
`syllable_counts` of the songs. It can be made from the repository of Bengalese finch song
(doi.org/10.6084/m9.figshare.4805749). Without a file songs are synthesised. Needs scikit-learn.
"""

import argparse

import keras
import numpy as np

from seqlayers import audio
from seqlayers.datasets import recordings
from seqlayers.metrics import adjusted_mutual_information, v_measure
from seqlayers.models import RNNRBM, encode_segments, find_kinds

SCALE, BATCH = "log_amplitude", 20


def main(finch=None, epochs=12, seed=0, quick=False):
    """A minute on two cores; with `quick` a test of some seconds."""
    songs, marked, names = read(finch) if finch else made_up(np.random.default_rng(0))
    if quick:
        songs, marked, names, epochs = songs[:2], marked[:2], names[:2], 1
    settings = audio.Spectra(hop_length=128, sample_rate=songs[0].sample_rate)
    corpus = recordings.frames_of_segments(songs, settings=settings, scale=SCALE)
    scale = audio.Normalizer.fit(corpus.sequences)
    train = [scale.normalize(frames) for frames in corpus.sequences]
    calls = []
    for song, times in zip(songs, marked, strict=True):
        for start, end in times:
            frames = audio.to_frames(audio.stft(song.samples[start:end], settings), SCALE)
            calls.append(scale.normalize(frames))
    names, durations = np.concatenate(names), np.diff(np.concatenate(marked))[:, 0]
    print(f"{len(train)} segments to learn from; {len(calls)} calls of {len(set(names))} kinds")

    keras.utils.set_random_seed(seed)
    units = (8, 8) if quick else (100, 100)
    options = {"num_layers": 1, "gate_activation": "sigmoid", "gibbs_steps": 5, "seed": seed}
    model = RNNRBM.for_spectrograms(settings.num_bins, *units, **options)
    vectors = {
        "mean spectrum": np.array([frames.mean(axis=0) for frames in calls]),
        "RNN-RBM before training": encode_segments(model, calls, statistics=["thirds"]),
    }
    rate = keras.optimizers.schedules.CosineDecay(
        3e-3, epochs * -(-len(train) // BATCH), alpha=0.05
    )
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    model.fit(train, batch_size=BATCH, epochs=epochs, verbose=0)
    vectors["RNN-RBM"] = encode_segments(model, calls, statistics=["thirds"])

    print(f"\n{'':25s}{'kinds':>6s}{'V-measure':>11s}{'adjusted mutual information':>29s}")
    for name, x in vectors.items():
        kinds = find_kinds(x, durations, seed=seed).numbers
        agreement = adjusted_mutual_information(names, kinds)
        print(f"{name:25s}{kinds.max():6d}{v_measure(names, kinds):11.3f}{agreement:29.3f}")


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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few seconds on few units")
    arguments = parser.parse_args()
    main(arguments.finch, arguments.epochs, arguments.seed, arguments.quick)
