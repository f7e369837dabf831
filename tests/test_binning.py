"""Ways to group neurons, against scikit-learn on the columns themselves."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score

from grok_synergy.binning import METHODS, bin_means, group_distances, group_neurons, ward_bins
from grok_synergy.layer import bin_multiplets
from grok_synergy.matrices import correlation
from grok_synergy.measurement import UNITS


def groups(seed=0, samples=200, noise=0.7):
    """Noisy copies of four columns, of different scales."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(range(4), [6, 5, 7, 4])
    columns = rng.normal(size=(samples, 4))[:, truth] + noise * rng.normal(size=(samples, len(truth)))
    return columns * rng.uniform(0.5, 3, len(truth)) + rng.normal(size=len(truth)), truth


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


@pytest.mark.parametrize("columns", ["raw", "standardised"])
@pytest.mark.parametrize("linkage", ["ward", "average"])
def test_agglomerative_bins_are_those_of_the_columns(linkage, columns):
    for seed in range(5):
        x, _ = groups(seed)
        direct = AgglomerativeClustering(5, linkage=linkage).fit_predict((standardised(x) if columns != "raw" else x).T)
        assert adjusted_rand_score(group_neurons(x, 5, linkage, standardise=columns != "raw"), direct) == 1


def test_k_means_is_as_good_as_on_the_columns():
    def spread(x, bins):
        return sum(((x[:, bins == b] - x[:, bins == b].mean(1, keepdims=True)) ** 2).sum() for b in set(bins))

    x, _ = groups()
    direct = KMeans(4, n_init=10, random_state=0).fit_predict(x.T)
    assert spread(x, group_neurons(x, 4, "kmeans")) < 1.1 * spread(x, direct)


@pytest.mark.parametrize("method", METHODS)
def test_bins_do_not_depend_on_the_order_of_samples(method):
    x, _ = groups()
    shuffled = x[np.random.default_rng(1).permutation(len(x))]
    bins = group_neurons(x, 4, method)
    assert bins.shape == (22,) and set(bins) == set(range(4))
    assert adjusted_rand_score(bins, group_neurons(shuffled, 4, method)) == 1


@pytest.mark.parametrize("method", ["ward", "average", "kmeans", "spectral"])
def test_scale_does_not_matter_to_standardised_columns(method):
    x, truth = groups(noise=0.3)
    scaled = x * np.geomspace(0.01, 100, x.shape[1]) + 5
    assert adjusted_rand_score(truth, group_neurons(scaled, 4, method, standardise=True)) == 1
    assert method == "spectral" or adjusted_rand_score(truth, group_neurons(scaled, 4, method)) < 1


@pytest.mark.parametrize("method", METHODS)
def test_constant_columns_are_grouped_too(method):
    x, _ = groups()
    x[:, [3, 9]] = 1.0
    assert len(group_neurons(x, 4, method, standardise=True)) == 22


@pytest.mark.parametrize("method", ["ward", "average", "kmeans"])
def test_rounding_does_not_choose_where_a_constant_column_goes(method):
    "Standardised columns are all equally far from a constant one."
    for draw in range(20):
        rng = np.random.default_rng(draw)
        x = rng.normal(size=(150, 4)) @ rng.normal(size=(4, 24)) + rng.normal(size=(150, 24))
        x[:, 3] = 0
        bins = [group_neurons(x * scales, 5, method, standardise=True)
                for scales in (1.0, rng.uniform(0.5, 2, 24), rng.uniform(0.5, 2, 24))]
        assert all(adjusted_rand_score(bins[0], other) == 1 for other in bins[1:])


def test_random_bins_are_even_and_drawn_by_their_seed():
    x, _ = groups()
    first, again, other = (group_neurons(x, 4, "random", seed=seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any() and sorted(np.bincount(first)) == [5, 5, 6, 6]


@pytest.mark.parametrize("arguments, message", [
    (dict(method="single"), "method='single' is unknown: choose one of 'ward', 'average'"),
    (dict(n_bins=30), "n_bins=30 with 22 neurons"),
    (dict(n_bins=0), "n_bins=0 is not possible: give a whole number, 1 or more")])
def test_impossible_groups_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        group_neurons(groups()[0], **arguments)


def test_ward_bins_are_the_default():
    x, _ = groups()
    assert (group_neurons(x, 6) == ward_bins(x, 6)).all()


OFFSETS = {"one for all": 1e8, "one for each": 1e9 * np.random.default_rng(5).normal(size=22), "large": -3e10}


@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize("linkage", ["ward", "average"])
@pytest.mark.parametrize("columns", ["raw", "standardised"])
def test_bins_are_scikit_learns_wherever_columns_have_their_zero(linkage, columns, offset):
    for seed in range(3):
        x = groups(seed)[0] + offset
        direct = AgglomerativeClustering(5, linkage=linkage).fit_predict((standardised(x) if columns != "raw" else x).T)
        assert adjusted_rand_score(group_neurons(x, 5, linkage, standardise=columns != "raw"), direct) == 1


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_common_offset_changes_no_bins(method, standardise):
    x = np.round(1024 * groups()[0]) / 1024  # which a float holds beside the offset
    near, far = (group_neurons(x + offset, 4, method, standardise=standardise) for offset in (0, 2.0**30))
    assert adjusted_rand_score(near, far) == 1


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-300, 1e-165, 1e160, 1e300])
def test_a_common_scale_changes_no_bins(method, standardise, scale):
    x = groups()[0]
    bins = group_neurons(x * scale, 4, method, standardise=standardise)
    assert adjusted_rand_score(group_neurons(x, 4, method, standardise=standardise), bins) == 1


@pytest.mark.parametrize("offset", [0, 1e6])
def test_columns_that_nearly_agree_are_compared_sample_by_sample(offset):
    rng = np.random.default_rng(0)
    base, apart = offset + rng.normal(size=(300, 1)), np.repeat([1e-9, 0, 1], [4, 0, 4])
    x = base + 1e-7 * rng.normal(size=(300, 2))[:, apart.astype(int)] + 1e-9 * rng.normal(size=(300, 8))
    direct = AgglomerativeClustering(2).fit_predict(x.T)
    assert adjusted_rand_score(ward_bins(x, 2), direct) == adjusted_rand_score(direct, np.repeat([0, 1], 4)) == 1


@pytest.mark.parametrize("method", METHODS)
def test_any_kind_of_numbers_has_the_bins_of_its_floats(method):
    x = np.round(20 * groups()[0])
    bins = group_neurons(x, 4, method)
    for given in (x.astype(np.int64), x.astype(np.float32), x.astype(">f8"), pd.DataFrame(x),
                  pd.DataFrame(x).astype("Int64"), torch.tensor(x, requires_grad=True),
                  torch.tensor(x, dtype=torch.bfloat16), np.asfortranarray(x)):
        assert (group_neurons(given, 4, method) == bins).all()
    stamps = 2**40 + x.astype(np.int64)
    assert adjusted_rand_score(group_neurons(stamps, 4, method), bins) == 1


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_bins", [1, "1", np.int64(22), 22])
def test_one_bin_and_a_bin_for_each(method, standardise, n_bins):
    bins = group_neurons(groups()[0], n_bins, method, standardise=standardise)
    assert len(set(bins)) == int(n_bins)


@pytest.mark.parametrize("method", METHODS)
def test_one_column_is_one_bin(method):
    assert group_neurons(groups()[0][:, :1], 1, method).tolist() == [0]


@pytest.mark.parametrize("x, arguments, message", [
    (groups()[0], dict(n_bins=2.5), "n_bins=2.5 is not possible: give a whole number"),
    (groups()[0], dict(n_bins=None), "n_bins=None is not possible"), (groups()[0], dict(n_bins=True), "n_bins=True"),
    (groups()[0] + 1j, {}, "complex numbers"), (np.stack([groups()[0]] * 2), {}, "give .samples, neurons."),
    (groups()[0], dict(seed=-1), "seed=-1 is not possible"), (groups()[0], dict(seed=None), "seed=None"),
    (groups()[0], dict(standardise="no"), "standardise='no' is unknown"), (groups()[0], dict(method=None), "method=None"),
    (np.ma.masked_greater(groups()[0], 5), {}, "NaN or infinite features in column"),
    (pd.DataFrame({"a": [1.0, 2], "b": [np.inf, 1]}), dict(n_bins=1), "in column 'b'")])
def test_what_cannot_be_grouped_is_refused(x, arguments, message):
    with pytest.raises(ValueError, match=message):
        group_neurons(x, **arguments)


def test_means_of_bins_with_any_labels():
    x = np.arange(12).reshape(3, 4)
    for labels in ([3, 1, 3, 1], ["b", "a", "b", "a"], np.array([True, False, True, False]), [2.0, -1.0, 2.0, -1.0]):
        assert bin_means(x, labels).tolist() == [[2, 1], [6, 5], [10, 9]]
    far = 2**40 + x
    assert (bin_means(far, [0, 1, 0, 1]) - 2**40).tolist() == [[1, 2], [5, 6], [9, 10]]
    for labels, message in (([0, 0, np.nan, 1], "bins hold NaN"), ([0, 1], "shape .2,. were given for 4 variables"),
                            ([0, 0.5, 1, 1], "bins hold .0.5.")):
        with pytest.raises(ValueError, match=message):
            bin_means(x, labels)
        for unit in UNITS:
            with pytest.raises(ValueError, match=message.replace("bins", "b[a-z]+")):
                bin_multiplets(torch.tensor(x), torch.eye(4), labels, unit, correlation)


ODD = {"one sample": np.arange(5.0)[None], "constant": np.ones((9, 5)), "zeros": np.zeros((9, 5)),
       "pairs of copies": np.tile(np.random.default_rng(0).normal(size=(50, 4)), 2),
       "copies far from 0": 1e9 + np.tile(np.random.default_rng(0).normal(size=(50, 4)), 2),
       "subnormal": 5e-324 * np.random.default_rng(0).integers(1, 50, (40, 6)),
       "mixed scales": np.random.default_rng(0).normal(size=(40, 5)) * [1e-300, 1, 1e300, 1e-10, 1e10],
       "one constant but for rounding": 1 + np.eye(40, 5) * [1e-15, 1, 2, 3, 4],
       "largest float": 1.7e308 * np.sign(np.random.default_rng(0).normal(size=(40, 6)))}


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", ODD.values(), ids=ODD)
def test_odd_columns_are_grouped_or_the_missing_bins_are_told_of(x, method, standardise):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        bins = group_neurons(x, 4, method, standardise=standardise)
    assert bins.shape == (x.shape[1],) and set(bins) <= set(range(4))
    assert len(told) == (method == "kmeans" and len(set(bins)) < 4)
    assert all("k-means made" in str(one.message) and one.filename == __file__ for one in told)


@pytest.mark.parametrize("method", ["ward", "average", "kmeans"])
def test_distances_alone_give_the_same_bins(method):
    x, _ = groups()
    squares = np.square(x[:, :, None] - x[:, None]).sum(0)
    np.testing.assert_array_equal(group_distances(squares, 4, method), group_neurons(x, 4, method))
    with pytest.raises(ValueError, match="method='spectral' is unknown"):
        group_distances(squares, 4, "spectral")
