"""Layers without learning, Ω of random groups of their neurons, its formula, and three meanings of Ω."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma

from grok_synergy.data import ModularTask
from grok_synergy.entropy import copula_correlation, copula_normal
from grok_synergy.layer import Layer
from grok_synergy.matrices import correlation
from grok_synergy.meaning import exact_omega, noisy_omega
from grok_synergy.nonparametric import in_levels
from grok_synergy.oinfo import o_information
from grok_synergy.rank_law import expected_omega, group_omegas, outside_share, random_features

PROPERTY = settings(derandomize=True, deadline=None, max_examples=25)
PAIRS = ModularTask(p=13).pairs
RANK = 24
BITS = np.array(list(product([0, 1], repeat=3)))
PARITY = BITS[BITS.sum(1) % 2 == 0]


# A layer without learning

@pytest.mark.parametrize("zeros", [0.1, 0.5, 0.77])
def test_the_share_of_zeros_is_the_one_asked_for(zeros):
    x = random_features(PAIRS, 40, zeros)
    assert x.shape == (169, 40) and x.dtype == torch.float64 and (x >= 0).all()
    assert ((x == 0).sum(0) == round(zeros * 169)).all()


def test_each_neuron_may_have_a_share_of_its_own():
    shares = np.linspace(0, 1, 9)
    x = random_features(PAIRS, 9, shares)
    assert ((x == 0).sum(0).numpy() == np.rint(shares * 169)).all()
    assert (x[:, 0] < 0).any() and (x[:, -1] == 0).all()
    assert torch.equal(x, random_features(PAIRS, 9, torch.from_numpy(shares)))


def test_without_zeros_a_neuron_is_a_sum_of_tables():
    x = random_features(PAIRS, 20, zeros=0).view(13, 13, 20)
    mixed = x - x.mean(0, keepdim=True) - x.mean(1, keepdim=True) + x.mean((0, 1))
    assert mixed.abs().max() < 1e-12


def test_seeds_decide_and_names_of_levels_do_not():
    first = random_features(PAIRS, 5, seed=1)
    assert torch.equal(first, random_features(PAIRS, 5, seed=1))
    assert not torch.equal(first, random_features(PAIRS, 5, seed=2))
    assert torch.equal(first, random_features(PAIRS * 10 + 3, 5, seed=1))
    assert torch.equal(first, random_features(pd.DataFrame(PAIRS.numpy(), columns=["a", "b"]), 5, seed=1))


def test_any_number_of_factors():
    three = np.array(list(product(range(4), range(5), range(6))))
    x = random_features(three, 100, zeros=0)
    assert torch.linalg.matrix_rank(x - x.mean(0)) == 3 + 4 + 5
    assert len(random_features(three[:, :1], 3).unique(dim=0)) <= 4


@pytest.mark.parametrize(("given", "message"), [
    (dict(factors=np.zeros((2, 2, 2))), r"factors of shape \(2, 2, 2\) were given"),
    (dict(factors=np.zeros((0, 2))), r"factors of shape \(0, 2\) were given"),
    (dict(factors=[[0.5, 1], [1, 2]]), "factors hold"),
    (dict(neurons=0), "neurons=0 is not possible"),
    (dict(zeros=-0.1), "give shares from 0 to 1"),
    (dict(zeros=np.nan), "give shares from 0 to 1"),
    (dict(zeros=[0.5] * 3), r"zeros of shape \(3,\) were given for 4 neurons"),
    (dict(seed=-1), "seed=-1 is not possible")])
def test_what_is_no_layer_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        random_features(**{"factors": PAIRS, "neurons": 4} | given)


# Groups

def test_omega_of_groups_is_that_of_their_correlations():
    x = random_features(PAIRS, 6)
    found = group_omegas(x, [6], groups=3, bias_correction=False)
    np.testing.assert_allclose(found.omega, float(o_information(copula_correlation(x))), atol=1e-10)
    corrected = group_omegas(x, [6], groups=1)
    np.testing.assert_allclose(corrected.omega, float(o_information(copula_correlation(x), 169)), atol=1e-10)


def test_groups_do_not_depend_on_what_else_is_asked():
    x = random_features(PAIRS, 30)
    every = group_omegas(x, [2, 5, 9], groups=7, seed=3)
    assert list(every.columns) == ["size", "group", "omega"] and len(every) == 21
    alone = group_omegas(x, 9, groups=7, seed=3)
    np.testing.assert_array_equal(every[every["size"] == 9].omega, alone.omega)
    np.testing.assert_allclose(every[every["size"] == 2].omega, 0, atol=1e-12)
    assert not np.allclose(alone.omega, group_omegas(x, 9, groups=7, seed=4).omega)


def test_a_layer_is_taken_and_dead_neurons_are_left_out():
    x = random_features(PAIRS, 12, [1.0, 1.0] + [0.5] * 10)
    pd.testing.assert_frame_equal(group_omegas(x, [3, 10]), group_omegas(Layer(x), [3, 10]))
    with pytest.raises(ValueError, match=r"sizes=\[11\] is not possible: give whole numbers from 2 to 10, for 10 neurons"):
        group_omegas(x, [11])


def test_scale_and_order_of_samples_do_not_matter():
    x = random_features(PAIRS, 20)
    order = np.random.default_rng(0).permutation(169)
    same = group_omegas((x * torch.arange(1, 21))[order] ** 3, [5, 15])
    np.testing.assert_allclose(same.omega, group_omegas(x, [5, 15]).omega, atol=1e-9)


@pytest.mark.parametrize("sizes", [[1], [], [2.5], "few", [3, 31]])
def test_sizes_that_are_not_possible(sizes):
    with pytest.raises(ValueError, match="give"):
        group_omegas(random_features(PAIRS, 30), sizes)
    with pytest.raises(ValueError, match="no such choice"):
        group_omegas(random_features(PAIRS, 30), [3], colour="red")


# The formula

@PROPERTY
@given(st.integers(3, 60), st.data())
def test_the_formula_without_a_floor_is_the_sum_of_digammas(rank, data):
    k = data.draw(st.integers(1, rank))
    i = np.arange(k)
    ends = k / 2 * (digamma(rank / 2) + digamma((rank - k + 1) / 2))
    expected = (ends - digamma((rank - i) / 2).sum()) / np.log(2)
    np.testing.assert_allclose(expected_omega([k], rank)[0], expected, atol=1e-9)
    assert expected_omega([k], rank)[0] <= 1e-12


def test_linear_layers_have_what_the_formula_says():
    sizes = np.array([6, 12, 18, 21])
    omegas = pd.concat([group_omegas(
        Layer(random_features(PAIRS, RANK, 0, seed), estimators={"linear": correlation}), sizes, groups=1,
        estimator="linear", bias_correction=False) for seed in range(300)]).groupby("size").omega
    assert ((omegas.mean() - expected_omega(sizes, RANK)).abs() < 5 * omegas.sem()).all()


@pytest.mark.parametrize("outside", [0.02, 0.12, 0.4])
def test_random_directions_over_a_floor_have_what_the_limit_says(outside):
    g = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 200, 280)))
    g /= g.norm(dim=1, keepdim=True)
    corr = (1 - outside) * g.mT @ g + outside * torch.eye(280, dtype=torch.float64)
    for k in (50, 150, 200, 280):
        omega = float(o_information(corr[:, :k, :k]).mean())
        assert abs(omega - expected_omega([k], 200, outside)[0]) < 0.02 * abs(omega) + 0.3


def test_the_limit_grows_with_the_rank_alone():
    one, ten = expected_omega([50, 100, 130], 100, 0.12), expected_omega([500, 1000, 1300], 1000, 0.12)
    np.testing.assert_allclose(ten, 10 * one)
    assert one[1] == one.min() < 0 < one[2]


@pytest.mark.parametrize("outside", [0.2, 0.33, 0.34, 0.6])
def test_small_groups_are_synergistic_up_to_a_third_outside(outside):
    assert (expected_omega([30], 10_000, outside)[0] < 0) == (outside < 1 / 3)


def test_a_random_layer_is_lowest_at_the_rank_of_its_inputs():
    pairs, sizes = ModularTask(p=31).pairs, np.array([15, 30, 45, 60, 75, 90])
    means = sum(group_omegas(random_features(pairs, 150, seed=seed), sizes).groupby("size").omega.mean()
                for seed in range(3)) / 3
    assert means.idxmin() == 60 and means[90] > 1
    np.testing.assert_allclose(means.loc[:60], expected_omega([15, 30, 45, 60], 60, 0.12), atol=0.4)


@pytest.mark.parametrize(("given", "message"), [
    (dict(sizes=[25]), r"sizes=\[25\] is not possible: give whole numbers from 1 to 24"),
    (dict(rank=0), "rank=0 is not possible"),
    (dict(outside=1.0), "outside=1.0 is not possible: give a share from 0 to below 1"),
    (dict(outside=-0.1), "outside=-0.1 is not possible")])
def test_what_has_no_formula_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        expected_omega(**{"sizes": [3], "rank": RANK} | given)


# The share outside

def test_the_share_outside_is_that_of_the_interaction():
    x = random_features(PAIRS, 8, 0.6)
    table = (x - x.mean(0)).view(13, 13, 8)
    mixed = table - table.mean(0, keepdim=True) - table.mean(1, keepdim=True)
    expected = mixed.square().sum((0, 1)) / table.square().sum((0, 1))
    torch.testing.assert_close(outside_share(x, PAIRS), expected)
    moved = outside_share((x * 7 - 3).numpy(), PAIRS)
    np.testing.assert_allclose(moved, expected, atol=1e-9)


def test_the_share_outside_of_some_pairs_only():
    rows = np.random.default_rng(0).permutation(169)[:80]
    x = random_features(PAIRS, 8, 0)[rows]
    np.testing.assert_allclose(outside_share(x, PAIRS[rows]), 0, atol=1e-9)
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(169, 200)))
    assert abs(float(outside_share(noise, PAIRS).mean()) - (1 - RANK / 168)) < 0.02


def test_sparse_neurons_lie_further_outside():
    shares = [float(outside_share(copula_normal(random_features(PAIRS, 100, zeros)), PAIRS).mean())
              for zeros in (0, 0.3, 0.5, 0.7, 0.9)]
    assert np.all(np.diff(shares) > 0) and 0.09 < shares[2] < 0.15


def test_factors_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="were given for"):
        outside_share(random_features(PAIRS, 3), PAIRS[1:])
    with pytest.raises(ValueError, match="the same value in every sample of column 0"):
        outside_share(random_features(PAIRS, 3, 1.0), PAIRS)


# Three meanings

def test_exact_omega_of_known_cases():
    assert abs(exact_omega(BITS)) < 1e-12
    assert abs(exact_omega(PARITY) + 1) < 1e-12
    assert abs(exact_omega(BITS[:, [0] * 5]) - 3) < 1e-12
    twice = np.vstack([PARITY, PARITY[:1]])
    assert abs(exact_omega(twice) - exact_omega(PARITY, [2, 1, 1, 1])) < 1e-12


@PROPERTY
@given(st.integers(0, 2**32 - 1))
def test_exact_omega_keeps_under_renaming(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, size=(30, 4))
    x[:2] = [[0] * 4, [1] * 4]
    assert abs(exact_omega(x) - exact_omega((-5 * x[rng.permutation(30)])[:, rng.permutation(4)])) < 1e-9


def test_noise_leads_from_the_exact_omega_to_nothing():
    x = random_features(PAIRS, 5).numpy()
    values = [noisy_omega(x, noise)[0] for noise in (1e-6, 0.05, 30)]
    assert abs(values[0] - exact_omega(x)) < 0.01 and abs(values[2]) < 1e-3 and values[0] > values[1]
    assert noisy_omega(x, 0.3) == noisy_omega(x * 8 + 1, 0.3)
    assert noisy_omega(x, 0.3) != noisy_omega(x, 0.3, seed=1)


def test_the_error_of_drawing_is_the_one_that_is_seen():
    several = np.array([noisy_omega(PARITY, 0.8, draws=300, seed=seed) for seed in range(60)])
    assert 0.7 < several[:, 0].std() / several[:, 1].mean() < 1.4


def test_noise_on_weighted_states():
    repeated = noisy_omega(np.vstack([PARITY, PARITY[:1]]), 0.5, draws=3000)[0]
    assert abs(repeated - noisy_omega(PARITY, 0.5, [2, 1, 1, 1], draws=3000)[0]) < 0.02


def test_levels_have_even_shares_and_keep_ties():
    x = random_features(PAIRS, 6)
    assert set(np.bincount(in_levels(x, 2)[:, 0])) <= {84, 85}
    four = in_levels(x, 4)
    assert all(len(set(four[x[:, j].numpy() == 0, j])) == 1 for j in range(6))
    assert (in_levels(x, 10**6).argsort(0, kind="stable") == x.numpy().argsort(0, kind="stable")).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: exact_omega(BITS[:, :2]), r"values of shape \(8, 2\) were given"),
    (lambda: exact_omega(np.zeros((4, 3))), "the same value in every sample of column 0"),
    (lambda: exact_omega(BITS, [-1] + [1] * 7), "give each a number that is 0 or more"),
    (lambda: exact_omega(BITS, np.zeros(8)), "not all 0"),
    (lambda: noisy_omega(BITS, 0), "noise=0 is not possible: give a number above 0"),
    (lambda: noisy_omega(BITS, 0.1, draws=0), "draws=0 is not possible"),
    (lambda: in_levels(BITS, 1), "levels=1 is not possible")])
def test_what_has_no_omega_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
