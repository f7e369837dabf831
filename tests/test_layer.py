"""One layer, one way to measure: the numbers of the pipelines before it, the names of their files, and its parts."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from grok_synergy.activations import source
from grok_synergy.audit import audit
from grok_synergy.data import ModularTask
from grok_synergy.layer import Layer, measure_features
from grok_synergy.measurement import PRESETS, WORDS, Measurement, measurement
from grok_synergy.phases import measure
from grok_synergy.store import later, stored_settings
from grok_synergy.study.companions import _path, check_layer
from grok_synergy.study.conditions import Paper
from grok_synergy.study.jobs import Job
from grok_synergy.study.multiverse import Multiverse, design, levels_of, read_checkpoint
from grok_synergy.trainer import Experiment
from grok_synergy.training import train

FORMER = json.loads((Path(__file__).parent / "layer.json").read_text())  # by the code before there were Layers


def rectified(samples=301, neurons=23):
    "Activations after and before a ReLU; one neuron is dead, one a copy."
    rng = np.random.default_rng(1)
    pre = rng.normal(size=(samples, 4)) @ rng.normal(size=(4, neurons)) + rng.normal(size=(samples, neurons))
    pre = (pre - abs(rng.normal(size=neurons))).astype("float32")
    pre[:, 5], pre[:, 7] = pre[:, 5] * 0.01 - 10, 2 * pre[:, 6]
    return np.maximum(pre, 0), pre


class Checkpoint:
    "Activations in place of a trajectory; one neuron is dead, one a copy, and the numbers of samples are odd."

    def __init__(self, neurons=24):
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(701, 6)) @ rng.normal(size=(6, neurons)) + rng.normal(size=(701, neurons))
        hidden[:, 3], hidden[:, 8] = hidden[:, 3] * 0.01 - 9, 3 * hidden[:, 9]
        self.hidden = torch.as_tensor(hidden).float()

    def features(self, seed, step, which, layer):
        x = self.hidden[:{"train": 301, "test": 400, "all": 701}[which]]
        return x.relu() if layer == "post" else x


# What was measured before

def test_ways_of_the_multiverse_are_read_as_before():
    ways = [one for one in design() if one.ties != "numpy" and one.n_bins < 20]  # the same on every processor, and fast
    found = read_checkpoint(Checkpoint(), 0, 0, ways[::3])
    latent = np.array([one.estimator == "latent" for one in ways[::3]])
    before = np.array(FORMER["ways"])
    np.testing.assert_allclose(found.found[~latent], before[~latent], atol=1e-5)
    np.testing.assert_allclose(found.found[latent], before[latent], atol=1e-4)  # inverted to 1e-5 then, to 1e-9 now
    assert float(found.lifted) == pytest.approx(FORMER["lifted"], abs=1e-6)
    assert {one.clustering for one in ways[::3]} == set(WORDS["clustering"])


def test_an_audit_is_as_before():
    post, pre = rectified()
    table = audit(post, pre=pre, draws=2, seed=3).table.query("ranks != 'numpy'")
    former = pd.DataFrame(FORMER["audit"]["rows"], columns=FORMER["audit"]["columns"])
    np.testing.assert_allclose(table[former.columns].astype(float), former.astype(float), atol=1e-5)


def test_companions_are_as_before():
    found = check_layer(rectified()[0], draws=4).astype(float)
    np.testing.assert_allclose(found, FORMER["check"], atol=1e-5)


def test_what_was_stored_is_found_under_its_name(tmp_path):
    paper = Paper()
    names = [Multiverse().path(tmp_path, "wd2", 0, 5).parent.name,
             Multiverse(ways=tuple(design(40, 4, 2))).path(tmp_path, "wd2", 0, 5).parent.name,
             _path(paper, tmp_path, 20, "wd2", 0, 5).parent.name,
             *(Job(paper, "wd2", 0, kind).path(tmp_path).name for kind in ("network", "drawn"))]
    assert names == ["ways-53c116305a", "ways-633963c7de", "checks-15edc44f4b", "seed-0-network-5d89e5ebaf.nc",
                     "seed-0-drawn-2ff2d95f54.nc"]


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory):
    small = Experiment(ModularTask(p=11, train_fraction=0.6), width=24, steps=20, per_decade=3, seeds=(0,))
    return train(small, store=tmp_path_factory.mktemp("store"), progress=False)


@pytest.mark.parametrize("choices, expected", [
    ({"preset": "published"}, {"bins10-train-post", "measures-41e4a300cc"}),
    ({}, {"bins10-train-post", "measures-42c85a2f32"}),
    ({"unit": "blocks", "n_bins": 4}, {"bins4-train-post", "measures-ad66b55b99"})])
def test_measures_of_a_trajectory_keep_their_names(trajectory, choices, expected):
    measure(trajectory, progress=False, **choices)
    assert expected <= {path.stem.removeprefix("seed-0-") for path in trajectory.folder.iterdir()}


@pytest.mark.parametrize("choices", [
    {"clustering": "random"}, {"standardise": True}, {"estimator": "on_off", "layer": "pre"},
    {"clustering": "none"}, {"judged_on": "other half", "unit": "means"}])
def test_new_choices_along_a_trajectory_are_those_of_a_layer(trajectory, choices):
    few = trajectory.steps.tolist()[1::4]
    for _ in range(2):  # bins are made, then read from where they were stored
        along = measure(trajectory, progress=False, steps=few, **choices).sel(seed=0)
        for path in trajectory.folder.glob("seed-0-measures-*"):
            path.unlink()
        for step in few:
            layers = [trajectory.features(0, step, layer=layer) for layer in ("post", "pre")]
            reading, here = Layer(*layers).read(measurement(**choices)), along.sel(step=step)
            assert (reading.synergy, reading.redundancy) == (here.synergy, here.redundancy)
            assert reading.dropped.sum() == here.dropped


# A measurement

def test_later_fields_are_left_out_at_their_default_only():
    assert list(stored_settings(Measurement())) == [
        "ties", "unit", "bias_correction", "n_bins", "min_size", "which", "layer"]
    assert stored_settings(Measurement(standardise=True, clustering="kmeans")) == {
        **stored_settings(Measurement()), "clustering": "kmeans", "standardise": True}
    assert eval(repr(Measurement(judged_on="other half"))) == Measurement(judged_on="other half")
    assert later(3).metadata["later"] and later(3).default == 3


@pytest.mark.parametrize("choices, message", [
    ({"clustering": "nearest"}, "clustering='nearest' is unknown: choose one of 'ward', "),
    ({"judged_on": "all"}, "judged_on='all' is unknown"), ({"standardise": "yes"}, "standardise='yes'"),
    ({"estimator": ""}, "estimator='' is no name"), ({"estimator": None}, "estimator=None is no name"),
    ({"clustering": "none", "unit": "blocks"}, "a direct search leaves out neurons one at a time")])
def test_choices_that_do_not_exist_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        measurement(**choices)


def test_levels_are_those_of_every_way_and_of_no_other_measurement():
    assert levels_of(PRESETS["published"])["estimator"] == "numpy"
    with pytest.raises(ValueError, match="has no level of n_bins: 10, 5, 15, 20"):
        levels_of(measurement(n_bins=7))


# A layer and its parts

def test_a_layer_keeps_names_through_its_parts():
    frame = pd.DataFrame(rectified()[0]).add_prefix("n")
    layer, kept = Layer(frame), np.arange(23) % 2 == 0
    assert layer.columns(kept).names == tuple(frame.columns[kept])
    assert layer.halves()[0].names == layer.null("columns").names == tuple(frame.columns)
    assert layer.read(Measurement()).table().query("dropped").index.tolist() == ["n5", "n7"]
    assert layer.read(measurement(judged_on="other half")).names == tuple(frame.columns)


def test_readings_together_are_those_alone():
    post, pre = rectified()
    ways = [measurement(preset, unit=unit, layer=layer, judged_on=judge) for preset in PRESETS for unit in WORDS["unit"]
            for layer in ("post", "pre") for judge in WORDS["judged_on"]]
    together, alone = Layer(post, pre).read_all(ways), [Layer(post, pre).read(one) for one in ways]
    assert together == alone


def test_what_a_reading_depends_on_is_computed_once(monkeypatch):
    calls = []
    layer = Layer(rectified()[0], estimators={"counted": lambda x: calls.append(1) or np.corrcoef(x.numpy().T)})
    ways = [measurement(estimator="counted", n_bins=n_bins, ties=ties) for n_bins in (5, 10)
            for ties in ("average", "numpy")]
    first = layer.read_all(ways)
    assert len(calls) == 1 and layer.read_all(ways) == first and len(calls) == 1
    assert len({source(one) for one in ways}) == 1


def test_halves_are_fixed_and_share_no_sample():
    x = np.random.default_rng(0).normal(size=(41, 3))
    first, second = Layer(x).halves()
    assert len(first.x["post"]) == 20 and len(second.x["post"]) == 21
    assert sorted(map(tuple, torch.vstack([first.x["post"], second.x["post"]]).tolist())) == sorted(map(tuple, x.tolist()))
    assert torch.equal(Layer(x).halves()[0].x["post"], first.x["post"])
    assert not torch.equal(Layer(x).halves(1)[0].x["post"], first.x["post"])


def test_parts_are_in_the_bins_of_the_whole_and_halves_in_their_own():
    layer, settings, kept = Layer(rectified()[0]), Measurement(n_bins=5), np.arange(23) > 3
    whole = layer.bins(settings)
    assert (layer.columns(kept).bins(settings) == whole[kept]).all()
    assert (layer.columns(kept).null("columns", 2).bins(settings) == whole[kept]).all()
    half = layer.halves()[0]
    assert (half.bins(settings) == Layer(half.x["post"]).bins(settings)).all()
    given = Layer(rectified()[0], bins=np.arange(23) // 4)
    assert (given.halves()[0].bins(settings) == np.arange(23) // 4).all()


def test_a_null_is_read_like_the_layer():
    null = Layer(rectified(2000)[0]).null("columns").read(Measurement())
    assert abs(null.synergy) < 0.2 and abs(null.redundancy) < 0.2 and null.dropped.sum() == 1  # a copy is none any more


def test_chosen_on_itself_is_the_reading():
    layer = Layer(rectified()[0])
    for unit in WORDS["unit"]:
        one = measurement(unit=unit)
        own, other = layer.judged_by(Layer(rectified()[0]), one)
        assert own == layer.read(one) and other.synergy == pytest.approx(own.synergy, abs=1e-9)
        assert other.redundancy == pytest.approx(own.redundancy, abs=1e-9)
        assert (other.synergy_neurons == own.synergy_neurons).all()


def test_nothing_alive_is_an_empty_reading_by_any_measurement():
    dead = Layer(np.zeros((50, 12)), np.zeros((50, 12)))
    for one in design(40):
        reading = dead.read(one)
        assert reading.dropped.all() and (reading.synergy, reading.redundancy, reading.synergy_size) == (0, 0, 0)


@pytest.mark.parametrize("given, message", [
    (dict(features=np.zeros(5)), r"samples of shape \(5,\)"), (dict(features=np.zeros((5, 1))), "two neurons or more"),
    (dict(features=np.zeros((2, 5, 3))), r"shape \(2, 5, 3\) were given"),
    (dict(pre=np.zeros((9, 4))), r"pre-activations of shape \(9, 4\)"), (dict(names=["a"]), "1 names were given for 3"),
    (dict(bins=[0, 1]), r"bins of shape \(2,\)"), (dict(degenerate="ignore"), "degenerate='ignore' is unknown"),
    (dict(estimators=[1]), "give a dictionary of names and functions"), (dict(estimators={"copula": len}), "there already"),
    (dict(estimators={"mine": 3}), "estimators hold 'mine': 3"), (dict(seed=-1), "seed=-1")])
def test_layers_that_cannot_be_read_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Layer(**{"features": np.random.default_rng(0).normal(size=(9, 3)), **given})


def test_measurements_that_a_layer_cannot_take_are_refused():
    layer = Layer(rectified()[0])
    for settings, message in (("published", "is no measurement"), (measurement(layer="pre"), "without pre-activations"),
                              (measurement(estimator="mine"), "estimator='mine' is unknown: choose one of 'copula'")):
        with pytest.raises(ValueError, match=message):
            layer.read(settings)


def test_features_are_a_layer_of_what_the_choices_say():
    post, pre = rectified()
    for choices in ({"layer": "pre"}, {"clustering": "kmeans"}, {"estimator": "latent"}, {"judged_on": "other half"}):
        one = replace(Measurement(), **choices)
        reading = measure_features(post, degenerate="drop", **choices)
        assert reading == replace(Layer(post, post).read(one), settings=one)


def few_samples(samples=120, neurons=200, seed=0):
    "Fewer samples than neurons, of eight signals: one neuron is dead, one a copy."
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.normal(size=(samples, 8)) @ rng.normal(size=(8, neurons)) + rng.normal(size=(samples, neurons)), 0)
    x[:, 3], x[:, 150] = 0, x[:, 4]
    return x.astype("float32")


def test_few_samples_get_what_can_be_said():
    x = few_samples()
    sound = np.delete(x, [3, 150], 1)
    with pytest.raises(ValueError, match="120 samples of 198 neurons have a singular .* unit='means' .* clustering='none'"):
        measure_features(sound)
    with pytest.warns(UserWarning, match="or ask for unit='means' or clustering='none'"):
        assert measure_features(x, degenerate="drop").dropped.sum() > 80
    for choices, dropped in (({"unit": "means"}, [3]), ({"clustering": "none"}, [3, 150])):
        found, alone = measure_features(x, degenerate="drop", **choices), measure_features(sound, **choices)
        assert found.dropped.nonzero()[0].tolist() == dropped
        assert np.isfinite([found.synergy, found.redundancy, alone.synergy, alone.redundancy]).all()
        if "clustering" in choices:
            assert found.redundancy == pytest.approx(alone.redundancy) and found.redundancy_size == 10
            assert np.isnan([found.tc, found.dtc]).all()


def test_few_samples_of_each_half_are_judged_too():
    x = few_samples(300)
    for choices in ({"unit": "means"}, {"clustering": "none"}):
        found = measure_features(x, degenerate="drop", judged_on="other half", **choices)
        assert np.isfinite([found.synergy, found.redundancy]).all() and found.dropped.sum() <= 2


def test_means_need_no_correlations_of_neurons(monkeypatch):
    x = np.delete(few_samples(500), [3, 150], 1)
    layer = Layer(x, degenerate="raise")
    monkeypatch.setattr(Layer, "correlation", lambda *given: pytest.fail("correlations of the neurons were asked for"))
    assert layer.read(measurement(unit="means")) == measure_features(x, unit="means")


# What can only be noise or nothing


NOISE = np.random.default_rng(0).normal(size=(200, 150))


def test_halves_of_fewer_samples_than_neurons_are_refused():
    for read in (partial(measure_features, NOISE), partial(measure_features, NOISE, degenerate="drop"),
                 lambda **given: Layer(NOISE).read(measurement(**given))):
        with pytest.raises(ValueError, match="judged_on='other half'.*give 302 samples or more"):
            read(judged_on="other half")
        assert read(judged_on="other half", unit="means").synergy < 1
    few = NOISE.copy()
    few[:, 20:] = 0  # dead neurons count for nothing
    assert Layer(few).read(measurement(judged_on="other half")).dropped.sum() == 130


def test_fewer_samples_than_neurons_are_noted():
    with pytest.warns(UserWarning, match="100 samples of 150 neurons: Ω of many neurons is mostly noise"):
        Layer(NOISE[:100]).read(measurement())


@pytest.mark.parametrize(("settings", "words"), [
    ({"clustering": "none"}, "clustering='none' reads ten neurons, and there are 9"), ({"min_size": 10}, "of 9 neurons")])
def test_layers_too_narrow_for_a_measurement_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        measure_features(NOISE[:, :9], **settings)


def test_a_dead_layer_is_noted():
    with pytest.warns(UserWarning, match="0 of 12 neurons can be read: synergy and redundancy are 0"):
        measure_features(np.zeros((50, 12)), degenerate="drop")


def test_a_measurement_is_a_preset_too():
    asked = measurement("published", n_bins=4)
    assert measurement(asked) == asked
    assert measurement(asked, unit="means") == measurement("published", n_bins=4, unit="means")
    x = NOISE[:, :12]
    assert measure_features(x, preset=asked) == measure_features(x, "published", n_bins=4)
    assert measure_features(x, asked, unit="means").settings.unit == "means"
    with pytest.raises(ValueError, match="widths: no such choice"):
        measurement(asked, widths=3)
    with pytest.raises(ValueError, match="preset=3"):
        measurement(3)


def test_other_networks_are_given_as_arrays_or_as_layers():
    x, others = NOISE[:, :15], np.stack([NOISE[:, 15 * i:15 * i + 15] for i in range(1, 5)])
    settings = measurement(n_bins=5)
    expected = measure_features(x, settings, others=list(others), draws=3).excess
    for given in (others, list(others), [torch.tensor(one) for one in others], [Layer(one) for one in others]):
        assert measure_features(x, settings, others=given, draws=3).excess == expected
        assert measure_features(x, settings).null("chimera", 3, others=given).excess == expected
        assert (Layer(x).excess(settings, "chimera", 3, others=given),) == expected
        assert Layer(x).null("chimera", others=given).x["post"].shape == (200, 15)
    rectified = Layer(np.maximum(x, 0), x).null("chimera", others=others)
    assert rectified.x["pre"] is None  # arrays have none
    with pytest.raises(ValueError, match="others"):
        Layer(x).null("chimera", others=["a"] * 4)


@pytest.mark.parametrize("rows", [np.ones(50, bool), [1000], [-201], [], 3, [[0, 1]], ["a"], [0.5], np.zeros(200, bool)])
def test_rows_that_are_none_are_named(rows):
    layer = Layer(NOISE[:, :15])
    for read in (lambda: measure_features(NOISE[:, :15], rows=rows), lambda: layer.rows(rows),
                 lambda: layer.null("columns", rows=rows), lambda: layer.excess(measurement(), "columns", 2, rows=rows)):
        with pytest.raises(ValueError, match="rows"):
            read()


def test_rows_are_numbers_or_booleans():
    layer, wanted = Layer(NOISE[:, :15]), np.arange(200) < 60
    for rows in (wanted, torch.tensor(wanted), np.flatnonzero(wanted), list(range(60)), range(60), pd.Series(wanted)):
        assert torch.equal(layer.rows(rows).x["post"], layer.x["post"][:60])


@pytest.mark.parametrize("seed", [-1, "a", 0.5, [0, -1], None])
def test_seeds_of_nulls_that_are_none_are_named(seed):
    with pytest.raises(ValueError, match="seed"):
        Layer(NOISE[:, :15]).null("columns", seed)
