"""Classes are registered with Keras whatever is imported first, and nothing heavy before Keras."""

import subprocess
import sys
from pathlib import Path

import pytest

from seqlayers import registration

FILES = {
    "keras": "registered = []",
    "package/__init__.py": (
        "from package.registration import import_after_keras\n"
        "import_after_keras(__name__, lambda: ['package.low', 'package.high'])\n"
    ),
    "package/registration.py": Path(registration.__file__).read_text("utf-8"),
    "package/light.py": "",
    "package/ground.py": "import keras",
    "package/low.py": (
        "import keras\nfrom package.ground import keras as same\nname = 'low'\n"
        "keras.registered.append(name)\n"
    ),
    "package/high/__init__.py": "from package.high.part import name",
    "package/high/part.py": (
        "import keras\nfrom package.low import name as _\nname = 'high'\n"
        "keras.registered.append(name)\n"
    ),
}


def run(folder, *lines):
    """Runs lines of Python in a process of their own and returns what they print."""
    script = "\n".join(["import sys", f"sys.path.insert(0, {str(folder)!r})", *lines])
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a package of three rooms and a stand-in for Keras."""
    folder = tmp_path_factory.mktemp("small")
    for name, text in FILES.items():
        path = folder / (name if "/" in name else f"{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    "first",
    [
        "import package, keras",
        "import keras, package",
        "import package.ground",
        "import package.low",
        "import package.high",
        "import package.high.part",
        "import package.light, package.high.part",
    ],
)
def test_all_classes_are_registered_once_whatever_comes_first(small, first):
    lines = (first, "import keras", "print(*keras.registered)")
    assert run(small, *lines) == "low high"


@pytest.mark.parametrize("first", ["import package", "import package.light"])
def test_nothing_is_imported_before_keras(small, first):
    lines = (first, "print({'keras', 'package.low', 'package.high'} & set(sys.modules))")
    assert run(small, *lines) == "set()"


def test_a_failing_import_of_keras_raises_its_own_error(small, tmp_path):
    (tmp_path / "keras.py").write_text("raise ImportError('no backend')")
    lines = (
        f"sys.path.insert(0, {str(tmp_path)!r})",
        "import package",
        "try: import keras",
        "except ImportError as error: print(error)",
    )
    assert run(small, *lines) == "no backend"


def test_a_missing_backend_is_named_with_what_installs_it(small, tmp_path):
    (tmp_path / "keras.py").write_text("import tensorflow")
    lines = (
        f"sys.path.insert(0, {str(tmp_path)!r})",
        "sys.modules['tensorflow'] = None",
        "try: import package.low",
        "except ImportError as error: print(error, *error.__notes__)",
    )
    printed = run(small, *lines)
    assert printed.count("Keras needs a backend: run `pip install 'package[tensorflow]'`") == 1


def test_seqlayers_is_light_and_registers_all_its_classes(pytestconfig):
    lines = (
        "import seqlayers",
        "assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)",
        "import keras",
        "from keras.src.saving.object_registration import GLOBAL_CUSTOM_OBJECTS as objects",
        "print(*sorted(name for name in objects if name.startswith('seqlayers>')))",
    )
    registered = run(pytestconfig.rootpath, *lines).split()
    mark = '@keras.saving.register_keras_serializable("seqlayers")'
    files = (pytestconfig.rootpath / "seqlayers").rglob("*.py")
    assert len(registered) == sum(path.read_text("utf-8").count(mark) for path in files) > 20
