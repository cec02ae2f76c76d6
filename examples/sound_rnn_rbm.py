"""Streaming sound: an RNN-RBM draws a spectrogram, and each frame becomes sound at once.

Trains an RNN-RBM on the segments of recordings, speech that ships or WAV files of your own,
continues the beginning of one, and turns each frame into samples as it is drawn. Prints the time
this takes and the duration of the sound, and writes the sound.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from seqlayers import audio
from seqlayers.datasets import speech
from seqlayers.datasets.recordings import frames_of_segments
from seqlayers.models import RNNRBM, stream_frames

SCALE, PIECE, BATCH = "log_amplitude", 64, 10


def main(wav=None, seconds=4.0, epochs=100, out="runs/sound_rnn_rbm.wav", quick=False):
    """About two minutes on two cores; with `quick` a test of some seconds."""
    keras.utils.set_random_seed(0)
    sentences = speech.load_examples()
    recordings = wav or [audio.Sound(s.samples, s.sample_rate) for s in sentences]
    rules = audio.SegmentRules(threshold=40, min_spacing=20, max_length=1000, long="split")
    corpus = frames_of_segments(recordings, rules, scale=SCALE)
    settings = corpus.settings
    scale = audio.Normalizer.fit(corpus.sequences)
    frames = scale.normalize(np.concatenate(corpus.sequences))
    print(f"{len(corpus.sequences)} segments, {len(frames)} frames to learn from")

    units, layers, epochs = ((8, 8), 2, 1) if quick else ((219, 167), 3, epochs)
    model = RNNRBM.for_spectrograms(
        *(settings.num_bins, *units, layers), gate_activation="sigmoid", gibbs_steps=5, seed=0
    )
    steps = epochs * -(-len(frames) // (PIECE * BATCH))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.05)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    model.fit([frames], batch_size=BATCH, max_steps=PIECE, epochs=epochs, verbose=0)

    sound = audio.SoundStream(settings)
    count = round((0.2 if quick else seconds) * settings.sample_rate / settings.hop_length)
    drawn = stream_frames(model, prime=frames[:PIECE], temperature=0.7, seed=0)
    samples = [sound.push(heard(next(drawn), scale))]  # the first frame waits for the compiler
    started = time.perf_counter()
    samples += [sound.push(heard(frame, scale)) for frame in islice(drawn, count)]
    took = (time.perf_counter() - started) / count
    lasts = settings.hop_length / settings.sample_rate
    delay = sound.latency / settings.sample_rate
    print(f"{1000 * took:.1f} ms a frame, which lasts {1000 * lasts:.1f}: {took / lasts:.2f} of it")
    print(f"A frame becomes audible {1000 * delay:.0f} ms after it is drawn")
    samples = np.concatenate([*samples, sound.finish()])
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    audio.write(out, 0.5 * samples / np.abs(samples).max(), settings.sample_rate)
    print(f"Sound: {out}")


def heard(frame, scale):
    """Returns the amplitudes of a frame that a model drew."""
    return audio.to_amplitude(scale.restore(frame), SCALE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wav", nargs="+", help="files or folders of sound to learn from")
    parser.add_argument("--seconds", type=float, default=4.0, help="of sound to make up")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", default="runs/sound_rnn_rbm.wav", help="file to write")
    parser.add_argument("--quick", action="store_true", help="a few seconds on few units")
    arguments = parser.parse_args()
    main(arguments.wav, arguments.seconds, arguments.epochs, arguments.out, arguments.quick)
