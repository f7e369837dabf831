"""Ranks, correlations and entropies: against SciPy, under symmetries, and on what they must refuse."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm, rankdata

from grok_synergy import entropy
from grok_synergy.arrays import live_columns, name_columns
from grok_synergy.entropy import copula_correlation, copula_normal, entropy_bias, gaussian_entropy, usable_columns
from grok_synergy.matrices import check_correlation, correlation, independent_columns
from grok_synergy.multiplets import all_multiplets
from grok_synergy.oinfo import dual_total_correlation, total_correlation

PROPERTY = settings(derandomize=True, deadline=None, max_examples=40)
RANKS = {"average": lambda column: rankdata(column.astype(float)),
         "ordinal": lambda column: np.argsort(np.argsort(column, kind="stable")) + 1,
         "numpy": lambda column: np.argsort(np.argsort(column)) + 1}


def rectified(*shape, threshold=0.0, seed=0, dtype="float32"):
    "Independent Gaussians, 0 below the threshold."
    return np.maximum(np.random.default_rng(seed).normal(size=shape) - threshold, 0).astype(dtype)


@st.composite
def samples(draw):
    "Samples with and without exact zeros, of both precisions, with and without batch axes."
    variables = draw(st.integers(1, 6))
    shape = *draw(st.sampled_from([(), (2,), (2, 3)])), draw(st.integers(12, 300)), variables
    x = np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=shape)
    x = (np.maximum(x, 0) if draw(st.booleans()) else x).astype(draw(st.sampled_from(["float32", "float64"])))
    assume((x.min(-2) < x.max(-2)).all())
    return x


# Ranks and the rules for equal values

@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("ties", RANKS)
def test_scores_are_normal_quantiles_of_the_ranks(ties, dtype):
    x = (8 * rectified(2000, 70) * np.resize([1, -1], 70)).astype(dtype)  # 0 is one column's highest, the next one's lowest
    held = x.astype({"float16": "float32", "int64": "float64"}.get(dtype, dtype))  # by which NumPy's sort is chosen
    expected = [norm.ppf(RANKS[ties](column) / 2001) for column in held.T]
    np.testing.assert_allclose(copula_normal(x, ties).T, expected, rtol=0, atol=1e-12)


def test_random_rule_permutes_equal_values_only():
    x = np.repeat(rectified(2000, 1, threshold=1), 70, axis=1)
    z = copula_normal(x, "random")
    for column, score in zip(x.T, z.T, strict=True):
        by_value_then_score = score[np.lexsort((score, column))]
        np.testing.assert_allclose(by_value_then_score, norm.ppf(np.arange(1, 2001) / 2001), rtol=0, atol=1e-12)
    zeros = z[x[:, 0] == 0]
    assert abs(np.corrcoef(zeros.T, np.arange(len(zeros)))[np.triu_indices(71, 1)]).max() < 0.15


def test_random_rule_is_reproducible_by_its_seed():
    x = rectified(300, 4)
    np.testing.assert_array_equal(copula_normal(x, "random", seed=1), copula_normal(x, "random", seed=1))
    np.testing.assert_array_equal(copula_correlation(x, "random", seed=1), copula_correlation(x, "random", seed=1))
    assert (copula_normal(x, "random", seed=1) != copula_normal(x, "random", seed=2)).any()
    assert (copula_correlation(x, "random", seed=1) != copula_correlation(x, "random", seed=2)).any()


@pytest.mark.parametrize("ties", ["average", "ordinal", "random"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_negative_zeros_tie_with_zeros(dtype, ties):
    x = rectified(200, 2, dtype=dtype)
    signed = np.where((x == 0) & (np.arange(200)[:, None] % 3 == 0), -0.0, x).astype(dtype)
    assert np.signbit(signed).any()
    np.testing.assert_array_equal(copula_normal(signed, ties), copula_normal(x, ties))


@PROPERTY
@given(st.integers(0, 2**32), st.sampled_from(["float32", "float64"]), st.sampled_from(["average", "ordinal", "random"]))
def test_strictly_increasing_maps_change_no_score(seed, dtype, ties):
    x = np.random.default_rng(seed).integers(-8, 9, size=(60, 4)).astype(dtype)
    a, b, c, d = x.T
    mapped = np.stack([np.exp(a), b**3, 5 * c - 7, np.arctan(d)], 1)
    np.testing.assert_array_equal(copula_normal(mapped, ties), copula_normal(x, ties))


@PROPERTY
@given(samples())
def test_each_matrix_of_a_batch_is_its_own(x):
    flat = x.reshape(-1, *x.shape[-2:])
    np.testing.assert_array_equal(copula_normal(x).reshape(flat.shape), [copula_normal(one) for one in flat])
    corr = copula_correlation(x).reshape(len(flat), x.shape[-1], x.shape[-1])
    np.testing.assert_allclose(corr, [copula_correlation(one) for one in flat], rtol=0, atol=1e-14)


# Correlation

@PROPERTY
@given(samples())
def test_correlations_are_numpys(x):
    for one in x.reshape(-1, *x.shape[-2:]):
        expected = np.corrcoef(one.astype(float), rowvar=False)
        np.testing.assert_allclose(correlation(one), np.atleast_2d(expected), rtol=0, atol=1e-12)
        expected = np.corrcoef(norm.ppf(rankdata(one.astype(float), axis=0) / (len(one) + 1)), rowvar=False)
        np.testing.assert_allclose(copula_correlation(one), np.atleast_2d(expected), rtol=0, atol=1e-12)


@PROPERTY
@given(samples(), st.integers(0, 2**32))
def test_order_of_samples_changes_no_bit(x, seed):
    order = np.random.default_rng(seed).permutation(x.shape[-2])
    np.testing.assert_array_equal(copula_correlation(x[..., order, :]), copula_correlation(x))
    np.testing.assert_array_equal(correlation(x[..., order, :]), correlation(x))


@PROPERTY
@given(samples())
def test_arrays_come_back_as_they_went_in(x):
    cov = np.eye(x.shape[-1]) + x.mean()
    calls = [(function, x) for function in (copula_normal, correlation, copula_correlation, live_columns)]
    for function, array in [*calls, (gaussian_entropy, cov), (independent_columns, cov)]:
        before, tensor = array.copy(), torch.as_tensor(array)
        from_array, from_tensor = function(array), function(tensor)
        assert isinstance(from_array, np.ndarray | np.generic) and isinstance(from_tensor, torch.Tensor)
        np.testing.assert_array_equal(from_array, from_tensor.numpy())
        np.testing.assert_array_equal(function(array.tolist() if array is cov else np.asfortranarray(array)), from_array)
        np.testing.assert_array_equal(array, before)


# What equal values do to information that is not there

def test_shuffled_columns_share_nothing():
    "Under independence, 2N TC is about χ² with n(n-1)/2 degrees of freedom; its mean is the bias, and DTC is near TC."
    samples, variables, shuffles = 2000, 8, 30
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(samples, 1)) + rng.normal(size=(samples, variables)), 0).astype("float32")
    assert total_correlation(copula_correlation(x)) > 1
    corr = copula_correlation(rng.permuted(np.broadcast_to(x, (shuffles, *x.shape)), axis=1))
    tc, dtc = total_correlation(corr, samples), dual_total_correlation(corr, samples)
    deviation = np.sqrt(variables * (variables - 1)) / (2 * samples * np.log(2))
    for shared in (tc, dtc):
        assert abs(shared.mean()) < 4 * deviation / np.sqrt(shuffles)
        assert 0.6 < shared.std() / deviation < 1.5
    assert abs(tc - dtc).max() < deviation


@pytest.mark.parametrize("ties, tc, omega", [("average", (0, 0.02), (-0.02, 0.02)), ("random", (0, 0.02), (-0.02, 0.02)),
                                             ("ordinal", (1.7, 2.1), (1.1, 1.5)), ("numpy", (0.7, 2.1), (0.4, 1.5))])
def test_sample_order_of_zeros_is_shared_information_under_some_rules(ties, tc, omega):
    "Ten independent Gaussians above a threshold of 1, in nats: the truth is 0; NumPy's share depends on the machine."
    corr = copula_correlation(rectified(3763, 10, threshold=1), ties)
    assert tc[0] < total_correlation(corr) * np.log(2) < tc[1]
    assert omega[0] < all_multiplets(corr).omega.max() * np.log(2) < omega[1]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("rules", [("average",), ("average", "numpy"), ("numpy", "random", "ordinal", "average")])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_several_rules_at_once_are_each_rule_alone(rules, dtype, kind):
    x = kind((8 * np.stack([rectified(300, 70), -rectified(300, 70, seed=1)])).astype(dtype))
    found = copula_correlation(x, rules, seed=3)
    assert type(found) is type(x) and found.shape == (len(rules), 2, 70, 70)
    for rule, corr in zip(rules, found, strict=True):
        np.testing.assert_array_equal(corr, copula_correlation(x, rule, seed=3))


def test_an_unknown_rule_among_several_is_named():
    with pytest.raises(ValueError, match="ties='mean' is unknown: choose one of"):
        copula_correlation(rectified(30, 3), ("average", "mean"))


# Entropy

@pytest.mark.parametrize("n", [1, 2, 5])
def test_entropy_is_scipys(n):
    root = np.random.default_rng(n).normal(size=(3, n, n + 2))
    cov = root @ root.swapaxes(-1, -2)
    expected = [multivariate_normal(cov=one).entropy() / np.log(2) for one in cov]
    np.testing.assert_allclose(gaussian_entropy(cov), expected, rtol=1e-12)
    np.testing.assert_allclose(gaussian_entropy(16 * cov), np.add(expected, 2 * n), rtol=1e-12)


def test_bias_of_one_variance_from_two_samples():
    "With one degree of freedom, E log χ² = -γ - log 2."
    np.testing.assert_allclose(entropy_bias(1, 2), [0, -(np.euler_gamma + np.log(2)) / (2 * np.log(2))], rtol=1e-12)


@pytest.mark.parametrize("n, n_samples", [(2, 5), (4, 9)])
def test_bias_correction_recovers_the_true_entropy(n, n_samples):
    rng, draws = np.random.default_rng(0), 10_000
    root = rng.normal(size=(n, n))
    x = rng.normal(size=(draws, n_samples, n)) @ root.T
    x -= x.mean(1, keepdims=True)
    cov = x.swapaxes(1, 2) @ x / (n_samples - 1)
    corrected, error = gaussian_entropy(cov, n_samples), gaussian_entropy(cov).std() / np.sqrt(draws)
    truth = multivariate_normal(cov=root @ root.T).entropy() / np.log(2)
    assert abs(corrected.mean() - truth) < 4 * error < 0.1 < truth - gaussian_entropy(cov).mean()


def test_bias_correction_needs_more_samples_than_variables():
    assert np.isfinite(gaussian_entropy(np.eye(4), n_samples=5))
    with pytest.raises(ValueError, match="n_samples=4 is too few for 4 variables"):
        gaussian_entropy(np.eye(4), n_samples=4)


# Columns that can be used

def test_usable_columns_leave_out_dead_broken_and_determined_ones():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 120))
    one_hot = np.eye(3)[rng.integers(0, 3, size=120)].T  # three columns whose sum is constant, as is that of their scores
    broken = np.stack([np.where(a > 2, bad, b) for bad in (np.nan, np.inf, -np.inf)])
    x = np.stack([np.full(120, 7.0), a, *broken, np.exp(a), b, -b, *one_hot], 1)
    assert np.flatnonzero(usable_columns(x)).tolist() == [1, 6, 8, 9]
    assert np.flatnonzero(live_columns(x)).tolist() == [1, 5, 6, 7, 8, 9, 10]
    assert np.flatnonzero(live_columns(np.stack([x, x[:, ::-1]]))).tolist() == [1, 5, 9]  # in both batches
    assert not usable_columns(x[:, [0, 2]]).any()


def test_usable_columns_go_by_the_tie_rule():
    "Two neurons that fire on the same sample alone have one and the same mid-ranks, but random order tells them apart."
    x = np.zeros((50, 2))
    x[7] = 1, 3
    assert usable_columns(x).tolist() == [True, False]
    assert usable_columns(x, "random").tolist() == [True, True]


# Refusals

@pytest.mark.parametrize("function", [copula_normal, correlation, copula_correlation])
@pytest.mark.parametrize("rows, value, message", [
    (7, np.nan, "NaN or infinite values in column 1 and 3"), (7, np.inf, "NaN or infinite values in column 1 and 3"),
    (7, -np.inf, "NaN or infinite values in column 1 and 3"),
    (slice(None), 2, "same value in every sample of column 1 and 3")])
def test_bad_columns_of_any_batch_are_named(function, rows, value, message):
    x = np.random.default_rng(0).normal(size=(3, 40, 5))
    x[0, rows, 3] = x[2, rows, 1] = value
    with pytest.raises(ValueError, match=message):
        function(x)


@pytest.mark.parametrize("x, message", [
    (np.eye(1), "a single sample was given"), (np.arange(9.0), r"shape \(9,\)"), (np.ones((0, 3)), r"shape \(0, 3\)"),
    (np.ones((9, 2), dtype=bool), "same value in every sample"), (np.ones((9, 2), dtype=complex), "type complex128"),
    ([["1", "2"]], "type <U1"), ([[1, 2], [3]], "rows of equal length")])
def test_arrays_without_correlations_are_refused(x, message):
    for function in (copula_normal, correlation, copula_correlation):
        with pytest.raises(ValueError, match=message):
            function(x)


def test_unknown_tie_rules_are_refused():
    for function in (copula_normal, copula_correlation, usable_columns):
        with pytest.raises(ValueError, match="ties='first'.*'average', 'ordinal', 'numpy', 'random'"):
            function(rectified(50, 2), "first")


def test_duplicate_columns_are_named():
    for seed in range(20):  # rounding makes some of the matrices positive definite
        x = rectified(100, 5, seed=seed)
        with pytest.warns(UserWarning, match="100 samples of 5 variables have rank 3.*column 3 and 4"):
            corr = copula_correlation(np.stack([x, x[:, [0, 1, 2, 1, 2]]]))
        for function in (check_correlation, gaussian_entropy):
            with pytest.raises(ValueError, match="columns 3 and 4 follow from the columns before them"):
                function(corr)


@pytest.mark.parametrize("place, value, message", [
    ((1, 0, 2), np.nan, "NaN or infinite correlations in column 2"), ((1, 2, 2), np.inf, "correlations in column 2"),
    ((1, 0, 2), 0.1, "not symmetric"), ((1, 2, 2), 0.0, "diagonal of the matrix is 0 or less in column 2"),
    ((1, 2, 2), -1.0, "diagonal of the matrix is 0 or less in column 2"), ((1, [0, 1], [1, 0]), 1.5, "negative eigenvalue"),
    ((1, [0, 1, 0, 1], [1, 0, 0, 1]), [1e300, 1e300, 1e-200, 1e-200], "columns 0 and 1 are larger than their variances")])
def test_matrices_without_entropy_are_refused(place, value, message):
    corr = np.stack([np.eye(3)] * 2)
    corr[place] = value
    for function in (check_correlation, gaussian_entropy):
        with pytest.raises(ValueError, match=message):
            function(corr)


@pytest.mark.parametrize("columns, words", [([], ""), ([3], "3"), ([3, 7, 12], "3, 7 and 12"),
                                            (range(11), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (11 in all)")])
def test_columns_are_named_in_words(columns, words):
    assert name_columns(columns) == words


# What would go wrong silently

@pytest.mark.parametrize("samples, message", [(2000, "rank 11: some columns are sums.*drop 1 column, for example column 11"),
                                              (10, "10 samples of 12 variables span 9 dimensions at most")])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_samples_of_lower_rank_are_reported_once(samples, message, dtype):
    x = np.random.default_rng(0).normal(size=(samples, 12))
    x = (x - x.mean(1, keepdims=True)).astype(dtype)
    for asked in (x, np.stack([x, x])):
        with pytest.warns(UserWarning, match=message) as caught:
            copula_correlation(asked)
        assert len(caught) == 1 and caught[0].filename == __file__
    named = pd.DataFrame(x, columns=list("abcdefghijkl"))
    with pytest.warns(UserWarning, match="column 'l'" if samples > 12 else "9 dimensions"):
        copula_correlation(named)


@pytest.mark.filterwarnings("error")
def test_samples_of_full_rank_are_not_reported():
    sparse = rectified(300, 60, threshold=1.5, seed=3)
    for x in (rectified(61, 60), sparse[:, sparse.any(0)], 1e9 + rectified(200, 5, dtype="float64"),
              np.random.default_rng(0).normal(size=(100, 99)), np.repeat(rectified(50, 3), 40, axis=0)):
        copula_correlation(x)


def test_biases_handed_out_are_copies():
    before = entropy_bias(5, 100).clone()
    entropy_bias(5, 100).mul_(0)
    assert torch.equal(entropy_bias(5, 100), before) and torch.equal(entropy_bias(np.int64(5), "100"), before)


@pytest.mark.parametrize("n_samples", [np.nan, np.inf, [600, 300], "few", True, -5, 1.5])
def test_impossible_numbers_of_samples_are_refused(n_samples):
    with pytest.raises(ValueError, match="n_samples=.*give a whole number"):
        gaussian_entropy(np.eye(3), n_samples)


@pytest.mark.parametrize("x", [np.stack([rectified(50, 3)] * 2), np.arange(9.0)])
def test_usable_columns_are_asked_of_one_set_of_samples(x):
    with pytest.raises(ValueError, match="samples of shape"):
        usable_columns(x)


@pytest.mark.parametrize("ties", ["average", "ordinal", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_shared_by_threads_change_no_bit(dtype, ties, monkeypatch):
    monkeypatch.setattr(entropy, "MANY", 100)
    x = np.c_[rectified(3000, 3, dtype=dtype), np.random.default_rng(1).normal(size=(3000, 3)).astype(dtype)]
    alone = copula_normal(x, ties)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    np.testing.assert_array_equal(copula_normal(x, ties), alone)
    torch.set_num_threads(1)
