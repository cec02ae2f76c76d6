"""Builds the site of `mkdocs.yml` from files where they lie in the repository.

A page of the site has the path of its file, so that a link between two files leads to the same
place on a code host and in the site. Pages that no file holds are made here: the reference, and
sources and notebooks that a page links to.
"""

import re
from pathlib import Path

import api_pages
import notebooks
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^ *(```|~~~)", re.MULTILINE)
LINK = re.compile(r"(?<!\\)(\]\()([^()\s#:]+)(#[^()\s]*)?(\))")
DOCSTRING = re.compile(r"^<!-- docstring of (\S+) -->$", re.MULTILINE)
LISTED = {"examples": "examples/*.py", "tutorials": "docs/tutorials/*.ipynb"}
ASSETS = {".png", ".svg", ".css", ".js"}
SHOWN = {  # files of other kinds, as pages
    ".py": lambda path: f"```python\n{path.read_text('utf-8')}```",
    ".config": lambda path: f"```text\n{path.read_text('utf-8')}```",
    ".cff": lambda path: f"```yaml\n{path.read_text('utf-8')}```",
    "": lambda path: f"```text\n{path.read_text('utf-8')}```",
}


def on_config(config):
    """Completes the navigation of `mkdocs.yml`.

    An entry "{name}" stands for what is made here: the reference, all that is in a folder, and the
    files for those who work on the project, which have no other place.
    """
    placed = str(config.nav)
    files = sorted(path.name for path in ROOT.glob("*.md") if path.name not in placed)
    made = {"api": api_pages.navigation(), "project": files}
    for name, pattern in LISTED.items():
        files = sorted(ROOT.glob(pattern))
        named = pattern.endswith(".py")  # a notebook has a title of its own
        made[name] = [{path.stem: _page(path)} if named else _page(path) for path in files]
    config.nav = _filled(config.nav, made)
    return config


def _filled(nav, made):
    """Returns a navigation with what is made in the place of each entry "{name}"."""
    filled = []
    for entry in nav:
        ((title, target),) = entry.items() if isinstance(entry, dict) else ((None, entry),)
        if isinstance(target, list):
            target = _filled(target, made)
            if target:
                filled.append({title: target})
        elif target.startswith("{"):
            filled += made[target.strip("{}")]
        else:
            filled.append(entry)
    return filled


def on_files(files, config):
    """Replaces the files of `docs/` by those of the repository that are in the site."""
    texts = {page: (ROOT / page).read_text("utf-8") for page in _markdown()}
    texts |= api_pages.pages()
    for pattern in LISTED.values():
        texts |= {_page(path): _shown(path) for path in ROOT.glob(pattern)}
    built = [File.generated(config, page, content=text) for page, text in texts.items()]
    for path in {path for page, text in texts.items() for path in _targets(page, text)}:
        page = _page(path)
        if page not in texts and path.is_file() and path.suffix in SHOWN:
            off = InclusionLevel.NOT_IN_NAV
            built.append(File.generated(config, page, content=_shown(path), inclusion=off))
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.suffix in ASSETS:
            name = path.relative_to(ROOT).as_posix()
            built.append(File.generated(config, name, abs_src_path=str(path)))
    return Files([file for file in files if file.src_dir != config.docs_dir] + built)


def _markdown():
    """Returns the pages of the repository, by their paths in it."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("saved_models/*.md")]
    found += ROOT.glob("seqlayers/datasets/data/*.md")
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def _targets(page, text):
    """Yields the files of the repository that a page links to."""
    for _, target, _, _ in LINK.findall(text):
        path = (ROOT / page).parent.joinpath(target).resolve()
        if path.is_relative_to(ROOT):
            yield path


def _page(path):
    """Returns the path of the page that shows a source or a notebook."""
    return f"{path.relative_to(ROOT).as_posix()}.md"


def _shown(path):
    """Returns a source or a notebook as a page."""
    if path.suffix == ".ipynb":
        return notebooks.markdown(path.read_text("utf-8"))
    return f"# {path.relative_to(ROOT).as_posix()}\n\n{SHOWN[path.suffix](path)}\n"


def on_page_markdown(markdown, page, config, files):
    """Puts docstrings in their places, and links names to the reference, files to their pages."""
    here = page.file.src_uri
    markdown = DOCSTRING.sub(lambda match: api_pages.docstring_block(ROOT / match[1]), markdown)
    linker = api_pages.Linker(here)
    parts = []
    for text, is_code in _by_fences(markdown):
        if not is_code:
            text = LINK.sub(lambda match: _to_page(match, here, files), text)
            text = linker.linked(text)
        parts.append(text)
    return "".join(parts)


def _to_page(match, here, files):
    """Returns a link to a file that is shown as a page, as one to that page."""
    path = (ROOT / here).parent.joinpath(match[2]).resolve()
    if path.is_relative_to(ROOT):
        if files.get_file_from_path(_page(path)):
            return f"{match[1]}{match[2]}.md{match[3] or ''}{match[4]}"
    return match[0]


def _by_fences(markdown):
    """Yields the parts of a page, and whether they are code."""
    lines, is_code = [], False
    for line in markdown.splitlines(keepends=True):
        fence = FENCE.match(line)
        if fence and not is_code and lines:
            yield "".join(lines), False
            lines = []
        lines.append(line)
        if fence:
            if is_code:
                yield "".join(lines), True
                lines = []
            is_code = not is_code
    if lines:
        yield "".join(lines), is_code
