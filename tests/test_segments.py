"""Change points are the cheapest there are; curves that cannot be worked on are refused with words."""

from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from grok_synergy.curves import (
    cheapest_cuts,
    chord_costs,
    exponential_average,
    min_max,
    normalise,
    pareto_front,
    smooth_log_steps,
)
from grok_synergy.phases import PHASES, WITHIN, beyond_null, segment
from grok_synergy.study.ablations import chosen_step

STEPS = np.unique(np.round(np.geomspace(5, 4000, 60))).astype(int)
VALUES = np.random.default_rng(0).normal(size=(2, len(STEPS))).cumsum(1)


def curve(values=VALUES, steps=STEPS, name="synergy"):
    return xr.DataArray(values, {"seed": [0, 100], "step": steps}, ("seed", "step"), name=name)


def pair(values=VALUES, steps=STEPS):
    return xr.Dataset({"synergy": curve(values, steps), "redundancy": curve(VALUES[::-1], steps)})


FUNCTIONS = {"min_max": min_max, "exponential_average": exponential_average, "smooth_log_steps": smooth_log_steps,
             "normalise": normalise, "segment": segment}
NAMES = list(FUNCTIONS)


def called(name, change):
    "A function of curves, called with a curve, or a dataset of two, that was changed."
    return FUNCTIONS[name](change(pair() if name in ("normalise", "segment") else curve()))


def in_synergy(change):
    "A change of the curve alone, or of the synergy of a dataset."
    return lambda x: change(x) if isinstance(x, xr.DataArray) else x.assign(synergy=change(x.synergy))


def two(values, steps):
    return xr.Dataset({"synergy": ("step", values[0]), "redundancy": ("step", values[1])}, {"step": steps})


def distance(signal, a, b):
    "What one piece costs, from the definition."
    points = np.arange(a, b + 1)
    chord = np.stack([np.interp(points, [a, b], one[[a, b]]) for one in signal.T], 1)
    return ((signal[a:b + 1] - chord) ** 2).sum()


def lasts(a, b, shortest):
    "Whether a piece is long enough: its first point counts only where the curve begins."
    return b - a >= shortest - (a == 0)


def reference(signal, penalty, shortest):
    "Cost and cuts of the cheapest partition, in the plainest way."
    @lru_cache(None)
    def best(b):
        if b == 0:
            return 0.0, (0,)
        return min(((best(a)[0] + distance(signal, a, b) + penalty * (a > 0), (*best(a)[1], b))
                    for a in range(b) if lasts(a, b, shortest)), default=(np.inf, (b,)))
    return best(len(signal) - 1)


# The cheapest cuts

@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(4, 11), st.integers(3, 4), st.floats(0, 3), st.integers(0, 10**6))
def test_no_partition_of_all_is_cheaper(points, shortest, penalty, seed):
    signal = np.random.default_rng(seed).normal(size=(points, 2)).cumsum(0)
    costs = [sum(distance(signal, a, b) for a, b in pairwise((0, *cuts, points - 1))) + penalty * len(cuts)
             for n in range(points - 1) for cuts in combinations(range(1, points - 1), n)
             if not cuts or all(lasts(a, b, shortest) for a, b in pairwise((0, *cuts, points - 1)))]
    found = cheapest_cuts(chord_costs(signal), penalty, shortest)
    assert sum(distance(signal, a, b) for a, b in pairwise(found)) + penalty * (len(found) - 2) <= min(costs) + 1e-8
    assert len(found) == 2 or all(lasts(a, b, shortest) for a, b in pairwise(found))


def test_costs_are_the_squared_distances_from_the_chord():
    signal = np.random.default_rng(0).normal(size=(30, 2)).cumsum(0)
    costs = chord_costs(signal)
    for a, b in combinations(range(30), 2):
        assert costs[a, b] == pytest.approx(distance(signal, a, b), abs=1e-9)
    assert np.isinf(costs[np.tril_indices(30)]).all()


def test_phases_begin_at_the_cheapest_cuts():
    "On the curves of random walks, where a search that prunes misses some."
    steps = 10 ** np.linspace(1, 3, 81)
    for seed in range(12):
        walk = np.random.default_rng(seed).normal(size=(2, 81)).cumsum(1)
        signal = min_max(xr.DataArray(walk, {"step": steps}, ("curve", "step"))).values.T
        cost, cuts = reference(signal, 0.15, 6)
        found = segment(two(walk, steps), width=0)
        ends = {int(np.abs(steps - stop).argmin()) for stop in found.stop}
        assert ends <= set(cuts), f"seed {seed}: {sorted(ends)} are not among the cheapest cuts {cuts} of cost {cost:.4f}"


def test_of_equal_costs_the_fewest_cuts_win_and_then_the_earliest_last_one():
    straight = np.linspace(0, 1, 20)[:, None]
    assert cheapest_cuts(chord_costs(straight), 0.0, 3) == [0, 19]
    costs = np.where(np.arange(10) > np.arange(10)[:, None], 5.0, np.inf)
    costs[0, [4, 5]] = costs[[4, 5], 9] = 1.0
    assert cheapest_cuts(costs, 0.5, 3) == [0, 4, 9]
    costs[0, 4] += 1e-12  # rounding does not choose
    assert cheapest_cuts(costs, 0.5, 3) == [0, 4, 9]
    assert cheapest_cuts(costs, 4.0, 3) == [0, 9]


def test_a_run_as_long_as_a_piece_is_one_interval():
    for steps, shortest in [([1000, 1150, 1300, 1450], 0.15), ([1000, 1010, 1020, 1030], 0.01), ([100, 101, 102, 103], 0)]:
        [interval] = segment(two([[1.0, 2, 3, 4], [4.0, 3, 2, 1]], steps), shortest=shortest).itertuples()
        assert (interval.start, interval.stop) == (pytest.approx(steps[0]), pytest.approx(steps[-1]))
        assert interval.synergy_slope > 0 > interval.redundancy_slope


# What is harmless

@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_steps_does_not_matter(name):
    order = np.random.default_rng(1).permutation(len(STEPS))
    assert called(name, lambda x: x.isel(step=order)).equals(called(name, lambda x: x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", ">f8", "int8", "uint16", "int64", bool, object])
def test_every_type_of_number_gives_what_float64_gives(name, dtype):
    whole = np.abs(np.round(VALUES * 5)).clip(0, 1 if dtype is bool else 120)
    whole = whole if dtype in (bool, "uint16") else np.where(VALUES > 0, whole, -whole).clip(-120)
    expected, found = (called(name, in_synergy(lambda x, t=t: x.copy(data=whole.astype(t)))) for t in (float, dtype))
    if name == "segment":
        assert found.equals(expected)
    else:
        xr.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_precedes_the_first_step_may_be_missing():
    for first in (5, 20):
        gap = pair().where(pair().step > first)
        assert segment(gap, first=first + 1).equals(segment(pair(), first=first + 1))
        assert normalise(gap, first=first + 1).identical(normalise(pair(), first=first + 1))
    begun = xr.concat([curve()[:, :1].assign_coords(step=[0]) * np.nan, curve()], "step")
    assert smooth_log_steps(begun).equals(smooth_log_steps(curve()))


# What is refused

@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_gaps_are_named_by_seed_and_step(name, value):
    where = "synergy of seed 100: NaN or infinite at steps 8: leave those curves or steps out .*interpolate_na"
    with pytest.raises(ValueError, match=where):
        called(name, in_synergy(lambda x: x.where((x.step != 8) | (x.seed != 100), value)))


def test_many_gaps_are_counted():
    with pytest.raises(ValueError, match=r"at steps 5, 6, 7, 8, 9, … \(\d+ in all\), and in 1 more curves"):
        min_max(curve() * np.nan)
    with pytest.raises(ValueError, match="^values: NaN or infinite at steps 2:"):
        min_max(xr.DataArray([1.0, np.nan], {"step": [1, 2]}, ("step",)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change, message", [
    (lambda x: x.isel(step=[0, 0, *range(1, 30)]), "steps 5 occur more than once: keep one value of each"),
    (lambda x: x.assign_coords(step=[np.nan, *STEPS[1:].astype(float)]), r"steps \[nan, 6.0.*\] of type float64 were given"),
    (lambda x: x.assign_coords(step=list(map(str, STEPS))), "of type <U4 were given: give one or more finite numbers"),
    (lambda x: x.drop_vars("step"), "DataArray without steps was given: give an xarray.DataArray with a dimension 'step'"),
    (lambda x: x.isel(step=0), "DataArray without steps was given"),
    (lambda x: x + 1j, "of type complex128 were given: give real numbers"),
    (lambda x: x.astype(str).str.replace(".", "?", regex=False) if isinstance(x, xr.DataArray) else x.map(
        lambda v: v.astype(str).str.replace(".", "?", regex=False)), "of type <U.* were given: give real numbers"),
    (lambda x: x.values if isinstance(x, xr.DataArray) else x.to_dataframe(), "was given: give an xarray|of other things"),
])
def test_curves_that_are_none_are_named(name, change, message):
    with pytest.raises(ValueError, match=message):
        called(name, change)


@pytest.mark.parametrize("change, message", [
    (lambda x: x.drop_vars("redundancy"), "Dataset of synergy was given: give an xarray.Dataset of synergy and redundancy"),
    (lambda x: x.expand_dims(preset=["mid_ranks"]), "curves along preset were given: choose one first"),
    (lambda x: x.assign_coords(seed=[3, 3]), "seeds 3 occur more than once: give each seed once"),
    (lambda x: x.isel(step=slice(3)), "3 checkpoints from step 5 on are too few to find phases in: give 4"),
    (lambda x: x.isel(step=slice(4)).assign_coords(step=[100, 101, 102, 103]),
     "steps 100 to 103 span 0.013 decades, less than shortest=0.15: give a longer run"),
    (lambda x: x.synergy, "DataArray of other things was given"),
])
def test_what_has_no_phases_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        segment(change(pair()))


@pytest.mark.parametrize("call, message", [
    *((lambda name=name, value=value: segment(pair(), **{name: value}), f"{name}=.* give a number, 0 or more")
      for name in ("width", "penalty", "tolerance", "shortest") for value in (-1, np.nan, np.inf, "a tenth", None, True)),
    (lambda: segment(pair(), first="five"), "first='five' is not possible: give a number$"),
    (lambda: normalise(pair(), first=np.nan), "first=nan is not possible"),
    (lambda: smooth_log_steps(curve(), width=-0.1), "width=-0.1 is not possible"),
    (lambda: smooth_log_steps(curve(), per_decade=0), "per_decade=0 is not possible: give a number from 1 to 1000"),
    (lambda: exponential_average(curve(), weight=1.5), "weight=1.5 is not possible: give a number from 0 to 1"),
    (lambda: exponential_average(curve(), every=0), "every=0 is not possible: give a positive number"),
    (lambda: smooth_log_steps(curve()[:, :1]), "1 steps above 0 are too few for a curve over log steps: give 2 or more"),
    (lambda: min_max(curve()[:, :0]), r"steps \[\] of type int64 were given"),
])
def test_settings_that_make_no_sense_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("synergy, redundancy, message", [
    ([1, np.nan, 2], [1, 2, np.nan], "NaN or infinite values at positions 1, 2: leave those points out"),
    ([1, 2, np.inf], [1, 2, 3], "NaN or infinite values at positions 2"),
    ([1, 2, 3], [1, 2], r"synergy of shape \(3,\) and type float64 and redundancy of shape \(2,\)"),
    ([[1, 2], [3, 4]], [[1, 2], [3, 4]], "give one real number a point in each"),
    ([1, 2j], [1, 2], "give real numbers"), (["a"], [1], "give real numbers"),
])
def test_points_that_have_no_front_are_named(synergy, redundancy, message):
    with pytest.raises(ValueError, match=message):
        pareto_front(synergy, redundancy)


def test_a_front_takes_tensors_and_whole_numbers():
    expected = pareto_front([0, 1, 2, 1], [2, 1, 0, 0.5]).tolist()
    grown = torch.tensor([0.0, 1, 2, 1], requires_grad=True)
    assert pareto_front(grown, torch.tensor([2, 1, 0, 0.5])).tolist() == expected == [True, True, True, False]
    assert pareto_front([], []).tolist() == []


# What is chosen by its phase

def test_the_chosen_checkpoint_does_not_depend_on_the_order():
    found = two(VALUES, STEPS)
    metrics = xr.Dataset({"test_acc": ("step", np.linspace(0, 1, len(STEPS)))}, {"step": STEPS})
    order = np.random.default_rng(1).permutation(len(STEPS))
    for phase in PHASES:
        assert chosen_step(found.isel(step=order), metrics.isel(step=order), phase) == chosen_step(found, metrics, phase)


def test_a_phase_of_another_name_is_refused():
    metrics = xr.Dataset({"test_acc": ("step", np.zeros(len(STEPS)))}, {"step": STEPS})
    with pytest.raises(ValueError, match="phase='emergance' is unknown: choose one of 'feature learning', 'emergence'"):
        chosen_step(two(VALUES, STEPS), metrics, "emergance")


@pytest.mark.parametrize("metrics", [xr.Dataset({"test_acc": ("step", np.zeros(4))}, {"step": STEPS[:4]}),
                                     xr.Dataset({"train_acc": ("step", np.zeros(len(STEPS)))}, {"step": STEPS})])
def test_metrics_of_another_run_are_refused(metrics):
    with pytest.raises(ValueError, match="metrics have no test_acc at some of the measured steps"):
        chosen_step(two(VALUES, STEPS), metrics)


def beside(levels, spread, kinds=("columns",)):
    "Curves of two seeds with nine draws of nulls; the null lies at some levels, with a spread."
    rng, steps = np.random.default_rng(0), np.unique(np.round(np.geomspace(5, 1000, 60)))
    curve = np.interp(np.log10(steps), np.log10([5, 50, 300, 1000]), [0, 0, 5, 5])
    data = xr.Dataset({word: (("seed", "step"), np.stack([curve, curve])) for word in ("synergy", "redundancy")},
                      {"seed": [0, 7], "step": steps, "null": list(kinds)})
    draws = np.interp(np.log10(steps), np.log10([5, 50, 300, 1000]), levels)
    draws = draws + rng.normal(0, spread, (len(kinds), 9, 2, len(steps)))
    return data.assign({f"null_{word}": (("null", "draw", "seed", "step"), draws) for word in ("synergy", "redundancy")})


def test_a_phase_keeps_its_name_where_a_curve_leaves_its_null():
    data = beside([0, 0, 0, 0], 0.5)
    intervals = segment(data)
    named = beyond_null(intervals, data)
    assert (named.phase == WITHIN).groupby(named.seed).sum().tolist() == [1, 1]
    assert named.phase[0] == WITHIN and named.phase[1] == intervals.phase[1]
    assert named.drop(columns="phase").equals(intervals.drop(columns="phase"))
    assert (beyond_null(intervals, beside([0, 0, 5, 5], 0.5)).phase == WITHIN).all()
    assert (beyond_null(intervals, beside([9, 9, 9, 9], 0.5)).phase == intervals.phase).all()  # below it


def test_steps_without_draws_do_not_count():
    data = beside([0, 0, 0, 0], 0.5)
    sparse = data.assign({f"null_{word}": data[f"null_{word}"].where(data.step.isin(data.step[::6]))
                          for word in ("synergy", "redundancy")})
    assert beyond_null(segment(data), sparse).equals(beyond_null(segment(data), data))
    none = data.assign({f"null_{word}": data[f"null_{word}"] * np.nan for word in ("synergy", "redundancy")})
    assert (beyond_null(segment(data), none).phase == WITHIN).all()


def test_one_of_several_nulls_is_chosen():
    data = beside([0, 0, 0, 0], 0.5, ("columns", "responses"))
    with pytest.raises(ValueError, match="null=None is unknown: choose one of 'columns', 'responses'"):
        beyond_null(segment(data), data)
    with pytest.raises(ValueError, match="null='chimera' is unknown"):
        beyond_null(segment(data), data, "chimera")
    with pytest.raises(ValueError, match="null"):
        beyond_null(segment(data), data.drop_dims("null"))
    assert len(beyond_null(segment(data), data, "responses")) == len(segment(data))


def test_layers_take_the_place_of_seeds():
    data = beside([0, 0, 0, 0], 0.5).rename(seed="layer").assign_coords(layer=["a", "b"])
    intervals = segment(data)
    assert set(intervals.seed) == {"a", "b"}
    assert (beyond_null(intervals, data).phase == WITHIN).sum() == 2
    one = segment(data.sel(layer="a"))
    assert one.phase.tolist() == intervals[intervals.seed == "a"].phase.tolist()
    assert beyond_null(one, data.sel(layer="a")).phase[0] == WITHIN
    with pytest.raises(ValueError, match="curves along layer were given"):
        segment(data.expand_dims(seed=[0, 1]))
