"""The trainings of test_workers.py, which two workers and one device must end alike.

    python tests/worker_trainings.py one|workers FOLDER NAME...

writes what the trainings came to as FOLDER/NAME.npz, in each worker. Files of a training, which
workers share, are in the folder that the environment variable SHARED names. A training is a
function in TRAININGS that is called in the scope of the strategy and returns arrays by name. The
members are those of replica_cases.py.
"""

import contextlib
import functools
import json
import os
import signal
import sys
from pathlib import Path

import garbage
import keras
import numpy as np
import tensorflow as tf
from heads.test_contract import HEADS, WITHOUT_CONTEXT_ONLY, C
from layers.contract.members import ONE_A_CLASS
from replica_cases import (
    ABSENT,
    OF_MODELS,
    V,
    arrays,
    bernoulli,
    frames_of,
    made,
    masked,
    memory_and_head,
    new_layer,
)

from seqlayers.callbacks import BackupAndRestore
from seqlayers.layers import Delay
from seqlayers.models import DistributedModel, is_chief

# Of five sequences of ragged lengths. Workers have 2 rows and 2, then 1 and none, in plain models;
# 2 rows and 1, then 1 and 1, in models of sequences.
ROWS_OF_PLAIN, ROWS = 4, 3
# Momentum, not Adam: its first steps have the size of a rounding error's sign.
SGD = functools.partial(keras.optimizers.SGD, 0.1, momentum=0.9, global_clipnorm=0.5)


def outcome(model, **more):
    weights = {f"weight {n} {w.name}": w.numpy() for n, w in enumerate(model.weights)}
    return weights | {name: np.asarray(value) for name, value in more.items()}


def batches(*rows):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return tf.data.Dataset.from_tensor_slices(rows).batch(ROWS_OF_PLAIN).with_options(options)


def shared():
    return Path(os.environ["SHARED"])


def worker():
    """The number of this worker, after a chief; 0 without any."""
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    task = config.get("task", {"type": None, "index": 0})
    return task["index"] + (task["type"] == "worker" and "chief" in config["cluster"])


def layers():
    """All layers side by side in a plain model."""

    def make():
        x, y = arrays()
        inputs = keras.Input((None, x.shape[-1]))
        frames = keras.layers.Masking(ABSENT)(inputs)
        joined = keras.layers.Concatenate()([new_layer(name)(frames) for name in ONE_A_CLASS])
        outputs = keras.layers.Dense(y.shape[-1], kernel_regularizer="l2")(joined)
        return DistributedModel(inputs, outputs)

    model, data = made(make), batches(*arrays())
    model.compile(SGD(), "mse", metrics=["mae"], jit_compile=False)
    history = model.fit(data, epochs=2, validation_data=data, shuffle=False, verbose=0).history
    scores = model.evaluate(data, verbose=0)
    assert all(isinstance(value, float) for value in [*sum(history.values(), []), *scores])
    return outcome(model, evaluate=scores, **history)


def heads():
    """All heads on one memory in a plain model; each adds its loss."""

    def make():
        inputs = keras.Input((None, V))
        frames = keras.layers.Masking(ABSENT)(inputs)
        past = Delay()(keras.layers.SimpleRNN(C, return_sequences=True)(frames))
        outputs = [
            new(seed=0)(frames if name in WITHOUT_CONTEXT_ONLY else [frames, past])
            for name, new in HEADS.items()
        ]
        return DistributedModel(inputs, outputs)

    model = made(make)
    model.compile(SGD(), run_eagerly=True)  # in a third of the time
    data = batches(masked(frames_of("bernoulli")))
    return outcome(model, **model.fit(data, epochs=2, shuffle=False, verbose=0).history)


def dropout_of_keras():
    """A model whose memory is a cell of Keras's: each worker draws its dropout for itself."""
    model = made(memory_and_head("dropout", bernoulli))
    model.compile(SGD(), jit_compile=False)
    data = frames_of("bernoulli")
    return outcome(model, **model.fit(data, batch_size=ROWS, epochs=2, verbose=0).history)


def everything():
    """All that a model of sequences does, in the scope of a strategy."""
    model, x = made(OF_MODELS["rnn-nade"]), frames_of("bernoulli")
    model.compile(SGD(), jit_compile=False)
    pretrained = model.pretrain_head(x, epochs=2, batch_size=4, optimizer="sgd", verbose=0)
    history = model.fit(
        x, batch_size=ROWS, epochs=3, steps_per_epoch=2, validation_data=x[:3], verbose=0
    ).history
    model.save(shared() / "model.keras")
    model.save_weights(shared() / "model.weights.h5")
    exported = model.export(shared() / "exported" / "1")
    assert exported == shared() / "exported" / "1"
    return outcome(
        model,
        pretrained=pretrained,
        score=model.score(x).nats,
        generated=model.generate(4, num_sequences=3, seed=1),
        contexts=np.concatenate(model.predict(x, batch_size=ROWS, verbose=0)),
        **history,
    )


class Kill(keras.callbacks.Callback):
    """Kills worker 1 in the middle of its third epoch, once."""

    def on_train_batch_end(self, batch, logs=None):
        mark = shared() / "killed"
        if worker() == 1 and self.model.optimizer.iterations.numpy() == 5 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def backed_up(folder, *callbacks):
    """A training in 5 epochs of 2 steps that can be killed and started again."""
    model = made(OF_MODELS["rnn-rbm"])
    model.compile(SGD(), jit_compile=False)
    backup = BackupAndRestore(shared() / folder, delete_checkpoint=False)
    arguments = {"batch_size": ROWS, "epochs": 5, "verbose": 0}
    history = model.fit(frames_of("bernoulli"), callbacks=[backup, *callbacks], **arguments)
    variables = {f"{n}": v.numpy() for n, v in enumerate(model.optimizer.variables)}
    return outcome(model, epochs=history.epoch, **variables)


def own_data():
    """A plain model whose workers have data of their own, of unknown lengths, one of them less."""

    def rows():
        x, y = arrays()
        yield from zip(x[worker() :], y[worker() :], strict=True)

    def make():
        inputs = keras.Input(arrays()[0].shape[1:])
        return DistributedModel(inputs, keras.layers.Dense(2)(new_layer("sfm")(inputs)))

    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    signature = tuple(tf.TensorSpec(x.shape[1:], tf.float32) for x in arrays())
    data = tf.data.Dataset.from_generator(rows, output_signature=signature).batch(2)
    model, messages = made(make), {}
    model.compile(SGD(), "mse", jit_compile=False)
    history = model.fit(data.with_options(options), epochs=2, shuffle=False, verbose=0).history
    known = tf.data.Dataset.from_tensor_slices(tuple(a[2 * worker() :] for a in arrays())).batch(2)
    try:
        model.fit(known.with_options(options), shuffle=False, verbose=0)
    except ValueError as error:
        messages["refused"] = str(error)
    return outcome(model, **history, **messages)


def refusals():
    """Errors of workers that were started differently."""
    model, x, messages = made(OF_MODELS["rnn-nade"]), frames_of("bernoulli"), {}
    model.compile(SGD(), jit_compile=False)

    def refused(name, **arguments):
        try:
            model.fit(**{"x": x, "batch_size": ROWS, "verbose": 0} | arguments)
        except ValueError as error:
            messages[name] = str(error)

    refused("data", x=x[: len(x) - 4 * worker()])
    model.head.seed = worker()
    refused("seed")
    model.head.seed = 0
    backup = BackupAndRestore(shared() / f"backup of {worker()}")
    backup.set_model(model)
    backup.on_epoch_end(2)  # the chief alone writes
    refused("backup", callbacks=[backup])
    return messages


TRAININGS = {
    "layers": layers,
    "heads": heads,
    "everything": everything,
    "dropout of Keras": dropout_of_keras,
    "own data": own_data,
    "refusals": refusals,
    "backed up": lambda: backed_up("backup"),
    "killed": lambda: backed_up("backup of the killed", Kill()),
}


def main(kind, folder, *names):
    garbage.spare()
    workers = kind == "workers"
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if workers else None
    np.savez(Path(folder) / "chief.npz", chief=strategy is None or is_chief(strategy))
    for name in names:
        with strategy.scope() if workers else contextlib.nullcontext():
            outcomes = TRAININGS[name]()
        np.savez(Path(folder) / f"{name}.npz", **outcomes)
        print(name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
