"""The check that notebooks, library and README agree: what it lets pass and what it names."""

import json
import shutil
from pathlib import Path

import pytest
from check_notebooks import problems

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "nbs/00_data.ipynb"


@pytest.fixture
def project(tmp_path):
    """What the check looks at, with one notebook for all."""
    folder = tmp_path / "project"
    for name in ("nbs/index.ipynb", NOTEBOOK, "tests/make_docstrings.py", "tests/make_readme.py", "settings.ini",
                 "grok_synergy/__init__.py", "grok_synergy/study/__init__.py", "grok_synergy/data.py", "README.md",
                 "figures"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            for picture in (ROOT / name).glob("index-*.png"):
                (folder / name).mkdir(exist_ok=True)
                shutil.copy(picture, folder / name)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def found(project, tmp_path):
    """The lines of the check, apart from the library's index of names, which is of all notebooks."""
    copy = tmp_path / "copy"
    copy.mkdir()
    return [line for line in problems(copy, project) if "_modidx.py" not in line]


def saved_by_jupyterlab(notebook):
    """The notebook as JupyterLab writes it when it is opened and saves itself."""
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py",
                          "mimetype": "text/x-python", "name": "python", "nbconvert_exporter": "python",
                          "pygments_lexer": "ipython3", "version": "3.12.1"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}},
    }
    for cell in notebook["cells"]:
        cell["metadata"] |= {"editable": True, "slideshow": {"slide_type": ""}, "collapsed": False,
                             "jupyter": {"source_hidden": False}}
    return notebook


def rewrite(project, change):
    """Applies `change` to the notebook of the project."""
    path = project / NOTEBOOK
    notebook = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def test_as_committed_nothing_differs(project, tmp_path):
    assert found(project, tmp_path) == []


def test_opening_a_notebook_in_jupyterlab_is_no_difference(project, tmp_path):
    rewrite(project, saved_by_jupyterlab)
    (project / "nbs" / ".ipynb_checkpoints").mkdir()
    shutil.copy(project / NOTEBOOK, project / "nbs" / ".ipynb_checkpoints" / "00_data-checkpoint.ipynb")
    assert found(project, tmp_path) == []


def test_a_cell_that_was_run_or_changed_is_named(project, tmp_path):
    def run(notebook):
        next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")["execution_count"] = 1
        return notebook

    rewrite(project, run)
    assert found(project, tmp_path) == [f"{NOTEBOOK}: notebook not clean: run `make prepare` and commit"]


def test_code_that_the_library_lacks_is_named(project, tmp_path):
    def add(notebook):
        cell = next(cell for cell in notebook["cells"] if "def is_prime" in "".join(cell["source"]))
        cell["source"].append("\nNEW = 1")
        return notebook

    rewrite(project, add)
    assert found(project, tmp_path) == ["grok_synergy/data.py: notebooks and library differ: run `make prepare` and commit"]
