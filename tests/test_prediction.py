"""The benchmark of predictors: what a predictor may see, runs that go on, and judges that can be trusted."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.optimize import minimize_scalar

from grok_synergy.model import Weights
from grok_synergy.store import digest, load_dataset
from grok_synergy.study import prediction_cells, prediction_runs
from grok_synergy.study.early import Predictor, Snapshot, reads_sample_size, records_of_size
from grok_synergy.study.prediction import _corrected, analysis_digest, drawn_benchmark, judged_runs, scored, warnings_of
from grok_synergy.study.prediction_cells import Cell, Run, candidates, chosen_cells, kind_of, planned_runs
from grok_synergy.study.prediction_runs import enter, follow, run_prediction, runs_in, stored_runs
from grok_synergy.study.predictors import READINGS, REGISTRY
from grok_synergy.study.skill import (
    concordance,
    drawn_runs,
    outcome_pairs,
    over_cells,
    skill,
    time_pairs,
    uno_pairs,
    within,
)
from grok_synergy.study.skill_models import (
    RIDGE,
    added_p,
    conformal_halfwidth,
    cox,
    left_out_scores,
    permuted_within,
    residuals,
    threshold_of,
    warned,
)
from grok_synergy.trainer import Experiment, Trainer

TINY = Cell("add", 11, 0.6, 1.0, 0.02, 1.0, False, 24)
CHEAP = tuple(one for one in REGISTRY if one.name in ("weight norm", "Hjorth activity of the loss", "test loss"))


class Untouchable:
    "Test data that must not be looked at."

    def __getattr__(self, name):
        raise AssertionError(f"{name} of the test data was looked at")


@pytest.fixture(scope="module")
def snapshot():
    experiment = Experiment(task=TINY.experiment(0, 0).task, width=24, lr=0.02, wd=1.0)
    trainer = Trainer([(experiment, 0)])
    for _ in range(30):
        trainer.update()
    weights = Weights(*(tensor[0].clone() for tensor in trainer.weights))
    quantiles = {f"q{k}": np.linspace(-3, -1, 9) * (k + 1) for k in range(19)}
    curves = pd.DataFrame({"train_loss": np.linspace(3, 1, 9), **quantiles}, index=5 * np.arange(9))
    return Snapshot(experiment, weights, 40, curves, pd.DataFrame({"test_loss": [2.0], "test_acc": [0.3]}, index=[40]))


@pytest.mark.parametrize("predictor", REGISTRY, ids=lambda one: one.name)
def test_no_predictor_sees_test_data_unless_it_is_marked(snapshot, predictor):
    blind = Snapshot.__new__(Snapshot)
    blind.step, blind.parts = snapshot.step, {**snapshot.parts, "test": Untouchable()}
    early = blind.early(predictor.sees)
    assert ("test" in early.granted) == predictor.nowcast
    if predictor.nowcast:
        with pytest.raises(AssertionError, match="was looked at"):
            predictor(blind)
    else:
        assert predictor(blind) == pytest.approx(predictor(snapshot), nan_ok=True)


def test_costly_predictors_do_not_read_the_number_of_samples():
    """They read the network alone, and that has the same number of samples beside few training pairs and many."""
    costly = [one for one in REGISTRY if one.name.startswith(("excess", "sharpness", "loss under noise", "commutator"))]
    assert len(costly) == 9 and all(one.sees == ("network",) for one in costly)
    few, many = records_of_size(0.2, 16), records_of_size(0.8, 16)
    assert len({len(one.parts["network"].pairs) for one in (*few, *many)}) == 1
    for leaks in (Predictor("margin", lambda early: float(early.training[0].double().norm()), 1, ("training",), "", ""),
                  Predictor("count", lambda early: float(len(early.training[0])), 1, ("training",), "", "")):
        assert reads_sample_size(leaks, few, many)


def test_the_settings_lead_to_no_pairs(snapshot):
    settings = snapshot.early(("settings",)).settings
    assert not hasattr(settings, "task") and all(isinstance(one, str | int | float | bool) for one in settings)


def test_what_is_noted_of_a_network_does_not_depend_on_its_batch():
    runs = [Run(TINY, seed, 1, "pilot") for seed in (1, 2, 3)]
    together = follow(runs, CHEAP, to_the_end=False)
    for run, one in zip(runs, together, strict=True):
        [alone] = follow([run], CHEAP, to_the_end=False)
        assert alone.trained_at.equals(one.trained_at) and float(alone.memorised) == float(one.memorised)
        assert set(alone.trained_at.values) <= set(range(0, 2501, 5))


def test_another_function_under_the_same_name_is_read_again():
    run, first = Run(TINY, 1, 1, "pilot"), Predictor("mine", lambda early: 1.0, 1, ("network",), "", "")
    other = replace(first, function=lambda early: 2.0)
    assert prediction_runs.run_digest(run, [first]) != prediction_runs.run_digest(run, [other])
    assert prediction_runs.run_digest(run, [first]) == prediction_runs.run_digest(run, [replace(first, sign=-1)])


def test_a_layer_without_a_living_neuron_is_read(snapshot):
    network = snapshot.parts["network"]
    dead = Weights(network.weights.W1 * 0 - 1, network.weights.b1 * 0, network.weights.W2)
    parts = {**snapshot.parts, "network": type(network)(dead, network.pairs, network.targets)}
    blank = Snapshot.__new__(Snapshot)
    blank.step, blank.parts = snapshot.step, parts
    for one in REGISTRY:
        if one.name in ("mean pairwise information",) or one.name.startswith("sharpness"):
            assert np.isnan(one(blank)) or one(blank) == 0


def test_a_run_ends_when_its_outcome_is_known(monkeypatch):
    """Test accuracy counts at the first of five evaluations in a row; what is read afterwards is not there."""
    [censored] = follow([Run(TINY, 1, 1, "pilot")], CHEAP, to_the_end=False)
    assert np.isnan(censored.generalised) and censored.followed_to >= 200
    assert censored.read_at.notnull().all() and censored.value.sel(reading="step 200").notnull().all()
    scored = prediction_runs.sample_losses
    monkeypatch.setattr(prediction_runs, "sample_losses", lambda *given: (scored(*given)[0], scored(*given)[1] | True))
    [known] = follow([Run(TINY, 1, 1, "pilot")], CHEAP)
    assert (known.generalised, known.followed_to, known.memorised) == (0, 80, 0)
    assert np.isnan(known.read_at.sel(reading="step 200"))


def test_the_benchmark_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(Cell.experiment, "__defaults__", (80,))
    few = {"pilot": (1, 1, 1), "development": (2, 2, 2), "confirmation": (3, 2, 2)}
    monkeypatch.setattr(prediction_cells, "GROUPS", few)
    cells, store = [replace(TINY, lr=lr) for lr in (0.02, 0.03)], tmp_path / "trajectories"
    run_prediction(store, 1, cells, CHEAP, analysis="fixed")
    table = load_dataset(tmp_path / "figures/tables/prediction-runs.nc")
    assert set(table.analysis.values) == {"fixed"} and table.value.dims == ("run", "reading", "predictor")
    assert set(table.group.values) == {"development", "confirmation"} and (table.labels == "shuffled").sum() == 4
    assert len(set(table.seed.values)) == table.sizes["run"]
    assert [run.cell.name for run in runs_in(table)] == table.cell.values.tolist()  # the table is all that `enter` needs
    own = enter(CHEAP[0], runs_in(table), store, n_jobs=1)
    np.testing.assert_array_equal(own, table.value.isel(predictor=0))
    files = sorted(path for path in (store / "prediction").glob("*.nc") if digest(CHEAP[0].name) not in path.name)
    assert len(files) == 2 + table.sizes["run"] and max(path.stat().st_size for path in files) < 60_000
    files[0].unlink()
    trained = []
    monkeypatch.setattr(prediction_runs, "follow", lambda runs, *rest: trained.append(runs) or follow(runs, *rest))
    run_prediction(store, 1, cells, CHEAP, analysis="another, once results were seen")
    assert len(trained) == 1
    again = load_dataset(tmp_path / "figures/tables/prediction-runs.nc")
    assert (again.analysis == "fixed").sum() >= table.sizes["run"] - 1  # what was trained before keeps its own
    assert again.value.equals(table.value) and again.generalised.equals(table.generalised)


def test_the_pilot_comes_nearer_to_the_border(monkeypatch):
    "As if networks generalised above a training share of 0.43: no cell twice, no seed twice, three rounds."
    def drawn(runs, *rest, **more):
        asked.append(len(runs))
        later = [np.nan if run.cell.train_fraction < 0.43 else 700.0 for run in runs]
        return {run: xr.Dataset({"memorised": 50.0, "generalised": step, "cpu_seconds": 1.0})
                for run, step in zip(runs, later, strict=True)}

    asked = []
    monkeypatch.setattr(prediction_runs, "stored_runs", drawn)
    cells, bar = candidates(), SimpleNamespace(total=0)
    tried, kinds, table = prediction_runs._pilot(cells, None, 1, bar)
    assert len(asked) == 4 and sum(asked) == bar.total == len(table) == table.seed.nunique()
    assert tried[:len(cells)] == cells and len({cell.name for cell in tried}) == len(tried) == len(kinds)
    gaps = [min(abs(cell.train_fraction - 0.43) for cell in tried[:asked_before // 3])
            for asked_before in np.cumsum(asked)]
    assert gaps[0] >= 0.03 - 1e-9 > gaps[-1]


def test_a_run_of_other_predictors_is_made_again(tmp_path):
    run = Run(TINY, 1, 1, "pilot")
    given = dict(store=tmp_path, to_the_end=False, n_jobs=1, progress=False)
    first = stored_runs([run], CHEAP[:1], **given)[run]
    assert stored_runs([run], CHEAP, **given)[run].sizes["predictor"] == len(CHEAP) > first.sizes["predictor"]


def test_development_and_confirmation_share_nothing():
    cells = candidates()
    kinds = {cell.name: ("open", "never", "always", "")[k % 4] for k, cell in enumerate(cells)}
    runs = planned_runs(kinds, cells)
    sides = [[run for run in runs if run.group == group] for group in ("development", "confirmation")]
    for what in (lambda run: replace(run.cell, labels="true").name, lambda run: run.seed, lambda run: run.split):
        assert not set(map(what, sides[0])) & set(map(what, sides[1]))
    assert sum(run.cell.labels == "true" for run in runs) >= 600
    assert sum(run.cell.labels == "shuffled" for run in runs) >= 60
    per_cell = pd.Series([run.cell.name for run in runs]).value_counts()
    assert per_cell.min() >= 10
    assert {run.cell.op for run in runs} == {"add", "multiply"} and {run.cell.p for run in runs} == {59, 97, 113}


def test_the_rule_fills_quotas_and_never_takes_what_does_not_memorise():
    names = [f"{k:03d}" for k in range(100)]
    kinds = {name: "open" if k < 5 else "never" if k < 60 else "" for k, name in enumerate(names)}
    groups = chosen_cells(kinds)
    assert sum(map(len, groups.values())) == 60 and all(kinds[name] for each in groups.values() for name in each)
    assert kind_of(pd.DataFrame({"memorised": [5.0, np.nan], "generalised": [np.nan, np.nan]})) == ""


def slow_concordance(score, time, event, weights=None):
    "Harrell's (or, with weights, Uno's) concordance, pair by pair."
    right = total = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            if event[i] and (time[i] < time[j] or time[i] == time[j] and not event[j]):
                weight = 1.0 if weights is None else weights[i]
                total += weight
                right += weight * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return right / total


@pytest.fixture(scope="module")
def censored():
    "Times with random censoring, ties, and a score."
    rng = np.random.default_rng(0)
    true, cut = rng.exponential(100, 60).round() + 1, rng.uniform(20, 200, 60).round()
    time, event = np.minimum(true, cut), true <= cut
    return (-true + rng.normal(0, 60, 60)).round(-1), time, event


def test_concordances_are_those_of_the_definition(censored):
    score, time, event = censored
    kept, at_risk = {}, 1.0
    for t in np.unique(time):  # Kaplan-Meier of being cut off; events come before cuts at the same time
        cuts, left = ((time == t) & ~event).sum(), ((time > t) | (time == t) & ~event).sum()
        at_risk *= 1 - cuts / left if left else 1
        kept[t] = max(at_risk, 1e-9)
    weights = np.array([1 / kept[t]**2 for t in time])
    assert concordance(score, time_pairs(time, event)) == pytest.approx(slow_concordance(score, time, event))
    expected = slow_concordance(score, time, event, weights)
    assert concordance(score, uno_pairs(time, event)) == pytest.approx(expected, abs=1e-9)


def test_concordances_are_those_of_scikit_survival(censored):
    metrics = pytest.importorskip("sksurv.metrics")
    from sksurv.util import Surv
    score, time, event = censored
    assert concordance(score, time_pairs(time, event)) == pytest.approx(
        metrics.concordance_index_censored(event, time, score)[0])
    observed = Surv.from_arrays(event, time)
    assert concordance(score, uno_pairs(time, event)) == pytest.approx(
        metrics.concordance_index_ipcw(observed, observed, score)[0], abs=1e-6)


def test_a_predictor_of_the_cell_alone_is_at_chance_within_cells_and_noise_within_its_interval():
    hits = []
    for seed in range(30):
        runs = drawn_runs(20, 8, seed)
        pairs = outcome_pairs(runs.event)
        inside = within(pairs, runs.cell)
        assert skill(runs["cell alone"], inside, runs.cell)[:] == (0.5, 0.5, 0.5)
        assert concordance(runs.outcome, pairs) == concordance(runs.outcome, inside) == 1
        noise = skill(runs.noise, pairs, runs.cell)
        hits.append(noise.low <= 0.5 <= noise.high)
    assert np.mean(hits) > 0.85


def test_the_permutation_within_cells_has_its_size():
    """Noise plus anything that the cell decides passes the 5 % level in about 5 % of drawn benchmarks."""
    p_values = []
    for seed in range(200):
        runs = drawn_runs(12, 8, seed)
        left = residuals(runs[["cell alone"]].to_numpy(), runs.time.to_numpy(), runs.event.to_numpy(), seed % 2 == 1)
        value = (runs.noise + 3 * runs["cell alone"]).to_numpy()
        p_values.append(added_p(value, left, permuted_within(runs.cell.to_numpy(), 199, seed)))
    assert 0.015 <= np.mean(np.array(p_values) <= 0.05) <= 0.095
    assert 0.4 < np.mean(p_values) < 0.6


def test_left_out_noise_is_not_below_chance():
    found = []
    for seed in range(10):
        runs = drawn_runs(15, 8, seed)
        score = left_out_scores(*(runs[name].to_numpy() for name in (["noise"], "time", "event", "cell")))
        found.append(concordance(score, outcome_pairs(runs.event)))
    assert 0.4 < np.mean(found) < 0.55


def test_cox_finds_the_maximum_of_the_partial_likelihood(censored):
    score, time, event = censored
    x = (score - score.mean()) / score.std()

    def cost(beta):
        terms = [beta * x[i] - np.log(np.exp(beta * x[time >= time[i]]).sum()) for i in np.flatnonzero(event)]
        return -sum(terms) + RIDGE / 2 * beta**2

    assert cox(x[:, None], time, event)[0] == pytest.approx(minimize_scalar(cost, (-1, 1)).x, abs=1e-3)


def test_conformal_intervals_cover():
    rng, inside = np.random.default_rng(0), []
    for _ in range(300):
        errors = np.abs(rng.standard_t(3, 60))
        inside.append((np.abs(rng.standard_t(3, 20)) <= conformal_halfwidth(errors, np.arange(60))).mean())
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)
    assert conformal_halfwidth(np.ones(5), np.arange(5)) == conformal_halfwidth(np.ones(50), np.arange(50) % 5) == np.inf


def test_conformal_intervals_cover_where_the_runs_of_a_cell_are_alike():
    rng, inside = np.random.default_rng(0), []
    for _ in range(400):
        cells = np.repeat(np.arange(16), 10)
        errors = np.abs(rng.normal(size=17))  # one a cell
        inside.append(errors[16] <= conformal_halfwidth(errors[cells], cells))
    assert 0.88 < np.mean(inside) < 0.98


def test_runs_that_generalised_before_a_reading_are_not_judged_and_signs_count():
    drawn = drawn_benchmark(cells=6)
    drawn["generalised"][{"run": 0}] = 10.0
    everywhere = [judged_runs(drawn, group, "memorised").runs.run.size for group in ("development", "confirmation")]
    late = ~(drawn.generalised <= drawn.read_at.sel(reading="memorised"))
    kept = (drawn.labels == "true") & drawn.memorised.notnull() & late
    assert sum(everywhere) == int(kept.sum()) < int((drawn.labels == "true").sum())
    one = judged_runs(drawn, "confirmation", "memorised")
    good, bad = (Predictor("seed", float, sign, ("network",), "", "") for sign in (1, -1))
    assert (scored(one, good) == -scored(one, bad)).all()


def test_thresholds_come_from_development_cells_and_p_values_are_corrected():
    drawn = drawn_benchmark(cells=6)
    drawn["value"] = drawn.value.where(drawn.group == "confirmation", drawn.value + 1e6)  # only development is high
    alarms = warnings_of(drawn, Predictor("noise", float, 1, ("network",), "", "")).set_index("measure").value
    assert alarms["false alarms"] == 0 and alarms["warned"] == 0
    rows = pd.DataFrame({"measure": "when, added", "group": "confirmation", "value": [0.01, 0.04, 0.5]})
    corrected = _corrected(rows).query("measure == 'when, added, corrected'").value
    harmonic = 1 + 1 / 2 + 1 / 3  # Benjamini and Yekutieli (2001)
    np.testing.assert_allclose(corrected, [0.01 * 3 * harmonic, 0.04 * 3 / 2 * harmonic, 0.5 * harmonic], atol=1e-12)


def test_an_alarm_counts_before_a_run_generalises_alone():
    values, read_at = np.array([[0.0, 2], [2, 2], [0, 0], [0, 3]]), np.tile([20.0, 100], (4, 1))
    generalised, negative = np.array([50.0, 50, 500, np.nan]), np.array([False, False, False, True])
    assert threshold_of(values, negative) == 3
    found = warned(values, read_at, generalised, negative, 1.0, np.array(["a", "a", "b", "b"]))
    assert [one.value for one in found] == [1.0, pytest.approx(1 / 3), 30.0]


def test_intervals_of_alarms_are_over_cells():
    "Runs of a cell that do alike count as one."
    alike, cells = np.repeat(np.arange(8) % 2, 25).astype(bool), np.repeat(np.arange(8), 25)
    independent = np.tile([False, True], 100)
    wide, narrow = (over_cells(values, cells) for values in (alike, independent))
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low) > 0
    none = warned(np.zeros((40, 1)), np.full((40, 1), 20.0), np.full(40, np.nan), np.ones(40, bool), 1.0, cells[:40])
    assert none.false_alarms.value == 0 < none.false_alarms.high < 0.1 and np.isnan(none.share.value)


def test_the_analysis_is_the_one_that_was_fixed_before_its_runs():
    "Whoever changes the analysis changes this digest, too, and says so. Runs keep the one that they were trained under."
    assert analysis_digest() == "27cf7538e1"


def test_a_sign_and_a_part_are_checked():
    with pytest.raises(ValueError, match="sign=2 is not possible"):
        Predictor("x", float, 2, ("network",), "", "")
    with pytest.raises(ValueError, match="'weights' is unknown"):
        Predictor("x", float, 1, ("weights",), "", "")
    assert len(READINGS) == 8
