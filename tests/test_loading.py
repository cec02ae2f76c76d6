"""`seqlayers.load_model`: any `.keras` file, or an error that names it and what is missing."""

import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import seqlayers
from seqlayers.layers import TanhGated

X = np.ones((1, 3, 2), "float32")


@keras.saving.register_keras_serializable("elsewhere")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    keras.Sequential([keras.Input((None, 2)), TanhGated(3), Halved()]).save(path)
    return path


def test_a_model_with_layers_of_ours_loads(file):
    expected = keras.saving.load_model(file)(X)
    np.testing.assert_array_equal(seqlayers.load_model(file)(X), expected)
    np.testing.assert_array_equal(seqlayers.load_model(str(file))(X), expected)


@pytest.mark.slow
def test_a_class_that_is_not_registered_is_named(file):
    code = f"import seqlayers; seqlayers.load_model({str(file)!r})"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = process.stderr.strip().splitlines()[-1]
    assert "FileError" in last and str(file) in last and "`Halved`" in last
    assert "import the module that defines it" in last and len(last) < 500


def test_what_is_no_model_is_refused_by_name(file, tmp_path):
    whole = file.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2]):
        damaged = tmp_path / "damaged.keras"
        damaged.write_bytes(content)
        with pytest.raises(ValueError, match="damaged.keras.*whole .keras file"):
            seqlayers.load_model(damaged)
    with pytest.raises(ValueError, match="folder"):
        seqlayers.load_model(tmp_path)
    with pytest.raises(FileNotFoundError):
        seqlayers.load_model(tmp_path / "missing.keras")


def test_a_model_of_a_newer_keras_is_refused_with_what_to_install(file, tmp_path):
    newer = tmp_path / "newer.keras"
    with zipfile.ZipFile(file) as saved, zipfile.ZipFile(newer, "w") as changed:
        for name in saved.namelist():
            content = saved.read(name).decode("latin-1")
            content = content.replace(keras.__version__, "99.1.0").replace('"units"', '"new_units"')
            changed.writestr(name, content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"newer.keras.*'keras>=99.1.0'.* that Keras 99.1.0 saved"):
        seqlayers.load_model(newer)
