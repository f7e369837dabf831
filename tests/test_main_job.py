"""The main job as it is used: papermill on 05_figures, at a small size, from several places."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import xarray as xr

ROOT = Path(__file__).resolve().parents[1]
PAPERMILL = str(Path(sys.executable).parent / "papermill")
NOTEBOOK = ROOT / "nbs" / "05_figures.ipynb"
SMALL = ["-p", "seeds", "2", "-p", "steps", "40"]


def papermill(*arguments, cwd):
    return subprocess.run([PAPERMILL, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=500)


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
    stem = first_run / "figures" / "wd2-alpha1-2seeds-40steps"
    png = stem.with_name(stem.name + ".png").read_bytes()
    assert png.startswith(b"\x89PNG") and len(png) > 50_000
    assert ElementTree.parse(f"{stem}.svg").getroot().tag.endswith("svg")
    with xr.open_dataset(f"{stem}.nc") as data:
        assert data.preset.values.tolist() == ["published", "tie_safe"]
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
    before = (first_run / "figures" / "wd2-alpha1-2seeds-40steps.png").read_bytes()
    done = papermill(*arguments, *SMALL, cwd=first_run / place)
    assert done.returncode == 0, done.stderr[-3000:]
    assert files and files == {path: path.stat().st_mtime_ns for path in (first_run / "trajectories").rglob("*.nc")}
    assert not (first_run / "nbs" / "figures").exists() and not (first_run / "nbs" / "trajectories").exists()
    assert (first_run / "figures" / "wd2-alpha1-2seeds-40steps.png").read_bytes() == before


def test_one_preset_of_the_initialization_route_into_a_folder_of_choice(first_run):
    done = papermill("nbs/05_figures.ipynb", "out2.ipynb", "-p", "wd", "0", "-p", "alpha", "8", "-p", "preset", "tie_safe",
                     "-p", "out_dir", "elsewhere", *SMALL, cwd=first_run)
    assert done.returncode == 0, done.stderr[-3000:]
    names = sorted(path.name for path in (first_run / "elsewhere").iterdir())
    assert names == [f"wd0-alpha8-2seeds-40steps-tie_safe.{suffix}" for suffix in ("nc", "png", "svg")]
    with xr.open_dataset(first_run / "elsewhere" / names[0]) as data:
        assert '"keep_norm": true' in data.attrs["experiment"] and '"zero_last": true' in data.attrs["experiment"]


@pytest.mark.parametrize("arguments, message", [
    (["-p", "weight_decay", "2.0"], "weight_decay: no such parameter; there are wd, alpha, seeds, steps, preset, out_dir"),
    (["-p", "wd", "-1"], "wd=-1 is not possible: give a finite number, 0 or more"),
    (["-p", "alpha", "0"], "alpha=0 is not possible: give a finite, positive number"),
    (["-p", "seeds", "0"], "seeds=0 is not possible: give a whole number, 1 or more"),
    (["-p", "seeds", "True"], "seeds=True is not possible: give a whole number, 1 or more"),
    (["-p", "steps", "3"], "steps=3 is not possible: give a whole number, 20 or more"),
    (["-p", "wd", "much"], "wd='much' is not possible: give a finite number, 0 or more"),
    (["-p", "preset", "publish"], "preset='publish' is unknown: choose published, tie_safe or both"),
])
def test_bad_parameters_are_refused_before_any_training(project, tmp_path, arguments, message):
    (tmp_path / "settings.ini").touch()
    done = papermill(project / "nbs" / NOTEBOOK.name, tmp_path / "out.ipynb", *arguments, cwd=tmp_path)
    assert done.returncode != 0 and message in done.stderr
    assert not (tmp_path / "trajectories").exists() and not (tmp_path / "figures").exists()


def test_every_parameter_is_listed_with_its_meaning():
    listed = papermill("--help-notebook", NOTEBOOK, cwd=ROOT).stdout
    for line in ("wd: float (default 2.0)", "alpha: float (default 1.0)", "seeds: int (default 5)",
                 "steps: int (default 4000)", 'preset: str (default "both")', 'out_dir: str (default "")'):
        assert line in listed, listed
