"""Rooms that need TensorFlow refuse to work without it, with what to install."""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import JAX

import seqlayers
from seqlayers import backends, datasets

GOLDEN = Path(__file__).parent / "goldens" / "0.1" / "rnn_nade.keras"
needs_jax = pytest.mark.skipif(not JAX, reason="needs Keras on JAX")


@needs_jax
@pytest.mark.parametrize("room", ["models", "export", "callbacks"])
def test_rooms_that_run_on_tensorflow_alone_name_it(room):
    with pytest.raises(ImportError, match=r"needs Keras on TensorFlow.*seqlayers\[tensorflow\]"):
        importlib.import_module(f"seqlayers.{room}")


@needs_jax
def test_a_file_of_a_model_that_runs_on_tensorflow_alone_names_it():
    with pytest.raises(ImportError, match='`RNNNADE` needs Keras on TensorFlow.*on "jax"'):
        seqlayers.load_model(GOLDEN)


def test_another_backend_is_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ImportError, match=r"`it` needs Keras on TensorFlow.*Received: .*torch"):
        backends.check_keras_on_tensorflow("it")


def test_datasets_of_tensorflow_name_it_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    match = r"`datasets.batches` needs TensorFlow; install it by `pip install 'seqlayers\[tens"
    with pytest.raises(ImportError, match=match):
        datasets.batches([np.ones((3, 2))])
