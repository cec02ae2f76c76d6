"""`seqlayers data` and `seqlayers data shard`."""

import json

import numpy as np
import pytest
from commands.helpers import CALLS, RATE, refused, rows, seqlayers, succeeds

from seqlayers import audio
from seqlayers.datasets import midi, piano_roll, shards
from seqlayers.runs import sound
from seqlayers.runs.options import DEFAULTS


def test_data_lists_sets_with_counts_and_terms():
    said = succeeds("data")
    for name in piano_roll.NAMES:
        about = piano_roll.info(name)
        assert name in said and f"{about.sequences['train']:,}" in said
        assert about.terms.split(". ")[-1].split()[0] in said
        detail = " ".join(succeeds("data", name).split())
        assert " ".join(about.terms.split()) in detail
        assert f"{about.frames['test']:,} frames" in detail
    assert "shard, jsb_chorales" in refused("data", "bach")
    assert "No such option" in refused("data", "--bach")
    assert "shard" in succeeds("data", "--help")


def stored(folder):
    """The sequences of shards as they are stored, by their bytes."""
    found = []
    for frames, mask in shards.load(folder, 2, normalizer=None):
        pairs = zip(frames.numpy(), mask.numpy(), strict=True)
        found += [row[keep].tobytes() for row, keep in pairs if keep.any()]
    return sorted(found)


def test_music_becomes_shards(music, tmp_path):
    out = tmp_path / "new" / "shards"
    command = ["data", "shard", music, out, "--shards", 2]
    said = succeeds(*command, "--gzip", "--step-in-beats", 0.25, "--transpose", 2)
    assert "Skipped 2 of 8 MIDI files:" in said and "torn.mid: " in said
    size = sum(path.stat().st_size for path in out.glob("*.tfrecord"))
    assert "6 sequences of 6 MIDI files" in said and f", {size:,} bytes\n{out}\n" in said
    rolls = midi.read_folder(music, 0.25, 2).rolls
    assert stored(out) == sorted(roll.astype("float32").tobytes() for roll in rolls)
    index = shards.read_index(out)
    assert (index.dtype, index.compression, index.normalizer) == ("uint8", "gzip", None)
    assert {"kind": "midi", "step_in_beats": 0.25, "transpose": 2}.items() <= index.about.items()
    assert [row["file"] for row in rows(out / "sources.csv")] == [f"{n}.mid" for n in range(6)]
    said = refused(*command)
    assert str(out) in said and "--overwrite" in said
    succeeds(*command, "--overwrite")
    assert shards.read_index(out).compression is None


def test_recordings_become_shards_of_the_frames_that_a_run_has(birds, tmp_path):
    out = tmp_path / "shards"
    given = ["--visibles", "bernoulli", "--max-length", 30, "--long", "split"]
    said = succeeds("data", "shard", birds, out, "--shards", 3, *given)
    assert "Skipped 2 of 5 recordings:" in said and f"Resampled to {RATE} Hz: 1 of" in said
    assert f"{2 * 3 * CALLS} sequences of 3 recordings" in said
    options = DEFAULTS | {"max_length": 30, "long": "split"}
    corpus = sound.segments(birds, options, None, "log_amplitude")
    assert stored(out) == sorted(each.tobytes() for each in corpus.sequences)
    index = shards.read_index(out)
    expected = audio.Normalizer.fit(corpus.sequences, "unit")
    np.testing.assert_array_equal(index.normalizer.shift, expected.shift)
    about = sound.SoundFrames.from_config(
        {**index.about, "normalizer": index.normalizer.get_config()}
    )
    assert about.settings == corpus.settings and index.about["segments"]["max_length"] == 30
    frames, mask = next(iter(shards.load(out, 4)))
    assert 0 <= frames.numpy().min() and frames.numpy().max() == 1
    first = {row["file"]: int(row["first_sequence"]) for row in rows(out / "sources.csv")}
    assert first == {"a.wav": 0, "b.wav": 2 * CALLS, "evening/c.wav": 4 * CALLS}


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--shards", 0], ["--shards", "from 1 to", "=0"]),
        ([], ["--shards"]),
        (["--shards", 7], ["--shards must be at most the number of sequences", "7 for 6"]),
        (["--shards", 2, "--threshold", 50], ["--threshold has no effect with MIDI files"]),
        (["--shards", 2, "--visibles", "gamma"], ["--visibles has no effect with MIDI files"]),
        (["--shards", 2, "--kind", "sound"], ["FOLDER", "must hold a sound file"]),
        (["--shards", 2, "--kind", "sound", "--transpose", 1], ["--transpose has no effect"]),
        (["--shards", 2, "--transpose", 100], ["--transpose", "from -88 to 88"]),
        (["--shards", 2, "--step-in-beats", 40], ["FOLDER", "long enough", "shorter steps"]),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(args, parts, music, tmp_path):
    said = refused("data", "shard", music, tmp_path / "out", *args)
    assert [part for part in parts if part not in said] == []
    assert list(tmp_path.iterdir()) == []


def test_folders_without_files_of_one_kind_are_refused(music, birds, tmp_path):
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "a.mid").write_bytes((music / "0.mid").read_bytes())
    (tmp_path / "both" / "a.wav").write_bytes((birds / "silent.wav").read_bytes())
    out = ["--shards", 1]
    said = refused("data", "shard", tmp_path / "both", tmp_path / "out", *out)
    assert "one kind alone" in said and "--kind" in said
    succeeds("data", "shard", tmp_path / "both", tmp_path / "out", *out, "--kind", "midi")
    said = refused("data", "shard", tmp_path / "out", tmp_path / "more", *out)
    assert "must hold MIDI files or recordings" in said and "*.mid" in said
    said = refused("data", "shard", tmp_path / "both", tmp_path / "more", *out, "--kind", "sound")
    assert "At least one recording must have a segment" in said
    said = refused("data", "shard", music, tmp_path / "both", *out, "--overwrite")
    assert "which holds a.mid" in said
    assert "does not exist" in refused("data", "shard", tmp_path / "none", tmp_path / "x", *out)
    assert (tmp_path / "both" / "a.mid").exists() and not (tmp_path / "more").exists()


def test_shards_are_written_whole_or_not_at_all(music, tmp_path, monkeypatch):
    out = tmp_path / "shards"
    succeeds("data", "shard", music, out, "--shards", 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    before = json.loads((out / "index.json").read_text())
    monkeypatch.setattr("seqlayers.files._flush", full)
    command = ["data", "shard", music, out, "--shards", 2, "--overwrite"]
    assert f"{out}: No space left on device." in refused(*command)
    monkeypatch.undo()

    def stopped(*_, **__):
        yield from midi.read_each(music)
        raise KeyboardInterrupt

    monkeypatch.setattr("seqlayers.commands.data.midi.read_each", stopped)
    assert seqlayers(*command).exit_code in (1, 130)
    assert shards.verify(out) and json.loads((out / "index.json").read_text()) == before
    assert list(tmp_path.iterdir()) == [out]
