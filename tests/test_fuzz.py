"""Small strange inputs through the public API: each gives what a plain high-precision reference gives, or words.

`FUZZ=100000 pytest tests/test_fuzz.py` tries so many inputs; without it a fixed few hundred are tried.
"""

import itertools
import math
import os

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import rankdata

from grok_synergy.binning import METHODS, group_neurons, ward_bins
from grok_synergy.curves import exponential_average, min_max, pareto_front, smooth_log_steps
from grok_synergy.data import ModularTask
from grok_synergy.entropy import TIES, copula_correlation, copula_normal, gaussian_entropy, usable_columns
from grok_synergy.latent import kendall_tau, truncated_columns, truncated_correlation
from grok_synergy.layer import measure_features
from grok_synergy.matrices import correlation, independent_columns, nearest_correlation
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import dual_total_correlation, o_information, s_information, total_correlation
from grok_synergy.patterns import on_off_information
from grok_synergy.phases import segment
from grok_synergy.search import search_multiplet
from grok_synergy.trainer import Experiment
from grok_synergy.uncertainty import bootstrap_extremes, null_extremes
from grok_synergy.unions import union_multiplets

pytestmark = pytest.mark.filterwarnings("ignore")
EXAMPLES = int(os.environ.get("FUZZ", 500))
FOREIGN = ("linalg", "cholesky", "input tensor", "broadcast", "cannot convert", "unsupported operand", "ufunc",
           "index ", "zero-size", "out of bounds", "dtype", "not callable", "object has no attribute")  # words of others


def shared(examples):
    "Hypothesis' settings for a part of all examples."
    return settings(max_examples=max(1, int(EXAMPLES * examples)), deadline=None, database=None,
                    derandomize="FUZZ" not in os.environ, suppress_health_check=list(HealthCheck))


def answer(function, *arguments, **options):
    "What a function gives, finite, or None where it refuses with words of its own."
    try:
        return function(*arguments, **options)
    except ValueError as error:
        text = str(error)
        assert len(text) > 25 and " " in text, f"an error without words: {text!r}"
        assert not any(word in text.lower() for word in FOREIGN), f"another library's error: {text!r}"
        return None


def finite(*parts):
    for part in parts:
        assert np.isfinite(np.asarray(part, dtype=float)).all(), part


# Samples

CONTAINERS = {
    "array": lambda x: x, "float32": lambda x: x.astype("f4"), "float16": lambda x: x.astype("f2"),
    "big-endian": lambda x: x.astype(">f8"), "frame": lambda x: pd.DataFrame(x).add_prefix("v"),
    "tensor": torch.tensor, "bfloat16": lambda x: torch.tensor(x).bfloat16(), "Fortran": np.asfortranarray,
    "whole": lambda x: np.rint(np.clip(np.nan_to_num(x), -1e15, 1e15)).astype("int64"), "lists": lambda x: x.tolist(),
    "bool": lambda x: x > np.nanmedian(x) if np.isfinite(x).any() else x > 0,
    "longdouble": lambda x: x.astype(np.longdouble),
    "unsigned": lambda x: np.clip(np.nan_to_num(np.abs(x)), 0, 6e4).astype("uint16"),
    "masked": lambda x: np.ma.masked_array(x, np.abs(x) > np.nanquantile(np.abs(x), 0.97)),
    "nullable": lambda x: pd.DataFrame(x).astype("Float64"),
}


def column(rng, kind, n, earlier):
    x = rng.normal(size=n)
    if kind == "zeros":
        return np.maximum(x - rng.uniform(-1, 2), 0)
    if kind == "levels":
        return np.rint(x * rng.uniform(0.5, 3))
    if kind == "bits":
        return (x > rng.normal()) * 1.0
    if kind == "constant":
        return np.full(n, x[0])
    if kind in ("copy", "sum", "near copy") and earlier:
        source = earlier[rng.integers(len(earlier))]
        with np.errstate(all="ignore"):
            return {"copy": source, "near copy": source * (1 + 1e-9 * x), "sum": np.sum(earlier, 0)}[kind]
    if kind == "heavy":
        return x / rng.uniform(size=n) ** 4
    if kind == "offset":
        return x + 10.0 ** rng.integers(0, 16)
    if kind == "walk":
        return np.cumsum(x)
    return x


@st.composite
def samples(draw, most=4):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, variables = draw(st.one_of(st.integers(1, 8), st.integers(9, 40))), draw(st.integers(1, most))
    kinds = st.sampled_from(["normal", "normal", "zeros", "levels", "bits", "constant", "copy", "near copy", "sum", "heavy",
                             "offset", "walk"])
    columns = []
    for _ in range(variables):
        columns.append(column(rng, draw(kinds), n, columns))
    x = np.stack(columns, 1)
    with np.errstate(all="ignore"):
        scale = draw(st.sampled_from(["none", "none", "common", "each"]))
        if scale == "common":
            x = x * 10.0 ** draw(st.integers(-300, 300))
        elif scale == "each":
            x = x * 10.0 ** rng.integers(-300, 300, variables)
        if draw(st.integers(0, 5)) == 0:
            x[rng.integers(n), rng.integers(variables)] = draw(st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 5e-324]))
        return CONTAINERS[draw(st.sampled_from(list(CONTAINERS)))](x)


def held(x):
    "The numbers as float64; NaN where something is missing."
    if isinstance(x, torch.Tensor):
        return x.double().numpy()
    if isinstance(x, np.ma.MaskedArray):
        return x.astype(float).filled(np.nan)
    if isinstance(x, pd.DataFrame):
        return x.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(x).astype(float)


def exact_correlation(x):
    "Pearson's correlation of float64 columns in 80 digits."
    with mp.workdps(80):
        columns = [[mp.mpf(float(v)) for v in c] for c in x.T]
        centred = [[v - mp.fsum(c) / len(c) for v in c] for c in columns]
        norms = [mp.sqrt(mp.fsum(v * v for v in c)) for c in centred]
        return np.array([[float(mp.fsum(a * b for a, b in zip(c, d, strict=True)) / norms[i] / norms[j])
                          for j, d in enumerate(centred)] for i, c in enumerate(centred)])


@shared(0.25)
@given(x=samples(), ties=st.sampled_from(TIES))
def test_scores_and_correlations(x, ties):
    values = held(x)
    live = values.shape[1] and np.isfinite(values).all() and (values.min(0) < values.max(0)).all()
    scores, corr = answer(copula_normal, x, ties), answer(copula_correlation, x, ties)
    assert (scores is not None) == (corr is not None) == bool(live)
    if not live:
        assert answer(correlation, x) is None
        return
    n = len(values)
    if ties in ("average", "ordinal"):
        ranks = rankdata(values, {"average": "average", "ordinal": "ordinal"}[ties], axis=0)
        np.testing.assert_allclose(np.asarray(scores), ndtri(ranks / (n + 1)), atol=1e-12)
    np.testing.assert_allclose(np.asarray(corr), exact_correlation(np.asarray(scores)), atol=1e-12)
    with np.errstate(all="ignore"):
        spread = np.abs(values).max(0) / np.maximum(np.std(values / np.abs(values).max(0), axis=0), 1e-300) / np.abs(
            values).max(0)
    np.testing.assert_allclose(np.asarray(answer(correlation, x)), exact_correlation(values),
                               atol=min(1e-13 * n * max(1, spread.max()), 1e-3))


@shared(0.1)
@given(x=samples(3))
def test_tau_is_that_of_counted_pairs(x):
    values, found = held(x), answer(kendall_tau, x)
    if found is None:
        return
    n = len(values)
    sign = [(values[i] > values[j]) * 1 - (values[i] < values[j]) for i, j in itertools.combinations(range(n), 2)]
    expected = sum(np.outer(s, s) for s in sign) / (n * (n - 1) / 2)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-12)
    latent = answer(truncated_correlation, x)
    if latent is not None:
        finite(latent)
        assert (np.abs(np.asarray(latent)) <= 1).all() and np.asarray(answer(truncated_columns, x)).all()
    patterns = answer(on_off_information, x)
    if patterns is not None:
        finite(patterns.tc, patterns.dtc)


@shared(0.1)
@given(x=samples(6), method=st.sampled_from(METHODS), n_bins=st.integers(0, 7), standardise=st.booleans())
def test_bins_are_groups_of_all_neurons(x, method, n_bins, standardise):
    values = held(x)
    possible = np.isfinite(values).all() and 1 <= n_bins <= values.shape[1]
    found = answer(group_neurons, x, n_bins, method, standardise=standardise)
    assert (found is not None) == bool(possible)
    if possible:
        made = len(set(found))  # k-means makes fewer, with a warning, where columns are equal
        assert set(found) == set(range(made)) and len(found) == values.shape[1]
        assert made == n_bins or method == "kmeans" and made < n_bins
        assert len(answer(ward_bins, x, n_bins)) == values.shape[1]


@shared(0.15)
@given(x=samples(6), preset=st.sampled_from(["published", "mid_ranks"]), degenerate=st.sampled_from(["raise", "drop"]),
       unit=st.sampled_from(["neurons", "blocks", "means"]), n_bins=st.integers(1, 6), min_size=st.integers(0, 4))
def test_readings_are_finite_and_right_where_bins_are_single_neurons(x, preset, degenerate, unit, n_bins, min_size):
    usable = answer(usable_columns, x)
    found = answer(measure_features, x, preset, degenerate=degenerate, unit=unit, n_bins=n_bins, min_size=min_size)
    if found is None:
        return
    finite(found.synergy, found.redundancy, found.tc, found.dtc)
    assert found.redundancy >= -found.synergy and found.synergy_size <= np.shape(held(x))[1]
    if preset == "mid_ranks" and degenerate == "drop" and unit == "neurons":
        assert found.dropped.tolist() == (~np.asarray(usable)).tolist()


@shared(0.1)
@given(x=samples(4), kind=st.sampled_from(["shuffle", "shift"]), seed=st.integers(0, 3), max_size=st.integers(2, 4),
       bias=st.booleans(), ties=st.sampled_from(TIES))
def test_nulls_and_resamples_are_finite(x, kind, seed, max_size, bias, ties):
    options = {"draws": 3, "seed": seed, "max_size": max_size, "bias_correction": bias, "ties": ties}
    found = answer(null_extremes, x, kind=kind, **options)
    if found is not None:
        finite(found.observed, found.draws, found.p_values, found.excess)
        assert repr(found) and len(found.table()) == 2
    found = answer(bootstrap_extremes, x, **options)
    if found is not None:
        finite(found.observed, found.same, found.anew, found.same_interval)
        assert repr(found) and len(found.table()) == 2


# Matrices

MATRICES = {
    "array": lambda c: c, "float32": lambda c: c.astype("f4"), "frame": lambda c: pd.DataFrame(c), "tensor": torch.tensor,
    "big-endian": lambda c: c.astype(">f8"), "lists": lambda c: c.tolist(), "float16": lambda c: c.astype("f2"),
    "lower": lambda c: np.tril(c) + np.tril(c, -1).T * (1 + 1e-15), "objects": lambda c: c.astype(object),
}


@st.composite
def matrices(draw, most=5):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, most))
    kind = draw(st.sampled_from(["samples", "samples", "few", "sum", "copy", "near", "equal", "any", "skew", "stretched"]))
    x = rng.normal(size=({"few": n}.get(kind, 3 * n + 2), n)) @ (np.eye(n) + rng.normal(size=(n, n)))
    if kind in ("sum", "copy", "near") and n > 1:
        x[:, -1] = {"sum": x[:, :-1].sum(1), "copy": x[:, 0], "near": x[:, 0] + 1e-5 * x[:, -1]}[kind]
    if kind == "stretched":
        x = x @ np.diag(10.0 ** rng.uniform(-6, 6, n)) @ np.linalg.qr(rng.normal(size=(n, n)))[0]
    with np.errstate(all="ignore"):
        corr = np.atleast_2d(np.corrcoef(x, rowvar=False) if draw(st.booleans()) else np.cov(x, rowvar=False))
        if kind == "equal":
            corr = np.full((n, n), rng.uniform(-1, 1)) + np.diag(np.full(n, rng.uniform(0, 1)))
        if kind == "any":
            corr = rng.uniform(-1, 1, (n, n))
            corr = (corr + corr.T) / 2 + np.eye(n) * rng.uniform(0, 2)
        if kind == "skew":
            corr = corr + np.triu(rng.normal(size=(n, n)), 1) * 10.0 ** rng.uniform(-14, 0)
        if draw(st.integers(0, 3)) == 0:
            scale = 10.0 ** rng.integers(-140, 140, n)
            corr = corr * scale * scale[:, None]
        if draw(st.integers(0, 7)) == 0:
            corr[rng.integers(n), rng.integers(n)] = draw(st.sampled_from([np.nan, np.inf, 0.0, 1e300, -1.0]))
        return MATRICES[draw(st.sampled_from(list(MATRICES)))](corr)


def exact_information(corr):
    "TC and DTC in bits of every group of two variables or more, by determinants in 60 digits, and the trace of R⁻¹."
    n = len(corr)
    with mp.workdps(60):
        m = mp.matrix([[(mp.mpf(float(corr[i, j])) + mp.mpf(float(corr[j, i]))) / 2 for j in range(n)] for i in range(n)])
        unit = mp.matrix(n, n)
        for i, j in itertools.product(range(n), repeat=2):
            unit[i, j] = m[i, j] / mp.sqrt(m[i, i]) / mp.sqrt(m[j, j])
        minors = {(): mp.mpf(1)}
        for size in range(1, n + 1):
            for group in itertools.combinations(range(n), size):
                minors[group] = mp.det(mp.matrix([[unit[i, j] for j in group] for i in group]))
        trace = sum(minors[tuple(k for k in range(n) if k != j)] for j in range(n)) / minors[tuple(range(n))]
        found = {}
        for group, minor in minors.items():
            if len(group) > 1:
                without = sum(mp.log(minors[tuple(k for k in group if k != j)], 2) for j in group)
                entropy = mp.log(minor, 2)
                found[group] = float(-entropy / 2), float((without - (len(group) - 1) * entropy) / 2)
        return found, float(trace)


def matrix_values(corr):
    values = corr.double().numpy() if isinstance(corr, torch.Tensor) else np.asarray(corr).astype(float)
    return np.asarray(values)


@shared(0.2)
@given(corr=matrices())
def test_information_is_that_of_exact_determinants(corr):
    found = {measure: answer(measure, corr) for measure in
             (total_correlation, dual_total_correlation, o_information, s_information)}
    assert len({value is None for value in found.values()}) == 1
    entropy = answer(gaussian_entropy, corr)
    assert (entropy is None) == (found[total_correlation] is None)
    values = matrix_values(corr)
    n = len(values)
    every, extreme = answer(all_multiplets, corr), answer(extremes, corr)
    if entropy is None:
        assert every is None and extreme is None
        return
    finite(entropy, *found.values())
    exact, trace = exact_information(values)
    tolerance = 1e-11 + 40 * n * 2.0**-52 * trace
    tc, dtc = exact.get(tuple(range(n)), (0.0, 0.0))
    for measure, expected in zip(found, (tc, dtc, tc - dtc, tc + dtc), strict=True):
        assert abs(float(found[measure]) - expected) < tolerance, (measure.__name__, found[measure], expected, trace)
    if n < 2:
        return
    omega = {every.members(i): float(every.omega[i]) for i in range(len(every))}
    assert omega.keys() == exact.keys()
    for group, (one, other) in exact.items():
        assert abs(omega[group] - one + other) < tolerance
    assert float(extreme.synergy) == pytest.approx(-min(omega.values()), abs=tolerance)
    assert float(extreme.redundancy) == pytest.approx(max(omega.values()), abs=tolerance)


@shared(0.1)
@given(corr=matrices(6), labels=st.lists(st.sampled_from([0, 1, 2, "a", 1.0]), min_size=1, max_size=6),
       n_samples=st.sampled_from([None, 5, 40, "100", 0, 2.5, np.nan]), max_size=st.sampled_from([None, 2, 3, 9, 0, "2"]))
def test_groups_and_searches_are_finite_or_refused(corr, labels, n_samples, max_size):
    n, options = len(matrix_values(corr)), {"n_samples": n_samples, "max_size": max_size}
    labels = (labels * 6)[:n]
    for found in (answer(union_multiplets, corr, labels, **options), answer(all_multiplets, corr, blocks=labels, **options),
                  answer(all_multiplets, corr, **options)):
        if found is not None:
            finite(found.tc, found.dtc)
            assert repr(found)
    found = answer(extremes, corr, top=2, **options)
    if found is not None:
        finite(*(np.asarray(part)[found.masks >= 0] for part in (found.tc, found.dtc)))
    for extreme in ("synergy", "redundancy"):
        found = answer(search_multiplet, corr, extreme=extreme, restarts=2, steps=3, **options)
        if found is not None:
            finite(found.tc, found.dtc)
            assert math.isfinite(found.omega) and len(found.members) >= 3
    found = answer(search_multiplet, corr, 3, restarts=2, steps=3, n_samples=n_samples)
    assert found is None or (len(found.members) == 3 and math.isfinite(found.omega))
    kept = answer(independent_columns, corr)
    assert kept is None or len(kept) == n


@shared(0.05)
@given(corr=matrices(), smallest=st.sampled_from([1e-3, 1e-8, 0.5, 0.999, 1.0, 0.0, np.nan, "0.1"]))
def test_the_nearest_correlation_is_one(corr, smallest):
    found = answer(nearest_correlation, corr, smallest)
    if found is not None:
        made = np.asarray(found.corr, dtype=float)
        finite(made, found.largest, found.frobenius)
        np.testing.assert_allclose(made, made.T, atol=1e-12)
        np.testing.assert_allclose(np.diag(made), 1, atol=1e-12)
        assert np.linalg.eigvalsh(made)[0] >= float(smallest) * (1 - 1e-4) - 1e-9


# Curves

@shared(0.1)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 25), width=st.sampled_from([0.05, 0.0, 1.0, -1, np.nan]),
       shortest=st.sampled_from([0.15, 0, 2, np.inf]), broken=st.sampled_from([0, 0, 1, 5]))
def test_curves_are_cut_into_intervals_or_refused(seed, n, width, shortest, broken):
    rng = np.random.default_rng(seed)
    spread = np.unique(np.rint(10 ** rng.uniform(0, 4, 40)))
    steps = np.sort(rng.choice(spread, n, replace=False)) if n < 15 else np.arange(n)
    if rng.random() < 0.2:
        steps = rng.permutation(steps)
    curves = rng.normal(size=(2, 2, n)).cumsum(-1) * 10.0 ** rng.integers(-300, 300)
    if rng.random() < 0.2:
        curves[:] = curves[..., :1]
    if n:
        curves.reshape(-1)[rng.integers(curves.size, size=broken)] = rng.choice([np.nan, np.inf])
    data = xr.Dataset({name: (("seed", "step"), curve) for name, curve in
                       zip(("synergy", "redundancy"), curves, strict=True)}, {"step": steps, "seed": [0, 1]})
    found = answer(segment, data, width=width, shortest=shortest)
    if found is not None:
        finite(found[["start", "stop", "synergy_slope", "redundancy_slope"]])
        assert (found["start"] < found["stop"]).all() and set(found.seed) == {0, 1}
    for function in (min_max, exponential_average, smooth_log_steps):
        found = answer(function, data.synergy)
        assert found is None or np.isfinite(found).all()
    front = answer(pareto_front, *curves[:, 0])
    assert front is None or (front.any() or not n)


# Settings

SETTINGS = st.sampled_from([0, 1, -1, 2, 3, 2.5, "2", "0", "1e-3", "many", np.float32(0.5), np.int8(7), True, np.nan, np.inf,
                            None, [], (1,), 1e400, "inf", -0.0, 97, 10**30, b"1", np.array(3), np.ones(2), torch.tensor(2)])


@shared(0.1)
@given(name=st.sampled_from(["width", "wd", "alpha", "keep_norm", "zero_last", "lr", "betas", "eps", "steps", "per_decade",
                             "seeds", "p", "op", "train_fraction", "split_seed"]), value=SETTINGS)
def test_settings_are_taken_or_refused(name, value):
    if name in ("p", "op", "train_fraction", "split_seed"):
        task = answer(ModularTask, **{name: value})
        if task is not None:
            assert 0 < task.n_train < task.n_pairs and type(getattr(task, name)) in (int, float, str)
        return
    made = answer(Experiment, **{name: value})
    if made is not None:
        assert made.name and made.checkpoints[-1] == made.steps
        assert type(getattr(made, name)) in (int, float, bool, tuple)
        if name in ("wd", "alpha"):
            assert Experiment.paper(**{name: value}) == Experiment.paper(**{name: float(value)})
