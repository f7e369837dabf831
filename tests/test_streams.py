"""A layer in two passes: within its stated error of the whole table, from any batches, and refused where it cannot be."""

from functools import partial
from itertools import repeat

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata
from torch.utils.data import DataLoader, TensorDataset

from grok_synergy.binning import bin_means, ward_bins
from grok_synergy.entropy import copula_correlation, copula_normal
from grok_synergy.layer import Layer, measure_features
from grok_synergy.measurement import measurement
from grok_synergy.multiplets import extremes
from grok_synergy.streams import StreamedLayer, streamed_layer
from grok_synergy.unions import union_multiplets


def layer_of(samples=3000, neurons=24, seed=0):
    "Rectified neurons of six signals, some saturated, some of heavy tails, in float32."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 6)) @ rng.normal(size=(6, neurons)) + rng.normal(size=(samples, neurons))
    x[:, :8] = np.maximum(x[:, :8], 0)
    x[:, 8:12] = np.clip(x[:, 8:12], -1, 1)
    x[:, 12:16] = np.sinh(3 * x[:, 12:16])
    x[:, 16:18] = np.round(x[:, 16:18])
    return x.astype("float32")


ORDERS = {"as drawn": lambda x: x, "ascending": lambda x: x[np.argsort(x[:, 0])],
          "descending": lambda x: x[np.argsort(-x[:, 0])], "small ones first": lambda x: x[np.argsort(abs(x[:, 20]))]}


@pytest.mark.parametrize("batches", [1, 7, 3000])
def test_what_fits_is_exact(batches):
    x = layer_of()
    layer = streamed_layer(np.array_split(x, batches))
    assert layer.error == 0 and layer.sketch.most == 0
    np.testing.assert_allclose(layer.corr, copula_correlation(x), atol=1e-12)
    scores = layer.sketch.scores(torch.as_tensor(x.T))[0].T
    np.testing.assert_allclose(scores, copula_normal(x), atol=1e-12)
    ours, theirs = layer.read(measurement(n_bins=6)), measure_features(x, n_bins=6)
    for name in ("synergy_neurons", "redundancy_neurons", "dropped"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    for name in ("synergy", "redundancy", "tc", "dtc"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-9)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kept", [32, 129, 1000])
def test_ranks_are_within_their_bound_in_any_order(kept, order):
    x = ORDERS[order](layer_of(20_000))
    layer = streamed_layer(np.array_split(x, 13), kept=kept)
    off = layer.sketch.ranks(torch.as_tensor(x.T)).numpy() - rankdata(x, axis=0).T
    assert abs(off).max() <= layer.sketch.most + 1e-2  # scores have 32 bits
    tail = kept // 8
    ends = np.sort(np.argsort(x[:, 20])[[*range(tail), *range(-tail, 0)]])  # a column without ties
    assert abs(off[20, ends]).max() < 0.5 + 1e-2
    assert abs(layer.corr - copula_correlation(x)).max() <= layer.error
    assert abs(layer.corr - copula_correlation(x)).max() < 20 / kept


def test_scores_are_off_by_no_more_than_is_said():
    x = layer_of(20_000)
    layer = streamed_layer(x, kept=64)
    found, square = layer.sketch.scores(torch.as_tensor(x.T))
    off = abs(found.T.numpy() - copula_normal(x))
    assert (off <= square.T.sqrt().numpy() * (1 + 1e-5) + 1e-5).all()
    assert layer.off.numpy() == pytest.approx(np.sqrt(square.double().mean(1).numpy()) / found.numpy().std(1), rel=1e-4)


def test_an_atom_keeps_one_score_and_zeros_are_one_value():
    x = layer_of(20_000)
    x[::2, 0] *= -0.0 + (x[::2, 0] > 0)  # zeros of both signs
    scores = streamed_layer(x, kept=64).sketch.scores(torch.as_tensor(x[x[:, 0] == 0].T))[0][0]
    assert len(scores.unique()) == 1


SOURCES = {"array": lambda x, _: x, "list": lambda x, _: list(np.array_split(x, 9)),
           "three axes": lambda x, _: x.reshape(10, -1, 24),
           "function": lambda x, _: lambda: iter(np.array_split(x, 9)), "frame": lambda x, _: pd.DataFrame(x),
           "loader": lambda x, _: DataLoader(torch.as_tensor(x), batch_size=77), "tensor": lambda x, _: torch.as_tensor(x),
           "loader of a table": lambda x, _: DataLoader(TensorDataset(torch.as_tensor(x)), batch_size=77),
           "shuffled": lambda x, _: DataLoader(torch.as_tensor(x), batch_size=77, shuffle=True),
           "empty batches": lambda x, _: [x[:0], x[:5], x[:0], x[5:]], "in 64 bits": lambda x, _: x.astype(float),
           "on a disk": lambda x, folder: np.save(folder / "x.npy", x) or np.load(folder / "x.npy", mmap_mode="r"),
           "with a graph": lambda x, _: torch.as_tensor(x).requires_grad_()}


@pytest.mark.parametrize("source", SOURCES)
def test_batches_come_from_anywhere(source, tmp_path):
    x = layer_of()
    layer = streamed_layer(SOURCES[source](x, tmp_path))
    np.testing.assert_allclose(layer.corr, copula_correlation(x), atol=1e-12)
    assert layer.n_samples == 3000 and "3000 samples of 24 neurons" in repr(layer)


def test_half_precision_is_read_as_it_is():
    x = torch.as_tensor(layer_of(500)).bfloat16()
    np.testing.assert_allclose(streamed_layer(x.split(100)).corr, copula_correlation(x.float()).numpy(), atol=1e-12)


@pytest.mark.parametrize("clustering", ["ward", "average", "kmeans"])
def test_bins_are_those_of_the_whole_table(clustering):
    x = np.delete(layer_of(5000, 40), range(12, 16), 1) + 30  # far from 0, and without heavy tails
    settings = measurement(clustering=clustering)
    np.testing.assert_array_equal(streamed_layer(x, kept=64).bins(settings), Layer(x).bins(settings))
    np.testing.assert_array_equal(streamed_layer(x).bins(measurement()), ward_bins(x))


def test_correlations_serve_any_search():
    x, bins = layer_of(6000), np.arange(24) // 4
    layer = streamed_layer(x, kept=512)
    theirs = copula_correlation(x)
    for search in (lambda corr: union_multiplets(corr, bins).omega, lambda corr: extremes(corr, max_size=3, top=3).omega):
        np.testing.assert_allclose(search(layer.corr), search(theirs), atol=2e-2)
    given = streamed_layer(x, kept=512, bins=bins).read(measurement())
    assert given.synergy == pytest.approx(float(-union_multiplets(layer.corr, bins, n_samples=6000).omega.min()))
    direct = layer.read(measurement(clustering="none"))
    assert direct.redundancy == pytest.approx(Layer(x).read(measurement(clustering="none")).redundancy, abs=1e-2)
    blocks = layer.read(measurement(unit="blocks", n_bins=5))
    assert blocks.redundancy == pytest.approx(Layer(x).read(measurement(unit="blocks", n_bins=5)).redundancy, abs=1e-2)


def test_means_of_bins_are_a_stream_of_their_own():
    x, bins = layer_of(6000), np.arange(24) // 4
    means = streamed_layer(lambda: (bin_means(part, bins) for part in np.array_split(x, 5)), bins=np.arange(6))
    theirs = measure_features(x, bins=bins, unit="means")
    assert means.read(measurement()).synergy == pytest.approx(theirs.synergy, abs=1e-9)


def test_dead_and_dependent_neurons_are_named_or_dropped():
    x = layer_of()
    x[:, 5], x[:, 21] = 0.1, np.exp(0.1 * x[:, 20])  # a copy in rank
    with pytest.raises(ValueError, match=r"column 5 \(as of a dead neuron\).* degenerate='drop'"):
        streamed_layer(x)
    names = [f"n{i}" for i in range(24)]
    with pytest.raises(ValueError, match="column 'n5'"):
        streamed_layer(x, names=names)
    ours, theirs = (layer.read(measurement()) for layer in (streamed_layer(x, degenerate="drop"), Layer(x)))
    np.testing.assert_array_equal(ours.dropped, theirs.dropped)
    assert ours.dropped.sum() == 2 and ours.synergy == pytest.approx(theirs.synergy, abs=1e-9)
    whole = streamed_layer(np.delete(x, 5, 1))
    with pytest.raises(ValueError, match="column 20 follows from the columns before it"):
        whole.read(measurement())


def test_columns_that_are_sums_of_others_are_told_of():
    x = layer_of(30_000)
    x[:, 6], x[:, 22] = 0, x[:, 20] - x[:, 21]
    for parts in (x, x.astype(float) + 100):
        with pytest.warns(UserWarning, match="sums of others: 22. All"):
            streamed_layer(parts, kept=64, degenerate="drop")


def test_names_are_those_of_a_frame():
    frame = pd.DataFrame(layer_of()).add_prefix("neuron ")
    assert streamed_layer(frame).read(measurement()).names == tuple(frame.columns)
    with pytest.raises(ValueError, match="2 names were given for 24 neurons"):
        streamed_layer(layer_of(), names=["a", "b"])


def test_fewer_samples_than_neurons_get_the_best_ten():
    layer = streamed_layer(layer_of(200, 300))
    with pytest.raises(ValueError, match="200 samples of 300 neurons have a singular .*clustering='none'"):
        layer.read(measurement())
    found = layer.read(measurement(clustering="none"))
    assert found.redundancy_size == 10 and np.isnan(found.tc)


NO_BATCHES = {"cannot be gone over twice": lambda x: iter([x]), "type int cannot": lambda x: 3,
              r"batch 1 has shape \(5, 3\): give \(samples, neurons\), 24": lambda x: [x, x[:5, :3]],
              r"batch 0 has shape \(3000,\): give \(samples, neurons\), two": lambda x: [x[:, 0], x],
              "NaN or infinite values in column 3 of batch 1": lambda x: [x, np.where(np.arange(24) == 3, np.nan, x)],
              "hold no samples": lambda x: [], "met 3000 samples, the first 3000, or other values": lambda x: changing(x),
              "met 0 samples, the first 3000": lambda x: partial(next, repeat(iter([x])))}


def changing(x):
    "A function that gives other values each time, as dropout does."
    rng = np.random.default_rng(0)
    return lambda: [x * (rng.random(x.shape) > 0.1)]


@pytest.mark.parametrize("message", NO_BATCHES)
def test_batches_that_do_not_serve_are_refused(message):
    with pytest.raises(ValueError, match=message):
        streamed_layer(NO_BATCHES[message](layer_of()))


@pytest.mark.parametrize("options, message", [
    ({"kept": 3}, "kept=3 is not possible"), ({"bins": [1, 2]}, r"bins of shape \(2,\)"),
    ({"degenerate": "no"}, "degenerate='no'")], ids=str)
def test_settings_that_are_not_possible_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        streamed_layer(layer_of(100), **options)


@pytest.mark.parametrize("choices", [
    {"ties": "ordinal"}, {"unit": "means"}, {"estimator": "latent"}, {"layer": "pre"}, {"clustering": "spectral"},
    {"standardise": True}, {"judged_on": "other half"}], ids=str)
def test_measurements_that_need_the_samples_are_refused(choices):
    layer = streamed_layer(layer_of(100))
    (name, value), = choices.items()
    with pytest.raises(ValueError, match=f"{name}={value!r} needs the samples"):
        layer.read(measurement(**choices))


def test_a_streamed_layer_has_neither_parts_nor_nulls():
    layer = streamed_layer(layer_of(100))
    assert isinstance(layer, StreamedLayer)
    for ask in (lambda: layer.null("columns"), lambda: layer.rows([0]), layer.halves):
        with pytest.raises(ValueError, match="keeps no samples"):
            ask()
    with pytest.raises(ValueError, match="is no measurement"):
        layer.read("mid_ranks")
