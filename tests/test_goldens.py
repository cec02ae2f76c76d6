"""`.keras` files of earlier versions load and answer as they did; `goldens/make.py` made them."""

from pathlib import Path

import keras
import numpy as np
import pytest
from goldens.make import frames

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


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MODELS)
def test_models_of_sequences_score_and_draw_as_they_did(version, name):
    answers = np.load(FOLDER / version / "answers.npz")
    model = keras.saving.load_model(FOLDER / version / f"{name}.keras")
    x = list(frames(list(MODELS).index(name), MODELS[name]))
    assert model.optimizer.iterations == 2
    assert model.score(x, batch_size=3).nats == pytest.approx(answers[f"{name}.score"], abs=1e-5)
    drawn = model.generate(num_steps=5, num_sequences=2, seed=3)
    np.testing.assert_allclose(drawn, answers[f"{name}.generate"], atol=1e-4)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_graph_of_all_layers_answers_as_it_did(version):
    answers = np.load(FOLDER / version / "answers.npz")
    outputs = keras.saving.load_model(FOLDER / version / "graph.keras")(frames())
    for number, output in enumerate(outputs):
        np.testing.assert_allclose(output, answers[f"graph.{number}"], atol=1e-5)
