"""Low orders of many variables: the same multiplets, numbers and ties as the tree; filters, thresholds, exports."""

import itertools
import math
import pickle
import sys
from dataclasses import replace
from functools import partial
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from grok_synergy import low_orders, multiplets, results, strongest
from grok_synergy.entropy import copula_correlation
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import dual_total_correlation, o_information, total_correlation
from grok_synergy.results import EQUAL, load_multiplets
from grok_synergy.store import save_dataset

RNG = np.random.default_rng(0)


def mixed(n, *batch, samples=None, seed=0):
    "Correlations of mixed Gaussians."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(*batch, samples or 4 * n, n)) @ (np.eye(n) + 0.3 * rng.normal(size=(n, n)))
    return np.stack([np.corrcoef(one.T) for one in x.reshape(-1, *x.shape[-2:])]).reshape(*batch, n, n)


def independent(n):
    "Nobody knows anything of anybody: every Ω is 0."
    return np.eye(n)


def exchangeable(n):
    "All groups of one order are alike."
    return 0.7 * np.eye(n) + 0.3


@pytest.fixture
def ways(monkeypatch):
    "The same call through the stream of low orders, with members as rows or as masks, and through the tree."
    def through(call, stream, rows=False):
        with monkeypatch.context() as patch:
            patch.setattr(multiplets, "_is_low", lambda *asked: stream)
            for short in ("_at_the_door", "_hold_small"):
                patch.setattr(multiplets, short, lambda *asked: None)
            if rows:
                for module in (multiplets, results):
                    patch.setattr(module, "WIDEST", 0)
            found = call()
            return found, found.groups
    return through


SEARCHES = [({}, ()), ({"min_size": 1, "max_size": 4}, (2,)), ({"min_size": 3, "max_size": 3, "n_samples": 50}, (2, 2)),
            ({"containing": [2, 7], "max_size": 5}, ()), ({"containing": (0, 3, 8), "max_size": 4}, (2,)),
            ({"containing": 3, "among": [1, 2, 3, 5, 8], "max_size": 4, "n_samples": 90}, ())]


@pytest.mark.parametrize("tile", [30, 2**16])
@pytest.mark.parametrize("options, batch", SEARCHES)
@pytest.mark.parametrize("search", [all_multiplets, extremes, partial(extremes, top=7),
                                    partial(extremes, histogram=[-1, 0, 0.1, 2])])
def test_low_orders_are_those_of_the_tree(search, options, batch, tile, ways, monkeypatch):
    monkeypatch.setitem(low_orders.TILE, "cpu", tile)
    corr = mixed(9, *batch)
    call = partial(search, corr, **options)
    (tree, _), (stream, _), (_, rows) = ways(call, False), ways(call, True), ways(call, True, rows=True)
    np.testing.assert_array_equal(stream.masks, tree.masks)
    np.testing.assert_array_equal(rows[..., :stream.groups.shape[-1]], stream.groups)
    for name in ("tc", "dtc", "omega"):
        np.testing.assert_allclose(getattr(stream, name), getattr(tree, name), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(stream.orders, tree.orders)
    assert getattr(stream, "counts", None) is getattr(tree, "counts", None) or (stream.counts == tree.counts).all()


@pytest.mark.parametrize("tile", [30, 2**16])
@pytest.mark.parametrize("make", [independent, exchangeable])
def test_of_equal_multiplets_the_smaller_come_first(make, tile, ways, monkeypatch):
    monkeypatch.setitem(low_orders.TILE, "cpu", tile)
    for corr in (make(10), np.stack([make(10)] * 3)):
        call = partial(extremes, corr, max_size=4, top=5)
        np.testing.assert_array_equal(ways(call, True)[0].masks, ways(call, False)[0].masks)
    assert extremes(make(70), min_size=3, max_size=3, top=3).groups[0, 0].tolist() == [[0, 1, 2], [0, 1, 3], [0, 2, 3]]


def test_every_triplet_of_a_hundred_variables_is_measured():
    corr = mixed(100)
    found = all_multiplets(corr, min_size=3, max_size=3)
    assert len(found) == math.comb(100, 3) and len(set(map(tuple, found.groups))) == len(found)
    some = RNG.choice(len(found), 200)
    parts = np.stack([corr[np.ix_(group, group)] for group in found.groups[some]])
    for values, measure in ((found.tc, total_correlation), (found.dtc, dual_total_correlation),
                            (found.omega, o_information)):
        np.testing.assert_allclose(values[some], measure(parts), rtol=0, atol=1e-12)
    best = extremes(corr, min_size=3, max_size=3, top=1000)
    order = found.omega.argsort()
    np.testing.assert_allclose(best.omega[0, 0], found.omega[order[:1000]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(best.omega[1, 0], found.omega[order[::-1][:1000]], rtol=0, atol=1e-12)
    assert best.groups[0, 0, 0].tolist() == list(found.members(order[0]))


def test_orders_of_many_variables_stand_in_the_order_of_masks():
    found = all_multiplets(np.eye(64), max_size=3)
    value = [sum(1 << i for i in found.members(place)) for place in range(len(found))]
    assert value == sorted(value) and len(value) == math.comb(64, 2) + math.comb(64, 3)
    with pytest.raises(ValueError, match="no bits for 64 members: take `groups`"):
        _ = found.masks


@pytest.mark.parametrize("options", [{"below": -0.02}, {"above": 0.03, "top": 4},
                                     {"below": -0.02, "above": 0.03, "n_samples": 200}])
@pytest.mark.parametrize("n", [9, 40])
def test_all_beyond_a_threshold_are_held(n, options):
    corr = mixed(n)
    found = extremes(corr, min_size=2, max_size=3, **options)
    every = all_multiplets(corr, min_size=2, max_size=3, n_samples=options.get("n_samples"))
    for kind, name in enumerate(("below", "above")):
        for row, order in enumerate((2, 3)):
            omega = np.sort(every.omega[every.orders == order] * (-1 if kind else 1))
            if name in options:
                omega = omega[omega < options[name] * (-1 if kind else 1)]
            else:
                omega = omega[:options.get("top", 1)]
            own = found.omega[kind, row]
            np.testing.assert_allclose(own[own == own] * (-1 if kind else 1), omega, rtol=0, atol=1e-12)
    assert len(found.frame()) == np.isfinite(found.omega).sum()


def test_thresholds_that_hold_too_much_are_refused(monkeypatch):
    monkeypatch.setattr(strongest, "MOST", 100)
    with pytest.raises(ValueError, match="below=1 holds more than 100 multiplets of order 3: give a stricter bound"):
        extremes(mixed(40), max_size=3, below=1)
    with pytest.raises(ValueError, match="2 matrices and a threshold"):
        extremes(mixed(6, 2), below=1)
    with pytest.raises(ValueError, match="below='low' is not possible"):
        extremes(mixed(6), below="low")


@pytest.mark.parametrize("n, batch", [(9, ()), (40, ()), (12, (3,))])
def test_a_histogram_counts_every_multiplet(n, batch):
    corr = mixed(n, *batch)
    every = all_multiplets(corr, max_size=3, n_samples=100)
    found = extremes(corr, max_size=3, n_samples=100, histogram=12)
    assert found.counts.shape == (*batch, 2, 12) and found.edges.shape == (13,)
    for row, order in enumerate((2, 3)):
        omega = np.atleast_2d(every.omega)[:, every.orders == order]
        for own, counts in zip(omega, found.counts.reshape(-1, 2, 12)[:, row], strict=True):
            np.testing.assert_array_equal(counts, np.histogram(own, found.edges)[0])
    for broken in ([0], [1, 0], [[0, 1]], 0, "many"):
        with pytest.raises(ValueError, match="histogram="):
            extremes(corr, max_size=2, histogram=broken)


@pytest.mark.parametrize("blocks", [None, np.arange(8) // 2])
@pytest.mark.parametrize("search", [all_multiplets, partial(extremes, top=300)])
def test_filters_leave_what_is_asked_for(search, blocks):
    corr, members = mixed(8), 8 if blocks is None else 4
    found = search(corr, blocks=blocks, containing=[1], among=[0, 1, 3])
    every = all_multiplets(corr, blocks=blocks)
    omega = {every.members(place): every.omega[place] for place in range(len(every))}
    wanted = {group: omega[group] for group in omega if 1 in group and set(group) <= {0, 1, 3}}
    frame = found.frame()
    assert found.n_members == members and set(frame.members) == set(wanted)
    np.testing.assert_allclose(frame.omega, [wanted[group] for group in frame.members], rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [8, 40])
def test_blocks_of_one_variable_are_scalars_in_another_order(n):
    corr, order = mixed(n), RNG.permutation(n)
    for search in (partial(all_multiplets, max_size=3), partial(extremes, max_size=3, top=4)):
        found, other = search(corr, blocks=order), search(corr[np.ix_(order.argsort(), order.argsort())])
        np.testing.assert_array_equal(found.groups, other.groups)
        np.testing.assert_allclose(found.omega, other.omega, rtol=0, atol=1e-12)


def test_members_are_filtered_by_name():
    frame = pd.DataFrame(RNG.normal(size=(200, 70)), columns=[f"gene {i}" for i in range(70)])
    corr = copula_correlation(frame)
    found = all_multiplets(corr, max_size=3, containing="gene 5", among=["gene 3", "gene 69", "gene 5"])
    assert set(found.frame().members) == {("gene 3", "gene 5"), ("gene 5", "gene 69"), ("gene 3", "gene 5", "gene 69")}
    assert found.n_members == 70 and found.members(2) == (3, 5, 69)
    for given, word in ((["gene 70"], "'gene 70' is none of the 70 variables: .* or names, such as 'gene 0'"),
                        (70, "70 is none"), (-1, "-1 is none"), ([0.5], "0.5 is none"), ([[1]], "is none")):
        with pytest.raises(ValueError, match=f"containing: .*{word}"):
            extremes(corr, max_size=3, containing=given)
    with pytest.raises(ValueError, match="max_size=2 is too small for the 3 variables that every multiplet is to hold"):
        all_multiplets(np.eye(5), max_size=2, containing=[0, 1, 2])
    with pytest.raises(ValueError, match="leaves 0 variables: give two or more"):
        all_multiplets(np.eye(5), among=[])
    every = extremes(corr, among=range(40, 50), containing=69)  # the tree, of some of many
    assert every.orders.tolist() == list(range(2, 12)) and every.groups[0, -1, 0].tolist() == [*range(40, 50), 69]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("search", [all_multiplets, extremes])
def test_a_singular_group_of_many_is_named(search, dtype):
    x = RNG.normal(size=(300, 40))
    x[:, 30] = x[:, 3] + x[:, 17]
    corr = np.corrcoef(x.T).astype(dtype)
    assert np.isfinite(search(corr, max_size=2).omega).all()
    named = "in the group of columns 3, 17 and 30 the correlation matrix is singular: column 30 follows"
    with pytest.raises(ValueError, match=named):
        search(corr, max_size=3)
    frame = pd.DataFrame(corr, columns=[f"v{i}" for i in range(40)])
    with pytest.raises(ValueError, match="in the group of columns 'v3', 'v17' and 'v30'"):
        search(frame, max_size=3)
    assert np.isfinite(search(corr, max_size=3, among=[i for i in range(40) if i != 17]).omega).all()
    with pytest.raises(ValueError, match="in the group of columns 3, 17 and 30"):
        search(corr, max_size=3, among=range(3, 31))
    assert np.isfinite(search(corr, max_size=3, containing=[4]).omega).all()


def test_fewer_samples_than_variables_are_enough_for_low_orders():
    corr = np.corrcoef(RNG.normal(size=(30, 80)).T)
    found = all_multiplets(corr, max_size=3, n_samples=30)
    assert np.isfinite(found.omega).all() and abs(found.omega.mean()) < 0.01


def test_threads_give_the_same(monkeypatch):
    corr, before = mixed(60), torch.get_num_threads()
    monkeypatch.setitem(low_orders.TILE, "cpu", 2**10)
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append((extremes(corr, max_size=3, top=50, histogram=9), all_multiplets(corr, max_size=3)))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_an_error_in_a_thread_is_the_caller_s(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setitem(low_orders.TILE, "cpu", 2**8)
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="singular"):
            all_multiplets(np.ones((40, 40)), max_size=3)
    finally:
        torch.set_num_threads(before)


def test_too_many_to_visit_are_refused():
    with pytest.raises(ValueError, match="500 variables have .* multiplets of 2 to 5, too many to visit"):
        extremes(np.eye(500), max_size=5)
    with pytest.raises(ValueError, match="40 variables have"):
        extremes(np.eye(40))


def test_memory_stays_bounded(tmp_path):
    """A search of 4.5 million triplets needs less than a tenth of what the list would."""
    resource = pytest.importorskip("resource")
    corr = np.corrcoef(RNG.normal(size=(300, 900)))
    extremes(corr[:50, :50], min_size=3, max_size=3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    extremes(corr, min_size=3, max_size=3, top=1000)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 40e6


RESULTS = {
    "all": lambda: all_multiplets(mixed(5)), "wide": lambda: all_multiplets(mixed(65), max_size=2),
    "batch": lambda: all_multiplets(mixed(5, 2, 3)), "extremes": lambda: extremes(mixed(5, 2), top=9, histogram=3),
    "wide extremes": lambda: extremes(mixed(64), max_size=3, above=0.05),
    "named": lambda: extremes(pd.DataFrame(mixed(4), columns=["a", "b", ("c", 1), 2.5]))}


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_saved_and_read(name, tmp_path):
    found = RESULTS[name]()
    found.save(tmp_path / "found.nc")
    assert load_multiplets(tmp_path / "found.nc") == found == pickle.loads(pickle.dumps(found))
    dataset = found.to_xarray()
    np.testing.assert_array_equal(dataset.omega, found.omega)
    assert dataset.groups.shape[:-1] == (found.tc.shape if "kind" in dataset.dims else (len(found),))


def test_files_that_hold_no_result_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_multiplets(tmp_path / "none.nc")
    xr.Dataset({"x": 1}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match="holds no multiplets and no extremes"):
        load_multiplets(tmp_path / "other.nc")
    (tmp_path / "broken.nc").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="is damaged"), pytest.raises(ValueError, match="is damaged: make the result again"):
        load_multiplets(tmp_path / "broken.nc")


def test_a_frame_has_a_row_for_every_multiplet():
    found = all_multiplets(pd.DataFrame(mixed(5), columns=list("abcde")))
    frame = found.frame()
    assert frame.members.tolist() == [tuple("abcde"[i] for i in found.members(place)) for place in range(len(found))]
    assert frame.columns.tolist() == ["members", "order", "tc", "dtc", "omega", "s"]
    np.testing.assert_array_equal(frame[["tc", "dtc", "omega", "s"]].T, [found.tc, found.dtc, found.omega, found.s])
    with pytest.raises(ValueError, match=r"\(2,\) searches are held here"):
        all_multiplets(mixed(5, 2)).frame()


class Hypergraph:
    "What is used of XGI's."

    def __init__(self):
        self.nodes, self.edges = [], {}

    def add_nodes_from(self, nodes):
        self.nodes += nodes

    def add_edges_from(self, edges):
        self.edges |= {number: (set(members), values) for members, number, values in edges}


def test_a_hypergraph_has_an_edge_for_every_multiplet(monkeypatch):
    xgi = ModuleType("xgi")
    xgi.Hypergraph = Hypergraph
    monkeypatch.setitem(sys.modules, "xgi", xgi)
    frame = pd.DataFrame(mixed(6), columns=list("abcdef"))
    found = all_multiplets(frame, min_size=3, max_size=3)
    graph = found.to_xgi()
    assert graph.nodes == list("abcdef") and len(graph.edges) == 20
    assert all(members == {"abcdef"[i] for i in found.members(place)} and values["omega"] == found.omega[place]
               for place, (members, values) in graph.edges.items())
    few = {some for size in (2, 3) for some in itertools.combinations("abcdef", size)}
    assert {tuple(sorted(members)) for members, _ in extremes(frame, max_size=3).to_xgi().edges.values()} <= few
    monkeypatch.setitem(sys.modules, "xgi", None)
    with pytest.raises(ImportError, match=r"pip install 'grok_synergy\[xgi\]'"):
        found.to_xgi()


def test_hypergraphs_are_those_of_xgi():
    pytest.importorskip("xgi")
    graph = all_multiplets(mixed(6), min_size=3, max_size=3).to_xgi()
    assert graph.num_edges == 20 and set(graph.edges.size.aslist()) == {3}
    assert isinstance(graph.edges[0]["omega"], float)


@pytest.mark.parametrize("n", range(2, 11))
def test_small_matrices_have_the_same_multiplets_in_any_form(n):
    corr = mixed(n)
    for options in ({}, {"max_size": 2}, {"min_size": n}, {"n_samples": 50}):
        found = all_multiplets(corr, **options)
        walked = all_multiplets(np.stack([corr, corr]), **options)
        for name in ("tc", "dtc", "omega"):
            np.testing.assert_allclose(getattr(found, name), getattr(walked, name)[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(found.masks, walked.masks)
        assert found == all_multiplets(torch.tensor(corr), **options) == all_multiplets(corr.tolist(), **options)
    found.masks[:] = 0  # the caller's own
    assert all_multiplets(corr, n_samples=50).masks[0] == 3


def test_a_threshold_that_was_measured_leaves_out_its_own_multiplet():
    corr = copula_correlation(np.random.default_rng(0).normal(size=(100, 8)))
    every = all_multiplets(corr, min_size=3, max_size=3)
    for value in every.omega[:30]:
        found = extremes(corr, below=value, above=value, min_size=3, max_size=3)
        held = [int((found.groups[kind, 0, :, 0] >= 0).sum()) for kind in (0, 1)]
        assert held == [int((every.omega < value - EQUAL).sum()), int((every.omega > value + EQUAL).sum())]


def test_room_is_made_for_what_there_is():
    corr = copula_correlation(np.random.default_rng(0).normal(size=(100, 6)))
    assert extremes(corr, top=2**20).tc.shape == (2, 5, 57)


def test_names_are_read_as_they_were_saved_or_a_warning_says_not(tmp_path):
    corr = copula_correlation(np.random.default_rng(0).normal(size=(100, 3)))
    names = (("a", ("b", 1)), np.int64(3), "c")
    found = replace(all_multiplets(corr), names=names)
    found.save(tmp_path / "found.nc")
    assert load_multiplets(tmp_path / "found.nc").names == names
    with pytest.warns(UserWarning, match="names of type Timestamp, such as 2026-01-01 00:00:00, are saved as text"):
        replace(found, names=(pd.Timestamp("2026-01-01"), "b", "c")).save(tmp_path / "found.nc")


def test_what_is_no_file_of_multiplets_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder: give a file that was written by `save`"):
        load_multiplets(tmp_path)
    save_dataset(xr.Dataset({"a": 1}, attrs={"kind": "Multiplets"}), tmp_path / "other.nc")
    with pytest.raises(ValueError, match="holds no multiplets and no extremes"):
        load_multiplets(tmp_path / "other.nc")


def test_many_columns_of_which_most_are_always_there():
    corr = mixed(40)
    found = all_multiplets(corr, containing=range(37))
    omega = [float(o_information(corr[np.ix_(some, some)])) for some in map(list, map(found.members, range(len(found))))]
    assert len(found) == 8
    np.testing.assert_allclose(found.omega, omega, atol=1e-9)
    assert extremes(corr, containing=range(37)).synergy == pytest.approx(-min(omega), abs=1e-9)
    with pytest.raises(ValueError, match="40 variables have 2..40 multiplets"):
        all_multiplets(corr, min_size=39)
    with pytest.raises(ValueError, match="63 blocks have 2..63 multiplets, too many to hold"):
        all_multiplets(mixed(66), blocks=np.arange(66) % 63, max_size=2)


def test_a_histogram_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(multiplets, "_search", lambda *given: pytest.fail("it was searched first"))
    with pytest.raises(ValueError, match="histogram"):
        extremes(mixed(6), histogram=[1.0, 0.0])


def test_orders_are_whole_numbers_that_can_be_less_than_0_apart():
    assert (all_multiplets(mixed(6)).orders - 4).min() == -2


@pytest.mark.parametrize("kind", ["plain", "blocks", "names", "always", "low"])
def test_the_best_of_few_are_those_of_a_stream(kind):
    corr = np.corrcoef(np.random.default_rng(0).normal(size=(200, 9)).T)
    corr[4] = corr[:, 4] = 0
    corr[4, 4] = 1  # multiplets with variable 4 equal those without
    how = {"plain": {}, "blocks": {"blocks": [0, 0, 1, 2, 2, 3, 4, 5, 5]}, "names": {"among": list("abcde")},
           "always": {"containing": [2, 5]}, "low": {"min_size": 3, "max_size": 4}}[kind]
    corr = pd.DataFrame(corr, list("abcdefghi"), list("abcdefghi")) if kind == "names" else corr
    one, two = extremes(corr, **how), extremes(corr, top=2, **how)
    assert (one.sets[..., 0] == two.sets[..., 0]).all() and one.names == two.names
    np.testing.assert_allclose(one.tc[..., 0], two.tc[..., 0], atol=1e-12)
    np.testing.assert_allclose(one.omega[..., 0], two.omega[..., 0], atol=1e-12)
