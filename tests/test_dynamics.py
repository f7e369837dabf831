"""Time series: rates against long stretches in closed form, dynamic Ω against regressions, syntropy and hoi."""

import itertools
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import solve_discrete_lyapunov

from grok_synergy.dynamics import (
    Autoregression,
    dynamic_groups,
    dynamic_omega,
    fit_autoregression,
    omega_rate,
    rate_multiplets,
)
from grok_synergy.entropy import copula_normal
from grok_synergy.oinfo import dual_total_correlation, o_information, total_correlation

KNOWN = Autoregression(np.array([[[0.5, 0, 0.2, 0], [0.3, 0.4, 0, 0], [0.4, 0.3, 0.1, 0], [0, 0, 0.3, 0.2]],
                                 [[-0.3, 0, 0, 0.1], [0, 0.2, 0, 0], [0, 0.2, -0.2, 0], [0, 0, 0, 0.1]]]),
                       np.eye(4) + 0.3, tuple("abcd"))


def simulated(model, steps, seed=0):
    new = np.random.default_rng(seed).multivariate_normal(np.zeros(len(model.noise)), model.noise, steps + 200)
    for step in range(len(model.coefficients), len(new)):
        new[step] += sum(one @ new[step - lag - 1] for lag, one in enumerate(model.coefficients))
    return new[200:]


def added_entropy(model, columns, lags=80):
    "What one more step adds to the entropy of a stretch, from exact autocovariances."
    order, n = model.coefficients.shape[:2]
    step = np.eye(order * n, k=-n)
    step[:n] = np.concatenate(list(model.coefficients), axis=1)
    new = np.zeros_like(step)
    new[:n, :n] = model.noise
    state, covs = solve_discrete_lyapunov(step, new), []
    for _ in range(lags + 1):
        covs.append(state[:n, :n][np.ix_(columns, columns)])
        state = step @ state
    blocks = np.block([[covs[j - i].T if j >= i else covs[i - j] for j in range(lags + 1)] for i in range(lags + 1)])
    k = len(columns)
    return (np.linalg.slogdet(blocks)[1] - np.linalg.slogdet(blocks[k:, k:])[1]) / 2 / np.log(2)


@pytest.mark.parametrize("members", [[0, 1], [0, 1, 2], [3, 0, 2], [0, 1, 2, 3]])
def test_rates_are_what_a_step_adds_to_entropies(members):
    whole = added_entropy(KNOWN, members)
    tc = sum(added_entropy(KNOWN, [j]) for j in members) - whole
    dtc = sum(added_entropy(KNOWN, [i for i in members if i != j]) for j in members) - (len(members) - 1) * whole
    rate = omega_rate(KNOWN, members).mean()
    np.testing.assert_allclose(rate[["tc", "dtc", "omega", "s"]], [tc, dtc, tc - dtc, tc + dtc], atol=1e-5)
    np.testing.assert_allclose(omega_rate(KNOWN, [KNOWN.names[i] for i in members]).mean(), rate, atol=1e-12)


def test_without_a_past_rates_are_the_measures():
    noise = np.array([[1, 0.5, 0.2], [0.5, 2, -0.3], [0.2, -0.3, 1]])
    rate = omega_rate(Autoregression(np.zeros((1, 3, 3)), noise))
    for name, measure in [("tc", total_correlation), ("dtc", dual_total_correlation), ("omega", o_information)]:
        np.testing.assert_allclose(getattr(rate, name), measure(noise), atol=1e-12)
        np.testing.assert_allclose(rate.mean()[name], measure(noise), atol=1e-12)


def test_models_are_found_again():
    x = simulated(KNOWN, 20_000)
    model = fit_autoregression(pd.DataFrame(x, columns=list("abcd")), order=2)
    np.testing.assert_allclose(model.coefficients, KNOWN.coefficients, atol=0.05)
    np.testing.assert_allclose(model.noise, KNOWN.noise, atol=0.05)
    assert model.names == tuple("abcd") and model.growth < 1 and model == fit_autoregression(
        pd.DataFrame(x, columns=list("abcd")), order=2)
    np.testing.assert_allclose(omega_rate(x, order=2).mean(), omega_rate(KNOWN).mean(), atol=0.08)
    scaled = omega_rate(x * [1, 10, 100, 0.1] + 5, order=2)
    np.testing.assert_allclose(scaled.mean(), omega_rate(x, order=2).mean(), atol=1e-8)


def test_the_spectrum_is_the_transform_of_covariances():
    frequencies = np.array([0, 0.13, 0.5])
    order, n = KNOWN.coefficients.shape[:2]
    step = np.eye(order * n, k=-n)
    step[:n] = np.concatenate(list(KNOWN.coefficients), axis=1)
    new = np.zeros_like(step)
    new[:n, :n] = KNOWN.noise
    state = solve_discrete_lyapunov(step, new)
    total = np.array([state[:n, :n].astype(complex)] * 3)
    for lag in range(1, 300):
        state = step @ state
        turn = np.exp(-2j * np.pi * frequencies * lag)[:, None, None]
        total += turn * state[:n, :n] + turn.conj() * state[:n, :n].T
    np.testing.assert_allclose(KNOWN.spectrum(frequencies), total, atol=1e-9)


def test_bands_add_up():
    rate = omega_rate(KNOWN)
    parts = sum(rate.mean(low, high) for low, high in [(0, 0.1), (0.1, 0.33333), (0.33333, 0.5)])
    np.testing.assert_allclose(parts, rate.mean(), atol=1e-6)


def test_every_multiplet_has_its_rate():
    found = rate_multiplets(KNOWN, max_size=4)
    assert len(found) == 11 and found.names == KNOWN.names
    for row in range(11):
        rate = omega_rate(KNOWN, found.members(row)).mean()
        np.testing.assert_allclose([found.tc[row], found.dtc[row]], rate[["tc", "dtc"]], atol=1e-10)
    x = pd.DataFrame(simulated(KNOWN, 500), columns=list("abcd"))
    np.testing.assert_allclose(rate_multiplets(x, order=2).tc[0], omega_rate(x, ["a", "b"], order=2).mean().tc, atol=1e-10)


def residual_variance(y, columns):
    design = np.column_stack([*columns, np.ones(len(y))])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return (left**2).mean()


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("copula", [True, False])
def test_dynamic_omega_is_a_sum_of_regressions(order, copula):
    x = simulated(KNOWN, 600)
    z = copula_normal(x) if copula else x
    found = dynamic_omega(pd.DataFrame(x, columns=list("abcd")), order, copula=copula)
    assert list(found.index) == list("abcd")
    for target in range(4):
        y = z[order:, target]
        past = {j: [z[order - lag:len(z) - lag, j] for lag in range(1, order + 1)] for j in range(4)}
        others = [j for j in range(4) if j != target]
        own = residual_variance(y, past[target])

        def told(sources, y=y, past=past, target=target, own=own):
            columns = past[target] + [one for j in sources for one in past[j]]
            return np.log2(own / residual_variance(y, columns)) / 2

        value = -2 * told(others) + sum(told([i for i in others if i != j]) for j in others)
        np.testing.assert_allclose(found.iloc[target], value, atol=1e-9)


def test_a_sum_of_two_pasts_is_synergistic_and_copies_of_one_redundant():
    new = np.random.default_rng(1).normal(size=(4000, 4))
    x = new.copy()
    x[1:, 2] = x[:-1, 0] + x[:-1, 1] + 0.4 * new[1:, 2]
    assert dynamic_omega(x[:, :3])[2] < -0.5 and abs(dynamic_omega(x[:, :3])[0]) < 0.01
    x[:, 1] = x[:, 0] + 0.3 * new[:, 1]
    x[1:, 2] = x[:-1, 0] + 0.4 * new[1:, 2]
    assert dynamic_omega(x[:, :3])[2] > 0.5


def test_independent_series_share_nothing():
    draws = [np.random.default_rng(seed).normal(size=(1000, 3)) for seed in range(20)]
    for values in ([omega_rate(x, order=3).mean().omega for x in draws], [dynamic_omega(x, 3)[0] for x in draws]):
        assert abs(np.mean(values)) < 0.002 and np.std(values) < 0.01


def test_what_cannot_be_asked_is_refused():
    x = pd.DataFrame(simulated(KNOWN, 300), columns=list("abcd"))
    grows = x.assign(a=1.02 ** np.arange(300))
    for call, message in [
            (lambda: omega_rate(x[:20], order=4), "20 samples of 4 variables are too few for order=4"),
            (lambda: omega_rate(grows), "-fold each step, so the series is not stationary"),
            (lambda: omega_rate(x, order=0), "order=0 is not possible"),
            (lambda: omega_rate(x, "z"), "members: 'z' is none of the"),
            (lambda: omega_rate(x, ["a"]), "give two or more"),
            (lambda: omega_rate(x.to_numpy()[None]), "one series of two variables or more"),
            (lambda: omega_rate(x).mean(0.4, 0.6), "is no band"),
            (lambda: omega_rate(x.assign(d=x.a + x.b)), "column 'd' follows"),
            (lambda: dynamic_omega(x[["a", "b"]]), "2 variables are a target and 1 other"),
            (lambda: dynamic_omega(x, copula=2), "copula=2 is unknown"),
            (lambda: dynamic_omega(x.assign(a=np.nan)), "NaN or infinite values in column 'a'")]:
        with pytest.raises(ValueError, match=message):
            call()


def test_syntropy_finds_the_same_rate_without_a_model():
    theirs = pytest.importorskip("syntropy.gaussian.temporal")
    x = simulated(KNOWN, 60_000)
    for name, ours in [("o_information", "omega"), ("total_correlation", "tc"), ("dual_total_correlation", "dtc")]:
        _, value = getattr(theirs, f"{name}_rate")((0, 1, 2, 3), x.T, nperseg=128)
        np.testing.assert_allclose(omega_rate(KNOWN).mean()[ours], value / math.log(2), atol=0.02)


def test_hoi_adds_up_the_same_dynamic_omega():
    metrics = pytest.importorskip("hoi.metrics")
    x = simulated(KNOWN, 800)
    model = metrics.DOtot(copula_normal(x))
    theirs = model.fit(minsize=3, maxsize=4, method="gauss")[:, 0]
    for members, value in zip(model._multiplets, theirs, strict=True):
        members = [int(i) for i in members if i >= 0]
        np.testing.assert_allclose(dynamic_omega(x[:, members]).sum(), value, atol=1e-3)


@pytest.mark.parametrize("units", [(1, 1, 1e14), (1e-7, 1, 1e7), (1e-100, 1, 1e100)])
def test_units_of_the_columns_do_not_matter(units):
    rng, x = np.random.default_rng(0), np.zeros((500, 3))
    for i in range(1, 500):
        x[i] = 0.4 * x[i - 1] + 0.3 * x[i - 1][[1, 2, 0]] + rng.normal(size=3)
    np.testing.assert_allclose(omega_rate(x * np.array(units)).tc, omega_rate(x).tc, atol=1e-8)


@pytest.mark.parametrize("order", [1, 2])
def test_groups_of_sources_are_what_each_is_alone(order):
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(800, 5)).cumsum(0) * 0.1 + rng.normal(size=(800, 5)), columns=list("abcde"))
    x["d"] = np.roll(x.a * 0.5 + x.b, 1) + 0.5 * rng.normal(size=800)
    found = dynamic_groups(x, order, max_size=4)
    assert len(found) == 5 * (6 + 4 + 1) and found["dΩ (bits)"].is_monotonic_increasing
    told = found.set_index(["target", "sources"])["dΩ (bits)"]
    for target in "abcde":
        for sources in [*itertools.combinations([name for name in "abcde" if name != target], 3)]:
            alone = dynamic_omega(x[[*sources, target]], order)
            assert told[target, sources] == pytest.approx(alone[target], abs=1e-9)
    np.testing.assert_allclose(dynamic_groups(x.to_numpy(), order, max_size=4)["dΩ (bits)"], found["dΩ (bits)"], atol=1e-12)


def test_groups_of_sources_that_cannot_be_are_refused():
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 4)), columns=list("abcd"))
    for call, message in [(lambda: dynamic_groups(x, max_size=4), "max_size=4 with 3 columns"),
                          (lambda: dynamic_groups(x[["a", "b"]]), "a target and 1 other"),
                          (lambda: dynamic_groups(x.assign(d=x.a)), "follow")]:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(("coefficients", "noise", "names", "message"), [
    ([[[1.2, 0], [0, 0.5]]], np.eye(2), None, r"grows 1.200-fold each step, so it is not stationary"),
    ([[[1, 0], [0, 0.5]]], np.eye(2), None, r"grows 1.000-fold each step"),
    ([[[0.2, 0], [0, 0.5]]], [[1, 0.5], [0.9, 1]], None, "noise of the model: the matrix is not symmetric"),
    ([[[0.2, 0], [0, 0.5]]], np.ones((2, 2)), ("a", "b"), "noise of the model: .*column 'b' follows"),
    ([[[0.2, 0], [0, 0.5]]], np.diag([1, -1]), None, "noise of the model: .*0 or less in column 1"),
    (np.eye(2) / 2, np.eye(2), None, r"coefficients of shape \(2, 2\) were given: give \(order, n, n\)"),
    (np.zeros((0, 2, 2)), np.eye(2), None, r"coefficients of shape \(0, 2, 2\)"),
    (np.eye(2)[None] / 2, np.eye(3), None, r"noise of shape \(3, 3\) for 2 variables: give \(2, 2\)"),
    (np.full((1, 2, 2), np.nan), np.eye(2), None, "NaN or infinite coefficients"),
    (np.eye(2)[None] / 2, np.eye(2), ("a",), "names=.'a',. of 2 columns: give one name for each"),
    (np.eye(2)[None] / 2, np.eye(2), 5, "names=5 of 2 columns"),
])
def test_a_model_that_is_none_is_refused_where_it_is_made(coefficients, noise, names, message):
    with pytest.raises(ValueError, match=message):
        Autoregression(np.array(coefficients), np.array(noise), names)


def test_a_model_of_lists_is_one_of_arrays():
    model = Autoregression([[[0.2, 0.1], [0, 0.5]]], [[1, 0], [0, 1]], ["a", "b"])
    assert model == Autoregression(np.array([[[0.2, 0.1], [0, 0.5]]]), np.eye(2), ("a", "b"))
    assert omega_rate(model).mean().tc > 0 and pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize("act", [omega_rate, rate_multiplets])
def test_the_order_of_a_model_is_its_own(act):
    assert act(KNOWN, order=2) == act(KNOWN)
    with pytest.raises(ValueError, match="order=5 with a model of order 2: leave order out, or give the series"):
        act(KNOWN, order=5)


@pytest.mark.parametrize("act", [dynamic_omega, dynamic_groups, fit_autoregression])
def test_a_model_is_no_series(act):
    with pytest.raises(ValueError, match="a model was given: give the series itself, .samples, variables."):
        act(KNOWN)


@pytest.mark.parametrize("act", [dynamic_omega, dynamic_groups])
@pytest.mark.parametrize(("order", "step"), [(1, "now"), (2, "1 before")])
def test_series_that_follow_from_others_are_named(act, order, step):
    x = pd.DataFrame(simulated(KNOWN, 300), columns=list("abcd"))
    told = x.assign(d=(x.a + x.b).shift(1, fill_value=0))  # with nothing new of its own
    for some, name in ((x.assign(d=x.a), ("d", f"{order} before")), (told, ("d", step))):
        with pytest.raises(ValueError, match=r"singular: columns? \('d', ") as refused:
            act(some, order, copula=False)
        text = str(refused.value)
        assert str(name) in text and text.endswith("; drop such series, or give a lower order")


@pytest.mark.parametrize("act", [dynamic_omega, dynamic_groups])
def test_what_happens_at_once_may_follow(act):
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=list("abc"))
    x["d"] = x.a + np.roll(x.b, 1)  # of the same step of a, which is the past of nothing
    assert len(act(x, copula=False)) in (4, 12)


def test_all_sizes_are_those_of_all_others():
    x = pd.DataFrame(simulated(KNOWN, 300), columns=list("abcd"))
    pd.testing.assert_frame_equal(dynamic_groups(x, max_size=None), dynamic_groups(x, max_size=3))
    assert rate_multiplets(KNOWN, max_size=None) == rate_multiplets(KNOWN, max_size=4)


@pytest.mark.parametrize(("band", "message"), [((0, None), "high=None is not possible"), (("low",), "low='low' is not"),
                                               (([0.1],), "low=.0.1. is not"), ((0, np.nan), "high=nan is not possible")])
def test_ends_of_a_band_are_numbers(band, message):
    rate = omega_rate(KNOWN, points=5)
    assert rate.mean("0.1").equals(rate.mean(0.1))  # as all numbers may be text
    with pytest.raises(ValueError, match=message):
        rate.mean(*band)
