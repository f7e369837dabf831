"""Values of each sample: means, densities, and syntropy."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal

from grok_synergy.arrays import as_numpy
from grok_synergy.entropy import copula_correlation, copula_normal
from grok_synergy.local import local_information
from grok_synergy.oinfo import dual_total_correlation, o_information, s_information, total_correlation

FIELDS = {"tc": total_correlation, "dtc": dual_total_correlation, "omega": o_information, "s": s_information}


def samples(n=5, count=120, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n)) @ (np.eye(n) + 0.4 * rng.normal(size=(n, n)))


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("tied", [False, True])
def test_means_are_the_measures(n, tied):
    x = samples(n).round(1 if tied else 12)
    for copula, corr in [(True, copula_correlation(x)), (False, np.corrcoef(x.T))]:
        found = local_information(x, copula=copula)
        for field, measure in FIELDS.items():
            np.testing.assert_allclose(getattr(found, field).mean(), measure(corr), atol=1e-11)


@pytest.mark.parametrize("copula", [True, False])
def test_values_are_differences_of_surprise(copula):
    x = samples(4)
    z = copula_normal(x) if copula else x
    z = (z - z.mean(0)) / z.std(0)
    corr = z.T @ z / len(z)

    def surprise(columns):
        return -multivariate_normal(cov=corr[np.ix_(columns, columns)]).logpdf(z[:, columns]) / math.log(2)

    every = list(range(4))
    tc = sum(surprise([j]) for j in every) - surprise(every)
    dtc = sum(surprise([i for i in every if i != j]) for j in every) - 3 * surprise(every)
    found = local_information(x, copula=copula)
    np.testing.assert_allclose(found.tc, tc, atol=1e-9)
    np.testing.assert_allclose(found.dtc, dtc, atol=1e-9)


def test_members_names_and_index_stay():
    x = pd.DataFrame(samples(), columns=list("abcde"), index=pd.date_range("2020-01-01", periods=120))
    found = local_information(x, ["d", "a", "c"])
    assert found.members == (3, 0, 2) and found.names == ("d", "a", "c")
    assert (found.frame().index == x.index).all() and list(found.frame()) == ["tc", "dtc", "omega", "s"]
    np.testing.assert_allclose(found.omega, local_information(x.to_numpy(), [0, 2, 3]).omega, atol=1e-10)
    assert found == local_information(x, [3, 0, 2]) != local_information(x, [3, 0, 1])


def test_batches_and_tensors():
    batch = np.array([samples(4, seed=seed) for seed in range(6)]).reshape(2, 3, 120, 4)
    found, tensor = local_information(batch, [0, 1, 3]), local_information(torch.tensor(batch), [0, 1, 3])
    assert found.omega.shape == (2, 3, 120) and isinstance(tensor.omega, torch.Tensor)
    np.testing.assert_allclose(as_numpy(tensor.omega), found.omega, atol=1e-12)
    np.testing.assert_allclose(found.omega[1, 2], local_information(batch[1, 2], [0, 1, 3]).omega, atol=1e-10)
    with pytest.raises(ValueError, match=r"\(2, 3\) sets of samples are held"):
        found.frame()


def test_what_cannot_be_asked_is_refused():
    x = pd.DataFrame(samples(), columns=list("abcde"))
    for call, message in [
            (lambda: local_information(x, "z"), "members: 'z' is none of the"),
            (lambda: local_information(x, ["a"]), "give two or more"),
            (lambda: local_information(x, ["a", "a"]), "holds a column twice"),
            (lambda: local_information(x.assign(e=x.a), ["a", "b", "e"]), "column 'e' follows"),
            (lambda: local_information(x.assign(a=1.0)), "the same value in every sample of column 'a'"),
            (lambda: local_information(x, ties="none"), "ties='none' is unknown"),
            (lambda: local_information(x, copula=False, ties="none"), "ties='none' is unknown"),
            (lambda: local_information(x, copula="yes"), "copula='yes' is unknown")]:
        with pytest.raises(ValueError, match=message):
            call()


def test_syntropy_says_the_same():
    theirs = pytest.importorskip("syntropy.gaussian.multivariate_mi")
    x = samples(4)
    z = copula_normal(x)
    z = (z - z.mean(0)) / z.std(0)
    found, cov = local_information(x), z.T @ z / len(z)
    for field in FIELDS:
        value = np.ravel(getattr(theirs, f"local_{FIELDS[field].__name__}")(z.T, cov, (0, 1, 2, 3))) / math.log(2)
        np.testing.assert_allclose(getattr(found, field), value, atol=1e-9, err_msg=field)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_of_any_size_change_nothing(unit):
    x = samples(4)
    for copula in (False, True):
        found, scaled = local_information(x, copula=copula), local_information(unit * x, copula=copula)
        np.testing.assert_allclose(scaled.tc, found.tc, atol=1e-9)
        np.testing.assert_allclose(scaled.dtc, found.dtc, atol=1e-9)
