"""An exported model works without this package: in another Python, in C, as its README shows."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from export_helpers import LENGTHS, SEEDS, exporter, frames_for, metagraph, state_of


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return exporter(tmp_path_factory.mktemp("exports"))


ELSEWHERE = """
import sys
import numpy as np

sys.modules["keras"] = None  # TensorFlow imports it by itself where it finds it; not here
import tensorflow as tf

for path in sys.argv[1:]:
    given = np.load(path + "/given.npz")
    signatures = tf.saved_model.load(path).signatures
    frames, lengths, seed = (tf.constant(given[name]) for name in ("frames", "lengths", "seed"))
    made = {"serve": signatures["serve"](frames=frames, lengths=lengths)}
    made["score"] = signatures["score"](frames=frames, lengths=lengths, seed=seed)
    state = {}
    if "step" in signatures:
        state = signatures["initial_state"](rows=lengths)
        after = signatures["step"](frame=frames[:, 0], **state)
        state = {name.removeprefix("next_"): x for name, x in after.items()}
    ones = tf.ones_like(lengths)
    made["generate"] = signatures["generate"](
        seed=seed, first_step=0 * ones, num_steps=4 * ones, temperature=tf.ones(len(seed)), **state
    )
    flat = {f"{e}/{name}": x.numpy() for e, outputs in made.items() for name, x in outputs.items()}
    np.savez(path + "/made.npz", **flat)

strangers = {"seqlayers", "keras.src", "tf_keras", "tensorflow_probability"} & set(sys.modules)
assert not strangers, strangers
"""


@pytest.mark.slow
def test_an_export_works_in_a_process_without_seqlayers(exports, tmp_path):
    names, copies = ["lstm"], []
    for name in names:
        copy = tmp_path / name
        shutil.copytree(exports(name).path, copy)
        frames = frames_for(exports(name).model)
        np.savez(copy / "given.npz", frames=frames, lengths=LENGTHS, seed=SEEDS)
        copies.append(copy)
    run_alone(ELSEWHERE, copies, tmp_path)
    for name, copy in zip(names, copies, strict=True):
        exported, made = exports(name), np.load(copy / "made.npz")
        frames = frames_for(exported.model)
        state = exported.start(4)
        if state:
            state = state_of(exported("step", frame=frames[:, 0], **state))
        expected = {
            "serve": exported("serve", frames=frames, lengths=LENGTHS),
            "score": exported("score", frames=frames, lengths=LENGTHS, seed=SEEDS),
            "generate": exported.generate(state, SEEDS, 4),
        }
        for endpoint, outputs in expected.items():
            for output, values in outputs.items():
                np.testing.assert_allclose(made[f"{endpoint}/{output}"], values, rtol=1e-5)


# What a server in C or C++ does: no Python of TensorFlow's, only its library.
IN_C = """
import json, sys
from ctypes import *
import numpy as np
import numpy.random  # before the library, which brings symbols of the same names

libraries, folder, calls, out = sys.argv[1:]
for name in ("framework", "cc"):
    tf = CDLL(f"{libraries}/libtensorflow_{name}.so.2", RTLD_GLOBAL)
for name in "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel".split():
    getattr(tf, "TF_" + name).restype = c_void_p
for name in "GraphOperationByName AllocateTensor TensorData".split():
    getattr(tf, "TF_" + name).restype = c_void_p
tf.TF_Message.restype, tf.TF_Dim.restype = c_char_p, c_int64
status, graph = c_void_p(tf.TF_NewStatus()), c_void_p(tf.TF_NewGraph())
TYPES = {1: np.float32, 3: np.int32}

class Output(Structure):
    _fields_ = [("operation", c_void_p), ("index", c_int)]

def check():
    if tf.TF_GetCode(status):
        raise RuntimeError(tf.TF_Message(status).decode())

def output(name):
    operation, index = name.split(":")
    operation = tf.TF_GraphOperationByName(graph, operation.encode())
    assert operation, name
    return Output(operation, int(index))

def tensor(values):
    code = {dtype: code for code, dtype in TYPES.items()}[values.dtype.type]
    shape = (c_int64 * values.ndim)(*values.shape)
    made = tf.TF_AllocateTensor(code, shape, values.ndim, c_size_t(values.nbytes))
    memmove(tf.TF_TensorData(c_void_p(made)), values.ctypes.data, values.nbytes)
    return made

def array(made):
    made = c_void_p(made)
    shape = [tf.TF_Dim(made, i) for i in range(tf.TF_NumDims(made))]
    values = np.empty(shape, TYPES[tf.TF_TensorType(made)])
    memmove(values.ctypes.data, tf.TF_TensorData(made), values.nbytes)
    return values

options, tag = c_void_p(tf.TF_NewSessionOptions()), (c_char_p * 1)(b"serve")
session = tf.TF_LoadSessionFromSavedModel(
    options, None, folder.encode(), tag, 1, graph, None, status
)
check()
made = {}
for name, (inputs, outputs) in json.load(open(calls)).items():
    given = [tensor(np.array(v, t).reshape(shape)) for _, v, t, shape in inputs]
    results = (c_void_p * len(outputs))()
    tf.TF_SessionRun(
        c_void_p(session), None,
        (Output * len(given))(*(output(t) for t, *_ in inputs)), (c_void_p * len(given))(*given),
        len(given), (Output * len(outputs))(*map(output, outputs.values())), results, len(outputs),
        None, 0, None, status,
    )
    if name.startswith("wrong"):
        made[name] = np.array(tf.TF_Message(status).decode())
        continue
    check()
    made |= {f"{name}/{key}": array(result) for key, result in zip(outputs, results)}
assert not [name for name in sys.modules if name.startswith(("tensorflow", "keras", "seqlayers"))]
np.savez(out, **made)
"""


@pytest.mark.slow
def test_an_export_works_from_the_c_api(exports, tmp_path):
    libraries = Path(tf.sysconfig.get_lib())
    if not (libraries / "libtensorflow_cc.so.2").exists():
        pytest.skip("needs libtensorflow_cc.so.2, which this build of TensorFlow lacks")
    exported = exports("simple_rnn")
    frames, state = frames_for(exported.model), exported.start(4)
    ones = np.ones(4, "int32")
    drawn = {"seed": SEEDS, "first_step": 0 * ones, "num_steps": 5 * ones}
    inputs = {
        "score": {"frames": frames, "lengths": LENGTHS, "seed": SEEDS},
        "step": {"frame": frames[:, 0], **state},
        "generate": {"temperature": ones.astype("float32"), **drawn, **state},
        "serve": {"frames": frames[:, :0], "lengths": 0 * ones},
        "prime": {"frames": frames[:, :0], "lengths": 0 * ones, **state},
        "wrong step": {"frame": frames[:, 0, :-1], **state},
    }
    calls = {}
    for name, given in inputs.items():
        signature = metagraph(exported.path).signature_def[name.split()[-1]]
        calls[name] = (
            [
                (signature.inputs[k].name, v.tolist(), v.dtype.name, v.shape)
                for k, v in given.items()
            ],
            {key: tensor.name for key, tensor in signature.outputs.items()},
        )
    (tmp_path / "calls.json").write_text(json.dumps(calls))
    arguments = (libraries, exported.path, tmp_path / "calls.json", tmp_path / "made.npz")
    run_alone(IN_C, arguments, tmp_path)
    made = np.load(tmp_path / "made.npz")
    wrong = str(made["wrong step"])
    assert "frame" in wrong and "[4,7]" in wrong and "[?,8]" in wrong, wrong
    del inputs["wrong step"]
    for name, given in inputs.items():
        for output, values in exported(name, **given).items():
            np.testing.assert_allclose(made[f"{name}/{output}"], values, rtol=1e-5, atol=1e-6)


def test_the_python_of_the_readme_runs(exports, tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[1] / "saved_models" / "README.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.copytree(exports("simple_rnn").path, tmp_path / "saved_models" / "music_rnn_rbm" / "1")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    printed = capsys.readouterr().out
    assert "frames drawn: 48" in printed and "nats per frame" in printed


def run_alone(code, arguments, folder):
    """Runs `code` in a Python of its own that does not see this checkout."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
