"""Null distributions and bootstrap intervals of extremes: calibrated, repeatable, and equal to the plain way."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import binom

from grok_synergy import draws, uncertainty
from grok_synergy.arrays import as_tensor
from grok_synergy.entropy import copula_correlation
from grok_synergy.multiplets import all_multiplets
from grok_synergy.oinfo import o_information
from grok_synergy.uncertainty import bootstrap_extremes, null_extremes
from grok_synergy.unions import union_multiplets

pytestmark = pytest.mark.filterwarnings("ignore:the resampled")  # some tests draw too few, or under odd tie rules
BINS = np.array([0, 1, 1, 2, 3, 3, 0, 4])


def planted(samples=400, seed=0):
    "Variable 3 is the noisy sum of 0 to 2, variables 4 to 6 copy one source, variable 7 is alone."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 8))
    x[:, 3] += x[:, :3].sum(1)
    x[:, 4:7] += rng.normal(size=(samples, 1))
    return x


def noise(samples=200, variables=5, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, variables))


# Null distributions

@pytest.mark.parametrize("kind", ["shuffle", "shift"])
@pytest.mark.parametrize("make", [lambda x: x, lambda x: np.maximum(x, 0)], ids=["continuous", "rectified"])
def test_p_values_of_independent_columns_are_uniform(kind, make):
    p = np.array([null_extremes(make(noise(seed=seed)), kind=kind, draws=19, seed=seed).p_values for seed in range(200)])
    for level in (0.05, 0.25, 0.5, 0.75):
        low, high = binom.interval(0.9995, len(p), level)
        assert ((low <= (p <= level).sum(0)) & ((p <= level).sum(0) <= high)).all(), level


@pytest.mark.parametrize("options", [{}, {"bins": BINS}, {"blocks": np.array([0, 1, 2, 3, 4, 5, 6, 7])},
                                     {"ties": "ordinal"}, {"ties": "random"}, {"bias_correction": False}, {"min_size": 3}])
@pytest.mark.parametrize("kind", ["shuffle", "shift"])
def test_planted_extremes_are_significant(kind, options):
    found = null_extremes(planted(), kind=kind, draws=99, **options)
    np.testing.assert_allclose(found.p_values, 0.01)
    assert (found.excess > 0.05).all() and found.draws.shape == (2, 99)


def slow(samples=600, variables=5, seed=0, memory=0.95):
    return lfilter([1], [1, -memory], noise(samples + 200, variables, seed), axis=0)[200:]


@pytest.mark.filterwarnings("ignore:neighbouring rows")
def test_slow_series_are_significant_to_a_shuffle_of_single_rows_only():
    hows = {"shuffle": {}, "shift": {"kind": "shift"}, "blocks": {"block_length": 60}}
    p = {name: np.array([null_extremes(slow(seed=seed), draws=39, seed=seed, **how).p_values for seed in range(40)])
         for name, how in hows.items()}
    significant = {name: (values <= 0.05).sum(0) for name, values in p.items()}
    assert (significant["shuffle"] > 30).all()
    assert (significant["shift"] <= binom.ppf(0.9995, 40, 0.05)).all()
    assert (significant["blocks"] <= binom.ppf(0.9995, 40, 0.1)).all()


def test_blocks_of_rows_stay_together_and_every_value_is_kept():
    columns = np.arange(63.0).reshape(3, 21)
    for draw in range(20):
        moved = uncertainty._shuffle_blocks(columns, np.random.default_rng(draw), 5)
        assert (np.sort(moved, 1) == columns).all()
        steps = np.diff(moved, axis=1)
        assert (((steps == 1) | (steps == -20)).sum(1) >= 16).all()  # 5 blocks, one of them short, have 4 seams
    single, own = uncertainty._shuffle_blocks(columns, np.random.default_rng(0), 1), np.random.default_rng([0, 1])
    assert (np.sort(single, 1) == columns).all() and (single != columns).any(1).all()
    for length in (1, 4, 7, 10):
        rows = uncertainty._rows_drawn(20, own, length)
        assert rows.shape == (20,) and ((np.diff(rows) % 20 == 1).sum() >= 20 - -(-20 // length))
    np.testing.assert_array_equal(uncertainty._rows_drawn(20, np.random.default_rng(3), None),
                                  np.random.default_rng(3).integers(20, size=20))


@pytest.mark.parametrize("ties", ["average", "ordinal"])
def test_draws_of_blocks_are_searches_of_the_rows_drawn(ties):
    x = slow(300)
    found = bootstrap_extremes(x, draws=3, seed=2, ties=ties, block_length=20)
    for draw in range(3):
        rows = uncertainty._rows_drawn(300, np.random.default_rng([2, draw]), 20)
        omega = all_multiplets(copula_correlation(x[rows], ties, draw), n_samples=300).omega
        np.testing.assert_allclose(found.anew[:, draw], [omega.min(), omega.max()], atol=1e-11)
    assert "3 draws of blocks of 20 rows" in repr(found)
    assert "(shuffle of blocks of 20 rows)" in repr(null_extremes(x, draws=3, block_length="20"))


@pytest.mark.filterwarnings("ignore:neighbouring rows")
def test_interval_of_slow_rows_needs_blocks():
    root, truth = np.linalg.cholesky(equicorrelated(4, 0.5)).T, o_information(equicorrelated(4, 0.5))
    held = {None: 0, 50: 0}
    for seed in range(40):
        x = lfilter([1], [1, -0.9], noise(700, 4, seed) @ root, axis=0)[200:]
        for length in held:
            low, high = bootstrap_extremes(x, draws=60, seed=seed, min_size=4, block_length=length).same_interval[1]
            held[length] += low <= truth <= high
    assert held[None] < 30 and held[50] >= 33


# Warnings

def told(search, x, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search(x, draws=5, **options)
    assert all(one.filename == __file__ for one in caught)
    return [str(one.message) for one in caught if "the resampled" not in str(one.message)]


@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_rows_that_remember_are_told_of(search):
    assert [one[:28] for one in told(search, slow())] == ["neighbouring rows correlate "]
    assert not told(search, slow(), block_length=50)
    assert not told(search, np.random.default_rng(0).permutation(slow()))
    assert search is bootstrap_extremes or not told(search, slow(), kind="shift")
    for ties in ("ordinal", "random"):  # zeros in consecutive ranks are no memory
        assert not told(search, np.maximum(noise(800, 5) - 1, 0), ties=ties)


@pytest.mark.parametrize("make", [lambda rng: rng.normal(size=(200, 4)), lambda rng: rng.standard_cauchy(size=(60, 3)),
                                  lambda rng: rng.normal(size=(300, 8)) + 2 * rng.normal(size=(300, 1)),
                                  lambda rng: np.maximum(rng.normal(size=(300, 6)) - 1, 0),
                                  lambda rng: rng.random((100, 5)) < 0.5])
def test_independent_rows_are_hardly_ever_called_neighbours(make):
    deviations = [draws._neighbours(as_tensor(make(np.random.default_rng(seed))))[1] for seed in range(300)]
    assert np.mean(np.abs(deviations) > 4) < 0.01 and 0.7 < np.std(deviations) < 1.2


@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_samples_that_say_less_than_they_seem_are_told_of(search):
    x = noise(300, 6)
    low_rank = told(search, x - x.mean(1, keepdims=True), min_size=2, max_size=3)
    assert len(low_rank) == 1 and "rank 5" in low_rank[0]
    few = told(search, noise(60, 36), bins=np.arange(36) // 6)
    assert len(few) == 1 and "60 samples of up to 36 variables" in few[0]
    copies = (x[:, :1] > 0) ^ (np.random.default_rng(1).random((300, 2)) < 0.003)
    both = told(search, pd.DataFrame(np.column_stack([x, copies])).rename(columns=str))
    assert len(both) == 1 and "on/off columns '6' and '7' nearly agree" in both[0]
    assert not told(search, x) and not told(search, np.maximum(x, 0))


def test_values_below_rounding_have_no_sign():
    null = null_extremes(np.random.default_rng(1).normal(size=(5000, 3)), draws=19, min_size=3)
    assert "-0.000" not in repr(null)
    boot = bootstrap_extremes(np.random.default_rng(1).normal(size=(5000, 2)), draws=19)
    assert "-0.000" not in repr(boot)


# Names and kinds of numbers

@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_columns_of_a_frame_keep_their_names(search):
    names = ["acid", "sugar", "salt", "alcohol", "ph", "ash", "hue", "iron"]
    x = pd.DataFrame(planted(), columns=names)
    for groups in ({}, {"bins": BINS}, {"blocks": [names[b] for b in BINS]}):
        found, plain = (search(given, draws=5, **groups) for given in (x, x.to_numpy()))
        assert found.members == plain.members and plain.names is None and "names" not in plain.table()
        units = [np.arange(8)] * 8 if not groups else None
        for members, columns in zip(found.members, found.names, strict=True):
            own = members if units else np.flatnonzero(np.isin(np.unique(list(groups.values())[0], return_inverse=True)[1],
                                                               members))
            assert columns == tuple(names[i] for i in own)
        assert found.table().names.tolist() == list(found.names)
    with pytest.raises(ValueError, match="same value in every sample of column 'ph'"):
        search(x.assign(ph=1.0))
    with pytest.raises(ValueError, match="NaN or infinite values in column 'salt'"):
        search(x.assign(salt=x.salt.mask(x.salt > 2)))
    with pytest.raises(ValueError, match="in column 0, 1, 2"):
        search(np.ma.masked_greater(x.to_numpy(), 1.5))
    with pytest.raises(ValueError, match="singular: column 'copy' follows"):
        search(x.assign(copy=x.acid), draws=5)


@pytest.mark.parametrize("make", [
    lambda x: x.astype(np.float32), lambda x: x.astype(">f8"), lambda x: x.astype(np.int16), lambda x: 2**40 + x.astype(int),
    lambda x: (x + 1000).astype(np.uint32), lambda x: x.astype(object), lambda x: pd.DataFrame(x).astype("Int64"),
    lambda x: torch.tensor(x, requires_grad=True), lambda x: np.asfortranarray(x), lambda x: x * 1e160,
    lambda x: x * 1e-160])
@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_any_kind_of_numbers_has_the_answer_of_its_floats(search, make):
    x = np.round(20 * planted())
    assert search(make(x), draws=5).table().equals(search(x, draws=5).table())


@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_small_groups_of_many_variables_can_be_asked_for(search):
    x = noise(12, 15)
    assert told(search, x, max_size=2) == []


@pytest.mark.parametrize("kind", ["shuffle", "shift"])
@pytest.mark.parametrize("groups", [{}, {"bins": BINS}, {"blocks": BINS}], ids=["variables", "bins", "blocks"])
def test_scores_moved_are_columns_moved_and_ranked(kind, groups):
    x = np.maximum(planted(), 0)
    fast = null_extremes(x, kind=kind, draws=6, seed=3, **groups)
    for draw in range(6):
        moved = uncertainty._KINDS[kind](np.ascontiguousarray(x.T), np.random.default_rng([3, draw])).T
        assert (np.sort(moved, 0) == np.sort(x, 0)).all() and (moved != x).any(0).all()
        search = union_multiplets if "bins" in groups else all_multiplets
        omega = search(copula_correlation(moved), **groups, n_samples=400).omega
        np.testing.assert_allclose(fast.draws[:, draw], [omega.min(), omega.max()], atol=1e-11)


def test_shift_keeps_the_order_within_columns():
    columns = np.arange(60.0).reshape(3, 20)
    moved = uncertainty._shift(columns, np.random.default_rng(0))
    assert (np.sort(moved, 1) == columns).all()
    assert (np.diff(moved, axis=1) == 1).sum(1).tolist() == [18, 18, 18]


def test_ordinal_ranks_give_the_null_their_own_artefact():
    x = np.maximum(noise(1000, 6) - 1, 0)
    ordinal, average = (null_extremes(x, ties=ties, draws=99) for ties in ("ordinal", "average"))
    assert ordinal.draws[1].min() > 0.3 > 0.01 > average.draws[1].max()
    assert ordinal.p_values[1] > 0.01


@pytest.mark.parametrize("ties", ["average", "ordinal", "numpy", "random"])
def test_observed_extremes_are_those_of_the_search(ties):
    x = np.maximum(planted(), 0)
    every = all_multiplets(copula_correlation(x, ties), min_size=3, max_size=5, n_samples=400)
    search = dict(ties=ties, min_size=3, max_size=5, draws=3)
    for found in (null_extremes(x, **search), bootstrap_extremes(x, **search)):
        assert found.observed.tolist() == [every.omega.min(), every.omega.max()]
        assert found.members == (every.members(every.most_synergistic()), every.members(every.most_redundant()))


def test_rounding_decides_no_p_value():
    for groups in ({}, {"bins": np.arange(3)}):
        found = null_extremes(noise(100, 3), draws=50, max_size=2, **groups)  # pairs have no Ω
        assert found.p_values.tolist() == [1, 1]


# Bootstrap

@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 10**6), samples=st.integers(30, 90), digits=st.sampled_from([None, 0, 1]), zeros=st.booleans())
def test_resample_is_that_of_the_repeated_rows(seed, samples, digits, zeros):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 4)) @ rng.normal(size=(4, 4))
    x = x if digits is None else x.round(digits)
    x = np.maximum(x, 0) if zeros else x
    rows = rng.integers(samples, size=samples)
    if (np.ptp(x, 0) == 0).any() or (np.ptp(x[rows], 0) == 0).any():
        return
    found = uncertainty._resampled(uncertainty._sort_once(torch.as_tensor(x)),
                                   torch.as_tensor(np.bincount(rows, minlength=samples)))
    np.testing.assert_allclose(found, copula_correlation(x[rows]), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32, torch.bfloat16])
def test_any_numbers_can_be_resampled(dtype):
    x = torch.as_tensor(10 * planted()).to(dtype)
    x[::3, 0] = -0.0  # equal to 0.0
    x[1::3, 0] = 0
    rows = torch.as_tensor(np.random.default_rng(0).integers(400, size=400))
    found = uncertainty._resampled(uncertainty._sort_once(x), torch.bincount(rows, minlength=400))
    torch.testing.assert_close(found, copula_correlation(x[rows]), atol=1e-12, rtol=0)


@pytest.mark.parametrize("groups", [{}, {"bins": BINS}, {"blocks": BINS}], ids=["variables", "bins", "blocks"])
@pytest.mark.parametrize("bias_correction", [True, False])
def test_draws_are_searches_of_resampled_rows(groups, bias_correction):
    x, n_samples = np.maximum(planted(), 0), 400 if bias_correction else None
    found = bootstrap_extremes(x, draws=5, seed=2, bias_correction=bias_correction, **groups)
    search = union_multiplets if "bins" in groups else all_multiplets
    every = search(copula_correlation(x), **groups, n_samples=n_samples)
    for draw in range(5):
        rows = np.random.default_rng([2, draw]).integers(400, size=400)
        omega = search(copula_correlation(x[rows]), **groups, n_samples=n_samples).omega
        np.testing.assert_allclose(found.anew[:, draw], [omega.min(), omega.max()], atol=1e-11)
        same = omega[[every.most_synergistic(), every.most_redundant()]]
        np.testing.assert_allclose(found.same[:, draw], same, atol=1e-11)
    np.testing.assert_array_equal(found.again, (found.same == found.anew).mean(1))


@pytest.mark.parametrize("ties", ["ordinal", "numpy", "random"])
def test_other_tie_rules_rank_the_repeated_rows(ties):
    x = np.maximum(planted(), 0)
    found = bootstrap_extremes(x, draws=2, seed=2, ties=ties)
    rows = np.random.default_rng([2, 1]).integers(400, size=400)
    omega = all_multiplets(copula_correlation(x[rows], ties, 1), n_samples=400).omega
    np.testing.assert_allclose(found.anew[:, 1], [omega.min(), omega.max()], atol=1e-11)


def equicorrelated(n, r):
    return (1 - r) * np.eye(n) + r


@pytest.mark.parametrize("samples, n", [(200, 4), (400, 10)])
def test_interval_holds_the_truth(samples, n):
    "The whole set is the most redundant multiplet of equicorrelated variables, far beyond the others."
    root, truth = np.linalg.cholesky(equicorrelated(n, 0.5)), o_information(equicorrelated(n, 0.5))
    held = 0
    for seed in range(80):
        x = np.random.default_rng(seed).normal(size=(samples, n)) @ root.T
        found = bootstrap_extremes(x, draws=100, level=0.9, seed=seed, min_size=n - 1)
        low, high = found.same_interval[1]
        held += low <= truth <= high
    low, high = binom.interval(0.9995, 80, 0.9)
    assert low - 4 <= held <= high


def test_interval_surrounds_the_observed_value_and_grows_with_the_level():
    x = planted()
    wide, narrow = (bootstrap_extremes(x, draws=200, level=level) for level in (0.99, 0.5))
    np.testing.assert_array_equal(wide.same, narrow.same)
    for inner, outer in ((narrow.same_interval, wide.same_interval), (narrow.anew_interval, wide.anew_interval)):
        assert (outer[:, 0] < inner[:, 0]).all() and (inner[:, 0] < wide.observed).all()
        assert (wide.observed < inner[:, 1]).all() and (inner[:, 1] < outer[:, 1]).all()


@pytest.mark.parametrize("bias_correction", [True, False])
def test_displacement_is_what_the_closed_form_leaves(bias_correction):
    x = planted(60)
    with warnings.catch_warnings(action="ignore"):
        found = bootstrap_extremes(x, draws=50, bias_correction=bias_correction)
    corr = copula_correlation(x)
    for i, members in enumerate(map(list, found.members)):
        plain, corrected = (o_information(corr[np.ix_(members, members)], n) for n in (None, 60))
        resampled = found.same[i].mean() - (0 if bias_correction else plain - corrected)
        assert abs(plain - corrected) > 1e-4
        assert found.displacement[i] == pytest.approx(resampled - plain, abs=1e-10)


def test_draws_that_cannot_be_trusted_are_told():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="resampled max Ω lie .* do not trust the interval"):
        x = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 100)) / 4 + rng.normal(size=(300, 100))
        found = bootstrap_extremes(x, bins=np.arange(100) % 4, draws=50)
    assert found.displaced.tolist() == [False, True]
    assert (found.same[1] < found.observed[1]).all()  # the draws lie elsewhere, the interval does not
    assert found.same_interval[1, 0] < found.observed[1] < found.same_interval[1, 1]
    for bias_correction in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bootstrap_extremes(planted(), draws=200, bias_correction=bias_correction)
            bootstrap_extremes(planted(), draws=2, bias_correction=bias_correction)


# Both

@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
@pytest.mark.parametrize("options", [{}, {"bins": BINS}, {"ties": "ordinal"}, {"ties": "random"}])
def test_draws_depend_on_the_seed_alone(search, options, monkeypatch):
    x = np.maximum(planted(), 0)

    def values(draws=40, seed=0):
        found = search(x, draws=draws, seed=seed, **options)
        return found.draws if search is null_extremes else np.concatenate([found.same, found.anew])

    first = values()
    np.testing.assert_array_equal(first, values())
    np.testing.assert_array_equal(first[:, :7], values(7))
    assert (first != values(seed=1)).any(1).all() and len(set(first[0])) > 30
    for batch in (0, 14):
        monkeypatch.setattr(draws, "SUBTREE", {"cpu": batch})
        np.testing.assert_array_equal(first, values())


def test_arrays_and_tensors_give_the_same():
    x = planted().astype(np.float32)
    for search, ties in itertools.product([null_extremes, bootstrap_extremes], ["average", "ordinal"]):
        one, two = (search(data, draws=50, ties=ties) for data in (x, torch.tensor(x).requires_grad_()))
        assert one.table().equals(two.table()) and isinstance(two.observed, np.ndarray)


def test_results_show_themselves(capsys):
    null, boot = null_extremes(planted(), draws=20, progress=True), bootstrap_extremes(planted(), draws=20)
    assert "20/20" in capsys.readouterr().out
    assert "against 20 draws (shuffle)" in repr(null) and "95% intervals from 20 draws" in repr(boot)
    for found in (null, boot):
        assert found.table().index.tolist() == ["min Ω", "max Ω"] and "<table" in found._repr_html_()
        assert found.table().notna().all(axis=None)


BAD = [({"draws": 0}, "draws=0 is not possible"), ({"draws": "many"}, "draws=.many. is not possible"),
       ({"bins": BINS, "blocks": BINS}, "bins and blocks were both given"),
       ({"ties": "first"}, "ties='first' is unknown: choose one of"), ({"max_size": 9}, "max_size=9 with 8 variables"),
       ({"bins": BINS[:7]}, "bins of shape .7,. were given for 8 variables"),
       ({"blocks": [0, 1, np.nan, 2, 3, 4, 5, 6]}, "blocks hold NaN"), ({"seed": -1}, "seed=-1 is not possible"),
       ({"seed": None}, "seed=None is not possible"), ({"seed": 0.5}, "seed=0.5 is not possible"),
       ({"draws": 2.5}, "draws=2.5 is not possible"), ({"max_size": "all"}, "max_size='all' is not possible"),
       ({"bias_correction": "no"}, "bias_correction='no' is unknown"), ({"progress": None}, "progress=None is unknown"),
       ({"block_length": 0}, "block_length=0 is not possible"),
       ({"block_length": 201}, "block_length=201 is not possible: give a whole number, from 1 to 200")]


@pytest.mark.parametrize("options, message", BAD)
@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_impossible_questions_are_refused(search, options, message, monkeypatch):
    monkeypatch.setattr(uncertainty, "_search_draws", None)  # before any draw
    with pytest.raises(ValueError, match=message):
        search(planted(), **options)


@pytest.mark.parametrize("x, message", [
    (np.stack([planted()] * 2), "one set at a time"), (noise(8, 8), "which must be more than|singular|more samples"),
    (np.column_stack([planted(), np.ones(400)]), "the same value in every sample of column 8"),
    (np.column_stack([planted(), planted()[:, 2]]), "column 8 follows from"), (noise(100, 25), "25 variables have"),
    (np.where(planted() > 3, np.nan, planted()), "NaN or infinite")])
@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
def test_impossible_data_are_refused(search, x, message, monkeypatch):
    monkeypatch.setattr(uncertainty, "_search_draws", None)
    with pytest.raises(ValueError, match=message):
        search(x)


def test_choices_of_one_question_are_checked(monkeypatch):
    monkeypatch.setattr(uncertainty, "_search_draws", None)
    with pytest.raises(ValueError, match="kind='rotate' is unknown: choose one of 'shuffle', 'shift'"):
        null_extremes(planted(), kind="rotate")
    with pytest.raises(ValueError, match="a shift keeps all rows together"):
        null_extremes(planted(), kind="shift", block_length=10)
    for level in (0, 1, 95, -0.5, float("nan"), None, "high"):
        with pytest.raises(ValueError, match="level=.* is not possible"):
            bootstrap_extremes(planted(), level=level)
    with pytest.raises(ValueError, match="12 samples of 8 variables: a resample holds about 8 different rows"):
        bootstrap_extremes(planted(12))


@pytest.mark.filterwarnings("ignore:27 samples of up to")
def test_singular_draws_are_an_error_not_a_number():
    lonely = np.column_stack([planted(), np.arange(400) == 7])  # not drawn in every third resample
    with pytest.raises(ValueError, match="among draws 0 to .* every row drawn has the same value in column 8"):
        bootstrap_extremes(lonely, draws=50)
    with pytest.raises(ValueError, match="among draws 0 to .* the same value in every sample of column 8"):
        bootstrap_extremes(lonely, draws=50, ties="ordinal")
    with pytest.raises(ValueError, match="among draws .* the correlation matrix is singular"):
        bootstrap_extremes(noise(27, 16), draws=200)
    twins = np.column_stack([np.arange(20.0), np.roll(np.arange(20.0), 7)])  # alike after one rotation in twenty
    with pytest.raises(ValueError, match="among draws .* the correlation matrix is singular: column 1"):
        null_extremes(twins, kind="shift", draws=200)
