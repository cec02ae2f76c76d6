"""Trainings of `clstm.py`: a row, its task, and the figures of a network on a fold."""

import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import phone_data
from phone_networks import GREEDY, UNITS, network

from seqlayers import files
from seqlayers.models import LSTBMModel

EPOCHS, RATE = 30, 3e-3
TENTH = 10  # sentences for one with labels, in rows of a tenth
# Of each LSTBM. After 100 epochs most gates are at their ends, where labels hardly move them.
STACK_EPOCHS, STACK_RATE = 5, 5e-3 * 400 / (4 * UNITS)  # the rate of `lstbm.py`


class Row(NamedTuple):
    """A network and what it is trained on, as the name of a row lists it."""

    corpus: str
    network: str
    tenth: bool = False
    masked: bool = False
    seed: int = 0

    @property
    def name(self):
        corpus = "" if self.corpus == "timit" else f"{self.corpus}-"
        seed = f"-seed{self.seed}" if self.seed else ""
        return corpus + self.network + "-tenth" * self.tenth + "-masked" * self.masked + seed

    @classmethod
    def of(cls, name):
        """Returns the row of a name, such as `arctic-heads-lstmp+relu-masked-seed2`."""
        pattern = r"(?:(arctic)-)?(.+?)(-tenth)?(-masked)?(?:-seed(\d+))?"
        corpus, network, tenth, masked, seed = re.fullmatch(pattern, name).groups()
        return cls(corpus or "timit", network, bool(tenth), bool(masked), int(seed or 0))

    @property
    def table(self):
        return self.network.split("-")[0]


class Task(NamedTuple):
    """The row, the epochs, the compilation and the data that all trainings of a row share."""

    row: Row
    epochs: int
    jit_compile: Any
    folds: Any
    work: Path
    stack_epochs: int = STACK_EPOCHS

    @property
    def delay(self):
        return phone_data.DELAY[self.row.table]

    @property
    def every(self):
        """The number of epochs in which a tenth of the sentences are as many as all in one."""
        return TENTH if self.row.tenth else 1

    @property
    def phones(self):
        return phone_data.CORPORA[self.row.corpus].phones

    def seed(self, fold):
        return 100 * self.row.seed + fold

    def labelled(self, fold):
        """Returns the sentences that are trained on with their labels."""
        fit = self.folds[fold].fit
        if not self.row.tenth:
            return fit
        order = np.random.default_rng((self.row.seed, fold)).permutation(len(fit))
        return [fit[n] for n in sorted(order[: -(-len(fit) // TENTH)])]


def task_of(row, utterances, work):
    """Returns the task of a row, for `EPOCHS` epochs as Keras compiles them."""
    folds = phone_data.parts(utterances, phone_data.CORPORA[row.corpus], row.table)
    return Task(row, EPOCHS, "auto", folds, work)


class Choose(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least error on validation data."""

    def __init__(self, error, every=1):
        super().__init__()
        self.error, self.every, self.curve, self.weights = error, every, [], None

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        error = self.error(self.model)
        if error < min(self.curve, default=np.inf):
            self.weights = self.model.get_weights()
        self.curve.append(error)


def stacked(task, fold):
    """Returns LSTMs with the weights that LSTBMs learned without labels, kept in a file."""
    depth = GREEDY[task.row.network]
    path = task.work / f"{task.row.corpus}-{depth}-lstbms-fold{fold}-seed{task.row.seed}.keras"
    if not path.exists():
        frames = [features for features, _ in task.folds[fold].fit]
        length, batch = phone_data.LENGTH, phone_data.BATCH
        steps = task.stack_epochs * -(-sum(-(-len(f) // length) for f in frames) // batch)
        rate = keras.optimizers.schedules.CosineDecay(STACK_RATE, steps, alpha=0.05)
        keras.utils.set_random_seed(task.seed(fold))
        deep = LSTBMModel.stack(
            frames,
            [UNITS] * depth,
            keras.optimizers.Adam(rate),
            seed=task.seed(fold),
            epochs=task.stack_epochs,
            batch_size=batch,
            max_steps=length,
            verbose=0,
        )
        with files.replacing(path) as temporary:
            deep.save(temporary)
    return keras.models.load_model(path)


def compiled(task, fold, dropout):
    """Returns a network, and the arrays that it is to fit."""
    stack = stacked(task, fold) if task.row.network in GREEDY else None
    keras.utils.set_random_seed(task.seed(fold))
    model = network(task.row.network, dropout, len(task.phones), stack)
    length, overlap, batch = phone_data.LENGTH, phone_data.OVERLAP, phone_data.BATCH
    x, y, mask = phone_data.chunks(task.labelled(fold), length, overlap, task.delay)
    steps = task.epochs * task.every * -(-len(x) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.02)
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=task.jit_compile,
    )
    return model, (x, y, mask.astype("float32"))


def train(task, fold, dropout):
    """Returns the figures of a network with the weights of its best epoch."""
    started, part = time.time(), task.folds[fold]

    def error(model, pairs=part.valid):
        wrong, frames = phone_data.errors(model, pairs, task.delay)
        return wrong / frames

    choose = Choose(error, task.every)
    model, (x, y, weights) = compiled(task, fold, dropout)
    epochs, batch = task.epochs * task.every, phone_data.BATCH
    kwargs = {"epochs": epochs, "callbacks": [choose], "verbose": 0}
    if task.row.masked:
        seed, steps = task.seed(fold), -(-len(x) // batch)
        batches = phone_data.masked_epochs(x, y, weights, epochs, seed)
        model.fit(batches, steps_per_epoch=steps, shuffle=False, **kwargs)
    else:
        model.fit(x, y, batch, sample_weight=weights, **kwargs)
    model.set_weights(choose.weights)
    best = int(np.argmin(choose.curve))
    wrong, frames = phone_data.errors(model, part.test, task.delay)
    return {
        "validation": choose.curve[best],
        "epoch_chosen": task.every * (best + 1),
        "test": wrong / frames,
        "frames": frames,
        "weights": model.count_params(),
        "seconds": time.time() - started,
    }
