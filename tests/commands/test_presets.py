"""`seqlayers presets`, and `--preset` of the other commands."""

import json

import pytest
from commands.helpers import refused, succeeds

from seqlayers import presets
from seqlayers.datasets import midi


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    """The folder of a preset made from a run."""
    from seqlayers.runs import loading

    folder = tmp_path_factory.mktemp("presets")
    model, _ = loading.load_model(trained[0])
    presets.round_weights(model)
    score = {"nats": -12.5, "kind": "exact"}
    training = {"command": "seqlayers train", "seed": 5, "epochs": 12, "epoch_chosen": 10}
    training |= {"validation": -12.0, "seconds": 1234}
    card = presets.Card(
        "A toy", "jsb_chorales", "free", "dancing", 10, [training], {"keras": "3"}, score, score
    )
    presets.write(folder, "toy", model, card)
    return folder


@pytest.fixture(autouse=True)
def toy(folder, monkeypatch):
    monkeypatch.setattr(presets, "FOLDER", folder)


def test_presets_are_listed_and_described():
    assert succeeds("presets").split() == ["toy", "-12.500", "exact", "A", "toy"]
    said = succeeds("presets", "toy")
    parts = ["seed 5, epoch 10 of 12", "1,234 s", "keras 3", "Not for: dancing", "Licence: free"]
    assert [part for part in [*parts, "four-part chorales"] if part not in said] == []
    assert "must be one of toy. Received: 'bach'" in refused("presets", "bach")


def test_a_preset_makes_music_in_the_time_step_of_its_data(tmp_path):
    said = succeeds("generate", "--preset", "toy", "--out", tmp_path, "--steps", 6)
    assert said.split() == [str(tmp_path / f"seed0_{n}.mid") for n in (1, 2, 3, 4)]
    (*_, tempo) = midi.read(tmp_path / "seed0_1.mid", 1.0).shape  # quarter notes, as in the set
    assert tempo == 88
    assert len(midi.read(tmp_path / "seed0_1.mid", 1.0)) <= 6
    assert len(midi.read(tmp_path / "seed0_1.mid", 0.5)) > 6


def test_a_preset_is_scored_on_its_own_test_split_or_on_other_data(music):
    told = json.loads(succeeds("score", "--preset", "toy", "--json"))
    assert (told["model"], told["data"], told["frames"]) == ("toy", "jsb_chorales test", 4725)
    adapted = json.loads(succeeds("score", "--preset", "toy", "--adapt", 0.01, "--json"))
    assert adapted["kind"] == "adapted" and told["nats"] < adapted["nats"] < 0
    told = json.loads(
        succeeds("score", "--preset", "toy", "--midi", music, "--json").splitlines()[-1]
    )
    assert told["data"] == str(music)


@pytest.mark.slow
def test_an_exported_preset_has_its_card(tmp_path):
    path = tmp_path / "served" / "1"
    assert succeeds("export", "--preset", "toy", path).split()[-1] == str(path)
    told = json.loads((path / "assets.extra" / "preset.json").read_text())
    assert told == {"name": "toy"} | presets.read("toy").card._asdict()


def test_steps_of_adaptation_need_its_rate():
    assert "needs `--adapt`" in refused("score", "--preset", "toy", "--adapt-steps", 4)
    assert "--adapt" in refused("score", "--preset", "toy", "--adapt", -1)


@pytest.mark.parametrize("command", ["generate", "score", "export"])
def test_exactly_one_source_is_taken(command, trained, tmp_path):
    out = {"generate": ["--out", tmp_path / "x"], "export": [tmp_path / "x"], "score": []}[command]
    assert "must be one of toy" in refused(command, "--preset", "bach", *out)
    assert "Received: both" in refused(command, trained[0], "--preset", "toy", *out)
    assert "Received: none" in refused(command, *out)
    assert "does not exist" in refused(command, tmp_path / "nothing", *out)
    assert not (tmp_path / "x").exists()
