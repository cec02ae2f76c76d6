"""What is installed is what was meant, and what README shows runs."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: no old build folder gets in, and no new one is left behind."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "seqlayers", source / "seqlayers", ignore=shutil.ignore_patterns("__pycache__")
    )
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", str(target), str(source)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def metadata(wheel, name):
    (path,) = (n for n in wheel.namelist() if n.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode("utf-8")


def test_wheel_holds_every_module_and_all_data(wheel):
    tree = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "seqlayers").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == tree
    assert any(re.fullmatch(r"seqlayers/datasets/data/.+\.npz", name) for name in packed)


def test_wheel_holds_licence_and_command(wheel):
    assert any(re.search(r"\.dist-info/(licenses/)?LICENSE$", name) for name in wheel.namelist())
    assert "seqlayers = seqlayers.__main__:main" in metadata(wheel, "entry_points.txt")


def test_version_is_said_alike_everywhere(wheel):
    version = re.search(r"^Version: (.+)$", metadata(wheel, "METADATA"), re.MULTILINE)[1]
    assert f'__version__ = "{version}"' in (ROOT / "seqlayers" / "__init__.py").read_text("utf-8")
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_readme_code_runs(tmp_path):
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("README.md is not written yet")
    script, inside = [], False
    for line in readme.read_text("utf-8").splitlines():  # lines keep their numbers in a traceback
        fence = line.startswith("```")
        script.append("" if fence or not inside else line)
        inside = (line.strip() == "```python") if fence and not inside else inside and not fence
    if not any(script):
        pytest.skip("README.md has no ```python block")
    file = tmp_path / "readme.py"
    file.write_text("\n".join(script) + "\n", "utf-8")
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
