"""What equal values do where the truth is 0, and the audit of a layer."""

import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from torch import corrcoef, ones_like, tensor

from grok_synergy.audit import SEARCHES, audit
from grok_synergy.binning import ward_bins
from grok_synergy.entropy import TIES, copula_correlation
from grok_synergy.layer import measure_features
from grok_synergy.multiplets import all_multiplets
from grok_synergy.ties import (
    _PLAIN,
    PEERS,
    ROWS,
    artefact_correlation,
    artefact_figure,
    order_correlation,
    plain_order,
    tie_artefact,
    tied_correlation,
)

PROJECT = Path(__file__).resolve().parents[1]


def layer(samples=500, neurons=24, seed=0):
    "Activations that share three sources, before and after a ReLU; one neuron is dead, one a copy."
    rng = np.random.default_rng(seed)
    pre = rng.normal(size=(samples, 3)) @ rng.normal(size=(3, neurons)) + rng.normal(size=(samples, neurons))
    pre = (pre - np.abs(rng.normal(size=neurons))).astype(np.float32)
    pre[:, 5], pre[:, 7] = pre[:, 5] * 0.01 - 10, 2 * pre[:, 6]
    return np.maximum(pre, 0), pre


@pytest.fixture(scope="module")
def audited():
    features, pre = layer()
    return features, pre, audit(features, pre=pre, draws=2)


@pytest.mark.parametrize("zeros", [0.05, 0.3, 0.5, 0.8, 0.97])
def test_closed_form_is_the_integral_over_places(zeros):
    places = (np.arange(10**6) + 0.5) / 10**6
    mean = zeros * ndtri(zeros * places)
    assert tied_correlation(zeros) == pytest.approx(mean.var(), abs=2e-5)


def test_closed_form_at_its_ends():
    assert tied_correlation(0.0) == 0 and tied_correlation(1.0) == pytest.approx(1, abs=1e-6)
    assert (np.diff(tied_correlation(np.linspace(0, 1, 101))) > 0).all()


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("zeros", [0.0, 0.4, 0.9])
def test_ordinal_ranks_find_what_theory_says(zeros, rows):
    normal = np.random.default_rng(1).normal(size=(40_000, 8))
    x = np.where(normal > ndtri(zeros), normal, -9.0)
    found, expected = copula_correlation(x[ROWS[rows](x)], "ordinal"), artefact_correlation(zeros, 8, rows)
    assert abs(found - expected).max() < 4.5 / 40_000**0.5
    assert abs(found[0, 1:].mean() - expected[0, 1]) < 0.01


def test_mid_ranks_and_random_order_find_nothing_where_nothing_is():
    table = tie_artefact([0.2, 0.6, 0.95], n=6, samples=4000, seed=2).set_index("rule")
    fair = table.loc[["average", "random"], ["tc", "omega"]]
    assert fair.abs().max().max() < 0.01
    assert table.loc[["ordinal", "numpy", _PLAIN]].query("zeros > 0.9").omega.min() > 0.5


def test_artefact_of_ordinal_ranks_is_the_expected_one():
    table = tie_artefact([0.5, 0.9], n=6, samples=20_000, seed=3)
    pairs = table.pivot(index=["rows", "zeros"], columns="rule", values=["tc", "omega"])
    for column in ("tc", "omega"):
        np.testing.assert_allclose(pairs[column].ordinal, pairs[column].expected, rtol=0.05, atol=0.01)


def test_older_processor_is_given_the_same_values(monkeypatch):
    monkeypatch.setattr("grok_synergy.ties.plain_order", np.argsort)
    table = tie_artefact([0.3, 0.7], n=4, samples=900).set_index("rule")
    np.testing.assert_allclose(table.loc[_PLAIN, ["tc", "omega"]], table.loc["numpy", ["tc", "omega"]], atol=1e-12)


def test_older_processor_sorts_the_same_values():
    x = np.random.default_rng(4).integers(0, 4, size=(3, 700)).astype(np.float32)
    order = plain_order(x)
    assert (np.take_along_axis(x, order, -1) == np.sort(x, -1)).all() and (np.sort(order, -1) == np.arange(700)).all()
    x = np.random.default_rng(5).normal(size=(3, 700))
    np.testing.assert_allclose(order_correlation(plain_order(x)), copula_correlation(x.T), atol=1e-12)


@pytest.mark.parametrize("name", PEERS)
def test_other_packages_agree_without_equal_values(name):
    pytest.importorskip(name)
    x = np.random.default_rng(6).normal(size=(900, 5))
    np.testing.assert_allclose(all_multiplets(PEERS[name](x)).omega, all_multiplets(copula_correlation(x)).omega, atol=1e-4)


def test_rows_are_readings_with_the_same_choices(audited):
    features, pre, found = audited
    ward = {n: ward_bins(features, n) for n in (5, 10)}
    rng_bins = np.random.default_rng(0).permutation(np.arange(features.shape[1]) % 10)
    assert len(found.table) == 5 * len(SEARCHES) and found.table.dropped.min() >= 1
    for row in found.table.itertuples():
        x, ties = (pre, "average") if row.ranks == "pre-activations" else (features, row.ranks)
        bins = ward[row.n_bins] if row.bins == "Ward" else rng_bins
        reading = measure_features(x, bins=bins, ties=ties, unit=row.unit, bias_correction=row.bias_correction,
                                   degenerate="drop")
        assert (row.synergy, row.redundancy) == pytest.approx((reading.synergy, reading.redundancy), abs=1e-9), row
        assert (row.synergy_size, row.redundancy_size) == (reading.synergy_size, reading.redundancy_size), row
        assert row.dropped == reading.dropped.sum()


def test_shuffled_columns_share_nothing_that_the_layer_shares(audited):
    table = audited[2].table.query("ranks in ('average', 'random', 'pre-activations') and unit == 'neurons'")
    assert table[["synergy_null", "redundancy_null"]].max().max() < 0.4 < table.redundancy.min()
    assert (audited[2].null.shape) == (len(audited[2].table), 2, 2)


def test_order_of_samples_moves_only_ranks_that_depend_on_it(audited):
    moved = audited[2].table.groupby("ranks")[["synergy_order", "redundancy_order"]].max().max(axis=1)
    assert moved[["average", "pre-activations"]].max() < 1e-9
    assert moved[["ordinal", "numpy", "random"]].min() > 1e-3


def test_shuffled_columns_have_what_the_rule_for_ranks_invents():
    rng = np.random.default_rng(7)
    found = audit(np.maximum(rng.normal(size=(1500, 20)) - 1, 0), draws=4)
    mid_ranks = found.table[found.table.search == "recommended"].set_index("ranks")
    assert mid_ranks.redundancy["ordinal"] > 2
    assert mid_ranks.redundancy_null["ordinal"] == pytest.approx(mid_ranks.redundancy["ordinal"], rel=0.15)
    assert abs(mid_ranks.redundancy_null["average"]) < 0.1
    assert "most of the released value is the rank of equal values" in found.verdicts["redundancy"]
    assert not re.search(r"-0\.0\b", repr(found))
    assert "no more than chance, by either rule" in found.verdicts["synergy"]


def test_choosing_a_multiplet_flatters_it():
    gains = []
    for seed in range(4):
        x = np.random.default_rng(seed).normal(size=(120, 12))
        table = audit(x, draws=1, seed=seed).table.query("ranks == 'average' and search == 'recommended'").iloc[0]
        gains.append([table.synergy_half - table.synergy_other_half, table.redundancy_half - table.redundancy_other_half])
    assert (np.mean(gains, 0) > 0.02).all(), gains


def test_another_estimator_is_one_more_entry():
    features, _ = layer()
    found = audit(features, estimators={"Pearson": lambda x: np.corrcoef(np.asarray(x), rowvar=False)}, draws=1)
    assert list(dict.fromkeys(found.table.ranks)) == [*TIES, "Pearson"] and "Pearson" in found._repr_html_()
    assert found.table.query("ranks == 'Pearson'").redundancy_order.max() < 1e-9


def test_it_shows_itself(audited):
    found = audited[2]
    text, page = repr(found), found._repr_html_()
    assert all(sentence in text and sentence in page for sentence in found.verdicts.values())
    assert "left out as degenerate" in text and page.count("<tr") == 1 + 1 + len(found.table)
    fig = found.plot()
    assert [ax.get_xlabel() for ax in fig.axes] == ["synergy (bits)", "redundancy (bits)"]
    for ax, name in zip(fig.axes, ("synergy", "redundancy"), strict=True):
        drawn = sorted(float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() not in ("None", "", None))
        assert drawn == pytest.approx(sorted(found.table[name]))
    plt.close(fig)


def test_same_seed_same_audit():
    features, _ = layer(200, 12)
    first, again, other = (audit(features, draws=1, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert not first.table.equals(other.table)


@pytest.mark.parametrize(("change", "message"), [
    ({"features": np.zeros(5)}, r"features of shape \(5,\) .* give \(samples, neurons\)"),
    ({"features": np.ones((100, 12), complex)}, "complex numbers .* give real numbers"),
    ({"features": np.full((100, 12), np.nan)}, "0 of 12 neurons are finite"),
    ({"features": np.random.default_rng(0).normal(size=(100, 9))}, "9 neurons were given: ten bins need 10"),
    ({"features": np.random.default_rng(0).normal(size=(25, 12))}, "give 26 samples or more"),
    ({"pre": np.random.default_rng(0).normal(size=(100, 13))}, r"pre-activations of shape \(100, 13\) .* \(100, 12\)"),
    ({"draws": 0}, "draws=0 is not possible"), ({"draws": 2.5}, "draws=2.5 is not possible"),
    ({"estimators": {"numpy": np.corrcoef}}, "estimators named numpy are there already"),
    ({"estimators": {"mine": 5}}, "estimators hold 'mine': 5: give names, and functions"),
    ({"estimators": {3: np.corrcoef}}, "estimators hold 3"), ({"seed": -1}, "seed=-1 is not possible"),
    ({"seed": None}, "seed=None is not possible"), ({"progress": "yes"}, "progress='yes' is unknown"),
])
def test_refuses_what_it_cannot_measure(change, message, monkeypatch):
    monkeypatch.setattr("grok_synergy.layer.bin_multiplets", None)  # nothing is measured before all is checked
    given = {"features": np.random.default_rng(0).normal(size=(100, 12)), **change}
    with pytest.raises(ValueError, match=message):
        audit(given.pop("features"), **given)


@pytest.mark.parametrize("zeros", [[-0.1], [1.0], [np.nan], [[0.1]], []])
def test_refuses_impossible_shares(zeros):
    with pytest.raises(ValueError, match="are not shares"):
        tie_artefact(zeros)


@pytest.mark.parametrize("zeros", [-0.1, 1.1, np.nan, "half", None])
def test_theory_refuses_impossible_shares(zeros):
    with pytest.raises(ValueError, match="are not shares|give real numbers"):
        tied_correlation(zeros)
    with pytest.raises(ValueError, match="is not possible: give a share"):
        artefact_correlation(zeros)


ODD = {"two live": np.column_stack([np.random.default_rng(0).normal(size=(120, 2)), np.ones((120, 10))]),
       "on/off": np.random.default_rng(0).random((300, 12)) < 0.3,
       "1e300": 1e300 * np.random.default_rng(0).normal(size=(120, 12)),
       "rows four times": np.repeat(np.random.default_rng(0).normal(size=(30, 12)), 4, 0)}


@pytest.mark.parametrize("x", ODD.values(), ids=ODD)
def test_odd_layers_are_measured(x):
    found = audit(x, draws=1)
    assert np.isfinite(found.table.select_dtypes("number")).all(axis=None) and np.isfinite(found.null).all()


def test_refuses_unknown_orders():
    with pytest.raises(ValueError, match="rows='sorted' is unknown: choose one of 'shuffled', 'ascending', 'descending'"):
        artefact_correlation(0.5, rows="sorted")


def test_figure_draws_every_rule_of_the_table():
    table = tie_artefact([0.0, 0.5, 0.9], n=4, samples=500)
    fig = artefact_figure(table)
    curves = [line.get_ydata() for line in fig.axes[0].lines if len(line.get_ydata()) == 3]
    shown = table[table.rows == "shuffled"].pivot(index="zeros", columns="rule", values="tc")
    for rule in (*TIES, _PLAIN):
        assert min(abs(curve - shown[rule]).max() for curve in curves) < 0.03
    plt.close(fig)


def test_table_of_the_project_is_whole():
    table = pd.read_csv(PROJECT / "figures" / "tables" / "tie-artefact.csv")
    assert table.columns.tolist() == ["rule", "rows", "zeros", "tc", "omega"]
    assert {*TIES, _PLAIN, "expected"} <= set(table.rule) and set(table.rows) == set(ROWS)
    assert table[table.rule == "average"][["tc", "omega"]].abs().max().max() < 0.02
    assert np.isclose(table.zeros.max(), 0.95) and table.zeros.nunique() == 20


def test_chance_is_not_blamed_on_equal_values_where_there_are_none():
    "Few samples of continuous, independent columns: extremes of noise, alike under every rule."
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(size=(160, 40))
        for verdict in audit(noise).verdicts.values():
            assert "rank of equal values" not in verdict


def test_copies_of_neurons_add_nothing_to_the_null():
    x = np.maximum(np.random.default_rng(0).normal(size=(800, 12)), 0)
    found = [audit(columns).table for columns in (np.tile(x, 2), x)]
    row = [table[(table.ranks == "ordinal") & (table.search == "recommended")].iloc[0] for table in found]
    assert row[0].dropped == 12 and row[0].redundancy_null < 1.5 * row[1].redundancy_null + 0.05


def test_estimators_that_make_no_correlations_are_named():
    x = np.maximum(np.random.default_rng(0).normal(size=(400, 12)), 0)
    for made in (np.ones(3), np.eye(3), np.full((12, 12), np.nan)):
        with pytest.raises(ValueError, match="estimator 'mine' made an array of shape"):
            audit(x, estimators={"mine": lambda _, made=made: made})
    with pytest.raises(ValueError, match="give a dictionary of names and functions"):
        audit(x, estimators=["mine"])
    assert "mine has 0.0" in audit(x, estimators={"mine": lambda x: np.eye(x.shape[1])}).verdicts["redundancy"]
    x[0] = np.nan
    with pytest.raises(ValueError, match="0 of 12 neurons are finite .* 1 of 400 samples hold NaN"):
        audit(x)


def quick(x, **options):
    return audit(x, draws=1, **options)


KINDS = {"float32": lambda x: x.astype(np.float32), "int64": lambda x: x.astype(np.int64),
         "uint16": lambda x: x.astype(np.uint16),
         "big-endian": lambda x: x.astype(">f8"), "objects": lambda x: x.astype(object), "frame": pd.DataFrame,
         "nullable": lambda x: pd.DataFrame(x).astype("Int64"), "Fortran": np.asfortranarray,
         "bfloat16": lambda x: tensor(x).bfloat16(),
         "gradients": lambda x: tensor(x, requires_grad=True), "1e160": lambda x: x * 1e160}


def whole_layer():
    "Activations that are whole numbers up to 256, held by every type exactly."
    return np.round(20 * layer(120, 12)[0].clip(max=12.8)).clip(max=256).astype(float)


@pytest.fixture(scope="module")
def of_floats():
    return quick(whole_layer(), pre=whole_layer())


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_any_kind_of_numbers_has_the_audit_of_its_floats(make, of_floats):
    x = make(whole_layer())
    found = quick(x, pre=x)
    assert found.verdicts == of_floats.verdicts
    pd.testing.assert_frame_equal(found.table, of_floats.table)


def test_whole_numbers_far_from_zero_are_not_rounded(of_floats):
    found = quick(1_700_000_000_000 + whole_layer().astype(np.int64))
    numbers = found.table.select_dtypes("number").columns
    pd.testing.assert_frame_equal(found.table[numbers], of_floats.table[numbers][:len(found.table)], atol=1e-9)


def told(x, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick(x, **options)
    assert all(one.filename == __file__ for one in caught)
    return [str(one.message) for one in caught]


def test_columns_that_cannot_be_used_are_told_of_by_name():
    features, _ = layer(200, 12)
    frame = pd.DataFrame(features, columns=[f"n{i}" for i in range(12)])
    assert told(frame) == []  # dead neurons and copies are a matter of course
    found = quick(frame)
    assert found.names == ("n5", "n7") and "left out as degenerate (column 'n5' and 'n7')" in repr(found)
    assert "(column" not in repr(quick(features))
    masked = np.ma.array(features, mask=np.arange(2400).reshape(200, 12) == 14)
    for x, column in ((frame.mask(frame == frame.n2.max()), "'n2'"), (masked, "2")):
        words = told(x)
        assert len(words) == 1 and words[0].startswith(f"column {column} holds NaN, infinite or masked values")


def test_samples_of_lower_rank_are_told_of_once():
    x = np.random.default_rng(0).normal(size=(200, 12))
    words = told(x - x.mean(1, keepdims=True))
    assert len(words) == 1 and "rank 11" in words[0]
    assert ["rank 11" in one for one in told(x, pre=x - x.mean(1, keepdims=True))] == [True]
    assert told(np.maximum(x, 0), pre=x) == []


def test_on_off_columns_that_copy_each_other_are_told_of():
    x = np.random.default_rng(0).normal(size=(400, 12))
    x[:, :2] = (x[:, :1] > 0) ^ (np.random.default_rng(1).random((400, 2)) < 0.003)
    words = told(x)
    assert len(words) == 1 and "on/off columns 0 and 1 nearly agree" in words[0]


def test_estimators_of_32_bits_are_taken_with_their_rounding():
    x = np.maximum(np.random.default_rng(0).normal(size=(400, 4)) @ np.ones((4, 12)) / 2
                   + np.random.default_rng(1).normal(size=(400, 12)), 0)

    def uneven(samples):
        corr = corrcoef(samples.T.float())
        return corr + 1e-7 * ones_like(corr).triu(1)

    found = quick(x, estimators={"single": uneven, "double": lambda samples: corrcoef(samples.T.double())})
    single, double = (found.table[found.table.ranks == name] for name in ("single", "double"))
    np.testing.assert_allclose(single.redundancy, double.redundancy, atol=1e-3)
    copied = quick(np.column_stack([x, x[:, 0]]), estimators={"single": uneven})
    assert copied.table[copied.table.ranks == "single"].dropped.tolist() == [1] * len(SEARCHES)
    with pytest.raises(ValueError, match="estimator 'skew': the matrix is not symmetric"):
        quick(x, estimators={"skew": lambda samples: np.triu(np.eye(samples.shape[1]) + 0.1)})


@pytest.mark.parametrize("call", [
    lambda: tie_artefact([0.5], n=2.5), lambda: tie_artefact([0.5], samples="many"), lambda: tie_artefact([0.5], seed=-1),
    lambda: artefact_correlation(0.5, n=0)])
def test_numbers_that_are_none_are_refused(call):
    with pytest.raises(ValueError, match="is not possible: give a whole number"):
        call()
