"""The reference: a page for each room of `docs/names.md`, or for each row of some rooms."""

import ast
import inspect
import re
from pathlib import Path

import names

FOLDER = "docs/api"
ROOMS_OF_CLASSES = ("models", "heads", "layers", "callbacks")  # a page for each row
ROOT = Path(__file__).resolve().parents[2]


def navigation():
    """Returns the entries of the reference in the navigation, room by room."""
    entries = []
    for room in names.rooms():
        if room.name in ROOMS_OF_CLASSES:
            pages = [{_title(row): _path(room, row)} for row in room.rows]
            entries.append({room.name: pages})
        else:
            entries.append({room.name: _path(room)})
    return entries


def pages():
    """Returns the pages of the reference as Markdown, by path."""
    found = {}
    for room in names.rooms():
        if room.name in ROOMS_OF_CLASSES:
            for row in room.rows:
                title = ", ".join(row.names)
                text = f"# {title}\n\n*{_sentence(row.text)}*\n"
                text += "".join(map(_entry, row.names.values()))
                found[_path(room, row)] = text + _equations(next(iter(row.names.values())))
        else:
            text = f"# {room.name}\n" + (f"\n*{_sentence(room.title)}*\n" if room.title else "")
            for row in room.rows:
                text += "".join(map(_entry, row.names.values()))
            found[_path(room)] = text
    return found


def _sentence(text):
    return f"{text[:1].upper()}{text[1:]}."


def _title(row):
    return next(iter(row.names)).split(".")[-1]


def _path(room, row=None):
    return f"{FOLDER}/{room.name}/{_title(row)}.md" if row else f"{FOLDER}/{room.name}.md"


def _entry(path):
    """Returns the directive for one name, with the members that it shows."""
    found = names.resolve(path)
    options = {"heading_level": 2, "members": False, "inherited_members": False}
    after = ""
    if inspect.isclass(found):
        own, inherited = names.members(found)
        if own:
            options |= {"members": own, "inherited_members": own}
        for base, others in inherited.items():
            if base.startswith("seqlayers.layers."):  # for those who write a cell of their own
                continue
            links = ", ".join(f"[`{name}`][{base}.{name}]" for name in others)
            after += f"\nFrom [`{base.split('.')[-1]}`][{base}]: {links}.\n"
    elif inspect.ismodule(found):
        options["members"] = [
            name
            for name, member in vars(found).items()
            if getattr(member, "__module__", None) == found.__name__ and not name.startswith("_")
        ]
    lines = "".join(f"      {name}: {value!r}\n" for name, value in options.items())
    heading = f"      heading: {path.split('.', 1)[1] if path.count('.') > 1 else path}\n"
    return f"\n::: {_anchor(path)}\n    options:\n{lines}{heading}{after}"


def _anchor(path):
    """Returns the path by which the site finds a name.

    A name of the package itself is imported when it is asked for: the source has it elsewhere.
    """
    if path.count(".") > 1:
        return path
    found = names.resolve(path)
    return f"{found.__module__}.{found.__qualname__}"


def docstring_block(path):
    """Returns the docstring of a module without its title, its equations as code."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    return text.partition("\n")[2].strip("\n")


def _equations(path):
    """Returns a section with the equations of a class, where its own docstring has none."""
    found = names.resolve(path)
    block = docstring_block(Path(inspect.getsourcefile(found)))
    equations = block.partition("\n\n")[0]
    shown = not equations.startswith("    ") or equations in (found.__doc__ or "")
    if shown or not inspect.isclass(found):
        return ""
    return f"\n## Equations\n\n{block}\n"


class Linker:
    """Links the first mention of each public name on a page to the reference.

    Args:
        page: Path of the page. On the index of names, all names are links.
    """

    def __init__(self, page):
        self.everywhere = page == names.INDEX.relative_to(ROOT).as_posix()
        self.targets = {} if page.startswith(FOLDER) else _targets()
        self.rows = {row.text: row for room in names.rooms() for row in room.rows}

    def linked(self, text):
        return "".join(map(self._line, text.splitlines(keepends=True)))

    def _line(self, line):
        if line.startswith(("#", "    ", "<")):
            return line
        if self.everywhere:
            return self._row(line)
        return re.sub(r"(?<![\[`\w])`([\w.]+)`(?![`\]])", self._link, line)

    def _link(self, match):
        target = self.targets.pop(match[1].removeprefix("seqlayers."), None)
        return f"[{match[0]}][{target}]" if target else match[0]

    def _row(self, line):
        cells = line.strip().strip("|").split("|")
        row = self.rows.get(cells[1].strip()) if line.startswith("| `") else None
        if row is None:
            return line
        first = names.CODE.sub(
            lambda match: (
                f"[{match[0]}][{_anchor(row.names[match[1]])}]"
                if match[1] in row.names
                else match[0]
            ),
            cells[0],
        )
        return f"|{first}|{cells[1]}|\n"


def _targets():
    """Returns the full path of each name as pages write it: `heads.NADE`, and `NADE` alone."""
    full, short = {}, {}
    for path in names.all_paths():
        full[path.removeprefix("seqlayers.")] = _anchor(path)
        short.setdefault(path.split(".")[-1], []).append(path)
    once = {name: paths[0] for name, paths in short.items() if len(paths) == 1}
    return full | {name: path for name, path in once.items() if name[0].isupper()}
