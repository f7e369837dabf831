"""The task: its table, its split, and the errors of impossible settings."""

import pytest
import torch

from grok_synergy.data import OPERATIONS, ModularTask


@pytest.mark.parametrize("op, symbol", [("add", "+"), ("subtract", "-"), ("multiply", "*")])
def test_targets_are_those_of_python(op, symbol):
    task = ModularTask(p=13, op=op)
    expected = [eval(f"(a {symbol} b) % 13") for a in range(13) for b in range(13)]
    assert task.targets.tolist() == expected


def test_division_undoes_multiplication_for_every_pair():
    task = ModularTask(p=13, op="divide")
    a, b = task.pairs.T
    assert (task.targets * b % 13 == a).all()
    assert task.n_pairs == 13 * 12 and 0 not in b


def test_split_is_the_released_one_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    task = ModularTask()
    train, test = task.train_index, task.test_index
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(420)
    assert train.tolist() == torch.randperm(9409)[:3763].tolist()
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(9409))


def test_one_hot_rows_spell_the_pair():
    task = ModularTask(p=7)
    x = task.one_hot("test")
    assert torch.equal(torch.stack([x[:, :7].argmax(1), x[:, 7:].argmax(1)], 1), task.pairs[task.test_index])
    assert x.sum() == 2 * len(x)


@pytest.mark.parametrize("settings, message", [
    (dict(p=15, op="divide"), "p=15 is not prime"),
    (dict(op="power"), "op='power' is not an operation"),
    (dict(p=1), "p=1 is not a modulus"),
    (dict(p=7.0), "p=7.0 is not a modulus"),
    (dict(train_fraction=0), "train_fraction=0 must lie"),
    (dict(train_fraction=float("nan")), "train_fraction=nan must lie"),
    (dict(p=2, train_fraction=0.1), "leaves the training or the test set empty"),
])
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ModularTask(**settings)


def test_other_operations_need_no_prime():
    for op in set(OPERATIONS) - {"divide"}:
        assert ModularTask(p=15, op=op).n_pairs == 225


def test_unknown_part_of_the_split_is_named():
    with pytest.raises(ValueError, match="which='validation'"):
        ModularTask(p=7).index("validation")
