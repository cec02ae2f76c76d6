"""`benchmarks/gpu.py` runs to its end on a CPU, and counts what it says it does."""

import importlib.util
import json
import subprocess
import sys

import pytest

from benchmarks import gpu
from benchmarks.contenders.counts import Product, Sizes, backward, layer_products, work


def test_a_product_counts_two_operations_for_each_pair_and_every_number_once():
    assert work([Product(2, 3, 5)]) == (60, 4 * (6 + 15 + 10))
    assert work([Product(2, 3, 5, steps=7, number=4)]) == (28 * 60, 28 * 4 * 31)


def test_a_backward_pass_has_as_many_operations_for_operands_and_for_weights():
    loop, data = Product(2, 3, 5, steps=7), Product(14, 3, 5, of_data=True)
    assert work(backward([loop]))[0] == 2 * work([loop])[0]
    assert work(backward([data]))[0] == work([data])[0]


def test_an_lstm_beside_a_layer_has_about_its_work():
    for layer in ("SFM", "AdaptiveSFM", "ConvLSTMPatch", "LSTBM"):
        ours, theirs = (
            work(layer_products(layer, contender, Sizes(), 32, 100, True))[0]
            for contender in ("layer", "lstm")
        )
        assert ours == pytest.approx(theirs, rel=0.02)


@pytest.mark.long
@pytest.mark.parametrize("library", ["jax", "torch"])
def test_the_small_form_times_and_checks_a_layer(library, tmp_path):
    for needed in {"jax", library}:
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    if library == "jax":
        only, contenders = "LSTBM, train, 8 x 5", {"LSTBM", "keras.layers.RNN(LSTBMCell)"}
    else:
        only, contenders = "CD-15, 20 x 30, 256 frames", {"PyTorch"}
    command = [sys.executable, gpu.__file__, "--small", "--only", only]
    command += ["--out", tmp_path / "gpu.json"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert contenders <= {row["contender"] for row in report["figures"]}
    assert not any(row["failed"] for row in report["left_out"])
    for row in report["figures"]:
        assert row["contender"] in result.stdout
        assert row["checks"] and all(value <= limit for value, limit in row["checks"].values())


def test_figures_that_do_not_exist_are_refused():
    with pytest.raises(SystemExit, match="CD-15.*Received: GRU"):
        gpu.main(small=True, only="GRU")
