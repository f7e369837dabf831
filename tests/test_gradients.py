"""Gradients of Ω and measures with a target: against differences of Ω, sums of information, and hoi."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from grok_synergy.arrays import as_numpy
from grok_synergy.conditional import conditional_correlation, mutual_information
from grok_synergy.entropy import copula_correlation
from grok_synergy.gradients import omega_gradient, omega_gradient_pairs, target_multiplets
from grok_synergy.oinfo import o_information

NAMES = list("abcdef")


def samples(n=6, count=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n)) @ (np.eye(n) + 0.4 * rng.normal(size=(n, n)))


CORR = pd.DataFrame(np.corrcoef(samples().T), NAMES, NAMES)


def omega(columns, n_samples=None):
    places = sorted(columns)
    return float(o_information(CORR.to_numpy()[np.ix_(places, places)], n_samples)) if len(places) > 2 else 0.0


@pytest.mark.parametrize("n_samples", [None, 300])
def test_gradients_are_differences_of_omega(n_samples):
    every = set(range(6))
    first, second = omega_gradient(CORR, n_samples), omega_gradient_pairs(CORR, n_samples)
    assert list(first.index) == list(second) == list(second.index) == NAMES
    for i in every:
        np.testing.assert_allclose(first.iloc[i], omega(every, n_samples) - omega(every - {i}, n_samples), atol=1e-10)
        assert second.iloc[i, i] == 0
        for j in every - {i}:
            value = (omega(every, n_samples) - omega(every - {i}, n_samples) - omega(every - {j}, n_samples)
                     + omega(every - {i, j}, n_samples))
            np.testing.assert_allclose(second.iloc[i, j], value, atol=1e-10)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_gradients_of_small_groups(n):
    corr = CORR.to_numpy()[:n, :n]
    whole = o_information(corr)
    without = [o_information(np.delete(np.delete(corr, i, 0), i, 1)) for i in range(n)]
    np.testing.assert_allclose(omega_gradient(corr), whole - np.array(without), atol=1e-12)
    if n < 4:  # what is left of a triplet, and of its pairs, has no Ω
        np.testing.assert_allclose(omega_gradient_pairs(corr), whole * (1 - np.eye(n)), atol=1e-12)


def test_gradients_of_batches_and_tensors():
    batch = np.array([np.corrcoef(samples(5, seed=seed).T) for seed in range(6)]).reshape(2, 3, 5, 5)
    for function, shape in [(omega_gradient, (5,)), (omega_gradient_pairs, (5, 5))]:
        together = function(batch)
        assert together.shape == (2, 3, *shape)
        for place in itertools.product(range(2), range(3)):
            np.testing.assert_allclose(together[place], function(batch[place]), atol=1e-12)
        np.testing.assert_allclose(as_numpy(function(torch.tensor(batch))), together, atol=1e-12)
        t = torch.tensor(batch[0, 0], requires_grad=True)
        assert torch.autograd.gradcheck(lambda c, function=function: function(c + c.mT), t)


@pytest.mark.parametrize("target", ["a", "d", 5])
@pytest.mark.parametrize("n_samples", [None, 300])
def test_what_multiplets_say_of_a_target_is_a_sum_of_information(target, n_samples):
    place = NAMES.index(target) if isinstance(target, str) else target
    found = target_multiplets(CORR, target, n_samples=n_samples)
    rest = [i for i in range(6) if i != place]
    assert found.free.names == tuple(NAMES[i] for i in rest) and len(found.free) == 26
    for row in range(len(found.free)):
        group = [rest[i] for i in found.free.members(row)]

        def told(columns):
            return mutual_information(CORR.to_numpy(), columns, place, n_samples=n_samples) if columns else 0

        without = sum(told([j for j in group if j != i]) for i in group)
        np.testing.assert_allclose(found.information[row], told(group), atol=1e-9)
        np.testing.assert_allclose(found.index[row], told(group) - sum(told([i]) for i in group), atol=1e-9)
        np.testing.assert_allclose(found.omega_change[row], (1 - len(group)) * told(group) + without, atol=1e-9)
        change = omega({*group, place}, n_samples) - omega(group, n_samples)
        np.testing.assert_allclose(found.omega_change[row], change, atol=1e-9)


def test_an_added_sum_is_synergistic_and_a_copy_redundant():
    x = np.random.default_rng(2).normal(size=(5000, 4))
    x[:, 3] = x[:, 0] + x[:, 1] + 0.3 * x[:, 3]
    x[:, 2] = x[:, 0] + 0.3 * x[:, 2]
    table = target_multiplets(copula_correlation(x), 3, max_size=2).frame().set_index("members")
    assert table["index"].idxmax() == (0, 1) and table["index"].idxmin() == (0, 2)
    assert table["index"][(0, 1)] > 1 and table.omega_change[(0, 1)] < -1
    assert table["index"][(0, 2)] < -0.3


def test_a_frame_lists_one_matrix_and_tensors_stay_tensors():
    batch = torch.tensor(np.array([CORR, CORR]))
    found = target_multiplets(batch, 0, max_size=2)
    assert isinstance(found.information, torch.Tensor) and found.information.shape == (2, 10)
    np.testing.assert_allclose(found.information[0], target_multiplets(CORR, "a", max_size=2).information, atol=1e-12)
    with pytest.raises(ValueError, match=r"\(2,\) matrices are held"):
        found.frame()
    assert "<table" in target_multiplets(CORR, "a")._repr_html_()
    assert target_multiplets(CORR, "a") == target_multiplets(CORR, 0) != target_multiplets(CORR, "b")


def test_what_cannot_be_asked_is_refused():
    for call, message in [
            (lambda: omega_gradient(np.ones((3, 3))), "singular"),
            (lambda: omega_gradient_pairs(np.eye(1)), "give two or more"),
            (lambda: target_multiplets(CORR, "x"), "target: 'x' is none of the"),
            (lambda: target_multiplets(CORR, 6), "target: 6 is none of the 6 columns"),
            (lambda: target_multiplets(np.ones((3, 3)), 0), "singular: column 2 follows"),
            (lambda: target_multiplets(CORR, "a", containing="a"), "containing holds the target, column 'a'"),
            (lambda: target_multiplets(CORR, "a", max_size=9), "max_size=9")]:
        with pytest.raises(ValueError, match=message):
            call()


def test_hoi_says_the_same_of_a_target():
    metrics = pytest.importorskip("hoi.metrics")
    x = samples()
    found = target_multiplets(copula_correlation(x), 5, max_size=4)
    rows = {found.free.members(i): i for i in range(len(found.free))}
    for model, ours in [(metrics.RSI(x[:, :5], x[:, 5]), found.index),
                        (metrics.GradientOinfo(x[:, :5], x[:, 5]), found.omega_change)]:
        theirs = model.fit(minsize=2, maxsize=4, method="gc")[:, 0]
        for members, value in zip(model._multiplets, theirs, strict=True):
            members = tuple(int(i) for i in members if 0 <= i < 5)
            np.testing.assert_allclose(ours[rows[members]], value, atol=1e-4, err_msg=str((model, members)))


def test_hundreds_of_columns_and_filters():
    x = samples(80, 500)
    corr = np.corrcoef(x.T)
    found = target_multiplets(corr, 40, max_size=3)
    assert len(found.free) == 79 * 78 // 2 + 79 * 78 * 77 // 6
    for row in (0, 5000, 70000):
        group = [i + (i >= 40) for i in found.free.members(row)]
        np.testing.assert_allclose(found.information[row], mutual_information(corr, group, 40), atol=1e-9)
    among = range(45, 75)
    some = target_multiplets(corr, 40, max_size=3, containing=70, among=among)
    assert len(some.free) == 29 + 29 * 28 // 2
    every = {found.free.members(row): value for row, value in enumerate(found.index)}
    for row, value in enumerate(some.index):
        members = some.free.members(row)
        assert 69 in members and min(members) >= 44 and max(members) < 74
        np.testing.assert_allclose(value, every[members], atol=1e-9)


def test_labelled_arrays_keep_their_names():
    labelled = xr.DataArray(CORR.to_numpy(), {"row": NAMES, "column": NAMES}, ("row", "column"))
    assert target_multiplets(labelled, "c") == target_multiplets(CORR, "c")
    pd.testing.assert_series_equal(omega_gradient(labelled), omega_gradient(CORR))
    pd.testing.assert_frame_equal(omega_gradient_pairs(labelled), omega_gradient_pairs(CORR))
    pd.testing.assert_frame_equal(conditional_correlation(labelled, "c"), conditional_correlation(CORR, "c"))
    assert mutual_information(labelled, "a", "c", "b") == mutual_information(CORR, 0, 2, 1)
    for form in (CORR.to_numpy().tolist(), torch.tensor(CORR.to_numpy())):
        index = as_numpy(target_multiplets(form, 2).index)
        np.testing.assert_allclose(index, target_multiplets(CORR, "c").index, atol=1e-10)


@pytest.mark.parametrize("labels", [[0, 1, 3, 4, 5, 6], [2, 0, 1, 4, 3, 5], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                                    [1, 2, 3, 4, 5, 6]], ids=str)
def test_whole_numbers_that_are_names_are_names_of_targets_too(labels):
    frame = pd.DataFrame(samples(), columns=labels)
    corr = copula_correlation(frame)
    text = corr.rename(columns=str, index=str)
    for asked in ({}, {"containing": [labels[3]]}, {"among": labels[1:5]}):
        by_text = {name: list(map(str, given)) for name, given in asked.items()}
        by_place = {name: list(map(labels.index, given)) for name, given in asked.items()}
        for target in {labels[0], labels[5]} - set(asked.get("among", ())):
            plain = target_multiplets(corr, target, max_size=3, **asked)
            named = target_multiplets(text, str(target), max_size=3, **by_text)
            bare = target_multiplets(corr.to_numpy(), labels.index(target), max_size=3, **by_place)
            np.testing.assert_allclose(plain.index, named.index, atol=1e-12)
            np.testing.assert_allclose(plain.information, bare.information, atol=1e-12)
            assert [tuple(map(str, some)) for some in plain.frame().members] == named.frame().members.tolist()
            assert plain.target == target


@pytest.mark.parametrize("target", range(6))
def test_columns_numbered_by_a_frame_are_positions(target):
    plain = CORR.to_numpy()
    found, bare = (target_multiplets(corr, target, max_size=3) for corr in (pd.DataFrame(plain), plain))
    assert len(found.free) == 10 + 10 and found.free.names is None
    np.testing.assert_allclose(found.information, bare.information, atol=1e-12)
    other = (target + 1) % 6
    some = target_multiplets(pd.DataFrame(plain), target, max_size=3, containing=[other])
    assert len(some.free) == 4 + 6 and all(other - (other > target) in some.free.members(row) for row in range(10))


def test_masked_correlations_are_refused():
    masked = np.ma.array(np.eye(4))
    masked[0, 1] = masked[1, 0] = np.ma.masked
    with pytest.raises(ValueError, match="NaN or infinite correlations in column"):
        target_multiplets(masked, 0)
