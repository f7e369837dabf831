"""Estimators for rectified features: against numerical integration, closed forms, other algorithms, and on bad input."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad
from scipy.special import ndtr, ndtri
from scipy.stats import kendalltau, multivariate_normal, norm

from grok_synergy import latent
from grok_synergy.arrays import as_tensor, live_columns
from grok_synergy.estimators import _both_below, _relu_density, relu_information
from grok_synergy.latent import (
    _agreement_by_merging,
    _agreement_by_products,
    _latent_correlation,
    kendall_tau,
    truncated_bridge,
    truncated_columns,
    truncated_correlation,
)
from grok_synergy.matrices import nearest_correlation
from grok_synergy.oinfo import dual_total_correlation, total_correlation
from grok_synergy.patterns import _pattern_entropy, on_off_information, warn_of_on_off

PROPERTY = settings(derandomize=True, deadline=None, max_examples=25)
TRIPLE = np.array([[1, 0.2, 0.6], [0.2, 1, -0.3], [0.6, -0.3, 1]])


def pair(r):
    return np.array([[1, r], [r, 1]])


def gaussian(corr, n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, len(corr))) @ np.linalg.cholesky(corr).T


def random_correlation(n, rng):
    cov = np.cov(rng.normal(size=(n, n + 3)))
    return cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov)))


# The information of rectified Gaussians

def test_bivariate_normal_probabilities_are_scipys():
    rng = np.random.default_rng(0)
    for h, k, r in [*rng.uniform([-3, -3, -0.99], [3, 3, 0.99], size=(60, 3)), (0, 0, 0.5), (0, 1, -0.9), (-1, 0, 0.9)]:
        expected = multivariate_normal.cdf([h, k], cov=pair(r))
        assert abs(_both_below(h, k, r, np.sqrt(1 - r * r)) - expected) < 1e-9
    assert _both_below(-8.5, -8.5, -0.9, np.sqrt(0.19)) >= 0


@PROPERTY
@given(st.lists(st.floats(-2, 2), min_size=2, max_size=3))
def test_independent_variables_share_nothing(thresholds):
    shared = relu_information(np.eye(len(thresholds)), thresholds)
    assert abs(shared.tc) < 1e-10 and abs(shared.dtc) < 1e-10


@pytest.mark.parametrize("corr", [pair(0.6), pair(-0.985), TRIPLE])
def test_without_a_cut_it_is_the_gaussian_formula(corr):
    shared = relu_information(corr, np.full(len(corr), -np.inf))
    assert abs(shared.tc - total_correlation(corr)) < 1e-7
    assert abs(shared.dtc - dual_total_correlation(corr)) < 1e-7


def test_pair_is_what_adaptive_integration_gives():
    "The four faces of a pair, each written out and integrated by QUADPACK."
    r, s, t = 0.7, -0.3, 0.8
    root, joint = np.sqrt(1 - r * r), multivariate_normal(cov=pair(r))
    none = joint.cdf([s, t])
    both = dblquad(lambda v, u: joint.pdf([u, v]) * np.log2(joint.pdf([u, v]) / norm.pdf(u) / norm.pdf(v)), s, 7, t, 7,
                   epsabs=1e-7)[0]

    def one(u, other):  # the variable at u is on, the one with the threshold `other` is off
        below = ndtr((other - r * u) / root)
        return norm.pdf(u) * below * np.log2(below / ndtr(other))

    expected = none * np.log2(none / ndtr(s) / ndtr(t)) + both + quad(one, s, 8, (t,))[0] + quad(one, t, 8, (s,))[0]
    assert abs(relu_information(pair(r), [s, t]).tc - expected) < 1e-6


def test_triple_is_the_mean_log_ratio_over_samples():
    "Exact densities of each sample, by SciPy's normal distribution functions, averaged over samples."
    t, n = np.array([0.0, 0.5, -0.5]), 100_000
    z = gaussian(TRIPLE, n)

    def log_density(z, keep):
        corr, result, z = TRIPLE[np.ix_(keep, keep)], np.zeros(len(z)), z[:, keep]
        for pattern in np.unique(z <= t[keep], axis=0):
            rows, off, on = (pattern == (z <= t[keep])).all(1), pattern, ~pattern
            mean, cov = np.zeros((rows.sum(), off.sum())), corr[np.ix_(off, off)]
            if on.any():
                gain = corr[np.ix_(off, on)] @ np.linalg.inv(corr[np.ix_(on, on)])
                mean, cov = z[rows][:, on] @ gain.T, cov - gain @ corr[np.ix_(on, off)]
                result[rows] += multivariate_normal.logpdf(z[rows][:, on], cov=corr[np.ix_(on, on)])
            if off.any():
                result[rows] += np.log(multivariate_normal.cdf(t[keep][off] - mean if on.any() else t[keep][off], cov=cov))
        return result / np.log(2)

    alone = [log_density(z, [j]) for j in range(3)]
    everything = log_density(z, [0, 1, 2])
    others = [log_density(z, np.delete(np.arange(3), j)) for j in range(3)]
    shared = relu_information(TRIPLE, t)
    for exact, sample in [(shared.tc, everything - sum(alone)), (shared.dtc, 2 * everything - sum(others))]:
        assert abs(sample.mean() - exact) < 4 * sample.std() / np.sqrt(n)
        assert sample.std() / np.sqrt(n) < 0.01 * exact


@pytest.mark.parametrize("corr, thresholds", [
    (pair(0.985), [0, 0.5]), (pair(0.3), [4, 4]), (TRIPLE, [-8.5, 0, 1]), (0.1 * np.eye(3) + 0.9, [0, 1, 2]),
    (np.array([[1, 0, 0.69], [0, 1, 0.69], [0.69, 0.69, 1]]), [-1, 0, 1.5])])
def test_finer_grid_changes_nothing(corr, thresholds):
    masses, entropies = [], []
    for fineness in (1.5, 2.5):
        density, weights = _relu_density(corr, np.array(thresholds, float), fineness)
        grid = weights[0]
        for weight in weights[1:]:
            grid = np.multiply.outer(grid, weight)
        masses.append((grid * density).sum())
        entropies.append(-(grid * density * np.log2(np.maximum(density, 1e-300))).sum())
    np.testing.assert_allclose(masses, 1, atol=1e-9)
    assert abs(np.diff(entropies)) < 1e-8


@PROPERTY
@given(st.integers(0, 2**32), st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3), st.permutations([0, 1, 2]))
def test_cutting_only_loses_pairwise_information_and_order_does_not_matter(seed, thresholds, order):
    corr, t = random_correlation(3, np.random.default_rng(seed)), np.array(thresholds)
    corr = 0.1 * np.eye(3) + 0.9 * corr
    shared = relu_information(corr, t)
    assert 0 < shared.tc < total_correlation(corr)
    permuted = relu_information(corr[np.ix_(order, order)], t[order])
    assert abs(permuted.tc - shared.tc) < 1e-8 and abs(permuted.dtc - shared.dtc) < 1e-8
    below = multivariate_normal.cdf(t[:2], cov=corr[:2, :2])
    p, q = ndtr(t[:2])
    signs = np.array([below, p - below, q - below, 1 - p - q + below]) + 1e-300
    patterns = (signs * np.log2(signs / np.array([p * q, p * (1 - q), q * (1 - p), (1 - p) * (1 - q)]))).sum()
    assert patterns - 1e-7 < relu_information(corr[:2, :2], t[:2]).tc < total_correlation(corr[:2, :2])


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.5])
def test_weak_dependence_is_seen_through_the_best_linear_guess(threshold):
    "For small r, the information falls by the square of the variance of E[Z | Y]."
    below, density = ndtr(threshold), norm.pdf(threshold)
    variance = 1 - below + threshold * density + density**2 / below
    ratio = relu_information(pair(0.003), [threshold] * 2).tc / total_correlation(pair(0.003))
    assert abs(ratio - variance**2) < 2e-3


# Kendall's tau

@PROPERTY
@given(st.integers(0, 2**32), st.integers(3, 40), st.sampled_from([1, 5, 1000]))
def test_both_sums_are_the_definition(seed, n, values):
    rank = np.random.default_rng(seed).integers(0, values + 1, size=(n, 4))
    sign = np.sign(rank[:, None] - rank).astype(float)
    expected = np.einsum("stj,stk->jk", sign, sign) / 2
    np.testing.assert_array_equal(_agreement_by_products(rank, "cpu"), expected)
    if (np.ptp(rank, axis=0) > 0).all():
        np.testing.assert_array_equal(_agreement_by_merging(rank), expected)


@pytest.mark.parametrize("variables", [3, 12])
def test_tau_without_ties_is_scipys_in_any_order_of_samples(variables):
    x = np.random.default_rng(0).normal(size=(2, 101, variables)).cumsum(-1)
    tau = kendall_tau(x)
    expected = [[[kendalltau(a, b).statistic for a in one.T] for b in one.T] for one in x]
    np.testing.assert_allclose(tau, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(kendall_tau(x[:, np.random.default_rng(1).permutation(101)]), tau)


@pytest.mark.parametrize("n, lags", [(400, 40), (401, 40), (401, 199)])
def test_some_lags_are_the_mean_over_their_pairs_of_samples(n, lags):
    "Shuffled, each of the drawn distances once, around the circle; the diagonal is the share of them without a tie."
    x, rng = np.maximum(gaussian(TRIPLE, n), 0), np.random.default_rng(0)
    drawn, order = rng.permutation((n - 1) // 2)[:lags] + 1, rng.permutation(n)
    sign = np.sign(np.stack([np.roll(x[order], -lag, axis=0) - x[order] for lag in drawn]))
    np.testing.assert_allclose(kendall_tau(x, lags), np.einsum("lsj,lsk->jk", sign, sign) / (n * lags), rtol=0, atol=1e-12)
    np.testing.assert_allclose(kendall_tau(torch.as_tensor(np.stack([x, x])), lags)[1], kendall_tau(x, lags), atol=1e-12)


def test_lags_do_not_mind_a_table_in_order():
    "All pairs of two numbers, row by row, as the task has them: the error is that of shuffled rows."
    a, b = np.divmod(np.arange(61**2), 61)
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(61, 8))[a] + rng.normal(size=(61, 8))[b], 0)
    every = kendall_tau(x)
    errors = [abs(kendall_tau(x[rows], lags=60) - every).max() for rows in (np.arange(len(x)), rng.permutation(len(x)))]
    assert errors[0] < 2 * errors[1]


def test_few_lags_cost_little_accuracy():
    "Over 200 draws of 1000 samples, 30 lags add less than a tenth to the error of tau, and no bias."
    x = np.maximum(np.stack([gaussian(pair(0.6), 1000, seed) for seed in range(200)]), 0)
    every, some = kendall_tau(x)[:, 0, 1], kendall_tau(x, lags=30)[:, 0, 1]
    truth = truncated_bridge(0.6, 0.5, 0.5)
    assert np.sqrt(np.mean((some - truth) ** 2)) < 1.1 * np.sqrt(np.mean((every - truth) ** 2))
    assert abs(some.mean() - every.mean()) < 4 * (some - every).std() / np.sqrt(200)
    assert 0.003 < (some - every).std() < 0.01


@pytest.mark.parametrize("lags", [0, -1, 1.5, True])
def test_impossible_lags_are_refused(lags):
    for function in (kendall_tau, truncated_correlation):
        with pytest.raises(ValueError, match="give a whole number, 1 or more"):
            function(np.maximum(gaussian(TRIPLE, 100), 0), lags)


# The bridge

def four_normals(r, a, b):
    "The bridge of two truncated variables as Yoon et al. state it, with distribution functions of four normals."
    h = np.sqrt(0.5)
    apart = [[1, 0, h, -r * h], [0, 1, -r * h, h], [h, -r * h, 1, -r], [-r * h, h, -r, 1]]
    together = [[1, r, h, r * h], [r, 1, r * h, h], [h, r * h, 1, r], [r * h, h, r, 1]]
    low, high = (multivariate_normal.cdf([-a, -b, 0, 0], cov=cov, allow_singular=True) for cov in (apart, together))
    return 2 * (high - low)


@pytest.mark.parametrize("r, zeros_j, zeros_k", [(0.5, 0.5, 0.5), (-0.5, 0.6, 0.2), (0.9, 0.85, 0.8), (0.95, 0.6, 0.9),
                                                 (-0.9, 0.3, 0.55), (0.2, 0.05, 0.95)])
def test_bridge_is_that_of_four_normals(r, zeros_j, zeros_k):
    bridge = truncated_bridge(r, zeros_j, zeros_k)
    assert abs(bridge - four_normals(r, *ndtri([zeros_j, zeros_k]))) < 5e-5
    assert abs(bridge - truncated_bridge(r, zeros_k, zeros_j)) < 1e-14


@PROPERTY
@given(st.floats(-0.99, 0.99), st.floats(0, 0.95), st.floats(0, 0.95))
def test_bridge_increases_between_its_ends(r, zeros_j, zeros_k):
    step = truncated_bridge(r + 0.01, zeros_j, zeros_k) - truncated_bridge(r, zeros_j, zeros_k)
    assert step > -1e-12
    assert abs(truncated_bridge(1, zeros_j, zeros_k) - (1 - max(zeros_j, zeros_k) ** 2)) < 1e-5


def test_inverse_keeps_its_promises():
    "tau to 1e-4 everywhere; r to 1e-3 wherever the bridge rises by 0.01 or more for each unit of r."
    rng = np.random.default_rng(0)
    r = rng.uniform(-0.995, 0.995, 600)
    zeros = rng.uniform(0, 0.95, (2, 600))
    zeros[:, :50] = 0
    zeros[1, 50:200] = zeros[0, 50:200] + 0.001
    zeros = np.minimum(zeros, 0.95)
    tau = np.array([truncated_bridge(*one) for one in zip(r, *zeros, strict=True)])
    rise = np.array([truncated_bridge(a + 0.002, b, c) for a, b, c in zip(r, *zeros, strict=True)]) - tau
    found = _latent_correlation(tau, *np.maximum(ndtri(zeros), -8.5))
    again = np.array([truncated_bridge(*one) for one in zip(found, *zeros, strict=True)])
    assert abs(again - tau).max() < 1e-4
    steep = rise / 0.002 > 0.01
    assert steep.mean() > 0.7 and abs(found - r)[steep].max() < 1e-3
    np.testing.assert_allclose(found[:50], np.sin(np.pi / 2 * tau[:50]), atol=1e-10)


def test_small_correlations_are_inverted_to_nine_digits():
    "To 1e-9, wherever the other end of the polynomial does not flatten the bridge; and so on both sides of `NEAR`."
    rng = np.random.default_rng(1)
    r, zeros = rng.uniform(-0.38, 0.38, 500), rng.uniform(0, 0.8, (2, 500))
    tau = np.array([truncated_bridge(*one) for one in zip(r, *zeros, strict=True)])
    found = _latent_correlation(tau, *np.maximum(ndtri(zeros), -8.5))
    np.testing.assert_allclose(found, r, atol=1e-9)
    edges = np.array([0.999, 1.001, -0.999, -1.001]) * latent.NEAR
    tau = np.array([truncated_bridge(np.sin(edge), 0.5, 0.3) for edge in edges])
    bounds = [np.full(4, ndtri(share)) for share in (0.5, 0.3)]
    np.testing.assert_allclose(_latent_correlation(tau, *bounds), np.sin(edges), atol=1e-4)


def test_impossible_tau_becomes_one():
    found = _latent_correlation(np.array([0.9, -0.9, 0.0]), np.zeros(3), np.zeros(3))
    np.testing.assert_allclose(found, [1, -1, 0], atol=1e-12)


# The truncated copula

@st.composite
def features(draw):
    "Rectified Gaussians with shares of zeros from 0 to 90 %, some columns without."
    n, variables, seed = draw(st.integers(100, 400)), draw(st.integers(2, 12)), draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, variables)) @ np.linalg.cholesky(random_correlation(variables, rng)).T
    zeros = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9]), min_size=variables, max_size=variables))
    cut = np.array([np.quantile(column, q) if q else -99 for column, q in zip(z.T, zeros, strict=True)])
    return np.maximum(z - cut, 0).astype(draw(st.sampled_from(["float32", "float64"])))


@PROPERTY
@given(features(), st.randoms(use_true_random=False))
def test_increasing_maps_change_nothing_and_columns_may_be_reordered(x, random):
    corr = truncated_correlation(x)
    np.testing.assert_array_equal(truncated_correlation(np.exp(x.astype(float) / 64) - 7), corr)
    order = random.sample(range(x.shape[1]), x.shape[1])
    np.testing.assert_allclose(truncated_correlation(x[:, order]), corr[np.ix_(order, order)], rtol=0, atol=1e-12)
    rows = random.sample(range(len(x)), len(x))
    np.testing.assert_array_equal(truncated_correlation(x[rows]), corr)
    assert (np.diag(corr) == 1).all() and (corr == corr.T).all() and (abs(corr) <= 1).all()


@PROPERTY
@given(features())
def test_arrays_come_back_as_they_went_in(x):
    for function in (kendall_tau, truncated_correlation):
        from_array, from_tensor = function(x), function(torch.as_tensor(x))
        assert isinstance(from_array, np.ndarray) and isinstance(from_tensor, torch.Tensor)
        np.testing.assert_array_equal(from_array, from_tensor)
        np.testing.assert_allclose(function(np.stack([x, x[::-1]])), [from_array] * 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("r", [-0.5, 0.0, 0.6, 0.9])
@pytest.mark.parametrize("zeros", [(0.0, 0.5), (0.5, 0.5), (0.75, 0.25)])
def test_latent_correlation_is_recovered(r, zeros):
    "The mean of 40 draws of 400 samples, within four standard errors and the small bias of a bounded estimate."
    z = np.stack([gaussian(pair(r), 400, seed) for seed in range(40)])
    found = truncated_correlation(np.maximum(z - np.maximum(ndtri(zeros), -9), 0))[:, 0, 1]
    assert abs(found.mean() - r) < 4 * found.std() / np.sqrt(40) + 0.005
    assert found.std() < 0.12


def test_columns_without_zeros_have_the_plain_bridge():
    x = gaussian(TRIPLE, 200)
    np.testing.assert_allclose(truncated_correlation(x), np.sin(np.pi / 2 * kendall_tau(x)), atol=1e-10)


LATENTCOR = [  # shares of zeros, Kendall's tau and correlations of pairs 01, 02, 12: latentcor 0.2.5, method "original"
    ((0.5, 0.5, 0.5), (0.1044970, 0.2710461, -0.1039038), (0.23038, 0.58881, -0.23458)),
    ((0.2, 0.5, 0.8), (0.1167214, 0.1667094, -0.0635110), (0.21461, 0.60347, -0.27852)),
]


@pytest.mark.parametrize("zeros, tau, corr", LATENTCOR)
def test_estimates_are_those_of_latentcor(zeros, tau, corr):
    "It integrates four normals, to about this tolerance. Its numbers stand here because it needs an old setuptools."
    x, above = np.maximum(gaussian(TRIPLE, 500) - ndtri(zeros), 0), np.triu_indices(3, 1)
    np.testing.assert_allclose(kendall_tau(x)[above], tau, atol=1e-7)
    np.testing.assert_allclose(truncated_correlation(x)[above], corr, atol=5e-4)


def test_repaired_matrix_serves_the_measures():
    "Twelve neurons that follow two signals, by 60 samples: estimated pair by pair they contradict each other."
    rng = np.random.default_rng(0)
    neurons = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 12)) + 0.3 * rng.normal(size=(60, 12))
    raw = truncated_correlation(np.maximum(neurons, 0))
    assert np.linalg.eigvalsh(raw)[0] < 0
    with pytest.raises(ValueError, match="negative eigenvalue .*nearest_correlation"):
        total_correlation(raw)
    assert np.isfinite(total_correlation(nearest_correlation(raw).corr))


# On/off patterns

@pytest.mark.parametrize("counts", [[5, 3, 2, 0], [1, 1, 1, 1], [40, 0, 1, 9]])
def test_pattern_entropy_is_grassbergers_sum(counts):
    "With G from its recursion: G(1) = -γ - ln 2, G(2) = 2 + G(1), G(2m+1) = G(2m), G(2m+2) = G(2m) + 2 / (2m+1)."
    g = [0, -np.euler_gamma - np.log(2), 2 - np.euler_gamma - np.log(2)]
    for m in range(3, 60):
        g.append(g[-1] if m % 2 else g[-1] + 2 / (m - 1))
    n = sum(counts)
    expected = (np.log(n) - sum(c * g[c] for c in counts) / n) / np.log(2)
    assert abs(_pattern_entropy(np.array(counts)) - expected) < 1e-12


def test_patterns_of_gaussians_share_what_orthants_say():
    r, n = 0.6, 100_000
    x = gaussian(0.4 * np.eye(3) + 0.6, n)
    every = (1 / 8 + 3 * np.arcsin(r) / (4 * np.pi))  # each of the two patterns of equal signs; the other six are alike
    patterns = np.array([every] * 2 + [(1 - 2 * every) / 6] * 6)
    same = 1 / 4 + np.arcsin(r) / (2 * np.pi)
    joint, two = -(patterns * np.log2(patterns)).sum(), -2 * (same * np.log2(same) + (0.5 - same) * np.log2(0.5 - same))
    shared = on_off_information(np.maximum(x, 0))
    np.testing.assert_allclose([shared.tc, shared.dtc], [3 - joint, 3 * two - 2 * joint], atol=0.006)
    np.testing.assert_allclose([shared.omega, shared.s], [shared.tc - shared.dtc, shared.tc + shared.dtc])


def test_parity_is_one_bit_of_synergy():
    x = np.random.default_rng(0).integers(0, 2, size=(4000, 3))
    x[:, 2] = x[:, 0] ^ x[:, 1]
    shared = on_off_information(x)
    np.testing.assert_allclose([shared.tc, shared.dtc, shared.omega], [1, 2, -1], atol=0.01)


@PROPERTY
@given(features().filter(lambda x: x.shape[1] < 5))
def test_patterns_know_no_size_and_no_order(x):
    shared = on_off_information(x)
    other = on_off_information(torch.as_tensor(np.stack([x**2, 5 * x[:, ::-1]])))
    assert isinstance(other.tc, torch.Tensor)
    np.testing.assert_allclose(other.tc, [shared.tc] * 2, atol=1e-10)
    np.testing.assert_allclose(other.dtc, [shared.dtc] * 2, atol=1e-10)


def test_independent_patterns_share_nothing():
    "At 4 samples for each pattern, whether half or a tenth of them are on."
    for share, bias in [(0.5, 0.06), (0.1, 0.08)]:
        shared = on_off_information((np.random.default_rng(0).random((60, 1024, 8)) < share).astype(float))
        assert abs(shared.tc.mean()) < bias and abs(shared.dtc.mean()) < bias and abs(shared.omega.mean()) < bias


# Refusals

@pytest.mark.parametrize("function", [kendall_tau, truncated_correlation, on_off_information])
def test_bad_columns_are_named(function):
    x = np.maximum(gaussian(TRIPLE, 100), 0)
    x[7, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite values in column 1"):
        function(np.stack([x, x]))
    with pytest.raises(ValueError, match="same value in every sample of column 2"):
        function(np.nan_to_num(x) * [1, 1, 0])


def test_atoms_and_emptiness_of_any_batch_are_named():
    x = np.abs(gaussian(TRIPLE, 200)) + 1
    capped, sparse = x.copy(), x.copy()
    capped[:3, 1] = 9
    sparse[:191, 2] = 0
    with pytest.raises(ValueError, match="column 1 repeats a value other than its lowest in more than 1 %"):
        truncated_correlation(np.stack([x, capped]))
    with pytest.raises(ValueError, match="more than 95% zeros in column 2"):
        truncated_correlation(np.stack([sparse, x]))
    capped[2, 1] = 8
    sparse[190, 2] = 8
    truncated_correlation(np.stack([capped, sparse]))


@pytest.mark.parametrize("choose", [truncated_columns, live_columns])
def test_what_columns_are_usable_is_asked_of_samples(choose):
    with pytest.raises(ValueError, match="give .*samples, variables"):
        choose(np.arange(5.0))
    with pytest.raises(ValueError, match="complex numbers"):
        choose(np.ones((5, 2), complex))
    assert choose(np.column_stack([np.eye(5), np.ones(5)]) > 0).tolist() == [True] * 5 + [False]


@pytest.mark.parametrize("corr, thresholds, message", [
    (np.eye(4), [0] * 4, "two or three variables"), (np.eye(1), [0], "two or three variables"),
    (2 * np.eye(2), [0, 0], "1 on the diagonal"), (np.eye(2), [0], "2 variables"), (np.eye(2), [0, np.nan], "at most 4"),
    (np.eye(2), [0, 4.1], "at most 4"), (pair(1.0), [0, 0], "singular"), (pair(0.99), [0, 0], "keeps a standard deviation")])
def test_unfit_gaussians_are_refused(corr, thresholds, message):
    with pytest.raises(ValueError, match=message):
        relu_information(corr, thresholds)


@pytest.mark.parametrize("arguments", [(1.1, 0, 0), (0, -0.1, 0), (0, 0, 1.0), (np.nan, 0, 0)])
def test_bridge_outside_its_range_is_refused(arguments):
    with pytest.raises(ValueError, match="a share from 0 to below 1|a correlation between -1 and 1"):
        truncated_bridge(*arguments)


def test_too_many_patterns_are_refused():
    with pytest.raises(ValueError, match=r"31 samples of 3 variables with 2\*\*3 patterns.*no more than 2 variables"):
        on_off_information(gaussian(TRIPLE, 31))
    on_off_information(gaussian(TRIPLE, 32))


# What is given

GIVEN = {"float32": lambda x: x.astype(np.float32), "big-endian": lambda x: x.astype(">f8"),
         "int16": lambda x: x.astype(np.int16),
         "int64 far from 0": lambda x: 2**40 + x.astype(np.int64), "uint32": lambda x: (x + 1000).astype(np.uint32),
         "objects": lambda x: x.astype(object), "longdouble": lambda x: x.astype(np.longdouble),
         "frame": lambda x: pd.DataFrame(x), "nullable": lambda x: pd.DataFrame(x).astype("Int64"),
         "gradients": lambda x: torch.tensor(x, requires_grad=True), "Fortran": lambda x: np.asfortranarray(x),
         "reversed": lambda x: x[::-1].copy()[::-1], "nothing masked": np.ma.masked_invalid,
         "1e160": lambda x: x * 1e160, "1e-160": lambda x: x * 1e-160}


@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("estimate", [kendall_tau, truncated_correlation, truncated_columns])
def test_any_kind_of_numbers_has_the_answer_of_its_floats(estimate, make):
    x = np.round(6000 * np.maximum(gaussian(TRIPLE, 400), 0))
    np.testing.assert_array_equal(np.asarray(estimate(make(x))), estimate(x))


def test_on_off_patterns_may_be_booleans_of_any_kind():
    on = gaussian(TRIPLE, 200) > 0
    expected = on_off_information(gaussian(TRIPLE, 200))
    for same in (on, torch.tensor(on), pd.DataFrame(on), pd.DataFrame(on).astype("boolean"), on.astype(np.uint8)):
        found = on_off_information(same)
        assert float(found.tc) == float(expected.tc) and float(found.dtc) == float(expected.dtc)


@pytest.mark.parametrize("estimate", [kendall_tau, truncated_correlation, on_off_information])
def test_columns_are_named_in_what_is_refused(estimate):
    x = pd.DataFrame(gaussian(TRIPLE, 100), columns=["acid", "sugar", "alcohol"])
    with pytest.raises(ValueError, match="same value in every sample of column 'sugar'"):
        estimate(x.assign(sugar=1))
    with pytest.raises(ValueError, match="column 'alcohol'"):
        estimate(x.assign(alcohol=x.alcohol.mask(x.alcohol > 1)))
    with pytest.raises(ValueError, match="NaN or infinite values in column 0"):
        estimate(np.ma.masked_greater(gaussian(TRIPLE, 100) * [1, 0.01, 0.01], 1))


def test_frames_have_labelled_matrices():
    x = pd.DataFrame(np.maximum(gaussian(TRIPLE, 300), 0), columns=["acid", "sugar", "alcohol"])
    for matrix in (kendall_tau(x), truncated_correlation(x), nearest_correlation(truncated_correlation(x), 0.3).corr):
        assert matrix.columns.tolist() == matrix.index.tolist() == ["acid", "sugar", "alcohol"]
    with pytest.raises(ValueError, match="column 'sugar' repeats"):
        truncated_correlation(x.assign(sugar=x.sugar.clip(upper=0.5)))
    with pytest.raises(ValueError, match="zeros in column 'acid'"):
        truncated_correlation(x.assign(acid=(x.acid - x.acid.nlargest(10).min()).clip(lower=0)))


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_few_samples_have_finite_correlations(samples):
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(samples, 3))
        with warnings.catch_warnings(action="ignore"):
            found = truncated_correlation(x)
        assert np.isfinite(found).all() and (abs(found) <= 1).all() and (abs(kendall_tau(x)) <= 1).all()


def test_samples_of_lower_rank_are_told_of():
    x = gaussian(TRIPLE, 300)
    with pytest.warns(UserWarning, match="rank 2") as told:
        truncated_correlation(x - x.mean(1, keepdims=True))
    assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        truncated_correlation(x)


# Where the projections end

@pytest.mark.parametrize("call", [
    lambda: truncated_bridge("half", 0, 0), lambda: truncated_bridge(0.5, None, 0), lambda: truncated_bridge(0.5, 0, True),
    lambda: nearest_correlation(np.eye(2), "small"), lambda: nearest_correlation(np.eye(2), np.nan),
    lambda: kendall_tau(gaussian(TRIPLE, 50), 2.5), lambda: truncated_correlation(gaussian(TRIPLE, 50), -1)])
def test_numbers_that_are_none_are_refused(call):
    with pytest.raises(ValueError, match="is not possible: give a"):
        call()


# On/off columns

def on_off_cases(samples=4000):
    rng = np.random.default_rng(0)
    bit, one_of = rng.random((samples, 1)) < 0.5, rng.integers(9, size=(samples, 1))
    rare = rng.random((samples, 1)) < 0.03
    return {"copies": (bit ^ (rng.random((samples, 6)) < 0.001), "nearly agree"),
            "opposites": (np.hstack([bit, ~bit]) ^ (rng.random((samples, 2)) < 0.001), "nearly agree"),
            "rare copies": (rare ^ (rng.random((samples, 2)) < 0.001), "nearly agree"),
            "exclusive": (one_of == np.arange(8), "never on together"),
            "exclusive, off": (one_of != np.arange(8), "never off together"),
            "loose copies": (bit ^ (rng.random((samples, 6)) < 0.1), None), "alone": (rng.random((samples, 6)) < 0.3, None),
            "rare, alone": (rng.random((samples, 40)) < 0.01, None),
            "a layer": (np.maximum(rng.normal(size=(samples, 20)) @ rng.normal(size=(20, 60)), 0), None),
            "a layer that hardly fires": (np.maximum(rng.normal(size=(samples, 1)) - np.linspace(2, 4, 40), 0), None)}


@pytest.mark.parametrize("name", on_off_cases(100))
def test_on_off_columns_that_mid_ranks_overstate_are_told_of(name):
    x, words = on_off_cases()[name]
    t = as_tensor(np.column_stack([np.random.default_rng(1).normal(size=len(x)), x]))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_of_on_off(t, tuple(f"c{i}" for i in range(t.shape[1])), 1)
    assert len(told) == (words is not None)
    if words:
        assert words in str(told[0].message) and "'c1'" in str(told[0].message) and "'c0'" not in str(told[0].message)


ODD = {"two samples": np.array([[1.0, 2, 3], [2.0, 1, 4]]), "batch": np.maximum(np.stack([gaussian(TRIPLE, 90)] * 2), 0),
       "one column": gaussian(TRIPLE, 90)[:, :1], "copies": np.tile(gaussian(TRIPLE, 90), 2),
       "opposites": np.column_stack([gaussian(TRIPLE, 90), -gaussian(TRIPLE, 90)]),
       "mixed scales": gaussian(TRIPLE, 90) * [1e-300, 1, 1e300], "subnormal": 5e-324 * np.arange(90)[:, None] * [1, 2],
       "almost all zeros": np.maximum(gaussian(TRIPLE, 900) - 1.5, 0), "a cliff": np.arange(90.0)[:, None] ** [1, 100]}


@pytest.mark.filterwarnings("ignore:.*(have rank|span)")
@pytest.mark.parametrize("x", ODD.values(), ids=ODD)
def test_odd_samples_have_correlations(x):
    for found in (kendall_tau(x), truncated_correlation(x), nearest_correlation(truncated_correlation(x)).corr):
        assert np.isfinite(found).all() and (abs(found) <= 1).all() and (found == found.swapaxes(-1, -2)).all()


def test_a_batch_of_gaussians_is_refused_with_words():
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\) with diagonal \[1.0, 1.0, 1.0, 1.0\]"):
        relu_information(np.stack([np.eye(2)] * 2), [0, 0])
