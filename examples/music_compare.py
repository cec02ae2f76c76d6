"""Trained models beside real music: likelihoods, and measures of what they play.

    python examples/music_compare.py [MODEL ...]

Scores each model on the test split of JSB Chorales, draws as many pieces from it as the split has,
at three temperatures, and compares both by the measures of `metrics.music_measures`: how many keys
sound, how far apart, how long, in which scale, how dissonant, and how often passages come again. A
picture, `measures.png`, shows each measure with a line for real music. A MODEL is the name of a
preset or a `.keras` file; without any, the best model of the set and an RNN-RBM, which ship.
"""

import argparse
from pathlib import Path

import seqlayers
from seqlayers import metrics
from seqlayers.datasets import piano_roll
from seqlayers.models import SequenceModel

PRESETS = ["tied-nade-jsb", "rnn-rbm-jsb"]
TEMPERATURES = (0.8, 1.0, 1.2)
NUM_STEPS = 64  # longer pieces have larger ranges and more repeats: all must be of one length


def main(models=PRESETS, out=Path("runs/music_compare"), quick=False):
    """About a minute on two cores; with `quick` a test of a few seconds on a little data."""
    test = piano_roll.load("jsb_chorales").test
    num_steps, test = (16, test[:3]) if quick else (NUM_STEPS, test)
    pieces = metrics.pieces(test, num_steps)[: 8 if quick else None]
    real, generated = metrics.music_measures(pieces), {}
    for name in models:
        model, name = load(name), Path(name).stem
        print(f"{name}: {model.score(test)}", flush=True)
        generated[name] = {
            temperature: metrics.music_measures(
                model.generate(num_steps, None, len(pieces), temperature, seed=1)
            )
            for temperature in TEMPERATURES
        }
    print_table(real, generated)
    draw(real, generated, Path(out))


def load(name):
    """Returns the model of a `.keras` file or of a preset."""
    if Path(name).suffix == ".keras":
        return seqlayers.load_model(name)
    return SequenceModel.from_preset(name)


def print_table(real, generated):
    """Prints each measure that is a number in a column."""
    names = [name for name in real._fields if name != "chord_sizes"]
    rows = {"real, test split": real}
    for name, each in generated.items():
        rows |= {f"{name}, {temperature}": measures for temperature, measures in each.items()}
    print(f"\n{'':24}" + "".join(f"{name.replace('_', ' '):>14}" for name in names))
    for title, measures in rows.items():
        print(f"{title:24}" + "".join(f"{getattr(measures, name):14.3f}" for name in names))


def draw(real, generated, out):
    """Draws all measures beside those of real music."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("No pictures: they need `pip install seqlayers[plot]`")
        return
    from seqlayers import plotting

    out.mkdir(parents=True, exist_ok=True)
    plotting.save(plotting.music_measures(real, generated), out / "measures.png")
    print(f"Picture: {out / 'measures.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=PRESETS, metavar="MODEL")
    parser.add_argument("--out", type=Path, default=Path("runs/music_compare"))
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    main(arguments.models, arguments.out, arguments.quick)
