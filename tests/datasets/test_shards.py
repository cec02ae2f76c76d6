"""Folders of shards: written whole, read once an epoch, in an order that can be repeated."""

import json
import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.experimental.ops.distribute import _AutoShardDataset

from seqlayers import audio
from seqlayers.datasets import batches, batching, shards
from seqlayers.datasets.batching import with_length
from seqlayers.files import FileError
from seqlayers.heads import BernoulliHead
from seqlayers.models import SequenceModel

F = 3
SHARD = "shard-00001-of-00005.tfrecord"


@pytest.fixture(scope="module")
def sequences():
    """Sequences of bits; no two are the same."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, 53)
    rows = [(rng.random((length, F)) < 0.5).astype("uint8") for length in lengths]
    names = [[int(bit) for bit in f"{n:06b}"] for n in range(len(rows))]
    return [
        np.append(np.uint8(name), row).reshape(-1, F) for name, row in zip(names, rows, strict=True)
    ]


@pytest.fixture(scope="module")
def written(sequences, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shards"
    shards.write(sequences, folder, 5, dtype="uint8")
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy of the shards, to spoil."""
    return Path(shutil.copytree(written, tmp_path / "shards"))


def pieces(sequences, max_steps=None):
    """The bytes of sequences or of their pieces, sorted."""
    cut = [
        s[k : k + (max_steps or 99)] for s in sequences for k in range(0, len(s), max_steps or 99)
    ]
    return sorted(each.astype("float32").tobytes() for each in cut)


def rows(dataset):
    """The bytes of the sequences of a dataset, in its order."""
    found = []
    for frames, mask in dataset:
        frames, mask = frames.numpy(), mask.numpy()
        assert frames.dtype == np.float32 and mask.dtype == bool and not frames[~mask].any()
        lengths = mask.sum(axis=1)
        np.testing.assert_array_equal(mask, np.arange(mask.shape[1]) < lengths[:, None])
        found += [row[:n].tobytes() for row, n in zip(frames, lengths, strict=True) if n]
    return found


@pytest.mark.parametrize(
    "max_steps, shuffle, buffer_size", [(None, True, None), (7, True, 16), (7, False, 1)]
)
def test_every_sequence_comes_once_an_epoch(written, sequences, max_steps, shuffle, buffer_size):
    given = {"max_steps": max_steps, "shuffle": shuffle, "buffer_size": buffer_size}
    dataset = shards.load(written, 4, **given)
    assert dataset.element_spec[0].shape.as_list() == [4, None, F]
    first, second = rows(dataset), rows(dataset)
    assert sorted(first) == sorted(second) == pieces(sequences, max_steps)
    assert (first != second) == shuffle
    count = shards.read_index(written).num_batches(4, max_steps)
    assert sum(1 for _ in dataset) == len(dataset) == count == -(-len(first) // 4)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_floats_and_a_normalizer_are_kept_exactly(tmp_path, rng, compression):
    data = [rng.normal(size=(n, 4)).astype("float32") for n in (3, 9, 1, 5)]
    data[1][0] = 1e-40, -0.0, 3e30, 1
    index = shards.write(
        iter(data), tmp_path / "a", 2, compression=compression, normalizer="unit", about={"b": [1]}
    )
    read = shards.verify(tmp_path / "a")
    assert read.about == {"b": [1]} and read.num_frames == 18 and read.lengths == index.lengths
    expected = audio.Normalizer.fit(data, "unit")
    np.testing.assert_array_equal(read.normalizer.divisor, expected.divisor)
    for given in (None, "own") if compression else (None, expected):
        found = rows(shards.load(tmp_path / "a", 2, normalizer=given))
        wanted = [expected.normalize(each) if given else each for each in data]
        assert sorted(found) == sorted(each.tobytes() for each in wanted)


def test_one_block_is_planned_as_batches_are(written, sequences):
    ours = list(shards.load(written, 8, shuffle=False))
    theirs = list(batches(sequences, 8, shuffle=False))
    shapes = [frames.shape for frames, _ in ours]
    assert shapes == [frames.shape for frames, _ in theirs]
    drawn = [frames.shape for frames, _ in shards.load(written, 8)]
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, shapes))
    assert {shape[1] for shape in shapes} <= set(batching.ladder(max(map(len, sequences))))


def test_the_order_is_drawn_from_seed_and_epoch_alone(written):
    given = {"batch_size": 4, "seed": 2**70, "buffer_size": 8}
    tf.random.set_seed(1)
    epochs = rows(shards.load(written, **given).repeat(3))
    epochs = [epochs[n : n + 53] for n in range(0, len(epochs), 53)]
    tf.random.set_seed(0)
    again = shards.load(written, **given)
    next(iter(again))  # a look does not use up an epoch
    assert [rows(again) for _ in range(2)] == epochs[:2]
    assert rows(shards.load(written, **given, first_epoch=2)) == epochs[2]
    other = rows(shards.load(written, **given | {"seed": 1}))
    assert len({tuple(each) for each in [*epochs, other]}) == 4


def test_an_endless_dataset_goes_through_one_epoch_after_the_other(written, sequences):
    for buffer_size, counted in ((4, {4, 5}), (None, {3, 4, 5, 6})):
        found = rows(shards.load(written, 4, endless=True, buffer_size=buffer_size).take(60))
        assert set(found) == set(pieces(sequences))  # 240 rows, four epochs and a half
        assert {found.count(row) for row in found} <= counted


@pytest.fixture(scope="module")
def compiled():
    """A compiled model and its weights as they began; traced once for all trainings."""
    model = SequenceModel(None, BernoulliHead(F, seed=0))
    model.compile("sgd", jit_compile=False)
    return model, [variable.numpy() for variable in variables_of(model)]


@pytest.fixture
def fresh(compiled):
    """Returns a function that returns the model, untrained."""
    model, values = compiled

    def fresh():
        for variable, value in zip(variables_of(model), values, strict=True):
            variable.assign(value)
        return model

    return fresh


def variables_of(model):
    return [*model.variables, *model.optimizer.variables]


def weights_of(model):
    return [w.numpy() for w in model.weights]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise InterruptedError


@pytest.mark.slow
def test_a_resumed_fit_repeats_an_undisturbed_one(written, fresh, tmp_path):
    def fit(dataset, epochs=3, **kwargs):
        model.fit(dataset, epochs=epochs, verbose=0, **kwargs)
        return weights_of(model)

    def data(first_epoch=0):
        return shards.load(written, 8, buffer_size=16, first_epoch=first_epoch)

    model, dataset = fresh(), data()
    whole = fit(dataset)

    backup, model = str(tmp_path / "backup"), fresh()
    restore = keras.callbacks.BackupAndRestore
    with pytest.raises(InterruptedError):
        fit(data(), callbacks=[restore(backup, delete_checkpoint=False), Stop()])
    model = fresh()
    assert same(fit(data(), callbacks=[restore(backup)]), whole)

    model, dataset = fresh(), data()
    fit(dataset, epochs=1)
    fit(dataset, epochs=1)  # goes on with the next epoch
    assert same(fit(data(first_epoch=2), initial_epoch=2), whole)


def test_fit_and_score_from_shards_equal_those_of_the_same_batches(written, sequences, fresh):
    data = shards.load(written, 8)
    held = [(frames.numpy(), mask.numpy()) for frames, mask in shards.load(written, 8)]
    copied = tf.data.Dataset.from_generator(lambda: held, output_signature=data.element_spec)
    found = []
    for x in (data, with_length(copied, len(held))):
        model = fresh()
        model.fit(x, verbose=0)
        found.append(weights_of(model))
    assert same(*found)
    assert model.score(data).nats == pytest.approx(model.score(sequences).nats, abs=1e-6)


@pytest.mark.parametrize("policy", ["FILE", "DATA"])
def test_workers_that_share_the_data_get_each_sequence_once(written, sequences, policy):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = getattr(
        tf.data.experimental.AutoShardPolicy, policy
    )
    shares = [shards.load(written, 4, seed=1, first_epoch=1).with_options(options) for _ in "ab"]
    shares = [_AutoShardDataset(each, 2, n) for n, each in enumerate(shares)]
    for _ in range(2):
        found = [rows(each) for each in shares]
        assert sorted(found[0] + found[1]) == pieces(sequences)
        assert min(map(len, found)) > 15


@pytest.fixture(scope="module")
def service():
    """The address of a data service with two workers in this process."""
    module = tf.data.experimental.service
    dispatcher = module.DispatchServer()
    config = module.WorkerConfig(dispatcher_address=dispatcher.target.split("://")[1])
    workers = [module.WorkerServer(config) for _ in range(2)]
    yield dispatcher.target
    del workers, dispatcher


def served(dataset, policy, service):
    module = tf.data.experimental.service
    return dataset.apply(module.distribute(getattr(module.ShardingPolicy, policy), service))


@pytest.mark.slow
def test_the_data_service_gives_each_sequence_once(written, sequences, service):
    dataset = shards.load(written, 4)
    assert sorted(rows(served(dataset, "DYNAMIC", service))) == pieces(sequences)
    assert sorted(rows(served(dataset, "OFF", service))) == sorted(2 * pieces(sequences))
    twice = served(dataset.repeat(2), "DYNAMIC", service)
    assert sorted(rows(twice)) == sorted(2 * pieces(sequences))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["DYNAMIC", "OFF"])
def test_a_model_trains_on_data_of_the_service(written, service, fresh, policy):
    data = served(shards.load(written, 8, endless=True), policy, service)
    model = fresh()
    history = model.fit(data, steps_per_epoch=10, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and int(model.optimizer.iterations) == 20


# Damage.


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def change(folder, **values):
    path = folder / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def linked(folder):
    away = folder.parent / "away"
    (folder / SHARD).rename(away)
    (folder / SHARD).symlink_to(away)


def first_shard(folder, **values):
    listed = json.loads((folder / "index.json").read_text())["shards"]
    change(folder, shards=[listed[0] | values, *listed[1:]])


def twice(folder):
    listed = json.loads((folder / "index.json").read_text())["shards"]
    change(folder, shards=[listed[0], *listed])


DAMAGE = {
    "a flipped byte": (lambda f: flip(f / SHARD), SHARD, "SHA-256"),
    "a cut shard": (lambda f: os.truncate(f / SHARD, 40), SHARD, "must have .* Received: 40 bytes"),
    "a missing shard": (lambda f: (f / SHARD).unlink(), SHARD, "is missing"),
    "a link": (linked, SHARD, "regular file.* a symbolic link"),
    "a folder": (lambda f: ((f / SHARD).unlink(), (f / SHARD).mkdir()), SHARD, "a folder"),
    "a linked index": (
        lambda f: ((f / "index.json").rename(f / "b"), (f / "index.json").symlink_to("b")),
        "index.json",
        "a symbolic link",
    ),
    "a cut index": (lambda f: os.truncate(f / "index.json", 300), "index.json", "JSON object"),
    "another version": (lambda f: change(f, format=2), "index.json", "format must be 1.* format=2"),
    "another count": (lambda f: first_shard(f, sequences=7), "index.json", "damaged.* sequences"),
    "a name out of the folder": (lambda f: first_shard(f, file="../x"), "index.json", "no name"),
    "no shards": (lambda f: change(f, shards=[]), "index.json", "damaged"),
    "lengths that are none": (lambda f: change(f, lengths={"a": 1}), "index.json", "damaged"),
    "lengths of a list": (lambda f: change(f, lengths=[1]), "index.json", "damaged"),
    "no features": (lambda f: change(f, features=0), "index.json", "`features`"),
    "another type": (lambda f: change(f, dtype="object"), "index.json", "`dtype`"),
    "a bad normalizer": (lambda f: change(f, normalizer={"shift": [1]}), "index.json", "damaged"),
    "a shard twice": (twice, "index.json", "damaged.* twice"),
    "a frame too large": (lambda f: change(f, features=10**12), "index.json", "too large"),
    "a normalizer of others": (
        lambda f: change(f, normalizer={"shift": [0.0], "divisor": [1.0]}),
        "index.json",
        "3 features and a normalizer of 1",
    ),
    "an unknown key of a shard": (lambda f: first_shard(f, more=1), "index.json", "damaged"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_before_anything_is_read_and_named(folder, kind):
    spoil, name, message = DAMAGE[kind]
    spoil(folder)
    with pytest.raises(shards.ShardError, match=message) as caught:
        shards.load(folder)
    assert caught.value.path == str(folder / name) and isinstance(caught.value, FileError)


def test_without_the_check_a_changed_shard_fails_where_it_is_read(folder):
    flip(folder / SHARD)
    dataset = shards.load(folder, check=False)
    with pytest.raises(tf.errors.DataLossError):
        list(dataset)


def test_a_folder_without_an_index_is_refused(written, tmp_path):
    for folder in (tmp_path, tmp_path / "none", written / "index.json"):
        with pytest.raises(
            FileNotFoundError, match=f"{re.escape(str(folder))}, which has no index"
        ):
            shards.load(folder)


# Arguments.


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"max_steps": 0},
        {"seed": -1},
        {"first_epoch": 1.5},
        {"buffer_size": 0},
        {"shuffle": "yes"},
        {"endless": None},
        {"check": 2},
        {"normalizer": "standard"},
        {"normalizer": audio.Normalizer([0.0], [1.0])},
    ],
)
def test_wrong_arguments_of_load_are_refused(written, wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must.* Received"):
        shards.load(written, **wrong)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_shards": 0}, "`num_shards` must"),
        ({"num_shards": 10**6}, "`num_shards` must"),
        ({"num_shards": 99_999}, "limit of open files"),
        ({"num_shards": 4}, "at most the number of sequences.* num_shards=4 for 3"),
        ({"dtype": "int8"}, "`dtype` must"),
        ({"dtype": "uint8"}, r'`sequences\[2\]` must hold integers.* "float32".* Received: 0.5'),
        ({"compression": "zip"}, "`compression` must"),
        ({"normalizer": "best"}, "`normalizer` must"),
        ({"overwrite": "no"}, "`overwrite` must"),
        ({"sequences": []}, "at least one sequence"),
        ({"sequences": 3}, "`sequences` must be an iterable"),
        ({"sequences": [np.ones((2, 2)), np.ones((2, 3))]}, r"`sequences\[1\]` must have 2 feat"),
        ({"sequences": [("a.mid", [[np.nan]])]}, r"`sequences\[0\]` must be finite"),
        ({"about": {"x": object()}}, "`about` must.* JSON"),
        ({"about": [1]}, "`about` must"),
        ({"sequences": [np.full((2, 2), 300.0)], "dtype": "uint8"}, "Received: 300"),
    ],
)
def test_wrong_arguments_of_write_are_refused_and_nothing_is_left(tmp_path, wrong, message):
    data = [np.ones((2, 2)), np.zeros((1, 2)), np.full((1, 2), 0.5)]
    given = {"sequences": data, "num_shards": 2} | wrong
    with pytest.raises(ValueError, match=message):
        shards.write(folder=tmp_path / "out", **given)
    assert list(tmp_path.iterdir()) == []


# Whole or not at all.


def test_what_is_there_is_replaced_only_if_it_is_shards_alone(folder, tmp_path):
    data = [np.ones((2, 2))]
    with pytest.raises(FileExistsError, match="must not exist yet"):
        shards.write(data, folder, 1)
    shards.write(data, folder, 1, overwrite=True)
    assert {path.name for path in folder.iterdir()} == {
        "index.json",
        "shard-00000-of-00001.tfrecord",
    }
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"which holds notes\.txt"):
        shards.write(data, folder, 1, overwrite=True)
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").write_text("")
    for name in ("link", "file"):
        with pytest.raises(FileExistsError, match="must be a folder"):
            shards.write(data, tmp_path / name, 1, overwrite=True)
    (tmp_path / "empty").mkdir()
    shards.write(data, tmp_path / "empty", 1, overwrite=True)
    assert (folder / "notes.txt").exists() and len(rows(shards.load(tmp_path / "empty"))) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_writer_that_fails_leaves_what_was_there(folder, written):
    def failing():
        yield np.ones((2, 2))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shards.write(failing(), folder, 1, overwrite=True)
    assert shards.verify(folder) is not None
    assert [path.name for path in folder.parent.iterdir()] == ["shards"]


# Memory.


class Memory(keras.callbacks.Callback):
    """Keeps the most megabytes that the process had."""

    most = 0

    def on_train_batch_end(self, batch, logs=None):
        self.most = max(self.most, resident())


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_sequences(tmp_path, monkeypatch):
    # Flushing 200 MB to a disk may take longer than all the rest.
    monkeypatch.setattr("seqlayers.files._flush", lambda path: None)
    # Wide frames: time goes to the number of sequences, memory to their bytes.
    noise = np.random.default_rng(0).random((3000, 250), "float32")

    def made(number):
        return (noise[n % 2900 : n % 2900 + 8 + n % 17].copy() for n in range(number))

    model = SequenceModel(None, BernoulliHead(250, seed=0))
    model.compile("sgd", jit_compile=False)
    memory = Memory()
    for number in (2_000, 12_000):
        before = max(resident(), memory.most)
        index = shards.write(made(number), tmp_path / str(number), 8)
        written = resident()
        dataset = shards.load(tmp_path / str(number), 256, buffer_size=512)
        model.fit(dataset, verbose=0, callbacks=[memory])
    stored = sum(shard.bytes for shard in index.shards) / 1e6
    print(f"{stored:.0f} MB in shards, {before:.0f} MB of memory before them, ", end="")
    print(f"{written:.0f} after writing, at most {memory.most:.0f} in training")
    assert stored > 180 and max(written, memory.most) - before < 100
