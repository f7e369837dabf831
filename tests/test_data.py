"""The task: its table, its split, and the errors of impossible settings."""

import numpy as np
import pytest
import torch

from grok_synergy.data import OPERATIONS, ModularTask, is_prime


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
    (dict(op="power"), "op='power' is unknown: choose one of 'add'"),
    (dict(p=1), "p=1 is not possible: give a whole number, 2 or more"),
    (dict(p=7.5), "p=7.5 is not possible"), (dict(p=True), "p=True is not possible"),
    (dict(split_seed=-1), "split_seed=-1 is not possible: give a whole number, from 0"),
    (dict(split_seed=2**63), "split_seed=9223372036854775808 is not possible"),
    (dict(train_fraction=0), "train_fraction=0 is not possible: give a number strictly between 0 and 1"),
    (dict(train_fraction=float("nan")), "train_fraction=nan is not possible"),
    (dict(train_fraction="half"), "train_fraction='half' is not possible"),
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


@pytest.mark.parametrize("settings", [
    dict(p=np.int64(13)), dict(p="13"), dict(p=13.0), dict(p=torch.tensor(13)), dict(p=13, train_fraction="0.4"),
    dict(p=13, train_fraction=np.float64(0.4)), dict(p=13, split_seed=np.uint16(420)), dict(p=np.array(13)),
    dict(p=" 13", split_seed="420 "),
])
def test_numbers_of_other_kinds_make_the_same_task(settings):
    task = ModularTask(**settings)
    assert task == ModularTask(p=13) and repr(task) == repr(ModularTask(p=13))


@pytest.mark.parametrize("what", ["pairs", "targets", "train_index", "test_index"])
def test_whoever_changes_what_a_task_hands_out_changes_a_copy(what):
    task = ModularTask(p=7)
    getattr(task, what)[:] = 0
    task.index("train")[:] = 0
    assert torch.equal(getattr(task, what), getattr(ModularTask(p=7), what))


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_task_is_the_same_under_any_default_type_and_device(op):
    plain = ModularTask(p=13, op=op)
    expected = [plain.pairs, plain.targets, plain.train_index, plain.one_hot()]
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            task = ModularTask(p=13, op=op)
            found = [task.pairs, task.targets, task.train_index, task.one_hot()]
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("number, prime", [("7", True), (7.0, True), (np.int64(91), False), (-7, False), (1, False)])
def test_primes_of_other_kinds_of_numbers_are_told(number, prime):
    assert is_prime(number) is prime


@pytest.mark.parametrize("number", ["seven", 7.5, None, True, [7]])
def test_what_is_no_whole_number_is_refused_as_a_prime(number):
    with pytest.raises(ValueError, match="n=.* is not possible: give a whole number"):
        is_prime(number)


def test_the_documented_training_set_is_rounded_down():
    assert ModularTask(p=10, train_fraction=0.29).n_train == 28
    assert "int(train_fraction * n_pairs)" in ModularTask.__doc__
