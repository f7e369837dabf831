"""Extremes of every order, and the search among many variables, against the exhaustive list."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from grok_synergy import walk
from grok_synergy.families import _held
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import o_information
from grok_synergy.search import search_multiplet


def correlations(n, seed=0, batch=(), mix=0.4):
    rng = np.random.default_rng(seed)
    mixing = np.eye(n) + mix * rng.normal(size=(*batch, n, n))
    cov = mixing @ mixing.swapaxes(-1, -2)
    scale = 1 / np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    return cov * scale[..., None] * scale[..., None, :]


@pytest.fixture(params=[(18, 27), (4, 27), (4, 6), (3, 4)], ids=["whole", "subtrees", "fixed bits", "many fixed bits"])
def cut(request, monkeypatch):
    "The tree whole, or cut so that small searches take the ways of large ones."
    monkeypatch.setitem(walk.SUBTREE, "cpu", request.param[0])
    monkeypatch.setattr(walk, "STORED", request.param[1])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("options", [{}, {"n_samples": 200}, {"max_size": 4}, {"min_size": 3, "max_size": 6},
                                     {"min_size": 9}])
def test_extremes_are_those_of_the_list(cut, options, threads):
    corr = correlations(9, batch=(2,))
    torch.set_num_threads(threads)
    found, every = extremes(corr, top=3, **options), all_multiplets(corr, **options)
    torch.set_num_threads(1)
    assert found.orders.tolist() == sorted(set(every.orders.tolist()))
    for batch in range(2):
        for row, order in enumerate(found.orders):
            omega = np.sort(every.omega[batch, every.orders == order])
            for kind, ranked in enumerate((omega, omega[::-1])):
                some = min(3, len(omega))
                np.testing.assert_allclose(found.omega[batch, kind, row, :some], ranked[:some], atol=1e-11)
                assert np.isnan(found.omega[batch, kind, row, some:]).all()
                for rank in range(some):
                    place = every.masks.tolist().index(found.masks[batch, kind, row, rank])
                    assert found.tc[batch, kind, row, rank] == pytest.approx(every.tc[batch, place], abs=1e-11)


def test_every_multiplet_is_right_however_the_tree_is_cut(cut):
    corr = correlations(8)
    every = all_multiplets(corr)
    for i in range(len(every)):
        members = np.array(every.members(i))
        assert every.omega[i] == pytest.approx(o_information(corr[np.ix_(members, members)]), abs=1e-10)


def test_blocks_have_extremes(cut):
    corr, blocks = correlations(14), np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7, 7, 7])
    found, every = extremes(corr, blocks=blocks, n_samples=500), all_multiplets(corr, blocks=blocks, n_samples=500)
    assert found.synergy == pytest.approx(-every.omega.min()) and found.redundancy == pytest.approx(every.omega.max())


def test_more_variables_than_memory_would_hold_when_orders_are_few():
    corr = correlations(29)
    found = extremes(corr, max_size=3, min_size=3)
    group = np.array([i for i in range(29) if int(found.masks[0, 0, 0]) >> i & 1])
    assert found.omega[0, 0, 0] == pytest.approx(o_information(corr[np.ix_(group, group)]), abs=1e-11)
    by_hand = min(o_information(corr[np.ix_(g, g)]) for g in map(np.array, [(0, 1, 2), (3, 9, 28), (27, 28, 5)]))
    assert found.omega[0, 0, 0] <= by_hand + 1e-12


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("blocks", [None, [4, 4, 0, 0, 2, 2, 1, 1, 3, 3]])
def test_equal_extremes_are_those_of_smaller_masks_whatever_the_threads(cut, threads, blocks):
    "Variables of equal correlations, whose groups differ by rounding, and independent ones, whose Ω is 0."
    for share in (0.3, 0):
        torch.set_num_threads(threads)
        found = extremes(np.full((10, 10), share) + (1 - share) * np.eye(10), blocks=blocks, top=3)
        torch.set_num_threads(1)
        units = np.arange(2 ** found.n_members)
        for row, order in enumerate(found.orders):
            first = units[np.bitwise_count(units) == order][:3]
            assert found.masks[:, row, :len(first)].tolist() == [first.tolist()] * 2


def test_results_are_the_same_whatever_the_threads(cut):
    corr, wide = correlations(9, batch=(2,)), correlations(30, seed=1)
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        results.append((extremes(corr, top=2), all_multiplets(corr), search_multiplet(wide, 5, restarts=2, steps=10)))
        torch.set_num_threads(1)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("corr, options, message", [
    (np.eye(33), {}, "33 variables have"), (np.eye(5), {"top": 0}, "top=0 is not possible"),
    (np.ones((4, 4)), {}, "columns 1, 2 and 3 follow from"),
    (np.eye(5), {"top": 1.5}, "top=1.5 is not possible"),
    (np.eye(5), {"min_size": 2.5}, "min_size=2.5 is not possible: give a whole number"),
    (np.eye(4), {"max_size": 5}, "max_size=5 with 4 variables")])
def test_impossible_extremes_are_refused(corr, options, message):
    with pytest.raises(ValueError, match=message):
        extremes(corr, **options)


# Search

@settings(deadline=None, max_examples=12, derandomize=True)
@given(seed=st.integers(0, 10**6), size=st.integers(3, 11), extreme=st.sampled_from(["synergy", "redundancy"]))
def test_search_finds_the_extreme_of_a_small_set(seed, size, extreme):
    corr = correlations(11, seed)
    exact = extremes(corr, min_size=size, max_size=size).omega[int(extreme == "redundancy"), 0, 0]
    found = search_multiplet(corr, size, extreme=extreme, restarts=8)
    assert found.omega == pytest.approx(exact, abs=1e-9) and len(found.members) == size
    assert 0 < found.agreement <= 1 and len(found.restarts) == 8


@pytest.mark.parametrize("n_samples", [None, 40])
@pytest.mark.parametrize("extreme", ["synergy", "redundancy"])
def test_search_for_any_size(extreme, n_samples):
    corr = correlations(12, seed=3)
    exact = extremes(corr, min_size=3, max_size=8, n_samples=n_samples)
    found = search_multiplet(corr, extreme=extreme, max_size=8, n_samples=n_samples, restarts=64)
    assert abs(found.omega) == pytest.approx(abs(float(getattr(exact, extreme))), abs=1e-9)
    assert 3 <= len(found.members) <= 8


def test_search_depends_on_its_seed_only():
    corr = correlations(40, seed=1)
    one, two = (search_multiplet(corr, 8, restarts=4, steps=50, seed=5) for _ in range(2))
    assert one.members == two.members and (one.restarts == two.restarts).all()
    other = search_multiplet(corr, 8, restarts=4, steps=50, seed=6)
    assert (one.restarts != other.restarts).any()


def test_what_is_found_is_what_it_says():
    corr = correlations(60, seed=2)
    found = search_multiplet(3.0 * corr, 9)  # a covariance serves as well
    group = np.array(found.members)
    assert found.omega == pytest.approx(o_information(corr[np.ix_(group, group)]), abs=1e-10)
    assert found.omega == pytest.approx(found.restarts.min(), abs=1e-9)


@pytest.mark.parametrize("corr, size, options, message", [
    (np.eye(9), 2, {}, "size=2, max_size=None with 9 variables"), (np.eye(9), 10, {}, "size=10"),
    (np.eye(9), 4, {"extreme": "max"}, "extreme='max' is unknown"), (np.eye(9), 4, {"restarts": 0}, "restarts=0"),
    (np.eye(9), 4, {"max_size": 5}, "were both given"), (np.eye(9), 4.5, {}, "size=4.5 is not possible"),
    (np.ones((4, 4)), 3, {}, "singular"), (np.ones((4, 4)), None, {}, "singular"), (np.eye(9), 4, {"seed": -1}, "seed=-1"),
    (np.stack([np.eye(4)] * 2), 3, {}, "give one")])
def test_impossible_searches_are_refused(corr, size, options, message):
    with pytest.raises(ValueError, match=message):
        search_multiplet(corr, size, **options)


# Groups, not the whole

def samples(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns))


@pytest.mark.parametrize("extreme", ["synergy", "redundancy"])
@pytest.mark.parametrize("sizes", [{"size": 3}, {"size": 7}, {"max_size": 4}])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_search_needs_regular_groups_only(extreme, sizes, dtype):
    "Thirty samples of forty variables span 29 dimensions."
    corr = np.corrcoef(samples(30, 40).T).astype(dtype)
    found = search_multiplet(corr, extreme=extreme, restarts=4, steps=40, **sizes)
    group = np.array(found.members)
    assert found.omega == pytest.approx(o_information(corr[np.ix_(group, group)]), abs=1e-8)
    assert np.isfinite(found.restarts).all()
    for whole in ({}, {"size": 40}, {"max_size": 40}):
        with pytest.raises(ValueError, match="the correlation matrix is singular"):
            search_multiplet(corr, extreme=extreme, **whole)


def test_a_search_walks_up_to_the_size_that_is_singular():
    "Of four outputs that sum to one, triplets are regular; the fourth has no variance left."
    x = np.exp(samples(200, 4))
    corr = np.corrcoef((x / x.sum(1, keepdims=True)).T)
    for extreme in ("synergy", "redundancy"):
        exact = extremes(corr, min_size=3, max_size=3)
        for sizes in ({"size": 3}, {"max_size": 3}):
            found = search_multiplet(corr, extreme=extreme, **sizes)
            assert abs(found.omega) == pytest.approx(abs(float(getattr(exact, extreme))), abs=1e-9)


@pytest.mark.parametrize("extreme", ["synergy", "redundancy"])
def test_a_search_that_meets_a_singular_group_names_it(extreme):
    x = samples(100, 12)
    x[:, 7] = -2 * x[:, 3]
    frame = pd.DataFrame(np.corrcoef(x.T), columns=list("abcdefghijkl"))
    for sizes in ({"size": 4}, {"max_size": 5}):
        with pytest.raises(ValueError, match="in the group of columns .* singular: column 'h' follows"):
            search_multiplet(frame, extreme=extreme, **sizes)


def test_a_shrunk_matrix_of_few_samples_is_searched_with_its_bias():
    corr = LedoitWolf().fit(samples(100, 150)).covariance_
    found = search_multiplet(corr, 3, n_samples=100, restarts=4)
    group = corr[np.ix_(found.members, found.members)]
    assert found.omega == pytest.approx(o_information(group, n_samples=100))
    with pytest.raises(ValueError, match="n_samples=3 is too few for 3 variables"):
        search_multiplet(corr, 3, n_samples=3)


def test_sizes_may_be_whole_floats_or_text_and_one_restart_may_have_one_way_to_go():
    corr = correlations(6)
    assert search_multiplet(corr, 3.0) == search_multiplet(corr, "3") == search_multiplet(corr, 3)
    assert search_multiplet(corr, 6, restarts=1).members == tuple(range(6))


def test_of_equal_multiplets_the_search_gives_the_smaller_mask():
    assert search_multiplet(np.full((6, 6), 0.3) + 0.7 * np.eye(6), 3, restarts=64).members == (0, 1, 2)


@pytest.mark.parametrize("n", [3, 6])
def test_where_any_size_means_three_a_search_exchanges(n):
    corr = correlations(n, seed=4)
    for extreme in ("synergy", "redundancy"):
        any_size, three = (search_multiplet(corr, extreme=extreme, restarts=8, **sizes) for sizes in
                           ({"max_size": 3}, {"size": 3}))
        assert any_size == three


def test_a_walk_through_nearly_singular_groups_keeps_its_numbers():
    "Two dimensions and a millionth of noise: precisions of 10^12, which an exchange takes away again."
    for seed in range(5):
        corr = np.corrcoef((samples(50, 2, seed) @ samples(2, 8, seed + 9) + 1e-6 * samples(50, 8, seed + 99)).T)
        for sizes in ({"size": 3}, {"max_size": 4}):
            found = search_multiplet(corr, restarts=8, steps=40, **sizes)
            group = corr[np.ix_(found.members, found.members)]
            assert found.omega == pytest.approx(o_information(group), abs=0.01) and np.isfinite(found.restarts).all()
            assert found.restarts.min() == pytest.approx(found.omega, abs=0.02)


def test_a_search_says_whether_its_families_agree():
    found = search_multiplet(correlations(12), 4)
    assert found.agreed and found.agreement == 1 and len(found.restarts) == 4
    alone = search_multiplet(correlations(12), 4, restarts=1, seed=2)
    assert not alone.agreed and "no agreement: 1 of 1" in repr(alone)


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_families_come_near_a_long_annealing(seed):
    rng = np.random.default_rng(seed)
    corr = np.corrcoef(rng.normal(size=(500, 10)) @ rng.normal(size=(10, 60)) + 2 * rng.normal(size=(500, 60)), rowvar=False)
    assert search_multiplet(corr, 6).omega <= 0.95 * search_multiplet(corr, 6, steps=2000, seed=1).omega


def test_a_family_holds_no_multiplet_twice():
    members = torch.tensor([[0, 1, 2], [0, 1, 3], [4, 5, 6], [4, 5, 7]])
    child = torch.tensor([[8, 9, 1], [1, 8, 9], [2, 1, 0], [9, 8, 1]])
    assert _held(child, members, 2).tolist() == [False, True, False, False]
    assert _held(child, members, 4).tolist() == [False, True, True, True]


def test_a_full_multiplet_that_stays_keeps_its_members():
    "In a search up to a size some multiplets are full while others still grow."
    corr = correlations(12, seed=3)
    for seed in range(4):
        found = search_multiplet(corr, max_size=4, restarts=16, seed=seed)
        assert len(found.members) <= 4 and found.restarts.min() == pytest.approx(found.omega, abs=1e-9)
