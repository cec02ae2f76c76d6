"""All commands: their help texts, imports, and how they end after an error."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands.helpers import seqlayers, succeeds

from seqlayers import audio, report
from seqlayers.__main__ import cli, main
from seqlayers.datasets import midi, piano_roll
from seqlayers.metrics import Likelihood
from seqlayers.models import Kinds, SequenceModel
from seqlayers.runs import building, checkpoints, config, folder, reporting, training
from seqlayers.runs.config import Identity
from seqlayers.runs.data import Data, fingerprint

ROOT = Path(__file__).resolve().parents[2]


def examples():
    for name in (None, *cli.commands):
        lines = succeeds(*filter(None, [name]), "--help").split("Examples:\n")[1]
        lines = lines.split("\n\n")[0].replace("\\\n", " ").splitlines()
        assert lines, name
        yield from (shlex.split(line) for line in lines)


def save_a_small_model(run, model, history, options, data, callbacks=()):
    """Writes a small new model in place of training, if the run is on recordings."""
    if options["labels"]:
        model.optimizer.build(model.trainable_variables)  # as a step would
        model.save(Path(run) / folder.LAST)
        checkpoints.add(
            Path(run) / folder.LAST, Identity(options, fingerprint(data)), [{"epoch": 1}]
        )
    elif options["wav"]:
        small = {"hidden_units": 4, "recurrent_units": 3, "recurrent_layers": 1}
        building.build_model(options | small, num_steps=1).save(Path(run) / folder.LAST)
        identity = Identity(options, fingerprint(data), data.sound)
        checkpoints.add(Path(run) / folder.LAST, identity, [{"epoch": 1}])


def become_a_run_on_a_data_set(run, data):
    """Exchanges the data that a run was trained on."""
    options = config.read_config(run)["options"]
    no_midi = dict.fromkeys(("midi", "step_in_beats", "transpose"))
    options |= no_midi | {"dataset": "jsb_chorales"}
    config.write_config(run, options, data)
    for name in (folder.LAST, folder.BEST):
        history = checkpoints.read(run / name).history
        checkpoints.add(run / name, Identity(options, fingerprint(data)), history)


def draw_nothing(model, num_steps, prime=None, num_sequences=1, **_):
    return np.zeros((num_sequences, num_steps, model.head.visible_units), "float32")


def all_of_a_kind(vectors, found, seed):
    number = len(found.times)
    return Kinds(np.ones(number, int), np.ones(number, "float32"), np.zeros((number, 2)))


def test_examples_of_the_help_work_as_printed(trained, tmp_path, monkeypatch, no_report, rng):
    tiny = [(rng.random((6, 88)) < 0.05).astype("uint8")]
    monkeypatch.setattr(piano_roll, "load", lambda name: piano_roll.PianoRolls(tiny, tiny, tiny))
    # Training, scores, draws, pages and export are tested elsewhere.
    monkeypatch.setattr(training, "fit", save_a_small_model)
    monkeypatch.setattr(SequenceModel, "score", lambda *_, **__: Likelihood(-1, 0, "exact", 1, 1))
    monkeypatch.setattr(SequenceModel, "generate", draw_nothing)
    monkeypatch.setattr(SequenceModel, "export", lambda model, path: path.mkdir(parents=True))
    monkeypatch.setattr(reporting, "page_of_run", lambda *_: report.Page("a page"))
    monkeypatch.setattr("seqlayers.runs.kinds.vectors", lambda *_: None)
    monkeypatch.setattr("seqlayers.runs.kinds.sort", all_of_a_kind)
    commands = list(examples())
    assert {words[1] for words in commands} == set(cli.commands)
    monkeypatch.chdir(tmp_path)
    Path("music").mkdir()
    for n in range(16):
        midi.write(f"music/{n}.mid", tiny[0])
    midi.write("song.mid", tiny[0])
    for each in ("birds", "tuesday", "songs", "labels", "new", "checked"):
        Path(each).mkdir()
    for path in ("birds/one.wav", "tuesday/one.wav", "evening.wav", "song.wav"):
        sound = 0.001 * rng.normal(size=40000)
        for start in range(400, 40000, 1600):  # of 8000 samples a second
            sound[start : start + 200] = np.sin(np.arange(200))
        audio.write(path, sound, 8000)
    for path in ("songs/a.wav", "new/b.wav"):
        audio.write(path, 0.1 * rng.normal(size=64000), 32000)
    for each in ("labels/a.txt", "checked/b.txt"):
        Path(each).write_text("".join(f"{n / 5}\t{n / 5 + 0.025}\ta\n" for n in range(9)))
    Path("marks.csv").write_text("file,start,end\none.wav,0.05,0.075\n")
    Path("marks").mkdir()
    Path("marks/one.csv").write_text("start,end,label\n0.05,0.075,a\n")
    done = set()
    for words in sorted(commands, key=lambda words: words[1] != "train"):
        if "--overwrite" not in words and " ".join(words) in done:
            continue  # the overview shows some of them once more
        if words[1] != "train" and not Path("runs/jsb/last.keras").exists():
            shutil.rmtree("runs/jsb")
            shutil.copytree(trained[0], "runs/jsb")
            become_a_run_on_a_data_set(Path("runs/jsb"), Data(tiny, tiny, tiny))
        succeeds(*words[1:])
        done.add(" ".join(words))


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["data"], ["recipes"]])
def test_help_and_lists_do_not_import_tensorflow(arguments):
    script = (
        "import sys, seqlayers.__main__ as main\n"
        "try:\n"
        "    main.main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell, monkeypatch, capsys):
    def printed(instruction, **words):
        for name, value in ({"_SEQLAYERS_COMPLETE": f"{shell}_{instruction}"} | words).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit, match="0"):
            main()
        return capsys.readouterr().out

    assert "_SEQLAYERS_COMPLETE" in printed("source")
    at = "sc" if shell == "fish" else "1"
    assert "score" in printed("complete", COMP_WORDS="seqlayers sc", COMP_CWORD=at)
    at = "--temp" if shell == "fish" else "2"
    words = printed("complete", COMP_WORDS="seqlayers generate --temp", COMP_CWORD=at)
    assert "--temperature" in words
    for command, name in (
        ("generate --preset tied", "tied-nade-jsb"),
        ("train --recipe tied", "tied-nade-midi"),
        ("recipes tied", "tied-nade-midi"),
    ):
        begun = f"seqlayers {command}"
        at = "tied" if shell == "fish" else str(begun.count(" "))
        assert name in printed("complete", COMP_WORDS=begun, COMP_CWORD=at)


def test_debug_shows_the_traceback(run):
    (run / "config.json").write_text("{")
    done = seqlayers("train", "--out", run, "--resume", "--debug")
    assert done.exit_code == 2
    assert "Traceback" in done.output and "config.json: the file must be as" in done.output


def test_a_defect_is_reported_in_two_lines(monkeypatch):
    def fail(name):
        raise RuntimeError("a defect")

    monkeypatch.setattr(piano_roll, "info", fail)
    done = seqlayers("data")
    assert done.exit_code == 1
    assert "RuntimeError: a defect\nThis is a defect of seqlayers" in done.output
    assert "Traceback" not in done.output
