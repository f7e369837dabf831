"""Null, bootstrap, halves: against plain code, resumable, and asked for where they are not there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from grok_synergy.binning import ward_bins
from grok_synergy.data import ModularTask
from grok_synergy.draws import UnsearchableDraws
from grok_synergy.entropy import copula_correlation
from grok_synergy.layer import measure_features
from grok_synergy.measurement import measurement
from grok_synergy.oinfo import o_information
from grok_synergy.study import companions as curves
from grok_synergy.study.companions import (
    COMPANIONS,
    audit_lacks,
    check_curves,
    check_layer,
    load_checks,
    split_halves,
    write_checks,
)
from grok_synergy.study.conditions import CONDITIONS, Paper
from grok_synergy.training import train
from grok_synergy.uncertainty import null_extremes
from grok_synergy.unions import union_multiplets

TINY = Paper(conditions=(replace(CONDITIONS["wd2"], steps=20),), ablated=(), seeds=(0, 100, 200), figure_seeds=2,
             pairs=(), draws=0, task=ModularTask(p=23), width=20, per_decade=4)


def layer(samples=600, neurons=16, seed=0):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(samples, 4)) @ rng.normal(size=(4, neurons)) + rng.normal(size=(samples, neurons))
    return np.maximum(hidden, 0).astype("float32")


@pytest.mark.parametrize("preset", ["published", "mid_ranks"])
def test_halves_are_those_of_plain_code(preset):
    x, settings = layer(), measurement(preset, n_bins=5)
    order = np.random.default_rng(3).permutation(600)
    halves = [x[order[:300]], x[order[300:]]]
    n, expected = 300 if settings.bias_correction else None, []
    for chooser, judge in (halves, halves[::-1]):
        bins = ward_bins(chooser, 5)
        first, second = (copula_correlation(half, settings.ties) for half in (chooser, judge))
        every = union_multiplets(first, bins, n_samples=n)
        for place, sign in zip((every.most_synergistic(), every.most_redundant()), (-1, 1), strict=True):
            neurons = np.isin(bins, every.members(int(place)))
            expected.append([sign * o_information(corr[neurons][:, neurons], n_samples=n) for corr in (first, second)])
    expected = np.array(expected).reshape(2, 2, 2).mean(0)
    np.testing.assert_allclose(split_halves(x, settings, seed=3, splits=1), expected, atol=1e-9)


def test_what_was_chosen_is_less_on_the_other_half_on_average():
    noise = np.random.default_rng(0).normal(size=(400, 20)).astype("float32")
    found = split_halves(noise, measurement("mid_ranks", n_bins=5), splits=6)
    assert (found[:, 0] > found[:, 1]).all()


@pytest.mark.parametrize("preset", ["published", "mid_ranks"])
def test_companions_of_a_layer_with_dead_neurons(preset):
    x = layer(neurons=30)
    x[:, 4:7] = 0
    found, reading = check_layer(x, preset, draws=6), measure_features(x, preset, degenerate="drop")
    assert list(found.columns) == list(COMPANIONS) and found.notna().all(axis=None)
    assert found.value.tolist() == [reading.synergy, reading.redundancy]
    assert (found.low <= found.high).all() and found.loc["redundancy", "value"] > 5 * found.loc["redundancy", "null"] > 0
    assert check_layer(x, preset, draws=6).equals(found) and not check_layer(x, preset, draws=6, seed=1).equals(found)


def test_the_null_is_the_mean_of_the_shuffles_and_their_largest():
    x = layer()
    drawn = null_extremes(x, bins=ward_bins(x, 10), ties="average", bias_correction=True, draws=4, seed=0).draws
    found = check_layer(x, draws=4)
    assert found["null"].tolist() == pytest.approx([-drawn[0].mean(), drawn[1].mean()])
    assert found["null_most"].tolist() == pytest.approx([-drawn[0].min(), drawn[1].max()])


def test_a_dead_layer_has_no_companions():
    found = check_layer(np.zeros((200, 12), "float32"), draws=3)
    assert (found.value == 0).all() and found.drop(columns=["value", "displaced"]).isna().all(axis=None)


def test_neurons_that_fire_once_do_not_end_the_check():
    x = np.hstack([layer(), np.zeros((600, 12), "float32")])
    x[np.arange(12), 16 + np.arange(12)] = 1  # a resample may miss them, a shuffle may put two on one sample
    found = check_layer(x, draws=30)
    assert found.value.notna().all() and found.low.isna().all()


def test_layers_of_few_neurons_have_as_many_bins():
    assert check_layer(layer(neurons=6), draws=3).notna().all(axis=None)


def test_a_resample_that_cannot_be_searched_leaves_no_interval(monkeypatch):
    def refuse(*args, **kwargs):
        raise UnsearchableDraws("among draws 0 to 2 is one that cannot be searched: every row drawn has the same value")

    monkeypatch.setattr(curves, "bootstrap_extremes", refuse)
    found = check_layer(layer(), draws=3)
    assert found[["low", "high"]].isna().all(axis=None) and found[["null", "half"]].notna().all(axis=None)


def test_what_is_checked_is_not_checked_again(tmp_path, monkeypatch):
    write_checks(TINY, tmp_path / "store", tmp_path, n_jobs=1, progress=False)
    found = load_checks(tmp_path)
    assert set(found.preset) == {"published", "mid_ranks"} and found.step.min() >= 5 and found.step.max() == 20
    assert set(found.seed) == {0, 100}
    one = found[(found.seed == 100) & (found.step == 20) & (found.preset == "mid_ranks")].set_index("quantity")
    network = train(TINY.experiment("wd2", [100]), store=tmp_path / "store", progress=False)
    plain = check_layer(network.features(100, 20), draws=20)
    assert one.loc[["synergy", "redundancy"], "null"].tolist() == pytest.approx(plain["null"].tolist(), rel=1e-4)
    monkeypatch.setattr(curves, "_check", lambda *job: pytest.fail(f"{job} was checked before"))
    again = check_curves(TINY, tmp_path / "store", n_jobs=1, progress=False)
    pd.testing.assert_frame_equal(again, found, rtol=1e-4)


def test_what_is_not_there_is_asked_for(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="holds no checks of curves: run `make audit`, after `make paper`"):
        load_checks(tmp_path)
    (tmp_path / "settings.ini").touch()
    monkeypatch.chdir(tmp_path)
    assert audit_lacks() == "35 networks of the study are not in trajectories/: run `make paper` first"
    assert not (tmp_path / "trajectories").exists() and not (tmp_path / "build").exists()


@pytest.mark.parametrize("settings, message", [
    (dict(draws=0), "draws=0"), (dict(draws="many"), "draws='many'"), (dict(level=95), "level=95"),
    (dict(level="most"), "level='most'"), (dict(seed=-1), "seed=-1"),
    (dict(features=np.zeros((2, 30, 4))), r"\(2, 30, 4\) were given: give \(samples, neurons\)"),
    (dict(features=np.zeros(30)), r"shape \(30,\)"),
])
def test_settings_of_a_check_are_refused_before_work(settings, message, monkeypatch):
    monkeypatch.setattr(curves, "Layer", lambda *args: pytest.fail("the work began"))
    with pytest.raises(ValueError, match=message):
        check_layer(**{"features": layer(), **settings})


def test_errors_that_are_not_of_a_draw_are_not_swallowed(monkeypatch):
    def refuse(*args, **kwargs):
        raise ValueError("bins of shape (3,) were given")

    monkeypatch.setattr(curves, "null_extremes", refuse)
    with pytest.raises(ValueError, match="bins of shape"):
        check_layer(layer(), draws=3)


def test_samples_too_few_to_be_resampled_leave_no_interval():
    found = check_layer(layer(samples=20, neurons=16), draws=3)
    assert found.low.isna().all() and found.value.notna().all()


def test_a_column_of_nan_is_left_out_with_a_warning():
    x = layer()
    x[3, 5] = np.nan
    with pytest.warns(UserWarning, match="NaN or infinite values in column 5") as caught:
        found = check_layer(x, draws=3)
    assert found.value.notna().all() and sum("column 5" in str(one.message) for one in caught) == 1


@pytest.mark.parametrize("settings, message", [
    (dict(splits=0), "splits=0"), (dict(splits=1.5), "splits=1.5"), (dict(seed=-1), "seed=-1")])
def test_halves_without_a_split_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        split_halves(**{"x": layer(), "settings": measurement("mid_ranks"), **settings})
