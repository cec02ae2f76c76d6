"""The cases of test_replicas.py: training on one device and on two, which must be the same.

They run in a process of their own, since TensorFlow makes its devices once:

    python tests/replica_cases.py OUTCOMES.json [NAME ...]

Each layer, head and memory of the contract tests is a case. Lengths are ragged, the last batch is
short, and steps run eagerly, as that takes less time at this size, but in the cases named compiled.
"""

import contextlib
import functools
import json
import re
import sys
import tempfile
import traceback
from pathlib import Path

import garbage
import keras
import numpy as np
import pytest
import tensorflow as tf
from heads.test_contract import HEADS, WITHOUT_CONTEXT_ONLY, C
from layers.contract.members import LAYERS, ONE_A_CLASS, with_dropout
from models.test_contract import MEMORIES

from seqlayers import replicas
from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.layers import SFM, Delay, KeyShared, LSTBMCell, SFMCell
from seqlayers.models import (
    RNNDBN,
    RNNNADE,
    RNNRBM,
    RTRBM,
    TRBM,
    DistributedModel,
    LSTBMModel,
    SequenceModel,
    pretraining,
)
from seqlayers.models.memory import seed_dropout
from seqlayers.models.nonfinite import COUNTERS
from seqlayers.sampling import row_seeds, seed_pair

N, V, H, D, T = 3, 5, 4, 4, 4
LENGTHS = (4, 2, 3, 4, 1)
FEW = {"gibbs_steps": 1, "sampling_steps": 3, "seed": 0}
SGD = functools.partial(keras.optimizers.SGD, 0.1)
ABSENT = -9.0  # the value of masked frames

CASES = {}


def case(name, *args):
    """Makes the decorated function a case; its arguments are `args`."""

    def add(function):
        CASES[name] = functools.partial(function, *args)
        return function

    return add


@functools.cache
def two_devices():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def raises(error, message):
    return pytest.raises(error, match=re.escape(message))


def scope(strategy):
    return strategy.scope() if strategy else contextlib.nullcontext()


def made(make):
    """A model with weights of some size, the same ones each time."""
    keras.utils.set_random_seed(0)
    model, rng = make(), np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    return model


def on_one_and_two(make, train, optimizer=SGD, **options):
    """Trains the model of `make` by `train` on one device and on two, and compares the weights.

    Returns the model on two devices, and what `train` returned on it.
    """
    outcomes, options = [], {"run_eagerly": True} | options
    tf.config.run_functions_eagerly(options["run_eagerly"])
    for strategy in (None, two_devices()):
        with scope(strategy):
            model = made(make)
            model.compile(optimizer(), **options)
        before = model.get_weights()
        outcomes.append((model, train(model)))
    tf.config.run_functions_eagerly(False)
    (one, expected), (two, actual) = outcomes
    for weight, alone in zip(two.weights, one.weights, strict=True):
        np.testing.assert_allclose(weight, alone, atol=1e-6, err_msg=weight.path)
        copies = two_devices().experimental_local_results(weight.value)
        np.testing.assert_array_equal(*copies, err_msg=f"{weight.path} on two replicas")
    assert any(np.any(w != b) for w, b in zip(two.get_weights(), before, strict=True))
    keras.tree.map_structure(
        functools.partial(np.testing.assert_allclose, atol=2e-6), actual, expected
    )
    return two, actual


def fit(x, y=None, losses=True, **kwargs):
    """Returns a function that trains a model for an epoch and returns its history."""
    if y is not None:
        kwargs |= {"y": y, "shuffle": False}

    def train(model):
        history = model.fit(x, verbose=0, **{"batch_size": 3} | kwargs).history
        return history if losses else {}

    return train


# Layers, in models that count by unmasked steps.


def arrays():
    """Frames `(7, T, N)` of ragged lengths, and targets of two values."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(len(LENGTHS), T, N)).astype("float32")
    x[np.arange(T) >= np.array(LENGTHS)[:, None]] = ABSENT
    return x, rng.normal(size=(len(LENGTHS), T, 2)).astype("float32")


def graph(kind, *layers):
    x = inputs = keras.Input((None, N))
    for layer in (keras.layers.Masking(ABSENT), *layers, keras.layers.Dense(2)):
        x = layer(x)
    return kind(inputs, x)


def new_layer(name, **kwargs):
    cls, _, arguments = LAYERS[name]
    return cls(**arguments | {"return_sequences": True, "jit_compile": False} | kwargs)


OF_LAYERS = {
    name: (lambda name=name: [new_layer(name, **with_dropout(name, 0.3), seed=3)])
    for name in ONE_A_CLASS
}
OF_LAYERS |= {
    "keys": lambda: [KeyShared(SFMCell(2, num_frequencies=2, dropout=0.3, seed=3), 1, 2)],
    "lstbm drawn": lambda: [new_layer("lstbm", mode="sample", seed=3)],
    "boltzmann drawn": lambda: [new_layer("boltzmann", mode="sample", seed=3)],
    "delay": lambda: [Delay("ones")],
    "bidirectional": lambda: [keras.layers.Bidirectional(new_layer("sfm", dropout=0.3, seed=3))],
    "stack": lambda: [
        keras.layers.RNN(
            [
                keras.layers.LSTMCell(D),
                SFMCell(D, num_frequencies=2, dropout=0.3, seed=3),
                LSTBMCell(D, recurrent_dropout=0.3, seed=4),
            ],
            return_sequences=True,
        )
    ],
    "losses of layers": lambda: [
        keras.layers.LSTM(D, return_sequences=True, kernel_regularizer="l2"),
        keras.layers.ActivityRegularization(l2=0.0),
        new_layer("sfm", dropout=0.3, seed=3, kernel_regularizer="l1"),
    ],
}


def with_a_layer(name, **options):
    x, y = arrays()
    make = functools.partial(graph, DistributedModel)
    on_one_and_two(lambda: make(*OF_LAYERS[name]()), fit(x, y), loss="mse", **options)


for name in OF_LAYERS:
    case(f"layer: {name}", name)(with_a_layer)


@case("compiled layer")
def _():
    with_a_layer("sfm", run_eagerly=False, jit_compile=False)


@case("layers of even batches in a model of Keras's own")
def _():
    x, y = arrays()
    make = functools.partial(graph, keras.Model)
    on_one_and_two(
        lambda: make(SFM(D, num_frequencies=2, dropout=0.3, seed=0)),
        fit(np.maximum(x, -1)[:4], y[:4, 0], batch_size=2),
        loss="mse",
    )


@case("a plain model refuses what TensorFlow cannot compile")
def _():
    with two_devices().scope():
        model = graph(DistributedModel, keras.layers.SimpleRNN(2))
        model.compile("sgd", "mse")
        with raises(ValueError, '`jit_compile` must be "auto" or False'):
            model.compile("sgd", "mse", jit_compile=True)
        with raises(ValueError, "`gradient_accumulation_steps` of the optimizer must be None"):
            model.compile(SGD(gradient_accumulation_steps=2), "mse")


@case("a batch of masked steps alone")
def _():
    x, y = arrays()
    x[4:] = ABSENT
    make = functools.partial(graph, DistributedModel)
    on_one_and_two(
        lambda: make(keras.layers.SimpleRNN(D, return_sequences=True)),
        fit(x, y, batch_size=4),
        loss="mse",
    )


def two_outputs():
    """A model whose first output is masked, and whose second has a value for each sequence."""
    inputs = keras.Input((None, N))
    frames = keras.layers.Masking(ABSENT)(inputs)
    steps = keras.layers.SimpleRNN(D, return_sequences=True)(frames)
    last = keras.layers.SimpleRNN(D)(steps)
    outputs = {"steps": keras.layers.Dense(2)(steps), "last": keras.layers.Dense(2)(last)}
    return DistributedModel(inputs, outputs)


@case("several losses, each with its own mask, weights and mean")
def _():
    x, y = arrays()
    rng = np.random.default_rng(3)
    targets = {"steps": y, "last": y[:, 0]}
    weights = {"steps": rng.random((len(x), T)), "last": rng.random(len(x))}
    weights = {name: w.astype("float32") for name, w in weights.items()}
    weighted = keras.losses.MeanSquaredError("mean_with_sample_weight")
    summed = keras.losses.MeanSquaredError("sum")
    for losses, *given in (
        ({"steps": "mse", "last": "mae"}, targets),
        ({"steps": "mae", "last": summed}, targets, weights),
        ({"steps": weighted, "last": weighted}, targets, weights),
    ):
        data = tf.data.Dataset.from_tensor_slices((x, *given)).batch(4)
        train = fit(data, batch_size=None, validation_data=data)
        loss_weights = {"steps": 0.7, "last": 0.2}
        on_one_and_two(two_outputs, train, loss=losses, loss_weights=loss_weights)


@case("labels that are ignored, and weights of classes")
def _():
    x, _ = arrays()
    labels = np.random.default_rng(4).integers(0, 3, (len(x), T))
    ignoring = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1)

    def make(**kwargs):
        inputs = keras.Input((None, N))
        memory = keras.layers.SimpleRNN(D, **kwargs)(keras.layers.Masking(ABSENT)(inputs))
        return DistributedModel(inputs, keras.layers.Dense(3)(memory))

    sequences = functools.partial(make, return_sequences=True)
    on_one_and_two(sequences, fit(x, labels, batch_size=4), loss=ignoring)
    of_classes = {0: 0.5, 1: 1.0, 2: 3.0}
    of_rows = fit(x, labels[:, 0], batch_size=4, class_weight=of_classes)
    on_one_and_two(make, of_rows, loss=keras.losses.SparseCategoricalCrossentropy(True))


@case("losses without a mean over the rows of all replicas are refused")
def _():
    x, y = arrays()
    with two_devices().scope():
        model = graph(DistributedModel, keras.layers.SimpleRNN(D, return_sequences=True))
        with raises(ValueError, "The `reduction` of a loss must be"):
            model.compile(SGD(), loss=[keras.losses.MeanSquaredError(None)])
        model.compile(SGD(), loss=lambda y, z: keras.ops.mean(y - z), run_eagerly=True)
        with raises(ValueError, "A loss must return a value for each row or step"):
            model.fit(x, y, verbose=0)


@case("a plain model that XLA compiled is loaded where it cannot")
def _():
    model = graph(DistributedModel, new_layer("sfm"))
    model.compile("sgd", "mse", jit_compile=True)
    path = Path(tempfile.mkdtemp()) / "model.keras"
    model.save(path)
    with two_devices().scope():
        assert keras.saving.load_model(path).jit_compile is False
    assert keras.saving.load_model(path).jit_compile is True


# Heads, in models of Keras's own.


def frames_of(visibles):
    """Arrays `(T, V)` of ragged lengths."""
    rng = np.random.default_rng(2)
    frames = [rng.random((length, V)) for length in LENGTHS]
    real = {"gaussian": lambda f: 3 * f - 1, "gamma": lambda f: 3 * f}
    return [real.get(visibles, lambda f: f < 0.4)(f).astype("float32") for f in frames]


def masked(frames):
    x = np.full((len(frames), T, V), ABSENT, "float32")
    for row, sequence in enumerate(frames):
        x[row, : len(sequence)] = sequence
    return x


def head_graph(new, with_context, kind=keras.Model, **memory):
    inputs = keras.Input((None, V))
    frames = keras.layers.Masking(ABSENT)(inputs)
    if not with_context:
        return kind(inputs, new()(frames))
    past = Delay()(keras.layers.SimpleRNN(C, return_sequences=True, **memory)(frames))
    return kind(inputs, new()([frames, past]))


def with_a_head(name, **options):
    new = functools.partial(HEADS[name], seed=0, context_regularizer="l2")
    x = masked(frames_of(new().visibles))
    make = functools.partial(head_graph, new, name not in WITHOUT_CONTEXT_ONLY)
    # Keras needs a first batch that is shared out evenly, and its mean of losses weighs replicas.
    # Of the second batch one replica has no row.
    on_one_and_two(make, fit(x, losses=False, batch_size=4, shuffle=False), **options)


for name in HEADS:
    case(f"head: {name}", name)(with_a_head)


@case("compiled head")
def _():
    with_a_head("centered rbm", run_eagerly=False, jit_compile=False)


@case("a head in a distributed model")
def _():
    new = functools.partial(HEADS["centered rbm"], seed=0)
    make = functools.partial(head_graph, new, True, DistributedModel)
    on_one_and_two(make, fit(masked(frames_of("bernoulli")), shuffle=False))


@case("a head beside an output with a loss")
def _():
    def make():
        inputs = keras.Input((None, V))
        frames = keras.layers.Masking(ABSENT)(inputs)
        past = Delay()(keras.layers.SimpleRNN(D, return_sequences=True)(frames))
        outputs = [HEADS["rbm"](seed=0)([frames, past]), keras.layers.SimpleRNN(2)(past)]
        return DistributedModel(inputs, outputs)

    x = masked(frames_of("bernoulli"))
    targets = (np.zeros(len(x), "float32"), arrays()[1][:, 0])
    data = tf.data.Dataset.from_tensor_slices((x, targets)).batch(4)
    on_one_and_two(make, fit(data, batch_size=None), loss=[None, "mse"])


@case("a head and losses of other layers")
def _():
    """Replicas take turns in the middle of a call, and keep their own losses of it."""
    make = functools.partial(
        head_graph,
        functools.partial(HEADS["rbm"], seed=0),
        True,
        DistributedModel,
        activity_regularizer=_Mean(),
        dropout=1e-9,
    )
    on_one_and_two(make, fit(masked(frames_of("bernoulli"))[:4], batch_size=2, shuffle=False))


class _Mean(keras.regularizers.Regularizer):
    """A loss of outputs that is a mean over rows, as all losses are to Keras's replicas."""

    def __call__(self, x):
        return keras.ops.mean(keras.ops.square(x))


# Models.


def memory_and_head(memory, head, **kwargs):
    return lambda: SequenceModel(MEMORIES[memory](), head(), **kwargs)


def bernoulli():
    return BernoulliHead(V, seed=0)


OF_MODELS = {
    f"memory, {name}": memory_and_head(name, bernoulli) for name in MEMORIES if name != "dropout"
}
OF_MODELS |= {
    "rnn-rbm": lambda: RNNRBM(
        V, H, D, gibbs_steps=2, seed=0, context_dropout=0.3, transpose=(-1, 1)
    ),
    "rnn-dbn": lambda: RNNDBN(V, (H, 3), D, gibbs_steps=1, seed=0),
    "rnn-nade": lambda: RNNNADE(V, H, D, seed=0),
    "trbm": lambda: TRBM(V, H, "bernoulli", seed=0),
    "rtrbm": lambda: RTRBM(
        *(V, H, "bernoulli"),
        seed=0,
        centering_rate=0.1,
        context_visible=True,
        learn_initial_context=True,
    ),
    "lstbm": lambda: LSTBMModel(
        V, H, "bernoulli", mode="sample", dropout=0.2, recurrent_dropout=0.2, seed=0
    ),
    "centered rbm": memory_and_head(
        "gru", lambda: ConditionalRBM(V, H, centering_rate=0.1, kernel_regularizer="l2", **FEW)
    ),
    "persistent rbm": memory_and_head(
        "none", lambda: ConditionalRBM(V, H, persistent_chains=5, **FEW)
    ),
}


def with_a_model(name, optimizer=SGD, **options):
    frames = frames_of("bernoulli")
    on_one_and_two(OF_MODELS[name], fit(frames), optimizer, **options)


for name in OF_MODELS:
    case(f"model: {name}", name)(with_a_model)


@case("compiled model, with clipped Adam")
def _():
    adam = functools.partial(keras.optimizers.Adam, 0.01, clipnorm=0.1)
    frames = frames_of("bernoulli")
    train = fit(frames, validation_data=frames[:3])
    on_one_and_two(OF_MODELS["rnn-rbm"], train, adam, run_eagerly=False, jit_compile=False)


@case("compiled model, with a scaled loss that overflows")
def _():
    def optimizer():
        return keras.optimizers.LossScaleOptimizer(SGD(), 2.0**127, dynamic_growth_steps=2)

    model, history = on_one_and_two(
        OF_MODELS["memory, none"],
        fit(frames_of("bernoulli"), batch_size=2),
        optimizer,
        run_eagerly=False,
        jit_compile=False,
    )
    assert sum(history["skipped_steps"]) > 0
    (scale,) = (v for v in model.optimizer.variables if "dynamic_scale" in v.path)
    np.testing.assert_array_equal(*two_devices().experimental_local_results(scale.value))


@case("accumulated gradients")
def _():
    accumulating = functools.partial(SGD, gradient_accumulation_steps=2, clipnorm=0.1)
    with_a_model("rnn-rbm", accumulating)
    with two_devices().scope():
        model = OF_MODELS["rnn-rbm"]()
        with raises(ValueError, "`gradient_accumulation_steps` of the optimizer must be None"):
            model.compile(accumulating())
        with raises(ValueError, "`steps_per_execution` must be 1"):
            model.compile(SGD(), steps_per_execution=2)


@case("a gradient that is not finite on one of two replicas, skipped", "skip")
@case("a gradient that is not finite on one of two replicas, shrunk", "shrink")
def _(rule):
    def make():
        return SequenceModel(None, ConditionalRBM(V, H, visibles="gaussian", **FEW))

    frames = np.stack([f[:1] for f in frames_of("gaussian")[:4]])
    wild = frames.copy()
    wild[-1] = 1e30  # its square overflows

    def train(model):
        return [model.train_on_batch(x, return_dict=True) for x in (frames, wild, frames)]

    _, logs = on_one_and_two(make, train, nonfinite=rule)
    assert [log[COUNTERS[rule]] for log in logs] == [0, 1, 0]


@case("one row for two replicas")
def _():
    frames = np.stack(frames_of("bernoulli")[:1])
    data = tf.data.Dataset.from_tensors(frames)
    for name in ("lstbm", "persistent rbm"):
        on_one_and_two(OF_MODELS[name], fit(data, batch_size=None))


@case("pre-training of the head")
def _():
    def train(model):
        given = {"epochs": 2, "batch_size": 7, "optimizer": SGD(), "verbose": 0}
        return model.pretrain_head(frames_of("bernoulli"), **given)

    for name in ("rnn-rbm", "rnn-dbn"):
        on_one_and_two(OF_MODELS[name], train)


@case("compiled pre-training of the head")
def _():
    def train(model):
        given = {"epochs": 2, "batch_size": 7, "optimizer": "sgd", "verbose": 0}
        return model.pretrain_head(frames_of("bernoulli"), **given)

    on_one_and_two(OF_MODELS["rnn-nade"], train, run_eagerly=False, jit_compile=False)


@case("pre-training of the memory and of layers")
def _():
    frames = frames_of("bernoulli")

    def train(model):
        given = {"epochs": 2, "batch_size": 3, "verbose": 0}
        losses = model.pretrain_memory(frames, optimizer="sgd", **given)
        data = tf.data.Dataset.from_tensor_slices(masked(frames)[[0, 3, 0]]).batch(2)
        return losses + pretraining.pretrain_layers(
            model, data, 1, lambda steps: SGD(), after_memory=True, verbose=0
        )

    on_one_and_two(OF_MODELS["rnn-dbn"], train, jit_compile=False)


@case("batches given one by one")
def _():
    frames = frames_of("bernoulli")
    on_one_and_two(
        OF_MODELS["rnn-rbm"],
        lambda model: [model.train_on_batch(frames[n : n + 3]) for n in (0, 2, 4)],
    )


# Draws.


@case("draws are those of the rows of the whole batch, and repeat")
def _():
    strategy = two_devices()

    @tf.function(autograph=False)
    def seeds():
        sizes = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant([3, 2][context.replica_id_in_sync_group])
        )
        return strategy.run(lambda rows: row_seeds(seed_pair(5), rows), args=(sizes,))

    drawn = tf.concat(strategy.experimental_local_results(seeds()), 0)
    np.testing.assert_array_equal(drawn, row_seeds(seed_pair(5), 5))


@case("dropout of Keras's cells differs between replicas, and repeats")
def _():
    strategy = two_devices()
    with strategy.scope():
        model = memory_and_head("dropout", bernoulli)()

        def masks():
            seed_dropout(model.memory, seed_pair(5))
            model.memory.cell.reset_dropout_mask()
            return model.memory.cell.get_dropout_mask(tf.ones((3, 8)))

        run = tf.function(lambda: strategy.run(masks), autograph=False)
        first, second = strategy.experimental_local_results(run())
        assert np.any(first != second)
        for mask, again in zip(
            (first, second), strategy.experimental_local_results(run()), strict=True
        ):
            np.testing.assert_array_equal(mask, again)
    frames = frames_of("bernoulli")
    weights = []
    for _ in range(2):
        with strategy.scope():
            model = made(memory_and_head("dropout", bernoulli))
            model.compile(SGD(), run_eagerly=True)
        fit(frames)(model)
        weights.append(model.get_weights())
    for once, again in zip(*weights, strict=True):
        np.testing.assert_array_equal(once, again)


@case("a sum within a loop is refused by name")
def _():
    strategy = two_devices()
    layer = keras.layers.RNN(LSTBMCell(D, mode="sample", seed=0))

    def run():
        return layer(tf.ones((2, T, N)), training=True)

    with strategy.scope():
        layer.build((None, T, N))
        with raises(RuntimeError, "use a layer of `seqlayers.layers`"):
            tf.function(lambda: strategy.run(run), autograph=False)()


# A model of two devices is used as any other.


@case("likelihoods, draws, files and exports are those of one device")
def _():
    frames = frames_of("bernoulli")
    strategy, one = two_devices(), made(OF_MODELS["rnn-rbm"])
    one.compile(SGD())
    with strategy.scope():
        two = made(OF_MODELS["rnn-rbm"])
        two.compile(SGD())
    folder = Path(tempfile.mkdtemp())
    with strategy.scope():
        two.save(folder / "inside.keras")
        two.export(folder / "inside")
        drawn = two.generate(5, num_sequences=2)
        nats = two.score(frames).nats
    two.save(folder / "outside.keras")
    two.export(folder / "outside")
    one.save(folder / "one.keras")
    np.testing.assert_array_equal(drawn, one.generate(5, num_sequences=2))
    np.testing.assert_array_equal(drawn, two.generate(5, num_sequences=2))
    np.testing.assert_allclose(nats, one.score(frames).nats, atol=1e-6)
    np.testing.assert_allclose(two.evaluate(frames), one.evaluate(frames), atol=1e-6)
    predicted = (m.predict(frames, verbose=0, batch_size=4) for m in (one, two))
    for expected, actual in zip(*predicted, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    contexts = one.contexts(frames[0][None])
    for name in ("inside", "outside"):
        serve = tf.saved_model.load(str(folder / name)).signatures["serve"]
        served = serve(frames=tf.constant(frames[0][None]), lengths=tf.constant([len(frames[0])]))
        np.testing.assert_allclose(served["context"], contexts, atol=1e-6)
        loaded = keras.saving.load_model(folder / f"{name}.keras")
        assert loaded.jit_compile and loaded.uses_xla
        np.testing.assert_array_equal(loaded.generate(5, num_sequences=2), drawn)
    with strategy.scope():
        loaded = keras.saving.load_model(folder / "one.keras")
        assert not loaded.jit_compile and loaded.uses_xla
        with raises(ValueError, '`jit_compile` must be "auto" or False'):
            loaded.compile(jit_compile=True)


@case("the first row of all is that of the first replica that has one")
def _():
    rows = tf.reshape(tf.range(6), (3, 2))
    for shares in ((2, 1), (0, 3), (3, 0)):
        parts = tf.split(rows, shares)
        given = two_devices().experimental_distribute_values_from_function(
            lambda context, parts=parts: parts[context.replica_id_in_sync_group]
        )
        found = two_devices().run(replicas.first_of_all, (given,))
        for row in two_devices().experimental_local_results(found):
            np.testing.assert_array_equal(row, rows[0])


@case("outside of a step there is one replica")
def _():
    with two_devices().scope():
        assert replicas.number() == 1
        assert replicas.rows_around(3) == (0, 0)
    assert replicas.number() == 1


def main(path, *names):
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, devices)
    garbage.spare()
    outcomes = {}
    for name in names or CASES:
        try:
            CASES[name]()
            outcomes[name] = ""
        except Exception:
            outcomes[name] = traceback.format_exc()
    Path(path).write_text(json.dumps(outcomes), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
