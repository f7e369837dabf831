"""What the explorer is given: records of measures, probes and whole studies; and its widget."""

import base64
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from grok_synergy import explore as room
from grok_synergy.explore import explore, listed, packed, record, records
from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.explorer import group_record, listed_groups, write_explorer
from grok_synergy.study.results import Findings

RNG = np.random.default_rng(0)
SEEDS, STEPS, WIDTH = [0, 100, 200], [0, 1, 5, 10, 100], 19


def drawn(dims, sizes):
    return xr.DataArray(RNG.normal(size=sizes), dims=dims)


@pytest.fixture(scope="module")
def measures():
    """Two ways to measure three networks, with everything that `measures.measure` can give."""
    sizes = (2, len(SEEDS), len(STEPS))
    nulls = drawn(("preset", "null", "draw", "seed", "step"), (2, 2, 5, 3, 5))
    found = {word: drawn(("preset", "seed", "step"), sizes) for word in ("synergy", "redundancy")}
    found |= {f"null_{word}": nulls.where(xr.DataArray([True, False, True, False, False], dims="step")) for word in found}
    for word in ("synergy", "redundancy"):
        found[f"{word}_neurons"] = drawn(("preset", "seed", "step", "neuron"), (*sizes, WIDTH)) > 0
        found[f"{word}_size"] = found[f"{word}_neurons"].sum("neuron")
        found[f"excess_{word}"] = found[word] - found[f"null_{word}"].median("draw")
    found |= {name: abs(drawn(("seed", "step"), sizes[1:])).clip(0, 1) for name in ("train_acc", "test_acc")}
    coords = {"preset": ["published", "mid_ranks"], "seed": SEEDS, "step": STEPS, "null": ["responses", "chimera"]}
    return xr.Dataset(found, coords)


def whole_study():
    """A study that has it all: pairs, the released split, twins with shuffled labels, nulls."""
    evidence = drawn_evidence("paper", seeds=3)

    def whole(table):
        word = {name: table[name].fillna(0) for name in ("synergy", "redundancy")}
        if "null" not in table.dims:
            return table.assign(redundancy_size=table.synergy_size)
        draws = {f"null_{name}": (bits - table[f"excess_{name}"]).expand_dims(draw=5) for name, bits in word.items()}
        return table.assign(draws).assign(redundancy_size=table.synergy_size)

    measures = {preset: {name: whole(table).assign_coords(neuron=range(250)) for name, table in found.items()}
                for preset, found in evidence.measures.items()}
    return Findings(evidence.metrics, measures, evidence.ablations, {})


@pytest.fixture(scope="module")
def study():
    return whole_study()


def test_a_record_is_what_was_measured_to_a_thousandth_of_a_bit(measures):
    made = json.loads(json.dumps(record(measures), allow_nan=False))
    for preset, bits in made["measures"].items():
        for name, rows in bits.items():
            np.testing.assert_allclose(rows, measures[name].sel(preset=preset), atol=5.1e-4)
    assert (made["seeds"], made["steps"], made["width"]) == (SEEDS, STEPS, WIDTH)
    assert set(made["metrics"]) == {"train_acc", "test_acc"}


def test_a_null_is_kept_at_the_steps_where_it_was_drawn(measures):
    one = record(measures)["nulls"]["published"]["chimera"]
    assert one["at"] == [0, 2]
    draws = measures.null_redundancy.sel(preset="published", null="chimera", step=[0, 5])
    for name, rows in one["redundancy"].items():
        how = {"median": "median", "low": "min", "high": "max"}[name]
        np.testing.assert_allclose(rows, getattr(draws, how)("draw"), atol=5.1e-4)


def test_a_null_that_was_not_drawn_is_left_out(measures):
    without = measures.assign(null_synergy=measures.null_synergy.where(measures["null"] == "responses"))
    assert list(record(without)["nulls"]["published"]) == ["responses"]
    bare = record(measures.drop_dims(["null", "neuron"]))
    assert "nulls" not in bare and "neurons" not in bare and bare["width"] is None


@pytest.mark.parametrize("width", [1, 8, 9, 250])
def test_neurons_come_back_from_their_text(width):
    members = RNG.random((2, 3, width)) > 0.5
    for rows, texts in zip(members, packed(xr.DataArray(members, dims=("seed", "step", "neuron"))), strict=True):
        for row, text in zip(rows, texts, strict=True):
            assert np.array_equal(np.unpackbits(np.frombuffer(base64.b64decode(text), "uint8"), count=width), row)


def test_what_diverged_is_null_and_not_nan():
    assert listed(xr.DataArray([[np.nan, np.inf, -0.0001]], dims=("seed", "step"))) == [[None, None, 0]]


def test_layers_have_a_record_and_a_width_each(measures):
    one = measures.isel(preset=0, seed=0, drop=True).drop_vars(["train_acc", "test_acc"])
    both = xr.concat([one, one + 1], xr.Variable("layer", ["a", "b"])).assign_attrs(
        probe=json.dumps({"layers": {"a": WIDTH, "b": 7}}))
    made = records(both)
    assert [one["width"] for one in made.values()] == [WIDTH, 7] and made["b"]["seeds"] == [0]
    np.testing.assert_allclose(made["b"]["measures"]["measured"]["synergy"], [one.synergy + 1], atol=5.1e-4)


@pytest.mark.parametrize(("given", "words"), [
    (None, "of type NoneType without synergy"), (xr.Dataset({"synergy": ("step", [1.0])}), "without synergy and redundancy"),
    ([1, 2], "give what `phases.measure` returns")])
def test_what_cannot_be_explored_is_refused_in_words(given, words):
    with pytest.raises(ValueError, match=words):
        records(given)


def test_an_axis_that_is_not_shown_is_named(measures):
    with pytest.raises(ValueError, match=r"by \.isel\(run=0\)"):
        explore(measures.expand_dims(run=2))


def test_the_tables_bring_groups_nulls_and_shuffled_labels(study):
    groups = {one["name"]: [group["name"] for group in one["groups"]] for one in listed_groups(study)}
    assert groups["wd2"] == ["pairs", "released"]
    pairs, released = group_record(study, "wd2"), group_record(study, "wd2 released")
    assert list(pairs["nulls"]["mid_ranks"]) == ["responses"]
    assert list(released["nulls"]["mid_ranks"]) == ["responses", "chimera"]
    twin = study.measures["mid_ranks"]["wd2 shuffled"]
    np.testing.assert_allclose(pairs["shuffled"]["measures"]["mid_ranks"]["synergy"], twin.synergy, atol=5.1e-4)
    assert "shuffled" not in group_record(study, "wd50")


def test_tables_without_nulls_or_shuffled_labels_are_shown_without(study):
    plain = {name: table for name, table in study.metrics.items() if " " not in name}
    bare = {preset: {name: found[name].drop_dims("null") for name in plain} for preset, found in study.measures.items()}
    first = replace(study, metrics=plain, measures=bare)
    assert {group["name"] for one in listed_groups(first) for group in one["groups"]} == {"pairs"}
    assert "nulls" not in group_record(first, "wd2") and "shuffled" not in group_record(first, "wd2")


def test_files_are_those_that_the_list_names_and_no_more(study, measures, tmp_path):
    made = write_explorer(tmp_path, study, measures)
    index = json.loads((tmp_path / "index.json").read_text("utf-8"))
    named = {group["file"] for one in index["entries"] for group in one["groups"]}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in made} == {"index.json", *named}
    assert index["entries"][0]["name"] == "figure"
    assert json.loads((tmp_path / "figure.json").read_text("utf-8")) == record(measures)


def test_without_the_extra_the_error_says_how_to_install_it(measures, monkeypatch):
    room._widget_class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"pip install 'grok_synergy\[explore\]'"):
        explore(measures)


def test_without_the_script_the_error_says_how_to_build_it(measures, monkeypatch, tmp_path):
    pytest.importorskip("anywidget")
    room._widget_class.cache_clear()
    monkeypatch.setattr(room, "files", lambda _: tmp_path)
    with pytest.raises(ImportError, match="run `make explorer`"):
        explore(measures)


@pytest.mark.parametrize(("chosen", "said"), [
    ({"nul": "none"}, "explore='nul' is unknown: choose one of 'layer', 'seed'"),
    ({"null": "nul"}, "null='nul' is unknown: choose one of 'none'"),
    ({"ties": "mid-ranks"}, "ties='mid-ranks' is unknown"), ({"step": "soon"}, "step='soon'"), ({"step": -1}, "step=-1"),
    ({"seed": 7}, "seed='7' is unknown: choose one of 'all', '0'"), ({"show": 3}, "show=3 is unknown"),
    ({"layer": "a"}, "layer='a' is unknown: choose one of 'network'"), ({"untrained": "maybe"}, "untrained='maybe'")])
def test_a_choice_that_is_not_there_is_refused_before_a_widget_is_asked_for(measures, chosen, said, monkeypatch):
    monkeypatch.setattr(room, "_widget_class", lambda: pytest.fail("a widget was made"))
    with pytest.raises(ValueError) as refused:
        explore(measures, **chosen)
    assert said in str(refused.value)


def test_the_widget_holds_the_records_and_what_is_chosen(measures, monkeypatch, tmp_path):
    pytest.importorskip("anywidget")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "explorer.js").write_text("export default {render() {}};")
    (tmp_path / "static" / "explorer.css").write_text("")
    room._widget_class.cache_clear()
    monkeypatch.setattr(room, "files", lambda _: tmp_path)
    shown = explore(measures, null="none", step=5)
    room._widget_class.cache_clear()
    assert shown.source["records"] == records(measures) and shown.state == {"null": "none", "step": 5}
    assert shown.source["index"]["entries"][0]["groups"][0]["file"] == "network"
