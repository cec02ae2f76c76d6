"""`.keras` files of earlier versions load and answer as they did; `goldens/make.py` made them."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from goldens.make import frames
from packaging.version import Version

import seqlayers  # noqa: F401 - registers what the files name

FOLDER = Path(__file__).parent / "goldens"
VERSIONS = ["0.1"]
MODELS = {
    "rnn_rbm": True,
    "rnn_nade": True,
    "rnn_dbn": True,
    "rnn_dbn_contrastive": True,
    "for_spectrograms": False,
    "lstbm": False,
    "rtrbm": True,
    "trbm": True,
    "stack": True,
    "rbm": True,
    "rbm_gamma": False,
}
# Arguments of initializers that Keras 3.15 writes and 3.13 does not know; None in these files.
NEW_KEYS = {"input_axes", "output_axes"}


@pytest.fixture
def load(tmp_path):
    """Loads a golden; if its Keras is newer than the installed one, without `NEW_KEYS`."""

    def without_new_keys(config):
        assert all(config.get(key) is None for key in NEW_KEYS)
        return {key: value for key, value in config.items() if key not in NEW_KEYS}

    def load(path):
        with zipfile.ZipFile(path) as golden:
            members = {name: golden.read(name) for name in golden.namelist()}
        written_by = Version(json.loads(members["metadata.json"])["keras_version"])
        if written_by > Version(keras.__version__):
            config = json.loads(members["config.json"], object_hook=without_new_keys)
            members["config.json"] = json.dumps(config)
            path = tmp_path / path.name
            with zipfile.ZipFile(path, "w") as readable:
                for name, content in members.items():
                    readable.writestr(name, content)
        return keras.saving.load_model(path)

    return load


@pytest.mark.tensorflow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MODELS)
def test_models_of_sequences_score_and_draw_as_they_did(version, name, load):
    answers = np.load(FOLDER / version / "answers.npz")
    model = load(FOLDER / version / f"{name}.keras")
    x = list(frames(list(MODELS).index(name), MODELS[name]))
    assert model.optimizer.iterations == 2 and model.uses_xla
    model.compile(model.optimizer, jit_compile=False)  # a graph is made in half the time
    assert model.score(x, batch_size=3).nats == pytest.approx(answers[f"{name}.score"], abs=1e-5)
    drawn = model.generate(num_steps=5, num_sequences=2, seed=3)
    np.testing.assert_allclose(drawn, answers[f"{name}.generate"], atol=1e-4)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_graph_of_all_layers_answers_as_it_did(version, load):
    answers = np.load(FOLDER / version / "answers.npz")
    outputs = load(FOLDER / version / "graph.keras")(frames())
    for number, output in enumerate(outputs):
        np.testing.assert_allclose(output, answers[f"graph.{number}"], atol=1e-5)
