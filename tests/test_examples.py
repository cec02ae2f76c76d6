"""The examples run from end to end, on little data."""

import contextlib
import json
import os
import re
import runpy
import socket
import subprocess
import sys
import wave
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs an example in this process, which has TensorFlow; returns the printed text."""

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_the_demo_writes_scores_music_pictures_and_a_model_that_a_server_scores_alike(
    run, tmp_path, capsys
):
    result = subprocess.run(
        [sys.executable, EXAMPLES / "music_rnn_rbm.py", "--quick", "--out", tmp_path / "demo"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert result.returncode == 0, result.stderr
    assert "the scores agree" in result.stdout
    made = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {f"generated_{number}.mid" for number in (1, 2, 3, 4)} <= made
    assert (tmp_path / "demo" / "report.html").stat().st_size < 3_000_000
    pictures = ("piano_rolls", "hidden_activity", "receptive_fields", "learning_curve")
    assert {*(f"{name}.png" for name in pictures), "model.keras", "saved_models"} <= made
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert abs(scores["served"] - scores["RNN-RBM"]) < 0.05

    with pytest.raises(SystemExit, match="2"):
        run("music_rnn_rbm.py", "--quick", "--out", tmp_path / "demo")
    assert "is not empty; --overwrite" in capsys.readouterr().err


@pytest.mark.long
def test_the_waves_are_told_apart_and_the_memories_drawn(run, tmp_path):
    picture = tmp_path / "new" / "spectrum.png"
    printed = run("waves_sfm.py", "--quick", "--out", picture)
    for name in ("SFM", "A-SFM"):
        assert re.search(rf"^{name} with \d+ weights: [0-4] of 4 test waves$", printed, re.M)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_a_memory_of_frequencies_learns_music_with_two_heads_and_plays(run, tmp_path):
    printed = run("music_sfm.py", "--quick", "--out", tmp_path / "music")
    for head in ("each key for itself", "an RBM over all keys"):
        assert re.search(rf"^SFM with {head}: -\d+\.\d+ nats per frame", printed, re.M)
    assert {path.name for path in (tmp_path / "music").iterdir()} == {"memory.png", "generated.mid"}


@pytest.mark.long
def test_heads_are_compared_on_one_memory_and_what_they_play_is_drawn(run, tmp_path):
    printed = run("music_heads.py", "--quick", "--out", tmp_path / "heads")
    heads = {"each key for itself": "exact", "an RBM over all keys": "estimate"}
    heads |= {"key after key (NADE)": "exact"}
    for name, kind in heads.items():
        row = rf"^{re.escape(name)} +-\d+\.\d{{3}} +{kind} +\d+\.\d\d$"
        assert re.search(row, printed, re.M)
    assert re.search(r"^real music, test split +\d\.\d\d$", printed, re.M)
    made = {path.name for path in (tmp_path / "heads").iterdir()}
    assert made == {f"rolls_{number}.png" for number in (1, 2, 3)}


@pytest.mark.slow
def test_what_models_play_is_measured_beside_real_music_and_drawn(run, tmp_path):
    from seqlayers.heads import BernoulliHead
    from seqlayers.models import SequenceModel

    model = SequenceModel(None, BernoulliHead(88, seed=0))
    model.save(tmp_path / "plain.keras")
    printed = run(
        "music_compare.py", tmp_path / "plain.keras", "--quick", "--out", tmp_path / "music"
    )
    assert re.search(r"^plain: -60\.997 nats per frame", printed, re.M)  # 88 log 2
    numbers = r"( +\d+\.\d{3}){6}$"
    assert re.search(r"^real, test split" + numbers, printed, re.M)
    for temperature in ("0.8", "1.0", "1.2"):
        assert re.search(rf"^plain, {temperature}" + numbers, printed, re.M)
    assert (tmp_path / "music" / "measures.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_phones_are_heard_frame_by_frame_as_in_the_whole_sentence(run, tmp_path):
    printed = run("phones_conv_lstm_patch.py", "--quick", "--out", tmp_path / "phones")
    assert "No TIMIT: 4 sentences of ARCTIC to learn" in printed
    assert "The same as for the whole sentence at once" in printed
    assert (tmp_path / "phones" / "confusion.png").exists()
    assert "slt arctic_a0013" in (tmp_path / "phones" / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_speech_is_coded_and_decoded_and_its_spectra_drawn(run, tmp_path):
    printed = run("speech_lstbm.py", "--quick", "--out", tmp_path / "speech")
    for name in ("RBM", "TRBM", "LSTBM"):
        assert re.search(rf"^{name} +\d+ units: mean squared error \d", printed, re.M)
    made = {path.name for path in (tmp_path / "speech").iterdir()}
    assert made == {
        *("original.wav", "decoded.wav", "spectrograms.png", "errors.png"),
        *("lstbm.keras", "normalizer.json"),
    }


@pytest.mark.long
def test_calls_are_sorted_without_labels(run):
    pytest.importorskip("sklearn")
    printed = run("calls_cluster.py", "--quick")
    assert re.search(r"^\d+ segments to learn from; 80 calls of 5 kinds$", printed, re.M)
    rows = re.findall(r"^(\w.*?) +(\d+) +(\d\.\d{3}) +\d\.\d{3}$", printed, re.M)
    assert [name for name, *_ in rows] == [
        *("mean spectrum", "RNN-RBM before training", "RNN-RBM"),
    ]
    assert rows[-1][1] in "345" and float(rows[-1][2]) > 0.5


@pytest.mark.slow
def test_sound_is_made_up_and_heard_frame_by_frame(run, tmp_path):
    printed = run("sound_rnn_rbm.py", "--quick", "--out", tmp_path / "new" / "sound.wav")
    assert re.search(r"^\d+\.\d ms a frame, which lasts 8\.0: \d+\.\d\d of it$", printed, re.M)
    with wave.open(str(tmp_path / "new" / "sound.wav")) as file:
        assert file.getframerate() == 16000 and file.getnframes() == 26 * 128 - 128


@pytest.mark.long  # test_workers.py trains two workers, too
def test_two_workers_train_and_the_chief_saves(run, tmp_path):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    command = [sys.executable, EXAMPLES / "multi_worker.py", "--quick", "--out", tmp_path]
    with contextlib.ExitStack() as stack:
        processes = []
        for index in range(2):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": workers}, "task": task})
            environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent), "TF_CONFIG": config}
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            process = subprocess.Popen(command, env=environment, **streams)
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        chief, other = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], chief + other
    assert "2 replicas, batches of 32 pieces" in chief and "test split: -" in chief
    assert "replicas" not in other
    assert {path.name for path in tmp_path.iterdir()} == {"backup", "model.keras"}
    assert "model.keras is there already" in run("multi_worker.py", "--quick", "--out", tmp_path)
