"""Significance of every multiplet, groups and intervals: equal to the plain way, calibrated, and refused by name."""

import itertools
import json
import math
import pickle
import warnings
from dataclasses import replace
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy.signal import lfilter
from scipy.stats import binom, false_discovery_control

from grok_synergy import contrasts, draws
from grok_synergy.contrasts import bootstrap_multiplets, compare_groups
from grok_synergy.entropy import copula_correlation
from grok_synergy.judged import _family_wise, load_judged
from grok_synergy.multiplets import all_multiplets
from grok_synergy.nonparametric import discrete_multiplets
from grok_synergy.oinfo import o_information
from grok_synergy.pictures import draw_orders
from grok_synergy.results import load_multiplets
from grok_synergy.significance import significance
from grok_synergy.store import save_dataset
from grok_synergy.tested import significance_by
from grok_synergy.uncertainty import _moved_scores, _shuffle

NAMES = list("abcdef")
room = import_module("grok_synergy.significance")
NULLS = ("zero", "bystander", "independence")


def mixed(samples=120, seed=0, columns=6):
    "Column 2 is the noisy sum of 0 and 1, 3 goes with 4, 5 is alone."
    x = np.random.default_rng(seed).normal(size=(samples, 6))
    x[:, 2] += x[:, 0] + x[:, 1]
    x[:, 4] += x[:, 3]
    return x[:, :columns]


def question(x, **options):
    default = {"bins": None, "blocks": None, "min_size": 3, "max_size": 4, "draws": 19, "ties": "average",
               "bias_correction": True, "block_length": None, "seed": 3, "progress": False}
    return room._filtered(room._question(x, **default | options), (), None)


def plain_omega(corr, members, n_samples):
    return float(o_information(corr[np.ix_(members, members)], n_samples))


# Against brute force

@pytest.mark.parametrize("bias_correction", [True, False])
def test_own_p_values_are_those_of_data_sets_moved_by_hand(bias_correction):
    x = mixed(columns=5)
    options = {"draws": 19, "max_size": 4, "seed": 3, "pooled": False, "bias_correction": bias_correction}
    n_samples = len(x) if bias_correction else None
    found = {against: significance(x, against=against, **options) for against in ("independence", "bystander")}
    scores, draw = _moved_scores(question(x), _shuffle)
    groups = [some for order in (3, 4) for some in itertools.combinations(range(5), order)]
    places = [[found["independence"].found.members(i) for i in range(len(groups))].index(some) for some in groups]
    for place, some in zip(places, groups, strict=True):
        observed = plain_omega(copula_correlation(x), some, n_samples)
        everything, single = [], {i: [] for i in some}
        for number in range(19):
            moved = draw(number).numpy()
            everything.append(plain_omega(moved @ moved.T, some, n_samples))
            for i in some:
                columns = scores.numpy().copy()
                columns[i] = moved[i]
                single[i].append(plain_omega(columns @ columns.T, some, n_samples))
        for against, nulls in (("independence", [everything]), ("bystander", single.values())):
            np.testing.assert_allclose(found[against].observed[place], observed, atol=1e-10)
            low = max((1 + np.sum(np.array(null) <= observed + 1e-9)) / 20 for null in nulls)
            high = max((1 + np.sum(np.array(null) >= observed - 1e-9)) / 20 for null in nulls)
            np.testing.assert_allclose([found[against].p_synergy[place], found[against].p_redundancy[place]], [low, high])


def test_against_zero_is_the_bootstrap_moved_to_zero():
    x = mixed()
    found = significance(x, against="zero", draws=50, pooled=False)
    boot = bootstrap_multiplets(x, [found.found.members(i) for i in range(len(found))], draws=50)
    null = boot.resampled - boot.resampled.mean(1, keepdims=True) + boot.displacement[:, None]
    np.testing.assert_allclose(found.null_mean, boot.displacement, atol=1e-9)
    np.testing.assert_allclose(found.null_spread, boot.resampled.std(1), rtol=1e-9)
    np.testing.assert_allclose(found.p_synergy, (1 + (null <= found.observed[:, None] + 1e-9).sum(1)) / 51)


@pytest.mark.parametrize("against", NULLS)
@pytest.mark.parametrize("filters", [{"containing": "c"}, {"among": list("abce")}, {"containing": [0], "among": [1, 2, 4]}])
def test_filters_keep_the_numbers_of_their_multiplets(against, filters):
    x = pd.DataFrame(mixed(), columns=NAMES)
    every = significance(x, against=against, draws=29, max_size=4, pooled=False).frame().set_index("names")
    some = significance(x, against=against, draws=29, max_size=4, pooled=False, **filters).frame().set_index("names")
    assert 0 < len(some) < len(every)
    columns = ["omega", "null_mean", "null_spread", "p_synergy", "p_redundancy"]
    np.testing.assert_allclose(some[columns], every.loc[some.index, columns], atol=1e-9)


@pytest.mark.parametrize("against", NULLS)
def test_batches_of_draws_change_nothing(against, monkeypatch):
    whole = significance(mixed(), against=against, draws=30, max_size=4)
    monkeypatch.setattr("grok_synergy.draws.SUBTREE", {"cpu": 6, "cuda": 6})
    parts = significance(mixed(), against=against, draws=30, max_size=4)
    for name in ("p_synergy", "p_redundancy", "null_mean", "null_spread"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), atol=1e-9)


@pytest.mark.parametrize("against", NULLS)
def test_what_is_not_kept_is_drawn_again(against, monkeypatch):
    kept = significance(mixed(), against=against, draws=30)
    original = room._Draws.__init__

    def forget(self, *args):
        original(self, *args)
        self.few = False

    monkeypatch.setattr(room._Draws, "__init__", forget)
    again = significance(mixed(), against=against, draws=30)
    np.testing.assert_allclose(kept.p_synergy, again.p_synergy, atol=1e-12)


# Calibration

@pytest.mark.parametrize("make", [lambda x: x, lambda x: np.maximum(x, 0)], ids=["continuous", "tied"])
@pytest.mark.parametrize("pooled", [False, True])
def test_p_values_of_independent_columns_are_uniform(make, pooled):
    p = np.array([significance(make(np.random.default_rng(seed).normal(size=(100, 3))), against="independence", draws=39,
                               seed=seed, pooled=pooled).p_synergy[0] for seed in range(120)])
    for level in (0.05, 0.25, 0.5, 0.75):
        low, high = binom.interval(0.9995, len(p), level)
        assert low <= (p <= level).sum() <= high, level


def test_a_bystander_is_significant_to_independence_only():
    p = {against: np.array([significance(mixed(300, seed)[:, 3:], against=against, draws=39, seed=seed).p_values()[0]
                            for seed in range(60)]) for against in NULLS}
    assert (p["independence"] <= 0.05).mean() > 0.3
    assert (p["bystander"] <= 0.05).sum() <= binom.ppf(0.9999, 60, 0.05)
    assert (p["zero"] <= 0.05).sum() <= binom.ppf(0.9999, 60, 0.05)


def test_an_omega_of_zero_among_connected_variables_is_significant_to_bystanders_not_to_zero():
    corr = np.array([[1, 0.5, 0.5], [0.5, 1, 1 / 7], [0.5, 1 / 7, 1]])
    assert abs(o_information(corr)) < 1e-12
    root = np.linalg.cholesky(corr)
    p = {against: np.array([significance(np.random.default_rng(seed).normal(size=(300, 3)) @ root.T, against=against,
                                         draws=59, seed=seed).p_values()[0] for seed in range(40)])
         for against in ("zero", "bystander")}
    assert (p["bystander"] <= 0.05).mean() > 0.6
    assert (p["zero"] <= 0.05).sum() <= binom.ppf(0.9999, 40, 0.07)


@pytest.mark.filterwarnings("ignore:neighbouring rows")
def test_slow_columns_need_a_null_that_knows_of_it():
    hows = {"shuffle": {}, "shift": {"kind": "shift"}, "blocks": {"block_length": 60}}
    series = [lfilter([1], [1, -0.9], np.random.default_rng(seed).normal(size=(700, 5)), axis=0)[100:] for seed in range(30)]
    called = {name: np.mean([significance(x, against="independence", draws=39, seed=seed, **how).p_values() <= 0.1
                             for seed, x in enumerate(series)]) for name, how in hows.items()}
    assert called["shuffle"] > 0.4 and called["shift"] < 0.2 and called["blocks"] < 0.25


def test_families_are_not_called_too_often():
    called = []
    for seed in range(120):
        x = np.random.default_rng(seed).normal(size=(60, 4))
        some = significance(x, against="independence", draws=139, max_size=4, seed=seed)
        quadruplets = some.family_wise("synergy", per_order=True)[some.orders == 4]
        called.append([(some.family_wise() <= 0.05).any(), (quadruplets <= 0.05).any()])
    assert (np.sum(called, 0) <= binom.ppf(0.9999, 120, 0.05)).all() and np.sum(called, 0).min() > 0


def test_one_family_is_the_share_of_draws_with_an_extreme_as_low():
    values, lowest = np.array([-3.0, -1.0, 2.0]), np.random.default_rng(0).normal(size=(1, 50))
    [found] = _family_wise([values], lowest)
    np.testing.assert_allclose(found, [(1 + (lowest[0] <= value).sum()) / 51 for value in values])


def test_q_values_are_those_of_scipy_in_each_family():
    found = significance(mixed(), draws=39, max_size=4)
    for method in ("bh", "by"):
        np.testing.assert_allclose(found.q_values(method=method), false_discovery_control(found.p_values(), method=method))
        per_order = found.q_values("synergy", method, per_order=True)
        for order in (3, 4):
            np.testing.assert_allclose(per_order[found.orders == order],
                                       false_discovery_control(found.p_synergy[found.orders == order], method=method))


# Results

@pytest.mark.parametrize("against", NULLS)
def test_names_results_and_copies(against):
    frame = pd.DataFrame(mixed(), columns=NAMES)
    found = significance(frame, against=against, draws=99)
    labelled = xr.DataArray(frame.to_numpy(), dims=("row", "column"), coords={"column": NAMES})
    assert found == significance(labelled, against=against, draws=99) != significance(frame, against=against, draws=98)
    assert pickle.loads(pickle.dumps(found)) == found
    table = found.frame()
    assert len(table) == len(found) == 20 and table.names[0] == ("a", "b", "c") and table.members[0] == (0, 1, 2)
    assert found.p_synergy.argmin() == 0
    assert against == "zero" or found.significant("synergy").names.tolist()[:1] == [("a", "b", "c")]
    if against == "bystander":
        assert all(weak in some for weak, some in zip(table.weakest, table.names, strict=True))
    assert "synergistic" in repr(found) and "<table" in found._repr_html_()


@pytest.mark.parametrize("against", NULLS)
def test_tensors_and_hundreds_of_draws_in_any_order_of_rows(against):
    x = torch.as_tensor(mixed())
    one, other = significance(x, against=against, draws=9), significance(x.numpy(), against=against, draws=9)
    np.testing.assert_allclose(one.p_synergy, other.p_synergy)


def test_planted_triplet_is_found_among_hundreds_of_others():
    x = np.random.default_rng(5).normal(size=(400, 14))
    x[:, 9] += x[:, 4] + x[:, 12]
    found = significance(x, draws=100)
    assert found.significant().members.tolist() == [(4, 9, 12)]
    assert not len(significance(x, draws=100, pooled=False).significant())  # too coarse a p-value for 364 triplets


@pytest.mark.parametrize("ties", ["average", "ordinal", "numpy", "random"])
def test_every_rule_for_equal_values(ties):
    x = np.round(mixed(200), 0)
    found = significance(x, ties=ties, draws=99)
    assert found.p_synergy[0] < 0.01 and found.significant("synergy").members.iloc[0] == (0, 1, 2)


@pytest.mark.parametrize("against", NULLS)
def test_blocks_of_one_row_are_rows(against):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = significance(mixed(), against=against, draws=9, block_length=1)
    assert found.block_length == 1 and (found.p_values() > 0).all()


def test_bad_tables_are_refused_by_name():
    frame = pd.DataFrame(mixed(), columns=NAMES)
    for act in (significance, lambda x: compare_groups(frame, x), lambda x: bootstrap_multiplets(x, [("a", "b", "c")])):
        with pytest.raises(ValueError, match="NaN or infinite values in column 'b'"):
            act(frame.assign(b=frame.b.where(frame.b > 0)))
        with pytest.raises(ValueError, match="the same value in every sample of column 'e'"):
            act(frame.assign(e=1.0))
    with pytest.raises(ValueError, match="'a'.*'f'"):
        significance(frame.assign(f=2 * frame.a))
    with pytest.raises(ValueError, match="kind='roll' is unknown"):
        significance(frame, kind="roll")
    with pytest.raises(ValueError, match="a shift keeps all rows together"):
        significance(frame, kind="shift", block_length=5)
    with pytest.raises(ValueError, match="containing"):
        significance(frame, containing="z")


def test_results_hold_two_numbers_of_each_draw():
    x, held = np.random.default_rng(0).normal(size=(50, 20)), []
    for count in (40, 90):
        found = significance(x, against="independence", draws=count)
        held.append(sum(value.nbytes for value in vars(found).values() if isinstance(value, np.ndarray)))
    assert held[1] - held[0] == 8 * 2 * (90 - 40)  # the lowest and the highest value


# Two groups

def test_swapped_groups_give_mirrored_results():
    one, other = mixed(60, 1), mixed(60, 2)
    there, back = (compare_groups(*pair, paired=True, draws=49) for pair in ((one, other), (other, one)))
    np.testing.assert_allclose(there.observed, -back.observed, atol=1e-12)
    np.testing.assert_allclose(there.p_synergy, back.p_redundancy)
    np.testing.assert_allclose(there.family_wise(), back.family_wise())
    assert (there.signs == -back.signs).all()


def test_a_synergy_in_one_group_only_is_found():
    broken = mixed(200, 2)
    broken[:, 2] = np.random.default_rng(9).normal(size=200)
    names = {"columns": NAMES}
    found = compare_groups(pd.DataFrame(mixed(200, 1), **names), pd.DataFrame(broken, **names), draws=99)
    assert found.significant().names.tolist()[0] == ("a", "b", "c") and found.signs[0] == -1
    assert pickle.loads(pickle.dumps(found)) == found and "<table" in found._repr_html_()


@pytest.mark.parametrize("paired", [False, True])
def test_equal_groups_have_uniform_p_values(paired):
    root = np.linalg.cholesky(np.full((3, 3), 0.6) + 0.4 * np.eye(3))
    p = []
    for seed in range(80):
        x = np.random.default_rng(seed).normal(size=(2, 80, 3)) @ root.T
        p.append(compare_groups(x[0], np.exp(x[1]), paired=paired, draws=19, seed=seed).p_synergy[0])
    for level in (0.05, 0.25, 0.5, 0.75):
        low, high = binom.interval(0.9995, len(p), level)
        assert low <= (np.array(p) <= level).sum() <= high, level


# Intervals

def test_intervals_of_chosen_multiplets():
    frame = pd.DataFrame(mixed(300), columns=NAMES)
    by_name = bootstrap_multiplets(frame, [("c", "a", "b"), ("a", "b", "d", "e")], draws=60)
    by_place = bootstrap_multiplets(frame.to_numpy(), [(0, 1, 2), (0, 1, 3, 4)], draws=60)
    np.testing.assert_allclose(by_name.interval, by_place.interval)
    every = all_multiplets(copula_correlation(frame), min_size=3, max_size=4, n_samples=300)
    members = [every.members(i) for i in range(len(every))]
    np.testing.assert_allclose(by_name.observed, [every.omega[members.index(some)] for some in by_name.members])
    assert by_name.interval[0, 1] < 0 and by_name.frame().names[0] == ("a", "b", "c")
    assert pickle.loads(pickle.dumps(by_name)) == by_name != by_place
    with pytest.raises(ValueError, match="members: 'g' is none of the 6 variables"):
        bootstrap_multiplets(frame, [("a", "b", "g")])
    with pytest.raises(ValueError, match="members is empty"):
        bootstrap_multiplets(frame, [])


# Found by breaking it

WHOLE = [[0, 1, 3, 4, 5, 6], [2, 0, 1, 4, 3, 5], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize("labels", WHOLE, ids=str)
def test_whole_numbers_that_are_names_are_names_throughout(labels):
    frame = pd.DataFrame(mixed(60), columns=labels)
    text = frame.rename(columns=str)
    asks = [{"containing": [labels[3]]}, {"among": labels[1:5]}, {"containing": labels[4], "among": labels[:4]}]
    acts = [lambda x, **asked: significance(x, draws=9, **asked),
            lambda x, **asked: significance(x, draws=9, against="independence", **asked),
            lambda x, **asked: compare_groups(x[:30], x[30:], draws=9, **asked)]
    for asked in asks:
        by_text = {name: [str(some) for some in np.atleast_1d(given).tolist()] for name, given in asked.items()}
        if isinstance(labels[0], float):
            by_text = {name: [str(float(some)) for some in given] for name, given in by_text.items()}
        for act in acts:
            plain, named = act(frame, **asked).frame(), act(text, **by_text).frame()
            assert [tuple(map(str, some)) for some in plain.names] == named.names.tolist()
            pd.testing.assert_frame_equal(plain[["members", "p"]], named[["members", "p"]])
    one = bootstrap_multiplets(frame, [labels[2:5]], draws=9)
    by_text = bootstrap_multiplets(text, [[str(some) for some in labels[2:5]]], draws=9)
    np.testing.assert_array_equal(one.interval, by_text.interval)
    frame[labels[4]] = 2 * frame[labels[0]]
    follows = max(labels[0], labels[4], key=labels.index)
    with pytest.raises(ValueError, match=f"column {follows!r} follows"):
        significance(frame, draws=9, containing=[labels[0]])


@pytest.mark.parametrize("draws", [1, 2])
def test_so_few_draws_have_no_spread_to_be_pooled(draws):
    x = np.random.default_rng(0).normal(size=(60, 6))
    for act in (lambda **how: significance(x, draws=draws, **how),
                lambda **how: compare_groups(x[:30], x[30:], draws=draws, **how)):
        with pytest.raises(ValueError, match=f"draws={draws} with pooled=True"):
            act()
        assert act(pooled=False).p_values("synergy").min() >= 1 / (1 + draws)


@pytest.mark.parametrize("draws", [3, 5])
def test_a_few_pooled_draws_call_no_noise_significant(draws):
    called = [len(significance(np.random.default_rng(seed).normal(size=(60, 8)), against="independence",
                               draws=draws).significant()) for seed in range(40)]
    assert np.count_nonzero(called) <= binom.ppf(0.9999, 40, 0.05)


def test_groups_with_columns_in_another_order_are_refused():
    x = pd.DataFrame(mixed())
    for one, other in ((x, x[[3, 2, 1, 0, 4, 5]]), (x[[3, 2, 1, 0, 4, 5]], x), (x[[0, 1, 2]], x[[3, 4, 5]])):
        with pytest.raises(ValueError, match="columns of the groups differ"):
            compare_groups(one, other, draws=5)
    for other in (x.to_numpy(), x.set_axis(NAMES, axis=1)):  # which say nothing of another order
        assert not compare_groups(x, other, draws=5).observed.any()


@pytest.mark.parametrize("pooled", [False, True])
def test_equal_values_are_tied(pooled):
    x = mixed(60)
    assert (compare_groups(x, x, paired=True, draws=9, pooled=pooled).frame().p == 1).all()


def test_a_name_of_two_columns_is_no_choice():
    frame = pd.DataFrame(mixed(), columns=list("abcdea"))
    for asked in ({"containing": "a"}, {"among": ["a", "b", "c"]}):
        for act in (lambda **how: significance(frame, draws=9, **how),
                    lambda **how: all_multiplets(copula_correlation(frame), **how)):
            with pytest.raises(ValueError, match="'a' is the name of 2 variables"):
                act(**asked)
    assert {5} <= set(significance(frame, draws=9, containing=5).found.members(0))


def test_a_position_of_any_kind_is_a_position():
    x = mixed()
    expected = significance(x, draws=9, containing=1)
    for one in (np.int64(1), np.array(1), torch.tensor(1), np.array([1]), torch.tensor([1]), {1}, iter([1])):
        assert significance(x, draws=9, containing=one) == expected
    with pytest.raises(ValueError, match="containing: 1.5 is none of the 6 variables"):
        significance(x, draws=9, containing=1.5)
    with pytest.raises(ValueError, match="containing: None is none of the 6 variables"):
        significance(x, draws=9, containing=None)


def test_a_tuple_that_is_a_name_is_one_name():
    names = pd.MultiIndex.from_product([["u", "v"], [0, 1, 2]])
    frame = pd.DataFrame(mixed(), columns=names)
    expected = significance(frame, draws=9, containing=[("u", 2)])
    assert significance(frame, draws=9, containing=("u", 2)) == expected
    assert significance(frame, draws=9, containing=2) == expected
    assert expected.frame().names[0] == (("u", 0), ("u", 1), ("u", 2))


def test_multiplets_of_a_result_and_of_generators_are_taken():
    x = mixed()
    found = all_multiplets(copula_correlation(x), min_size=3, max_size=4)
    expected = bootstrap_multiplets(x, [found.members(i) for i in range(len(found))], draws=9)
    assert bootstrap_multiplets(x, found.groups, draws=9) == expected
    assert bootstrap_multiplets(x, (iter(found.members(i)) for i in range(len(found))), draws=9) == expected
    with pytest.raises(ValueError, match=r"members holds \(0, 1\)"):
        bootstrap_multiplets(x, iter([(0, 1)]), draws=9)
    for none in (5, "abc"):
        with pytest.raises(ValueError, match=f"members={none!r} is no list of multiplets"):
            bootstrap_multiplets(x, none, draws=9)


def test_two_columns_have_no_multiplet():
    x = mixed(columns=2)
    for act in (lambda: significance(x, draws=9), lambda: compare_groups(x, x, draws=9),
                lambda: significance(mixed(), draws=9, among=[0, 1])):
        with pytest.raises(ValueError, match="to choose from: 2; give three or more"):
            act()


@pytest.mark.parametrize(("paired", "advice"), [(False, "keep every k-th row"), (True, "give block_length")])
def test_slow_rows_of_groups_get_advice_that_can_be_followed(paired, advice):
    slow = np.random.default_rng(0).normal(size=(2, 300, 3)).cumsum(1)
    with pytest.warns(UserWarning, match=advice) as told:
        compare_groups(*slow, paired=paired, draws=5)
    assert {warning.filename for warning in told} == {__file__}
    assert not any("block_length" in str(warning.message) for warning in told) or paired


def test_errors_of_groups_name_the_group():
    frame = pd.DataFrame(mixed(), columns=NAMES)
    for bad, match in ((frame[:1], "one row"), (frame.assign(b=np.nan), "column 'b'"), (frame.assign(e=1.0), "column 'e'"),
                       (frame.assign(f=2 * frame.a), "'f' follows")):
        with pytest.raises(ValueError, match=f"in the group `other`: .*{match}"):
            compare_groups(frame, bad, draws=9)
        with pytest.raises(ValueError, match=f"in the group `one`: .*{match}"):
            compare_groups(bad, frame, draws=9)


def test_errors_of_both_groups_name_none():
    frame = pd.DataFrame(mixed(), columns=NAMES)
    with pytest.raises(ValueError, match="^max_size=2 is not possible: give a whole number, from 3 to 6"):
        compare_groups(frame, frame, max_size=2)
    with pytest.raises(ValueError, match="^the columns of the groups differ"):
        compare_groups(frame, frame[["a", "b"]], containing="c")


def test_batches_are_no_larger_than_what_they_hold(monkeypatch):
    x, asked_for, real = np.random.default_rng(0).normal(size=(200, 12)), [], draws._batches

    def batches(asked, each):
        asked_for.append(each)
        return real(asked, each)

    for one in (room, contrasts):
        monkeypatch.setattr(one, "_batches", batches)
    significance(x, draws=3, max_size=None)
    assert asked_for == [sum(math.comb(11, size) for size in range(2, 12))]  # those that hold one variable
    asked_for.clear()
    compare_groups(x, x + 0.1, draws="3", containing=[0, 1])
    bootstrap_multiplets(x, [tuple(range(12))] * 30, draws=3)
    assert asked_for == [144, 30 * 144]


def test_one_row_is_refused_as_one_row():
    with pytest.raises(ValueError, match="a single sample was given: give two rows or more"):
        significance(mixed()[:1])


def test_a_table_is_read_off_one_frame(monkeypatch):
    found, frames = significance(mixed(), draws=99), []
    frame = type(found).frame
    expected = pd.concat([found.significant("synergy").head(2), found.significant("redundancy").head(2)[::-1]])
    monkeypatch.setattr(type(found), "frame", lambda self: frames.append(1) or frame(self))
    pd.testing.assert_frame_equal(found.table(rows=2), expected)
    assert frames == [1]


def test_draws_of_a_bystander_are_those_of_a_search_of_moved_columns():
    found = significance(x := mixed(), draws=5, max_size=4, pooled=False, bias_correction=False)
    asked = draws._question(x, bins=None, blocks=None, min_size=3, max_size=4, draws=5, ties="average",
                            bias_correction=False, block_length=None, seed=0, progress=False)
    scores, moved = _moved_scores(asked, _shuffle)
    spread = np.zeros((x.shape[1], len(found)))
    for i in range(x.shape[1]):
        omega = []
        for draw in range(5):
            some = scores.clone()
            some[i] = moved(draw)[i]
            omega.append(all_multiplets((some @ some.T).numpy(), min_size=3, max_size=4).omega)
        spread[i] = np.std(omega, axis=0)
    own = spread[found.weakest, np.arange(len(found))]
    np.testing.assert_allclose(found.null_spread, own, atol=1e-9)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("against", ["bystander", "independence", "zero"])
def test_the_least_that_draws_allow_is_told(pooled, against):
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:, 2] += 3 * (x[:, 0] + x[:, 1])
    found = significance(x, against=against, pooled=pooled, draws=25)
    number = 25 * (4 * (3 if against == "bystander" else 1) if pooled else 1)
    assert np.isclose(found.p_values().min(), 2 / (1 + number)) and "the least that so many draws allow" in repr(found)
    none = found.significant().empty
    assert ("with more some may be significant" in repr(found)) == none and (pooled or none)  # 2 / 26 is more than 0.05
    noise = significance(np.random.default_rng(1).normal(size=(300, 4)), against=against, pooled=pooled, draws=25)
    assert "least" not in repr(noise)


@pytest.mark.parametrize("names", [None, list("abcd"), [("a", 1), ("b", 2), 3, "d"], [3, 1, 2, 0]])
@pytest.mark.parametrize("make", [
    lambda x: significance(x, draws=5), lambda x: significance(x, against="independence", max_size=4, draws=5),
    lambda x: significance(x, against="zero", block_length=9, draws=5, pooled=False),
    lambda x: compare_groups(x[:30], x[30:], draws=5), lambda x: compare_groups(x[:30], x[30:], paired=True, draws=5),
    lambda x: significance_by(discrete_multiplets, x, moved=[x.columns[1]], draws=5)])
@pytest.mark.filterwarnings("ignore")
def test_what_is_saved_is_read_as_it_was(make, names, tmp_path):
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)))
    if names is not None:
        x.columns = pd.Index(names, tupleize_cols=False)
    found = make(x)
    found.save(tmp_path / "found.nc")
    again = load_judged(tmp_path / "found.nc")
    assert type(again) is type(found) and again == found and repr(again) == repr(found)
    pd.testing.assert_frame_equal(again.frame(), found.frame())
    assert found.to_xarray().attrs["draws"] == 5 and not list(tmp_path.glob(".*"))


def test_files_without_p_values_are_refused(tmp_path):
    found = significance(np.random.default_rng(0).normal(size=(60, 4)), draws=5)
    with pytest.raises(ValueError, match="found.csv ends as another kind of file: give a name with .nc"):
        found.save(tmp_path / "found.csv")
    found.found.save(tmp_path / "multiplets.nc")
    with pytest.raises(ValueError, match="multiplets.nc holds no p-values"):
        load_judged(tmp_path / "multiplets.nc")
    found.save(tmp_path / "found.nc")
    with pytest.raises(ValueError, match="found.nc holds no multiplets and no extremes"):
        load_multiplets(tmp_path / "found.nc")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_judged(tmp_path / "none.nc")
    with pytest.raises(ValueError, match="is a folder"):
        load_judged(tmp_path)
    (tmp_path / "found.nc").write_bytes((tmp_path / "found.nc").read_bytes()[:-300])
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(ValueError, match="is damaged"):
        load_judged(tmp_path / "found.nc")
    assert not list(tmp_path.glob("*.csv"))


def test_the_least_is_that_of_the_order_with_the_smallest_p():
    found = significance(np.random.default_rng(1).normal(size=(60, 5)), against="independence", max_size=5, draws=10)
    assert [(found.orders == order).sum() for order in (3, 4, 5)] == [10, 5, 1]
    p = np.full(len(found), 0.5)
    for order, smallest, told in ((5, 1 / 11, True), (3, 1 / 101, True), (3, 2 / 101, False)):
        p[:] = 0.5
        p[found.orders == 5] = 1 / 11  # the least of this order in every case
        p[np.flatnonzero(found.orders == order)[0]] = smallest
        changed = replace(found, p_synergy=p.copy(), p_redundancy=np.full(len(p), 0.9))
        assert ("the least that so many draws allow" in repr(changed)) == told, (order, smallest)


def test_a_contrast_is_drawn_over_its_orders():
    x = np.random.default_rng(0).normal(size=(80, 4))
    ax = plt.figure().subplots()
    draw_orders(ax, compare_groups(x[:40], x[40:], draws=9))
    assert ax.get_ylabel() == "difference of Ω (bits)"
    plt.close("all")


@pytest.mark.filterwarnings("ignore:names of type Timestamp")
def test_dates_as_names_are_saved_as_text_and_other_kinds_refused(tmp_path):
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=pd.date_range("2026-01-01", periods=4))
    found = significance_by(discrete_multiplets, x, moved=[x.columns[1]], draws=5)
    found.save(tmp_path / "wd0.1")  # a dot is no ending
    assert load_judged(tmp_path / "wd0.1").moved == ("2026-01-02 00:00:00",)
    for change, words in (({"judged": "json"}, "holds no p-values"), ({"judged": "Other"}, "holds no p-values")):
        save_dataset(found.to_xarray().assign_attrs(change), tmp_path / "other.nc")
        with pytest.raises(ValueError, match=words):
            load_judged(tmp_path / "other.nc")
    save_dataset(found.to_xarray().drop_vars("p_synergy"), tmp_path / "other.nc")
    with pytest.raises(ValueError, match="lacks p_synergy: make the result again"):
        load_judged(tmp_path / "other.nc")

    class Own(type(found)):
        pass

    with pytest.raises(ValueError, match="Own cannot be read again, and is not saved"):
        Own(**vars(found)).save(tmp_path / "own.nc")


@pytest.mark.parametrize(("sizes", "message"), [
    ({"max_size": 2}, "max_size=2 is not possible: give a whole number, from 3 to 6"),
    ({"max_size": 7}, "max_size=7 is not possible: give a whole number, from 3 to 6"),
    ({"max_size": 5, "among": [0, 1, 2, 3]}, "max_size=5 is not possible: give a whole number, from 3 to 4"),
    ({"min_size": 4}, "min_size=4, max_size=3 with 6 variables: give 3 <= min_size <= max_size <= 6"),
    ({"min_size": 7, "max_size": None}, "min_size=7, max_size=None with 6 variables")])
def test_sizes_that_cannot_be_are_refused_in_words_that_hold(sizes, message):
    for act in (significance, lambda x, **how: compare_groups(x, x, **how)):
        with pytest.raises(ValueError, match=message):
            act(mixed(), draws=9, **sizes)


def test_pairs_are_of_equal_labels():
    one = pd.DataFrame(mixed(60), columns=NAMES, index=[f"subject {i}" for i in range(60)])
    other = (one + mixed(60, 1)).sample(frac=1, random_state=1)
    labelled = [xr.DataArray(x, dims=("subject", "variable")) for x in (one, other)]
    numbered = [x.set_axis([int(label.split()[1]) for label in x.index]) for x in (one, other)]
    twice = [x.set_axis([str(label)[:-1] for label in x.index]) for x in (one, other)]
    for first, second in ((one, other), labelled, (one, labelled[1]), numbered, twice):
        with pytest.raises(ValueError, match="paired=True with the same labels of rows in another order: .*reindex_like"):
            compare_groups(first, second, paired=True, draws=5)
        assert len(compare_groups(first, second, draws=5)) == 20  # not paired: the order means nothing
    rows = other.reindex_like(one)
    aligned = compare_groups(one, rows, paired=True, draws=5)
    assert aligned == compare_groups(labelled[0], labelled[1].reindex_like(labelled[0]), paired=True, draws=5)
    for second in (rows.to_numpy(), rows.reset_index(drop=True), rows.add_prefix("after ", axis=0)):  # by position
        np.testing.assert_array_equal(compare_groups(one, second, paired=True, draws=5).null_mean, aligned.null_mean)


def test_a_dataset_has_one_axis_of_multiplets_and_plain_words():
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    data = significance(x, max_size=4, block_length=5, draws=5).to_xarray()
    assert data.observed.where(data["found.order"] == 3).dims == ("multiplet",)
    assert data.observed.sel(multiplet=data["found.order"] == 4).item() == data["found.omega"].values[-1]
    words = {"judged": "Significance", "against": "bystander", "kind": "shuffle", "draws": 5, "block_length": 5, "pooled": 1}
    assert {name: data.attrs[name] for name in words} == words
    assert set(data.attrs) == {*words, "found.kind", "found.n_members", "found.names"}
    contrast = compare_groups(x, x, paired=True, draws=5).to_xarray()
    assert {"multiplet", "row", "draw", "found.place", "other.place"} == set(contrast.dims)
    assert contrast.attrs["paired"] == 1 and "kind" not in contrast.attrs


@pytest.mark.parametrize("make", [
    lambda x: significance(x, max_size=4, block_length=5, draws=5), lambda x: compare_groups(x, x, paired=True, draws=5),
    lambda x: compare_groups(x, x, draws=5, pooled=False), lambda x: significance(x, against="zero", pooled=False, draws=5),
    lambda x: significance_by(discrete_multiplets, x, moved=["a", "c"], draws=5)])
def test_files_of_before_are_read(make, tmp_path):
    """Each table of multiplets had an axis of its own, and every attribute was JSON."""
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    found = make(x)
    parts, values, others = [], {}, {"judged": type(found).__name__}
    for name, value in vars(found).items():
        if hasattr(value, "to_xarray"):
            one = value.to_xarray()
            parts.append(one.rename({old: f"{name}.{old}" for old in {*one.variables, *one.dims}}))
            others |= {f"{name}.{key}": known for key, known in one.attrs.items()}
        elif isinstance(value, np.ndarray):
            values[name] = ("multiplet" if value.ndim == 1 else ("row", "draw")), value
        elif value is not None:
            others[name] = json.dumps(value)
    save_dataset(xr.merge([*parts, xr.Dataset(values)]).assign_attrs(others), tmp_path / "before.nc", compress=True)
    again = load_judged(tmp_path / "before.nc")
    assert type(again) is type(found) and again == found and repr(again) == repr(found)
