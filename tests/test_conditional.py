"""Measures given other variables: against regressions, entropies, other packages and differences."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from grok_synergy.arrays import as_numpy
from grok_synergy.conditional import chosen_columns, conditional_correlation, mutual_information
from grok_synergy.entropy import copula_correlation, copula_normal, gaussian_entropy
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import dual_total_correlation, o_information, s_information, total_correlation
from grok_synergy.search import search_multiplet

NAMES = list("abcdefg")


def samples(n=7, count=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n)) @ (np.eye(n) + 0.4 * rng.normal(size=(n, n)))


CORR = pd.DataFrame(np.corrcoef(samples().T), NAMES, NAMES)


def entropy(columns):
    return gaussian_entropy(CORR.to_numpy()[np.ix_(columns, columns)]) if columns else 0.0


@pytest.mark.parametrize("given", [[6], [5, 2], [0, 3, 6]])
def test_correlations_given_columns_are_those_of_residuals(given):
    x = samples()
    design = np.column_stack([x[:, given], np.ones(len(x))])
    rest = [i for i in range(7) if i not in given]
    residuals = x[:, rest] - design @ np.linalg.lstsq(design, x[:, rest], rcond=None)[0]
    found = conditional_correlation(CORR, given)
    assert list(found) == list(found.index) == [NAMES[i] for i in rest]
    np.testing.assert_allclose(found, np.corrcoef(residuals.T), atol=1e-12)
    np.testing.assert_array_equal(found, conditional_correlation(CORR, [NAMES[i] for i in given]))
    np.testing.assert_allclose(conditional_correlation(np.cov(x.T), given), found, atol=1e-12)


@pytest.mark.parametrize("given", [[6], [5, 2]])
def test_measures_given_columns_are_differences_of_joint_entropies(given):
    rest = [i for i in range(7) if i not in given]

    def left(columns):  # H(columns | given)
        return entropy([*columns, *given]) - entropy(given)

    corr = conditional_correlation(CORR, given)
    tc = sum(left([i]) for i in rest) - left(rest)
    dtc = left(rest) - sum(left(rest) - left([j for j in rest if j != i]) for i in rest)
    for measure, value in [(total_correlation, tc), (dual_total_correlation, dtc), (o_information, tc - dtc),
                           (s_information, tc + dtc)]:
        np.testing.assert_allclose(measure(corr), value, atol=1e-10)
    every = all_multiplets(corr)
    np.testing.assert_allclose(every.omega[-1], tc - dtc, atol=1e-10)
    assert every.names == tuple(NAMES[i] for i in rest)
    best = every.members(int(every.most_synergistic(3)))
    order = len(best)
    np.testing.assert_allclose(search_multiplet(corr, order).omega, every.omega.min(), atol=1e-10)
    np.testing.assert_allclose(extremes(corr).synergy, -every.omega.min(), atol=1e-10)


def test_given_one_by_one_is_given_at_once():
    one_by_one = conditional_correlation(conditional_correlation(CORR, "g"), "c")
    np.testing.assert_allclose(one_by_one, conditional_correlation(CORR, ["c", "g"]), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_information_of_blocks_is_the_sum_of_entropies(seed):
    a, b, c, _ = np.split(np.random.default_rng(seed).permutation(7), [2, 4, 5 + seed % 2])
    a, b, c = a.tolist(), b.tolist(), c.tolist()
    expected = entropy(a + c) + entropy(b + c) - entropy(a + b + c) - entropy(c)
    np.testing.assert_allclose(mutual_information(CORR, a, b, c), expected, atol=1e-10)
    np.testing.assert_allclose(mutual_information(conditional_correlation(CORR, c), [NAMES[i] for i in a],
                                                  [NAMES[i] for i in b]), expected, atol=1e-10)
    np.testing.assert_allclose(mutual_information(CORR, a, b), mutual_information(CORR, b, a), atol=1e-12)


def test_batches_tensors_and_single_precision():
    batch = np.array([np.corrcoef(samples(5, seed=seed).T) for seed in range(6)]).reshape(2, 3, 5, 5)
    together, shared = conditional_correlation(batch, [1, 4]), mutual_information(batch, 0, [2, 3], 1)
    assert together.shape == (2, 3, 3, 3) and shared.shape == (2, 3)
    for place in itertools.product(range(2), range(3)):
        np.testing.assert_allclose(together[place], conditional_correlation(batch[place], [1, 4]), atol=1e-12)
        np.testing.assert_allclose(shared[place], mutual_information(batch[place], 0, [2, 3], 1), atol=1e-12)
    single = conditional_correlation(torch.tensor(batch).float(), [1, 4])
    assert single.dtype == torch.float32
    np.testing.assert_allclose(as_numpy(single), together, atol=1e-5)


def test_independent_variables_given_others_share_nothing_once_bias_is_taken_off():
    draws = np.random.default_rng(1).normal(size=(400, 40, 12))
    left = conditional_correlation(np.array([np.corrcoef(draw.T) for draw in draws]), range(6, 12))
    for measure in (total_correlation, dual_total_correlation):
        corrected = measure(left, n_samples=34)
        assert abs(corrected.mean()) < 4 * corrected.std() / 20
        assert abs(measure(left, n_samples=40).mean()) > 0.05
    shared = mutual_information(np.array([np.corrcoef(draw.T) for draw in draws]), [0, 1], [2, 3], [4, 5], n_samples=40)
    assert abs(shared.mean()) < 4 * shared.std() / 20


def test_gradients_are_those_of_differences():
    t = torch.tensor(CORR.to_numpy(), requires_grad=True)
    for function in (lambda c: conditional_correlation(c, [1, 3]), lambda c: mutual_information(c, [0, 2], 4, [5]),
                     lambda c: o_information(conditional_correlation(c, 6)), total_correlation, dual_total_correlation,
                     o_information, s_information):
        assert torch.autograd.gradcheck(lambda c, function=function: function(c + c.mT), t)
    assert not o_information(t.detach()).requires_grad
    with torch.no_grad():
        assert not o_information(t).requires_grad


def test_what_is_no_column_is_refused():
    doubled = pd.concat([CORR, CORR.iloc[:, :1]], axis=1)
    doubled = pd.concat([doubled, doubled.iloc[:1]])
    follows = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 2]])
    for call, message in [
            (lambda: conditional_correlation(CORR, "x"), "given: 'x' is none of the 7 columns"),
            (lambda: conditional_correlation(CORR, 7), "given: 7 is none of the 7 columns: give positions from 0 to 6"),
            (lambda: conditional_correlation(CORR, ["a", 0]), "holds a column twice"),
            (lambda: conditional_correlation(doubled, "a"), "is the name of 2 columns"),
            (lambda: conditional_correlation(CORR, []), "0 of 7 columns are given"),
            (lambda: conditional_correlation(CORR, range(7)), "7 of 7 columns are given"),
            (lambda: conditional_correlation(CORR.to_numpy(), "a"), "given: 'a' is none of the 7 columns"),
            (lambda: conditional_correlation(follows, [0, 1]), "nothing is left of column 2 given column 0 and 1"),
            (lambda: conditional_correlation(np.ones((3, 3)), [0, 1]), "in the group of columns 0 and 1"),
            (lambda: mutual_information(CORR, "a", "a"), "column 'a' is in two of one, other, given"),
            (lambda: mutual_information(CORR, [], "a"), "one holds no column"),
            (lambda: mutual_information(follows, 0, [1, 2]), "in the group of columns 0, 1 and 2")]:
        with pytest.raises(ValueError, match=message.replace("[", r"\[")):
            call()
    assert chosen_columns("given", (10, 20), 3, (20, 10, 5)) == [1, 0]  # names that are numbers are names first


def test_blocks_share_what_frites_says():
    frites = pytest.importorskip("frites.core")
    x, y, z = (np.ascontiguousarray(part.T) for part in np.split(samples(6), [2, 4], axis=1))
    corr = np.corrcoef(samples(6).T)
    for corrected in (False, True):
        theirs = frites.cmi_nd_ggg(x, y, z, mvaxis=0, traxis=1, biascorrect=corrected)
        ours = mutual_information(corr, [0, 1], [2, 3], [4, 5], n_samples=300 if corrected else None)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_measures_given_columns_are_those_of_syntropy():
    shannon = pytest.importorskip("syntropy.gaussian.shannon")
    cov, given, rest = CORR.to_numpy(), (5, 6), tuple(range(5))
    corr = conditional_correlation(CORR, given)
    tc = sum(shannon.conditional_entropy((i,), given, cov) for i in rest) - shannon.conditional_entropy(rest, given, cov)
    np.testing.assert_allclose(total_correlation(corr), tc / math.log(2), atol=1e-9)
    theirs = shannon.conditional_mutual_information((0, 1), (2, 3), given, cov)
    np.testing.assert_allclose(mutual_information(CORR, [0, 1], [2, 3], given), theirs / math.log(2), atol=1e-9)


def test_hoi_says_the_same_of_the_copula():
    hoi = pytest.importorskip("hoi.core.mi")
    x = samples(5)
    scores = copula_normal(x).T
    theirs = hoi.get_cond_mi("gauss")(scores[:2], scores[2:4], scores[4:])
    np.testing.assert_allclose(mutual_information(copula_correlation(x), [0, 1], [2, 3], 4), theirs, atol=1e-4)


def test_more_columns_than_samples():
    x = samples(60, 40)
    left = conditional_correlation(np.corrcoef(x.T), [0, 1])
    assert left.shape == (58, 58)
    np.testing.assert_allclose(o_information(left[:5, :5]),
                               o_information(conditional_correlation(np.corrcoef(x[:, :7].T), [0, 1])), atol=1e-10)


@pytest.mark.parametrize("labels", [[0, 1, 3, 4, 5, 6], [2, 0, 1, 4, 3, 5], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], ids=str)
def test_whole_numbers_that_are_names_are_names_of_blocks(labels):
    corr = pd.DataFrame(np.corrcoef(samples(6).T), labels, labels)
    text, (one, other, given) = corr.rename(columns=str, index=str), (labels[:2], labels[2:4], labels[4:])
    there = [list(map(str, some)) for some in (one, other, given)]
    assert mutual_information(corr, one, other, given) == mutual_information(text, *there)
    left = conditional_correlation(corr, given)
    pd.testing.assert_frame_equal(left.rename(columns=str, index=str), conditional_correlation(text, there[2]))
    assert left.columns.tolist() == labels[:4]


@pytest.mark.parametrize("columns", [np.array([2, 0]), pd.Index(["c", "a"]), pd.Series(["c", "a"]), torch.tensor([2, 0])])
def test_columns_may_come_in_an_array_beside_names(columns):
    assert chosen_columns("members", columns, 3, ("a", "b", "c")) == [2, 0]
