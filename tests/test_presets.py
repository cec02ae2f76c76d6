"""Presets: written and read, and the ones that ship."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from seqlayers import presets
from seqlayers.__main__ import cli
from seqlayers.datasets import piano_roll
from seqlayers.heads import NADE, ConditionalRBM
from seqlayers.models import RNNNADE, RNNRBM, Mixture, SequenceModel, likelihood

ROOT = Path(__file__).parents[1]
SERVED = sorted((ROOT / "saved_models").glob("*/*/assets.extra/preset.json"))
CARD = presets.Card("toy", "jsb_chorales", "free", "music", 1, [], {}, {"nats": 0.0}, {"nats": 0.0})
shipped = pytest.mark.parametrize("name", presets.names())

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    cells = [keras.layers.GRUCell(3, dropout=0.2), keras.layers.LSTMCell(4)]
    model = RNNNADE(5, 4, 4, cell=cells, seed=1)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    model.compile("adam", jit_compile=False)
    return model


def test_a_preset_is_the_model_in_float16(model, folder, rng):
    frames = [rng.integers(0, 2, (n, 5)).astype("float32") for n in (7, 4)]
    before = [np.copy(w) for w in model.get_weights()]
    presets.write(folder, "toy", model, CARD)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    presets.round_weights(model)
    loaded = SequenceModel.from_preset("toy")
    assert type(loaded) is RNNNADE and loaded.memory.cell.cells[0].dropout == 0.2
    for old, rounded, weight in zip(before, model.get_weights(), loaded.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), rounded)
        np.testing.assert_allclose(rounded, old, rtol=1e-3, atol=1e-7)
    loaded.compile(jit_compile=False)
    assert loaded.score(frames) == model.score(frames)
    np.testing.assert_array_equal(loaded.generate(6, seed=3), model.generate(6, seed=3))
    assert presets.read("toy").card == CARD and presets.names() == ["toy"]
    assert type(RNNNADE.from_preset("toy")) is RNNNADE
    with pytest.raises(ValueError, match="of a `RNNRBM`.*Received: 'toy', a `RNNNADE`"):
        RNNRBM.from_preset("toy")


def test_a_mixture_is_a_preset_too(folder, rng):
    parts = [SequenceModel(cell, NADE(5, 3)) for cell in (None, keras.layers.GRUCell(3))]
    model = Mixture(parts)
    model.initial_context.assign(rng.normal(size=3))
    presets.round_weights(model)
    presets.write(folder, "toy", model, CARD)
    loaded = Mixture.from_preset("toy")
    frames = rng.integers(0, 2, (2, 4, 5)).astype("float32")
    for each in (model, loaded):
        each.compile(jit_compile=False)
    assert loaded.score(frames) == model.score(frames)


def test_wrong_presets_are_refused_by_name(model, folder):
    for name in ("one", "other"):
        presets.write(folder, name, model, CARD)
        model.initial_context.assign_add(np.ones(4))
    with pytest.raises(ValueError, match="must be one of one, other. Received: 'bach'"):
        SequenceModel.from_preset("bach")
    (folder / "one.npz").write_bytes((folder / "other.npz").read_bytes())
    with pytest.raises(ValueError, match="one.npz: the weights must be those of one.json"):
        presets.load("one")
    (folder / "one.json").write_text("{}")
    with pytest.raises(ValueError, match="one.json: the file must hold a preset"):
        presets.load("one")
    model.initial_context.assign(1e5 * np.ones(4))
    for refused in (presets.round_weights, lambda m: presets.write(folder, "two", m, CARD)):
        with pytest.raises(
            ValueError, match="at most 65504. Received: 100000.0 in .*initial_context"
        ):
            refused(model)
    assert presets.names() == ["one", "other"]


def test_an_older_keras_can_read_a_config(model, folder):
    presets.write(folder, "toy", model, CARD)
    text = (folder / "toy.json").read_text()
    assert "_initializer" not in text and "compile_config" not in text


@pytest.mark.slow
def test_the_tool_makes_a_card_that_a_score_repeats(folder, tmp_path, monkeypatch):
    """A run of one epoch, from the command line to the card."""
    run = tmp_path / "run"
    train = "train --dataset jsb_chorales --model rnn-bernoulli --recurrent-units 3 --epochs 1"
    done = CliRunner().invoke(cli, [*train.split(), "--batch-size", "64", "--out", str(run)])
    assert done.exit_code == 0, done.output
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "tables")
    importlib.import_module("presets").main("toy", [run], folder)
    card = presets.read("toy").card
    assert card.first["nats"] == card.test["nats"] < -5 and card.test["frames"] == 4725
    (training,) = card.training
    assert "--recurrent-units 3" in training["command"] and training["epoch_chosen"] == 1
    score = presets.load("toy").score(piano_roll.load("jsb_chorales").test)
    assert score.nats == pytest.approx(card.test["nats"], abs=1e-5)


# The presets that ship.


def test_a_preset_ships_and_one_is_exported():
    assert presets.names() and SERVED


def test_all_presets_together_are_small():
    assert sum(path.stat().st_size for path in presets.FOLDER.iterdir() if path.is_file()) < 3e6


@pytest.mark.slow
@shipped
def test_a_card_has_the_score_of_the_weights_that_ship(name, monkeypatch):
    monkeypatch.setattr(likelihood, "_FRAMES_AT_ONCE", 256)  # a quarter of the memory
    card = presets.read(name).card
    model = SequenceModel.from_preset(name)
    first = piano_roll.load(card.dataset).test[: card.first["sequences"]]
    assert model.count_params() == card.weights
    # XLA pays off for the steps of annealing; it takes longer to compile an exact head than to run.
    model.compile(jit_compile=card.first["kind"] != "exact")
    if not isinstance(model.head, ConditionalRBM):
        assert card.first["kind"] == "exact"
    # An estimate repeats with its seed, but annealing multiplies differences of rounding.
    near = 2e-3 if card.first["kind"] == "exact" else 0.05
    assert model.score(first).nats == pytest.approx(card.first["nats"], abs=near)
    assert all(each["command"] and "seed" in each for each in card.training)


# What TensorFlow alone does with an export.
ALONE = """
import sys
import numpy as np

sys.modules["keras"] = None  # TensorFlow imports it by itself where it finds it; not here
import tensorflow as tf

folder, given, made = sys.argv[1:]
score = tf.saved_model.load(folder).signatures["score"]
with np.load(given) as data:
    outputs = score(**{name: tf.constant(data[name]) for name in data})
np.save(made, outputs["log_prob"].numpy())
assert not {"seqlayers", "keras.src", "tensorflow_probability"} & set(sys.modules)
"""


@pytest.mark.long
@pytest.mark.parametrize("path", SERVED, ids=lambda path: path.parts[-4])
def test_an_exported_preset_scores_as_its_card_with_tensorflow_alone(path, tmp_path):
    told, folder = json.loads(path.read_text()), path.parents[1]
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 1e6
    card = presets.read(told["name"]).card
    assert told == {"name": told["name"]} | json.loads(json.dumps(card._asdict()))
    first = piano_roll.load(card.dataset).test[: card.first["sequences"]]
    lengths = np.array([len(roll) for roll in first], "int32")
    frames = np.zeros((len(first), lengths.max(), first[0].shape[1]), "float32")
    for row, roll in zip(frames, first, strict=True):
        row[: len(roll)] = roll
    seed = np.zeros((len(first), 2), "int32")
    np.savez(tmp_path / "given.npz", frames=frames, lengths=lengths, seed=seed)
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, folder, tmp_path / "given.npz", tmp_path / "made.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    nats = np.load(tmp_path / "made.npy").sum() / lengths.sum()
    assert nats == pytest.approx(card.first["nats"], abs=2e-3)
