"""Bring the lessons into one form: previous · map · next at their end, and folded cells where a lesson asks for it.

    python tests/make_lessons.py [NOTEBOOK ...]

Without names, every lesson. The order is that of the map in nbs/index.ipynb; a notebook that the map does not list
stands behind the last listed one before it by file name. The last cell of a lesson has the id `lesson-links`.

What is folded: in every lesson the exported cell of imports; in a lesson whose cell `#| default_exp` has the tag
`folded` every exported cell. Such a lesson is about what its functions do. A cell with the tag `open` is not folded.
JupyterLab reads this from `jupyter.source_hidden` in a cell's metadata, which nbdev_clean keeps.
"""

import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINKS = "lesson-links"
MAP = "index.ipynb#The-map"


def text_of(cell):
    """The source of a cell as one string."""
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def plain(source):
    """Source without lines that Python cannot read: directives and magics."""
    return re.sub(r"^[%!].*$", "", source, flags=re.M)


def is_import(source):
    """Whether a cell does nothing but import."""
    try:
        body = ast.parse(plain(source)).body
    except SyntaxError:
        return False
    nodes = [part for node in body for part in (node.body if isinstance(node, ast.If) else [node])]  # as for TYPE_CHECKING
    return bool(nodes) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)


def defined(source):
    """The functions, classes and constants that a cell defines."""
    try:
        body = ast.parse(plain(source)).body
    except SyntaxError:
        return []
    names = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [one.id for target in targets for one in ast.walk(target)
                      if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
    return names


def folded(cell):
    """Whether JupyterLab hides the source of a cell."""
    return bool(cell["metadata"].get("jupyter", {}).get("source_hidden"))


def floors(root=ROOT):
    """The lessons of each floor of the map, by paths within nbs/, in their order."""
    index = json.loads((root / "nbs" / "index.ipynb").read_text(encoding="utf-8"))
    text = "\n".join(map(text_of, index["cells"]))
    rows = re.findall(r"^\| (\w+) \| (\[.*) \|$", text[text.index("## The map"):], re.M)
    listed = {name: floor for floor, row in rows for name in re.findall(r"\]\(([\w/]+\.ipynb)\)", row)}
    found, floor = {name: [] for name, _ in rows}, rows[0][0]
    names = sorted(path.relative_to(root / "nbs").as_posix() for path in (root / "nbs").rglob("[!.]*.ipynb")
                   if ".ipynb_checkpoints" not in path.parts)
    for name in [name for name in names if "/" not in name] + [name for name in names if "/" in name]:
        if re.match(r"(?:study/)?\d", name):
            floor = listed.get(name, floor)
            found[floor].append(name)
    return found


def title_of(path):
    """The title of a notebook."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    return text_of(cells[0]).splitlines()[0].removeprefix("# ")


def links(name, order, root=ROOT):
    """The last line of a lesson: what comes before it, the map, and what comes next."""
    place, up = order.index(name), "../" * name.count("/")

    def to(other, text):
        return f"[{text}]({other.rpartition('/')[2] if up and '/' in other else up + other})"

    parts = [to(order[place - 1], "← " + title_of(root / "nbs" / order[place - 1]))] if place else []
    parts += [f"[The map]({up}{MAP})"]
    parts += [to(order[place + 1], title_of(root / "nbs" / order[place + 1]) + " →")] if place + 1 < len(order) else []
    return " · ".join(parts)


def with_links(notebook, line):
    """The notebook with this line as its last cell."""
    cells = [cell for cell in notebook["cells"] if cell.get("id") != LINKS]
    cells.append({"cell_type": "markdown", "id": LINKS, "metadata": {}, "source": [line]})
    return {**notebook, "cells": cells}


def with_folds(notebook):
    """The notebook with exported cells folded as the rule says, and all others open."""
    cells = notebook["cells"]
    whole = any("default_exp" in text_of(cell) and "folded" in cell["metadata"].get("tags", []) for cell in cells)
    for cell in cells:
        source, tags = text_of(cell), cell["metadata"].get("tags", [])
        cell["metadata"].pop("jupyter", None)
        exported = cell["cell_type"] == "code" and re.match(r"#\| *export\b", source)
        if exported and (whole or is_import(source)) and "open" not in tags:
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return notebook


def bring(name, order, root=ROOT):
    """Writes a lesson in the form above, where it has another."""
    path = root / "nbs" / name
    before = path.read_text(encoding="utf-8")
    notebook = with_folds(with_links(json.loads(before), links(name, order, root)))
    notebook["metadata"].pop("widgets", None)  # what a live widget held, half a megabyte; its picture is in the outputs
    after = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    order = [name for lessons in floors().values() for name in lessons]
    for name in [Path(given).resolve().relative_to(ROOT / "nbs").as_posix() for given in sys.argv[1:]] or order:
        bring(name, order)
