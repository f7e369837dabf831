"""What is loaded by an import, what an installation without extras can do, and what it says where one lacks."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import grok_synergy

LIBRARY = Path(__file__).resolve().parents[1] / "grok_synergy"
MODULES = sorted(path.stem for path in LIBRARY.glob("[!_]*.py"))
DRAWN = {"asked", "figures", "layer_curves", "pictures", "seeds"}  # rooms of pictures
ENGINE = ["entropy", "ties", "estimators", "latent", "patterns", "binning", "oinfo", "low_orders", "multiplets", "unions",
          "search", "uncertainty", "significance", "contrasts", "conditional", "gradients", "nonparametric", "local",
          "dynamics", "tested"]

WITHOUT_EXTRAS = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"matplotlib", "sklearn", "netCDF4"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def run(source):
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(*modules):
    """Packages and modules that a fresh interpreter has loaded once these modules are imported."""
    return set(run("\n".join([*(f"import {name}" for name in modules), "import sys", "print(*sys.modules)"])).split())


def test_the_package_itself_loads_nothing():
    assert not loaded_by("grok_synergy") & {"torch", "numpy", "pandas", "xarray"}


def test_one_group_and_every_group_load_torch_alone():
    found = loaded_by("grok_synergy.oinfo", "grok_synergy.multiplets")
    assert {"torch", "grok_synergy"} <= found
    assert not found & {"pandas", "scipy", "xarray", "joblib", "matplotlib", "sklearn", "netCDF4"}


def test_the_engine_loads_no_files_no_pictures_and_no_processes():
    found = loaded_by(*(f"grok_synergy.{name}" for name in ENGINE))
    assert not found & {"xarray", "joblib", "matplotlib", "sklearn", "netCDF4", "scipy.stats"}


def test_an_installation_without_extras_measures_and_says_what_is_missing():
    rooms = [name for name in MODULES if name not in DRAWN | {"followed"}]
    print(run(WITHOUT_EXTRAS + f"""
from importlib import import_module
import numpy as np
import torch

for name in {rooms}:
    import_module(f"grok_synergy.{{name}}")

import grok_synergy

def lacks(extra, call, *given, **more):
    try:
        call(*given, **more)
    except ImportError as error:
        assert f"pip install 'grok_synergy[{{extra}}]'" in str(error), error
    else:
        raise AssertionError(f"{{call}} did not fail")

x = np.random.default_rng(0).normal(size=(200, 12))
reading = grok_synergy.measure_features(x, n_bins=4)
found = grok_synergy.all_multiplets(grok_synergy.copula_correlation(x[:, :4]))
assert len(found.frame()) == 11 and found.to_xarray().sizes["multiplet"] == 11
network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU())
probe = grok_synergy.Probe(network, {{"hidden": "1"}}, torch.randn(200, 3), n_bins=4)
probe(0)
lacks("networks", found.save, "nowhere.nc")
lacks("networks", grok_synergy.load_multiplets, "nowhere.nc")
lacks("networks", grok_synergy.measure_features, x, n_bins=4, clustering="kmeans")
lacks("networks", import_module, "grok_synergy.followed")  # which has digits
lacks("plots", reading.plot)
lacks("plots", probe.plot)
lacks("plots", getattr, grok_synergy, "multiplet_figure")

import contextlib
import io
import tempfile
from grok_synergy.command import main

with tempfile.TemporaryDirectory() as folder:
    np.savetxt(folder + "/table.csv", x[:, :4], delimiter=",", header="a,b,c,d", comments="")
    assert main(["multiplets", folder + "/table.csv", "--draws", "20"]) == 0
    for asked in (["figure"], ["multiplets", folder + "/table.csv", "--figure", "a.png"]):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert main(asked) == 1
        assert said.getvalue().count("\\n") == 1 and "pip install 'grok_synergy[plots]'" in said.getvalue(), said.getvalue()
"""))


def test_editors_see_the_names_that_are_there_once_asked_for():
    tree = ast.parse((LIBRARY / "__init__.py").read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    assert {node.names[0].name: node.module for node in block.body} == grok_synergy._ROOMS
    assert all(node.names[0].asname == node.names[0].name for node in block.body)  # which exports them
    text = "from grok_synergy import o_information\no_information"
    [found] = jedi.Script(text, project=jedi.Project(LIBRARY.parent)).infer(2, 5)
    assert "(..., n, n) correlation (or covariance) matrices" in found.docstring()


@pytest.mark.parametrize(("name", "room"), grok_synergy._ROOMS.items())
def test_a_name_is_that_of_its_room_and_on_the_map(name, room):
    assert getattr(grok_synergy, name) is getattr(importlib.import_module(f"grok_synergy.{room}"), name)
    assert name in dir(grok_synergy) and name in grok_synergy.__all__
    assert name in grok_synergy.__doc__.replace(",", " ").replace(";", " ").split()


def test_a_name_that_a_room_has_too_is_the_function_in_either_order():
    for first, second in (("from grok_synergy.audit import Audit", "from grok_synergy import audit"),
                          ("from grok_synergy import audit", "from grok_synergy.audit import Audit")):
        assert run(f"{first}\n{second}\nimport grok_synergy\nprint(grok_synergy.audit is audit, audit.__qualname__)") == (
            "True audit\n")


def test_an_unknown_name_is_missing_in_words():
    with pytest.raises(AttributeError, match="module 'grok_synergy' has no attribute 'synergy_of_all'"):
        assert grok_synergy.synergy_of_all


def test_no_name_brings_the_study():
    names = "\n".join(f"from grok_synergy import {name}" for name in grok_synergy._ROOMS)
    assert run(names + "\nimport sys\nprint([name for name in sys.modules if '.study' in name])") == "[]\n"


def test_help_begins_with_the_map():
    assert inspect.getdoc(grok_synergy).startswith("Synergy and redundancy")
    assert "A table of samples" in run("help('grok_synergy')")[:1500]
