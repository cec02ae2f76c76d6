"""The tutorials run in their short form, and are committed as they were executed."""

import json
import re
import sys
import types
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).resolve().parents[2] / "docs" / "tutorials").glob("*.ipynb"))
SHORT_FORM = 'QUICK = os.environ.get("SEQLAYERS_QUICK") == "1"'
MACHINE = re.compile(r"/(home|root|tmp|work|usr|opt)/|site-packages|https?://|0x[0-9a-f]{6,}")
SHOWS = re.compile(r"^(print|Audio|plotting\.\w+|plt\.show)\(", re.MULTILINE)

tutorials = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def code_cells(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def shown(monkeypatch):
    """Sounds that a tutorial shows, as pairs of samples and rate. Neither Jupyter nor IPython."""
    sounds = []
    display = types.ModuleType("IPython.display")
    display.Audio = lambda samples, rate: sounds.append((samples, rate))
    display.display = lambda shown: None
    package = types.ModuleType("IPython")
    package.version_info, package.get_ipython = (9, 0), lambda: None  # Matplotlib asks for them
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return sounds


@pytest.mark.long
@pytest.mark.tensorflow
@tutorials
def test_a_tutorial_runs_in_its_short_form(path, shown, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot", reason="tutorials draw pictures")
    monkeypatch.setenv("SEQLAYERS_QUICK", "1")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    sources = ["".join(cell["source"]) for cell in code_cells(path)]
    assert sum(SHORT_FORM in source for source in sources) == 1
    names = {"__name__": "__main__"}
    with plt.rc_context({"backend": "agg"}):
        for number, source in enumerate(sources, start=1):
            exec(compile(source, f"{path.name}, code cell {number}", "exec"), names)
    assert bool(shown) == any("Audio(" in source for source in sources)
    for samples, rate in shown:
        assert 8000 <= rate <= 16000 and 0 < len(samples) < 10 * rate and abs(samples).max() > 0


@tutorials
def test_a_tutorial_is_committed_as_it_was_executed(path):
    assert path.stat().st_size < 400_000
    notebook = json.loads(path.read_text("utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not any(cell["metadata"] for cell in notebook["cells"])
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {
        *("stream", "display_data", "execute_result")
    }
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    for cell in cells:
        assert cell["outputs"] or not SHOWS.search("".join(cell["source"]))
    for output in outputs:
        data = output.get("data", {})
        texts = ["".join(output.get("text", "")), "".join(data.get("text/plain", ""))]
        assert not MACHINE.search("".join(texts))
    last = [kind for output in outputs[-2:] for kind in output.get("data", {})]
    assert "image/png" in last or any("<audio" in str(output) for output in outputs[-2:])
