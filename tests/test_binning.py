"""Ways to group neurons, against scikit-learn on the columns themselves."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score

from grok_synergy.binning import METHODS, group_neurons, ward_bins


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


def test_random_bins_are_even_and_drawn_by_their_seed():
    x, _ = groups()
    first, again, other = (group_neurons(x, 4, "random", seed=seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any() and sorted(np.bincount(first)) == [5, 5, 6, 6]


@pytest.mark.parametrize("arguments, message", [
    (dict(method="single"), "method='single' is unknown: choose one of 'ward', 'average'"),
    (dict(n_bins=30), "n_bins=30 with 22 neurons"), (dict(n_bins=0), "n_bins=0 with 22 neurons")])
def test_impossible_groups_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        group_neurons(groups()[0], **arguments)


def test_ward_bins_are_the_default():
    x, _ = groups()
    assert (group_neurons(x, 6) == ward_bins(x, 6)).all()
