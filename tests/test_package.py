"""The wheel holds all files, and the code in README and docs/ runs."""

import ast
import configparser
import itertools
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if "```python" in page.read_text("utf-8")
]


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


def test_public_ci_calls_targets_of_the_makefile():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    targets = re.findall(r"^          - run: make (\S+)$", workflow, re.MULTILINE)
    assert {"check", "docs", "test-oldest"} <= set(targets) and "- run: .ci/run\n" in workflow
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


@pytest.mark.parametrize("more, fewer", [("", ""), ("seqlayers/x.py", ""), ("", "seqlayers/b.py")])
def test_a_release_that_lacks_a_file_or_has_another_is_refused(more, fewer, tmp_path, monkeypatch):
    release = runpy.run_path(str(ROOT / "tools" / "release.py"))
    tracked = ["seqlayers/a.py", "seqlayers/b.py"]
    check = release["check_contents"]
    monkeypatch.setitem(check.__globals__, "output", lambda *_, **__: "\n".join(tracked))
    with zipfile.ZipFile(tmp_path / "wheel", "w") as archive:
        for name in {*tracked, "seqlayers-1.dist-info/METADATA", more} - {fewer, ""}:
            archive.writestr(name, "")
    with tarfile.open(tmp_path / "sdist", "w") as tar:
        for name in (*tracked, *release["NEEDED"]):
            tar.addfile(tarfile.TarInfo(f"seqlayers-1/{name}"))
    if not (more or fewer):
        return check(tmp_path / "sdist", tmp_path / "wheel")
    with pytest.raises(SystemExit, match=f"The wheel (lacks|has no business with) {more or fewer}"):
        check(tmp_path / "sdist", tmp_path / "wheel")


def requirements(setup, extra=None):
    """Yields what setup.cfg requires, alone or for an extra, with the extras within it."""
    extras = setup["options.extras_require"]
    lines = extras[extra] if extra else setup["options"]["install_requires"]
    for requirement in map(Requirement, lines.strip().splitlines()):
        if requirement.name == "seqlayers":
            for name in requirement.extras:
                yield from requirements(setup, name)
        else:
            yield requirement


def test_the_oldest_versions_are_the_lower_bounds_of_setup_cfg():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    bounds = set()
    of_each = (requirements(setup, extra) for extra in (None, "tensorflow", "test"))
    for requirement in itertools.chain.from_iterable(of_each):
        (lowest,) = (part.version for part in requirement.specifier if part.operator == ">=")
        bounds.add(f"{requirement.name}=={lowest}")
    lines = (ROOT / "tests" / "oldest.txt").read_text("utf-8").splitlines()
    oldest = [line for line in lines if not line.startswith("#")]
    assert sorted(oldest) == sorted(bounds)


def marks(page):
    """`make docs` runs the code of all pages."""
    return () if page.name == "README.md" else pytest.mark.long


def python_blocks(page):
    """The ```python blocks of a page as one script, whose lines keep their numbers."""
    script, inside = [], False
    for line in page.read_text("utf-8").splitlines():
        fence = line.startswith("```")
        script.append("" if fence or not inside else line)
        inside = (line.strip() == "```python") if fence and not inside else inside and not fence
    return "\n".join(script)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=marks(page), id=page.name) for page in PAGES]
)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = python_blocks(page)
    assert script.strip()
    if "import onnxruntime" in script:
        pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    exec(compile(script, page, "exec"), {"__name__": "page"})


def public_names():
    """Every name in an `__all__` of the package, by ast, with the module that lists it."""
    for path in sorted((ROOT / "seqlayers").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            targets = [node.target] if isinstance(node, ast.AugAssign) else []
            targets = node.targets if isinstance(node, ast.Assign) else targets
            if "__all__" in [getattr(target, "id", None) for target in targets]:
                yield from ((name, path) for name in ast.literal_eval(node.value))


def test_every_public_name_is_in_the_map_of_names():
    found = set(re.findall(r"\w+", (ROOT / "docs" / "names.md").read_text("utf-8")))
    missing = [f"{path.parent.name}: {name}" for name, path in public_names() if name not in found]
    assert missing == []


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        links = re.findall(r"\]\(([^)#:=]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name
