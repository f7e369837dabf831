"""The main job as it is used: papermill on 05_figures, at a small size, from several places.

A kernel of its own takes seconds to import everything. It is started where the shell's command is what is tested.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import xarray as xr
from papermill_here import papermill_here

ROOT = Path(__file__).resolve().parents[1]
PAPERMILL = str(Path(sys.executable).parent / "papermill")
NOTEBOOK = ROOT / "nbs" / "05_figures.ipynb"
SMALL = ["-p", "seeds", "2", "-p", "steps", "40", "-p", "p", "23", "-p", "width", "40"]
QUICK = [*SMALL, "-p", "nulls", "False"]
NAME = "wd2-alpha1-p23-width40-2seeds-40steps"


def papermill(*arguments, cwd, environment=None):
    return subprocess.run([PAPERMILL, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=500,
                          env={**os.environ, **(environment or {})})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder laid out as the project, so that the trajectories and figures of the real one are left alone."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "settings.ini").touch()
    (folder / "nbs").mkdir()
    (folder / "nbs" / NOTEBOOK.name).write_bytes(NOTEBOOK.read_bytes())
    return folder


@pytest.fixture(scope="module")
def first_run(project):
    done = papermill("nbs/05_figures.ipynb", "out.ipynb", "-p", "wd", "2.0", *SMALL, cwd=project)
    assert done.returncode == 0, done.stderr[-3000:]
    return project


def test_writes_figure_and_measures(first_run):
    stem = first_run / "build" / "figures" / NAME
    png = stem.with_name(stem.name + ".png").read_bytes()
    assert png.startswith(b"\x89PNG") and len(png) > 50_000
    assert ElementTree.parse(f"{stem}.svg").getroot().tag.endswith("svg")
    with xr.open_dataset(f"{stem}.nc") as data:
        assert data.preset.values.tolist() == ["published", "mid_ranks"]
        assert data.seed.values.tolist() == [0, 100] and int(data.step[-1]) == 40
        assert {"synergy", "redundancy", "synergy_size", "tc", "dtc", "test_acc", "train_loss"} <= set(data)
        assert data[["synergy", "redundancy", "tc", "dtc"]].to_array().notnull().all()
        assert '"wd": 2.0' in data.attrs["experiment"] and '"ties": "numpy"' in data.attrs["measurement_published"]


def test_output_notebook_has_no_error_and_no_warning(first_run):
    outputs = [output for cell in nbformat.read(first_run / "out.ipynb", 4).cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


@pytest.mark.parametrize("place, arguments", [
    ("nbs", ["05_figures.ipynb", "../again.ipynb"]),
    (".", ["nbs/05_figures.ipynb", "again.ipynb", "--cwd", "nbs"]),
])
def test_runs_elsewhere_and_reuses_what_is_stored(first_run, place, arguments):
    files = {path: path.stat().st_mtime_ns for path in (first_run / "trajectories").rglob("*.nc")}
    png = first_run / "build" / "figures" / f"{NAME}.png"
    before = png.read_bytes()
    assert papermill_here(*arguments, *SMALL, cwd=first_run / place) is None
    assert files and files == {path: path.stat().st_mtime_ns for path in (first_run / "trajectories").rglob("*.nc")}
    assert [path.name for path in (first_run / "nbs").iterdir()] == [NOTEBOOK.name]
    assert png.read_bytes() == before


@pytest.mark.parametrize("place, out_dir, expected", [
    (".", "mine", "mine"),                       # from the project
    ("../elsewhere", "mine", "../elsewhere/mine"),  # from another folder: relative to that one
    ("../elsewhere", "", "../elsewhere/build/figures"),
    ("../elsewhere", "~/mine", "../home/mine"),
])
def test_writes_where_the_help_says(first_run, place, out_dir, expected):
    folder = first_run / place
    (first_run / "../home").mkdir(exist_ok=True)
    if not folder.exists():  # no project, with networks of its own
        shutil.copytree(first_run / "trajectories", folder / "trajectories")
    home = {"HOME": str((first_run / "../home").resolve()), "IPYTHONDIR": str(first_run.parent / "ipython")}
    assert papermill_here(first_run / "nbs" / NOTEBOOK.name, first_run / "out3.ipynb", "-p", "out_dir", out_dir,
                          "-p", "preset", "mid_ranks", *QUICK, cwd=folder, environment=home) is None
    written = [path.suffix for path in (first_run / expected).iterdir() if "mid_ranks" in path.name]
    assert sorted(written) == [".nc", ".png", ".svg"]
    assert not (first_run / "figures").exists()


def test_one_preset_of_the_initialization_route_into_a_folder_of_choice(first_run):
    assert papermill_here("nbs/05_figures.ipynb", "out2.ipynb", "-p", "wd", "0", "-p", "alpha", "8",
                          "-p", "preset", "mid_ranks", "-p", "out_dir", "elsewhere", *QUICK, cwd=first_run) is None
    names = sorted(path.name for path in (first_run / "elsewhere").iterdir())
    assert names == [f"wd0-alpha8-p23-width40-2seeds-40steps-mid_ranks.{suffix}" for suffix in ("nc", "png", "svg")]
    with xr.open_dataset(first_run / "elsewhere" / names[0]) as data:
        assert '"keep_norm": true' in data.attrs["experiment"] and '"zero_last": true' in data.attrs["experiment"]


def test_another_task_and_network_with_numbers_as_text(first_run):
    given = {"wd": "1e-3", "p": "17", "op": "subtract", "train_fraction": "0.5", "width": "30", "lr": "1e-2",
             "seeds": "1", "steps": "30", "preset": "published", "out_dir": "others"}
    text = "{" + ", ".join(f"{name}: '{value}'" for name, value in given.items()) + "}"
    assert papermill_here("nbs/05_figures.ipynb", "out4.ipynb", "-y", text, cwd=first_run) is None
    stem = "wd0.001-alpha1-p17-subtract-train0.5-width30-lr0.01-1seeds-30steps-published"
    written = sorted(path.name for path in (first_run / "others").iterdir())
    assert written == [f"{stem}.{end}" for end in ("nc", "png", "svg")]
    with xr.open_dataset(first_run / "others" / f"{stem}.nc") as data:
        settings = json.loads(data.attrs["experiment"])
    assert settings["task"] | {"split_seed": 0} == {"p": 17, "op": "subtract", "train_fraction": 0.5, "split_seed": 0}
    assert (settings["wd"], settings["width"], settings["lr"], settings["keep_norm"]) == (0.001, 30, 0.01, False)


REFUSED = [
    (["-p", "weight_decay", "2.0"],
     "weight_decay: no such parameter; there are wd, alpha, seeds, steps, p, op, train_fraction, width, lr, preset,"
     " nulls, out_dir"),
    (["-p", "wd", "-1"], "wd=-1 is not possible: give a number, 0 or more"),
    (["-y", "{wd: '-1e-3'}"], "wd='-1e-3' is not possible: give a number, 0 or more"),
    (["-p", "alpha", "0"], "alpha=0 is not possible: give a positive number"),
    (["-p", "lr", "inf"], "lr=inf is not possible: give a positive number"),
    (["-p", "p", "9.5"], "p=9.5 is not possible: give a whole number, 2 or more"),
    (["-p", "op", "power"], "op='power' is unknown: choose one of 'add', 'subtract', 'multiply', 'divide'"),
    (["-p", "op", "divide", "-p", "p", "9"], "p=9 is not prime, and division needs a prime modulus"),
    (["-p", "train_fraction", "40"], "train_fraction=40 is not possible: give a number between 0 and 1"),
    (["-p", "width", "9"], "width=9 is not possible: give a whole number, 10 or more"),
    (["-p", "p", "11"], "p=11, train_fraction=0.4 make 48 training pairs, too few to measure width=250 neurons"),
    (["-p", "out_dir", "5"], "out_dir=5 is not a path: give a file or folder name"),
    (["-p", "out_dir", "settings.ini/here"], "out_dir='settings.ini/here' cannot be written to"),
    (["-p", "seeds", "0"], "seeds=0 is not possible: give a whole number, 1 or more"),
    (["-p", "seeds", "True"], "seeds=True is not possible: give a whole number, 1 or more"),
    (["-p", "steps", "3"], "steps=3 is not possible: give a whole number, 20 or more"),
    (["-p", "wd", "much"], "wd='much' is not possible: give a number, 0 or more"),
    (["-p", "preset", "publish"], "preset='publish' is unknown: choose one of 'published', 'mid_ranks', 'both'"),
    (["-p", "nulls", "some"], "nulls='some' is unknown: choose True or False"),
]


@pytest.mark.parametrize("arguments, message", REFUSED)
def test_bad_parameters_are_refused_before_any_training(project, tmp_path, arguments, message):
    (tmp_path / "settings.ini").touch()
    given = project / "nbs" / NOTEBOOK.name, tmp_path / "out.ipynb", *arguments
    assert message in str(papermill_here(*given, cwd=tmp_path))
    if (arguments, message) == REFUSED[0]:  # and from the shell
        done = papermill(*given, cwd=tmp_path)
        assert done.returncode != 0 and message in done.stderr
    assert not (tmp_path / "trajectories").exists() and not (tmp_path / "build").exists()


def test_every_parameter_is_listed_with_its_meaning():
    listed = papermill("--help-notebook", NOTEBOOK, cwd=ROOT).stdout
    for line in ("wd: float (default 2.0)", "alpha: float (default 1.0)", "seeds: int (default 5)",
                 "steps: int (default 4000)", "p: int (default 97)", 'op: str (default "add")',
                 "train_fraction: float (default 0.4)", "width: int (default 250)", "lr: float (default 0.03)",
                 'preset: str (default "both")', "nulls: bool (default True)", 'out_dir: str (default "")'):
        assert re.search(rf"{re.escape(line)}\s+[a-z].{{5}}", listed), (line, listed)
