"""`seqlayers generate`."""

from pathlib import Path

import mido
import numpy as np
import pytest
from commands.helpers import RATE, refused, succeeds

from seqlayers import audio
from seqlayers.datasets import midi

SOUND = ["--seed", 7, "--seconds", 1.2]


def test_generate_writes_midi_files_named_after_the_seed(trained, music, tmp_path):
    run = trained[0]
    songs = tmp_path / "new" / "songs"
    said = succeeds("generate", run, "--out", songs, "--num", 3, "--steps", 6, "--seed", 7)
    paths = [songs / f"seed7_{n}.mid" for n in (1, 2, 3)]
    assert said.split() == [str(path) for path in paths]
    first = midi.read(paths[0])
    assert len(first) <= 6
    again = ["generate", run, "--out", songs, "--num", 3, "--steps", 6, "--seed", 7]
    assert "seed7_1.mid" in refused(*again)
    succeeds(*again, "--overwrite")
    np.testing.assert_array_equal(midi.read(paths[0]), first)
    primed = ["--seed", 8, "--num", 1, "--steps", 4, "--prime", music / "0.mid"]
    succeeds("generate", run, "--out", songs, *primed, "--temperature", 0.5)
    assert (songs / "seed8_1.mid").exists()
    played = ["--seed", 7, "--num", 1, "--tempo", 90, "--programme", 20, "--articulate"]
    succeeds("generate", run, "--out", tmp_path / "played", *played, "--steps", 6)
    (track,) = mido.MidiFile(tmp_path / "played" / "seed7_1.mid").tracks
    assert track[0].tempo == mido.bpm2tempo(90) and track[1].program == 19
    np.testing.assert_array_equal(midi.read(tmp_path / "played" / "seed7_1.mid"), first)


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--temperature", -1], ["--temperature", "=-1", "above 0"]),
        (["--temperature", "inf"], ["--temperature", "inf", "above 0"]),
        (["--steps", 0], ["--steps", "=0", "from 1 to 100000"]),
        (["--num", -3], ["--num", "=-3", "from 1"]),
        (["--prime", "text.mid"], ["--prime", "text.mid: not a MIDI file"]),
        (["--prime", "torn.mid"], ["--prime", "torn.mid: truncated"]),
        (["--prime", "none.mid"], ["--prime", "none.mid", "does not exist"]),
        (["--wav", "sounds"], ["one of --out and --wav", "Received: both"]),
        (["--tempo", 2], ["--tempo", "=2", "at least 4"]),
        (["--programme", 129], ["--programme", "=129", "from 1 to 128"]),
        (["--seconds", 2], ["`--seconds` has no effect with `--out`", "give --steps"]),
    ],
)
def test_wrong_options_for_music_are_refused(args, parts, trained, music, tmp_path, monkeypatch):
    monkeypatch.chdir(music)
    said = refused("generate", trained[0], "--out", tmp_path / "songs", *args)
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "songs").exists()


def test_a_model_of_music_makes_no_sound(trained, tmp_path):
    said = refused("generate", trained[0], "--wav", tmp_path / "sounds")
    assert "--wav needs a run on recordings" in said and "--out" in said
    assert "Received: none" in refused("generate", trained[0])


@pytest.fixture(scope="module")
def sounds(trained_on_sound, tmp_path_factory):
    """The folder of two sounds, and the output of the command."""
    folder = tmp_path_factory.mktemp("sounds") / "new" / "sounds"
    return folder, succeeds("generate", trained_on_sound[0], "--wav", folder, "--num", 2, *SOUND)


def test_generate_writes_sound_named_after_the_seed(sounds, trained_on_sound, tmp_path):
    folder, said = sounds
    paths = [folder / f"seed7_{n}.wav" for n in (1, 2)]
    assert said.split() == [str(path) for path in paths]
    (first, rate), (second, _) = map(audio.read, paths)
    assert rate == RATE and len(first) == round(1.2 * RATE)  # longer than any call
    assert 0 < np.abs(first).max() <= 1 and (first != second).any()
    again = ["generate", trained_on_sound[0], "--wav", tmp_path, "--num", 1, *SOUND]
    (tmp_path / "seed7_1.wav").write_text("older")
    said = refused(*again)
    assert "--wav" in said and "seed7_1.wav" in said and "--overwrite" in said
    assert (tmp_path / "seed7_1.wav").read_text() == "older"


def test_generate_goes_on_after_a_recording(sounds, trained_on_sound, birds, tmp_path):
    frames = -(-round(1.2 * RATE) // 128) + 1  # of as many samples
    options = ["--num", 1, "--steps", frames, "--seed", 7, "--prime", birds / "evening" / "c.wav"]
    succeeds("generate", trained_on_sound[0] / "best.keras", "--wav", tmp_path, *options)
    primed = audio.read(tmp_path / "seed7_1.wav").samples
    assert len(primed) == frames * 128 - 128
    alone = audio.read(sounds[0] / "seed7_1.wav").samples
    assert (primed[: len(alone)] != alone).any()


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--out", "songs"], ["--out needs a model of music", "give --wav", "a run on recordings"]),
        (
            ["--wav", "sounds", "--step-in-beats", 1],
            ["`--step-in-beats` has no effect with `--wav`"],
        ),
        (["--wav", "sounds", "--steps", 9, "--seconds", 1], ["--steps and --seconds"]),
        (["--wav", "sounds", "--steps", 1], ["2 to 100000 steps", "0.016 s", "Received: 1."]),
        (["--wav", "sounds", "--seconds", 1e9], ["2 to 100000 steps", "0.016 s"]),
        (["--wav", "sounds", "--seconds", -1], ["--seconds", "=-1", "above 0"]),
        (["--wav", "sounds", "--prime", "text.wav"], ["--prime", "text.wav: not a sound file"]),
        (["--wav", "sounds", "--prime", "short.wav"], ["--prime", "short.wav: too short"]),
        (["--wav", "sounds", "--prime", "none.wav"], ["--prime", "does not exist"]),
    ],
)
def test_wrong_options_for_sound_are_refused(args, parts, trained_on_sound, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("not sound")
    audio.write("short.wav", np.zeros(20), RATE)
    said = refused("generate", trained_on_sound[0], *args)
    assert [part for part in parts if part not in said] == []
    assert not Path("sounds").exists() and not Path("songs").exists()
