"""Other runtimes compute what Keras computes: the tables of docs/runtimes.md, cell by cell."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from export_helpers import LENGTHS, SEEDS, exporter, frames_for
from layers.helpers import step_by_step

from seqlayers import layers

PAGE = Path(__file__).parents[1] / "docs" / "runtimes.md"
FEATURES = 8


def patches(**kwargs):
    return layers.ConvLSTMPatch(4, patch_size=3, patch_stride=2, pool_size=2, **kwargs)


# What is between the input and a `Dense`, by the text of its row.
MODELS = {
    "`SFM`": lambda: [layers.SFM(5, num_frequencies=3)],
    '`AdaptiveSFM(phase="accumulated")`': lambda: [layers.AdaptiveSFM(5, phase="accumulated")],
    "`AdaptiveSFM`": lambda: [layers.AdaptiveSFM(5)],
    '`SFM`, `AdaptiveSFM(phase="accumulated")`, `gates="input"`': lambda: [
        layers.SFM(5, num_frequencies=3, gates="input", return_sequences=True),
        layers.AdaptiveSFM(5, phase="accumulated", gates="input"),
    ],
    "`PeepholeLSTM`": lambda: [layers.PeepholeLSTM(6, projection_units=4)],
    "`ConvLSTMPatch`": lambda: [patches(return_sequences=True)],
    "`LSTBM`, `BoltzmannRNN`": lambda: [
        layers.LSTBM(5, return_sequences=True),
        layers.BoltzmannRNN(5),
    ],
    "`TanhGated`": lambda: [layers.TanhGated(5)],
    "`Delay`": lambda: [layers.TanhGated(5, return_sequences=True), layers.Delay()],
    "our cells in `keras.layers.RNN`": lambda: [
        keras.layers.RNN([layers.SFMCell(4, recurrent_output="per_frequency"), layers.LSTBMCell(5)])
    ],
    "`keras.layers.Bidirectional`": lambda: [
        keras.layers.Bidirectional(layers.LSTBM(5, return_sequences=True)),
        keras.layers.Bidirectional(patches(flatten=True)),
    ],
    "`keras.layers.Masking`": lambda: [
        keras.layers.Masking(),
        keras.layers.Bidirectional(layers.PeepholeLSTM(5, return_sequences=True)),
        layers.SFM(5),
    ],
    "with `keras.layers.GRU`, dropout, backwards": lambda: [
        keras.layers.GRU(7, return_sequences=True),
        layers.SFM(5, dropout=0.5, go_backwards=True),
    ],
    '`dtype="mixed_float16"`': lambda: [layers.SFM(5, dtype="mixed_float16")],
    "`jit_compile=True`": lambda: [layers.LSTBM(5, jit_compile=True)],
}
# By the word in a cell of the table: the shapes that agree, and how closely.
PROMISES = {
    "yes": ([(1, 1), (3, 5), (2, 333)], 1e-5),
    "to 20 frames": ([(1, 1), (3, 5), (2, 20)], 1e-5),
    "to 1e-3": ([(1, 1), (3, 5), (2, 333)], 1e-3),
}
# What is raised where there is no promise.
REFUSALS = {
    "ONNX Runtime": "Squeeze node. .* Dimension of input 0 must be 1 instead of 0",
    "OpenVINO": "shape of input data .* conflicts with the reshape pattern",
    "LiteRT": "Select TensorFlow op.* not supported by this interpreter",
}


def table(title):
    """Rows of the table below a title of the page: the first cell and the others by column."""
    section = PAGE.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in re.split(r"\|", line)[1:-1]] for line in lines]
    return {name: dict(zip(header[1:], cells, strict=True)) for name, *cells in rows}


def classifier(row):
    model = keras.Sequential(
        [keras.Input((None, FEATURES), name="frames"), *MODELS[row](), keras.layers.Dense(3)]
    )
    rng = np.random.default_rng(3)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.2))
    called(model, np.zeros((2, 3, FEATURES), "float32"))  # Keras exports what was called
    return model


def called(model, x):
    """Outputs of a model, whose loops are not compiled for each shape."""
    with step_by_step():
        return model(x)


def frames(*shape):
    """Frames, of which a fifth is silence, which `Masking` leaves out."""
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=(*shape, FEATURES)) * (rng.random((*shape, 1)) > 0.2)
    return x.astype("float32")


def imported(module):
    return pytest.importorskip(module, reason=f"{module} is not installed: docs/runtimes.md")


# Each exports a model and returns a function from inputs to outputs, both by name.


def in_onnx_runtime(model, folder):
    imported("tf2onnx")
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    return onnx_session(folder / "model.onnx")


def onnx_session(path):
    runtime = imported("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = [x.name for x in session.get_outputs()]
    return lambda inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True))


def in_openvino(model, folder):
    openvino = imported("openvino")
    model.export(folder / "model", verbose=False)
    converted = openvino.convert_model(folder / "model")
    accuracy = {"INFERENCE_PRECISION_HINT": "f32"}  # else half precision where the CPU has it
    compiled = openvino.Core().compile_model(converted, "CPU", accuracy)
    return lambda inputs: {name: value for x, value in compiled(inputs).items() for name in x.names}


def in_litert(model, folder):
    """For one sequence of any length; the runtime allocates for each length anew."""
    litert = imported("ai_edge_litert.interpreter")
    one = [keras.InputSpec("float32", (1, *x.shape[1:]), name=x.name) for x in model.inputs]
    path = folder / "model.tflite"
    functional = not isinstance(model, keras.Sequential)
    signature = [one] if functional else one
    model.export(path, format="litert", input_signature=signature, verbose=False)
    runner = litert.Interpreter(str(path)).get_signature_runner()
    return lambda inputs: runner(**inputs)


RUNTIMES = {"ONNX Runtime": in_onnx_runtime, "OpenVINO": in_openvino, "LiteRT": in_litert}


def test_the_table_of_models_lists_what_is_tried():
    assert list(table("Models")) == list(MODELS)
    for promises in table("Models").values():
        assert list(promises) == list(RUNTIMES)
        assert set(promises.values()) <= {*PROMISES, "no"}


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("row", MODELS)
def test_a_model_is_what_the_table_promises(row, runtime, tmp_path):
    model, promise = classifier(row), table("Models")[row][runtime]
    if promise == "no":
        with pytest.raises(Exception, match=REFUSALS[runtime]):
            RUNTIMES[runtime](model, tmp_path)({"frames": frames(1, 3)})
        return
    shapes, tolerance = PROMISES[promise]
    run = RUNTIMES[runtime](model, tmp_path)
    for batch, time in shapes:
        x = frames(1 if runtime == "LiteRT" else batch, time)
        (actual,) = run({"frames": x}).values()
        np.testing.assert_allclose(actual, called(model, x), rtol=0, atol=tolerance)


@pytest.mark.slow
def test_layers_of_one_size_are_a_model_of_their_own_in_onnx(tmp_path):
    x = keras.Input((None, FEATURES), name="frames")
    y = layers.LSTBM(5, return_sequences=True)(layers.LSTBM(5, return_sequences=True)(x))
    y = layers.LSTBM(5, return_sequences=True, return_state=True)(keras.layers.Dense(FEATURES)(y))
    model = keras.Model(x, y)
    called(model, frames(1, 2))
    outputs = in_onnx_runtime(model, tmp_path)({"frames": frames(4, 33)})
    for actual, expected in zip(outputs.values(), called(model, frames(4, 33)), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def step_of(cell):
    """The recipe of the page."""
    frame = keras.Input((FEATURES,), name="frame")
    states = [keras.Input((n,), name=f"state_{i}") for i, n in enumerate(cell.state_size)]
    output, after = cell(frame, states)
    after = {f"next_state_{i}": state for i, state in enumerate(after)}
    step = keras.Model([frame, *states], {"output": output} | after)
    step([np.zeros((1, *x.shape[1:]), "float32") for x in step.inputs])
    return step


def stepped(run, x, state_size):
    """Outputs of all steps, from the states that each step returns for the next."""
    states = {f"state_{i}": np.zeros((len(x), n), "float32") for i, n in enumerate(state_size)}
    outputs = []
    for t in range(x.shape[1]):
        results = run({"frame": x[:, t]} | states)
        outputs.append(results["output"])
        states = {name: results[f"next_{name}"] for name in states}
    return np.stack(outputs, 1)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("cls", [layers.SFM, layers.LSTBM])
def test_thousands_of_steps_are_the_layer_over_the_whole_sequence(cls, runtime, tmp_path):
    layer = cls(5, return_sequences=True)
    x = frames(1, 10_000 if runtime == "ONNX Runtime" else 500)
    expected = layer(x)
    run = RUNTIMES[runtime](step_of(layer.cell), tmp_path)
    actual = stepped(run, x, layer.cell.state_size)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


# By the text of its row: an endpoint, its inputs besides the state, and the model that has it.
ENDPOINTS = {
    "`serve`": ("serve", ("frames", "lengths"), "lstbm"),
    "`encode`": ("encode", ("frames", "lengths"), "lstbm"),
    "`decode`": ("decode", ("code",), "lstbm"),
    "`initial_state`": ("initial_state", ("rows",), "lstbm"),
    "`step`": ("step", ("frame",), "lstbm"),
    "`prime`": ("prime", ("frames", "lengths"), "lstbm"),
    "`score` of `NADE`, `BernoulliHead`": ("score", ("frames", "lengths", "seed"), "nade"),
    "`score` of other heads": ("score", ("frames", "lengths", "seed"), "lstbm"),
    "`generate`": ("generate", (), "lstbm"),
}


def works_on_bits(exported, name):
    """Returns whether an endpoint has operations on bits, which ONNX lacks: those of seeds."""
    graph = exported.loaded.signatures[name].graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return not {"BitwiseXor", "BitwiseAnd"}.isdisjoint(node.op for node in nodes)


# In a process of its own: tf2onnx resets TensorFlow, which functions of before do not outlive.
CONVERT = """
import json, sys
import tf2onnx.convert

for path, name, output in json.loads(sys.argv[1]):
    sys.argv[1:] = ["--saved-model", path, "--signature_def", name, "--output", output]
    tf2onnx.convert.main()
"""


@pytest.mark.long
def test_endpoints_of_a_model_of_sequences_are_what_the_table_promises(tmp_path):
    imported("tf2onnx")
    exports = exporter(tmp_path)
    x, ones = frames_for(exports("nade").model), np.ones(len(LENGTHS), "int32")
    given = {"frames": x, "frame": x[:, 0], "lengths": LENGTHS, "rows": ones, "seed": SEEDS}
    given |= {"code": exports("lstbm")("encode", frames=x, lengths=LENGTHS)["code"]}
    promises = table("Models of sequences")
    assert list(promises) == list(ENDPOINTS)
    wanted = {}
    for row, (name, inputs, model) in ENDPOINTS.items():
        # Converting one that does takes 10 seconds, to a file that ONNX Runtime refuses.
        assert works_on_bits(exports(model), name) == (promises[row]["ONNX Runtime"] == "no")
        if promises[row]["ONNX Runtime"] != "no":
            wanted[str(tmp_path / f"{name}.onnx")] = (name, inputs, exports(model))
    jobs = [(str(exported.path), name, path) for path, (name, _, exported) in wanted.items()]
    command = [sys.executable, "-I", "-c", CONVERT, json.dumps(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    for path, (name, inputs, exported) in wanted.items():
        inputs = {key: given[key] for key in inputs}
        inputs |= exported.start(len(x)) if name in ("step", "prime") else {}
        actual = onnx_session(path)(inputs)
        for key, expected in exported(name, **inputs).items():
            np.testing.assert_allclose(actual[key], expected, rtol=0, atol=1e-5)
