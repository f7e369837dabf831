"""What must hold of the package as a whole; each notebook's own assertions are run by nbdev_test."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
from check_release import disagreements, hindrances, versions

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "nbs").rglob("[!.]*.ipynb"))
LIBRARY = ROOT / "grok_synergy"
VERSION = versions()["settings.ini"][0]
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
    """A source distribution of the project, and the wheel that is built from it; or those that were built already."""
    if "DISTRIBUTIONS" in os.environ:
        return Path(os.environ["DISTRIBUTIONS"])
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
    assert [path.name for path in tmp_path.glob("*.dist-info")] == [f"grok_synergy-{VERSION}.dist-info"]
    done = imports_from(tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_wheel_holds_the_library_and_its_licence_alone(distributions):
    [wheel] = distributions.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = f"grok_synergy-{VERSION}.dist-info/"
    shipped = [*LIBRARY.rglob("*.py"), *(LIBRARY / "static").glob("*")]  # the widget's script, where it was built
    library = {path.relative_to(ROOT).as_posix() for path in shipped}
    assert {name for name in names if not name.startswith(info)} == library
    assert f"{info}licenses/LICENSE" in names


def test_a_source_distribution_holds_what_it_is_built_from(distributions):
    [sdist] = distributions.glob("*.tar.gz")
    names = {name.partition("/")[2] for name in tarfile.open(sdist).getnames()}
    assert {"setup.py", "settings.ini", "LICENSE", "README.md", "CITATION.cff", "grok_synergy/oinfo.py"} <= names
    assert not [name for name in names if name.startswith(("tests", "figures", "nbs", "benchmarks"))]


def test_extras_bring_what_the_engine_does_not_need(distributions):
    [wheel] = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(f"grok_synergy-{VERSION}.dist-info/METADATA").decode()
    needed = {}
    for package, extra in re.findall(r'^Requires-Dist: ([\w-]+).*?(?:; extra == "(\w+)")?$', said, re.M):
        needed.setdefault(extra, set()).add(package.lower())
    assert needed[""] == {"torch", "numpy", "scipy", "pandas", "xarray", "joblib", "threadpoolctl", "filelock", "tqdm"}
    assert needed["plots"] == {"matplotlib"} and needed["networks"] == {"netcdf4", "scikit-learn"}
    assert needed["all"] == needed["plots"] | needed["networks"] <= needed["dev"]
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## What an extra brings")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", told, re.M)) == set(needed) - {""}


NEWCOMER = """
import importlib.metadata, sys
import numpy as np
import grok_synergy

assert grok_synergy.__file__.startswith(sys.prefix), grok_synergy.__file__
assert importlib.metadata.version("grok_synergy") == grok_synergy.__version__ == sys.argv[1]
x = np.random.default_rng(0).normal(size=(500, 4))
x[:, 2] += x[:, 0] + x[:, 1]
found = grok_synergy.significance(x, draws=100).significant("synergy")
assert found.members.tolist()[0] == (0, 1, 2), found
assert grok_synergy.measure_features(x, n_bins=4).synergy > 0.1
found = grok_synergy.all_multiplets(grok_synergy.copula_correlation(x))
found.save(sys.prefix + "/found.nc")
assert len(grok_synergy.load_multiplets(sys.prefix + "/found.nc")) == 11
"""


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_a_newcomer_measures_in_a_fresh_environment(distributions, tmp_path, kind):
    """The packages it needs are those of this environment: no index is asked."""
    [given] = distributions.glob(kind)
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-build-isolation",
               "--no-index"]
    folder = next((tmp_path / "fresh" / "lib").iterdir()) / "site-packages"
    (folder / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    others = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # there, it is installed already
    done = subprocess.run([*install, given], capture_output=True, text=True, env=others)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([python, "-c", NEWCOMER, VERSION], capture_output=True, text=True, cwd=tmp_path,
                          env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr


@pytest.fixture
def stated(tmp_path):
    """The files that state the version."""
    for name in versions():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_changelog_citation_and_settings_agree():
    assert not list(disagreements())


def test_what_keeps_a_commit_from_being_released_is_named(stated):
    changed = (stated / "CITATION.cff").read_text(encoding="utf-8").replace(f"version: {VERSION}", "version: 9.9")
    (stated / "CITATION.cff").write_text(re.sub("(?<=released: ).*", "1999-01-01", changed), encoding="utf-8")
    changes = (stated / "CHANGELOG.md").read_text(encoding="utf-8")
    (stated / "CHANGELOG.md").write_text(f"## Unreleased\n\n{changes}", encoding="utf-8")
    found = "\n".join(hindrances(stated))
    assert f"CITATION.cff says version 9.9, settings.ini says {VERSION}" in found
    assert "CITATION.cff says 1999-01-01" in found
    assert "under Unreleased" in found and f"this commit has no tag v{VERSION}" in found


def test_a_tagged_commit_whose_files_agree_can_be_released(stated):
    changes = (stated / "CHANGELOG.md").read_text(encoding="utf-8")
    (stated / "CHANGELOG.md").write_text(re.sub(r"## Unreleased\n(?s:.*?)(?=## \d)", "", changes), encoding="utf-8")
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["tag", f"v{VERSION}"]):
        subprocess.run(["git", "-C", stated, *who, *words], check=True)
    assert not list(hindrances(stated))
    (stated / "settings.ini").write_text("[DEFAULT]\nversion = 7\n", encoding="utf-8")
    assert "files are changed: commit them" in "\n".join(hindrances(stated))


def test_binder_installs_the_versions_that_are_tested():
    said = (ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    assert re.search(r"pytorch-cpu=(\S+)", said)[1] == pinned["torch"]
    script = ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK) and '-c constraints.txt -e ".[dev]"' in script.read_text(encoding="utf-8")
    assert not subprocess.run(["bash", "-n", script]).returncode


def test_the_page_for_colab_installs_and_then_runs():
    cells = [cell for cell in json.loads((ROOT / "colab" / "start.ipynb").read_text(encoding="utf-8"))["cells"]
             if cell["cell_type"] == "code"]
    install, *rest = ("".join(cell["source"]) for cell in cells)
    assert "[all]" in install and "git+https://github.com/grok-synergy/grok_synergy" in install
    code = "\n".join(["import matplotlib", "matplotlib.use('agg')", *rest])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
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
            drawn = re.sub(r"with expect_fail\(.*\n(?: {4}.*\n?)+", "", cell.source)  # what is refused is not drawn
            if re.search(r"plt\.subplots\(|_figure\(", drawn):
                assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


def test_figures_take_parameters():
    cells = nbformat.read(ROOT / "nbs" / "05_figures.ipynb", as_version=4).cells
    assert ["parameters"] in [cell.metadata.get("tags") for cell in cells]


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md"], ids=lambda path: path.stem)
def test_no_path_of_one_machine(path):
    found = re.findall(r"(?<![\w.+/])/(?:root|home|work|tmp|Users)\b.*", path.read_text(encoding="utf-8"))
    assert not found
