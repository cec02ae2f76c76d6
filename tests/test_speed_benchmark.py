"""`benchmarks/speed.py` and the picture of its results."""

import json
import pickle

import pytest

from benchmarks import growth, speed


def test_contenders_can_be_sent_to_processes_of_their_own():
    for _, contenders, _ in speed.TABLES.values():
        assert len(contenders) == len(pickle.loads(pickle.dumps(contenders))) > 0


def test_a_table_replaces_its_own_results_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "RESULTS", tmp_path / "speed.json")
    for name, peak in [("sfm", 1), ("ais", 2), ("sfm", 3)]:
        speed.write(name, {"peak_gflops": peak})
    results = json.loads(speed.RESULTS.read_text())
    assert {name: table["peak_gflops"] for name, table in results.items()} == {"sfm": 3, "ais": 2}
    assert results["sfm"]["machine"] == speed.machine()


def test_the_picture_has_a_curve_over_the_sizes_that_were_measured(tmp_path):
    pytest.importorskip("matplotlib")
    contenders = json.loads(speed.RESULTS.read_text())["sfm_batch"]["contenders"]
    sizes, values = growth.curve(contenders, "sfm", 0, "ms")
    assert sizes == (1, 8, 32, 128, 256)
    assert values[1] == contenders["sfm, 8 x 100"]["ms"]
    growth.main(tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
