"""Builds a release into dist/ and checks it as a stranger would meet it; `make release` runs it.

RELEASING.md says what comes before and after. Nothing is uploaded, and only dist/ is written.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PYTHONS = ("3.11", "3.12", "3.13")  # of setup.cfg's python_requires
NEEDED = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "PKG-INFO")  # in the sdist


def main():
    version = checked_version()
    sdist, wheel = build(version)
    check_contents(sdist, wheel)
    pythons = found_pythons()
    print(f"Pythons found: {', '.join(pythons)}")
    for number in dict.fromkeys([min(pythons, key=as_numbers), max(pythons, key=as_numbers)]):
        install_and_try(number, pythons[number], sdist, wheel, version)
    print(f"\nseqlayers {version} is in {DIST}. Next, as RELEASING.md says:")
    print(f'  git tag -s v{version} -m "seqlayers {version}"')
    print(f"  git push origin v{version}")
    print(f"  {sys.executable} -m twine upload dist/*")


def run(*command, **options):
    """Runs a command and stops the release if it fails."""
    print("$", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, **options)


def output(*command, **options):
    """Returns what a command prints."""
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, **options
    ).stdout


def checked_version():
    """Returns the version: new, of a tree without changes, and described in CHANGELOG.md."""
    if changed := output("git", "status", "--porcelain", cwd=ROOT):
        raise SystemExit(f"Commit first: the working tree must have no changes.\n{changed}")
    text = (ROOT / "seqlayers" / "__init__.py").read_text("utf-8")
    version = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)[1]
    dated = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    if not re.search(dated, changes, re.MULTILINE):
        raise SystemExit(f"CHANGELOG.md must have a section `## [{version}] - YYYY-MM-DD`.")
    if re.search(r"^## \[Unreleased\]\s+(?!## )\S", changes, re.MULTILINE):
        raise SystemExit("Unreleased in CHANGELOG.md must be empty: move it to the new version.")
    if output("git", "tag", "--list", f"v{version}", cwd=ROOT):
        raise SystemExit(f"The version must be new: there is a tag v{version}.")
    return version


def build(version):
    """Returns the paths of the source distribution and the wheel, built of committed files."""
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        archive, source = Path(folder, "source.tar"), Path(folder, "source")
        run("git", "archive", "--output", archive, "HEAD", cwd=ROOT)
        with tarfile.open(archive) as tar:
            tar.extractall(source, filter="data")
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", DIST, source)
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(DIST.iterdir()))
    return DIST / f"seqlayers-{version}.tar.gz", DIST / f"seqlayers-{version}-py3-none-any.whl"


def check_contents(sdist, wheel):
    """Compares what both hold with the tracked files of the package."""
    tracked = set(output("git", "ls-files", "seqlayers", cwd=ROOT).splitlines())
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for kind, wrong in (
        ("wheel lacks", tracked - packed),
        ("wheel has no business with", packed - tracked),
        ("source distribution lacks", (tracked | set(NEEDED)) - names),
    ):
        if wrong:
            raise SystemExit(f"The {kind} {', '.join(sorted(wrong))}.")
    print(f"{len(packed)} files in the wheel, {wheel.stat().st_size / 1e6:.1f} MB")


def found_pythons():
    """Returns the Pythons on the path that the package runs on, by number."""
    pythons = {}
    for number in PYTHONS:
        probe = [f"python{number}", "-c", "import sys, ensurepip, venv; print(sys.executable)"]
        try:
            pythons[number] = output(*probe).strip()
        except (OSError, subprocess.CalledProcessError):
            print(f"python{number} is not on the path; not tried")
    if not pythons:
        raise SystemExit(f"One of Python {', '.join(PYTHONS)} must be on the path.")
    return pythons


def as_numbers(version):
    return [int(part) for part in version.split(".")]


def install_and_try(number, python, sdist, wheel, version):
    """Installs both distributions into empty environments of a Python, and uses them."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        print(f"\n== Python {number}: the source distribution")
        seqlayers = installed(python, here / "sdist", str(sdist))
        assert output(seqlayers, "--version", cwd=here).split()[-1] == version
        run(seqlayers, "data", cwd=here, stdout=subprocess.DEVNULL)
        shutil.rmtree(here / "sdist")

        print(f"\n== Python {number}: the wheel")
        seqlayers = installed(python, here / "wheel", f"{wheel}[tensorflow,plot]")
        assert output(seqlayers, "--version", cwd=here).split()[-1] == version
        preset = ["--preset", "tied-nade-small-jsb"]
        run(seqlayers, "generate", *preset, "--out", "songs", "--steps", "16", cwd=here)
        nats = float(output(seqlayers, "score", *preset, "--quiet", cwd=here))
        print(f"{preset[1]}: {nats:.3f} nats per frame")
        small = ["--model", "rnn-bernoulli", "--epochs", "1", "--batch-size", "1"]
        run(seqlayers, "train", "--midi", "songs", *small, "--out", "run", cwd=here)
        example = shutil.copytree(ROOT / "examples", here / "examples") / "music_rnn_rbm.py"
        python = seqlayers.with_name("python")
        run(python, example, "--quick", "--out", "demo", cwd=here)


def installed(python, folder, what):
    """Returns the command `seqlayers` of a new environment with a distribution in it."""
    run(python, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", what)
    return folder / "bin" / "seqlayers"


if __name__ == "__main__":
    main()
