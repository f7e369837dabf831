"""Figures: the names of their files, the folder they are written to, and the comparison of two runs."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from grok_synergy.data import ModularTask
from grok_synergy.figures import compare_curves, condition_figure, figure_name, made_folder, refuse_unknown
from grok_synergy.look import save_figure
from grok_synergy.phases import segment
from grok_synergy.trainer import Experiment

SETTINGS = [
    {}, {"seeds": (1, 2, 3, 4, 5)}, {"seeds": (0, 1)}, {"seeds": (0, 100)}, {"betas": (0.9, 0.99)}, {"keep_norm": True},
    {"zero_last": True}, {"eps": 1e-6}, {"per_decade": 12}, {"task": ModularTask(split_seed=1)},
    {"task": ModularTask(split_seed=1), "eps": 1e-6},
]


def test_no_two_conditions_share_a_name():
    assert len({figure_name(Experiment.paper(**settings)) for settings in SETTINGS}) == len(SETTINGS)
    assert figure_name(Experiment.paper(wd=0)) != figure_name(Experiment(wd=0))


@pytest.mark.parametrize("settings, name", [
    ({}, "wd2-alpha1"), ({"wd": 0, "alpha": 8}, "wd0-alpha8"), ({"seeds": (0, 100)}, "wd2-alpha1-2seeds"),
    ({"task": ModularTask(p=53), "width": 100}, "wd2-alpha1-p53-width100"),
])
def test_conditions_of_the_parameters_keep_their_plain_names(settings, name):
    assert figure_name(Experiment.paper(**settings)) == name


@pytest.mark.parametrize("given, message", [
    (("wd2",), "experiment='wd2' is not possible: give an Experiment"),
    ((Experiment(), "best"), "preset='best' is unknown"),
])
def test_what_has_no_name_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        figure_name(*given)


def test_the_default_folder_may_be_text(tmp_path):
    assert made_folder("", str(tmp_path / "new")) == tmp_path / "new" and (tmp_path / "new").is_dir()


@pytest.mark.parametrize("path", ["{}/folder/", "{}/.", "{}/..", ".", "/"])
def test_a_path_without_a_file_name_is_refused(tmp_path, path):
    fig = plt.figure()
    with pytest.raises(ValueError, match="has no file name"):
        save_figure(fig, path.format(tmp_path))
    plt.close(fig)
    assert not list(tmp_path.iterdir())


def test_an_svg_is_written_only_where_a_folder_is_given(tmp_path):
    fig = plt.figure()
    assert save_figure(fig, tmp_path / "a") == [tmp_path / "a.png"]
    assert save_figure(fig, tmp_path / "a", svg=tmp_path / "build")[1] == tmp_path / "build" / "a.svg"
    plt.close(fig)
    assert sorted(path.name for path in tmp_path.rglob("a.*")) == ["a.png", "a.svg"]


@pytest.mark.parametrize("cells, unknown", [
    (["# Parameters\nwd = 2.0\n", "other = 1"], None), (["# Parameters\nwd = 2.0\nweight_decay = 1\n"], "weight_decay"),
])
def test_only_what_papermill_was_given_counts_as_a_parameter(cells, unknown):
    if unknown is None:
        refuse_unknown({"In": cells}, ["wd"])
    else:
        with pytest.raises(ValueError, match=f"{unknown}: no such parameter; there are wd"):
            refuse_unknown({"In": cells}, ["wd"])


def curves(**axes):
    shape = [len(values) for values in axes.values()]
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return xr.Dataset({name: (tuple(axes), values) for name in ("synergy", "redundancy")}, axes)


WHOLE = dict(preset=["published", "mid_ranks"], seed=[0, 100], step=[0, 10, 100, 1000])


def test_the_last_early_step_may_be_text():
    whole = curves(**WHOLE)
    assert compare_curves(whole, whole + 1, "100").equals(compare_curves(whole, whole + 1))


@pytest.mark.parametrize("there, options, message", [
    (curves(seed=[0], step=[10]), {}, "there has .*: give synergy and redundancy along preset, seed and step"),
    (curves(**WHOLE).synergy, {}, "there has .*: give synergy and redundancy along preset, seed and step"),
    (Path("other.nc"), {}, "there has .*: give synergy"), (curves(**WHOLE), {"split": "late"}, "split='late'"),
    (curves(**{**WHOLE, "seed": [7]}), {}, "no seed in common"),
    (curves(**{**WHOLE, "step": [0, 1]}), {}, "no step in common"),
])
def test_what_cannot_be_compared_is_refused(there, options, message):
    with pytest.raises(ValueError, match=message):
        compare_curves(curves(**WHOLE), there, **options)


def test_curves_of_a_layer_are_drawn_without_losses():
    steps, curves = np.unique(np.round(np.geomspace(1, 500, 30))), ("synergy", "redundancy", "synergy_size")
    found = xr.Dataset({name: (("seed", "step"), np.random.default_rng(0).normal(size=(2, len(steps))).cumsum(1))
                        for name in curves}, {"seed": [0, 1], "step": steps, "neuron": range(4)})
    intervals, mean = {"mlp": segment(found)}, {"mlp": segment(found.mean("seed"))}
    titles = {ax.get_title() for ax in condition_figure(xr.Dataset(), {"mlp": found}, intervals, mean, "a layer").axes}
    assert "mlp" in titles
    plt.close("all")
