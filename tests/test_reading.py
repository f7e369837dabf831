"""A reading: its nulls, its picture, its plain numbers, its bins, and the sentence that says what to use of it."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from grok_synergy.layer import Layer, _advice, measure_features
from grok_synergy.measurement import empty_reading, measurement
from grok_synergy.nulls import Excess

RNG = np.random.default_rng(0)
A, B, SIGNAL = RNG.normal(size=(3, 500))
PLANTED = np.stack([A, B, A + B, SIGNAL, SIGNAL, *RNG.normal(size=(3, 500))], 1)
PLANTED = PLANTED + 0.3 * RNG.normal(size=PLANTED.shape)
NOISE = RNG.normal(size=(500, 8))
GRID = np.stack(np.divmod(np.arange(500), 25), 1)


@pytest.fixture(scope="module")
def reading():
    return measure_features(PLANTED, n_bins=6)


def test_a_null_stands_beside_a_reading(reading):
    found = reading.null("columns", draws=9, seed=3)
    expected = Layer(PLANTED).excess(reading.settings, "columns", 9, 3)
    assert found.excess == (expected,) and found.synergy == reading.synergy and not reading.excess
    both = found.null("responses", draws=5, factors=GRID)
    assert [one.kind for one in both.excess] == ["columns", "responses"]
    assert [len(one.draws) for one in both.null("columns", draws=5).excess] == [5, 5]  # drawn anew
    others = [RNG.normal(size=PLANTED.shape) for _ in range(4)]
    assert reading.null("chimera", draws=3, others=others).excess[0].kind == "chimera"


def test_a_null_of_some_rows_is_of_those():
    rows = np.arange(0, 500, 2)
    found = measure_features(PLANTED, rows=rows, n_bins=6).null("responses", draws=3, factors=GRID)
    assert found.excess[0] == Layer(PLANTED).excess(found.settings, "responses", 3, rows=rows, factors=GRID)


def test_what_a_null_lacks_is_named(reading):
    with pytest.raises(ValueError, match="null 'responses' needs factors"):
        reading.null("responses")
    with pytest.raises(ValueError, match="kind='shuffled' is unknown"):
        reading.null("shuffled")
    for one in (Layer(PLANTED).read(reading.settings), pickle.loads(pickle.dumps(reading))):
        assert one == reading
        with pytest.raises(ValueError, match="has no features with it"):
            one.null()


def test_the_features_are_not_stored_with_a_reading(reading):
    assert len(pickle.dumps(reading)) < PLANTED.nbytes / 4


@pytest.mark.parametrize(("x", "settings", "null", "words"), [
    (PLANTED, {}, None, "To use: nothing until a null is drawn, as by .null('columns'); not made by ties, safe in rank."),
    (PLANTED, {}, "columns", "bits of synergy beyond 'columns' and no redundancy"),
    (NOISE, {}, "columns", "To use: no synergy beyond 'columns' and no redundancy beyond 'columns'; not made by ties"),
    (PLANTED, {"preset": "published"}, None, "not made by ties"),  # no two of its values are equal
    (np.maximum(PLANTED, 0), {"preset": "published"}, None, "perhaps made by ties (ties='numpy')"),
    (PLANTED, {"estimator": "on_off", "ties": "numpy"}, None, "not made by ties"),
    (np.column_stack([PLANTED, PLANTED[:, 0] + PLANTED[:, 3]]), {}, None, "not safe in rank, as some neurons are sums of"),
])
@pytest.mark.filterwarnings("ignore")
def test_the_last_sentence_says_what_to_use(x, settings, null, words):
    found = measure_features(x, n_bins=6, **settings)
    found = found if null is None else found.null(null)
    assert words in found.advice and repr(found).endswith(found.advice)


def test_the_weakest_null_decides_what_to_use(reading):
    found = reading.null("columns", draws=39).null("responses", draws=39, factors=GRID)
    least = min(found.excess, key=lambda one: one.interval()[0, 0]).kind
    assert f"synergy beyond {least!r}" in found.advice


def test_a_reading_as_plain_numbers(reading):
    found = reading.null("columns", draws=3).to_dict()
    assert json.dumps(found) and all(type(value) is float for value in found.values())
    assert found["synergy"] == reading.synergy and found["dropped"] == 0
    assert set(found) == {"synergy", "redundancy", "synergy_size", "redundancy_size", "tc", "dtc", "dropped",
                          "excess_synergy/columns", "excess_redundancy/columns"}


def test_a_reading_keeps_its_bins(reading):
    layer = Layer(PLANTED)
    assert np.array_equal(reading.bins, layer.bins(reading.settings)) and len(set(reading.bins)) == 6
    assert len(set(measure_features(PLANTED, bins=np.arange(8) // 2).bins)) == 4
    wide = RNG.normal(size=(200, 12))
    assert Layer(wide).read(measurement(clustering="none")).bins is None


def test_a_reading_as_a_picture(reading):
    for one in (reading, reading.null("columns", draws=3), empty_reading(np.ones(4, bool), measurement())):
        left, right = one.plot().axes
        assert left.get_xlabel() == "bits" and len(right.get_yticks()) == 3


def test_a_copy_that_is_left_out_does_no_harm_to_the_rest(recwarn):
    x = np.random.default_rng(0).normal(size=(400, 12))
    x[:, 5] = x[:, 2]
    found = measure_features(x, n_bins=6, degenerate="drop")
    assert found.dropped.sum() == 1 and "; 1 degenerate neuron left out" in repr(found)
    assert found.advice.endswith(", safe in rank.") and not [one for one in recwarn if "rank" in str(one.message)]


def test_a_hundredth_of_a_bit_is_not_advised(reading):
    little, much = (replace(reading, excess=(Excess("columns", np.array([bits, 0.0]), np.zeros((39, 2))),))
                    for bits in (0.01, 0.1))
    assert "no synergy beyond 'columns'" in _advice(little, True)
    assert "+0.10 bits of synergy beyond 'columns'" in _advice(much, True)
