"""TC, DTC, Ω and S: closed forms, brute force from the definitions, 50-digit arithmetic, and symmetries."""

import math
import subprocess
import sys
from functools import partial

import mpmath
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grok_synergy import oinfo, walk
from grok_synergy.arrays import as_numpy
from grok_synergy.entropy import gaussian_entropy
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import dual_total_correlation, o_information, s_information, total_correlation
from grok_synergy.search import search_multiplet
from grok_synergy.unions import HELD, union_multiplets

PROPERTY = settings(derandomize=True, deadline=None, max_examples=40)
MEASURES = (total_correlation, dual_total_correlation, o_information, s_information)


def random_corr(*shape, seed=0):
    "Correlation matrices far from independence: (..., n, n) for a shape of (..., n)."
    root = np.random.default_rng(seed).normal(size=(*shape, shape[-1] + 3))
    root /= np.linalg.norm(root, axis=-1, keepdims=True)
    return root @ root.swapaxes(-1, -2)


def equicorrelated(n, rho):
    return np.full((n, n), float(rho)) + (1 - rho) * np.eye(n)


def part(corr, columns):
    "The rows and columns of some variables: (..., len(columns), len(columns))."
    return corr[..., columns, :][..., columns]


def by_definition(corr, groups, log2_det=lambda matrix: np.linalg.slogdet(matrix)[1] / np.log(2)):
    "TC and DTC of groups of columns from entropies (their constants cancel), leaving out one group at a time."
    def entropy(some):
        return log2_det(part(corr, [i for group in some for i in group])) / 2
    joint, n = entropy(groups), len(groups)
    tc = sum(entropy([group]) for group in groups) - joint
    dtc = sum(entropy(groups[:i] + groups[i + 1:]) for i in range(n)) - (n - 1) * joint
    return tc, dtc


def omegas(multiplets, names=range(99)):
    "Ω by the members, under other names where they are given."
    return {tuple(sorted(names[j] for j in multiplets.members(i))): omega for i, omega in enumerate(multiplets.omega)}


# One group

@pytest.mark.parametrize("n", [2, 3, 5, 12, 60])
@pytest.mark.parametrize("share", [-0.9, -0.3, 0.05, 0.5, 0.95])
def test_equicorrelated_gaussians_have_closed_forms(n, share):
    "det R = (1 - ρ)^(n-1) (1 + (n-1) ρ), for n variables and for n-1 of them."
    rho = share if share > 0 else share / (n - 1)
    whole, without_one = (np.log2(1 + (k - 1) * rho) + (k - 1) * np.log2(1 - rho) for k in (n, n - 1))
    tc, dtc = -whole / 2, (n * without_one - (n - 1) * whole) / 2
    measured = [measure(equicorrelated(n, rho)) for measure in MEASURES]
    np.testing.assert_allclose(measured, [tc, dtc, tc - dtc, tc + dtc], rtol=1e-10, atol=1e-12)
    if n > 2:
        assert np.sign(measured[2]) == np.sign(rho)


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_noisy_sum_is_synergistic_and_noisy_copies_redundant(noise):
    "For three variables Ω = I(X; Y) - I(X; Y | Z), here with the partial correlations worked out by hand."
    def information(rho):
        return -np.log2(1 - rho**2) / 2
    total = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 2 + noise**2]])
    assert o_information(total) == pytest.approx(-information(1 / (1 + noise**2))) and o_information(total) < 0
    rho = 1 / (1 + noise**2)
    copies = o_information(equicorrelated(3, rho))
    assert copies == pytest.approx(information(rho) - information(rho / (1 + rho))) and copies > 0


@pytest.mark.parametrize("rho", [-0.99, -0.4, 0.0, 0.3, 0.999])
def test_pairs_are_neither_synergistic_nor_redundant(rho):
    "Two variables, and disjoint pairs of them: TC = DTC = the mutual information of each pair."
    shared = -np.log2(1 - rho**2) / 2
    for pairs in (1, 2, 4):
        tc, dtc, omega, s = (measure(np.kron(np.eye(pairs), equicorrelated(2, rho))) for measure in MEASURES)
        np.testing.assert_allclose([tc, dtc, omega, s], np.array([1, 1, 0, 2]) * pairs * shared, rtol=1e-10, atol=1e-12)


def test_one_variable_and_independent_variables_share_nothing():
    for matrix in (np.eye(1), 7 * np.eye(1), np.diag([1e-6, 1.0, 1e6])):
        assert all(abs(measure(matrix)) < 1e-12 for measure in MEASURES)


def test_bias_correction_recovers_the_true_tc_and_dtc():
    rng, draws, n, n_samples = np.random.default_rng(0), 5000, 4, 12
    truth = random_corr(n)
    x = rng.normal(size=(draws, n_samples, n)) @ np.linalg.cholesky(truth).T
    x -= x.mean(1, keepdims=True)
    cov = x.swapaxes(1, 2) @ x
    for measure in MEASURES:
        plain, corrected = measure(cov), measure(cov, n_samples)
        assert abs(corrected.mean() - measure(truth)) < 4 * plain.std() / np.sqrt(draws)
    assert total_correlation(cov).mean() - total_correlation(truth) > 0.2
    assert dual_total_correlation(cov).mean() - dual_total_correlation(truth) > 0.2


# Every group

@pytest.mark.parametrize("search", [all_multiplets, partial(union_multiplets, bins=np.arange(7))], ids=["scalars", "unions"])
def test_every_group_of_seven_is_that_of_the_definition(search):
    corr = random_corr(7)
    found = search(corr)
    assert len(found) == len({found.members(i) for i in range(len(found))}) == 2**7 - 7 - 1
    for i in range(len(found)):
        group = found.members(i)
        tc, dtc = by_definition(corr, [[j] for j in group])
        np.testing.assert_allclose([found.tc[i], found.dtc[i], found.omega[i], found.s[i]],
                                   [tc, dtc, tc - dtc, tc + dtc], rtol=1e-10, atol=1e-12)
        assert found.sizes[i] == found.orders[i] == len(group)
        np.testing.assert_allclose([measure(part(corr, group)) for measure in MEASURES],
                                   [tc, dtc, tc - dtc, tc + dtc], rtol=1e-10, atol=1e-12)


def test_blocks_of_one_variable_are_scalars():
    corr = random_corr(6)
    order = np.array([4, 0, 5, 2, 1, 3])
    blocks = all_multiplets(corr, blocks=10 * order)
    assert omegas(blocks) == pytest.approx(omegas(all_multiplets(corr), names=order), abs=1e-10)


@PROPERTY
@given(st.integers(0, 2**32), st.integers(2, 5), st.sampled_from([(), (2,), (2, 2)]))
def test_blocks_are_those_of_the_definition(seed, k, batch):
    "Blocks of one to three variables, whose numbers have gaps and whose columns lie scattered."
    rng = np.random.default_rng(seed)
    numbers = np.sort(rng.choice(np.arange(-5, 20), k, replace=False))
    blocks = rng.permutation(np.repeat(numbers, rng.integers(1, 4, size=k)))
    corr = random_corr(*batch, len(blocks), seed=seed)
    found = all_multiplets(corr, blocks=blocks)
    for i in range(len(found)):
        groups = [np.flatnonzero(blocks == numbers[j]).tolist() for j in found.members(i)]
        tc, dtc = by_definition(corr, groups)
        np.testing.assert_allclose([found.tc[..., i], found.dtc[..., i]], [tc, dtc], rtol=1e-9, atol=1e-11)
        assert found.sizes[i] == sum(map(len, groups)) and found.orders[i] == len(groups)
        if len(groups) == 2:
            np.testing.assert_allclose(found.omega[..., i], 0, atol=1e-11)


@pytest.mark.parametrize("low, stored", [(18, 27), (3, 27), (2, 4)])
def test_uneven_blocks_keep_their_names_however_the_walk_is_cut(low, stored, monkeypatch):
    "The walk takes the largest block first, and beyond a size one subtree after the other."
    monkeypatch.setitem(walk.SUBTREE, "cpu", low)
    monkeypatch.setattr(walk, "STORED", stored)
    blocks = np.array([3, 1, 1, 9, 9, 9, 9, 4, 4, 7, 7, 7, 7, 7, 0, 5])
    corr, numbers = random_corr(16), np.unique(blocks)
    found, best = all_multiplets(corr, blocks=blocks), extremes(corr, blocks=blocks, top=2)
    for i in range(0, len(found), 5):
        groups = [np.flatnonzero(blocks == numbers[j]).tolist() for j in found.members(i)]
        np.testing.assert_allclose([found.tc[i], found.dtc[i]], by_definition(corr, groups), rtol=1e-9, atol=1e-11)
        assert found.sizes[i] == sum(map(len, groups))
    every = omegas(found)
    for row in best.table().itertuples():
        assert row.omega == pytest.approx(every[row.members], abs=1e-10)
    assert (-best.synergy, best.redundancy) == pytest.approx((found.omega.min(), found.omega.max()), abs=1e-10)


@PROPERTY
@given(st.integers(0, 2**32), st.integers(2, 5), st.sampled_from([(), (2,), (2, 3)]))
def test_unions_are_the_neurons_taken_on_their_own(seed, k, batch):
    "Bins of one to six neurons, whose numbers have gaps and whose columns lie scattered."
    rng = np.random.default_rng(seed)
    numbers = np.sort(rng.choice(np.arange(-5, 20), k, replace=False))
    bins = rng.permutation(np.repeat(numbers, rng.integers(1, 7, size=k)))
    corr = random_corr(*batch, len(bins), seed=seed)
    found = union_multiplets(corr, bins, min_size=1)
    assert len(found) == 2**k - 1
    for i in range(len(found)):
        neurons = np.flatnonzero(np.isin(bins, numbers[list(found.members(i))]))
        together = [found.tc[..., i], found.dtc[..., i], found.omega[..., i], found.s[..., i]]
        alone = [measure(part(corr, neurons)) for measure in MEASURES]
        np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-11)
        assert found.sizes[i] == len(neurons)


@pytest.mark.parametrize("held", [500, 20_000])
def test_unions_do_not_depend_on_how_nodes_are_grouped(held, monkeypatch):
    corr, bins = random_corr(3, 40, seed=1), np.random.default_rng(0).integers(0, 9, 40)
    whole = union_multiplets(corr, bins)
    monkeypatch.setitem(HELD, "cpu", held)
    for found in (union_multiplets(corr, bins), union_multiplets(corr[1], bins)):
        chosen = whole.omega if found.omega.ndim == 2 else whole.omega[1]
        np.testing.assert_allclose(found.omega, chosen, atol=1e-11)


WIDE = """
import resource
import numpy as np
from grok_synergy.unions import union_multiplets
corr, bins = (lambda x: x @ x.T + np.eye(1000))(np.random.default_rng(0).normal(size=(1000, 10)) / 3), np.arange(1000) % 10
union_multiplets(corr[:20, :20], bins[:20])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
union_multiplets(corr, bins, max_size=9)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_wide_layer_is_walked_in_the_memory_of_one_path():
    told = subprocess.run([sys.executable, "-c", WIDE], capture_output=True, text=True, check=True)
    peak = int(told.stdout) * (1024 if sys.platform == "linux" else 1)  # bytes
    assert peak < 300 * 1000**2  # level by level there were 436


def test_a_wide_layer_has_what_its_unions_have_alone():
    n = 800
    signals = np.random.default_rng(0).normal(size=(n, 10)) / 3
    corr, bins = signals @ signals.T + np.eye(n), np.arange(n) % 10
    found = union_multiplets(corr, bins, max_size=9)
    inside = np.isin(bins, found.members(600))
    alone = [measure(corr[inside][:, inside]) for measure in MEASURES[:2]]
    assert [found.tc[600], found.dtc[600]] == pytest.approx(alone, rel=1e-9)


def test_pairs_have_no_o_information_to_the_last_bit():
    corr, blocks = random_corr(12, seed=2), np.arange(12) // 3
    for found in (all_multiplets(corr, max_size=2), all_multiplets(corr, blocks=blocks, max_size=2),
                  all_multiplets(corr, max_size=2, n_samples=200)):
        assert (found.omega == 0).all()


@pytest.mark.parametrize("search", [all_multiplets, partial(all_multiplets, blocks=[2, 0, 0, 1, 3, 1]),
                                    partial(union_multiplets, bins=[0, 0, 3, 3, 6, 6])], ids=["scalars", "blocks", "unions"])
@pytest.mark.parametrize("min_size, max_size", [(1, None), (1, 1), (2, 2), (2, 3), (3, None), (3, 3)])
def test_sizes_choose_among_all_groups(search, min_size, max_size):
    corr = random_corr(6)
    every, some = search(corr, min_size=1), search(corr, min_size=min_size, max_size=max_size)
    chosen = [i for i in range(len(every)) if min_size <= len(every.members(i)) <= (max_size or 6)]
    assert len(every) == 2**every.n_members - 1
    for name in ("masks", "sizes", "orders", "tc", "dtc", "omega", "s"):
        np.testing.assert_array_equal(getattr(some, name), getattr(every, name)[chosen])


def test_bias_correction_is_that_of_each_group_alone():
    corr, n_samples = random_corr(2, 8), 30
    bins = np.array([4, 4, 4, 0, 0, 9, 1, 1])
    numbers = np.unique(bins)
    scalars, unions = all_multiplets(corr, n_samples=n_samples), union_multiplets(corr, bins, n_samples=n_samples)
    blocks = all_multiplets(corr, blocks=bins, n_samples=n_samples)
    for found, columns in [(scalars, lambda group: list(group)),
                           (unions, lambda group: np.flatnonzero(np.isin(bins, numbers[list(group)])))]:
        for i in range(len(found)):
            alone = part(corr, columns(found.members(i)))
            np.testing.assert_allclose(found.tc[:, i], total_correlation(alone, n_samples), rtol=1e-10)
            np.testing.assert_allclose(found.dtc[:, i], dual_total_correlation(alone, n_samples), rtol=1e-10)
    for i in range(len(blocks)):
        def entropy(some):
            return gaussian_entropy(part(corr, np.flatnonzero(np.isin(bins, numbers[list(some)]))), n_samples)
        group = blocks.members(i)
        tc = sum(entropy([j]) for j in group) - entropy(group)
        dtc = sum(entropy([j for j in group if j != k]) for k in group) - (len(group) - 1) * entropy(group)
        np.testing.assert_allclose([blocks.tc[:, i], blocks.dtc[:, i]], [tc, dtc], rtol=1e-9)


@pytest.mark.parametrize("n, condition, seed", [(6, 1e2, 0), (7, 1e4, 1), (7, 1e6, 2), (8, 1e8, 3)])
def test_nine_digits_are_right_on_ill_conditioned_matrices(n, condition, seed):
    "TC and DTC to 1e-9 of themselves and Ω to 1e-9 of TC + DTC, against 50 digits, for every group and every search."
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    cov = basis * np.geomspace(1, 1 / condition, n) @ basis.T
    corr = cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    corr = (corr + corr.T) / 2
    assert condition / 10 < np.linalg.cond(corr) < condition * 10
    known = {}

    def log2_det(matrix):
        if (key := matrix.tobytes()) not in known:
            known[key] = mpmath.log(mpmath.det(mpmath.matrix(matrix.tolist())), 2)
        return known[key]

    pairs = np.arange(n) // 2
    searches = [(all_multiplets(corr), lambda group: [[j] for j in group]),
                (union_multiplets(corr, np.arange(n)), lambda group: [[j] for j in group]),
                (union_multiplets(corr, pairs), lambda group: [[j] for j in np.flatnonzero(np.isin(pairs, group))]),
                (all_multiplets(corr, blocks=pairs), lambda group: [np.flatnonzero(pairs == j).tolist() for j in group])]
    with mpmath.workdps(50):
        for found, groups_of in searches:
            for i in range(len(found)):
                groups = groups_of(found.members(i))
                tc, dtc = by_definition(corr, groups, log2_det)
                results = [(found.tc[i], found.dtc[i], found.omega[i])]
                if found is searches[0][0]:
                    alone = part(corr, found.members(i))
                    results.append((total_correlation(alone), dual_total_correlation(alone), o_information(alone)))
                for result in results:
                    errors = [abs(mpmath.mpf(float(a)) - b) for a, b in zip(result, (tc, dtc, tc - dtc), strict=True)]
                    assert errors[0] < 1e-9 * tc and errors[1] < 1e-9 * dtc and errors[2] < 1e-9 * (tc + dtc)


# Groups, not the whole

def softmax(samples=500, n=6, seed=0):
    "Correlations of columns that sum to one."
    x = np.exp(np.random.default_rng(seed).normal(size=(samples, n)))
    return np.corrcoef((x / x.sum(1, keepdims=True)).T)


def few_samples(samples=5, n=8, seed=0):
    return np.corrcoef(np.random.default_rng(seed).normal(size=(samples, n)).T)


def with_sum(n=7, seed=0):
    "Column 2 is the sum of columns 0, 4 and 5."
    x = np.random.default_rng(seed).normal(size=(100, n))
    x[:, 2] = x[:, [0, 4, 5]].sum(1)
    return np.corrcoef(x.T)


@pytest.fixture(params=[(18, 27), (3, 27), (2, 4)], ids=["whole", "subtrees", "fixed bits"])
def cut(request, monkeypatch):
    "The tree whole, or cut so that small searches take the ways of large ones."
    monkeypatch.setitem(walk.SUBTREE, "cpu", request.param[0])
    monkeypatch.setattr(walk, "STORED", request.param[1])


@pytest.mark.parametrize("corr, size", [(softmax(), 5), (few_samples(), 4), (with_sum(), 3),
                                        (np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]), 2)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_only_the_groups_asked_for_have_to_be_regular(corr, size, dtype, cut):
    corr = corr.astype(dtype)
    n = len(corr)
    alone, expected = np.arange(n), {}
    for search in (all_multiplets, partial(union_multiplets, bins=alone), partial(all_multiplets, blocks=alone)):
        found = search(np.stack([np.eye(n, dtype=dtype), corr]), max_size=size)
        assert len(found) == sum(math.comb(n, k) for k in range(2, size + 1)) and np.isfinite(found.omega).all()
        for i in range(len(found)):
            group = found.members(i)
            expected[group] = expected.get(group) or o_information(part(corr, group))
            assert abs(found.omega[1, i] - expected[group]) < 1e-9
        for larger in ({"max_size": size + 1}, {"max_size": n}, {}):
            with pytest.raises(ValueError, match="singular|negative eigenvalue"):
                search(corr, **larger)
    best = extremes(corr, max_size=size)
    assert (-best.synergy, best.redundancy) == pytest.approx((found.omega[1].min(), found.omega[1].max()), abs=1e-9)


@pytest.mark.parametrize("search", [all_multiplets, extremes, partial(union_multiplets, bins=np.arange(7)),
                                    partial(all_multiplets, blocks=np.arange(7))])
def test_a_singular_group_is_named_by_its_columns(search, cut):
    with pytest.raises(ValueError, match="in the group of columns 0, 2, 4 and 5 .* is singular: column 5 follows"):
        search(with_sum(), max_size=4)
    frame = pd.DataFrame(with_sum(), columns=list("abcdefg"))
    with pytest.raises(ValueError, match="in the group of columns 'a', 'c', 'e' and 'f' the correlation matrix is singular"):
        search(frame, max_size=4)


def test_columns_that_depend_on_each_other_inside_one_block_are_named():
    corr, blocks = with_sum(8), [0, 1, 0, 1, 0, 0, 2, 2]
    for search in (partial(all_multiplets, blocks=blocks), partial(extremes, blocks=blocks),
                   partial(union_multiplets, bins=blocks)):
        with pytest.raises(ValueError, match="in the group of columns 0, 2, 4 and 5"):
            search(corr, min_size=1, max_size=1)
    apart = [0, 1, 2, 1, 0, 0, 2, 2]
    for search in (partial(all_multiplets, blocks=apart), partial(union_multiplets, bins=apart)):
        assert np.isfinite(search(corr, min_size=1, max_size=1).omega).all()
        with pytest.raises(ValueError, match="in the group of columns 0, 2, 4, 5, 6 and 7"):
            search(corr, max_size=2)


def test_dependence_that_small_coefficients_hide_is_found():
    "Column 2 is column 0 and a ten-thousandth of column 1: none of the three is nearly explained by one other alone."
    x = np.random.default_rng(0).normal(size=(100, 5))
    x[:, 2] = x[:, 0] + 1e-4 * x[:, 1]
    for search in (all_multiplets, extremes, partial(union_multiplets, bins=np.arange(5))):
        assert (abs(search(np.corrcoef(x.T), max_size=2).omega) < 1e-12).all()
        with pytest.raises(ValueError, match="in the group of columns 0, 1 and 2"):
            search(np.corrcoef(x.T), max_size=3)


def test_bias_correction_needs_more_samples_than_the_largest_group_has_variables():
    corr, bins = random_corr(6), [0, 0, 0, 1, 2, 3]
    for search, least in [(all_multiplets, 3), (extremes, 3), (partial(all_multiplets, blocks=bins), 5),
                          (partial(extremes, blocks=bins), 5), (partial(union_multiplets, bins=bins), 5)]:
        assert np.isfinite(search(corr, max_size=2, n_samples=least).omega).all()
        with pytest.raises(ValueError, match=f"n_samples={least - 1} is too few for {least - 1} variables"):
            search(corr, max_size=2, n_samples=least - 1)


EVERY = (*MEASURES, gaussian_entropy, all_multiplets, extremes, search_multiplet,
         lambda corr: union_multiplets(corr, np.arange(len(corr))),
         lambda corr: all_multiplets(corr, blocks=np.arange(len(corr))))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["few samples", "sum", "copy", "softmax"])
def test_singular_matrices_of_ordinary_scale_are_always_refused(kind, dtype):
    "Half a thousand; each by o_information and by another function in turn."
    for seed in range(63):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(3, 9))
        x = rng.normal(size=(n if kind == "few samples" else 100, n))
        if kind == "sum":
            x[:, 0] = x[:, 1:] @ rng.normal(size=n - 1)
        if kind == "copy":
            x[:, 0] = 3 - 2 * x[:, 1]
        corr = (softmax(100, n, seed) if kind == "softmax" else np.cov(x.T) if seed % 2 else np.corrcoef(x.T)).astype(dtype)
        for function in (o_information, EVERY[seed % len(EVERY)]):
            with pytest.raises(ValueError, match="singular|negative eigenvalue"):
                function(corr)


# What comes in

SCALES = np.outer(*[10.0 ** np.arange(-140, 150, 50)] * 2)
FORMS = {
    "list": lambda c: c.tolist(), "frame": pd.DataFrame, "fortran": np.asfortranarray,
    "big-endian": lambda c: c.astype(">f8"), "long": lambda c: c.astype(np.longdouble), "tensor": torch.tensor,
    "masked, none": np.ma.asarray,
    "with gradient": lambda c: torch.tensor(c, requires_grad=True), "reversed": lambda c: c[::-1, ::-1].copy()[::-1, ::-1],
    "float32": lambda c: c.astype("f4"), "float16": lambda c: c.astype("f2"),
    "asymmetric by rounding": lambda c: c + 1e-16 * np.tri(len(c), k=-1),
    "1e300": lambda c: c * 1e300, "1e-300": lambda c: c * 1e-300, "mixed scales": lambda c: c * SCALES}


@pytest.mark.parametrize("form", FORMS)
def test_matrices_in_every_form_give_one_answer(form):
    x = np.random.default_rng(0).normal(size=(50, 6)) @ (np.eye(6) + 0.3 * np.random.default_rng(1).normal(size=(6, 6)))
    corr = np.corrcoef(x.T)
    given, atol = FORMS[form](corr), {"float32": 1e-5, "float16": 2e-2}.get(form, 1e-12)
    for measure in MEASURES:
        np.testing.assert_allclose(as_numpy(measure(given)), measure(corr), atol=atol)
    bins = [0, 0, 1, 1, 2, 2]
    for search in (all_multiplets, extremes, partial(all_multiplets, blocks=bins), partial(union_multiplets, bins=bins),
                   partial(search_multiplet, size=3, restarts=4)):
        np.testing.assert_allclose(np.asarray(search(given).omega), search(corr).omega, atol=atol)


@pytest.mark.parametrize("given, message", [
    (np.eye(3) + 0j, "complex"), (np.ma.masked_equal([[1, 0.2], [0.2, 1]], 0.2), "NaN or infinite"), ("eye", "real numbers"),
    (np.empty((0, 0)), r"shape \(0, 0\)"), (np.empty((0, 3, 3)), r"shape \(0, 3, 3\)"),
    (np.zeros((2, 3, 3)), "diagonal of the matrix is 0 or less in column 0, 1 and 2"), (-np.eye(3), "diagonal"),
    (np.ones(3), r"shape \(3,\)"), ([[1, 2], [3]], "rows of equal length")])
def test_what_is_no_matrix_is_refused(given, message):
    for function in EVERY:
        with pytest.raises(ValueError, match=message):
            function(given)


@pytest.mark.parametrize("n_samples", [np.nan, np.inf, [600, 300], True, -5, 0, 600.5, "many"])
def test_impossible_numbers_of_samples_are_refused(n_samples):
    for function in (*MEASURES, gaussian_entropy, all_multiplets, extremes, partial(search_multiplet, size=3),
                     partial(union_multiplets, bins=[0, 1, 2, 3])):
        with pytest.raises(ValueError, match="n_samples=.* is not possible: give a whole number, 2 or more"):
            function(np.eye(4), n_samples=n_samples)


# Equal Ω, and results that are equal

def test_of_equal_multiplets_the_smaller_mask_comes_first():
    "All groups of a size have one Ω, apart from rounding; the matrices differ in what rounding does."
    corr, triplets = np.stack([equicorrelated(8, rho) for rho in (0.1, 0.3, 0.7, -0.1)]), {"min_size": 3, "max_size": 3}
    blocks = np.array([5, 5, 3, 3, 1, 1, 0, 0])
    for found in (all_multiplets(corr, **triplets), union_multiplets(corr, np.arange(8), **triplets),
                  all_multiplets(corr, blocks=blocks, **triplets), all_multiplets(torch.tensor(corr), **triplets)):
        assert found.most_synergistic().tolist() == found.most_redundant().tolist() == [0] * 4
    assert all_multiplets(corr[0], **triplets).table(rows=2).index.tolist() == [0, 1]


def test_multiplets_of_fewer_than_three_parts_do_not_hide_the_others():
    "Two bins of one neuron make a pair, whose Ω is 0 whatever it shares."
    corr, bins = equicorrelated(6, 0.5), [0, 1, 2, 2, 3, 3]
    found = union_multiplets(corr, bins)
    assert found.members(found.most_synergistic()) == (0, 1) and found.parts[found.most_synergistic()] == 2
    proper = found.most_synergistic(parts=3)
    assert found.members(proper) == (0, 2) and found.omega[proper] == pytest.approx(o_information(equicorrelated(3, 0.5)))
    assert proper in found.table(rows=1).index and "with three parts or more" in repr(found)
    blocks = all_multiplets(corr, blocks=bins)
    assert blocks.parts.tolist() == blocks.orders.tolist() and found.parts.tolist() == found.sizes.tolist()
    with pytest.raises(ValueError, match="parts=7 is not possible: the largest multiplet here has 6"):
        found.most_redundant(parts=7)
    batch = union_multiplets(torch.tensor(np.stack([corr] * 2)), bins)
    assert batch.most_synergistic(parts=3).tolist() == [proper] * 2


def test_results_are_equal_when_they_hold_the_same():
    corr = random_corr(5)
    for search in (all_multiplets, extremes, partial(search_multiplet, size=3, restarts=4),
                   partial(union_multiplets, bins=[0, 0, 1, 2, 2])):
        assert search(corr) == search(corr) and search(corr) == search(torch.tensor(corr))
        assert search(corr) != search(random_corr(5, seed=1)) and search(corr) != 5
    assert all_multiplets(corr) != all_multiplets(np.stack([corr] * 2))
    assert extremes(corr, top=9) == extremes(corr, top=9)  # NaN where there is none


def test_names_of_columns_stand_beside_the_members():
    corr, names = random_corr(4), ("acid", "ash", "hue", "alkali")
    frame = pd.DataFrame(corr, names, names)
    for search in (all_multiplets, extremes):
        found = search(frame)
        table = found.table()
        assert found.names == names and all(row.names_ == tuple(names[i] for i in row.members)
                                            for row in table.rename(columns={"names": "names_"}).itertuples())
        assert search(corr).names is None and "names" not in search(corr).table()
    found = search_multiplet(frame, 3)
    assert found.names == tuple(names[i] for i in found.members) and repr(found.names) in repr(found)
    for found in (union_multiplets(frame, ["b", "a", "b", "c"]), all_multiplets(frame, blocks=["b", "a", "b", "c"]),
                  extremes(frame, blocks=["b", "a", "b", "c"])):
        assert found.names == ("a", "b", "c")
    assert union_multiplets(frame, [0, 1, 1, 2]).names is None


# Symmetries

@PROPERTY
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_permuting_variables_permutes_results(seed, n):
    rng = np.random.default_rng(seed)
    corr, order = random_corr(n, seed=seed), rng.permutation(n)
    permuted = part(corr, order)
    np.testing.assert_allclose([measure(permuted) for measure in MEASURES], [measure(corr) for measure in MEASURES],
                               rtol=1e-10, atol=1e-12)
    assert omegas(all_multiplets(corr)) == pytest.approx(omegas(all_multiplets(permuted), names=order), abs=1e-10)
    bins = np.arange(n) % max(n - 2, 2)
    unions = union_multiplets(permuted, bins[order])
    assert omegas(unions) == pytest.approx(omegas(union_multiplets(corr, bins)), abs=1e-10)


@PROPERTY
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_scales_of_variables_change_nothing(seed, n):
    corr, scale = random_corr(n, seed=seed), 10 ** np.random.default_rng(seed).uniform(-4, 4, size=n)
    cov, bins = scale * corr * scale[:, None], np.arange(n) % max(n - 2, 2)
    for matrices in zip(*((a.tc, a.dtc) for a in (all_multiplets(corr), all_multiplets(cov))), strict=True):
        np.testing.assert_allclose(*matrices, atol=1e-10)
    for matrices in zip(*((a.tc, a.dtc) for a in (union_multiplets(corr, bins), union_multiplets(cov, bins))), strict=True):
        np.testing.assert_allclose(*matrices, atol=1e-10)
    np.testing.assert_allclose([measure(cov) for measure in MEASURES], [measure(corr) for measure in MEASURES], atol=1e-10)


def test_torch_and_numpy_agree():
    corr, bins = random_corr(2, 6), np.array([3, 0, 0, 7, 3, 3])
    tensor = torch.as_tensor(corr)
    for measure in MEASURES:
        assert isinstance(measure(corr), np.ndarray) and isinstance(measure(tensor), torch.Tensor)
        np.testing.assert_array_equal(measure(corr), measure(tensor).numpy())
    for search in (all_multiplets, partial(all_multiplets, blocks=bins), partial(union_multiplets, bins=bins)):
        from_array, from_tensor = search(corr, n_samples=50), search(tensor, n_samples=50)
        for name in ("tc", "dtc", "omega", "s"):
            array, same = getattr(from_array, name), getattr(from_tensor, name)
            assert isinstance(array, np.ndarray) and isinstance(same, torch.Tensor)
            np.testing.assert_array_equal(array, same.numpy())
        np.testing.assert_array_equal(from_array.most_synergistic(), from_tensor.most_synergistic())
        np.testing.assert_array_equal(from_array.masks, from_tensor.masks)
    np.testing.assert_array_equal(union_multiplets(tensor, torch.as_tensor(bins)).tc, union_multiplets(corr, bins).tc)


# The result shows itself

def test_multiplets_of_a_noisy_sum_and_a_bystander():
    corr = np.eye(4)
    corr[[0, 1, 3, 3], [3, 3, 0, 1]] = 0.65  # variable 3 is the sum of 0 and 1
    found = all_multiplets(corr)
    assert found.members(found.most_synergistic()) == (0, 1, 3)  # variable 2 adds nothing: of equal ones the smaller mask
    assert [found.members(i) for i in range(3)] == [(0, 1), (0, 2), (1, 2)]
    assert found.omega[found.most_synergistic()] == pytest.approx(found.omega.min(), abs=1e-12)
    assert found.members(found.most_redundant()) == (0, 1) and found.members(found.most_redundant(parts=3)) == (0, 1, 2)
    assert len(found) == 11 and found.masks.tolist() == [3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]
    assert repr(found).startswith("11 multiplets among 4 members; Ω from -0.553 to ")  # I(0; 1 | 3) by hand
    assert repr(found) in found._repr_html_() and "<table" in found._repr_html_()


def test_table_lists_both_extremes():
    found = all_multiplets(random_corr(4))
    table, order = found.table(rows=2), found.omega.argsort()
    assert table.index.tolist() == [*order[:2], *order[-2:]] and table.omega.is_monotonic_increasing
    for i, row in table.iterrows():
        assert row.to_dict() == {"members": found.members(i), "size": len(found.members(i)), "tc": found.tc[i],
                                 "dtc": found.dtc[i], "omega": found.omega[i], "s": found.s[i]}
    assert len(found.table(rows=20)) == len(found.table(rows=11)) == 11


def test_table_is_of_one_search():
    found = all_multiplets(random_corr(2, 3, 4))
    np.testing.assert_array_equal(found.most_redundant(), found.omega.argmax(-1))
    assert found.most_synergistic().shape == (2, 3)
    extremes = f"; Ω from {found.omega.min():.3f} to {found.omega.max():.3f} bits"
    assert repr(found) == "11 multiplets among 4 members, for (2, 3) matrices" + extremes
    assert repr(found) in found._repr_html_()
    with pytest.raises(ValueError, match=r"\(2, 3\) searches are held here"):
        found.table()


# Refusals

FUNCTIONS = {**{measure.__name__: measure for measure in MEASURES}, "scalars": all_multiplets,
             "blocks": partial(all_multiplets, blocks=[0, 0, 1, 2]), "unions": partial(union_multiplets, bins=[0, 0, 1, 2])}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("places, value, message", [
    ([(1, 3), (3, 1)], 1.0, "singular: column 3 follows"), ([(1, 2), (2, 1)], -1.0, "singular: column 2 follows"),
    ([(1, 3), (3, 1)], 1.5, "negative eigenvalue"), ([(0, 2)], np.nan, "NaN or infinite correlations in column 2"),
    ([(3, 3)], np.inf, "NaN or infinite correlations in column 3"), ([(0, 2)], 0.3, "not symmetric")])
def test_matrices_without_information_are_refused(function, places, value, message):
    corr = np.stack([np.eye(4)] * 2)
    for row, column in places:
        corr[1, row, column] = value
    with pytest.raises(ValueError, match=message):
        function(corr)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_matrices_that_are_not_square_are_refused(function):
    with pytest.raises(ValueError, match=r"shape \(4, 3\) was given"):
        function(np.ones((4, 3)))


@pytest.mark.parametrize("labels, message", [
    ([0, 1], "give one label for each"), ([[0, 1, 2]], "give one label for each"), (5, "give one label for each"),
    ([0.5, 1.0, 2.0], "whole number or a name"), ([0, np.nan, 1], "hold NaN"), ([0, None, 1], "hold NaN"),
    ([0, np.inf, 1], "whole number or a name"), ([1j, 0, 1], "complex")])
def test_labels_are_one_whole_number_or_name_for_each_variable(labels, message):
    for search in (lambda: union_multiplets(np.eye(3), labels), lambda: all_multiplets(np.eye(3), blocks=labels),
                   lambda: extremes(np.eye(3), blocks=labels)):
        with pytest.raises(ValueError, match=message):
            search()


@pytest.mark.parametrize("labels", [[3.0, 1.0, 1.0, 2.0], np.array([30, 10, 10, 20], np.uint16), list("zaab"),
                                    pd.Series([3, 1, 1, 2], dtype="Int64"), torch.tensor([3, 1, 1, 2])], ids=repr)
def test_labels_of_every_kind_are_the_same_groups(labels):
    corr = random_corr(4)
    for search in (union_multiplets, lambda corr, labels: all_multiplets(corr, blocks=labels)):
        expected, found = search(corr, np.array([3, 1, 1, 2])), search(corr, labels)
        np.testing.assert_array_equal(found.omega, expected.omega)
        assert found.names == tuple(sorted({one if isinstance(one, str) else int(one) for one in labels}))


@pytest.mark.parametrize("sizes", [{"min_size": 0}, {"max_size": 4}, {"min_size": 3, "max_size": 2}, {"min_size": 4}])
def test_impossible_sizes_are_refused(sizes):
    for search in (lambda: union_multiplets(np.eye(3), [0, 1, 2], **sizes), lambda: all_multiplets(np.eye(3), **sizes)):
        message = "with 3 (bins|variables): give 1 <= min_size <= max_size|min_size=0 is not possible"
        with pytest.raises(ValueError, match=message):
            search()


def test_searches_of_every_group_are_reached_from_oinfo():
    from grok_synergy.multiplets import all_multiplets as every
    from grok_synergy.multiplets import extremes as ends
    from grok_synergy.unions import union_multiplets as unions

    assert (every, ends, unions) == (all_multiplets, extremes, union_multiplets)
    with pytest.raises(AttributeError, match="has no attribute 'every_multiplet'"):
        oinfo.every_multiplet  # noqa: B018


def test_searches_are_of_two_members_or_more_and_not_too_many():
    for search, message in [(lambda: all_multiplets(np.eye(1), min_size=1), "with 1 variables"),
                            (lambda: union_multiplets(np.eye(3), [5, 5, 5], min_size=1), "with 1 bins"),
                            (lambda: all_multiplets(np.eye(25)), "25 variables have"),
                            (lambda: union_multiplets(np.eye(17), np.arange(17)), "17 bins have")]:
        with pytest.raises(ValueError, match=message):
            search()


def test_bias_correction_needs_more_samples_than_variables():
    searches = all_multiplets, partial(all_multiplets, blocks=[0, 1, 1]), partial(union_multiplets, bins=[0, 1, 2])
    for function in (*MEASURES, *searches):
        with pytest.raises(ValueError, match="n_samples=3 is too few for 3 variables"):
            function(np.eye(3), n_samples=3)
