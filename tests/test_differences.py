"""The table of differences: its numbers, its page, and that it is whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from make_pages import difference_cells, differences_page, tagged_cells

from grok_synergy.study.conditions import Paper
from grok_synergy.study.differences import (
    compared,
    landmarks,
    load_rows,
    published_pairs,
    rows_of,
    with_table_rows,
    without_vector_instructions,
)
from grok_synergy.study.jobs import load_paper

PROJECT = Path(__file__).resolve().parents[1]


def test_landmarks_are_those_of_the_mean_curve_from_step_5():
    step = [1, 5, 10, 20]
    measures = xr.Dataset({"synergy": (("seed", "step"), [[9.0, 1, 4, 2], [9, 3, 4, 8]]),
                           "redundancy": (("seed", "step"), [[9.0, 6, 0, 0], [9, 8, 0, 0]])}, {"seed": [0, 1], "step": step})
    found = landmarks(measures)
    assert found == [("synergy at step 5", "bits", 2.0), ("redundancy at step 5", "bits", 7.0),
                     ("highest synergy", "bits", 5.0), ("its step", "", 20.0)]
    assert compared(found, found)[1] == ("redundancy at step 5", "bits", 7.0, 7.0)


def test_without_ties_the_processor_does_not_matter():
    features = np.random.default_rng(0).normal(size=(2, 400, 12)).astype(np.float32)
    features[..., 1:] += features[..., :1]
    np.testing.assert_allclose(published_pairs(features), without_vector_instructions(features), atol=1e-9)


def test_with_ties_the_order_of_samples_matters():
    features = np.random.default_rng(0).normal(size=(1, 400, 12)).clip(0).astype(np.float32)
    reading, shuffled = (np.array(published_pairs(features[:, order])) for order in (
        np.arange(400), np.random.default_rng(1).permutation(400)))
    assert abs(reading - shuffled).max() > 1e-3


def test_page_shows_every_row_and_every_difference():
    cells = tagged_cells()
    differences = difference_cells(cells)
    rows = pd.DataFrame(row for i, key in enumerate(differences) for row in rows_of(
        key, f"other {i} at wd0.1, mid_ranks", ("highest synergy", "bits", -0.456, 1234.5),
        ("its step", "", np.inf, np.nan), ("test accuracy", "%", 97.46, 100.0)))
    page = differences_page(cells, rows)
    assert all(page.count(f"| other {i} at weight decay 0.1, mid-ranks |") == 3 for i in range(len(differences)))
    assert "| highest synergy (bits) | −0.46 | 1 234 |" in page and "| its step | ∞ | – |" in page
    assert "| test accuracy (%) | 97.5 | 100.0 |" in page
    for text in differences.values():
        heading, sides, *why = text.split("\n\n")
        assert heading[1:] in page and sides.splitlines()[-1] in page and all(part in page for part in why)
    assert "[Order of samples, and processor](#order-of-samples-and-processor)" in page


def test_table_of_the_project_is_whole():
    table = PROJECT / "figures" / "tables" / "differences.csv"
    if not table.exists():
        pytest.skip("the study has not been run here")
    rows = load_rows(table)
    assert rows.columns.tolist() == ["key", "alternative", "quantity", "unit", "there", "here"]
    stated = {"precision", "last layer", "settings", "budget"}  # whose numbers, where there are any, stand in their words
    assert rows.key.drop_duplicates().tolist() != [] and set(rows.key) == set(difference_cells(tagged_cells())) - stated
    assert rows.here.notna().all()


def test_the_table_agrees_with_the_other_tables():
    rows = load_rows(PROJECT / "figures" / "tables" / "differences.csv")
    anew = with_table_rows(rows, load_paper(PROJECT / "figures" / "tables").of("released"), Paper())
    numbers = ["there", "here"]
    assert anew.drop(columns=numbers).fillna("").equals(rows.drop(columns=numbers).fillna(""))
    np.testing.assert_allclose(anew[numbers].astype(float), rows[numbers], rtol=1e-5, equal_nan=True)
