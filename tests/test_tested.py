"""p-values for multiplets by any measure: against the copula's own, with targets, and what is refused."""

import warnings
from dataclasses import replace
from functools import partial
from threading import Barrier
from types import SimpleNamespace

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from grok_synergy.contrasts import bootstrap_multiplets, compare_groups
from grok_synergy.entropy import copula_correlation
from grok_synergy.gradients import target_multiplets
from grok_synergy.look import SYNERGY
from grok_synergy.multiplets import all_multiplets
from grok_synergy.nonparametric import discrete_multiplets, multiplets_by
from grok_synergy.pictures import (
    contrast_figure,
    draw_groups,
    draw_membership,
    draw_orders,
    draw_shifts,
    draw_strongest,
    multiplet_figure,
    strongest,
)
from grok_synergy.significance import significance
from grok_synergy.tested import significance_by

BINS = partial(discrete_multiplets, levels=2, min_size=3)


def copula(x, **choices):
    return all_multiplets(copula_correlation(x), min_size=3, max_size=3, n_samples=len(x), **choices)


def by_target(x, **choices):
    return target_multiplets(copula_correlation(x), "target", max_size=2, n_samples=len(x), **choices)


def by_target_of(x, most):
    return target_multiplets(copula_correlation(x), "target", max_size=most, n_samples=len(x))


@pytest.fixture(scope="module")
def table():
    "A sum of two columns, a copy of one with noise, and a column apart."
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 5)), columns=["a", "b", "sum", "copy", "apart"])
    return x.assign(sum=x["sum"] + x["a"] + x["b"], copy=x["copy"] + x["a"])


@pytest.mark.parametrize("against", ["independence", "bystander"])
@pytest.mark.parametrize("kind", ["shuffle", "shift"])
def test_of_a_copula_it_says_what_significance_says(table, against, kind):
    usual = significance(table, against=against, kind=kind, draws=100)
    found = significance_by(copula, table, against=against, kind=kind, draws=100)
    assert found.found.names == usual.found.names
    np.testing.assert_allclose(found.observed, usual.observed, atol=1e-9)
    assert abs(np.log(found.null_spread / usual.null_spread)).mean() < 0.4  # of heavy tails
    np.testing.assert_allclose(found.null_mean, usual.null_mean, atol=4 * usual.null_spread.max() / 100**0.5)
    p, other = found.p_values(), usual.p_values()
    assert (p[other < 0.03] < 0.1).all() and (other[p < 0.03] < 0.1).all() and (other < 0.03).sum() >= 3
    assert set(found.significant("synergy")["names"]) == set(usual.significant("synergy")["names"])


def test_processes_and_seeds(table):
    both = Barrier(2, timeout=30)

    def measure(x):
        if not x.equals(table):
            both.wait()  # until another draw is measured, too
        return BINS(x)

    one, other = (significance_by(BINS, table, draws=6, pooled=False, seed=seed) for seed in (0, 1))
    with joblib.parallel_config(backend="threading", n_jobs=2):
        two = significance_by(measure, table, draws=6, pooled=False)
    assert one == two and one != other and one.draws == 6


def test_a_table_without_names_has_positions(table):
    found = significance_by(BINS, table.to_numpy(), draws=10)
    assert found.found.names is None and "names" not in found.frame()
    np.testing.assert_array_equal(found.p_synergy, significance_by(BINS, table, draws=10).p_synergy)


def test_synergy_about_a_target_has_one_side_whatever_it_is_called(table):
    x = table.rename(columns={"sum": "target"})
    index, change = (significance_by(by_target, x, value=value, against="bystander", draws=30)
                     for value in ("index", "omega_change"))
    for found, sign in ((index, 1), (change, -1)):
        assert ("a", "b") in found.significant("synergy")["names"].tolist()
        row = found.frame().set_index("names").loc[[("a", "b")]].iloc[0]
        assert sign * row[found.value] > 0.05 > row.p_synergy and sign * row.z > 2 and abs(row.null_mean) < 0.05
    pair = index.frame().set_index("names").loc[[("a", "copy")]].iloc[0]
    assert pair["index"] < -0.05 and pair.p_redundancy < 0.05  # what both say counts twice


def test_a_target_alone_moves(table):
    x = table.rename(columns={"sum": "target"})
    seen = []

    def watched(given):
        seen.append(given)
        return by_target(given)

    significance_by(watched, x, value="index", moved=["target"], draws=4, pooled=False)
    assert len(seen) == 5 and all(one.drop(columns="target").equals(x.drop(columns="target")) for one in seen)
    assert not any(one.target.equals(x.target) for one in seen[1:])
    assert all(sorted(one.target) == sorted(x.target) for one in seen)


def test_blocks_stay_together():
    seen, order = [], np.arange(60.0)[:, None] + [0, 100, 200]
    significance_by(lambda x: seen.append(x) or BINS(x), order, block_length=20, draws=3, pooled=False)
    steps = [np.diff(one, axis=0) % 60 for one in seen[1:]]
    assert len(steps) == 3 and all((one != 1).sum(0).max() <= 3 for one in steps)  # rows follow one another inside blocks
    assert any((one != 1).any() for one in steps)


def test_slow_rows_are_warned_of_where_they_move_one_by_one():
    slow = np.random.default_rng(0).normal(size=(400, 3)).cumsum(0)
    with pytest.warns(UserWarning, match="neighbouring rows correlate") as warned:
        significance_by(BINS, slow, draws=3)
    assert len(warned) == 1 and warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        significance_by(BINS, slow, draws=3, kind="shift")
        significance_by(BINS, slow, draws=3, block_length=40)


@pytest.mark.parametrize(("measure", "settings", "words"), [
    (lambda x: x, {}, "measure returned ndarray with no multiplets: give a function from samples to multiplets"),
    ("bins", {}, "measure='bins' is not a function"),
    (lambda x: pd.Series([1.0]), {}, "measure returned Series with no multiplets"),
    (BINS, {"value": "index"}, "measure returned Multiplets with ['omega']"),
    (BINS, {"value": "tc"}, "value='tc' is unknown"),
    (lambda x: all_multiplets(np.stack([np.eye(3)] * 2)), {}, "multiplets of (2,) tables"),
    (BINS, {"against": "zero"}, "against='zero' is unknown"), (BINS, {"kind": "roll"}, "kind='roll' is unknown"),
    (BINS, {"moved": [0], "against": "bystander"}, "moves each member in its turn: give no moved="),
    (lambda x: BINS(x[:, :3]), {"against": "bystander"}, "measure has 3 members, and by name or position 4"),
    (BINS, {"moved": [7]}, "7"), (BINS, {"draws": 2}, "draws=2 with pooled=True"), (BINS, {"draws": 0}, "draws=0"),
    (BINS, {"seed": -1}, "seed=-1"), (BINS, {"kind": "shift", "block_length": 3}, "block_length=3 with kind='shift'"),
    (BINS, {"pooled": 2}, "pooled=2"), (BINS, {"moved": []}, "moved=[] moves nothing"),
    (lambda x: replace(BINS(x), names=tuple("abcd")), {"against": "bystander"}, "by name or position 0 columns of 4"),
    (BINS, {"progress": "bar"}, "progress='bar'"), (lambda x: replace(copula(x), tc=copula(x).tc * np.nan), {},
     "measure gave no finite value for 4 of 4 multiplets of the data, (0, 1, 2) the first"),
    (BINS, {"block_length": 0}, "block_length=0"), (BINS, {"block_length": 30}, "block_length=30"),
])
def test_what_is_refused(measure, settings, words):
    x = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(ValueError) as refused:
        significance_by(measure, x, **settings)
    assert words in str(refused.value)


@pytest.mark.parametrize(("x", "words"), [(np.zeros((9, 3)), "the same value in every sample of column 0"),
                                          (np.arange(9.0), "samples of shape \\(9,\\) were given"),
                                          (np.full((9, 3), np.nan), "column 0")])
def test_tables_that_are_refused(x, words):
    with pytest.raises(ValueError, match=words):
        significance_by(BINS, x)


def test_draws_without_a_value_are_told():
    given = np.random.default_rng(0).normal(size=(50, 3))

    def breaks(x):
        found = copula(x)
        return found if np.array_equal(x, given) else replace(found, tc=found.tc * np.nan)

    with pytest.raises(ValueError, match="no finite value for 1 of 1 multiplets of draw 0"):
        significance_by(breaks, given, draws=3)


def test_a_measure_may_change_its_table(table):
    def sorts(x):
        found = BINS(x)
        x[:] = 0
        return found

    for x in (table, table.to_numpy()):
        found = significance_by(sorts, x, draws=5)
        np.testing.assert_array_equal(found.p_synergy, significance_by(BINS, x, draws=5).p_synergy)


@pytest.mark.parametrize("other", [lambda x: copula(x[:, :3]), lambda x: copula(x, containing=[1]),
                                   lambda x: replace(copula(x, containing=[0]), names=tuple("abcde"))])
def test_multiplets_that_come_and_go_are_told(other):
    given = np.random.default_rng(0).normal(size=(50, 5))
    with pytest.raises(ValueError, match="measure gave other multiplets in draw 0"):
        significance_by(lambda x: copula(x, containing=[0]) if np.array_equal(x, given) else other(x), given, draws=3)


def watched(measure, x, **settings):
    "The tables that a measure was asked of: the data, and every draw."
    seen = []
    found = significance_by(lambda given: seen.append(given.copy()) or measure(given), x, **settings)
    return found, seen


@pytest.mark.parametrize("labels", [list(range(5)), [3, 1, 4, 0, 2], list("cabed")])
def test_a_target_stays_where_members_move_whatever_columns_are_called(table, labels):
    x = table.set_axis(labels, axis=1)
    target = labels[2]
    found, seen = watched(lambda given: target_multiplets(copula_correlation(given), target, max_size=2), x,
                          value="index", against="bystander", draws=3)
    assert all(isinstance(given, pd.DataFrame) and list(given.columns) == labels for given in seen)
    assert np.array_equal(seen[0], x) and len(seen) == 1 + 4 * 3 and len(found) == 6
    moved = [tuple(label for label in labels if not np.array_equal(given[label], x[label])) for given in seen[1:]]
    assert moved == [(label,) for label in labels if label != target for _ in range(3)]


def test_members_are_found_by_name_in_any_order(table):
    found, seen = watched(lambda x: copula(x[["apart", "sum", "b", "a"]]), table, against="bystander", draws=30)
    moved = [tuple(name for name in table if not given[name].equals(table[name])) for given in seen[1:]]
    assert moved == [(name,) for name in ("apart", "sum", "b", "a") for _ in range(30)]
    assert found.significant("synergy")["names"].tolist() == [("sum", "b", "a")]
    assert all(weakest in names for weakest, names in zip(found.frame().weakest, found.frame().names, strict=True))


def test_a_column_in_no_multiplet_is_not_moved(table):
    found, seen = watched(partial(copula, containing=["a"], among=["b", "sum"]), table, against="bystander", draws=4)
    assert len(found) == 1 and len(seen) == 1 + 3 * 4 and found.frame().weakest[0] in ("a", "b", "sum")


def test_no_member_is_left_where_it_was():
    x = np.random.default_rng(0).normal(size=(8, 3))
    _, seen = watched(copula, x, against="bystander", kind="shift", draws=40)
    by_member = [seen[1 + 40 * i:41 + 40 * i] for i in range(3)]
    offsets = [[int(np.flatnonzero(given[:, i] == x[0, i])[0]) for given in by_member[i]] for i in range(3)]
    assert len(seen) == 121 and all(set(some) == set(range(1, 8)) for some in offsets)
    assert offsets[0] != offsets[1] != offsets[2]  # each member has draws of its own


def test_the_null_has_the_sign_of_the_measure(table):
    def as_index(x):
        found = all_multiplets(copula_correlation(x), min_size=3, max_size=3)  # not corrected: TC lies above 0
        return SimpleNamespace(free=found, index=found.tc)

    found = significance_by(as_index, table[:30], value="index", draws=60)
    own = found.frame()
    assert own.null_mean.min() > 0.03 and own["index"].min() > 0
    np.testing.assert_allclose(own.null_mean, -found.null_mean)
    np.testing.assert_allclose(own.z, (own["index"] - own.null_mean) / own.null_spread)


def test_it_says_what_was_asked(table):
    x = table.rename(columns={"sum": "target"})
    one = significance_by(by_target, x, value="index", moved="target", draws=5, block_length=20, pooled=False)
    assert "redundant beyond independence of target, by index, at q" in repr(one)
    assert (one.moved, one.block_length, one.pooled, one.value) == (("target",), 20, False, "index")
    other = significance_by(BINS, table.to_numpy(), moved=[1, 2], draws=5)
    assert other.moved == (1, 2) and other.pooled and "beyond independence of 1, 2, at q" in repr(other)
    assert significance_by(BINS, table, draws=5).moved is None


def test_only_columns_that_move_are_asked_for_their_order(table):
    x = table.assign(slow=np.random.default_rng(0).normal(size=200).cumsum(), slower=np.arange(200.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        significance_by(BINS, x, moved=["a", "b"], draws=3)
    with pytest.warns(UserWarning, match="neighbouring rows correlate"):
        significance_by(BINS, x, moved=["slow", "slower"], draws=3)


def test_what_a_measure_does_not_look_at_is_told(table):
    with pytest.warns(UserWarning, match="no draw changed any value: measure does not look at apart") as warned:
        found = significance_by(lambda x: BINS(x[["a", "b", "sum"]]), table, moved="apart", draws=5)
    assert warned[0].filename == __file__ and found.p_values().min() == 1


def test_a_bar_counts_draws(table, capsys):
    significance_by(BINS, table, draws=5, against="bystander", progress=True)
    assert "25/25" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "label", "side"), [("index", "redundancy–synergy index (bits)", 1),
                                                      ("omega_change", "change of Ω with the target (bits)", -1)])
def test_pictures_show_the_value_as_the_measure_has_it(table, value, label, side):
    x = table.rename(columns={"sum": "target"})
    found = significance_by(by_target, x, value=value, against="bystander", draws=60)
    assert ("a", "b") in found.significant("synergy")["names"].tolist()
    row = found.frame()["names"].tolist().index(("a", "b"))
    strong = multiplet_figure(found).axes[1]
    assert strong.get_xlabel() == label
    dots = [line.get_xdata()[0] for line in strong.lines if line.get_marker() == "o" and line.get_color() == SYNERGY]
    np.testing.assert_allclose(side * max(side * np.array(dots)), found.frame()[value][row])
    ax = plt.figure().subplots()
    draw_orders(ax, found)
    synergistic = ax.collections[-2].get_offsets()[:, 1]
    assert ax.get_ylabel() == label and (side * synergistic > 0).all()
    [pairs] = ax.collections[:-3]  # the band of the only order
    low, high = pairs.get_datalim(ax.transData).get_points()[:, 1]
    middle = np.median(found.frame().null_mean)
    assert high - low > 0.005 and abs((low + high) / 2 - middle) < 1e-9
    bars = [line.get_xdata() for line in strong.lines if line.get_color() == "0.7"]
    shown = found.frame().null_mean.iloc[strongest(found)]
    np.testing.assert_allclose(np.mean(bars, 1), shown, atol=1e-12)
    plt.close("all")


def test_an_order_whose_nulls_lie_apart_has_no_band(table):
    x = table.rename(columns={"sum": "target"})
    found = significance_by(partial(by_target_of, most=3), x, value="index", against="bystander", draws=40)
    ax = plt.figure().subplots()
    draw_orders(ax, found)
    pairs, triplets = (np.ptp(band.get_datalim(ax.transData).get_points()[:, 1]) for band in ax.collections[:2])
    assert pairs > 0.005 and triplets == 0
    plt.close("all")


def test_multiplets_that_no_draw_changes_count_for_nothing():
    x = np.random.default_rng(0).normal(size=(60, 6))
    both, own = (significance_by(measure, x, moved=[0], draws=40) for measure in (copula, partial(copula, containing=[0])))
    held = [row for row in range(len(both)) if 0 in both.found.members(row)]
    assert 0 < len(held) == len(own) < len(both)
    np.testing.assert_allclose(both.p_synergy[held], own.p_synergy, atol=1e-12)
    np.testing.assert_allclose(both.p_redundancy[held], own.p_redundancy, atol=1e-12)
    np.testing.assert_allclose(both.lowest, own.lowest)
    fixed = np.delete(np.arange(len(both)), held)
    assert (both.p_values()[fixed] == 1).all() and (both.family_wise()[fixed] == 1).all()


def test_columns_of_one_name_are_moved_by_their_place():
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("aabc"))
    found, seen = watched(lambda given: replace(copula(given.to_numpy()), names=tuple("aabc")), x, against="bystander",
                          draws=3)
    moved = [np.flatnonzero((given.to_numpy() != x.to_numpy()).any(0)).tolist() for given in seen[1:]]
    assert len(found) == 4 and moved == [[i] for i in range(4) for _ in range(3)]


def test_a_measure_without_any_multiplet_is_told():
    x = np.random.default_rng(0).normal(size=(60, 4))

    def none(given):
        found = copula(given)
        return replace(found, **{name: getattr(found, name)[:0] for name in ("sets", "sizes", "tc", "dtc", "parts")})

    with pytest.raises(ValueError, match="measure returned no multiplet"):
        significance_by(none, x, draws=5)


def test_intervals_of_other_columns_are_not_drawn(table):
    x = table.rename(columns={"sum": "target"})
    about = significance_by(by_target, x, value="index", against="bystander", draws=60)
    places = strongest(about)
    intervals = bootstrap_multiplets(x, [(0, 1, 2)] * len(places), draws=5)
    with pytest.raises(ValueError, match="intervals are of Ω .* and what was found is redundancy–synergy index"):
        multiplet_figure(about, intervals=intervals)
    found = significance(table, draws=60)
    others = bootstrap_multiplets(table.set_axis(list("vwxyz"), axis=1), [found.found.members(i) for i in strongest(found)],
                                  draws=5)
    with pytest.raises(ValueError, match="intervals are of Ω of columns"):
        multiplet_figure(found, intervals=others)


@pytest.mark.filterwarnings("ignore:no draw changed any value")
def test_a_measure_may_hand_on_the_names_of_its_columns(table):
    found = significance_by(lambda x: multiplets_by(lambda groups: np.ones(len(groups)) + groups.sum(1), 5,
                                                    names=x.columns), table, draws=3, against="bystander")
    assert found.found.names == tuple(table.columns)


def test_all_orders_are_tested(table):
    every, five = (significance_by(partial(BINS, max_size=size), table, draws=3) for size in (None, 5))
    assert every == five and every.orders.max() == 5


@pytest.mark.parametrize("level", [5, 0, "all", None, np.nan])
def test_a_level_is_a_share_in_every_picture(table, level):
    found, contrast = significance(table, draws=20), compare_groups(table[:100], table[100:], draws=20)
    ax = plt.figure().subplots()
    for act in (lambda: strongest(found, level=level), lambda: multiplet_figure(found, level=level),
                lambda: contrast_figure(contrast, level=level), lambda: draw_orders(ax, found, level),
                lambda: draw_groups(ax, contrast, level)):
        with pytest.raises(ValueError, match=f"level={level!r} is not possible: give a number between 0 and 1"):
            act()
    assert not ax.collections
    plt.close("all")


def test_each_picture_is_of_its_own_kind(table):
    found, contrast = significance(table, draws=20), compare_groups(table[:100], table[100:], draws=20)
    plain = all_multiplets(copula_correlation(table))
    ax = plt.figure().subplots()
    for act, given, message in (
            (multiplet_figure, contrast, "Contrast was given, whose values are differences: draw it with contrast_figure"),
            (contrast_figure, found, "Significance was given, which is of one group: give what compare_groups returns"),
            (partial(draw_groups, ax), found, "Significance was given, which is of one group"),
            (partial(draw_shifts, ax, places=[0]), found, "Significance was given, which is of one group"),
            (multiplet_figure, plain, "Multiplets was given, which has no p-values: give what significance"),
            (contrast_figure, plain, "Multiplets was given, which has no p-values"),
            (strongest, plain, "Multiplets was given, which has no p-values"),
            (partial(draw_orders, ax), plain, "Multiplets was given, which has no p-values"),
            (partial(draw_membership, ax, places=[0]), table, "DataFrame was given, which has no p-values"),
            (partial(draw_strongest, ax, places=[0]), plain, "Multiplets was given, which has no p-values")):
        with pytest.raises(ValueError, match=message):
            act(given)
    assert not ax.collections and not ax.lines
    plt.close("all")


def test_differences_over_their_orders_are_called_differences(table):
    ax = plt.figure().subplots()
    draw_orders(ax, compare_groups(table[:100], table[100:], draws=20))
    words = [text.get_text().split(" ", 1)[1] for text in ax.get_legend().get_texts()]
    assert words == ["others", "lower in the first", "higher in the first", "95 %"]
    plt.close("all")


def test_two_groups_have_two_labels(table):
    contrast = compare_groups(table[:100], table[100:], draws=20)
    for labels in (("one",), "ab", ("a", "b", "c"), 5):
        with pytest.raises(ValueError, match="labels=.* give two, one for each group"):
            contrast_figure(contrast, labels=labels)
    plt.close("all")
