"""Members by position and by name: of results, of columns with numbers for names, of text, of blocks."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from grok_synergy.conditional import conditional_correlation
from grok_synergy.contrasts import bootstrap_multiplets
from grok_synergy.entropy import copula_correlation, copula_normal
from grok_synergy.gradients import target_multiplets
from grok_synergy.local import local_information
from grok_synergy.oinfo import all_multiplets, extremes, total_correlation
from grok_synergy.search import search_multiplet
from grok_synergy.significance import significance


def test_members_of_a_result_are_positions_even_where_names_are_numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    x[:, 3] += x[:, 1] + x[:, 2]
    years = pd.DataFrame(x, columns=[1, 2, 3, 4, 5, 6])
    found = significance(years, draws=20)
    best = int(np.argmin(found.observed))
    members = found.found.members(best)
    assert members == (1, 2, 3) and found.frame().names[best] == (2, 3, 4)
    again = bootstrap_multiplets(years, [members], draws=5)
    assert again.frame().names[0] == (2, 3, 4) and np.isclose(again.observed[0], found.observed[best])
    assert local_information(years, list(members)).names == (2, 3, 4)
    corr = copula_correlation(years)
    assert all_multiplets(corr, containing=sorted(members), max_size=3).names is not None
    assert all_multiplets(corr, containing=members, min_size=3, max_size=3).frame().members.tolist() == [(2, 3, 4)]
    assert search_multiplet(corr, 3).members == (1, 2, 3)
    assert conditional_correlation(corr, search_multiplet(corr, 3).members[0]).columns.tolist() == [1, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="0 is none of the 6 variables: give names, such as 1"):
        bootstrap_multiplets(years, [(0, 1, 2)], draws=5)


@pytest.mark.parametrize("function", [
    lambda corr: conditional_correlation(corr, "1"), lambda corr: target_multiplets(corr, "5"),
    lambda corr: all_multiplets(corr, among=["0", "10"]), lambda corr: extremes(corr, containing="2")])
def test_text_is_never_a_position(function):
    names = ["10", "20", "30", "40", "50", "60"]
    corr = copula_correlation(pd.DataFrame(np.random.default_rng(0).normal(size=(90, 6)), columns=names))
    with pytest.raises(ValueError, match="is none of the 6 .*: give positions from 0 to 5 or names, such as '10'"):
        function(corr)


def test_blocks_go_by_the_numbers_that_were_given():
    corr = copula_correlation(np.random.default_rng(0).normal(size=(90, 6)))
    found = all_multiplets(corr, blocks=[1, 1, 2, 2, 3, 3], containing=1, min_size=2, max_size=2)
    assert found.frame().members.tolist() == [(1, 2), (1, 3)]
    with pytest.raises(ValueError, match="0 is none of the 3 blocks: give names, such as 1"):
        all_multiplets(corr, blocks=[1, 1, 2, 2, 3, 3], containing=0)


@pytest.mark.parametrize("place", [[0, 1], "a", 99, 1.5])
def test_a_multiplet_that_is_not_there_is_told_so(place):
    found = all_multiplets(copula_correlation(np.random.default_rng(0).normal(size=(90, 4))))
    with pytest.raises(ValueError, match="multiplet"):
        found.members(place)


def test_labelled_arrays_keep_their_names():
    x = xr.DataArray(np.random.default_rng(0).normal(size=(90, 4)), dims=("time", "region"),
                     coords={"region": list("abcd"), "time": np.arange(100, 190)})
    corr = copula_correlation(x)
    assert corr.dims == ("other region", "region") and corr.shape == (4, 4)
    assert all_multiplets(corr).names == tuple("abcd") and extremes(corr).names == tuple("abcd")
    np.testing.assert_array_equal(corr, copula_correlation(x.values))
    assert total_correlation(corr) == total_correlation(corr.values)
    assert conditional_correlation(corr, "b").shape == (3, 3) and target_multiplets(corr, "d").target == "d"
    assert (copula_normal(x).time == x.time).all() and copula_normal(x).dims == x.dims
    assert isinstance(copula_correlation(x.drop_vars("region")), np.ndarray)
