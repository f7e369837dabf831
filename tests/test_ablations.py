"""Retrained sub-networks against a plain masked network, and the choice, the controls and the times they are judged by."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from grok_synergy.data import ModularTask
from grok_synergy.model import Weights, init_weights, weight_norm
from grok_synergy.phases import segment
from grok_synergy.study import ablations
from grok_synergy.study.ablations import (
    Ablation,
    Run,
    ablate,
    budget,
    choose,
    matched_neurons,
    milestones,
    random_neurons,
    retrain,
    sub_network,
)
from grok_synergy.study.survival import log_rank, survival, time_to_generalise
from grok_synergy.trainer import Experiment, Trainer
from grok_synergy.trajectory import evaluate

TASK = ModularTask(p=23, train_fraction=0.7)
WIDTH = 40
KEPT = np.random.default_rng(1).permutation(WIDTH) < 25
ROUTES = {
    "weight decay": dict(wd=2.0),
    "low weight decay": dict(wd=0.1),
    "weight decay, norm kept": dict(wd=2.0, keep_norm=True),
    "initialization": dict(wd=0.0, alpha=8.0, keep_norm=True, zero_last=True),
    "initialization, norm free": dict(wd=0.0, alpha=8.0, zero_last=True),
}


def experiment_of(route, **settings):
    return Experiment(**{"task": TASK, "width": WIDTH, "steps": 150, "seeds": (100,), **route, **settings})


SMALL = Experiment(ModularTask(p=23, train_fraction=0.9), width=160, wd=2.0, steps=250, seeds=(0,))


@pytest.fixture
def double_precision(monkeypatch):
    def doubled(*given):
        return Weights(*(one.double() for one in init_weights(*given)))

    for module in ("study.ablations", "trainer"):
        monkeypatch.setattr(f"grok_synergy.{module}.init_weights", doubled)


def masked(experiment, seed, neurons, steps, removed=False):
    """The whole network by autograd, the other neurons' rows of W1 zeroed at every step; its weights and test losses.

    With `removed`, the others' biases and columns of W2 are zeroed as well, so that nothing of them is left.
    """
    task = experiment.task
    torch.manual_seed(seed)
    hidden, out = torch.nn.Linear(2 * task.p, experiment.width), torch.nn.Linear(experiment.width, task.p, bias=False)
    precision = ablations.init_weights(task, [seed], 1).W1.dtype
    hidden, out = hidden.to(precision), out.to(precision)
    held = torch.as_tensor(~neurons)

    @torch.no_grad()
    def hold():
        hidden.weight[held] = 0
        if removed:
            hidden.bias[held] = 0
            out.weight[:, held] = 0

    def norm():
        return (hidden.weight.square().sum() + out.weight.square().sum()).sqrt()

    with torch.no_grad():
        hidden.weight *= experiment.alpha
        out.weight *= experiment.alpha
        target = norm()
        if experiment.zero_last:
            out.weight.zero_()
    hold()
    optimiser = torch.optim.AdamW([*hidden.parameters(), *out.parameters()], lr=experiment.lr, betas=experiment.betas,
                                  eps=experiment.eps, weight_decay=experiment.wd)
    x, targets = task.one_hot("all").to(hidden.weight), task.targets
    train, test, losses = task.train_index, task.test_index, []
    for step in range(steps + 1):
        outputs = out(torch.relu(hidden(x)))
        losses.append(cross_entropy(outputs[test], targets[test]).item())
        if step == steps:
            break
        optimiser.zero_grad()
        cross_entropy(outputs[train], targets[train]).backward()
        optimiser.step()
        hold()
        if experiment.keep_norm:
            with torch.no_grad():
                factor = target / norm()
                hidden.weight *= factor
                out.weight *= factor
    return Weights(hidden.weight.detach(), hidden.bias.detach(), out.weight.detach()), np.array(losses)


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_held_neurons_are_those_of_the_masked_network(route, double_precision):
    experiment = experiment_of(route)
    trainer = sub_network(experiment, 100, KEPT)
    for _ in range(150):
        trainer.update()
    expected, _ = masked(experiment, 100, KEPT, 150)
    kept, close = torch.as_tensor(KEPT), dict(rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(trainer.weights.W1[0, :-1], expected.W1[kept], **close)
    torch.testing.assert_close(trainer.weights.b1[0, :-1], expected.b1[kept], **close)
    torch.testing.assert_close(trainer.weights.W2[0, :, :-1], expected.W2[:, kept], **close)
    torch.testing.assert_close(trainer.bias, expected.b1[~kept], **close)
    torch.testing.assert_close(trainer.last, expected.W2[:, ~kept], **close)


@pytest.mark.parametrize("biases", ["kept", "removed"])
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_curves_are_those_of_the_masked_network(route, biases):
    experiment = experiment_of(route)
    curves = retrain(experiment, 100, KEPT, biases=biases, every=10)
    _, expected = masked(experiment, 100, KEPT, 150, removed=biases == "removed")
    np.testing.assert_allclose(curves.test_loss[:6], expected[::10][:6], rtol=2e-3)
    np.testing.assert_allclose(curves.test_loss, expected[::10], rtol=0.1)  # AdamW amplifies rounding where gradients vanish


@pytest.mark.parametrize("biases", ["kept", "removed"])
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_curves_are_those_of_the_masked_network_in_double_precision(route, biases, double_precision):
    experiment = experiment_of(route)
    curves = retrain(experiment, 100, KEPT, biases=biases, every=10)
    _, expected = masked(experiment, 100, KEPT, 150, removed=biases == "removed")
    np.testing.assert_allclose(curves.test_loss, expected[::10], rtol=1e-6)


@pytest.mark.parametrize("biases", ["kept", "removed"])
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_all_neurons_are_the_ordinary_run_to_the_last_bit(route, biases):
    experiment = experiment_of(route)
    ours, theirs = sub_network(experiment, 100, np.ones(WIDTH, bool), biases), Trainer([(experiment, 100)])
    for _ in range(30):
        ours.update()
        theirs.update()
    assert torch.equal(ours.table, theirs.table)


def test_biases_matter_and_removal_is_a_smaller_network(double_precision):
    experiment = experiment_of(ROUTES["weight decay"])
    kept, removed = (sub_network(experiment, 100, KEPT, biases) for biases in ("kept", "removed"))
    assert removed.table.shape[-1] == 25 and (init_weights(TASK, [100], WIDTH).b1[0, torch.as_tensor(~KEPT)] > 0).any()
    for trainer in (kept, removed):
        for _ in range(30):
            trainer.update()
    assert (kept.weights.W2[..., :-1] - removed.weights.W2).abs().max() > 1e-3


def test_held_biases_below_zero_leave_the_smaller_network(double_precision):
    experiment = experiment_of(ROUTES["weight decay"])
    below = (init_weights(TASK, [100], WIDTH).b1[0] <= 0).numpy()
    assert 5 < below.sum() < 35
    kept, removed = (sub_network(experiment, 100, ~below, biases) for biases in ("kept", "removed"))
    for trainer in (kept, removed):
        for _ in range(50):
            trainer.update()
    torch.testing.assert_close(kept.weights.W2[..., :-1], removed.weights.W2, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("biases", ["kept", "removed"])
def test_norm_is_that_of_the_whole_network(biases):
    experiment = experiment_of(ROUTES["initialization"])
    target = weight_norm(init_weights(TASK, [100], WIDTH, alpha=8)).item()
    trainer = sub_network(experiment, 100, KEPT, biases)
    for _ in range(10):
        trainer.update()
    if biases == "kept":
        assert trainer.last.abs().max() > 0.1
        trainer.table[0, :, -1] = 0
        square = weight_norm(trainer.weights).square() + trainer.last.square().sum()
    else:
        square = weight_norm(trainer.weights).square()
    assert square.sqrt().item() == pytest.approx(target, rel=1e-5)


def test_evaluation_is_that_of_training():
    experiment = experiment_of(ROUTES["weight decay"])
    curves = retrain(experiment, 100, np.ones(WIDTH, bool), steps=60)
    assert curves.step.values.tolist() == replace(experiment, steps=60).checkpoints.tolist()
    trainer = Trainer([(experiment, 100)])
    for step in range(61):
        if step in curves.step:
            expected = evaluate(TASK, trainer.weights)
            for name in ("train_acc", "test_acc"):
                assert float(curves[name].sel(step=step)) == expected[name].item()
            for name in ("train_loss", "test_loss"):
                assert float(curves[name].sel(step=step)) == pytest.approx(expected[name].item(), rel=1e-5)
        trainer.update()


def test_stopping_early_changes_nothing_before():
    neurons = np.arange(SMALL.width) > 2
    long = retrain(SMALL, 0, neurons, steps=183, every=5)
    assert long.step.values.tolist() == [*range(0, 181, 5), 183]
    short = retrain(SMALL, 0, neurons, steps=183, stop_at=0.5, every=5)
    assert 50 < short.step[-1] == long.step[(long.test_acc >= 0.5).argmax("step")] < 150
    xr.testing.assert_identical(short, long.sel(step=short.step))
    never = retrain(SMALL, 0, neurons, steps=60, stop_at=1.0, every=5)
    xr.testing.assert_equal(never, long.sel(step=slice(60)))


def test_global_state_is_left_alone():
    torch.manual_seed(5)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    retrain(experiment_of(ROUTES["weight decay"]), 100, KEPT, steps=3)
    assert torch.equal(torch.random.get_rng_state(), state) and torch.get_num_threads() == threads


@pytest.mark.parametrize("settings, message", [
    (dict(neurons=[0, 1, 2]), "give a boolean for each of the 40 neurons"),
    (dict(neurons=np.ones(41, bool)), r"shape \(41,\)"),
    (dict(neurons=np.zeros(40, bool)), "keep at least one neuron"),
    (dict(biases="zero"), "biases='zero'"),
    (dict(every=0), "every=0"),
    (dict(steps=0), "steps=0"),
    (dict(stop_at=0), "stop_at=0"),
    (dict(stop_at=98), "stop_at=98"),
])
def test_what_cannot_be_trained_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        retrain(**{"experiment": experiment_of({}), "seed": 100, "neurons": KEPT, **settings})


STEPS = np.unique(np.round(np.geomspace(5, 4000, 120))).astype(int)


def drawn(corners, synergy, redundancy, reached=3000, width=6):
    """Measures and metrics of one seed that follow straight lines over log steps; each checkpoint has masks of its own."""
    logs, corners = np.log10(STEPS), np.log10(corners)
    steps = np.arange(len(STEPS))[:, None]
    masks = (steps >> np.arange(width)) & 1 == 1
    measures = xr.Dataset({
        "synergy": ("step", np.interp(logs, corners, synergy)), "redundancy": ("step", np.interp(logs, corners, redundancy)),
        "synergy_neurons": (("step", "neuron"), masks), "redundancy_neurons": (("step", "neuron"), ~masks)}, {"step": STEPS})
    return measures, xr.Dataset({"test_acc": ("step", np.where(reached <= STEPS, 1.0, 0.1))}, {"step": STEPS})


CORNERS, SYNERGY, REDUNDANCY = [5, 15, 50, 150, 500, 4000], [0, 0, 0.6, 0.2, 1, 0], [1, 1, 0.3, 0, 0.5, 0.9]


@pytest.mark.parametrize("phase", ["emergence", "delayed emergence", "decoupling"])
def test_the_checkpoint_is_the_most_synergistic_of_its_phase(phase):
    measures, metrics = drawn(CORNERS, SYNERGY, REDUNDANCY)
    choice = choose(measures, metrics, phase)
    [interval] = segment(measures).query("phase == @phase").itertuples()
    inside = measures.sel(step=slice(interval.start - 0.01, interval.stop + 0.01))
    assert choice.phase_found and choice.phase == phase
    assert choice.step == int(inside.synergy.idxmax())
    assert choice.synergistic.tolist() == measures.synergy_neurons.sel(step=choice.step).values.tolist()
    assert choice.redundant.tolist() == measures.redundancy_neurons.sel(step=choice.step).values.tolist()


def test_phases_are_told_apart():
    early, late = (choose(*drawn(CORNERS, SYNERGY, REDUNDANCY), phase) for phase in ("emergence", "delayed emergence"))
    assert 40 < early.step < 60 and 400 < late.step < 600


def test_without_the_phase_the_peak_before_generalising_is_taken():
    for reached, expected in [(3000, 500), (200, 50)]:
        measures, metrics = drawn(CORNERS, SYNERGY, REDUNDANCY, reached)
        choice = choose(measures, metrics, "plateau")
        assert not choice.phase_found and abs(choice.step / expected - 1) < 0.1 and choice.step < reached
        assert "no plateau" in repr(choice)


def test_choices_that_cannot_be_made_are_named():
    measures, metrics = drawn(CORNERS, SYNERGY, REDUNDANCY, reached=1)
    with pytest.raises(ValueError, match="no checkpoint from step 5 on before 98 %"):
        choose(measures, metrics, "plateau")
    with pytest.raises(ValueError, match="several seeds"):
        choose(measures.expand_dims(seed=[0]), metrics)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 10**6))
def test_controls_have_the_size_of_the_multiplet(width, size, seed):
    rng = np.random.default_rng(seed)
    members = rng.permutation(width) < size
    for control in (random_neurons(members, rng), matched_neurons(members, rng.random(width), rng)):
        assert control.dtype == bool and control.shape == (width,) and control.sum() == members.sum()


def test_random_neurons_are_drawn_evenly():
    rng, members = np.random.default_rng(0), np.arange(20) < 5
    counts = np.sum([random_neurons(members, rng) for _ in range(4000)], 0)
    assert (abs(counts - 1000) < 5 * np.sqrt(4000 * 0.25 * 0.75)).all()


def test_matched_neurons_match_and_are_others():
    rng = np.random.default_rng(0)
    norms = rng.normal(size=250)
    members = norms > np.quantile(norms, 0.7)
    for _ in range(20):
        matched = matched_neurons(members, norms, rng)
        assert abs(np.sort(norms[matched]) - np.sort(norms[members])).mean() < 0.25
    spread = rng.permutation(250) < 60
    shares = [(matched_neurons(spread, norms, rng) & spread).sum() / 60 for _ in range(20)]
    assert 0.15 < np.mean(shares) < 0.5  # a fifth or so are members by chance of the draw


def measures_of(experiment, seed, size):
    rng = np.random.default_rng(seed)
    measures, metrics = drawn(CORNERS, SYNERGY, REDUNDANCY, width=experiment.width)
    masks = np.stack([rng.permutation(experiment.width) < size for _ in STEPS])
    measures["synergy_neurons"] = ("step", "neuron"), masks
    measures["redundancy_neurons"] = ("step", "neuron"), np.ones_like(masks)
    return measures, metrics


def ablated(measures, metrics, preset, full=None, **settings):
    return ablate(SMALL, 0, measures, metrics, Ablation(**settings), condition="wd2", preset=preset, full=full)


def test_one_seed_gives_the_whole_table():
    measures, metrics = measures_of(SMALL, 0, 120)
    rows, curves = ablated(measures, metrics, preset="mid_ranks", n_random=3)
    assert rows.columns.tolist() == [
        "preset", "condition", "seed", "phase", "phase_found", "chosen_step", "variant", "draw", "biases", "neurons",
        "steps_98", "steps_train_98", "censored_at", "rise", "best_test_acc"]
    counts = rows.groupby(["variant", "biases"]).size().to_dict()
    assert counts == {("full", "kept"): 1, ("synergistic", "kept"): 1, ("inverse", "kept"): 1, ("redundant", "kept"): 1,
                      ("random", "kept"): 3, ("matched", "kept"): 1, ("random-inverse", "kept"): 3,
                      ("matched-inverse", "kept"): 1, ("synergistic", "removed"): 1, ("inverse", "removed"): 1}
    assert set(rows.preset) == {"mid_ranks"} and set(rows.condition) == {"wd2"} and set(rows.phase_found) == {True}
    sizes = {"full": 160, "redundant": 160, "inverse": 40, "random-inverse": 40, "matched-inverse": 40}
    assert (rows.neurons == rows.variant.map(sizes).fillna(120)).all()
    assert curves.test_acc.dims == ("variant", "step")
    assert curves.variant.values.tolist() == ["full", "synergistic", "inverse"]
    assert int(curves.seed) == 0
    drawn, same = ablated(measures, metrics, preset="mid_ranks", part="drawn")
    controls, nothing = ablated(measures, metrics, preset="mid_ranks", part="controls", n_random=3)
    assert len(nothing.dims) == 0
    pd.testing.assert_frame_equal(pd.concat([drawn, controls], ignore_index=True), rows)
    xr.testing.assert_identical(curves, same)
    with pytest.raises(ValueError, match="part='some' is unknown"):
        ablated(measures, metrics, preset="mid_ranks", part="some")
    with pytest.raises(ValueError, match="removed='inverse' is not possible: give a tuple"):
        ablated(measures, metrics, preset="mid_ranks", removed="inverse")


def test_each_row_is_its_network():
    measures, metrics = measures_of(SMALL, 0, 120)
    rows, curves = ablated(measures, metrics, preset="published", n_random=1, whole=True)
    choice, full = choose(measures, metrics), retrain(SMALL, 0, np.ones(160, bool))
    assert budget(SMALL, full) > SMALL.steps
    for variant, neurons, biases in [("synergistic", choice.synergistic, "kept"), ("inverse", ~choice.synergistic, "kept"),
                                     ("synergistic", choice.synergistic, "removed"), ("full", np.ones(160, bool), "kept")]:
        [row] = rows[(rows.variant == variant) & (rows.biases == biases)].to_dict("records")
        alone = retrain(SMALL, 0, neurons, biases=biases, steps=budget(SMALL, full))
        shown = alone.test_acc.sel(step=slice(SMALL.steps))
        assert {name: row[name] for name in milestones(alone)} == pytest.approx(milestones(alone), nan_ok=True)
        if biases == "kept":
            assert curves.test_acc.sel(variant=variant, step=shown.step).values.tolist() == shown.values.tolist()


def test_rows_do_not_depend_on_going_on_after_98_percent():
    measures, metrics = measures_of(SMALL, 0, 140)
    stopped, short = ablated(measures, metrics, preset="published", n_random=1)
    to_the_end, long = ablated(measures, metrics, preset="published", n_random=1, whole=True)
    pd.testing.assert_frame_equal(stopped, to_the_end)
    assert short.test_acc.sel(variant="full").isnull().any() and not long.test_acc.isnull().any()


def test_budgets_follow_the_slower_of_experiment_and_whole_network():
    slow, never = (xr.Dataset({"test_acc": ("step", [0.1, 0.5, last])}, {"step": [0, 50, 100]}) for last in (0.98, 0.97))
    assert [budget(SMALL, full) for full in (slow, never)] == [300, 250]
    assert budget(replace(SMALL, steps=301), slow) == 301


def test_a_curve_goes_on_to_a_step_and_then_ends_at_an_accuracy():
    long = retrain(SMALL, 0, np.ones(160, bool), steps=400)
    reached = int(long.step[(long.test_acc >= 0.5).argmax("step")])
    for at_least in (reached - 20, reached + 50):
        short = retrain(SMALL, 0, np.ones(160, bool), steps=400, stop_at=0.5, at_least=at_least)
        assert int(short.step[-1]) == max(reached, at_least)
        both = np.intersect1d(short.step, long.step)
        xr.testing.assert_equal(short.sel(step=both), long.sel(step=both))


def test_the_whole_network_is_trained_once(monkeypatch):
    measures, metrics = measures_of(SMALL, 0, 120)
    expected, curves = ablated(measures, metrics, preset="published", n_random=1)
    full, trained = retrain(SMALL, 0, np.ones(160, bool), stop_at=0.98), []
    monkeypatch.setattr(ablations, "retrain", lambda experiment, seed, neurons, **rest: (
        trained.append(neurons.sum()), retrain(experiment, seed, neurons, **rest))[1])
    rows, same = ablated(measures, metrics, preset="published", full=full, n_random=1)
    assert set(trained) == {120, 40}  # neither the whole network nor the redundant multiplet, which is all of it
    pd.testing.assert_frame_equal(rows, expected)
    xr.testing.assert_identical(curves, same)


def test_a_multiplet_of_all_neurons_has_no_inverse():
    measures, metrics = measures_of(SMALL, 0, 160)
    rows, curves = ablated(measures, metrics, preset="published", n_random=1, steps=20)
    assert "inverse" not in set(rows.variant) and rows.drop_duplicates(["steps_train_98", "best_test_acc"]).shape[0] == 1
    assert curves.variant.values.tolist() == ["full", "synergistic"]


def test_draws_are_shared_by_presets_and_differ_between_seeds():
    masks = {(seed, draw): random_neurons(np.arange(60) < 30, np.random.default_rng([seed, draw]))
             for seed in (0, 100) for draw in range(5)}
    assert len({mask.tobytes() for mask in masks.values()}) == 10


def test_runs_of_the_same_neurons_are_one_network():
    everything, most = np.ones(6, bool), np.arange(6) > 1
    assert Run("full", 0, everything).key == Run("redundant", 0, everything, "removed").key
    assert Run("inverse", 0, most).key == Run("random", 3, most).key != Run("inverse", 0, most, "removed").key
    assert Run("inverse", 0, most).drawn
    assert not Run("inverse", 0, most, "removed").drawn and not Run("redundant", 0, most).drawn


def curve(accuracies):
    return xr.Dataset({name: ("step", np.array(accuracies, float)) for name in ("train_acc", "test_acc")},
                      {"step": 5 * np.arange(len(accuracies))})


def test_outcomes_are_read_off_the_curve():
    found = milestones(curve([1.0, 0.05, 0.1, 0.5, 0.9, 0.97, 0.98, 1.0]))
    assert found == pytest.approx({"steps_98": 30, "steps_train_98": 30, "censored_at": 30, "rise": np.log10(20 / 10),
                                   "best_test_acc": 0.98})
    never = milestones(curve([0.0, 0.05, 0.2, 0.3]))
    assert never["censored_at"] == 15 and never["best_test_acc"] == 0.3
    assert np.isnan([never["steps_98"], never["steps_train_98"], never["rise"]]).all()


def kaplan_meier(times, events):
    """The estimate by its definition: a product over the times of events."""
    share = 1.0
    for time in sorted({t for t, event in zip(times, events, strict=True) if event}):
        at_risk = sum(t >= time for t in times)
        share *= 1 - sum(t == time and event for t, event in zip(times, events, strict=True)) / at_risk
        yield time, share


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=12))
def test_summary_is_kaplan_meier(networks):
    times, events = zip(*networks, strict=True)
    rows = pd.DataFrame({"condition": "x", "seed": range(len(times)), "rise": np.nan,
                         "steps_98": np.where(events, times, np.nan), "censored_at": times})
    expected = list(kaplan_meier(times, events))
    steps = np.arange(21)
    shares = np.array([min((share for time, share in expected if time <= step), default=1.0) for step in steps])
    np.testing.assert_allclose(survival(rows).evaluate(steps), shares, atol=1e-12)
    summary = time_to_generalise(rows, by=("condition",)).iloc[0]
    assert summary.restricted_mean == pytest.approx(shares[:max(times)].sum())
    median = min((time for time, share in expected if share <= 0.5 + 1e-12), default=np.inf)
    assert summary["median"] == median
    assert summary.median_low <= median <= summary.median_high
    assert (summary.networks, summary.generalised) == (len(times), sum(events))


def mantel(times, events, first):
    """The log-rank statistic by its definition: events of the first kind beyond those expected, in standard deviations."""
    beyond = variance = 0.0
    for time in {t for t, event in zip(times, events, strict=True) if event}:
        at_risk, dead = times >= time, (times == time) & events
        n, n1, d = at_risk.sum(), (at_risk & first).sum(), dead.sum()
        beyond += (dead & first).sum() - d * n1 / n
        if n > 1:
            variance += d * n1 / n * (1 - n1 / n) * (n - d) / (n - 1)
    return beyond / np.sqrt(variance)


def test_log_rank_statistic_is_that_of_its_definition():
    rng = np.random.default_rng(3)
    for _ in range(20):
        times, first = rng.integers(1, 15, 20), np.arange(20) < 9
        events = rng.random(20) < 0.7
        rows = pd.DataFrame({"steps_98": np.where(events, times, np.nan), "censored_at": times})
        assert log_rank(rows[first], rows[~first]) == pytest.approx(mantel(times, events, first))
    never = pd.DataFrame({"steps_98": [np.nan] * 4, "censored_at": 9})
    assert np.isnan(log_rank(never[:2], never[2:])) and np.isnan(log_rank(rows, never[:0]))


def test_interval_of_the_median_covers_it():
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        times = rng.exponential(100, 30)
        rows = pd.DataFrame({"condition": "x", "seed": range(30), "rise": np.nan, "censored_at": np.minimum(times, 150),
                             "steps_98": np.where(times < 150, times, np.nan)})
        summary = time_to_generalise(rows, by=("condition",)).iloc[0]
        covered.append(summary.median_low <= 100 * np.log(2) <= summary.median_high)
    assert 0.9 < np.mean(covered) < 0.99


def test_groups_of_one_condition_share_their_horizon():
    rows = pd.DataFrame({"condition": ["a", "a", "b"], "variant": ["fast", "slow", "fast"], "seed": 0, "rise": np.nan,
                         "steps_98": [50, np.nan, 70], "censored_at": [50, 400, 70]})
    summary = time_to_generalise(rows, by=("condition", "variant")).set_index(["condition", "variant"])
    assert summary.restricted_mean.to_dict() == {("a", "fast"): 50, ("a", "slow"): 400, ("b", "fast"): 70}
    assert summary["median"].to_dict() == {("a", "fast"): 50, ("a", "slow"): np.inf, ("b", "fast"): 70}


@pytest.mark.parametrize("settings, message", [
    (dict(steps=10.5), "steps=10.5"), (dict(every=2.5), "every=2.5"), (dict(stop_at="most"), "stop_at='most'"),
    (dict(seed=-1), "seed=-1"), (dict(seed=0.5), "seed=0.5"),
    (dict(neurons=np.arange(40)), "a boolean for each"),
])
def test_settings_of_a_retraining_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        retrain(**{"experiment": experiment_of({}), "seed": 100, "neurons": KEPT, **settings})


def test_settings_of_a_retraining_are_converted():
    plain = retrain(experiment_of({}), 0, KEPT, steps=10, every=5, stop_at=0.9)
    words = retrain(experiment_of({}), "0", KEPT, steps="10", every=5.0, stop_at="0.9")
    xr.testing.assert_identical(plain, words)


@pytest.mark.parametrize("settings, message", [
    (dict(n_random=-1), "n_random=-1"), (dict(n_random=1.5), "n_random=1.5"), (dict(n_matched=None), "n_matched=None"),
    (dict(whole="no"), "whole='no'"), (dict(preset="safe"), "preset='safe'"), (dict(steps=10.5), "steps=10.5"),
    (dict(every=2.5), "every=2.5"), (dict(seed="first"), "seed='first'"), (dict(removed=None), "removed=None"),
    (dict(phase="dawn"), "phase='dawn'"),
])
def test_settings_of_an_ablation_are_refused_before_work(settings, message, monkeypatch):
    monkeypatch.setattr(ablations, "retrain", lambda *args, **kwargs: pytest.fail("the work began"))
    measures, metrics = measures_of(SMALL, 0, 120)
    given = {"seed": 0, "preset": "mid_ranks", **settings}
    names = {name: given.pop(name) for name in ("seed", "preset")}
    with pytest.raises(ValueError, match=message):
        ablate(SMALL, measures=measures, metrics=metrics, ablation=Ablation(**given), condition="wd2", **names)


def test_settings_of_an_ablation_are_converted():
    measures, metrics = measures_of(SMALL, 0, 120)
    given = dict(part="controls", n_matched=0, removed=(), steps=3)
    plain, words = (ablate(SMALL, seed, measures, metrics, Ablation(**given, n_random=count), condition="wd2",
                           preset="mid_ranks")[0] for seed, count in ((0, 1), ("0", "1")))
    pd.testing.assert_frame_equal(plain, words)


def test_measures_of_another_width_are_refused():
    measures, metrics = drawn(CORNERS, SYNERGY, REDUNDANCY)
    with pytest.raises(ValueError, match=r"synergy_neurons of shape \(6,\).* a boolean for each of the"):
        ablated(measures, metrics, preset="mid_ranks")


MEMBERS, RNG = np.arange(6) < 2, np.random.default_rng(0)


@pytest.mark.parametrize("wrong, message", [
    (lambda: random_neurons(np.array([0, 3]), RNG), "members of shape .* give a boolean for each"),
    (lambda: random_neurons(MEMBERS[None], RNG), r"members of shape \(1, 6\)"),
    (lambda: matched_neurons(np.array([0, 3]), np.ones(6), RNG), "members of shape .* give a boolean for each"),
    (lambda: matched_neurons(MEMBERS, np.ones(6), RNG, nearest=0), "nearest=0"),
    (lambda: matched_neurons(MEMBERS, np.ones(5), RNG), r"norms of shape \(5,\)"),
    (lambda: matched_neurons(MEMBERS, np.where(MEMBERS, np.nan, 1), RNG), "norms .* finite"),
    (lambda: sub_network(SMALL, 0, np.arange(SMALL.width)), "neurons of shape .* give a boolean for each"),
    (lambda: sub_network(SMALL, 0, np.ones(SMALL.width, bool), biases="zero"), "biases='zero'"),
    (lambda: choose(*drawn(CORNERS, SYNERGY, REDUNDANCY), "dawn"), "phase='dawn'"),
    (lambda: choose(*drawn(CORNERS, SYNERGY, REDUNDANCY), first="early"), "first='early'"),
    (lambda: milestones(curve([0.5])), "no step above 0"),
])
def test_masks_norms_and_curves_that_cannot_be_used_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def networks(**columns):
    return pd.DataFrame({"condition": "a", "variant": ["fast", "slow"], "seed": 0, "rise": np.nan,
                         "steps_98": [50, np.nan], "censored_at": [50, 400], **columns})


def test_one_name_makes_groups_by_itself():
    pd.testing.assert_frame_equal(time_to_generalise(networks(), "variant"), time_to_generalise(networks(), ("variant",)))
    two = time_to_generalise(networks(condition=["a", "b"], variant="all"), "variant", "0.95").iloc[0]
    assert two.restricted_mean == 225  # up to the last step of either condition


@pytest.mark.parametrize("rows, settings, message", [
    (networks(variant=["fast", None]), {}, "variant holds no name in 1 row"),
    (networks(condition=["a", np.nan]), {}, "condition holds no name in 1 row"),
    (networks(), dict(by="kind"), "by='kind'"), (networks(), dict(by=()), r"by=\(\)"),
    (networks(), dict(confidence=95), "confidence=95"), (networks(), dict(confidence="high"), "confidence='high'"),
])
def test_groups_that_cannot_be_made_are_named(rows, settings, message):
    with pytest.raises(ValueError, match=message):
        time_to_generalise(rows, **{"by": ("variant",), **settings})
