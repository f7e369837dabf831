"""Ways to measure: the design, every path through a checkpoint against plain code, and which choice decides."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from grok_synergy.activations import FLOOR, LAGS
from grok_synergy.binning import group_neurons
from grok_synergy.data import ModularTask
from grok_synergy.entropy import copula_correlation
from grok_synergy.latent import truncated_correlation
from grok_synergy.layer import Layer
from grok_synergy.matrices import nearest_correlation
from grok_synergy.measurement import PRESETS, measurement
from grok_synergy.multiplets import all_multiplets
from grok_synergy.oinfo import o_information
from grok_synergy.search import search_multiplet
from grok_synergy.store import save_dataset
from grok_synergy.study import multiverse
from grok_synergy.study.conditions import CONDITIONS, Paper
from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.jobs import Findings
from grok_synergy.study.multiverse import (
    CLAIMS,
    CURVES,
    FACTORS,
    Multiverse,
    as_way,
    between_checkpoints,
    design,
    judge_ways,
    layers_of,
    levels_of,
    load_outcomes,
    long_table,
    run_multiverse,
    spaced,
    with_choices,
    write_outcomes,
)
from grok_synergy.study.shares import claim_shares, deciding, share_by_level
from grok_synergy.training import train
from grok_synergy.trajectory import METRICS
from grok_synergy.unions import union_multiplets

TINY = Paper(conditions=(replace(CONDITIONS["wd2"], steps=20),), ablated=(), seeds=(0, 100), figure_seeds=1,
             pairs=(), draws=0, task=ModularTask(p=23), width=40, per_decade=4)


def features(seed=0, samples=900, neurons=24):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(samples, 5)) @ rng.normal(size=(5, neurons)) + rng.normal(size=(samples, neurons))
    hidden = torch.as_tensor(hidden).float()
    return {(name, layer): (hidden.relu() if layer == "post" else hidden)[:size]
            for name, size in (("train", 400), ("test", 500), ("all", 900)) for layer in ("post", "pre")}


def way(*levels, **others):
    "The measurement of the levels of the first factors, in their order, and of others by name."
    return as_way(**dict(zip(FACTORS, levels, strict=False)), **others)


def read(given, settings):
    "One reading of a checkpoint: synergy, redundancy, size."
    reading = Layer(given[settings.which, "post"], given[settings.which, "pre"]).read(settings)
    return reading.synergy, reading.redundancy, reading.synergy_size


def test_design_is_balanced_distinct_and_holds_the_presets():
    ways = design()
    assert len(set(ways)) == 256 and ways[:2] == list(PRESETS.values()) and ways == design() != design(seed=1)
    table = pd.DataFrame(map(levels_of, ways))
    assert set(table.clustering) == set(FACTORS["clustering"]) and (table.clustering == "none").sum() == 8
    for name in ("estimator", "unit", "samples", "bias", "selection"):
        counts = table[name].value_counts()
        assert set(counts.index) == set(FACTORS[name]) and counts.max() < 1.3 * counts.min()
    assert all(as_way(**levels_of(one)) == one for one in ways)


def test_impossible_ways_are_refused():
    for choices in (dict(unit="blocks", n_bins=20), dict(clustering="none", unit="means"),
                    dict(clustering="random", columns="standardised"), dict(estimator="rank")):
        with pytest.raises(ValueError, match="is not possible|is unknown"):
            way(**choices)
    with pytest.raises(ValueError, match="n=9 with direct=8: give 10 to 4096 ways"):
        design(9)


def halves(x):
    order = np.random.default_rng(0).permutation(len(x))
    return x[order[:len(x) // 2]], x[order[len(x) // 2:]]


@pytest.mark.parametrize("selection", FACTORS["selection"])
@pytest.mark.parametrize("bias", FACTORS["bias"])
def test_unions_of_neurons_by_plain_code(bias, selection):
    given = features()
    settings = way("average", "neurons", "kmeans", "standardised", 5, "test", bias, selection)
    x = given["test", "post"]
    chooser, judge = (x, x) if selection == "same samples" else halves(x)
    bins = group_neurons(chooser, 5, "kmeans", standardise=True)
    n = len(chooser) if bias == "corrected" else None
    found = union_multiplets(copula_correlation(chooser), bins, n_samples=n)
    chosen = [np.isin(bins, found.members(int(i))) for i in (found.omega.argmin(), found.omega.argmax())]
    omegas = [float(o_information(copula_correlation(judge)[mask][:, mask], n_samples=n)) for mask in chosen]
    assert read(given, settings) == pytest.approx((-omegas[0], omegas[1], chosen[0].sum()), abs=1e-9)


@pytest.mark.parametrize("selection", FACTORS["selection"])
def test_means_of_pre_activations_by_plain_code(selection):
    given = features(1)
    settings = way("pre", "means", "ward", "raw", 15, "all", "kept", selection)
    x = given["all", "pre"]
    bins = group_neurons(x if selection == "same samples" else halves(x)[0], 15)
    means = torch.stack([x[:, bins == b].mean(1) for b in range(15)], 1)
    chooser, judge = (means, means) if selection == "same samples" else halves(means)
    found = all_multiplets(copula_correlation(chooser))
    chosen = [list(found.members(int(i))) for i in (found.omega.argmin(), found.omega.argmax())]
    omegas = [float(o_information(copula_correlation(judge)[members][:, members])) for members in chosen]
    assert read(given, settings) == pytest.approx((-omegas[0], omegas[1], np.isin(bins, chosen[0]).sum()), abs=1e-9)


@pytest.mark.parametrize("selection", FACTORS["selection"])
def test_blocks_of_patterns_by_plain_code(selection):
    given = features(2)
    settings = way("on_off", "blocks", "random", "raw", 10, "train", "corrected", selection)
    on = (given["train", "post"] > 0).float()
    bins = group_neurons(given["train", "post"], 10, "random")
    chooser, judge = (on, on) if selection == "same samples" else halves(on)
    found, judged = (all_multiplets(copula_correlation(part), blocks=bins, n_samples=len(part)) for part in (chooser, judge))
    places = [int(found.omega.argmin()), int(found.omega.argmax())]
    size = np.isin(bins, found.members(places[0])).sum()
    assert read(given, settings) == pytest.approx(
        (-float(judged.omega[places[0]]), float(judged.omega[places[1]]), size), abs=1e-9)


@pytest.mark.parametrize("selection", FACTORS["selection"])
def test_the_latent_copula_by_plain_code(selection):
    given = features(4)
    x = given["test", "post"]
    x[:, 2] = (x[:, 2] - 4).relu()          # hardly ever on
    x[:, 5] = x[:, 5].clamp_max(x[:, 5].median() + 1)  # an atom above the lowest value
    settings = way("latent", "neurons", "kmeans", "raw", 5, "test", "kept", selection)
    kept = np.isin(np.arange(24), [2, 5], invert=True)
    chooser, judge = (x, x) if selection == "same samples" else halves(x)
    bins = group_neurons(chooser, 5, "kmeans")[kept]
    raw = [truncated_correlation(part[:, torch.as_tensor(kept)], LAGS) for part in (chooser, judge)]
    corrs = [nearest_correlation(one, FLOOR).corr for one in raw]
    found = union_multiplets(corrs[0], bins)
    chosen = [np.isin(bins, found.members(int(i))) for i in (found.omega.argmin(), found.omega.argmax())]
    omegas = [float(o_information(corrs[1][mask][:, mask])) for mask in chosen]
    layer = Layer(x)
    reading = layer.read(settings)
    expected = (-omegas[0], omegas[1], chosen[0].sum())
    assert (reading.synergy, reading.redundancy, reading.synergy_size) == pytest.approx(expected, abs=1e-9)
    lifted = max(float((torch.linalg.eigvalsh(one) < FLOOR * (1 + 1e-6)).double().mean()) for one in corrs)
    assert layer.lifted == pytest.approx(lifted)


@pytest.mark.parametrize("selection", FACTORS["selection"])
def test_direct_search_by_plain_code(selection):
    given = features(3)
    settings = way("random", clustering="none", samples="train", selection=selection)
    x = given["train", "post"]
    chooser, judge = (x, x) if selection == "same samples" else halves(x)
    corrs = [copula_correlation(part, "random") for part in (chooser, judge)]
    found = [search_multiplet(corrs[0], 10, extreme=extreme, restarts=4, steps=100) for extreme in ("synergy", "redundancy")]
    omegas = [float(o_information(corrs[1][sorted(one.members)][:, sorted(one.members)])) for one in found]
    assert read(given, settings) == pytest.approx((-omegas[0], omegas[1], 10), abs=1e-9)


def test_dead_neurons_are_left_out_and_none_left_is_zero_as_in_measure():
    given = features()
    for post in (x for (_, layer), x in given.items() if layer == "post"):
        post[:, :3] = 0
    *_, size = read(given, measurement("mid_ranks", clustering="random", n_bins=5, unit="means"))
    assert size <= 21
    dead = {key: torch.zeros_like(x) for key, x in given.items()}
    for settings in (as_way(), as_way(clustering="none")):
        assert read(dead, settings) == (0, 0, 0)


def test_what_is_measured_is_not_measured_again(tmp_path, monkeypatch):
    few = Multiverse(TINY, tuple(design(6, direct=1)), seeds=2, per_decade=3)
    found = run_multiverse(few, tmp_path, n_jobs=1)["wd2"]
    assert found.synergy.dims == ("null", "way", "seed", "step") and found.synergy.shape[:3] == (2, 6, 2)
    assert int(found.step[0]) >= 5 and int(found.step[-1]) == 20 and found.to_array().notnull().all()

    def refuse(*job):
        raise AssertionError(f"{job} was measured before")

    monkeypatch.setattr(multiverse, "_measure", refuse)
    assert run_multiverse(few, tmp_path, n_jobs=1)["wd2"].identical(found)


def test_the_choice_that_decides_is_found():
    table = pd.DataFrame(map(levels_of, design()))
    half = table.assign(outcome=(table.bias == "kept") * 1.0 + (table.unit == "means") * 1.0)
    shares = deciding(half)
    assert shares["bias"] > 0.3 and shares["unit"] > 0.1 and shares.drop(["bias", "unit"]).abs().max() < 1e-9
    both = table.assign(outcome=((table.bias == "kept") & (table.samples == "all")).astype(float))
    assert deciding(both)["interaction"] > 0.2
    assert (deciding(table.assign(outcome=1.0)) == 0).all()


def test_checkpoints_are_spaced_evenly_with_both_ends():
    steps = np.unique(np.round(10 ** np.arange(0, 3.65, 1 / 16)).astype(int))
    chosen = spaced(steps[steps >= 5], 4)
    assert chosen[0] == 5 and chosen[-1] == steps[-1] and set(chosen) <= set(steps)
    assert np.diff(np.log10(chosen[:-1])) == pytest.approx(0.25, abs=0.05)


def test_a_null_is_read_like_its_network(tmp_path):
    few = Multiverse(TINY, tuple(design(6, direct=1)), seeds=1, per_decade=3)
    found = run_multiverse(few, tmp_path, n_jobs=1, progress=False)["wd2"]
    trajectory = train(TINY.experiment("wd2", [0]), store=tmp_path, progress=False)
    step = int(found.step[1])
    for null in ("none", "responses"):
        layers = layers_of(trajectory, 0, step, null)
        for way, one in enumerate(few.ways):
            reading = layers[one.which].read(one)
            assert found.synergy.sel(null=null, seed=0, step=step)[way] == pytest.approx(reading.synergy, abs=1e-9)
    features, drawn = trajectory.features(0, step, "all"), layers_of(trajectory, 0, step, "responses")["all"].x["post"]
    torch.testing.assert_close(drawn.sort(0).values, features.sort(0).values)
    assert not torch.equal(drawn, features)
    train_rows = layers_of(trajectory, 0, step, "responses")["train"].x["post"]
    torch.testing.assert_close(train_rows, drawn[TINY.task.index("train")])


def test_excess_is_judged_under_a_null():
    evidence = drawn_evidence("paper", seeds=3)
    measures = {name: table[["synergy", "redundancy", "synergy_size"]].sel(step=table.step >= 5)
                for name, table in evidence.measures["published"].items() if name in CONDITIONS}
    metrics = {name: table.assign({metric: table.test_acc for metric in METRICS if metric not in table})
               for name, table in evidence.metrics.items() if name in CONDITIONS}
    bits = [claim for claim in CLAIMS if claim.statistic.reads == "bits"][:4]

    def judged(factor):
        both = {name: xr.concat([table, table * factor], xr.Variable("null", ["none", "responses"])).expand_dims({"way": 1})
                for name, table in measures.items()}
        return judge_ways(metrics, both, tuple(bits), n_jobs=1)

    nothing, everything = judged(0.0), judged(1.0)
    assert nothing.sel(null="none", drop=True).equals(everything.sel(null="none", drop=True))
    np.testing.assert_allclose(nothing.estimate[0], nothing.estimate[1])
    assert (abs(everything.estimate.sel(null="responses")) < 1e-9).all()


def drawn_outcomes(share):
    "Outcomes of the design for two claims, with a share of seeds for each way."
    claims = [claim.number for claim in CLAIMS[:2]]
    values = np.stack([[np.stack([share, 1 - share], 1)] * 2])
    both = {name: (("null", "curves", "way", "claim"), values) for name in ("estimate", "share")}
    return with_choices(xr.Dataset(both, {"null": ["none"], "curves": list(CURVES), "claim": claims}), design())


def test_choices_survive_the_table_and_decide_what_they_decide(tmp_path):
    table = pd.DataFrame(map(levels_of, design()))
    outcomes = drawn_outcomes((table.n_bins == 5).to_numpy(float))
    save_dataset(outcomes.assign_attrs(seeds=3), tmp_path / "multiverse.nc")
    found = load_outcomes(tmp_path)
    rows = long_table(found, CLAIMS[0].number)
    assert len(rows) == 512 and (rows[:256][list(FACTORS)].astype(str) == table[list(FACTORS)].astype(str)).all(axis=None)
    shares, by_bins = claim_shares(found), share_by_level(found, "n_bins")
    others = shares.drop(columns=["n_bins", "share", "published", "mid_ranks"])
    (tmp_path / "first").mkdir()
    save_dataset(outcomes.sel(null="none", drop=True), tmp_path / "first" / "multiverse.nc")
    first = load_outcomes(tmp_path / "first")
    assert first.share.equals(found.share.transpose(*first.share.dims))
    assert shares.n_bins.min() > 0.85 and others.max(axis=None) < 0.05
    assert by_bins.iloc[0].to_dict() == {5: 1, 10: 0, 15: 0, 20: 0} and by_bins.iloc[1][5] == 0
    assert not shares.published.iloc[0] and shares.published.iloc[1]


def test_outcomes_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(ValueError, match="holds no outcomes: run `make audit`, after `make paper`"):
        load_outcomes(tmp_path)


def test_tables_of_other_settings_are_refused_before_work(tmp_path):
    findings = Findings({"wd2": xr.Dataset(coords={"step": [0, 1, 2, 3], "seed": [0]})}, {}, pd.DataFrame(), {})
    with pytest.raises(ValueError, match="the tables hold other checkpoints or seeds of wd2 than the study has now"):
        write_outcomes(Multiverse(TINY, tuple(design(6, direct=1)), seeds=1), findings, tmp_path / "store", tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_read_beyond_what_was_measured():
    values = xr.DataArray([[1.0, 2.0]], {"seed": [0], "step": [10, 100]}, ("seed", "step"))
    assert between_checkpoints(values, np.array([10, 32, 100])).values[0] == pytest.approx([1, 1.505, 2], abs=1e-3)
    with pytest.raises(ValueError, match="steps 5 to 100 are wanted of curves from 10 to 100: measure more"):
        between_checkpoints(values, np.array([5, 100]))


def test_steps_in_any_order_are_spaced_alike():
    steps = np.unique(np.round(np.geomspace(5, 4000, 100)).astype(int))
    expected = spaced(steps, 4)
    assert spaced(np.random.default_rng(0).permutation(steps), 4) == spaced(steps.tolist(), "4") == expected
    assert Multiverse(TINY, seeds="1", per_decade=4.0) == Multiverse(TINY, seeds=1)
    assert design(12, direct=2.0, seed="1") == design("12", direct=2, seed=1)


@pytest.mark.parametrize(("wrong", "says"), [
    (lambda: spaced([], 4), "give at least one step, each above 0"),
    (lambda: spaced([0, 10], 4), "each above 0"),
    (lambda: spaced([5, np.nan], 4), "each above 0"),
    (lambda: spaced([5, 10], 0), "per_decade=0"),
    (lambda: spaced([5, 10], 2.5), "per_decade=2.5"),
    (lambda: Multiverse(TINY, seeds=0), "seeds=0"),
    (lambda: Multiverse(TINY, seeds=-1), "seeds=-1"),
    (lambda: Multiverse(TINY, per_decade=0), "per_decade=0"),
    (lambda: Multiverse(TINY, first="early"), "first='early'"),
    (lambda: Multiverse(TINY, nulls=("responses",)), "nulls=.'responses',. is not possible: give 'none', then"),
    (lambda: Multiverse(TINY, nulls=("none", "chimera")), "'columns' and 'responses'"),
    (lambda: design(12.5), "n=12.5"),
    (lambda: design(12, direct="few"), "direct='few'"),
    (lambda: design(12, direct=2, seed=-1), "seed=-1"),
])
def test_settings_of_the_multiverse_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()
