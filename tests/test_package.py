"""What must hold of the package as a whole; each notebook's own assertions are run by nbdev_test."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "nbs").rglob("[!.]*.ipynb"))
LIBRARY = ROOT / "grok_synergy"
MODULES = sorted(".".join(path.relative_to(LIBRARY).with_suffix("").parts) for path in LIBRARY.rglob("[!_]*.py"))

IMPORT_WITHOUT_NOTEBOOKS = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top.startswith(("nbdev", "fastcore", "execnb", "IPython", "ipykernel", "jupyter", "papermill")):
            raise ModuleNotFoundError(f"{name} is no requirement of the library", name=name)

wheel, *modules = sys.argv[1:]
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, wheel)
for name in modules:
    module = importlib.import_module(f"grok_synergy.{name}")
    assert module.__file__.startswith(wheel), module.__file__
"""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_every_module_has_its_notebook():
    exports = [re.findall(r"^#\| *default_exp +([\w.]+)", cell.source, re.M)
               for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    assert sorted(sum(exports, [])) == MODULES


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """A source distribution of the project, and the wheel that is built from it."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "grok_synergy", source / "grok_synergy")
    for name in ["setup.py", "settings.ini", "README.md", "LICENSE", "MANIFEST.in", "constraints.txt", "CITATION.cff"]:
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", made, source]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def imports_from(folder):
    """The finished process that imported every module from `folder`, where no notebook tool can be found."""
    run = [sys.executable, "-I", "-c", IMPORT_WITHOUT_NOTEBOOKS, folder, *MODULES]
    return subprocess.run(run, capture_output=True, text=True)


def test_wheel_needs_no_notebook_tools(distributions, tmp_path):
    [wheel] = distributions.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    done = imports_from(tmp_path)
    assert done.returncode == 0, done.stderr


def test_sdist_installs_and_its_modules_import(distributions, tmp_path):
    [sdist] = distributions.glob("*.tar.gz")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index",
               "--target", tmp_path, sdist]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.glob("*.dist-info")] == ["grok_synergy-0.1.0.dist-info"]
    done = imports_from(tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_small(path):
    assert path.stat().st_size < 500_000


def test_notebook_opens_with_title_and_subtitle(notebook):
    assert re.match(r"# .+\n+> .+", notebook.cells[0].source)


def test_notebook_shows_outputs(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not code or any(cell.outputs for cell in code)


def test_every_drawing_is_seen(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code" and not re.search(r"#\| export|save_figure", cell.source):
            if re.search(r"plt\.subplots\(|_figure\(", cell.source):
                assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


def test_figures_take_parameters():
    cells = nbformat.read(ROOT / "nbs" / "05_figures.ipynb", as_version=4).cells
    assert ["parameters"] in [cell.metadata.get("tags") for cell in cells]


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md"], ids=lambda path: path.stem)
def test_no_path_of_one_machine(path):
    found = re.findall(r"(?<![\w.+/])/(?:root|home|work|tmp|Users)\b.*", path.read_text(encoding="utf-8"))
    assert not found
