"""The demo: train an RNN-RBM on chorales, score it, let it play, and hand it to a server.

Writes everything to one folder: the model, its likelihood beside that of simpler models, four
pieces as MIDI files, pictures, a page to listen to, and a SavedModel.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np

from seqlayers import callbacks, files, plotting, report
from seqlayers.datasets import midi, piano_roll
from seqlayers.heads import ConditionalRBM
from seqlayers.models import RNNRBM, SequenceModel
from seqlayers.models.likelihood import likelihood_and_frames

STEP_IN_BEATS = 1.0  # JSB Chorales have one time step a quarter note
BEATS_A_MINUTE = 120  # as in the MIDI files
EXPORTED = Path("saved_models", "music_rnn_rbm", "1")
VALIDATIONS = 5
SHORT_ANNEALING, LONG_ANNEALING = (30, 3), (100, 5)  # steps and chains: to validate, and to score


def main(out="runs/demo", epochs=50, quick=False):
    """About two minutes on two cores; with `quick` a test of a few seconds on a little data."""
    out, started = Path(out), time.time()
    keras.utils.set_random_seed(0)
    rolls = piano_roll.load("jsb_chorales")
    if quick:
        epochs, rolls = 2, piano_roll.PianoRolls(*([roll[:40] for roll in s[:4]] for s in rolls))

    print("\n1. Without time: each key for itself, and an RBM of single frames")
    independent = piano_roll.independent_bernoulli_log_likelihood(rolls.train, rolls.test)
    head = ConditionalRBM(
        88, 150, gibbs_steps=5, persistent_chains=500, centering_rate=0.02, num_chains=3, seed=0
    )
    rbm = SequenceModel(None, head)
    rbm.compile(jit_compile=not quick)  # compiling would take longest
    rbm.pretrain_head(rolls.train, 2 if quick else 30, 100, keras.optimizers.Adam(3e-3))
    without_time = rbm.score(rolls.test)
    levels = {  # to compare the validation of the RNN-RBM with
        "each key for itself": piano_roll.independent_bernoulli_log_likelihood(
            rolls.train, rolls.valid
        ),
        "RBM without time": rbm.score(rolls.valid).nats,
    }

    print("\n2. An RNN-RBM: a recurrent layer sets the biases of that RBM for each frame")
    small = keras.regularizers.L2(1e-3)  # else some music drifts to chords that nobody wrote
    model = RNNRBM(88, 150, 150, gibbs_steps=6, kernel_regularizer=small, seed=0)
    learned = head.params()  # of the same RBM, not centered
    for name in ("kernel", "visible_bias", "hidden_bias"):
        getattr(model.head, name).assign(getattr(learned, name))
    batches = piano_roll.batches(rolls.train, batch_size=16, transpose=(-5, 6))
    steps = epochs * int(batches.cardinality())
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps, alpha=0.05)
    adam = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    model.compile(adam, jit_compile=not quick)
    every = max(1, epochs // VALIDATIONS)
    model.head.num_betas, model.head.num_chains = SHORT_ANNEALING
    history = model.fit(
        batches,
        epochs=epochs,
        validation_data=rolls.valid,
        validation_freq=every,
        callbacks=[callbacks.Progress()],
        verbose=0,
    ).history["val_log_likelihood"]
    model.head.num_betas, model.head.num_chains = LONG_ANNEALING
    likelihood, nats = likelihood_and_frames(model, rolls.test, bracket=True)

    print("\n3. Log-likelihood of the test split")
    print(f"   each key for itself  {independent:.3f} nats per frame (exact)")
    print(f"   RBM without time     {without_time}")
    print(f"   RNN-RBM              {likelihood}")

    print("\n4. New music, pictures, the model and its export")
    music = report.Music(seconds=STEP_IN_BEATS * 60 / BEATS_A_MINUTE)
    drawn = report.drawn(model, music, num=4, num_steps=64, temperature=0.8, seed=1)
    generated = [piece.frames for piece in drawn]
    for number, roll in enumerate(generated, start=1):
        midi.write(out / f"generated_{number}.mid", roll, STEP_IN_BEATS)
    piece = rolls.test[0][:64]
    seen, hidden = model.reconstruct(piece[None])[0], model.encode(piece[None])[0]
    plotting.save(
        plotting.piano_rolls(
            [piece, seen, *generated[:2]],
            ["real, from the test split", "reconstructed by the RNN-RBM", "generated", "generated"],
            ["real", "reconstructed", "generated", "generated"],
        ),
        out / "piano_rolls.png",
    )
    title = "hidden units of the RNN-RBM during the real piece"
    plotting.save(plotting.hidden_activity(hidden, title, sort=True), out / "hidden_activity.png")
    plotting.save(
        plotting.receptive_fields(model.head.kernel.numpy()), out / "receptive_fields.png"
    )
    references = {"each key for itself": independent, "RBM without time": without_time.nats}
    plotting.save(
        plotting.learning_curve(
            range(every, every * len(history) + 1, every),
            {"RNN-RBM, validation split": history},
            levels,
        ),
        out / "learning_curve.png",
    )
    with files.replacing(out / "model.keras") as temporary:
        model.save(temporary)
    validated = [
        {"epoch": epoch, "val_log_likelihood": value}
        for epoch, value in zip(range(every, epochs + 1, every), history, strict=True)
    ]
    scores = [report.Score(name, value) for name, value in references.items()]
    own = likelihood.kind, likelihood.standard_error, likelihood.reverse_nats
    scores.append(report.Score("RNN-RBM", likelihood.nats, *own, own=True))
    real, worst = report.pieces(model, rolls.test, music, nats, "test piece")
    page = report.Page(
        title="An RNN-RBM on JSB Chorales",
        summary=f"{model.count_params():,} weights, {epochs} epochs.",
        pieces=[*real, *drawn],
        worst=worst,
        worst_of="the test split",
        charts=report.charts(validated, levels.items()),
        scores=scores,
        scores_of="the test split",
        commands=["make demo"],
        facts=[("seed", "0"), ("epochs", str(epochs)), ("version of keras", keras.__version__)],
    )
    report.write(out / "report.html", page)
    exported = model.export(out / EXPORTED)
    served = serve_in_a_new_process(exported, rolls.test, out)
    agree = abs(served - likelihood.nats) < 0.05
    print(f"   the SavedModel scores {served:.3f} without seqlayers: ", end="")
    print("the scores agree" if agree else f"NOT the {likelihood.nats:.3f} of the model")

    scores = references | {"RNN-RBM": likelihood.nats, "served": served}
    scores |= {"seconds": round(time.time() - started), "likelihood": likelihood._asdict()}
    files.write_atomically(out / "scores.json", json.dumps(scores, indent=2).encode())
    print(f"\nDone in {time.time() - started:.0f} seconds. Everything is in {out}/:")
    for path in sorted(out.iterdir()):
        print(f"   {path}")
    return 0 if agree else 1


def serve_in_a_new_process(exported, sequences, out):
    """Returns the score of the SavedModel in a process with TensorFlow and NumPy alone."""
    from seqlayers.datasets.batching import pad

    frames, mask = pad(sequences)
    data = out / "test_frames.npz"
    with files.replacing(data) as temporary:
        np.savez_compressed(temporary, frames=frames.astype("uint8"), lengths=mask.sum(axis=1))
    script = Path(__file__).with_name("serve_music.py")
    result = subprocess.run(
        [sys.executable, script, exported, data], check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout)["nats_per_frame"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder to write to")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier demo in it")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    if arguments.out.exists() and any(arguments.out.iterdir()):
        if not arguments.overwrite:
            parser.error(f"{arguments.out} is not empty; --overwrite replaces an earlier demo")
        shutil.rmtree(arguments.out / EXPORTED, ignore_errors=True)  # the rest is replaced
    arguments.out.mkdir(parents=True, exist_ok=True)
    sys.exit(main(arguments.out, arguments.epochs, arguments.quick))
