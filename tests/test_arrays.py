"""One door: whatever holds the same numbers gives the same answer; what holds none is refused with words."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from grok_synergy.arrays import (
    as_path,
    as_tensor,
    check_samples,
    choice,
    column_names,
    given_precision,
    live_columns,
    name_columns,
    real_number,
    real_samples,
    truth,
    whole_number,
)
from grok_synergy.audit import audit
from grok_synergy.binning import bin_means, group_neurons, ward_bins
from grok_synergy.entropy import copula_correlation, copula_normal, gaussian_entropy, usable_columns
from grok_synergy.latent import kendall_tau, truncated_columns, truncated_correlation
from grok_synergy.layer import measure_features
from grok_synergy.matrices import check_correlation, correlation, independent_columns, nearest_correlation
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import dual_total_correlation, o_information, s_information, total_correlation
from grok_synergy.patterns import on_off_information
from grok_synergy.search import search_multiplet
from grok_synergy.uncertainty import bootstrap_extremes, null_extremes
from grok_synergy.unions import union_multiplets

NAMES = [f"neuron {i}" for i in range(12)]


def whole_samples(variables=12, samples=300):
    "Small whole numbers, some zero, which every type holds exactly: (samples, variables) float64."
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, variables)) @ (np.eye(variables) + 0.3 * rng.normal(size=(variables, variables)))
    return np.round(20 * np.maximum(x, -1) + 20)


SAMPLE_FORMS = {
    "int8": lambda x: x.astype("int8"), "int64": lambda x: x.astype("int64"), "uint16": lambda x: x.astype("uint16"),
    "uint32": lambda x: x.astype("uint32"), "uint64": lambda x: x.astype("uint64"), "float16": lambda x: x.astype("f2"),
    "float32": lambda x: x.astype("f4"), "longdouble": lambda x: x.astype(np.longdouble),
    "big-endian": lambda x: x.astype(">f8"), "big-endian int32": lambda x: x.astype(">i4"),
    "objects": lambda x: x.astype(object), "decimals": lambda x: np.vectorize(Decimal, otypes=[object])(x),
    "fractions": lambda x: np.vectorize(lambda v: Fraction(int(v)), otypes=[object])(x), "lists": lambda x: x.tolist(),
    "Fortran order": np.asfortranarray, "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda x: x[::-1].copy()[::-1], "read-only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
    "matrix without mask": np.ma.asarray, "data frame": lambda x: pd.DataFrame(x, columns=NAMES[:x.shape[1]]),
    "nullable whole": lambda x: pd.DataFrame(x).astype("Int32"),
    "nullable float": lambda x: pd.DataFrame(x).astype("Float64"),
    "mixed frame": lambda x: pd.DataFrame(x).astype({0: "int8", 1: "float32", 2: "UInt64"}),
    "categories": lambda x: pd.DataFrame(x).astype("category"),
    "labelled": lambda x: xr.DataArray(x, dims=("sample", "neuron"), coords={"neuron": NAMES[:x.shape[1]]}),
    "tensor": torch.tensor, "float32 tensor": lambda x: torch.tensor(x, dtype=torch.float32),
    "bfloat16": lambda x: torch.tensor(x).bfloat16(), "int tensor": lambda x: torch.tensor(x).short(),
    "uint8 tensor": lambda x: torch.tensor(x).to(torch.uint8),
    "with gradients": lambda x: torch.tensor(x, requires_grad=True),
    "parameter": lambda x: torch.nn.Parameter(torch.tensor(x)), "transposed tensor": lambda x: torch.tensor(x.T.copy()).T,
}
OF_SAMPLES = {
    "copula_normal": copula_normal, "copula_correlation": copula_correlation, "correlation": correlation,
    "several rules": lambda x: copula_correlation(x, ("average", "ordinal", "random")),
    "live_columns": live_columns, "usable_columns": usable_columns, "check_samples": check_samples,
    "kendall_tau": kendall_tau, "kendall_tau, lags": lambda x: kendall_tau(x, 7),
    "ward_bins": lambda x: ward_bins(x, 4), "standardised": lambda x: group_neurons(x, 4, "average", standardise=True),
    "measure_features": lambda x: reading(measure_features(x)),
    "means": lambda x: reading(measure_features(x, unit="means")),
    "published": lambda x: reading(measure_features(x, "published", ties="ordinal")),
    "null_extremes": lambda x: null_extremes(x, draws=3, max_size=3).draws,
    "null, order": lambda x: null_extremes(x, draws=3, ties="ordinal", max_size=3).draws,
    "bootstrap": lambda x: bootstrap_extremes(x, draws=3, max_size=3).anew,
    "audit": lambda x: audit_numbers(audit(x, draws=1).table),
}


def audit_numbers(table):
    "All but the rows of NumPy's order, which depends on the type."
    return table[table.ranks != "numpy"].select_dtypes("number")


def reading(found):
    return [found.synergy, found.redundancy, found.synergy_size, found.redundancy_size, found.tc, found.dtc]


def numbers(found):
    return np.asarray(found.detach() if isinstance(found, torch.Tensor) else found, dtype=float)


@pytest.fixture(scope="module")
def sample_answers():
    x = whole_samples()
    return {name: numbers(function(x)) for name, function in OF_SAMPLES.items()}


AUDITED = ("float16", "uint16", "data frame", "nullable float", "bfloat16", "with gradients")  # an audit takes long


@pytest.mark.filterwarnings("ignore:the resampled")
@pytest.mark.parametrize("name, form", [(name, form) for name in OF_SAMPLES for form in SAMPLE_FORMS
                                        if name != "audit" or form in AUDITED])
def test_samples_in_any_form_give_the_float64_answer(name, form, sample_answers):
    np.testing.assert_array_equal(numbers(OF_SAMPLES[name](SAMPLE_FORMS[form](whole_samples()))), sample_answers[name])


@pytest.mark.parametrize("form", ["data frame", "nullable whole", "bfloat16", "big-endian", "uint16", "with gradients"])
def test_zeros_in_any_form_are_truncated_alike(form):
    x = np.maximum(np.random.default_rng(2).permuted(np.arange(-100, 120)[:, None] + np.zeros((1, 3)), axis=0), 0)
    for function in (truncated_columns, truncated_correlation):
        np.testing.assert_array_equal(numbers(function(SAMPLE_FORMS[form](x))), function(x))
    for patterns in (x > 0, torch.tensor(x > 0), pd.DataFrame(x > 0).astype("boolean")):
        assert float(on_off_information(patterns).tc) == float(on_off_information(x).tc)


MATRIX_FORMS = {
    "float32": lambda c: c.astype("f4"), "big-endian": lambda c: c.astype(">f8"), "objects": lambda c: c.astype(object),
    "longdouble": lambda c: c.astype(np.longdouble), "lists": lambda c: c.tolist(), "Fortran order": np.asfortranarray,
    "data frame": lambda c: pd.DataFrame(c, NAMES[:len(c)], NAMES[:len(c)]), "tensor": torch.tensor,
    "nullable": lambda c: pd.DataFrame(c).astype("Float64"), "with gradients": lambda c: torch.tensor(c, requires_grad=True),
    "float32 tensor": lambda c: torch.tensor(c, dtype=torch.float32), "reversed": lambda c: c[::-1, ::-1].copy()[::-1, ::-1],
    "unsymmetric by rounding": lambda c: np.triu(c) + np.tril(c, -1).astype("f4"),
}
OF_MATRICES = {
    "tc": total_correlation, "dtc": dual_total_correlation, "omega": o_information, "s": s_information,
    "entropy": gaussian_entropy, "independent": independent_columns, "check": check_correlation,
    "all": lambda c: all_multiplets(c).tc, "blocks": lambda c: all_multiplets(c, blocks=[0, 0, 1, 1, 2, 2]).dtc,
    "unions": lambda c: union_multiplets(c, bins=["b", "b", "a", "a", "c", "c"]).tc, "extremes": lambda c: extremes(c).tc,
    "search": lambda c: search_multiplet(c, 3).omega, "nearest": lambda c: nearest_correlation(c).corr,
}


@pytest.mark.parametrize("form", MATRIX_FORMS)
@pytest.mark.parametrize("name", OF_MATRICES)
def test_matrices_in_any_form_give_the_float64_answer(name, form):
    corr = np.corrcoef(whole_samples(6), rowvar=False).round(3)
    tolerance = 1e-5 if "32" in form or "rounding" in form else 1e-12
    np.testing.assert_allclose(numbers(OF_MATRICES[name](MATRIX_FORMS[form](corr))), numbers(OF_MATRICES[name](corr)),
                               atol=tolerance)


LABELS = {
    "int8": np.array([0, 0, 1, 1, 2, 2], "int8"), "uint64": np.array([5, 5, 6, 6, 9, 9], "uint64"),
    "float": [0.0, 0, 1, 1, 2, 2], "text": ["a", "a", "b", "b", "c", "c"], "negative": [-5, -5, 0, 0, 7, 7],
    "tensor": torch.tensor([0, 0, 1, 1, 2, 2]), "series": pd.Series([0, 0, 1, 1, 2, 2], index=list("uvwxyz")),
    "nullable": pd.Series([0, 0, 1, 1, 2, 2], dtype="Int8"), "categories": pd.Series(list("aabbcc"), dtype="category"),
    "tuple": (0, 0, 1, 1, 2, 2), "objects": np.array(list("aabbcc"), object),
}
OF_LABELS = {
    "blocks": lambda labels: all_multiplets(np.corrcoef(whole_samples(6), rowvar=False), blocks=labels).tc,
    "bins": lambda labels: union_multiplets(np.corrcoef(whole_samples(6), rowvar=False), labels).tc,
    "extremes": lambda labels: extremes(np.corrcoef(whole_samples(6), rowvar=False), blocks=labels).tc,
    "measure_features": lambda labels: reading(measure_features(whole_samples(6), bins=labels)),
    "of means": lambda labels: reading(measure_features(whole_samples(6), bins=labels, unit="means")),
    "null_extremes": lambda labels: null_extremes(whole_samples(6), draws=2, bins=labels).draws,
    "bootstrap": lambda labels: bootstrap_extremes(whole_samples(6), draws=2, blocks=labels).same,
    "bin_means": lambda labels: bin_means(torch.tensor(whole_samples(6)), labels),
}


@pytest.mark.filterwarnings("ignore:the resampled")
@pytest.mark.parametrize("form", LABELS)
@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_in_any_form_make_the_same_groups(name, form):
    np.testing.assert_array_equal(numbers(OF_LABELS[name](LABELS[form])), numbers(OF_LABELS[name]([0, 0, 1, 1, 2, 2])))


@pytest.mark.parametrize("labels, message", [
    ([0, 0, 1, 1, 2], r"shape \(5,\) were given for 6 variables"), ([0, 0, 1, 1, np.nan, 2], "NaN, None or masked"),
    ([0, 0, 1, 1, None, 2], "NaN, None or masked"), ([0, 0.5, 1, 1, 2, 2], "whole number or a name"),
    (np.ma.masked_equal([0, 0, 1, 1, 2, 9], 9), "NaN, None or masked"), ([0j] * 6, "complex"), (np.inf, "shape"),
    ([0, 0, 1, 1, np.inf, 2], "whole number or a name"), (pd.Series([0, 0, 1, 1, pd.NA, 2], dtype="Int8"), "NaN, None")])
@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_that_name_no_group_are_refused(name, labels, message):
    with pytest.raises(ValueError, match=message):
        OF_LABELS[name](labels)


NO_SAMPLES = {
    "complex": (np.ones((9, 12)) * 1j, "complex"), "text": (np.full((9, 12), "1.5"), "type <U3"),
    "None": (None, "type object"),
    "dates": (np.zeros((9, 12), "datetime64[s]"), "dates"), "ragged": ([[1.0] * 12, [2.0] * 11], "rows of equal length"),
    "masked": (np.ma.masked_equal(whole_samples(), whole_samples().max()), "NaN or infinite .* in column"),
    "missing": (pd.DataFrame(whole_samples()).astype("Int64").mask(lambda x: x == 0), "NaN or infinite .* in column"),
    "sparse": (torch.eye(12).to_sparse(), "to_dense"), "one axis": (np.arange(9.0), r"shape \(9,\)"),
    "empty": (np.ones((0, 12)), r"shape \(0, 12\)"), "no variables": (np.ones((9, 0)), r"shape \(9, 0\)"),
    "meta": (torch.ones(9, 12, device="meta"), "without data"), "dictionary": ({"a": [1, 2]}, "type object"),
    "named text": (pd.DataFrame(whole_samples(), columns=NAMES).assign(grape="Merlot"), "column 'grape'"),
    "named constant": (pd.DataFrame(whole_samples(), columns=NAMES).assign(vintage=1.0), "column 'vintage'"),
    "named NaN": (pd.DataFrame(whole_samples(), columns=NAMES).assign(ash=np.nan), "column 'ash'"),
    "rounded": (whole_samples().astype("int64") + 2**60 + 1, "subtract an offset"),
}


@pytest.mark.parametrize("form", NO_SAMPLES)
@pytest.mark.parametrize("name", OF_SAMPLES)
def test_what_holds_no_samples_is_refused_with_words(name, form):
    values, message = NO_SAMPLES[form]
    if name in ("live_columns", "usable_columns", "audit") and "column" in message and form != "named text":  # left out
        assert name == "audit" or not np.all(OF_SAMPLES[name](values))
        return
    if name == "audit" and form in ("empty", "no variables"):
        message = "samples of 12 neurons were given|features of 0 neurons"
    if name in ("ward_bins", "standardised") and form in ("named constant", "text"):
        return  # constant columns can be grouped
    with pytest.raises(ValueError, match=message):
        OF_SAMPLES[name](values)


def test_names_of_columns_are_kept():
    frame = pd.DataFrame(whole_samples(3), columns=["alcohol", "ash", "hue"])
    corr = copula_correlation(frame)
    assert list(corr.columns) == list(corr.index) == ["alcohol", "ash", "hue"]
    assert list(copula_normal(frame).columns) == ["alcohol", "ash", "hue"] and copula_normal(frame).index.equals(frame.index)
    with pytest.raises(ValueError, match="column 'sum' follows"):
        o_information(correlation(frame.assign(sum=frame.sum(1))))
    broken = corr.copy()
    broken.loc["ash", "ash"] = np.nan
    with pytest.raises(ValueError, match="in column 'ash'"):
        total_correlation(broken)
    assert column_names(xr.DataArray(np.eye(2), dims=("sample", "wine"), coords={"wine": ["a", "b"]})) == ("a", "b")
    assert column_names(pd.DataFrame(np.eye(2))) is column_names(np.eye(2)) is column_names(torch.eye(2)) is None
    found = measure_features(pd.DataFrame(whole_samples(), columns=NAMES))
    assert found.names == tuple(NAMES) and list(found.table().index) == NAMES


@pytest.mark.parametrize("given, expected", [
    (5, 5), (np.int8(5), 5), (np.uint64(5), 5), (5.0, 5), (np.float32(5), 5), ("5", 5), (" 5 ", 5), ("5.0", 5), ("+5", 5),
    (torch.tensor(5), 5), (np.array(5), 5), (Fraction(5), 5), ("1e3", 1000)])
def test_whole_numbers_are_taken_in_any_form(given, expected):
    found = whole_number("steps", given)
    assert found == expected and type(found) is int


@pytest.mark.parametrize("given", [True, np.False_, "five", "", 2.5, "2.5", float("nan"), float("inf"), None, [5],
                                   np.ones(2), 0, "-3", 1e400, 1j, torch.ones(2), b"5", "0x10", "nan"])
def test_what_is_no_whole_number_is_refused(given):
    with pytest.raises(ValueError, match="steps=.*give a whole number, 1 or more"):
        whole_number("steps", given)


@pytest.mark.parametrize("given", [0.001, "1e-3", np.float64(0.001), Decimal("0.001"), np.array(0.001), " 1E-3",
                                   np.float32(0.001), torch.tensor(0.001)])
def test_numbers_are_taken_in_any_form(given):
    found = real_number("wd", given)
    assert found == 0.001 and type(found) is float


@pytest.mark.parametrize("given", [True, "much", float("nan"), "inf", None, [0.1], 1j, torch.ones(2), -1, ""])
def test_what_is_no_allowed_number_is_refused(given):
    with pytest.raises(ValueError, match="wd=.*give 0 or more"):
        real_number("wd", given, "0 or more", lambda wd: wd >= 0)


def test_truth_is_no_number_and_no_text():
    assert truth("keep", True) is True and truth("keep", np.False_) is False and truth("keep", torch.tensor(True)) is True
    for given in ("False", 0, 1.0, None, [], np.ones(2, bool)):
        with pytest.raises(ValueError, match="keep=.*choose True or False"):
            truth("keep", given)


def test_choices_are_words_of_the_list():
    assert choice("ties", np.str_("average"), ("average",)) == "average"
    for given in ("avarage", None, ["average"], np.array(["average", "ordinal"]), 1):
        with pytest.raises(ValueError, match="is unknown: choose one of 'average', 'ordinal'"):
            choice("ties", given, ("average", "ordinal"))


def test_paths_may_begin_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("store", "~/networks") == tmp_path / "networks" == as_path("store", Path("~") / "networks")
    for given in ("", None, 3, "~nobody-of-this-name/networks", b"networks", ["a"], "a\0b"):
        with pytest.raises(ValueError, match="store=.*not a path"):
            as_path("store", given)


def test_precision_is_that_of_what_was_given():
    assert given_precision(np.eye(2, dtype="f4")) == given_precision(torch.eye(2)) == 2.0**-23
    assert given_precision(np.eye(2)) == given_precision([[1, 2]]) == given_precision(np.eye(2, dtype=int)) == 2.0**-52
    assert given_precision(pd.DataFrame(np.eye(2)).astype({0: "f4"})) == 2.0**-23
    assert given_precision(torch.eye(2).bfloat16()) == 2.0**-7


def test_nothing_given_is_changed():
    x = whole_samples()
    before, frame = x.copy(), pd.DataFrame(x.copy())
    for function in OF_SAMPLES.values():
        function(x)
        function(frame)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(frame, before)


def test_many_columns_are_not_all_written_out():
    assert name_columns(range(57)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (57 in all)"
    assert name_columns([1], ["a", "b"]) == "'b'" and name_columns([]) == ""


def test_floats_share_their_memory():
    for x in (np.eye(3, dtype="f4"), np.eye(3), torch.eye(3)):
        assert np.shares_memory(np.asarray(as_tensor(x)), np.asarray(x))
        assert real_samples(x).dtype in (torch.float32, torch.float64)
