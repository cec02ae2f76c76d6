"""Trains an RNN-NADE with many workers, each a process on a machine of its own, or all on this one.

Two shells on one machine. In the second one, "index" is 1:

    export TF_CONFIG='{"cluster": {"worker": ["127.0.0.1:23450", "127.0.0.1:23451"]},
                       "task": {"type": "worker", "index": 0}}'
    until python examples/multi_worker.py --out runs/workers
    do sleep 10; done

On a cluster, "worker" lists an address of each machine and a free port there, the same list
everywhere, and `--out` is a folder that all machines share. When a worker dies, the others end with
an error within seconds; the loops start all of them again, and the run goes on after its last whole
epoch. The chief writes the files: the process of the job "chief" if TF_CONFIG has one, else worker
0. Without TF_CONFIG there is one worker.
"""

import argparse
from pathlib import Path

import keras
import tensorflow as tf

from seqlayers import callbacks, files
from seqlayers.datasets import piano_roll
from seqlayers.models import RNNNADE, is_chief

ROWS = 16  # of a batch, for each replica


def main(out="runs/workers", quick=False):
    """A minute or two with two workers on two cores; with `quick` a test on a little data."""
    out = Path(out)
    if (out / "model.keras").exists():  # a worker that died when the others had ended
        print(f"{out / 'model.keras'} is there already")
        return
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before TensorFlow computes anything
    chief = is_chief(strategy)
    replicas = strategy.num_replicas_in_sync
    if chief:
        print(f"{replicas} replicas, batches of {ROWS * replicas} pieces", flush=True)

    rolls = piano_roll.load("jsb_chorales")
    if quick:
        rolls = piano_roll.PianoRolls(*([roll[:30] for roll in split[:48]] for split in rolls))
    batches = piano_roll.batches(rolls.train, ROWS * replicas, transpose=(-5, 6))  # the whole batch
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = RNNNADE(88, hidden_units=100, recurrent_units=100, seed=0)  # the same on all
        model.compile(keras.optimizers.Adam(1e-2, global_clipnorm=1.0))

    backup = callbacks.BackupAndRestore(out / "backup", delete_checkpoint=False)
    watched = [backup, callbacks.Progress()] if chief else [backup]
    epochs = 2 if quick else 20
    model.fit(
        batches,
        epochs=epochs,
        validation_data=rolls.valid,
        validation_freq=max(1, epochs // 4),
        callbacks=watched,
        verbose=0,
    )
    if chief:
        print(f"test split: {model.score(rolls.test)}")
        with files.replacing(out / "model.keras") as temporary:
            model.save(temporary)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/workers"), help="a shared folder")
    parser.add_argument("--quick", action="store_true", help="a few seconds on a little data")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
