"""Music by a memory of frequencies: any recurrent layer can be the memory of a SequenceModel.

Trains a State-Frequency Memory with two heads on JSB Chorales, each key for itself and an RBM over
all keys, prints the likelihood of the test split, and writes a piece and a picture of the memory.
"""

import argparse
from pathlib import Path

import keras

from seqlayers import layers, plotting
from seqlayers.datasets import midi, piano_roll
from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel


def main(out="runs/music_sfm", quick=False):
    """About two minutes on two cores; with `quick` a test of a few seconds on a little data."""
    out, rolls = Path(out), piano_roll.load("jsb_chorales")
    if quick:
        rolls = piano_roll.PianoRolls(*([roll[:30] for roll in split[:4]] for split in rolls))
    heads = {
        "each key for itself": BernoulliHead(88, seed=0),
        "an RBM over all keys": ConditionalRBM(88, 100, gibbs_steps=5, seed=0),
    }
    for name, head in heads.items():
        keras.utils.set_random_seed(0)
        memory = layers.SFM(
            100, num_frequencies=4, memory_units=30, frequencies="log", return_sequences=True
        )
        model = SequenceModel(memory, head)
        adam = keras.optimizers.Adam(3e-3, global_clipnorm=1.0)
        model.compile(adam, jit_compile=not quick)
        batches = piano_roll.batches(rolls.train, batch_size=16, transpose=(-5, 6))
        model.fit(batches, epochs=1 if quick else 40, verbose=2)
        print(f"SFM with {name}: {model.score(rolls.test)}")

    piece = rolls.test[0]
    plotting.save(plotting.memory_spectrogram(memory.spectrum(piece[None])[0]), out / "memory.png")
    music = model.generate(64, prime=piece[:8], temperature=0.8, seed=1)[0]
    midi.write(out / "generated.mid", music, step_in_beats=1.0)
    print(f"Wrote {out / 'memory.png'} and {out / 'generated.mid'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/music_sfm"))
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
