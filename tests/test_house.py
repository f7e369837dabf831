"""The house: who may import whom, how long a cell and a module may be, and what the Makefile conducts."""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from make_docstrings import without_sections

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "grok_synergy"
MODULES = {path.relative_to(LIBRARY).with_suffix("").as_posix().replace("/", "."): path
           for path in LIBRARY.rglob("*.py") if not path.name.startswith("_")}
NOTEBOOKS = sorted((ROOT / "nbs").rglob("[!.]*.ipynb"))
LONGEST_MODULE, LONGEST_CELL, MEDIAN_CELL = 465, 45, 12  # lines


def imported(path):
    """The modules of the library that one imports when it is imported, by their names within the library."""
    package = ["grok_synergy", *path.relative_to(LIBRARY).parts[:-1]]
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            found |= {module, *(f"{module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name.removeprefix("grok_synergy.") for name in found} & set(MODULES)


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


def test_nothing_outside_the_study_imports_it():
    assert IMPORTS["study.jobs"] >= {"store", "study.conditions"}  # the arrows are seen
    outside = {name: arrows for name, arrows in IMPORTS.items() if not name.startswith("study.")}
    assert not {name: arrows for name, arrows in outside.items() if any(one.startswith("study.") for one in arrows)}
    assert not [name for name in outside if re.search(r"\bimport\b.*\bstudy\b", MODULES[name].read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", MODULES)
def test_no_module_runs_or_names_a_notebook(name):
    text = re.sub(r"^#.*", "", MODULES[name].read_text(encoding="utf-8"), flags=re.M)  # where it is exported from
    assert not re.findall(r".*(?:\.ipynb|papermill).*", text)


def test_no_modules_import_each_other_in_a_circle():
    left = dict(IMPORTS)
    while free := [name for name, arrows in left.items() if not arrows & set(left)]:
        left = {name: arrows for name, arrows in left.items() if name not in free}
    assert not left


def test_no_module_is_too_long():
    """As it stands in its notebook: what `make prepare` writes into docstrings is there once more, and not counted."""
    lines = {name: len(without_sections(path.read_text(encoding="utf-8")).splitlines()) for name, path in MODULES.items()}
    assert not {name: length for name, length in lines.items() if length > LONGEST_MODULE}


def defining_cells():
    """The length of every exported cell that defines something, by notebook and first definition."""
    lengths = {}
    for path in NOTEBOOKS:
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type == "code" and cell.source.startswith("#| export"):
                body = ast.parse(cell.source).body
                if not all(isinstance(node, ast.Import | ast.ImportFrom) for node in body):
                    lengths[path.stem, number] = len(cell.source.splitlines()) - 1
    return lengths


def test_cells_are_short():
    lengths = defining_cells()
    assert statistics.median(lengths.values()) <= MEDIAN_CELL
    assert not {place: length for place, length in lengths.items() if length > LONGEST_CELL}


def silences(source):
    """Lines that silence a whole category of warnings in every notebook that the same process runs afterwards."""
    whole = r"^warnings\.(?:simplefilter|filterwarnings)\((?!.*(?:message|module)=)(?!.*TqdmWarning).*$"
    return re.findall(whole, source, re.M)


def test_no_notebook_silences_the_warnings_of_others():
    assert silences('warnings.simplefilter("ignore")')
    assert silences('warnings.filterwarnings("ignore", category=UserWarning)')
    assert not silences('with warnings.catch_warnings():\n    warnings.simplefilter("ignore")')
    assert not silences('warnings.filterwarnings("ignore", module="tqdm")')
    sources = {path.name: "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells
                                    if cell.cell_type == "code") for path in NOTEBOOKS}
    assert not {name: found for name, source in sources.items() if (found := silences(source))}


def test_what_the_makefile_conducts_is_there():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"nbs/([\w/]+)\.ipynb", text) + re.search(r"for page in ([^;]+);", text)[1].split()
    assert len(named) >= 7 and all((ROOT / "nbs" / f"{name}.ipynb").exists() for name in named)
    for line in re.findall(r"-c '([^']*grok_synergy[^']*)'", text):
        for module, names in re.findall(r"from (grok_synergy[\w.]*) import (\w+)", line):
            scope = {}
            exec(f"from {module} import {names}", scope)
            for attribute in re.findall(rf"\b{names}\.(\w+)", line):
                assert hasattr(scope[names], attribute)
