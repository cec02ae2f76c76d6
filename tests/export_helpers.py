"""Models to export, and what calls the endpoints of an export."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from seqlayers.heads import NADE, BernoulliHead, ConditionalDBN, ConditionalRBM, TiedNADE
from seqlayers.layers import FrameHistory
from seqlayers.models import RNNRBM, LSTBMModel, SequenceModel

LENGTHS = np.array([7, 3, 0, 5], "int32")  # a row without any frame among them
SEEDS = np.array([[3, 1], [-4, 1], [2**31 - 1, 5], [9, -2]], "int32")


def estimating_rbm():
    """Too large to enumerate."""
    return ConditionalRBM(21, 22, seed=0, num_betas=30, num_chains=3, sampling_steps=3)


MODELS = {
    "simple_rnn": lambda: RNNRBM(8, 5, 6, seed=0),
    "lstm": lambda: SequenceModel(
        keras.layers.LSTM(6, return_sequences=True, dropout=0.5), estimating_rbm()
    ),
    "stacked": lambda: SequenceModel(
        [keras.layers.LSTMCell(6), keras.layers.GRUCell(4)],
        ConditionalRBM(8, 5, visibles="gaussian", seed=0),
    ),
    "dbn": lambda: SequenceModel(
        keras.layers.SimpleRNNCell(6), ConditionalDBN(8, (5, 4), 2, num_samples=20, seed=0)
    ),
    "nade": lambda: SequenceModel(keras.layers.GRUCell(6), NADE(8, 5, seed=0)),
    "tied_nade": lambda: SequenceModel(
        FrameHistory(lags=(1, 3), decays=(0.5,)),
        TiedNADE(8, (6, 4), 5, layout=((2, 2), (1, "octave")), octave=3, seed=0),
    ),
    "lstbm": lambda: LSTBMModel(8, 3, seed=0),
    "no_memory": lambda: SequenceModel(None, BernoulliHead(8, seed=0)),
    "no_memory_estimate": lambda: SequenceModel(None, estimating_rbm()),
}
WITH_MEMORY = ["simple_rnn", "lstm", "stacked", "dbn", "nade", "tied_nade", "lstbm"]
WITH_HIDDEN_UNITS = ["simple_rnn", "dbn", "lstbm", "no_memory_estimate"]


class Exported:
    def __init__(self, model, path):
        self.model, self.path = model, path
        self.has_memory = model.memory is not None
        self.loaded = tf.saved_model.load(str(path))

    def __call__(self, name, **inputs):
        outputs = self.loaded.signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        return {k: v.numpy() for k, v in outputs.items()}

    def start(self, rows):
        return self("initial_state", rows=np.zeros(rows, "int32")) if self.has_memory else {}

    def generate(self, state, seed, num_steps, first_step=0, temperature=1.0):
        rows = len(seed)
        return self(
            "generate",
            seed=seed,
            first_step=np.full(rows, first_step, "int32"),
            num_steps=np.full(rows, num_steps, "int32"),
            temperature=np.full(rows, temperature, "float32"),
            **state,
        )


def state_of(outputs):
    """The state for the next call, from the outputs of the last one."""
    return {name.removeprefix("next_"): x for name, x in outputs.items() if name != "frames"}


def randomised(model):
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.4))
    return model


def frames_for(model):
    rng = np.random.default_rng(2)
    shape = (len(LENGTHS), max(LENGTHS), model.head.visible_units)
    if model.head.visibles == "gaussian":
        return rng.normal(size=shape).astype("float32")
    return rng.integers(0, 2, shape).astype("float32")


def exporter(folder):
    """A function from a name in MODELS to an `Exported`, made when it is first asked for."""
    made = {}

    def get(name):
        if name not in made:
            model = randomised(MODELS[name]())
            made[name] = Exported(model, model.export(folder / name / "1"))
        return made[name]

    return get


def metagraph(path):
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


def nodes(path):
    graph = metagraph(path).graph_def
    return [*graph.node, *(node for f in graph.library.function for node in f.node_def)]


def foreign_operations(path):
    """Operations that a server does not have, or that depend on its machine or on a state."""
    own = {f.signature.name for f in metagraph(path).graph_def.library.function}
    foreign = ("PyFunc", "EagerPyFunc", "Xla", "Cudnn", "Random", "Multinomial", "Print")
    return {
        node.op
        for node in nodes(path)
        if (node.op not in own and op_def_registry.get(node.op) is None)
        or any(word in node.op for word in foreign)
        or node.attr["_XlaMustCompile"].b
    }


def check_signatures(signatures, expected):
    """Refuses signatures other than the expected ones, or of other types or fixed rows.

    Args:
        signatures: Those of a SavedModel.
        expected: Pairs of the names of inputs and of outputs, by the name of the signature.
    """
    assert set(signatures) == {"serving_default", *expected}
    for name, (inputs, outputs) in expected.items():
        given = signatures[name].structured_input_signature[1]
        assert (set(given), set(signatures[name].structured_outputs)) == (inputs, outputs)
        for spec in [*given.values(), *signatures[name].structured_outputs.values()]:
            assert spec.shape[0] is None and spec.dtype in (tf.float32, tf.int32)
