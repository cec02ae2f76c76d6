"""A `SequenceModel` as a `keras.Model`: each method and argument works, or is refused by name."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.callbacks import BackupAndRestore
from seqlayers.datasets import batches
from seqlayers.heads import BernoulliHead
from seqlayers.models import SequenceModel

V, D = 5, 4
RAGGED = (4, 2, 3)


def made():
    keras.utils.set_random_seed(0)
    model = SequenceModel(keras.layers.SimpleRNNCell(D), BernoulliHead(V, seed=0))
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def model():
    return made()


def frames_for(*shape, seed=0):
    return (np.random.default_rng(seed).random((*shape, V)) < 0.4).astype("float32")


X = frames_for(4, 3)
Y = frames_for(4, 3, seed=1)


class Batches(keras.utils.PyDataset):
    """The rows of X, two at a time."""

    def __init__(self, masked=False, **kwargs):
        super().__init__(**kwargs)
        self.masked, self.begun, self.ended = masked, 0, 0

    def __len__(self):
        return 2

    def __getitem__(self, n):
        rows = X[2 * n : 2 * n + 2]
        return (rows, np.ones((2, 3), bool)) if self.masked else rows

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.ended += 1


def endless(masked=False):
    while True:
        yield from (Batches(masked)[n] for n in range(2))


# Arguments: those of Keras, and what becomes of each.

DECIDED = {
    "fit": {
        "works": "x batch_size epochs verbose callbacks validation_split validation_data shuffle "
        "initial_epoch steps_per_epoch validation_steps validation_batch_size validation_freq",
        "refused": "y class_weight sample_weight",
    },
    "evaluate": {
        "works": "x batch_size verbose steps callbacks return_dict kwargs",
        "refused": "y sample_weight",
    },
    "predict": {"works": "x batch_size verbose steps callbacks", "refused": ""},
    "train_on_batch": {"works": "x return_dict", "refused": "y sample_weight class_weight"},
    "test_on_batch": {"works": "x return_dict", "refused": "y sample_weight"},
    "predict_on_batch": {"works": "x", "refused": ""},
    "compile": {
        "works": "optimizer run_eagerly steps_per_execution jit_compile auto_scale_loss",
        "refused": "loss loss_weights metrics weighted_metrics",
    },
}


@pytest.mark.parametrize("method", DECIDED)
def test_every_argument_of_keras_is_decided_and_some_are_refused_by_name(model, method):
    theirs = set(inspect.signature(getattr(keras.Model, method)).parameters) - {"self"}
    works, refused = (set(DECIDED[method][part].split()) for part in ("works", "refused"))
    assert theirs == works | refused
    arguments = () if method == "compile" else (X,)
    for name in refused:
        with pytest.raises(ValueError, match=name):
            getattr(model, method)(*arguments, **{name: Y})


WORKS = """
add_loss add_metric add_variable add_weight build build_from_config call compile
compile_from_config compute_dtype compute_mask compute_metrics compute_output_shape
compute_output_spec count_params distribute_reduction_method distribute_strategy dtype dtype_policy
evaluate export fit from_config get_build_config get_compile_config get_config get_layer
get_metrics_result get_quantization_layer_structure get_state_tree get_weights input input_dtype
input_spec jit_compile layers load_own_variables load_weights losses make_predict_function
make_test_function make_train_function metrics metrics_names metrics_variables
non_trainable_variables non_trainable_weights output path predict predict_on_batch predict_step
quantization_mode quantized_build quantized_call rematerialized_call reset_metrics run_eagerly save
save_own_variables save_weights set_state_tree set_weights stateless_call summary supports_masking
symbolic_call test_on_batch to_json train_on_batch train_step trainable trainable_variables
trainable_weights variable_dtype variables weights compiled_loss compiled_metrics loss
"""  # the last three are Keras's own remains, with warnings; what calls `compute_loss` is refused
REFUSED = "compute_loss stateless_compute_loss test_step quantize"


def test_every_public_name_of_keras_is_decided():
    theirs = {name for name in dir(keras.Model) if not name.startswith("_")}
    assert theirs == set(WORKS.split()) | set(REFUSED.split())


def test_what_has_no_meaning_is_refused_with_the_reason(model):
    for name, arguments in {"compute_loss": (), "test_step": (X,), "quantize": ("int8",)}.items():
        with pytest.raises(ValueError, match=name):
            getattr(model, name)(*arguments)


def test_a_model_is_described_taken_apart_and_written(model, tmp_path, capsys):
    model.summary()
    assert "bernoulli_head" in capsys.readouterr().out
    assert model.get_layer(model.head.name) is model.head
    assert model.count_params() == sum(w.numpy().size for w in model.weights)
    assert json.loads(model.to_json())["class_name"] == "SequenceModel"
    assert model.compute_output_shape((2, 3, V)) == (2, 3, D)
    model.save_weights(tmp_path / "a.weights.h5")
    model.load_weights(tmp_path / "a.weights.h5")
    model.set_state_tree(model.get_state_tree())


# Forms of data.


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras, where one ends
@pytest.mark.parametrize("masked", [False, True])
def test_generators_and_py_datasets_of_batches_are_data_everywhere(model, masked):
    score = model.score(X).nats
    for data in (Batches(masked), (Batches(masked)[n] for n in range(2))):
        assert model.score(data).nats == pytest.approx(score, abs=1e-6)
    assert model.evaluate(endless(masked), steps=2) == pytest.approx(-score, abs=1e-6)
    contexts = model.predict(X, verbose=0)
    for data in (Batches(masked), (Batches(masked)[n] for n in range(2))):
        np.testing.assert_allclose(model.predict(data, verbose=0), contexts, atol=1e-6)
    ours = Batches(masked)
    for data in (ours, endless(masked)):
        steps = None if data is ours else 2
        losses = (
            made()
            .fit(
                data,
                epochs=2,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
                validation_data=endless(),
                validation_steps=2,
            )
            .history
        )
        expected = tf.data.Dataset.from_tensor_slices(X).batch(2)
        expected = made().fit(expected, epochs=2, verbose=0).history["loss"]
        assert losses["loss"] == pytest.approx(expected, abs=1e-5)
        assert np.isfinite(losses["val_loss"]).all()
    assert ours.begun >= 2 and ours.ended == 2


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_generator_that_ends_too_early_and_wrong_batches_are_told(model):
    with pytest.raises(Exception, match="`x` must give batches in every epoch"):
        made().fit((X for _ in range(1)), epochs=2, verbose=0)
    for batch in ((X, Y), {"x": X}):
        with pytest.raises(Exception, match="`x` must give `frames` or"):
            model.fit((batch for _ in range(1)), verbose=0)


def test_ragged_tensors_are_lists_and_sparse_ones_are_refused(model):
    rows = [frames_for(n, seed=n) for n in RAGGED]
    nats = model.score(rows).nats
    ragged = tf.RaggedTensor.from_row_lengths(np.concatenate(rows), RAGGED)
    assert model.score(ragged).nats == pytest.approx(nats, abs=1e-6)
    twice = tf.ragged.constant([row.tolist() for row in rows])
    assert model.score(twice).nats == pytest.approx(nats, abs=1e-6)
    pipeline = tf.data.Dataset.from_tensors(ragged)
    assert model.score(pipeline).nats == pytest.approx(nats, abs=1e-6)
    for outputs in (model.predict(ragged, verbose=0), model.predict_on_batch(rows)):
        for output, row in zip(outputs, rows, strict=True):
            np.testing.assert_allclose(output, model.contexts(row[None])[0], atol=1e-6)
    sparse = tf.sparse.from_dense(X)
    for data in (sparse, tf.data.Dataset.from_tensors(sparse)):
        with pytest.raises(ValueError, match="`x` must be dense.*sparse.*SparseTensor"):
            model.score(data)


def test_batches_are_trained_on_scored_and_predicted_alone(model):
    nats = model.score(X).nats
    assert model.test_on_batch(X) == pytest.approx(-nats, abs=1e-6)
    assert set(model.test_on_batch(X, return_dict=True)) == {"loss", "log_likelihood"}
    logs = made().train_on_batch([row for row in X], return_dict=True)
    assert np.isfinite(logs["loss"]) and logs["skipped_steps"] == 0
    with pytest.raises(ValueError, match="must be finite"):
        model.train_on_batch(X * np.nan)


def test_predicting_leaves_masked_steps_out(model):
    mask = np.ones((4, 3), bool)
    mask[:, 1] = False
    expected = model.contexts(X, mask)
    held = np.where(mask[..., None], X, np.nan)
    np.testing.assert_allclose(model.predict(held, mask=mask, verbose=0), expected, atol=1e-6)
    pairs = tf.data.Dataset.from_tensors((X, mask))
    np.testing.assert_allclose(model.predict(pairs, verbose=0), expected, atol=1e-6)


def test_numbers_of_numpy_are_numbers():
    one = np.int64(1)
    kwargs = {"batch_size": np.int64(2), "validation_batch_size": one, "validation_steps": one}
    kwargs |= {"steps_per_epoch": one, "validation_freq": one, "max_steps": np.int64(9)}
    made().fit(X, epochs=np.int64(2), initial_epoch=one, validation_data=X, verbose=0, **kwargs)


# The order of an epoch.


class Interrupted(Exception):
    pass


def interruption(at):
    def stop(epoch, logs=None):
        if epoch == at:
            raise Interrupted

    return keras.callbacks.LambdaCallback(on_epoch_begin=stop)


LISTS = [frames_for(n, seed=n) for n in (3, 3, 3, 3, 5, 5, 5, 5)]


@pytest.mark.parametrize(
    "form, kind",
    [
        *((form, keras.callbacks.BackupAndRestore) for form in ("list", "array", "py_dataset")),
        *((form, keras.callbacks.BackupAndRestore) for form in ("dataset", "steps")),
        ("list", BackupAndRestore),
    ],
)
def test_a_run_that_backup_and_restore_resumes_is_as_one_without_a_break(form, kind, tmp_path):
    datasets = {"dataset": batches(LISTS, 2, seed=3), "py_dataset": Batches()}
    kwargs = {"batch_size": 2, "epochs": 4, "verbose": 0}
    kwargs |= {"steps_per_epoch": 3} if form == "steps" else {}

    def data(again=False):
        if form == "dataset" and not again:
            return batches(LISTS, 2, seed=3)
        return datasets.get(form, frames_for(8, 3) if form == "array" else LISTS)

    whole = made()
    whole.fit(data(), **kwargs)
    backup = kind(tmp_path / "backup")
    first = made()
    with pytest.raises(Interrupted):
        first.fit(data(again=True), callbacks=[backup, interruption(2)], **kwargs)
    resumed = made()
    resumed.fit(data(again=True), callbacks=[backup], **kwargs)
    for a, b in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    counted = resumed.optimizer.iterations.numpy()
    resumed.fit(data(), **kwargs | {"epochs": 1})  # Keras would still begin with epoch 2
    assert resumed.optimizer.iterations.numpy() > counted


@pytest.mark.long
def test_epochs_of_a_number_of_steps_follow_one_another():
    seen = []

    class Spy(SequenceModel):
        def train_step(self, data):
            seen.append(data[0].numpy())
            return super().train_step(data)

    model = Spy(None, BernoulliHead(V, seed=0))
    model.compile(run_eagerly=True)
    model.fit(LISTS, batch_size=2, epochs=3, steps_per_epoch=3, verbose=0)
    by_threes, seen = seen, []
    model.fit(LISTS, batch_size=2, epochs=3, verbose=0)
    assert len(by_threes) == 9
    for a, b in zip(by_threes, seen, strict=False):
        np.testing.assert_array_equal(a, b)
