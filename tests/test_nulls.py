"""Nulls keep what they say, to the bit, and destroy the rest; what they need and do not get is named."""

import numpy as np
import pandas as pd
import pytest
import torch

from grok_synergy.audit import audit
from grok_synergy.data import ModularTask
from grok_synergy.layer import Layer, measure_features
from grok_synergy.measurement import measurement
from grok_synergy.nulls import Excess, chimera_members, column_places, design_of, response_places
from grok_synergy.phases import measure
from grok_synergy.trainer import Experiment
from grok_synergy.training import train

P, N = 17, 12
GRID = np.stack(np.divmod(np.arange(P**2), P), 1)
SETTINGS = measurement("mid_ranks")


def responding(seed, neurons=N, rectified=True):
    "Activations of neurons that add a random response to a and one to b."
    tables = np.random.default_rng(seed).normal(size=(neurons, 2, P))
    x = (tables[:, 0, GRID[:, 0]] + tables[:, 1, GRID[:, 1]]).T
    return np.maximum(x, 0) if rectified else x


@pytest.fixture(scope="module")
def layer():
    pre = responding(0, rectified=False)
    return Layer(np.maximum(pre, 0), pre)


@pytest.mark.parametrize("kind", ["columns", "responses"])
def test_every_value_of_a_neuron_stays(layer, kind):
    null = layer.null(kind, 3, factors=GRID)
    for which in ("post", "pre"):
        assert torch.equal(null.x[which].sort(0).values, layer.x[which].sort(0).values)
    assert torch.equal(null.x["pre"].relu(), null.x["post"])  # before and after the ReLU go together


def test_a_response_keeps_its_rows_and_columns_under_other_names(layer):
    tables = [one.x["pre"].T.reshape(N, P, P).numpy() for one in (layer, layer.null("responses", 3, factors=GRID))]
    for before, after in zip(*tables, strict=True):
        for axis in (0, 1):  # the rows, as sets of values; then the columns
            sets = [sorted(map(tuple, np.sort(np.moveaxis(table, axis, 0), 1))) for table in (before, after)]
            assert sets[0] == sets[1]
        assert not np.array_equal(before, after)


def test_a_response_is_still_a_sum_of_two(layer):
    after = layer.null("responses", 3, factors=GRID).x["pre"].T.reshape(N, P, P)
    rest = after - after.mean(1, keepdim=True) - after.mean(2, keepdim=True) + after.mean((1, 2), keepdim=True)
    assert rest.abs().max() < 1e-12


def test_rows_are_cut_from_the_null_of_the_whole(layer):
    rows = ModularTask(p=P).train_index
    cut, whole = (layer.null("responses", 5, factors=GRID, rows=some) for some in (rows, None))
    assert torch.equal(cut.x["post"], whole.x["post"][rows])
    mask = np.isin(np.arange(P**2), rows)
    assert torch.equal(layer.null("responses", 5, factors=GRID, rows=mask).x["post"], whole.x["post"][mask])


def test_the_order_of_samples_does_not_matter_to_a_design():
    order = np.random.default_rng(0).permutation(P**2)
    values = [design_of(GRID[some], P**2).values for some in (slice(None), order)]
    np.testing.assert_array_equal(values[0][order], values[1])
    names = pd.DataFrame({"first": [f"token {a}" for a in GRID[:, 0]], "second": GRID[:, 1] * 10})
    assert len(np.unique(design_of(names, P**2).values[:, 0])) == P


def test_repeats_of_a_combination_stay_apart():
    factors = np.repeat(np.arange(5), 4)
    places = response_places(design_of(factors, 20), 6, seed=0)
    np.testing.assert_array_equal(np.sort(places, 0), np.tile(np.arange(20), (6, 1)).T)
    np.testing.assert_array_equal(places % 4, np.tile(np.arange(20) % 4, (6, 1)).T)
    assert (factors[places].reshape(5, 4, 6) == factors[places].reshape(5, 4, 6)[:, :1]).all()


@pytest.mark.parametrize("factors, words", [
    (GRID[:-1], "shape (288, 2) were given for 289 samples"),
    (np.zeros((P**2, 0)), "shape (289, 0)"),
    (np.c_[GRID[:, 0], np.roll(GRID[:, 0], 1)], "of 289 combinations were measured, 0 to 16 times each"),
    (np.where(GRID == 3, np.nan, GRID), "factors hold NaN"),
])
def test_what_is_no_design_is_named(layer, factors, words):
    with pytest.raises(ValueError) as raised:
        layer.null("responses", factors=factors)
    assert words in str(raised.value)


def test_a_planted_sum_and_planted_copies_are_gone():
    x = responding(1, rectified=False)
    x[:, 2], x[:, 4] = x[:, 0] + x[:, 1], x[:, 3]
    null = Layer(x).null("responses", 0, factors=GRID).x["post"].numpy()
    assert abs(np.corrcoef(null[:, 0] + null[:, 1], null[:, 2])[0, 1]) < 0.6
    assert abs(np.corrcoef(null[:, 3], null[:, 4])[0, 1]) < 0.6


def test_a_chimera_takes_whole_neurons_and_none_twice():
    layers = [Layer(responding(seed), responding(seed, rectified=False)) for seed in range(6)]
    null = layers[0].null("chimera", 0, others=layers[1:])
    columns = {tuple(column): (i, j) for i, one in enumerate(layers) for j, column in enumerate(one.x["post"].T.tolist())}
    taken = [columns[tuple(column)] for column in null.x["post"].T.tolist()]
    assert len(set(taken)) == N and len({network for network, _ in taken}) > 3
    assert torch.equal(null.x["pre"].relu(), null.x["post"])


def test_networks_of_a_chimera_are_taken_alike():
    members = np.concatenate([chimera_members([40] * 5, 40, seed) for seed in range(200)])
    counts = np.bincount(members[:, 0]) / len(members)
    assert abs(counts - 0.2).max() < 0.015
    assert abs(np.bincount(members[:, 1]) / len(members) - 1 / 40).max() < 0.01


@pytest.mark.parametrize("given, words", [
    (dict(kind="rows"), "kind='rows' is unknown"),
    (dict(kind="responses"), "null 'responses' needs factors"),
    (dict(kind="chimera"), "others: 1 networks"),
    (dict(kind="chimera", others=[Layer(responding(k)) for k in range(3)]), "others: 4 networks"),
    (dict(kind="chimera", others=[Layer(responding(k)[:99]) for k in range(4)]), "(99, 12) beside one of 289"),
    (dict(kind="chimera", others=[Layer(responding(k, 5)) for k in range(4)]), "of 5 neurons or more make no chimera of 12"),
])
def test_what_a_null_needs_is_named(layer, given, words):
    with pytest.raises(ValueError) as raised:
        layer.null(given.pop("kind"), **given)
    assert words in str(raised.value)


def test_seeds_decide_the_draws(layer):
    for kind in ("columns", "responses"):
        one, same, other = (layer.null(kind, seed, factors=GRID).x["post"] for seed in ([1, 2], [1, 2], [1, 3]))
        assert torch.equal(one, same) and not torch.equal(one, other)
    assert not np.array_equal(column_places(9, 3, 0), column_places(9, 3, 1))


def test_a_null_makes_its_own_bins_unless_some_were_given():
    x, bins = responding(2), np.arange(N) // 2
    assert (Layer(x, bins=bins).null("responses", factors=GRID).bins(SETTINGS) == bins).all()
    own = measurement("mid_ranks", n_bins=4)
    null = Layer(x).null("responses", factors=GRID)
    assert (null.bins(own) == Layer(null.x["post"]).bins(own)).all()


def test_excess_is_the_reading_less_the_median_of_the_draws(layer):
    found = layer.excess(SETTINGS, "responses", draws=9, seed=4, factors=GRID)
    reading = layer.read(SETTINGS)
    draws = [layer.null("responses", [4, draw], factors=GRID).read(SETTINGS) for draw in range(9)]
    assert found.synergy == pytest.approx(reading.synergy - np.median([one.synergy for one in draws]))
    assert found.redundancy == pytest.approx(reading.redundancy - np.median([one.redundancy for one in draws]))
    assert found == layer.excess(SETTINGS, "responses", draws=9, seed=4, factors=GRID)
    with pytest.warns(UserWarning, match="an interval of level 0.95 needs 39"):
        found.interval()


def test_the_interval_of_39_draws_goes_from_the_lowest_to_the_highest():
    draws = np.random.default_rng(0).normal(size=(39, 2))
    excess = Excess("responses", np.array([1.0, 2.0]), draws)
    np.testing.assert_allclose(excess.interval(), np.stack([[1, 2] - draws.max(0), [1, 2] - draws.min(0)], 1))
    assert list(excess.table().columns) == ["reading", "null", "excess", "low", "high"]
    assert "beyond the null 'responses', 39 draws: synergy" in repr(excess)


def test_the_interval_covers_zero_as_often_as_it_says():
    "Of numbers alone: the layers are in the notebook."
    rng = np.random.default_rng(0)
    ends = np.array([Excess("columns", rng.normal(size=2), rng.normal(size=(39, 2))).interval() for _ in range(2000)])
    covers = ((ends[..., 0] <= 0) & (ends[..., 1] >= 0)).mean()
    assert abs(covers - 0.95) < 0.012


def test_measure_features_prints_the_excess_where_a_null_can_be_had():
    x, others = responding(0), [responding(seed) for seed in range(1, 5)]
    assert "beyond" not in repr(measure_features(x))
    shown = repr(measure_features(x, factors=GRID, others=others, draws=9))
    assert "beyond the null 'responses', 9 draws" in shown and "beyond the null 'chimera', 9 draws" in shown
    rows = ModularTask(p=P, train_fraction=0.5).train_index
    cut = measure_features(x, factors=GRID, rows=rows, draws=2)
    assert cut.synergy == measure_features(x[rows]).synergy


def test_an_audit_names_the_null_that_a_layer_exceeds():
    x = responding(5)
    x[:, 1:6] = x[:, :1] + 0.3 * x[:, 1:6]  # six neurons that respond nearly alike
    assert "Nulls that know the design were not drawn" in repr(audit(x, draws=2))
    found = audit(x, factors=GRID, draws=2, null_draws=39)
    assert found.excess[0].kind == "responses"
    assert "; more than the null responses (+" in found.verdicts["redundancy"]
    assert "not drawn" not in repr(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    experiment = Experiment(ModularTask(p=P, train_fraction=0.7), width=20, wd=1.0, steps=30, per_decade=6, seeds=range(5))
    return train(experiment, store=tmp_path_factory.mktemp("store"), progress=False)


def test_nulls_stand_beside_the_curves_of_a_trajectory(trained):
    found = measure(trained, nulls=("responses", "chimera"), draws=3, null_every=4, progress=False)
    assert found.null_synergy.sizes == {"null": 2, "draw": 3, "seed": 5, "step": len(trained.steps)}
    drawn = found.step[found.null_synergy.notnull().all(("null", "draw", "seed"))].values.tolist()
    assert drawn == list(dict.fromkeys([*trained.steps[::4], trained.steps[-1]]))
    assert (found.null_synergy.sel(null="chimera").diff("seed").sel(step=drawn) == 0).all()  # of all seeds at once
    excess = found.synergy - found.null_synergy.median("draw")
    np.testing.assert_allclose(excess.transpose(*found.excess_synergy.dims), found.excess_synergy)
    step, whole = drawn[1], Layer(trained.features(3, drawn[1], "all"))
    one = whole.null("responses", [3, step, 2], factors=trained.experiment.task.pairs,
                     rows=trained.experiment.task.train_index).read(SETTINGS)
    assert float(found.null_synergy.sel(null="responses", draw=2, seed=3, step=step)) == pytest.approx(one.synergy)


def test_presets_share_their_nulls_and_stored_ones_are_read(trained, monkeypatch):
    both = measure(trained, preset=["published", "mid_ranks"], nulls="responses", draws=2, null_every=5, progress=False)
    import grok_synergy.measures as measures
    monkeypatch.setattr(measures, "_null_checkpoint", None)  # whatever is asked for again is there
    one = measure(trained, nulls=["responses"], draws=2, null_every=5, progress=False)
    np.testing.assert_array_equal(both.null_redundancy.sel(preset="mid_ranks"), one.null_redundancy)


@pytest.mark.parametrize("given, words", [
    (dict(nulls="rows"), "nulls='rows' is unknown"),
    (dict(nulls="responses", draws=0), "draws=0"),
    (dict(nulls="responses", null_every=0), "null_every=0"),
])
def test_nulls_that_cannot_be_drawn_are_refused_before_work(trained, given, words):
    with pytest.raises(ValueError) as raised:
        measure(trained, progress=False, **given)
    assert words in str(raised.value)


def test_shuffled_labels_keep_pairs_split_and_counts():
    true, shuffled, other = (ModularTask(p=P, **given) for given in (
        {}, {"labels": "shuffled"}, {"labels": "shuffled", "label_seed": 1}))
    assert torch.equal(true.pairs, shuffled.pairs) and torch.equal(true.train_index, shuffled.train_index)
    assert torch.equal(true.targets.bincount(), shuffled.targets.bincount())
    assert not torch.equal(true.targets, shuffled.targets) and not torch.equal(other.targets, shuffled.targets)
    with pytest.raises(ValueError, match="label_seed=3 decides nothing with labels='true'"):
        ModularTask(label_seed=3)
    with pytest.raises(ValueError, match="labels='random' is unknown"):
        ModularTask(labels="random")


def test_the_seed_of_an_audit_decides_its_nulls_too():
    x = responding(5)
    draws = [audit(x, factors=GRID, draws=1, null_draws=3, seed=seed).excess[0].draws for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
