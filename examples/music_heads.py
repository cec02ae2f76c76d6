"""Three heads on one memory: the gain from modelling keys together.

Trains an LSTM with three heads on JSB Chorales: each key for itself (BernoulliHead), an RBM over
all keys (ConditionalRBM) and key after key (NADE). Prints the likelihood of the test split and the
number of notes at once in generated music; draws real, reconstructed and generated music. The RBM
learns slowest, since its gradient is drawn: `music_rnn_rbm.py` trains one for longer.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

from seqlayers.datasets import piano_roll
from seqlayers.heads import NADE, BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel

HEADS = {
    "each key for itself": lambda: BernoulliHead(88, seed=0),
    "an RBM over all keys": lambda: ConditionalRBM(88, 100, gibbs_steps=5, seed=0),
    "key after key (NADE)": lambda: NADE(88, 100, seed=0),
}


def main(out="runs/music_heads", epochs=20, quick=False):
    """About two minutes on two cores; with `quick` a test of a few seconds on a little data."""
    rolls = piano_roll.load("jsb_chorales")
    units = 100
    if quick:
        epochs, units = 1, 10
        rolls = piano_roll.PianoRolls(*([roll[:20] for roll in split[:4]] for split in rolls))
    models, rows = {}, []
    for name, make_head in HEADS.items():
        keras.utils.set_random_seed(0)
        model = SequenceModel(keras.layers.LSTM(units, return_sequences=True), make_head())
        batches = piano_roll.batches(rolls.train, batch_size=8, transpose=(-5, 6))
        steps = epochs * int(batches.cardinality())
        schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps, alpha=0.05)
        optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
        model.compile(optimizer, jit_compile=not quick)  # compiling would take longest
        print(f"Training: {name}", flush=True)
        model.fit(batches, epochs=epochs, verbose=0)
        music = model.generate(8 if quick else 64, num_sequences=16, seed=1)
        rows.append((name, model.score(rolls.test), notes_at_once(music)))
        models[name] = model, music

    real = notes_at_once(rolls.test)
    print(f"\n{'an LSTM and':22s}{'nats per frame':>15s}  {'kind':10s}{'notes at once':>14s}")
    for name, likelihood, notes in rows:
        print(f"{name:22s}{likelihood.nats:15.3f}  {likelihood.kind:10s}{notes:14.2f}")
    print(f"{'real music, test split':49s}{real:14.2f}")
    draw(rolls.test[0][:64], models, Path(out))


def notes_at_once(rolls):
    """Returns the mean number of keys that sound in a frame."""
    return float(np.concatenate(rolls).sum(axis=1).mean())


def draw(piece, models, out):
    """Draws a picture for each model: a piece, its reconstruction, and generated music.

    Reconstructions differ by head: independent keys depend on the frames before alone, NADE also on
    the lower keys of the frame, and the hidden units of an RBM on the whole frame.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("No pictures: they need `pip install seqlayers[plot]`")
        return
    from seqlayers import plotting

    out.mkdir(parents=True, exist_ok=True)
    for number, (name, (model, music)) in enumerate(models.items(), start=1):
        seen = model.reconstruct(piece[None])[0]
        titles = ["real, from the test split", f"reconstructed: {name}", f"generated: {name}"]
        kinds = ["real", "reconstructed", "generated"]
        figure = plotting.piano_rolls([piece, seen, music[0]], titles, kinds)
        plotting.save(figure, out / f"rolls_{number}.png")
    print(f"Pictures: {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/music_heads"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    main(arguments.out, arguments.epochs, arguments.quick)
