"""What a user found who had not written the package: each was a wrong number, a hang, or another library's words."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from grok_synergy.arrays import as_tensor, column_names, given_precision
from grok_synergy.binning import group_neurons
from grok_synergy.curves import min_max, smooth_log_steps
from grok_synergy.entropy import copula_correlation, usable_columns
from grok_synergy.layer import measure_features
from grok_synergy.matrices import correlation, independent_columns
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import total_correlation
from grok_synergy.patterns import on_off_information
from grok_synergy.search import search_multiplet
from grok_synergy.study.conditions import Paper
from grok_synergy.study.multiverse import Multiverse, as_way, run_multiverse
from grok_synergy.ties import tied_correlation
from grok_synergy.uncertainty import bootstrap_extremes

X = np.random.default_rng(0).normal(size=(200, 5))


def test_masks_survive_in_lists_of_arrays():
    masked = np.ma.masked_greater(X, 2)
    assert masked.mask.any()
    for given in (list(masked), [masked[:100], masked[100:]]):
        with pytest.raises(ValueError, match="NaN or infinite values in column"):
            correlation(given)


def test_precision_survives_in_lists():
    corr = np.array([[1, 1 - 3e-8], [1 - 3e-8, 1]], "f4")
    for given in (corr, list(corr), list(torch.tensor(corr)), [list(row) for row in corr], xr.DataArray(corr)):
        assert given_precision(given) == 2.0**-23
        with pytest.raises(ValueError, match="singular"):
            total_correlation(given)


def test_lists_of_tensors_are_taken_whatever_their_type_and_graph():
    for parts in ([torch.ones(3, requires_grad=True), torch.zeros(3)], [torch.ones(3).bfloat16(), np.zeros(3)]):
        assert as_tensor(parts).tolist() == [[1.0] * 3, [0.0] * 3]
    with pytest.raises(ValueError, match="rows of equal length"):
        as_tensor([torch.ones(3), torch.ones(2)])


def test_columns_are_named_by_their_whole_numbers():
    frame = pd.DataFrame(X, columns=[5, 0, 7, 1, 2])
    frame[7] = 1.0
    with pytest.raises(ValueError, match="column 7 "):
        copula_correlation(frame)
    assert column_names(frame) == (5, 0, 7, 1, 2) and column_names(pd.DataFrame(X)) is None
    pairs = pd.DataFrame(X, columns=pd.MultiIndex.from_product([["S"], range(5)]))
    pairs[("S", 1)] = pairs[("S", 0)] + pairs[("S", 2)]
    with pytest.warns(UserWarning, match=r"column \('S', 2\)"):
        measure_features(pairs, n_bins=5)


@pytest.mark.filterwarnings("ignore")
def test_readings_that_cannot_be_are_refused():
    for x, options in ((X, {"min_size": 8}), (X[:, :2], {"min_size": 3})):
        with pytest.raises(ValueError, match="bins cannot be made of . neurons"):
            measure_features(x, **options)
    with pytest.raises(ValueError, match="singular.*degenerate='drop'"):
        measure_features(np.c_[X, X[:, 0]])


@pytest.mark.filterwarnings("ignore")
def test_bins_whose_mean_is_rounding_are_no_variables():
    shares = np.random.default_rng(1).dirichlet(np.ones(3), 200)
    x, bins = np.c_[X, shares], [0, 1, 2, 3, 4, 5, 5, 5]
    with pytest.raises(ValueError, match="neurons 5, 6 and 7 of one bin is the same in every sample"):
        measure_features(x, bins=bins, unit="means")
    found = measure_features(x, bins=bins, unit="means", degenerate="drop")
    expected = measure_features(X, bins=[0, 1, 2, 3, 4], unit="means")
    assert found.dropped.tolist() == [False] * 5 + [True] * 3 and found.synergy == expected.synergy


@pytest.mark.parametrize("tolerance", [np.nan, 2, -1, None, "much"])
def test_impossible_tolerances_are_refused(tolerance):
    for function in (independent_columns, usable_columns):
        with pytest.raises(ValueError, match="tolerance=.*from 0 to below 1"):
            function(X[:5] if function is independent_columns else X, tolerance=tolerance)


@pytest.mark.parametrize("ties", [None, 5, ["average", None]])
def test_what_is_no_rule_is_refused(ties):
    with pytest.raises(ValueError, match="ties=.* is unknown: choose one of"):
        copula_correlation(X, ties)


def test_curves_of_any_height_are_scaled():
    curve = xr.DataArray([-1.7e308, 1.7e308, 0.0], {"step": [1, 2, 3]}, ("step",))
    assert min_max(curve).values.tolist() == [0, 1, 0.5]


@pytest.mark.parametrize("options", [{"width": 1e6}, {"per_decade": 1e7}, {"width": np.inf}])
def test_smoothing_that_would_not_end_is_refused(options):
    curve = xr.DataArray(np.ones(60), {"step": np.arange(1, 61)}, ("step",))
    with pytest.raises(ValueError, match="is not possible: give a number from"):
        smooth_log_steps(curve, **options)


def test_searches_larger_than_memory_are_refused():
    corr = np.corrcoef(X, rowvar=False)
    for call in (lambda: extremes(corr, top=10**9), lambda: search_multiplet(corr, 3, restarts=10**9)):
        with pytest.raises(ValueError, match="=1000000000 is not possible: give a whole number, from 1 to"):
            call()


def test_messages_name_what_can_be_done():
    with pytest.raises(ValueError, match=r"40 blocks have 2\*\*40 multiplets.*search_multiplet\(corr, 3\)"):
        all_multiplets(np.eye(80), max_size=3, blocks=np.arange(80) // 2)
    with pytest.raises(ValueError, match="400 variables have 1061406500 multiplets of 2 to 4, too many to hold"):
        all_multiplets(np.eye(400), max_size=4)
    with pytest.raises(ValueError, match=r"with 2\*\*100 patterns .*no more than 5 variables"):
        on_off_information(np.random.default_rng(0).integers(0, 2, (200, 100)))
    assert tied_correlation([0.1, 0.5]) == pytest.approx(tied_correlation(np.array([0.1, 0.5])))


def test_bins_that_k_means_makes_have_no_gaps_in_their_numbers():
    column = np.random.default_rng(2).normal(size=(4, 1))
    x = np.hstack([column] * 4 + [4 * column] * 2).astype("f2")
    for seed in range(20):
        with pytest.warns(UserWarning, match="k-means made . of 4 bins"):
            bins = group_neurons(x, 4, "kmeans", seed=seed)
        assert set(bins) == set(range(len(set(bins))))


def test_a_pair_that_is_0_by_definition_does_not_hide_what_lies_above_it():
    source = np.random.default_rng(3).normal(size=(400, 1))
    copies = source + 0.5 * np.random.default_rng(4).normal(size=(400, 6))
    found = measure_features(copies, n_bins=6)
    corr = copula_correlation(copies)
    every = all_multiplets(corr, n_samples=400)
    assert found.synergy == pytest.approx(0, abs=1e-9) and found.synergy_size == 2
    assert found.lowest_of_three == pytest.approx(every.omega[every.orders >= 3].min()) and found.lowest_of_three > 0.1
    assert f"the lowest Ω of three is {found.lowest_of_three:.3f} bits" in repr(found)
    planted = np.c_[X, X[:, :2].sum(1)] + 0.1 * np.random.default_rng(5).normal(size=(200, 6))
    assert "of a pair" not in repr(measure_features(planted, n_bins=6))


def test_members_that_add_nothing_leave_what_a_search_found():
    assert len(search_multiplet(np.eye(6), seed=1).members) == 3
    assert len(search_multiplet(np.eye(12), extreme="redundancy").members) == 3


def test_switches_that_are_words_and_one_resample_are_refused():
    for call in (lambda: extremes(np.eye(4), progress="no"),
                 lambda: run_multiverse(Multiverse(Paper()), store="nowhere", progress="no")):
        with pytest.raises(ValueError, match="progress='no'"):
            call()
    with pytest.raises(ValueError, match="draws=1"):
        bootstrap_extremes(X, draws=1)
    assert type(as_way(n_bins=10.0).n_bins) is int
