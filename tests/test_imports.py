"""Imports point one way, and `import seqlayers` brings no more than it must."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "seqlayers"

# A room, and the rooms it may import besides itself and the ground floor.
# "" is `seqlayers/__init__.py`.
GROUND = {"arrays", "backends", "checks", "distributions", "files", "masks", "registration"}
GROUND |= {"replicas", "sampling"}
BELOW_MODELS = {"audio", "energy", "layers", "heads", "datasets", "metrics", "export", "presets"}
ALL = BELOW_MODELS | {"loading", "models", "callbacks", "plotting", "report"}
ALLOWED = {
    **dict.fromkeys(GROUND, set()),
    "energy": set(),
    "audio": set(),
    "datasets": {"audio"},
    "metrics": set(),
    "presets": {"datasets"},
    "plotting": set(),
    "report": set(),
    "layers": set(),
    "heads": {"energy"},
    "export": set(),
    "loading": set(),
    "models": BELOW_MODELS,
    "callbacks": {"metrics", "models", "report"},
    "runs": ALL | {""},
    "commands": {"audio", "datasets", "metrics", "plotting", "presets", "report", "runs", ""},
    "__main__": {"commands", ""},
    "": ALL,
}
TENSORFLOW = (
    "models/",
    "datasets/",
    "backends.py",
    "export/",
    "layers/chunks_tensorflow.py",
    "layers/scan_tensorflow.py",
    "layers/steps_tensorflow.py",
    "replicas.py",
)
JAX = ("distributions.py", "layers/scan_jax.py")
TENSORFLOW_PROBABILITY = ("sampling.py",)


def room(module):
    """seqlayers.models.rnn_rbm -> models."""
    return module.partition(".")[2].partition(".")[0]


def module_name(file):
    """seqlayers/models/rnn_rbm.py -> seqlayers.models.rnn_rbm."""
    parts = ("seqlayers", *file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source, file):
    """Full names of all modules imported in `source`, wherever in it the import stands."""
    package = module_name(file).split(".")
    if file.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                # `from seqlayers import energy` names a room, one of `__version__` does not.
                whole = module == "seqlayers" and alias.name in ALLOWED
                yield f"{module}.{alias.name}" if whole else module


def complaints(source, file):
    here, path = room(module_name(file)), file.relative_to(PACKAGE).as_posix()
    if here not in ALLOWED:
        yield f"{path} is in no known room; give it a line in ALLOWED and in CONTRIBUTING.md"
        return
    for name in imported(source, file):
        top = name.partition(".")[0]
        if top == "seqlayers" and room(name) not in ALLOWED[here] | GROUND | {here}:
            yield f"{path} imports {name}"
        elif top == "tensorflow" and not path.startswith(TENSORFLOW):
            yield f"{path} imports {name}; use keras.ops, or one of {', '.join(TENSORFLOW)}"
        elif top == "jax" and not path.startswith(JAX):
            yield f"{path} imports {name}; use keras.ops, or one of {', '.join(JAX)}"
        elif top == "tensorflow_probability" and path not in TENSORFLOW_PROBABILITY:
            yield f"{path} imports {name}; only {', '.join(TENSORFLOW_PROBABILITY)} may"


def test_imports_point_one_way():
    files = sorted(PACKAGE.rglob("*.py"))
    assert files
    assert [c for file in files for c in complaints(file.read_text("utf-8"), file)] == []


@pytest.mark.parametrize(
    "path, source",
    [
        ("energy/ais.py", "import seqlayers.layers"),
        ("energy/ais.py", "from ..heads import nade"),
        ("layers/sfm.py", "from seqlayers import heads"),
        ("layers/sfm.py", "from seqlayers import __version__"),
        ("heads/nade.py", "from ..models.sequence import SequenceModel"),
        ("heads/__init__.py", "from ..layers import SFM"),
        ("export/labels.py", "def f():\n    from seqlayers.models import SequenceModel"),
        ("datasets/midi.py", "from seqlayers.metrics import f_measure"),
        ("audio/spectra.py", "from seqlayers.datasets import batching"),
        ("audio/files.py", "import tensorflow as tf"),
        ("metrics/labels.py", "from .. import energy"),
        ("files.py", "import seqlayers"),
        ("heads/nade.py", "if TYPE_CHECKING:\n    import tensorflow as tf"),
        ("heads/nade.py", "from tensorflow.python import ops"),
        ("layers/scan.py", "import tensorflow as tf"),
        ("layers/sfm.py", "def f():\n    import jax.numpy as jnp"),
        ("heads/bernoulli.py", "def f():\n    import tensorflow_probability as tfp"),
        ("trainers/cd.py", "import keras"),
        ("commands/train.py", "from seqlayers import models"),
        ("__main__.py", "from seqlayers.models import SequenceModel"),
    ],
)
def test_a_wrong_import_is_seen(path, source):
    assert list(complaints(source, PACKAGE / path))


@pytest.mark.parametrize(
    "path, source",
    [
        ("sampling.py", "def f():\n    import tensorflow_probability as tfp"),
        ("energy/ais.py", "from .rbm import gibbs"),
        ("heads/nade.py", "from seqlayers import energy\nfrom seqlayers.energy.rbm import gibbs"),
        ("models/sequence.py", "import tensorflow as tf\nfrom seqlayers import files, heads"),
        ("models/rnn_rbm.py", "from seqlayers.datasets import piano_roll"),
        ("datasets/midi.py", "import tensorflow as tf\nfrom seqlayers import files"),
        ("datasets/speech.py", "from seqlayers import audio"),
        ("runs/folder.py", "from seqlayers import __version__, export, plotting"),
        ("commands/train.py", "from seqlayers.commands.cli import import_runs"),
        ("layers/sfm.py", "import tensorflowish"),
        ("layers/scan_jax.py", "import jax.numpy as jnp"),
    ],
)
def test_a_right_import_is_not(path, source):
    assert list(complaints(source, PACKAGE / path)) == []


def test_importing_seqlayers_is_quiet_and_brings_nothing_heavy():
    script = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"  # Keras imports it if it can: look for our own import
        "import seqlayers\n"
        "heavy = {'tensorflow_probability', 'tf_keras', 'mido', 'soundfile', 'soxr', 'click'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    # TensorFlow may speak of the machine; a warning of ours bears its file's path.
    assert [line for line in done.stderr.splitlines() if str(PACKAGE) in line] == []
