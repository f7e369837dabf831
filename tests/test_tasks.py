"""Three public tasks: their examples, networks and loop as stated; and what is asked of their curves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from grok_synergy import followed
from grok_synergy.asked import judged, learned_steps, mean_interval, stage_steps, verdict_table
from grok_synergy.followed import (
    both_ways,
    kept_runs,
    layer_bits,
    load_followed,
    network_at,
    read_runs,
)
from grok_synergy.layer import Layer
from grok_synergy.nulls import design_of
from grok_synergy.tasks import (
    Encoder,
    LargeInitDigits,
    ModularTransformer,
    SparseParity,
    checkpoints,
    scores,
    train,
)

ALL = SparseParity(), LargeInitDigits(), ModularTransformer()
SMALL = (SparseParity(n=8, k=2, width=24, n_train=100, n_test=200, patterns=16, steps=40),
         LargeInitDigits(n_train=60, width=12, batch=40, steps=40),
         ModularTransformer(p=7, width=8, heads=2, steps=40))
names = [type(task).__name__ for task in ALL]


@pytest.mark.parametrize(("task", "parameters"), list(zip(ALL, (42_000, 55_210, 221_696), strict=True)), ids=names)
def test_a_task_has_the_sizes_that_are_published(task, parameters):
    assert sum(one.numel() for one in task.model(0).parameters()) == parameters
    split = task.data(0)
    assert len(split.x) == len(split.y) == task.n_train
    assert len(split.test_x) == len(split.test_y)


def test_examples_have_the_labels_of_their_rule():
    parity = SparseParity().data(3)
    assert set(parity.x.unique().tolist()) == {-1, 1}
    assert torch.equal(parity.y, parity.x[:, :3].prod(1)) and torch.equal(parity.test_y, parity.test_x[:, :3].prod(1))
    sums = ModularTransformer().data(3)
    assert torch.equal(sums.y, sums.x.sum(1) % 97) and len(sums.x) + len(sums.test_x) == 97**2
    digits = LargeInitDigits().data(3)
    assert len(digits.x) + len(digits.test_x) == 1797 and 0 <= digits.x.min() and digits.x.max() == 1


@pytest.mark.parametrize("task", ALL, ids=names)
def test_seeds_decide_everything_and_no_random_state_is_touched(task):
    before = torch.get_rng_state()
    same, other = (task.data(seed) for seed in (4, 5))
    assert all(torch.equal(a, b) for a, b in zip(task.data(4), same, strict=True))
    assert not torch.equal(same.x, other.x)
    first, again, another = (torch.nn.utils.parameters_to_vector(task.model(seed).parameters()) for seed in (4, 4, 5))
    assert torch.equal(first, again) and not torch.equal(first, another)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("task", ALL, ids=names)
def test_shuffled_labels_keep_inputs_counts_and_initial_weights(task):
    mixed = replace(task, labels="shuffled")
    true, without = task.data(1), mixed.data(1)
    for name in ("x", "test_x"):
        assert torch.equal(getattr(true, name), getattr(without, name))
    for name in ("y", "test_y"):
        a, b = getattr(true, name), getattr(without, name)
        assert torch.equal(a.sort().values, b.sort().values) and not torch.equal(a, b)
    weights = (torch.nn.utils.parameters_to_vector(one.model(1).parameters()) for one in (task, mixed))
    assert torch.equal(*weights)


@pytest.mark.parametrize("task", ALL, ids=names)
def test_every_epoch_shows_every_example_once(task):
    batches, size = task.batches(0), task.batch or task.n_train
    epoch = [next(batches) for _ in range(-(-task.n_train // size))]
    assert sorted(torch.cat(epoch).tolist()) == list(range(task.n_train))
    assert max(map(len, epoch)) == size


def test_inputs_are_a_design_where_there_are_factors():
    for task in (SparseParity(), ModularTransformer()):
        design = design_of(task.factors, len(task.inputs))
        assert design.rows.shape[-1] == 1  # every combination once
    assert LargeInitDigits().factors is None
    assert SparseParity().inputs.abs().min() == 1


def test_initial_weights_of_digits_are_eight_times_the_usual_ones():
    for large, usual in zip(LargeInitDigits().model(2).parameters(), LargeInitDigits(alpha=1.0).model(2).parameters(),
                            strict=True):
        assert torch.allclose(large, 8 * usual)


def test_the_encoder_computes_what_a_whole_transformer_would():
    torch.manual_seed(0)
    model, pairs = Encoder(p=5, width=8, heads=2), torch.cartesian_prod(torch.arange(5), torch.arange(5))
    x = model.token(pairs) + model.place.weight
    q, k, v = (part.view(25, 2, 2, 4).transpose(1, 2) for part in model.qkv(x).split(8, -1))
    shares = torch.softmax(q @ k.transpose(-1, -2) / 4, -1)
    x = x + model.attention((shares @ v).transpose(1, 2).reshape(25, 2, 8))
    x = x + model.down(torch.relu(model.mlp[0](x)))
    assert torch.allclose(model(pairs), (model.out(x) / 8)[:, -1], atol=1e-6)


def test_losses_and_hits_are_those_of_the_definition():
    output = torch.tensor([2.0, 0.5, -1.0, 0.0])
    y = torch.tensor([1.0, 1.0, 1.0, 1.0])
    assert SMALL[0].loss(output, y).item() == pytest.approx((0 + 0.5 + 2 + 1) / 4)
    assert SMALL[0].right(output, y).tolist() == [True, True, False, False]
    output, y = torch.zeros(2, 10), torch.tensor([0, 3])
    assert SMALL[1].loss(output, y).item() == pytest.approx(0.1)
    assert SMALL[2].loss(torch.zeros(2, 7), y).item() == pytest.approx(np.log(7))


@pytest.mark.parametrize("task", SMALL, ids=names)
def test_training_is_the_same_twice_and_lowers_the_loss(task):
    heard = []
    first = train(task, seed=1, callback=lambda step, **found: heard.append((step, found)))
    again = train(task, seed=1)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [step for step, _ in heard] == checkpoints(40)
    assert heard[-1][1]["train_loss"] < heard[0][1]["train_loss"]
    assert heard[-1][1] == scores(task, first, task.data(1))


def test_a_network_that_was_made_before_is_trained_itself():
    model = SMALL[0].model(0)
    assert train(SMALL[0], 0, model, steps=3) is model
    assert not torch.equal(model.out.weight, SMALL[0].model(0).out.weight)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: SparseParity(labels="random"), "labels='random'"),
    (lambda: SparseParity(k=40), "give a smaller k"),
    (lambda: SparseParity(width=0), "width=0"),
    (lambda: SparseParity(lr=-1), "lr=-1"),
    (lambda: LargeInitDigits(n_train=1797), "leaves none of 1797 digits"),
    (lambda: ModularTransformer(heads=5), "cannot be shared by 5 heads"),
    (lambda: ModularTransformer(train_fraction=1.0), "train_fraction=1.0"),
    (lambda: train(SMALL[0], seed=-1), "seed=-1"),
    (lambda: train(SMALL[0], steps=0), "steps=0"),
])
def test_what_is_impossible_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return kept_runs(SMALL[0], store=tmp_path_factory.mktemp("store"), progress=False)


def test_runs_are_kept_and_not_trained_again(tmp_path, monkeypatch):
    first = kept_runs(SMALL[1], [0, 1], tmp_path, progress=False)
    monkeypatch.setattr(followed, "train", None)
    again = kept_runs(SMALL[1], [0, 1], tmp_path, progress=False)
    assert all(a.identical(b) for a, b in zip(first, again, strict=True))


def test_a_kept_network_is_the_one_that_was_trained(runs):
    trained, kept = train(SMALL[0], 2), network_at(SMALL[0], runs[2], 40)
    for a, b in zip(trained.parameters(), kept.parameters(), strict=True):
        assert torch.equal(a, b)


def test_quiet_neurons_are_left_out_of_the_second_way_alone():
    x = torch.randn(50, 12, generator=torch.Generator().manual_seed(0))
    x[:, 3] *= 1e-3
    layers = both_ways({"a": x, "b": x[:, 4:]})
    widths = {name: layer.x["post"].shape[1] for name, layer in layers.items()}
    assert widths == {"a": 12, "a, loud": 11, "b": 8, "b, loud": 8}
    assert layers["b, loud"] is layers["b"]


def test_the_neurons_that_move_most_are_read_of_a_wide_layer():
    x = torch.randn(50, 300, generator=torch.Generator().manual_seed(0))
    x[:, ::6] *= 0.1
    kept = both_ways({"wide": x})["wide"].x["post"]
    assert torch.equal(kept, x[:, [k for k in range(300) if k % 6]])


def test_nulls_are_drawn_where_they_can_be():
    source = torch.Generator().manual_seed(0)
    layers = [Layer(torch.randn(64, 12, generator=source)) for _ in range(5)]
    assert np.isfinite(layer_bits(layers[0], layers[1:], torch.arange(64), [0, 1])).all()
    missing = layer_bits(layers[0], layers[1:4], None, [0, 1])
    assert np.isfinite(missing[:2]).all() and np.isnan(missing[2:]).all()
    assert np.isnan(layer_bits(layers[0], layers[1:], None, [0, 1], nulls=False)[1:]).all()


def test_readings_are_stored_and_have_nulls_at_every_second_checkpoint(runs, tmp_path, monkeypatch):
    table = read_runs(SMALL[0], runs, tmp_path)
    drawn = table.null_synergy.sel(null="columns").notnull().all(("layer", "seed"))
    assert drawn.values.tolist() == [k % 2 == 0 or k == len(drawn) - 1 for k in range(len(drawn))]
    monkeypatch.setattr(followed, "read_step", None)
    assert table.identical(read_runs(SMALL[0], runs, tmp_path))


def test_stages_are_cut_at_the_steps_of_learning():
    drawn = np.array([0, 1, 10, 100, 1000])
    stages = stage_steps(drawn, 50, 500)
    assert {name: steps.tolist() for name, steps in stages.items()} == {
        "start": [0], "early": [10], "waiting": [100], "end": [1000]}
    assert stage_steps(drawn, 50, np.nan)["waiting"].tolist() == [100]
    assert stage_steps(drawn, 20, 40)["waiting"].tolist() == [10]  # the nearest


def test_steps_of_learning_are_the_first_that_reach_it():
    curve = xr.DataArray([[[0.1, 0.9, 0.99, 0.97], [0.1, 0.2, 0.3, 0.4]]],
                         {"labels": ["true"], "seed": [0, 1], "scored": [0, 5, 10, 20]})
    found = learned_steps(xr.Dataset({"train_accuracy": curve, "test_accuracy": curve}), 0.98)
    pd.testing.assert_series_equal(found.memorised, pd.Series([10, np.nan], name="memorised", index=found.index))


def test_an_interval_of_the_mean_is_students():
    mean, low, high = mean_interval(np.array([[1.0], [2.0], [3.0]]), level=0.9)
    assert mean[0] == 2 and high[0] - 2 == 2 - low[0] == pytest.approx(2.919986 / np.sqrt(3), rel=1e-5)


def test_verdicts_are_wrong_about_noise_as_often_as_the_level_says():
    rng, steps = np.random.default_rng(0), np.array([0, 10, 100, 1000])
    axes = {"labels": ["true", "shuffled"], "layer": [f"{k}" for k in range(200)], "seed": range(5), "step": steps}
    noise = xr.DataArray(rng.normal(size=(2, 200, 5, 4)), axes)
    reached = xr.DataArray(np.ones((2, 5, 4)) * [0, 0, 1, 1],
                           {"labels": axes["labels"], "seed": axes["seed"], "scored": steps})
    table = xr.Dataset({"synergy": noise, "redundancy": noise, "train_accuracy": reached, "test_accuracy": reached,
                        **{f"null_{name}": 0 * noise.expand_dims(null=["columns"]) for name in followed.MEASURES}})
    found = judged(table, 0.98)
    wrong = (found.verdict != "inconclusive").groupby(found.claim).mean()
    assert len(wrong) == 7 and wrong.mean() < 0.03
    assert verdict_table(found, "7").shape == (7, 2)


def test_a_table_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match="make tasks"):
        load_followed("parity", tmp_path)
    with pytest.raises(ValueError, match="name='chess'"):
        load_followed("chess", tmp_path)
