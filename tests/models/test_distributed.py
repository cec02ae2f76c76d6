"""Models under `tf.distribute`: what they replace in Keras, and two workers in two processes."""

import inspect

import keras
import numpy as np
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.trainers.compile_utils import CompileLoss

from seqlayers.models import DistributedModel


def test_keras_still_calls_the_private_methods_that_are_replaced():
    def calls(function):
        return inspect.getsource(getattr(TensorFlowTrainer, function))

    for function in ("fit", "evaluate"):
        assert "self._maybe_symbolic_build(iterator=epoch_iterator)" in calls(function)
        assert "self.reset_metrics()" in calls(function)
    assert "self._symbolic_build(data_batch=data_batch)" in calls("_maybe_symbolic_build")
    assert "self._make_function(self.train_step)" in calls("make_train_function")
    assert "self._make_function(self.test_step)" in calls("make_test_function")
    assert "initial_epoch = self._initial_epoch or initial_epoch" in calls("fit")
    for function in ("train_step", "test_step"):
        assert "loss = self._compute_loss(" in calls(function)
        assert "self._loss_tracker.update_state(" in calls(function)
    assert "self._compile_loss(y, y_pred, sample_weight)" in calls("compute_loss")
    assert "self._aggregate_additional_loss(loss)" in calls("compute_loss")
    for path, kept in {
        "_build_nested": "self._flat_losses.append(",
        "call": "self._flat_losses",
    }.items():
        assert kept in inspect.getsource(getattr(CompileLoss, path))
    assert "self._metrics = []" in inspect.getsource(CompileLoss.__init__)


def test_keras_still_needs_what_is_replaced():
    """If one of these fails, Keras has mended itself and ours can go."""
    assert '"MEAN",\n' in inspect.getsource(TensorFlowTrainer._maybe_symbolic_build)
    assert 'reduction="auto"' in inspect.getsource(TensorFlowTrainer._make_function)
    module = inspect.getmodule(TensorFlowTrainer)
    assert 'strategy.reduce("MEAN", v, axis=0)' in inspect.getsource(module.reduce_per_replica)


def trained(kind, x, y):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 3))
    model = kind(inputs, keras.layers.Dense(2)(keras.layers.SimpleRNN(4)(inputs)))
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    return model, model.fit(x, y, epochs=2, batch_size=3, verbose=0, shuffle=False).history


def test_on_one_device_a_distributed_model_is_a_keras_model(rng, tmp_path):
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    y = rng.normal(size=(4, 2)).astype("float32")
    (ours, history), (theirs, expected) = (
        trained(kind, x, y) for kind in (DistributedModel, keras.Model)
    )
    assert history == expected
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(mine, other)
    ours.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is DistributedModel
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), ours.predict(x, verbose=0))
    np.testing.assert_allclose(loaded.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0))
