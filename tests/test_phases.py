"""Measures of activations and trajectories, the curves drawn from them, and the phases they fall into."""

import json
import warnings
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from grok_synergy import measures
from grok_synergy.curves import exponential_average, min_max, normalise, pareto_front, smooth_log_steps
from grok_synergy.data import ModularTask
from grok_synergy.entropy import copula_correlation
from grok_synergy.layer import measure_features
from grok_synergy.measurement import PRESETS, Measurement, measurement
from grok_synergy.multiplets import all_multiplets
from grok_synergy.oinfo import total_correlation
from grok_synergy.phases import PHASES, measure, segment
from grok_synergy.store import stored_settings
from grok_synergy.trainer import Experiment
from grok_synergy.training import train

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)
NUMBERS = ["synergy", "redundancy", "synergy_size", "redundancy_size", "tc", "dtc"]


def rectified(samples=600, neurons=8, threshold=0.0, mix=0.0, seed=0):
    "Rectified neurons, independent unless mixed."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, neurons)) @ (np.eye(neurons) + mix * rng.normal(size=(neurons, neurons)))
    return np.maximum(x - threshold, 0).astype("float32")


def numbers(reading):
    return [getattr(reading, name) for name in NUMBERS]


def curve(steps, values, *axes):
    return xr.DataArray(values, dims=(*axes, "step"), coords={"step": steps})


# One set of activations

def test_planted_synergy_and_redundancy_are_found():
    "A noisy sum has Ω = -I(X; Y | sum), noisy copies have I(X; Y) - I(X; Y | Z); independent neurons add nothing."
    rng = np.random.default_rng(0)
    x, y, source, *noise = rng.normal(size=(9, 5000))
    total, copies = x + y + 0.5 * noise[0], source + 0.5 * np.array(noise[1:4])
    reading = measure_features(np.stack([x, y, total, *copies, *noise[4:]], 1), n_bins=8)
    assert set(np.flatnonzero(reading.synergy_neurons)) >= {0, 1, 2}
    assert set(np.flatnonzero(reading.redundancy_neurons)) >= {3, 4, 5}
    given_sum, pair, given_copy = -np.log2(1 - np.array([1 / 1.25, 0.8, 0.8 / 1.8])**2) / 2
    assert reading.synergy == pytest.approx(given_sum, abs=0.05)
    assert reading.redundancy == pytest.approx(pair - given_copy, abs=0.05)


@pytest.mark.parametrize("min_size", [2, 3])
@pytest.mark.parametrize("unit", ["neurons", "blocks", "means"])
def test_each_unit_is_left_out_one_at_a_time(unit, min_size):
    "Ω of every multiplet by the paper's equation, from SciPy's ranks and NumPy's determinants."
    x, bins = rectified(neurons=9, mix=1), np.array([7, 2, 2, 0, 7, 0, 0, 3, 3])
    chosen = [np.flatnonzero(bins == b).tolist() for b in (0, 2, 3, 7)]
    data = np.stack([x[:, group].mean(1) for group in chosen], 1) if unit == "means" else x
    corr = np.corrcoef(norm.ppf(rankdata(data.astype(float), axis=0) / (len(x) + 1)), rowvar=False)

    def entropy(groups):
        columns = [column for group in groups for column in group]
        return np.linalg.slogdet(corr[np.ix_(columns, columns)])[1] / (2 * np.log(2))

    omegas = {}
    for size in range(min_size, 5):
        for some in combinations(range(4), size):
            groups = {"neurons": [[j] for i in some for j in chosen[i]], "blocks": [chosen[i] for i in some],
                      "means": [[i] for i in some]}[unit]
            alone, others = ([entropy(part) for part in parts] for parts in (
                [[group] for group in groups], [groups[:i] + groups[i + 1:] for i in range(len(groups))]))
            omegas[some] = (len(groups) - 2) * entropy(groups) + sum(alone) - sum(others)
    lowest, highest = min(omegas, key=omegas.get), max(omegas, key=omegas.get)
    tc = sum(alone) - entropy(groups)  # the last multiplet is that of all bins
    reading = measure_features(x, bins=bins, unit=unit, min_size=min_size, bias_correction=False)
    assert numbers(reading) == pytest.approx([-omegas[lowest], omegas[highest], *(sum(len(chosen[i]) for i in some)
                                              for some in (lowest, highest)), tc, tc - omegas[some]], abs=1e-9)
    for members, some in [(reading.synergy_neurons, lowest), (reading.redundancy_neurons, highest)]:
        assert np.flatnonzero(members).tolist() == sorted(j for i in some for j in chosen[i])


def test_two_blocks_are_neither_synergistic_nor_redundant():
    reading = measure_features(rectified(mix=1), unit="blocks", n_bins=2)
    assert reading.tc == pytest.approx(reading.dtc) and reading.tc > 0.1
    assert reading.synergy == pytest.approx(0, abs=1e-9) and reading.redundancy == pytest.approx(0, abs=1e-9)


def test_bias_is_that_of_the_samples_and_the_unit():
    x, bins = rectified(samples=50, mix=1), np.arange(8) // 2
    means = x.reshape(50, 4, 2).mean(2)
    for unit, expected in [("neurons", total_correlation(copula_correlation(x), 50)),
                           ("blocks", all_multiplets(copula_correlation(x), blocks=bins, n_samples=50).tc[-1]),
                           ("means", total_correlation(copula_correlation(means), 50))]:
        assert measure_features(x, bins=bins, unit=unit).tc == pytest.approx(expected)
        assert measure_features(x, bins=bins, unit=unit, bias_correction=False).tc > expected + 0.01


def test_presets_are_those_of_the_design():
    assert PRESETS["mid_ranks"] == Measurement() == Measurement("average", "neurons", True, 10, 2, "train", "post")
    assert PRESETS["published"] == replace(Measurement(), ties="numpy", bias_correction=False)
    x = rectified(mix=0.3)
    for preset in PRESETS:
        reading = measure_features(x, preset)
        assert reading.settings == measurement(preset)
        assert numbers(reading) == numbers(measure_features(x, **asdict(PRESETS[preset])))
        assert numbers(reading) != numbers(measure_features(x, preset, min_size=4, n_bins=5))


@pytest.mark.parametrize("preset, choices, message", [
    ("publish", {}, "preset='publish' is unknown: choose one of 'published', 'mid_ranks'"),
    ("mid_ranks", {"tie": "average"}, "tie: no such choice; there are ties, unit, "),
    ("mid_ranks", {"ties": "first"}, "ties='first' is unknown: choose one of 'average', "),
    ("mid_ranks", {"unit": "bins"}, "unit='bins' is unknown: choose one of 'neurons', 'blocks', 'means'"),
    ("mid_ranks", {"which": "validation"}, "which='validation' is unknown"),
    ("mid_ranks", {"layer": "relu"}, "layer='relu' is unknown"),
    ("mid_ranks", {"n_bins": 1, "min_size": 1}, "n_bins=1, min_size=1: give two or more bins"),
    ("mid_ranks", {"min_size": 0}, "n_bins=10, min_size=0"), ("mid_ranks", {"min_size": 11}, "n_bins=10, min_size=11")])
def test_unknown_choices_are_refused(preset, choices, message):
    for function in (measurement, lambda *names, **choices: measure_features(rectified(), *names, **choices)):
        with pytest.raises(ValueError, match=message):
            function(preset, **choices)


def test_sample_order_of_zeros_is_redundancy_under_the_ordinal_rule_only():
    x = rectified(3763, 40, threshold=1)
    safe, ordinal = measure_features(x), measure_features(x, ties="ordinal")
    assert abs(safe.synergy) < 0.1 and abs(safe.redundancy) < 0.1
    assert ordinal.redundancy > 2


def test_order_of_samples_changes_nothing_under_the_mid_ranks_preset():
    x = rectified(neurons=30, threshold=0.5, mix=0.2)
    shuffled = np.random.default_rng(1).permutation(x)
    assert numbers(measure_features(shuffled)) == numbers(measure_features(x))
    assert numbers(measure_features(shuffled, ties="ordinal")) != numbers(measure_features(x, ties="ordinal"))


def test_type_of_the_features_does_not_matter():
    x, bins = (4 * rectified(mix=0.5)).round(), np.arange(8) // 2
    expected = numbers(measure_features(x, bins=bins))
    tiny = 1 + 1e-12 * x.astype(float)  # told apart in double precision only
    for same in (x.astype(int), x.astype(float), tiny, x.tolist(), torch.as_tensor(x), torch.as_tensor(x).requires_grad_()):
        assert numbers(measure_features(same, bins=bins)) == expected


# Degenerate neurons

def degenerate(kind):
    "Features whose column 4 cannot be used."
    x = rectified(neurons=12, mix=0.5)
    x[:, 4] = {"dead": 0, "duplicate": x[:, 1], "nan": np.where(np.arange(600) == 9, np.nan, x[:, 4]),
               "inf": np.where(np.arange(600) == 9, np.inf, x[:, 4])}[kind]
    return x


@pytest.mark.parametrize("kind, message", [("dead", "same value in every sample of column 4"), ("nan", "NaN or .*column 4"),
                                           ("duplicate", "column 4 follows"), ("inf", "NaN or .*column 4")])
def test_degenerate_neurons_are_named(kind, message):
    for bins in (None, np.arange(12) // 3):
        with pytest.raises(ValueError, match=message):
            measure_features(degenerate(kind), bins=bins)


@pytest.mark.parametrize("unit", ["neurons", "blocks", "means"])
@pytest.mark.parametrize("kind", ["dead", "duplicate", "nan", "inf"])
def test_degenerate_neurons_are_dropped_on_request(kind, unit):
    x, bins, kept = degenerate(kind), np.arange(12) // 3, np.arange(12) != 4
    dropped = measure_features(x, bins=bins, unit=unit, degenerate="drop")
    assert numbers(dropped) == pytest.approx(numbers(measure_features(x[:, kept], bins=bins[kept], unit=unit)))
    assert np.flatnonzero(dropped.dropped).tolist() == [4] and "1 degenerate neuron left out" in repr(dropped)
    assert not dropped.synergy_neurons[4] and not dropped.redundancy_neurons[4]
    assert measure_features(x, degenerate="drop", unit=unit).dropped.sum() == 1  # Ward's bins are made all the same


def test_a_bin_of_dead_neurons_is_left_out():
    x, bins = rectified(mix=0.5), np.array([5, 5, 0, 0, 2, 2, 3, 3])
    x[:, bins == 2] = 0
    reading = measure_features(x, bins=bins, degenerate="drop")
    assert numbers(reading) == numbers(measure_features(x[:, bins != 2], bins=bins[bins != 2]))
    assert not (reading.synergy_neurons | reading.redundancy_neurons)[bins == 2].any()


@pytest.mark.parametrize("unit", ["neurons", "blocks", "means"])
def test_nothing_alive_is_nothing_shared(unit):
    reading = measure_features(np.zeros((50, 12)), degenerate="drop", unit=unit)
    assert numbers(reading) == [0] * 6 and reading.dropped.all()
    assert not reading.synergy_neurons.any() and not reading.redundancy_neurons.any()


def test_one_bin_alive_makes_no_multiplet():
    x, bins = rectified(mix=0.5), np.array([0, 1, 1, 1, 2, 2, 0, 0])
    x[:, bins != 1] = 0
    assert numbers(measure_features(x, bins=bins, degenerate="drop")) == [0] * 6
    x[:, 0] = np.random.default_rng(1).random(600)
    assert numbers(measure_features(x, bins=bins, degenerate="drop", min_size=3)) == [0] * 6
    assert 0 not in numbers(measure_features(x, bins=bins, degenerate="drop"))


@pytest.mark.parametrize("x, options, message", [
    (rectified(20, 30), {}, "20 samples of 30 neurons"), (np.zeros(9), {}, r"samples of shape \(9,\)"),
    (rectified(), {"degenerate": "ignore"}, "degenerate='ignore' is unknown: choose one of 'raise', 'drop'"),
    (rectified()[:, :1], {}, "two neurons or more"), (rectified()[:0], {"degenerate": "drop"}, r"shape \(0, 8\)"),
    (rectified() + 0j, {}, "real numbers"), (None, {}, "values of type object were given"),
    (np.full((50, 12), np.nan), {"degenerate": "drop"}, "in 50 of 50 samples: remove those samples"),
    (rectified(), {"bins": [0, 1]}, r"bins of shape \(2,\) were given for 8 variables"),
    (rectified(), {"bins": np.zeros(8, int)}, "1 bins were given: give 2 or more"),
    (rectified(), {"n_bins": "ten"}, "n_bins='ten'"), (rectified(), {"bias_correction": "no"}, "bias_correction='no'")])
def test_features_that_cannot_be_measured_are_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        measure_features(x, **options)


def test_few_samples_warn_that_the_reading_is_noise():
    with pytest.warns(UserWarning, match="15 samples of 8 neurons: Ω of many neurons is mostly noise"):
        measure_features(rectified()[:15], degenerate="drop")


def test_reversed_and_read_only_arrays_are_taken():
    x = rectified(mix=0.5)
    x.flags.writeable = False
    assert numbers(measure_features(x[::-1], bins=np.arange(8) // 2)) == numbers(measure_features(x, bins=np.arange(8) // 2))


# Along a trajectory

@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    small = Experiment(ModularTask(p=11, train_fraction=0.6), width=24, steps=60, per_decade=3, seeds=(0, 3))
    return train(small, store=tmp_path_factory.mktemp("store"), device="cpu")


def measured(trajectory, **choices):
    return measure(trajectory, progress=False, n_jobs=1, **choices)


@pytest.fixture
def trajectory(trained, tmp_path):
    "The trained trajectory with a folder of its own, so that no test reads the measures of another."
    return replace(trained, folder=tmp_path)


@pytest.mark.parametrize("preset, choices", [
    ("published", {}), ("mid_ranks", {}), ("mid_ranks", {"unit": "blocks", "n_bins": 4}),
    ("mid_ranks", {"which": "test", "layer": "pre", "ties": "ordinal"})])
def test_measures_are_those_of_each_checkpoint(trajectory, preset, choices):
    along = measured(trajectory, preset=preset, **choices)
    assert along.synergy.dims == ("seed", "step") and along.step.values.tolist() == trajectory.steps.tolist()
    assert along.seed.values.tolist() == [0, 3] and along.synergy.units == "bits"
    for seed in (0, 3):
        for step in trajectory.steps[[0, 4, -1]]:
            features = trajectory.features(seed, step, choices.get("which", "train"), choices.get("layer", "post"))
            reading, here = measure_features(features, preset, **choices), along.sel(seed=seed, step=step)
            assert [here[name].item() for name in NUMBERS] == numbers(reading)
            for name in ("synergy_neurons", "redundancy_neurons"):
                np.testing.assert_array_equal(here[name], getattr(reading, name))
    assert along.attrs["preset"] == preset
    assert json.loads(along.attrs["measurement"]) == stored_settings(measurement(preset, **choices))
    assert json.loads(along.attrs["experiment"]) == json.loads(json.dumps(trajectory.experiment.condition))


def test_mid_ranks_is_the_preset_of_a_trajectory_unless_told_otherwise(trajectory):
    assert measured(trajectory).attrs["preset"] == "mid_ranks"


def refuse(*given):
    raise AssertionError("measured again")


def test_stored_measures_are_read_and_told_apart_by_their_settings(trajectory, monkeypatch):
    settings = [{"preset": "mid_ranks"}, {"preset": "mid_ranks", "ties": "ordinal"}, {"preset": "mid_ranks", "n_bins": 4}]
    first = [measured(trajectory, **one) for one in settings]
    assert len({float(along.synergy.sum()) for along in first}) == 3
    monkeypatch.setattr(measures, "_measure_checkpoint", refuse)
    for one, along in zip(settings, first, strict=True):
        xr.testing.assert_identical(measured(trajectory, **one), along)
    with pytest.raises(AssertionError, match="measured again"):
        measured(trajectory, n_bins=3)


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"no NetCDF", lambda content: content[:-200]],
                         ids=["empty", "other", "truncated"])
def test_damaged_measures_are_made_again_with_a_warning(trajectory, damage):
    first = measured(trajectory)
    [measures], [bins] = (trajectory.folder.glob(f"seed-3-{name}*.nc") for name in ("measures", "bins"))
    for path in (measures, bins):
        path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning) as record:
        xr.testing.assert_identical(measured(trajectory), first)
    assert all(any(f"{path.name} is damaged" in str(warning.message) for warning in record) for path in (measures, bins))
    with warnings.catch_warnings(action="error"):
        xr.testing.assert_identical(measured(trajectory), first)


def test_dead_neurons_of_a_checkpoint_are_dropped_and_counted(trajectory):
    data = trajectory.data.copy(deep=True)
    data.W1.loc[{"seed": 3, "neuron": [5, 6]}], data.b1.loc[{"seed": 3, "neuron": [5, 6]}] = 0, -1
    along = measured(replace(trajectory, data=data), preset="mid_ranks")
    assert along.dropped.sel(seed=0).sum() == 0 and (along.dropped.sel(seed=3) == 2).all()
    assert not along.synergy_neurons.sel(seed=3)[:, [5, 6]].any()
    assert np.isfinite(along[NUMBERS].to_array()).all()


def test_several_presets_at_some_checkpoints_are_each_alone(trajectory, tmp_path, monkeypatch):
    steps, presets = trajectory.steps[[1, 3, -1]].tolist(), ("mid_ranks", "published")
    both = measured(trajectory, preset=presets, steps=steps)
    assert both.preset.values.tolist() == list(presets) and both.step.values.tolist() == steps
    again = replace(trajectory, folder=tmp_path / "again")
    again.folder.mkdir()
    for preset in presets:
        alone = measured(again, preset=preset).sel(step=steps)
        xr.testing.assert_equal(both.sel(preset=preset, drop=True), alone)
        xr.testing.assert_equal(measured(trajectory, preset=preset).sel(step=steps), alone)  # not the stored three
    monkeypatch.setattr(measures, "_measure_checkpoint", refuse)
    xr.testing.assert_identical(measured(trajectory, preset=presets, steps=steps), both)


def test_unknown_choices_along_a_trajectory_are_refused(trajectory):
    for choices, message in [({"preset": "publish"}, "preset='publish'"), ({"tie": "average"}, "tie: no such choice"),
                             ({"preset": ("published", "publish")}, "preset='publish'"), ({"preset": ()}, "names none"),
                             ({"steps": [0, 7]}, r"steps=\[7\] are no checkpoints from 0 to 60"),
                             ({"steps": []}, r"steps=\[\]")]:
        with pytest.raises(ValueError, match=message):
            measured(trajectory, **choices)


# Curves

def test_min_max_runs_each_curve_from_0_to_1():
    scaled = min_max(curve([1, 2, 3], [[2.0, 4.0, 3.0], [5.0, 5.0, 5.0], [-1.0, 0.0, -9.0]], "seed"))
    np.testing.assert_allclose(scaled, [[0, 1, 0.5], [0, 0, 0], [8 / 9, 1, 0]])


def test_exponential_average_is_the_plain_recursion_every_five_steps():
    values = np.random.default_rng(0).normal(size=(3, 30))
    expected = [values[:, 0]]
    for value in values.T[1:]:
        expected.append(0.9 * expected[-1] + 0.1 * value)
    given_curve = curve(5 * np.arange(1, 31), values, "seed")
    np.testing.assert_allclose(exponential_average(given_curve).T, expected)
    np.testing.assert_allclose(exponential_average(given_curve.T).transpose("step", "seed"), expected)
    np.testing.assert_array_equal(given_curve, values)


@PROPERTY
@given(st.lists(st.tuples(st.integers(1, 6), st.floats(-9, 9)), min_size=2, max_size=10), st.floats(0.01, 0.9),
       st.sampled_from([1, 5, 8]))
def test_exponential_average_over_gaps_holds_each_value_back_through_its_gap(points, weight, every):
    gaps, values = zip(*points, strict=True)
    expected, average = [values[0]], values[0]
    for gap, value in points[1:]:
        for _ in range(gap):
            average = (1 - weight) * average + weight * value
        expected.append(average)
    np.testing.assert_allclose(exponential_average(curve(every * np.cumsum(gaps), list(values)), weight, every), expected,
                               rtol=1e-9, atol=1e-9)


def test_smoothing_over_log_steps_keeps_a_straight_line():
    steps = np.array([0, 1, 2, 3, 5, 9, 10, 30, 70, 100, 400, 1000])
    with np.errstate(divide="ignore"):
        line = np.stack([2 * np.log10(steps) - 1, -np.log10(steps)])
    smooth = smooth_log_steps(curve(steps, line, "seed"), width=0.05, per_decade=40)
    logs = np.log10(smooth.step.values)
    np.testing.assert_allclose(logs, np.linspace(0, 3, 121), atol=1e-12)
    inside = (logs > 0.25) & (logs < 2.75)  # five standard deviations from the ends
    np.testing.assert_allclose(smooth[:, inside], np.stack([2 * logs - 1, -logs])[:, inside], atol=1e-6)
    raw = smooth_log_steps(curve(steps, line, "seed"), width=0)
    np.testing.assert_allclose(raw.values, np.stack([2 * logs - 1, -logs]), atol=1e-12)


def test_width_of_the_smoothing_is_in_decades():
    "A jump becomes the Gaussian's distribution function."
    steps = np.geomspace(1, 1000, 1501)
    smooth = smooth_log_steps(curve(steps, (steps > 30.01).astype(float)), width=0.1, per_decade=500)
    logs = np.log10(smooth.step.values)
    np.testing.assert_allclose(smooth, norm.cdf((logs - np.log10(30)) / 0.1), atol=0.01)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("first", [1, 5])
def test_every_part_of_normalise_can_be_switched_off(scale, average, first):
    steps = np.array([0, 1, 2, 5, 7, 20, 50])
    raw = xr.Dataset({name: curve(steps, np.random.default_rng(i).normal(size=(2, 7)), "seed")
                      for i, name in enumerate(["synergy", "redundancy"])})
    expected = raw.sel(step=[step for step in steps if step >= first])
    expected = expected.map(min_max) if scale else expected
    expected = expected.map(exponential_average) if average else expected
    xr.testing.assert_allclose(normalise(raw, scale=scale, average=average, first=first), expected)


def test_normalise_is_the_released_preparation_by_default():
    raw = xr.Dataset({"synergy": curve(np.arange(0, 60, 5), np.random.default_rng(0).normal(size=(1, 12)), "seed")})
    xr.testing.assert_allclose(normalise(raw), exponential_average(min_max(raw.synergy[:, 1:])).to_dataset())


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_pareto_front_is_the_points_that_none_beats(points):
    expected = [not any(x >= a and y >= b and (x, y) != (a, b) for x, y in points) for a, b in points]
    assert pareto_front(*zip(*points, strict=True)).tolist() == expected


# Phases

CORNERS = [5, 15, 50, 120, 300, 1000, 3000, 10000]
SYNERGY = [0, 0, 1, 0.4, 0.9, 0.9, 0.2, 0.2]
REDUNDANCY = [1, 1, 0.5, 0.1, 0.4, 0.4, 0.8, 0.8]
NAMES = ["feature learning", "emergence", "divergence", "delayed emergence", "plateau", "decoupling", "final"]


def drawn(corners, synergy, redundancy, noise=0.0, seed=0):
    "Curves that are straight over log steps between their corners."
    steps = np.unique(np.round(np.geomspace(corners[0], corners[-1], 150)))
    rng = np.random.default_rng(seed)
    values = [np.interp(np.log10(steps), np.log10(corners), levels) + noise * rng.normal(size=len(steps))
              for levels in (synergy, redundancy)]
    return xr.Dataset({name: curve(steps, v) for name, v in zip(("synergy", "redundancy"), values, strict=True)})


@pytest.mark.parametrize("noise, seed", [(0, 0), *((noise, seed) for noise in (0.02, 0.05) for seed in range(4))])
def test_every_phase_is_found_where_it_was_drawn(noise, seed):
    intervals = segment(drawn(CORNERS, SYNERGY, REDUNDANCY, noise, seed))
    assert intervals.phase.tolist() == NAMES and set(NAMES) == set(PHASES)
    assert abs(np.log10(intervals.stop / CORNERS[1:])).max() < 0.1
    assert intervals.start[0] == pytest.approx(5) and intervals.stop.iloc[-1] == pytest.approx(10000)
    np.testing.assert_allclose(intervals.start[1:], intervals.stop[:-1])
    for slopes, levels in [(intervals.synergy_slope, SYNERGY), (intervals.redundancy_slope, REDUNDANCY)]:
        np.testing.assert_allclose(slopes, np.diff(levels) / np.ptp(levels) / np.diff(np.log10(CORNERS)), atol=0.45)


@pytest.mark.parametrize("synergy, redundancy, names", [
    ([0, 0, 1], [1, 1, 0], ["feature learning", "emergence"]), ([1, 1, 0], [1, 1, 0], ["feature learning", "divergence"]),
    ([0, 0.3, 1], [1, 0.8, 0], ["feature learning", "emergence"]), ([1, 1, 0], [0, 0, 1], ["plateau", "decoupling"]),
    ([0, 1, 0.5], [0, 0.7, 1], ["delayed emergence", "decoupling"]), ([0.6, 1, 0], [0.4, 0, 1], ["emergence", "decoupling"]),
    ([1, 0, 0], [0, 1, 1], ["decoupling", "final"]), ([1, 0, 0], [0.3, 0, 1], ["divergence", "decoupling"])])
def test_two_pieces_are_named_by_their_slopes_and_places(synergy, redundancy, names):
    assert segment(drawn([5, 150, 4500], synergy, redundancy)).phase.tolist() == names


def test_neighbouring_pieces_of_one_name_are_one_interval():
    first, emergence = segment(drawn([5, 15, 100, 6000], [0, 0, 0.6, 1], [1, 1, 0.3, 0])).itertuples()
    assert (first.phase, emergence.phase) == ("feature learning", "emergence")
    assert (emergence.start, emergence.stop) == pytest.approx((15, 6000), rel=0.2)
    slope = 1 / np.log10(6000 / 15)  # of the whole
    assert (emergence.synergy_slope, emergence.redundancy_slope) == pytest.approx((slope, -slope), abs=0.05)


def test_curves_constant_throughout_are_one_flat_interval():
    for level in (0, 3):
        [interval] = segment(drawn([5, 4000], [level] * 2, [level] * 2)).itertuples()
        assert interval.phase in ("final", "plateau") and interval.synergy_slope == interval.redundancy_slope == 0
        assert (interval.start, interval.stop) == pytest.approx((5, 4000))


def test_each_seed_has_its_own_phases_whatever_its_scale():
    one, other = drawn(CORNERS, SYNERGY, REDUNDANCY), drawn(CORNERS, REDUNDANCY, SYNERGY)
    both = xr.concat([one, 40 * other - 7], "seed").assign_coords(seed=[8, 3])
    intervals = segment(both)
    assert intervals.seed.drop_duplicates().tolist() == [8, 3]
    for seed, alone in [(8, one), (3, other)]:
        expected = segment(alone).drop(columns="seed")
        found = intervals[intervals.seed == seed].drop(columns="seed").reset_index(drop=True)
        assert found.phase.tolist() == expected.phase.tolist()
        np.testing.assert_allclose(found.drop(columns="phase"), expected.drop(columns="phase"))
        picked = segment(both.sel(seed=seed))
        assert (picked.seed == seed).all() and picked.phase.tolist() == expected.phase.tolist()


def test_parameters_of_the_segmentation_do_as_they_say():
    noisy = drawn(CORNERS, SYNERGY, REDUNDANCY, noise=0.2)
    assert len(segment(noisy, penalty=1e6)) == 1
    lengths = [np.log10(found.stop / found.start).min() for found in (segment(noisy, penalty=0, width=0, tolerance=0),
               segment(noisy, penalty=0, width=0, tolerance=0, shortest=0.4))]
    assert lengths[0] < 0.2 and lengths[1] > 0.35
    assert set(segment(noisy, tolerance=1e6).phase) <= {"feature learning", "plateau", "final"}
    clean = drawn(CORNERS, SYNERGY, REDUNDANCY)
    assert segment(clean, first=50).start[0] == pytest.approx(50, rel=0.05)
    assert segment(clean, first=50).phase.tolist() == NAMES[2:]


def test_too_few_checkpoints_are_refused():
    few = drawn(CORNERS, SYNERGY, REDUNDANCY).isel(step=[0, 20, 60, 100])
    assert len(segment(few))
    with pytest.raises(ValueError, match="3 checkpoints from step 6 on are too few"):
        segment(few, first=6)


def test_a_trajectory_has_phases(trajectory):
    intervals = segment(measured(trajectory, preset="mid_ranks"))
    assert set(intervals.phase) <= set(PHASES) and set(intervals.seed) == {0, 3}
    assert (intervals.stop > intervals.start).all()
    assert np.isfinite(intervals[["synergy_slope", "redundancy_slope"]].to_numpy()).all()


def test_processes_measure_what_one_process_does(trained, tmp_path):
    alone, many = (replace(trained, folder=tmp_path / name) for name in ("alone", "many"))
    for one in (alone, many):
        one.folder.mkdir()
    one, two = (measure(each, progress=False, n_jobs=n) for each, n in ((alone, 1), (many, 2)))
    assert one.identical(two)


@pytest.mark.parametrize("options, message", [
    ({"preset": None}, "preset=None is not possible"), ({"preset": 5}, "preset=5 is not possible"),
    ({"preset": [["mid_ranks"]]}, "is unknown|is not possible"), ({"preset": [5]}, "preset=5 is unknown"),
    ({"steps": slice(3)}, r"steps=slice\(None, 3, None\) is not possible"), ({"steps": True}, "steps=True is not possible"),
    ({"steps": 3.5}, "steps=3.5 is not possible"), ({"n_jobs": 0}, "n_jobs=0 is not possible"),
    ({"n_jobs": "all"}, "n_jobs='all' is not possible"), ({"n_jobs": 1.5}, "n_jobs=1.5 is not possible"),
])
def test_options_of_measuring_that_mean_nothing_are_refused(trajectory, options, message):
    with pytest.raises(ValueError, match=message):
        measure(trajectory, **{"progress": False, **options})


@pytest.mark.parametrize("what", ["experiment", "data"])
def test_only_a_trajectory_is_measured(trajectory, what):
    with pytest.raises(ValueError, match=f"a trajectory of type {type(getattr(trajectory, what)).__name__} was given"):
        measure(getattr(trajectory, what))


def test_one_step_may_come_as_an_array(trajectory):
    found = [measured(trajectory, steps=steps) for steps in (60, np.array(60), np.array([60]))]
    assert all(one.identical(found[0]) for one in found) and found[0].step.values.tolist() == [60]


def test_a_single_neuron_shares_nothing_and_is_refused(tmp_path):
    lone = train(Experiment(ModularTask(p=11), width=1, steps=2, seeds=(0,)), store=tmp_path, progress=False)
    with pytest.raises(ValueError, match="1 hidden neuron: .* two neurons or more"):
        measured(lone)
