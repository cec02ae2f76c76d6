"""Fixtures and hooks of all tests. The environment is set before anything imports TensorFlow."""

import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
os.environ["MPLBACKEND"] = "Agg"

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
LONG = ("test_examples", "commands/", "test_export", "test_package", "models/", "layers/")


def pytest_collection_modifyitems(items):
    """Long files first, so that all processes end at about the same time."""

    def place(item):
        path = item.path.relative_to(ROOT).as_posix()
        return next((n for n, part in enumerate(LONG) if part in path), len(LONG))

    items.sort(key=place)


def pytest_collection_finish():
    """Spares the garbage collector what was imported: a tenth of the time went there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="module", autouse=True)
def graphs_are_dropped():
    """Drops after each file the graphs and compiled loops that would stay until the process ends.

    TensorFlow keeps the gradient of every `tf.custom_gradient` that it traced, and with it the
    whole graph around it; `scan` keeps what it compiled for each recurrence.
    """
    yield
    if ops := sys.modules.get("tensorflow.python.framework.ops"):
        gradients = ops.gradient_registry._registry  # it has no method to take one out
        for name in [name for name in gradients if name.startswith("CustomGradient-")]:
            del gradients[name]
    if scan := sys.modules.get("seqlayers.layers.scan_tensorflow"):
        scan._forward.cache_clear()
        scan._backward.cache_clear()
    gc.collect()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def sentence():
    """Samples of a spoken sentence, `Shall I carry you.`, 1.5 s at 16 kHz."""
    from seqlayers.datasets import speech

    return speech.load_examples()[2].samples


@pytest.fixture(scope="session")
def shared_data():
    """Recordings too large to ship, in a folder beside the checkout."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("needs ../shared/data, recordings that are not shipped with the code")
    return path
