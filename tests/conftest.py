"""Fixtures and hooks of all tests. The environment is set before anything imports TensorFlow.

Under `KERAS_BACKEND=jax` the tests of the rooms that run on JAX run, as if TensorFlow were not
installed. Tests marked `tensorflow` are skipped there.
"""

import collections
import gc
import os
import random
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
os.environ["MPLBACKEND"] = "Agg"

import garbage
import numpy as np
import pytest
from long_cases import is_long

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
if BACKEND != "tensorflow":
    sys.modules |= dict.fromkeys(("tensorflow", "tensorflow_probability", "tf_keras"))
if BACKEND == "jax":
    import jax

    # A loop outside of `jax.jit` is compiled at each call. Kept on disk, it is compiled once.
    programs = tempfile.TemporaryDirectory(prefix="jax_programs")
    jax.config.update("jax_compilation_cache_dir", programs.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

COMPILED = (  # what keeps compiled functions
    ("scan_tensorflow", "_graph"),
    ("chunks_tensorflow", "_loops"),
)
ROOT = Path(__file__).resolve().parents[1]
ON_EVERY_BACKEND = {"audio", "energy", "heads", "layers", "metrics"}
ON_EVERY_BACKEND |= {f"test_{name}.py" for name in ("backends", "goldens", "loading", "sampling")}
LONG = (
    "test_examples",
    "test_workers",
    "test_replicas",
    "test_jax",
    "test_runtimes",
    "commands/",
    "test_export",
    "test_package",
    "test_presets",
    "test_shards",
    "models/",
    "layers/",
    "faults/",
    "energy/",
    "heads/",
    "test_goldens",
    "test_sampling",
    "test_tables",
    "test_callbacks",
)


def pytest_report_header():
    rooms = ", ".join(sorted(ON_EVERY_BACKEND))
    return None if BACKEND == "tensorflow" else f"Keras runs on {BACKEND}: only tests of {rooms}"


def pytest_ignore_collect(collection_path):
    if BACKEND != "tensorflow" and collection_path.is_relative_to(ROOT / "tests"):
        parts = collection_path.relative_to(ROOT / "tests").parts
        return bool(parts) and parts[0] not in ON_EVERY_BACKEND
    return None


def pytest_collection_modifyitems(items):
    """Long files first, so that all processes end at about the same time.

    Tests marked `long`, and those of long_cases.py, are skipped unless SEQLAYERS_TESTS is `all`.
    """
    if os.environ.get("SEQLAYERS_TESTS") != "all":
        for item in items:
            file = item.path.relative_to(ROOT / "tests").as_posix()
            if item.get_closest_marker("long") or is_long(file, item.name):
                item.add_marker(pytest.mark.skip(reason="takes long: make test-all runs it"))
    if BACKEND != "tensorflow":
        for item in items:
            if item.get_closest_marker("tensorflow"):
                item.add_marker(pytest.mark.skip(reason="needs Keras on TensorFlow"))

    def place(item):
        path = item.path.relative_to(ROOT).as_posix()
        return next((n for n, part in enumerate(LONG) if part in path), len(LONG))

    items.sort(key=place)


def pytest_collection_finish():
    garbage.spare()


def pytest_terminal_summary(terminalreporter):
    """Prints which files took longest, since the tests as a whole must stay short."""
    seconds = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if sum(seconds.values()) > 60:
        terminalreporter.section("slowest files")
        for path, each in seconds.most_common(10):
            terminalreporter.write_line(f"{each:6.0f} s  {path}")


@pytest.fixture(scope="module", autouse=True)
def graphs_are_dropped():
    """Drops after each file the graphs and compiled loops that would stay until the process ends.

    JAX keeps every program that it compiled.

    TensorFlow keeps the gradient of every `tf.custom_gradient` that it traced, and with it the
    whole graph around it; `scan` keeps what it compiled for each recurrence.
    """
    yield
    if BACKEND == "jax":
        jax.clear_caches()
    if ops := sys.modules.get("tensorflow.python.framework.ops"):
        gradients = ops.gradient_registry._registry  # it has no method to take one out
        for name in [name for name in gradients if name.startswith("CustomGradient-")]:
            del gradients[name]
    for module, function in COMPILED:
        if module := sys.modules.get(f"seqlayers.layers.{module}"):
            getattr(module, function).cache_clear()
    gc.collect()


@pytest.fixture(scope="module", autouse=True)
def seeds_of_a_file_repeat():
    """Seeds Python's `random`, from which Keras and this package draw seeds that are not given."""
    random.seed(0)


@pytest.fixture(autouse=True)
def seeds_of_a_test_repeat():
    """The same for each test, whatever was drawn before it."""
    random.seed(0)


@pytest.fixture(autouse=BACKEND == "jax")
def jax_has_float64(request):
    """Lets JAX compute in float64 in tests with that word in their parameters or marked by it."""
    parameters = getattr(getattr(request.node, "callspec", None), "params", {}).values()
    wanted = request.node.get_closest_marker("float64") or any(
        isinstance(parameter, str) and parameter == "float64" for parameter in parameters
    )
    jax.config.update("jax_enable_x64", bool(wanted))
    yield


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
