"""Correlation matrices: of samples, singular ones, and the nearest to what is none."""

import warnings

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from grok_synergy import matrices
from grok_synergy.matrices import (
    check_correlation,
    correlation,
    gram,
    independent_columns,
    nearest_correlation,
    numpy_in_one_thread,
)

FORTY = settings(derandomize=True, deadline=None, max_examples=40)
PROPERTY = settings(derandomize=True, deadline=None, max_examples=25)


def rectified(*shape, threshold=0.0, seed=0, dtype="float32"):
    "Independent Gaussians, 0 below the threshold."
    return np.maximum(np.random.default_rng(seed).normal(size=shape) - threshold, 0).astype(dtype)


@FORTY
@given(st.integers(0, 2**32))
def test_independent_columns_are_those_that_raise_the_rank(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 7))
    for j in np.flatnonzero(rng.random(7) < 0.5):
        x[:, j] = x[:, :j] @ rng.normal(size=j)  # a dead column for j = 0
    ranks = [np.linalg.matrix_rank(x[:, :j]) for j in range(8)]
    scale = 10 ** rng.uniform(-3, 3, size=7)
    np.testing.assert_array_equal(independent_columns(scale * (x.T @ x) * scale[:, None]), np.diff(ranks) > 0)


@pytest.mark.parametrize("panel", [1, 7, 16])
def test_panels_find_the_columns_that_are_found_one_by_one(panel, monkeypatch):
    rng = np.random.default_rng(panel)
    x = rng.normal(size=(300, 40))
    x[:, 1], x[:, 15], x[:, 39] = x[:, 0], x[:, 3] + x[:, 9], x[:, 20:30].sum(1)
    x[:, 16] = -x[:, 15]
    corr = correlation(x)
    one_by_one = independent_columns(corr)
    assert (~one_by_one).nonzero()[0].tolist() == [1, 15, 16, 39]
    monkeypatch.setattr(matrices, "PANEL", panel)
    np.testing.assert_array_equal(independent_columns(corr), one_by_one)
    np.testing.assert_array_equal(independent_columns(np.ones((40, 40))), np.arange(40) == 0)


def test_tolerance_is_the_share_of_variance_left_unexplained():
    a, noise = np.random.default_rng(0).normal(size=(2, 500))
    nearly, twice = np.cov([a, a + 1e-3 * noise]), np.cov([a, a + 1e-3 * noise, a])
    for scale in (1e-9, 1, 1e9):
        assert independent_columns(scale * nearly, tolerance=1e-7).tolist() == [True, True]
        assert independent_columns(scale * nearly, tolerance=1e-5).tolist() == [True, False]
        assert independent_columns(scale * twice, tolerance=1e-7).tolist() == [True, True, False]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0)])
def test_matrices_that_are_not_square_are_refused(shape):
    with pytest.raises(ValueError, match="give .*n, n. correlations"):
        check_correlation(np.ones(shape))


@pytest.mark.parametrize("scale", [1e-310, 1e-165, 1e-160, 1e160, 1e300])
def test_correlation_of_any_scale_is_that_of_the_same_numbers(scale):
    x = np.random.default_rng(0).normal(size=(300, 3))
    np.testing.assert_allclose(correlation(x * scale), correlation(x), atol=1e-12 if scale > 1e-309 else 1e-9)


def test_correlation_of_large_numbers_that_differ_little_keeps_their_digits():
    x = np.random.default_rng(0).integers(0, 8, size=(300, 3)) * 2.0**-20
    np.testing.assert_allclose(correlation(x + 2.0**30), correlation(x), atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("made", ["square", "sum", "copy"])
def test_every_singular_matrix_of_samples_is_refused(made, dtype):
    rng = np.random.default_rng(0)
    for n in rng.integers(3, 40, 500 // 6):
        x = rng.normal(size=(n if made == "square" else 3 * n, n)) * 10.0 ** rng.uniform(-3, 3, n)
        if made != "square":
            x[:, -1] = x[:, :-1].sum(1) if made == "sum" else x[:, 0]
        for matrix in (np.corrcoef(x, rowvar=False), np.cov(x, rowvar=False)):
            with pytest.raises(ValueError, match="singular: column|negative eigenvalue"):
                check_correlation(matrix.astype(dtype))


def test_matrices_of_little_precision_are_judged_by_it():
    x = torch.as_tensor(rectified(2000, 6)) @ (torch.eye(6) + 0.3 * torch.ones(6, 6).tril())
    corr = torch.corrcoef(x.T)
    corr[0, 1] += 1e-6  # as far as rounding to 32 bits goes
    assert torch.equal(check_correlation(corr), (corr.double() + corr.double().T) / 2)
    with pytest.raises(ValueError, match="not symmetric"):
        check_correlation(corr.double())
    covariance = np.cov((x.numpy() * [1e6, 1, 1, 1, 1, 1]).T)
    covariance[1, 2] += 0.5  # little beside the variance of another column
    with pytest.raises(ValueError, match="not symmetric"):
        check_correlation(covariance)


def test_a_smaller_group_may_be_asked_of_a_singular_matrix():
    corr = np.corrcoef(np.random.default_rng(0).normal(size=(5, 9)), rowvar=False)
    np.testing.assert_allclose(check_correlation(corr, whole=False), corr, atol=1e-15)
    with pytest.raises(ValueError, match="not symmetric"):
        check_correlation(np.triu(corr), whole=False)


# The nearest correlation matrix

@st.composite
def impossible(draw):
    "Symmetric matrices with a diagonal of ones that no variables have."
    n, rng = draw(st.integers(3, 9)), np.random.default_rng(draw(st.integers(0, 2**32)))
    corr = rng.uniform(-1, 1, size=(n, n))
    corr = (corr + corr.T) / 2
    np.fill_diagonal(corr, 1)
    return corr


@PROPERTY
@given(impossible(), st.sampled_from([0.05, 1e-3, 1e-6]))
def test_projection_is_a_correlation_matrix_and_stays(corr, smallest):
    found = nearest_correlation(corr, smallest)
    assert (np.diag(found.corr) == 1).all() and (found.corr == found.corr.T).all()
    assert np.linalg.eigvalsh(found.corr)[0] > smallest * (1 - 1e-5)
    again = nearest_correlation(found.corr, smallest)
    np.testing.assert_array_equal(again.corr, found.corr)
    assert again.frobenius == 0 == again.largest and again.at_floor == found.at_floor
    np.testing.assert_allclose([found.frobenius, found.largest],
                               [np.linalg.norm(found.corr - corr), abs(found.corr - corr).max()])


@settings(PROPERTY, max_examples=10)
@given(impossible())
def test_projection_is_the_optimum_of_the_dual(corr):
    "Qi and Sun (2006): the nearest matrix is the positive part of corr + diag(y) at the lowest point of a smooth function."
    def positive(y):
        values, vectors = np.linalg.eigh(corr + np.diag(y))
        return (vectors * np.maximum(values, 0)) @ vectors.T

    def dual(y):
        part = positive(y)
        return (part**2).sum() / 2 - y.sum(), np.diag(part) - 1

    best = positive(minimize(dual, np.zeros(len(corr)), jac=True, method="BFGS", options={"gtol": 1e-9}).x)
    np.testing.assert_allclose(nearest_correlation(corr, 1e-9).corr, best, atol=2e-5)


def test_matrices_of_a_batch_are_their_own():
    rng = np.random.default_rng(0)
    cov, bad = np.cov(rng.normal(size=(6, 9))), rng.uniform(-1, 1, (6, 6))
    good = cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    bad = (bad + bad.T) * (1 - np.eye(6)) / 2 + np.eye(6)
    found = nearest_correlation(np.stack([good, bad]), 0.01)
    np.testing.assert_array_equal(found.corr[0], good)
    np.testing.assert_allclose(found.corr[1], nearest_correlation(bad, 0.01).corr, atol=1e-7)
    assert found.frobenius.shape == found.at_floor.shape == (2,) and found.frobenius[0] == 0 < found.frobenius[1]
    assert isinstance(nearest_correlation(torch.as_tensor(bad)).corr, torch.Tensor)


@pytest.mark.parametrize("corr, smallest, message", [
    (np.ones((2, 3)), 0.1, "give .*, n, n. correlations"),
    ([[1, np.nan], [np.nan, 1]], 0.1, "finite"), ([[1, 0.1], [0.2, 1]], 0.1, "symmetric"),
    (np.eye(2), 0, "between 0 and 1"), (np.eye(2), 1, "between 0 and 1")])
def test_matrices_that_cannot_be_repaired_are_refused(corr, smallest, message):
    with pytest.raises(ValueError, match=message):
        nearest_correlation(corr, smallest)


@pytest.mark.parametrize("smallest", [0.9999, 0.99, 0.9])
@pytest.mark.parametrize("n", [2, 6, 12])
def test_projections_end_with_the_eigenvalues_asked_for(n, smallest):
    noise = np.triu(np.random.default_rng(0).uniform(-0.9, 0.9, (n, n)), 1)
    with warnings.catch_warnings(action="ignore"):
        found = nearest_correlation(np.eye(n) + noise + noise.T, smallest)
    assert (np.diag(found.corr) == 1).all() and np.linalg.eigvalsh(found.corr)[0] > smallest * (1 - 2e-6)


def test_projections_that_do_not_arrive_are_told_of():
    noise = np.triu(np.random.default_rng(0).uniform(-0.9, 0.9, (6, 6)), 1)
    with pytest.warns(UserWarning, match="2000 projections did not reach the nearest.*lower `smallest`") as told:
        nearest_correlation(np.eye(6) + noise + noise.T, 0.9999)
    assert len(told) == 1 and told[0].filename == __file__


@pytest.mark.parametrize("large", [3.0, 1e4, 1e8])
def test_entries_beyond_one_come_back_as_correlations(large):
    with warnings.catch_warnings(action="ignore"):
        found = nearest_correlation([[1, large, 0], [large, 1, 0], [0, 0, 1]], 0.01).corr
    np.testing.assert_allclose(found, [[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]], atol=1e-5)
    with pytest.raises(ValueError, match="the matrix holds 1e.30"):
        nearest_correlation([[1, 1e30], [1e30, 1]])


def test_correlations_of_32_bits_are_repaired():
    x = np.random.default_rng(0).normal(size=(50, 30)).astype(np.float32)
    given = torch.corrcoef(torch.tensor(x @ np.eye(30, 60, dtype=np.float32) + 1e-3 * np.ones((50, 60), np.float32)).T[:30])
    found = nearest_correlation(given, 0.05).corr
    assert torch.linalg.eigvalsh(found)[0] > 0.05 * (1 - 1e-5) and (found.diagonal() == 1).all()
    with pytest.raises(ValueError, match="NaN or infinite correlations in column 'b'"):
        nearest_correlation(pd.DataFrame([[1, np.nan], [np.nan, np.nan]], columns=["a", "b"]))


@pytest.mark.parametrize("corr", [[[1.0]], np.ones((30, 30)), 2 * np.eye(8) - 1, np.eye(3) + 1e6 * (1 - np.eye(3)),
                                  np.eye(3) - 1e3 * (1 - np.eye(3)), np.eye(3, dtype=int), np.eye(3, dtype=np.float16)])
@pytest.mark.parametrize("smallest", [0.5, 1e-3, 1e-9])
@pytest.mark.filterwarnings("ignore:2000 projections")
def test_odd_matrices_become_correlations(corr, smallest):
    found = np.asarray(nearest_correlation(corr, smallest).corr)
    assert (np.diag(found) == 1).all() and (abs(found) <= 1).all()
    assert np.linalg.eigvalsh(found)[0] > smallest * (1 - 2e-6) - 1e-13


def test_numpy_has_its_threads_back_after_a_block():
    def threads():
        return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]

    x = torch.as_tensor(np.random.default_rng(0).normal(size=(2, 4, 30)))
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with numpy_in_one_thread():
            assert set(threads()) == {1}
        with numpy_in_one_thread(False):
            assert threads() == before
        with pytest.raises(ZeroDivisionError), numpy_in_one_thread():
            _ = 1 / 0
        torch.testing.assert_close(gram(x), x @ x.mT)
        assert threads() == before


def test_numpy_has_its_threads_back_after_blocks_that_overlap():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
        first, second = numpy_in_one_thread(), numpy_in_one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)  # as another thread of Python may
        inside = {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}
        second.__exit__(None, None, None)
        after = [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
    assert inside == {1} and after == before
