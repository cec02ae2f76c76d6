"""`tools/release.py` refuses a tree that is not ready, before it builds anything."""

import runpy
from pathlib import Path

import pytest

RELEASE = Path(__file__).resolve().parents[1] / "tools" / "release.py"
READY = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-01\n\n- A change.\n"


def checked_version(root, changes, status="", tags=""):
    """The version of a tree whose git prints what is given."""
    (root / "seqlayers").mkdir(exist_ok=True)
    (root / "seqlayers" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (root / "CHANGELOG.md").write_text(changes)
    function = runpy.run_path(str(RELEASE))["checked_version"]

    def output(*command, **_):
        return {"status": status, "tag": tags if command[-1] == "v1.2.3" else ""}[command[1]]

    function.__globals__.update(ROOT=root, output=output)
    return function()


def test_a_tree_that_is_ready_has_a_version(tmp_path):
    assert checked_version(tmp_path, READY) == "1.2.3"


@pytest.mark.parametrize(
    "changes, printed, message",
    [
        (READY, {"status": " M README.md"}, "Commit first"),
        (READY.replace("[1.2.3]", "[1.2.2]"), {}, "must have a section"),
        (READY.replace("Unreleased]", "Unreleased]\n\n### Fixed\n\n- A bug."), {}, "must be empty"),
        (READY, {"tags": "v1.2.3\n"}, "there is a tag v1.2.3"),
    ],
)
def test_a_tree_that_is_not_ready_is_refused(changes, printed, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        checked_version(tmp_path, changes, **printed)
