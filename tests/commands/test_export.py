"""`seqlayers export`."""

import json

import pytest
from commands.helpers import refused, succeeds


@pytest.mark.slow
def test_export_writes_a_saved_model(trained, tmp_path):
    path = tmp_path / "served" / "1"
    assert succeeds("export", trained[0], path).split()[-1] == str(path)
    assert (path / "saved_model.pb").exists()
    assert f"Received: {path}, which does" in refused("export", trained[0], path)


@pytest.mark.slow
def test_an_exported_model_has_the_settings_of_its_frames(trained_on_sound, tmp_path):
    run = trained_on_sound[0]
    path = tmp_path / "served" / "1"
    succeeds("export", run, path)
    assert (path / "saved_model.pb").exists()
    told = json.loads((path / "assets.extra" / "sound.json").read_text())
    assert told == json.loads((run / "config.json").read_text())["sound"]
