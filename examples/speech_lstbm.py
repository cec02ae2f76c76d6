"""Codes of speech: spectra as the gates of an LSTM that is trained without labels.

Trains an RBM, a TRBM and an LSTBM on the spectra of speech, codes and decodes a sentence that is
not in the training data, and makes it audible with its original phases. Writes both sounds and
their spectrograms (figure 3 of the LSTBM paper), the errors over epochs (figure 2), and the LSTBM
with its normalizer. `--arctic` takes more sentences of the speaker slt of CMU ARCTIC
(festvox.org/cmu_arctic), in a file with the layout of `speech.load_arctic`.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from seqlayers import audio, plotting
from seqlayers.datasets import speech
from seqlayers.heads import ConditionalRBM
from seqlayers.models import TRBM, LSTBMModel, SequenceModel

SPECTRA, SCALE = audio.Spectra(), "root_amplitude"
BINS = SPECTRA.num_bins
PIECE, BATCH = 100, 2  # frames of a piece; pieces of a batch


def main(arctic=None, units=100, epochs=60, out="runs/speech_lstbm", quick=False):
    """About two minutes on two cores; with `quick` a test of some seconds."""
    keras.utils.set_random_seed(0)
    if arctic:
        sentences = speech.load_arctic(arctic)
        train, test = sentences[:50], sentences[50]
    else:
        *train, test = speech.load_examples()
    units, epochs = (4, 2) if quick else (units, epochs)
    frames = [audio.to_frames(audio.stft(sentence.samples), SCALE) for sentence in train]
    scale = audio.Normalizer.fit(frames)  # mean 0 and variance 1 in each bin
    frames = [scale.normalize(x) for x in frames]
    spectrum = audio.stft(test.samples)
    unheard = scale.normalize(audio.to_frames(spectrum, SCALE))
    print(f"{sum(map(len, frames))} frames to learn; to be coded: {test.text!r}, {len(unheard)}")

    rbm = ConditionalRBM(BINS, units, gibbs_steps=1, visibles="gaussian", seed=0)
    models = {
        "RBM": SequenceModel(None, rbm),
        "TRBM": TRBM(BINS, units, seed=0),
        "LSTBM": LSTBMModel(BINS, units, seed=0),
    }
    errors = {}
    for name, model in models.items():
        watch = Watch(unheard)
        model.compile(keras.optimizers.Adam(3e-3), jit_compile=not quick)
        model.fit(
            frames, batch_size=BATCH, max_steps=PIECE, epochs=epochs, callbacks=[watch], verbose=0
        )
        errors[name] = watch.errors
        bits = model.head.code_units
        print(f"{name:5s} {bits:4d} units: mean squared error {watch.errors[-1]:.3f}")

    lstbm, out = models["LSTBM"], Path(out)
    code = lstbm.encode(unheard[None])
    amplitude = audio.to_amplitude(scale.restore(lstbm.decode(code)[0]), SCALE)
    phase = np.exp(1j * np.angle(spectrum))
    decoded = audio.inverse_stft(amplitude * phase, len(test.samples))

    out.mkdir(parents=True, exist_ok=True)
    audio.write(out / "original.wav", test.samples, test.sample_rate)
    audio.write(out / "decoded.wav", np.clip(decoded, -1, 1), test.sample_rate)
    both = {"original": np.abs(spectrum), "coded and decoded by the LSTBM": amplitude}
    figure = plotting.spectrograms(both, test.sample_rate, SPECTRA.hop_length)
    plotting.save(figure, out / "spectrograms.png")
    figure = plotting.learning_curve(range(1, epochs + 1), errors, ylabel="mean squared error")
    plotting.save(figure, out / "errors.png")
    lstbm.save(out / "lstbm.keras")
    (out / "normalizer.json").write_text(json.dumps(scale.get_config()))
    print(f"Sound, pictures and the model: {out}")


class Watch(keras.callbacks.Callback):
    """How far a sentence is from itself once coded and decoded, after each epoch."""

    def __init__(self, frames):
        super().__init__()
        self.frames, self.errors = frames, []

    def on_epoch_end(self, epoch, logs=None):
        decoded = self.model.reconstruct(self.frames[None])[0]
        self.errors.append(float(np.square(decoded - self.frames).mean()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arctic", help="sentences of CMU ARCTIC slt instead of those that ship")
    parser.add_argument("--units", type=int, default=100, help="hidden units, of each gate")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", default="runs/speech_lstbm", help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="a few seconds on few units")
    arguments = parser.parse_args()
    main(arguments.arctic, arguments.units, arguments.epochs, arguments.out, arguments.quick)
