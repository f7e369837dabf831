"""p-values for multiplets by any measure: against the copula's own, with targets, and what is refused."""

import warnings
from dataclasses import replace
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest

from grok_synergy.entropy import copula_correlation
from grok_synergy.gradients import target_multiplets
from grok_synergy.multiplets import all_multiplets
from grok_synergy.nonparametric import discrete_multiplets
from grok_synergy.significance import significance
from grok_synergy.tested import significance_by

BINS = partial(discrete_multiplets, levels=2, min_size=3)


def copula(x):
    return all_multiplets(copula_correlation(x), min_size=3, max_size=3, n_samples=len(x))


def by_target(x, **choices):
    return target_multiplets(copula_correlation(x), "target", max_size=2, n_samples=len(x), **choices)


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
    with joblib.parallel_config(backend="threading"):
        one, two, other = (significance_by(BINS, table, draws=5, pooled=False, **how)
                           for how in ({}, {"n_jobs": 2}, {"seed": 1}))
    assert one == two and one != other and one.draws == 5


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
    (lambda x: BINS(x[:, :3]), {"against": "bystander"}, "one column for each of 3 members, and the table has 4"),
    (BINS, {"moved": [7]}, "7"), (BINS, {"draws": 2}, "draws=2 with pooled=True"), (BINS, {"draws": 0}, "draws=0"),
    (BINS, {"seed": -1}, "seed=-1"), (BINS, {"kind": "shift", "block_length": 3}, "block_length=3 with kind='shift'"),
    (BINS, {"pooled": 2}, "pooled=2"), (BINS, {"moved": []}, "moved=[] moves nothing"),
    (BINS, {"n_jobs": 0}, "n_jobs=0 is not possible"), (BINS, {"n_jobs": "x"}, "n_jobs='x'"),
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

    with pytest.raises(ValueError, match="measure gave 1 values in draw 0, 0 of them finite, and 1 of the data"):
        significance_by(breaks, given, draws=3)


def test_a_measure_may_change_its_table(table):
    def sorts(x):
        found = BINS(x)
        x[:] = 0
        return found

    for x in (table, table.to_numpy()):
        found = significance_by(sorts, x, draws=5)
        np.testing.assert_array_equal(found.p_synergy, significance_by(BINS, x, draws=5).p_synergy)


def test_multiplets_that_come_and_go_are_told():
    given = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(ValueError, match="measure gave 1 values in draw 0, 1 of them finite, and 4 of the data"):
        significance_by(lambda x: BINS(x if np.array_equal(x, given) else x[:, :3]), given, draws=3)
