"""The names that users rely on, from the modules where they have always been."""

from importlib import import_module

import pytest

NAMES = {
    "data": ["ModularTask"],
    "training": ["Experiment", "train", "train_many", "Trajectory"],
    "entropy": ["copula_normal", "copula_correlation"],
    "oinfo": ["total_correlation", "dual_total_correlation", "o_information", "s_information", "all_multiplets",
              "extremes", "union_multiplets"],
    "search": ["search_multiplet"],
    "uncertainty": ["null_extremes", "bootstrap_extremes"],
    "binning": ["ward_bins"],
    "phases": ["measure", "measure_features", "segment"],
    "audit": ["audit"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_a_name_is_where_it_was(module, name):
    assert callable(getattr(import_module(f"grok_synergy.{module}"), name))


def test_a_name_that_is_not_there_is_missing_in_words():
    with pytest.raises(AttributeError, match="module 'grok_synergy.oinfo' has no attribute 'multiplet'"):
        assert import_module("grok_synergy.oinfo").multiplet
