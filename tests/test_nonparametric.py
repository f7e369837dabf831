"""Multiplets from any entropy: against brute force, known values, and other packages."""

import itertools
import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma

from grok_synergy.entropy import copula_correlation
from grok_synergy.meaning import exact_omega
from grok_synergy.multiplets import all_multiplets
from grok_synergy.nonparametric import _nearest_entropy, discrete_multiplets, multiplets_by, nearest_multiplets
from grok_synergy.oinfo import dual_total_correlation, o_information, total_correlation
from grok_synergy.results import load_multiplets

NAMES = list("abcdefghijkl")


def samples(n=5, count=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n)) @ (np.eye(n) + 0.4 * rng.normal(size=(n, n)))


def of_members(found):
    return {found.members(row): row for row in range(len(found))}


@pytest.mark.parametrize("min_size, max_size", [(2, 3), (3, 3), (2, 5), (4, 5), (2, 2)])
def test_gaussian_entropies_give_what_the_engine_gives(min_size, max_size):
    corr = np.corrcoef(samples(6).T)

    def entropy(groups):
        return np.linalg.slogdet(corr[groups[:, :, None], groups[:, None]])[1] / 2 / np.log(2) + 7 * groups.shape[1]

    ours = multiplets_by(entropy, 6, min_size=min_size, max_size=max_size, names=tuple("abcdef"))
    engine = all_multiplets(pd.DataFrame(corr, list("abcdef"), list("abcdef")), min_size=min_size, max_size=max_size)
    np.testing.assert_array_equal(ours.masks, engine.masks)
    for field in ("tc", "dtc", "omega", "s"):
        np.testing.assert_allclose(getattr(ours, field), getattr(engine, field), atol=1e-9)
    assert ours.names == engine.names and (ours.sizes == engine.sizes).all() and (ours.parts == engine.parts).all()


def plug_in(columns):
    _, counts = np.unique(columns, axis=0, return_counts=True)
    share = counts / counts.sum()
    return -(share * np.log2(share)).sum(), (len(counts) - 1) / (2 * counts.sum() * math.log(2))


@pytest.mark.parametrize("estimator", ["plugin", "miller_madow"])
def test_discrete_multiplets_are_counts(estimator):
    x = np.random.default_rng(3).integers(0, [2, 3, 4, 2, 4], size=(200, 5))
    x[:, 3] = (x[:, 0] + x[:, 1]) % 2
    found = discrete_multiplets(x, max_size=4, estimator=estimator)
    for members, row in of_members(found).items():
        def bits(columns):
            h, correction = plug_in(x[:, list(columns)])
            return h + correction * (estimator == "miller_madow")

        whole = bits(members)
        tc = sum(bits([i]) for i in members) - whole
        dtc = sum(bits([j for j in members if j != i]) for i in members) - (len(members) - 1) * whole
        np.testing.assert_allclose([found.tc[row], found.dtc[row]], [tc, dtc], atol=1e-10)
        if estimator == "plugin" and len(members) > 2:
            np.testing.assert_allclose(found.omega[row], exact_omega(x[:, list(members)]), atol=1e-10)


@pytest.mark.parametrize("kind", ["coins", "signs"])
def test_an_exclusive_or_is_the_most_synergistic_triplet(kind):
    rng = np.random.default_rng(5)
    for hidden in ([0, 1, 2], [2, 5, 10], [3, 9, 11]):
        x = pd.DataFrame(rng.normal(size=(2000, 12)), columns=NAMES)
        x.iloc[:, hidden[2]] = np.abs(x.iloc[:, hidden[2]]) * np.sign(x.iloc[:, hidden[0]] * x.iloc[:, hidden[1]])
        if kind == "coins":
            x = (x > 0) * 3.0
        found = discrete_multiplets(x, levels=2)
        assert len(found) == 286 and found.names == tuple(NAMES)
        assert list(found.members(found.most_synergistic())) == hidden
        np.testing.assert_allclose(found.omega.min(), -1, atol=0.01 if kind == "coins" else 0.4)
        assert np.sort(found.omega)[1] > -0.05
        blind = all_multiplets(copula_correlation(x), max_size=3)
        assert np.abs(blind.omega).max() < 0.05


def test_a_column_with_few_values_keeps_them():
    x = np.array([[0, 1.5, 3], [7, 2.5, 3], [7, 0.5, 3], [0, 9.5, 4]])
    found = discrete_multiplets(x, levels=2, max_size=2, estimator="plugin")
    same = discrete_multiplets(np.array([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 1]]), max_size=2, estimator="plugin")
    np.testing.assert_allclose(found.tc, same.tc, atol=1e-12)


def test_many_states_are_counted_exactly():
    x = np.random.default_rng(0).normal(size=(500, 4))
    found = discrete_multiplets(x, levels=400, max_size=4, estimator="plugin")
    joint = found.tc[-1]  # every sample is a state of its own: H = log2(500)
    single = sum(plug_in(np.floor((x[:, [j]].argsort(0).argsort(0) + 0.5) / 500 * 400))[0] for j in range(4))
    np.testing.assert_allclose(joint, single - np.log2(500), atol=1e-9)


def neighbours_by_brute_force(x, k):
    "Distance in the whole, and counts nearer than that in each part."
    distance = np.abs(x[:, None] - x[None])
    whole = np.sort(distance.max(-1), axis=1)[:, k]
    return whole, lambda columns: ((distance[..., columns].max(-1) < whole[:, None]).sum(1) - 1)


@pytest.mark.parametrize("k", [1, 4])
def test_one_distance_is_its_definition(k):
    x = samples(4, 150)
    x = (x - x.mean(0)) / x.std(0)
    found = nearest_multiplets(x, k=k, max_size=4)
    for members, row in of_members(found).items():
        own, m, n = x[:, list(members)], len(members), len(x)
        _, count = neighbours_by_brute_force(own, k)
        single = sum(digamma(count([j]) + 1).mean() for j in range(m))
        others = sum(digamma(count([i for i in range(m) if i != j]) + 1).mean() for j in range(m))
        tc, dtc = digamma(k) + (m - 1) * digamma(n) - single, digamma(n) + (m - 1) * digamma(k) - others
        np.testing.assert_allclose([found.tc[row], found.dtc[row]], np.array([tc, dtc]) / math.log(2), atol=1e-10)


def test_entropies_by_neighbours_are_their_definition():
    x = samples(3, 150)
    whole, _ = neighbours_by_brute_force(x, 4)
    h = digamma(150) - digamma(4) + 3 * np.log(2 * whole).mean()
    np.testing.assert_allclose(_nearest_entropy(x, 4, np.array([[0, 1, 2]])), h / math.log(2), atol=1e-10)


def test_neighbours_come_near_the_truth_for_gaussians():
    mixing = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1]])
    draws = [np.random.default_rng(seed).multivariate_normal(np.zeros(3), mixing @ mixing.T, 1000) for seed in range(8)]
    found = [nearest_multiplets(x, min_size=3) for x in draws]
    for measure, field in [(total_correlation, "tc"), (dual_total_correlation, "dtc"), (o_information, "omega")]:
        np.testing.assert_allclose(np.mean([getattr(one, field) for one in found]), measure(mixing @ mixing.T), atol=0.1)
    alone = nearest_multiplets(np.random.default_rng(1).normal(size=(2000, 3)))
    assert np.abs(alone.tc).max() < 0.06


def test_units_do_not_matter():
    x = samples(4, 200)
    for method in ("one_distance", "entropies"):
        found, scaled = (nearest_multiplets(x * factor + 5, method=method) for factor in (1, [1, 10, 100, 0.01]))
        np.testing.assert_allclose(found.omega, scaled.omega, atol=1e-6)


def test_what_cannot_be_asked_is_refused():
    x, coins = samples(), np.random.default_rng(0).integers(0, 2, size=(50, 3))
    for call, message in [
            (lambda: nearest_multiplets(pd.DataFrame(coins, columns=list("xyz"))), "column 'x', 'y' and 'z' holds a value"),
            (lambda: nearest_multiplets(x[:4]), "more than k=4 samples"),
            (lambda: nearest_multiplets(x, method="kernel"), "method='kernel' is unknown"),
            (lambda: nearest_multiplets(x, k=0), "k=0 is not possible"),
            (lambda: discrete_multiplets(x, levels=1), "levels=1 is not possible"),
            (lambda: discrete_multiplets(x[None]), "one set at a time"),
            (lambda: discrete_multiplets(x, estimator="best"), "estimator='best' is unknown"),
            (lambda: discrete_multiplets(x, max_size=6), "max_size=6 with 5 columns"),
            (lambda: discrete_multiplets(np.ones((5, 3))), "the same value in every sample of column 0, 1 and 2"),
            (lambda: multiplets_by(lambda groups: np.zeros(3), 5), "give one number for each"),
            (lambda: multiplets_by(lambda groups: np.full(len(groups), np.nan), 5), "not finite"),
            (lambda: multiplets_by(lambda groups: np.zeros(len(groups)), 60, max_size=9), "give a lower order")]:
        with pytest.raises(ValueError, match=message):
            call()


def test_bins_and_neighbours_of_syntropy():
    pytest.importorskip("syntropy")
    from syntropy.discrete.estimators import miller_madow_entropy, plugin_probabilities
    from syntropy.discrete.multivariate_mi import o_information as discrete_omega
    from syntropy.knn.multivariate_mi import o_information as nearest_omega
    from syntropy.knn.shannon import differential_entropy
    x = np.random.default_rng(3).integers(0, 3, size=(200, 4))
    x[:, 3] = (x[:, 0] + x[:, 1]) % 3
    found = discrete_multiplets(x, max_size=4, estimator="plugin")
    for members, row in of_members(found).items():
        if len(members) > 2:
            theirs = discrete_omega(plugin_probabilities(x[:, members].T))[1]
            np.testing.assert_allclose(found.omega[row], theirs, atol=1e-9)
    pair = sum(miller_madow_entropy(x[:, [i]].T) for i in range(2)) - miller_madow_entropy(x[:, :2].T)
    np.testing.assert_allclose(discrete_multiplets(x, max_size=2).tc[0], pair / math.log(2), atol=1e-9)
    z = samples(4, 200)
    z = (z - z.mean(0)) / z.std(0)
    by_distance = nearest_multiplets(z, min_size=3, max_size=4)
    for members, row in of_members(by_distance).items():
        theirs = nearest_omega(z.T, 4, members)[1]
        np.testing.assert_allclose(by_distance.omega[row], theirs / math.log(2), atol=1e-9)
    theirs = differential_entropy(z.T, 4, (0, 1, 2))[1]
    np.testing.assert_allclose(_nearest_entropy(z, 4, np.array([[0, 1, 2]])), theirs / math.log(2), atol=1e-9)


def test_bins_of_hoi():
    metrics = pytest.importorskip("hoi.metrics")
    x = np.random.default_rng(3).integers(0, 3, size=(200, 4))
    x[:, 3] = (x[:, 0] + x[:, 1]) % 3
    found, model = discrete_multiplets(x, min_size=3, max_size=4, estimator="plugin"), metrics.Oinfo(x)
    theirs = model.fit(minsize=3, maxsize=4, method="binning")[:, 0]
    rows = of_members(found)
    for members, value in zip(model._multiplets, theirs, strict=True):
        np.testing.assert_allclose(found.omega[rows[tuple(int(i) for i in members if i >= 0)]], value, atol=1e-4)


def test_any_order_of_groups_is_looked_up():
    seen = []

    def entropy(groups):
        seen.extend(map(tuple, groups))
        return np.array([sum(group) + 0.25 * len(group) ** 2 for group in groups])

    found = multiplets_by(entropy, 7, max_size=4)
    assert seen == [group for order in range(1, 5) for group in sorted(
        itertools.combinations(range(7), order), key=lambda group: sum(1 << i for i in group))]
    for members, row in of_members(found).items():
        m = len(members)
        np.testing.assert_allclose(found.tc[row], 0.25 * (m - m**2), atol=1e-12)


def test_more_columns_than_a_mask_has_bits():
    x = samples(70, 400)
    corr = np.corrcoef(x.T)

    def entropy(groups):
        return np.linalg.slogdet(corr[groups[:, :, None], groups[:, None]])[1] / 2 / np.log(2)

    ours, engine = multiplets_by(entropy, 70, max_size=3), all_multiplets(corr, max_size=3)
    np.testing.assert_array_equal(ours.groups, engine.groups)
    np.testing.assert_allclose(ours.omega, engine.omega, atol=1e-9)


@pytest.mark.parametrize("factor", [1e160, 1e-180])
@pytest.mark.parametrize("method", ["entropies", "neighbours"])
def test_the_size_of_numbers_does_not_matter(factor, method):
    x = np.random.default_rng(0).normal(size=(200, 4))
    x[:, 1] += x[:, 0]
    kind = {} if method == "neighbours" else {"method": method}
    expected = nearest_multiplets(x, max_size=2, **kind).tc
    np.testing.assert_allclose(nearest_multiplets(x * factor, max_size=2, **kind).tc, expected, atol=1e-9)


def test_an_estimator_may_use_its_array_again():
    buffer = np.zeros(100)

    def entropy(groups):
        buffer[:len(groups)] = groups.shape[1]
        return buffer[:len(groups)]

    assert (multiplets_by(entropy, 4).tc == 0).all()


def test_each_column_has_a_name_or_none_has():
    with pytest.raises(ValueError, match="names=.'a', 'b'. of 4 columns: give one name for each"):
        multiplets_by(lambda groups: np.ones(len(groups)), 4, names=("a", "b"))


def test_two_columns_are_told_how_many_they_are():
    for act in (discrete_multiplets, nearest_multiplets):
        with pytest.raises(ValueError, match="max_size=3 with 2 columns: give 2 <= min_size <= max_size <="):
            act(np.random.default_rng(0).normal(size=(50, 2)))


@pytest.mark.parametrize("act", [discrete_multiplets, nearest_multiplets, partial(nearest_multiplets, method="entropies"),
                                 lambda x, **size: multiplets_by(lambda groups: groups.sum(1) + 1, 4, **size)])
def test_no_largest_order_is_all_of_them(act):
    x = samples(4, 60)
    assert act(x, max_size=None) == act(x, max_size=4)
    with pytest.raises(ValueError, match="max_size=None with 4 columns"):
        act(x, min_size=5, max_size=None)


def test_so_many_orders_are_too_many_by_any_name():
    with pytest.raises(ValueError, match="max_size=None asks for the entropies of 1073741823 groups"):
        multiplets_by(lambda groups: np.zeros(len(groups)), 30, max_size=None)


@pytest.mark.parametrize("names", [list("abcd"), pd.Index(list("abcd")), np.array(list("abcd")), iter("abcd")])
def test_names_of_any_kind_are_names(names, tmp_path):
    found = multiplets_by(lambda groups: groups.sum(1) + 1.0, 4, names=names)
    assert found == multiplets_by(lambda groups: groups.sum(1) + 1.0, 4, names=tuple("abcd"))
    found.save(tmp_path / "found.nc")
    assert load_multiplets(tmp_path / "found.nc") == found
    with pytest.raises(ValueError, match="names=5 of 4 columns: give one name for each"):
        multiplets_by(lambda groups: groups.sum(1) + 1.0, 4, names=5)
