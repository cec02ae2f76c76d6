"""Layers, heads, energies, sound and metrics on JAX, without TensorFlow: a short form.

`make test-jax` runs all tests of these rooms in an environment that has no TensorFlow.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")
pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
EXACT = ("seeds", "uniform", "bernoulli draws")  # the same bits
# A few tests of each room, by words of their names.
SHORT = {
    "test_backends.py": "name",
    "test_loading.py": "ours",
    "test_sampling.py": "log_prob or log_gamma or without_a_seed",
    "metrics/test_labels.py": "rate",
    "energy/test_gibbs.py": "go_on_where_they_were",
    "layers/test_delay.py": "learned or later",
    "layers/contract/test_loop.py": "last_output and tanh",
    "layers/contract/test_masks.py": "padded and boltzmann",
    "layers/contract/test_second_derivatives.py": "unrolled",
    "heads/test_contract.py": "context_of_other_axes and nade",
    "heads/test_conditional_rbm.py": "moves_the_offsets",
}


def on_jax(*arguments):
    """Runs Python on JAX."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=TESTS.parent,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder with `first.keras`, a model of all layers, and what JAX computes of it."""
    from layers import helpers, one_file

    folder = tmp_path_factory.mktemp("jax")
    helpers.randomised(one_file.model(), 0.3).save(folder / "first.keras")
    names = ("numbers.npz", "first.keras", "after.keras", "results.npz")
    on_jax(TESTS / "two_backends.py", *(folder / name for name in names))
    return folder


# TensorFlow warns that functions of data stay graphs.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Even though the .tf.config.*run_functions_eagerly:UserWarning")
def test_numbers_are_those_of_tensorflow(there):
    from layers import helpers
    from two_backends import numbers

    with helpers.step_by_step():  # in a third of the time
        expected = numbers()
    actual = np.load(there / "numbers.npz")
    assert set(actual) == set(expected)
    for name, value in expected.items():
        tolerance = 0.0 if name in EXACT else 1e-5
        np.testing.assert_allclose(
            actual[name], value, rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.long
def test_a_file_of_all_layers_is_the_same_model_and_learns_the_same(there, tmp_path):
    import keras
    from layers import helpers, one_file

    with helpers.step_by_step():
        expected = one_file.results(there / "first.keras", tmp_path / "here.keras")
        actual = np.load(there / "results.npz")
        assert set(actual) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(actual[name], value, rtol=1e-5, atol=2e-6, err_msg=name)
        paths = (tmp_path / "here.keras", there / "after.keras")
        models = [keras.models.load_model(path) for path in paths]
        for one, other in zip(*(model(one_file.data()) for model in models), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=5e-6)


def test_a_few_tests_of_each_room_pass_on_jax():
    words = " or ".join(f"({Path(file).stem} and ({some}))" for file, some in SHORT.items())
    files = [TESTS / file for file in SHORT]
    printed = on_jax("-m", "pytest", "-p", "no:cacheprovider", "-k", words, *files)
    assert "Keras runs on jax" in printed
