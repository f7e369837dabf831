"""The trainer against a plain PyTorch loop, and the store against kills, damage and company."""

import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from filelock import FileLock

from grok_synergy import training
from grok_synergy.data import ModularTask
from grok_synergy.model import Weights, hidden_features, init_weights, logits, weight_norm
from grok_synergy.study.conditions import Paper
from grok_synergy.trainer import Experiment, Trainer, plain_loop
from grok_synergy.training import train, train_many
from grok_synergy.trajectory import evaluate

TASK = ModularTask(p=23)
SMALL = dict(task=TASK, width=32, steps=120, per_decade=10)


def run(experiment, store, **settings):
    return train(experiment, store=store, progress=False, **settings)


def run_many(experiments, store, **settings):
    return train_many(experiments, store=store, progress=False, **settings)


ROUTES = {
    "weight decay": dict(wd=2.0),
    "weight decay, norm kept": dict(wd=2.0, keep_norm=True),
    "initialization": dict(wd=0.0, alpha=8.0, keep_norm=True, zero_last=True),
    "initialization, norm free": dict(wd=0.0, alpha=8.0, zero_last=True),
}


@pytest.fixture
def double_precision(monkeypatch):
    """Rounding is amplified by AdamW where a gradient is near 0; in float64 it stays far below what is tested."""
    monkeypatch.setattr("grok_synergy.trainer.init_weights",
                        lambda *given: Weights(*(one.double() for one in init_weights(*given))))


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_first_steps_are_those_of_a_plain_loop(route, double_precision):
    experiment = Experiment(task=ModularTask(), width=60, seeds=(100,), **route)
    trainer = Trainer([(experiment, 100)])
    for _ in range(20):
        trainer.update()
    for ours, theirs in zip(trainer.weights, plain_loop(experiment, 20, torch.float64), strict=True):
        torch.testing.assert_close(ours[0], theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_first_steps_agree_in_single_precision(route):
    experiment = Experiment(task=ModularTask(), width=60, seeds=(100,), **route)
    trainer = Trainer([(experiment, 100)])
    for _ in range(3):
        trainer.update()
    for ours, theirs in zip(trainer.weights, plain_loop(experiment, 3), strict=True):
        torch.testing.assert_close(ours[0], theirs, rtol=1e-3, atol=1e-4)


def test_norm_is_that_after_scaling_and_before_the_last_layer_is_zeroed():
    experiment = Experiment(**SMALL, wd=0, alpha=8, keep_norm=True, zero_last=True, seeds=(3,))
    target = weight_norm(init_weights(TASK, [3], 32, alpha=8))
    trainer = Trainer([(experiment, 3)])
    assert weight_norm(trainer.weights) < 0.95 * target
    for _ in range(5):
        trainer.update()
    torch.testing.assert_close(weight_norm(trainer.weights), target)


def test_members_of_a_mixed_batch_are_their_single_runs(double_precision):
    members = [(Experiment(**SMALL, wd=2.0), 0), (Experiment(**SMALL, wd=0.1, lr=0.01), 1),
               (Experiment(**SMALL, wd=0, alpha=8, keep_norm=True, zero_last=True), 2)]
    together = Trainer(members)
    alone = [Trainer([member]) for member in members]
    for trainer in (together, *alone):
        for _ in range(20):
            trainer.update()
    for i, single in enumerate(alone):
        for ours, theirs in zip(together.weights, single.weights, strict=True):
            torch.testing.assert_close(ours[i], theirs[0], rtol=1e-8, atol=1e-9)


def test_a_seed_is_the_same_to_the_last_bit_whatever_is_trained_beside_it(tmp_path):
    one = run(Experiment(**SMALL, seeds=(7,)), tmp_path / "a", threads=1)
    many = run(Experiment(**SMALL, seeds=(5, 6, 7)), tmp_path / "b", threads=3)
    xr.testing.assert_identical(one.data.sel(seed=7), many.data.sel(seed=7))


def test_checkpoints_are_dense_early_and_even_on_a_log_scale_later():
    steps = Experiment().checkpoints
    assert steps[0] == 0 and steps[-1] == 4000
    assert set(range(13)) <= set(steps)
    late = steps[steps > 100]
    assert np.ptp(np.diff(np.log10(late))[:-1]) < 0.01


def test_trajectory_gives_the_activations_of_the_weights_it_holds(tmp_path):
    trajectory = run(Experiment(**SMALL, seeds=(0, 1)), tmp_path)
    weights = trajectory.weights(1, 120)
    for which in ("train", "test", "all"):
        pre = TASK.one_hot(which) @ weights.W1.T + weights.b1
        torch.testing.assert_close(trajectory.features(1, 120, which, "pre"), pre)
        torch.testing.assert_close(trajectory.features(1, 120, which), pre.relu())
    accuracy = ((pre.relu() @ weights.W2.T).argmax(1) == TASK.targets)[TASK.test_index].double().mean()
    assert accuracy == float(trajectory.metrics.test_acc.sel(seed=1, step=120))
    with pytest.raises(ValueError, match="step=51 is not in this trajectory"):
        trajectory.weights(1, 51)


def test_condition_is_in_the_name_and_seeds_are_not():
    base = Experiment(**SMALL)
    assert Experiment(**SMALL, seeds=(9,)).name == base.name
    for change in (dict(wd=1.9), dict(alpha=2), dict(keep_norm=True), dict(zero_last=True), dict(lr=0.02), dict(eps=1e-7),
                   dict(betas=(0.9, 0.99)), dict(steps=121), dict(width=33), dict(per_decade=11),
                   dict(task=ModularTask(p=23, split_seed=1))):
        assert Experiment(**{**SMALL, **change}).name != base.name, change


@pytest.mark.parametrize("settings, message", [
    (dict(wd=-0.1), "wd=-0.1"), (dict(wd=float("nan")), "wd=nan"), (dict(alpha=0), "alpha=0"), (dict(alpha=-2), "alpha=-2"),
    (dict(lr=0), "lr=0"), (dict(seeds=()), r"seeds=\(\)"), (dict(seeds=(1, 1)), "seeds that differ"),
    (dict(lr=float("inf")), "lr=inf is not possible: give a finite, positive number"), (dict(wd="inf"), "wd='inf'"),
    (dict(alpha="large"), "alpha='large'"), (dict(wd=None), "wd=None"), (dict(wd=True), "wd=True"),
    (dict(seeds=(-1,)), "seeds=-1 is not possible: give a whole number, from 0"), (dict(seeds=(2**63,)), "seeds=9223"),
    (dict(seeds="12"), "seeds='12' is not possible: give several numbers"), (dict(seeds=5), "seeds=5"),
    (dict(seeds=(0, "0")), "seeds that differ"), (dict(seeds=(0.5,)), "seeds=0.5"), (dict(betas=0.9), "betas=0.9"),
    (dict(betas=(0.9,)), "give two numbers"), (dict(zero_last=1), "zero_last=1 is unknown"),
    (dict(keep_norm="False"), "keep_norm='False' is unknown: choose True or False"),
    (dict(task=97), "task=97 is not possible: give a ModularTask"),
    (dict(width=2.5), "width=2.5"), (dict(eps=float("nan")), "eps=nan"),
    (dict(steps=0), "steps=0"), (dict(width=0), "width=0"), (dict(betas=(0.9, 1.0)), "betas="),
])
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Experiment(**settings)


NAMES = {  # files of the study are found by these
    "wd0.1": "add97-wd0.1-alpha1-705ff0fdc1", "wd2": "add97-wd2-alpha1-7854008524", "wd10": "add97-wd10-alpha1-ede00df1d6",
    "wd50": "add97-wd50-alpha1-029f0927c0", "alpha1": "add97-wd0-alpha1-init-48842fb086",
    "alpha8": "add97-wd0-alpha8-init-914a311586", "alpha50": "add97-wd0-alpha50-init-80efd89737",
}


STEPS = {"wd0.1": 4500, "wd2": 1500, "wd10": 1200, "wd50": 600, "alpha1": 600, "alpha8": 1500, "alpha50": 3000}


def test_names_of_experiments_are_those_of_the_files_on_disk():
    "Those of the study's first edition, whose conditions had fewer steps."
    assert {name: replace(Paper().experiment(name, [0]), steps=steps).name for name, steps in STEPS.items()} == NAMES
    assert Experiment().name == "add97-wd2-alpha1-3a40d1d895"
    odd = Experiment(ModularTask(p=53, op="divide", train_fraction=0.5, split_seed=7), width=100, wd=0.1, alpha=8,
                     keep_norm=True, zero_last=True, lr=0.01, betas=(0.9, 0.99), eps=1e-7, steps=100, per_decade=10)
    assert odd.name == "divide53-wd0.1-alpha8-init-cbc1393e8d"


@pytest.mark.parametrize("plain, other", [
    (dict(wd=0.0), dict(wd="0")), (dict(wd=0.0), dict(wd=-0.0)), (dict(wd=0.0), dict(wd=np.int8(0))),
    (dict(wd=0.001), dict(wd="1e-3")), (dict(alpha=1), dict(alpha="1")), (dict(alpha=8), dict(alpha=np.float32(8))),
    (dict(alpha=8), dict(alpha=torch.tensor(8))), (dict(keep_norm=True), dict(keep_norm=np.True_)),
    (dict(seeds=(0, 1)), dict(seeds=np.arange(2.0))), (dict(seeds=(0, 1)), dict(seeds=["0", torch.tensor(1)])),
    (dict(betas=(0.9, 0.98)), dict(betas=["0.9", np.float64(0.98)])), (dict(width=64), dict(width="64")),
    (dict(steps=100), dict(steps=1e2)),
    (dict(task=ModularTask(p=23)), dict(task=ModularTask(p=np.int64(23), split_seed=np.int64(420)))),
])
def test_a_number_of_another_kind_chooses_the_same_experiment(plain, other):
    for make in (Experiment, Experiment.paper):
        assert make(**plain) == make(**other) and make(**plain).name == make(**other).name
        assert repr(make(**plain)) == repr(make(**other))  # not even the type of a setting differs


@pytest.mark.parametrize("settings, message", [
    (dict(threads=0), "threads=0 is not possible"), (dict(progress="no"), "progress='no' is unknown"),
    (dict(device=None), "device=None is unknown"), (dict(store=3), "store=3 is not a path"),
])
def test_options_of_training_are_checked_before_it(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        train(Experiment(**SMALL), **{"store": tmp_path, "progress": False, **settings})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [3, ["wd2"], Experiment(), [Experiment(), None]])
def test_what_is_no_list_of_experiments_is_refused(tmp_path, given):
    with pytest.raises(ValueError, match="give a list, as in"):
        run_many(given, tmp_path)


def test_losses_are_those_of_double_precision(tmp_path):
    trajectory = run(Experiment(**{**SMALL, "width": 128, "steps": 1000}, wd=0.0, seeds=(0,)), tmp_path)
    for step in (0, 79, 501, 1000):
        weights = Weights(*(one.double() for one in trajectory.weights(0, step)))
        for part in ("train", "test"):
            index = TASK.index(part)
            outputs, targets = logits(weights, TASK.pairs[index]), TASK.targets[index]
            stored = trajectory.metrics[f"{part}_loss"].sel(seed=0, step=step).item()
            exact = torch.nn.functional.cross_entropy(outputs, targets).item()
            assert exact > 0 and stored == pytest.approx(exact, rel=1e-8)


def test_unknown_device_is_named(tmp_path):
    with pytest.raises(ValueError, match="device='tpu'"):
        run(Experiment(**SMALL), tmp_path, device="tpu")


UPDATES = 1500  # enough to be killed on the way
SLOW = f"""
import sys
from grok_synergy.data import ModularTask
from grok_synergy.training import Experiment, train
task = ModularTask(p=23)
train(Experiment(task, width=32, steps={UPDATES}, per_decade=10, seeds=(0, 1)), store=sys.argv[1], progress=False)
print("done", flush=True)
"""


def start(store):
    return subprocess.Popen([sys.executable, "-c", SLOW, store], stdout=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def test_a_killed_run_goes_on_from_its_last_checkpoint_as_if_undisturbed(tmp_path, monkeypatch):
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    process = start(killed)
    wait_for(lambda: any("000000100" in path.name for path in killed.rglob("*.npz")))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = max(int(path.stem) for path in killed.rglob("0*.npz"))
    assert 100 <= left < UPDATES and not list(killed.rglob("seed-*.nc"))
    kept = [int(np.load(state)["step"]) for state in killed.rglob("state.npz")]  # the two need not be equally far
    experiment = Experiment(TASK, width=32, steps=UPDATES, per_decade=10, seeds=(0, 1))
    steps, update = [], Trainer.update
    monkeypatch.setattr(Trainer, "update", lambda self: (update(self), steps.append(self.step)))
    resumed = run(experiment, killed)
    assert len(steps) == 2 * UPDATES - sum(kept)  # nothing that was kept is done again
    xr.testing.assert_identical(resumed.data, run(experiment, undisturbed).data)
    assert not list(killed.rglob("*.partial"))


def test_two_processes_train_one_condition_once(tmp_path):
    processes = [start(tmp_path) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["done\n"] * 2
    assert len(list(tmp_path.rglob("seed-*.nc"))) == 2
    assert not list(tmp_path.rglob("*.partial")) and not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("damage", ["bit", "cut", "empty"])
def test_damage_is_noticed_and_only_that_seed_is_trained_again(tmp_path, damage):
    experiment = Experiment(**SMALL, seeds=(0, 1))
    whole = run(experiment, tmp_path)
    path, other = (next(tmp_path.rglob(f"seed-{seed}.nc")) for seed in (1, 0))
    content, untouched = bytearray(path.read_bytes()), other.stat().st_mtime_ns
    content[len(content) // 2] ^= 4
    path.write_bytes({"bit": content, "cut": content[:len(content) // 2], "empty": b""}[damage])
    with pytest.warns(UserWarning, match="seed-1.nc is damaged"):
        mended = run(experiment, tmp_path)
    xr.testing.assert_identical(mended.data, whole.data)
    assert other.stat().st_mtime_ns == untouched
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(experiment, tmp_path)


def test_damaged_checkpoints_of_a_killed_run_are_noticed(tmp_path, monkeypatch):
    experiment = Experiment(**SMALL, seeds=(0,))
    update = Trainer.update

    def interrupted(self):
        if self.step == 60:
            raise KeyboardInterrupt
        update(self)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "update", interrupted)
        run(experiment, tmp_path / "a")
    [state] = (tmp_path / "a").rglob("state.npz")
    state.write_bytes(state.read_bytes()[:100])
    with pytest.warns(UserWarning, match="trained from the start"):
        resumed = run(experiment, tmp_path / "a")
    xr.testing.assert_identical(resumed.data, run(experiment, tmp_path / "b").data)


@pytest.fixture
def updates(monkeypatch):
    """Every update that is made, as (name of the experiment, step), and a way to interrupt training after some."""
    class Updates(list):
        limit = float("inf")

    done, update = Updates(), Trainer.update

    def counted(self):
        if len(done) >= done.limit:
            raise KeyboardInterrupt
        done.append((self.experiment.name, self.step + 1))
        update(self)

    monkeypatch.setattr(Trainer, "update", counted)
    return done


SEVERAL = [
    Experiment(**SMALL, wd=2.0, seeds=(0, 1)),
    Experiment(**{**SMALL, "steps": 70}, wd=0.1, lr=0.01, seeds=(1,)),
    Experiment(**{**SMALL, "steps": 90}, wd=0, alpha=8, keep_norm=True, zero_last=True, seeds=(2, 0)),
    Experiment(ModularTask(p=19), width=20, steps=50, per_decade=5, betas=(0.9, 0.99), seeds=(0,)),
]


def stored_files(store):
    return {path.relative_to(store): path.read_bytes() for path in store.rglob("*.nc")}


def test_each_of_several_conditions_is_its_single_run_to_the_last_bit(tmp_path):
    together = run_many(SEVERAL, tmp_path / "together", device="cpu", threads=3)
    for experiment, trajectory in zip(SEVERAL, together, strict=True):
        alone = run(experiment, tmp_path / "alone", device="cpu", threads=1)
        assert trajectory.experiment == experiment and trajectory.steps[-1] == experiment.steps
        assert trajectory.folder.name == experiment.name and tuple(trajectory.data.seed.values) == experiment.seeds
        xr.testing.assert_identical(trajectory.data, alone.data)
    assert stored_files(tmp_path / "together") == stored_files(tmp_path / "alone")


def test_several_interrupted_conditions_go_on_to_the_same_files(tmp_path, updates):
    run_many(SEVERAL, tmp_path / "undisturbed", device="cpu")
    total = len(updates)
    assert total == sum(experiment.steps * len(experiment.seeds) for experiment in SEVERAL)
    updates.clear()
    updates.limit = 2 * total // 3
    with pytest.raises(KeyboardInterrupt):
        run_many(SEVERAL, tmp_path / "interrupted", device="cpu", threads=2)
    assert len({path.parent for path in (tmp_path / "interrupted").rglob("*.partial")}) > 1
    updates.clear()
    updates.limit = float("inf")
    run_many(SEVERAL, tmp_path / "interrupted", device="cpu", threads=2)
    assert len(updates) < total // 2  # what was kept is not done again
    assert stored_files(tmp_path / "interrupted") == stored_files(tmp_path / "undisturbed")
    assert not list(tmp_path.rglob("*.partial"))


def test_a_run_killed_before_its_first_step_goes_on(tmp_path, updates):
    experiment = Experiment(**SMALL, seeds=(0,))
    updates.limit = 0
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path / "a")
    assert [path.name for path in tmp_path.rglob("0*.npz")] == ["000000000.npz"]
    updates.limit = float("inf")
    xr.testing.assert_identical(run(experiment, tmp_path / "a").data, run(experiment, tmp_path / "b").data)


@pytest.fixture
def batches(monkeypatch):
    """The CUDA route on a CPU: the number of networks in each batch that is trained."""
    sizes = []

    class OnCPU(Trainer):
        def __init__(self, members, device):
            sizes.append(len(members))
            super().__init__(members, "cpu")

    monkeypatch.setattr(training, "Trainer", OnCPU)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return sizes


def test_conditions_share_a_batch_where_they_can(tmp_path, batches, updates, double_precision):
    short = {**SMALL, "steps": 20}
    alike = [Experiment(**short, wd=2.0, seeds=(0, 1)), Experiment(**short, wd=0.1, lr=0.01, seeds=(1,)),
             Experiment(**short, wd=0, alpha=8, keep_norm=True, zero_last=True, seeds=(2, 0))]
    apart = [Experiment(**{**short, **change}, seeds=(0,)) for change in (
        dict(steps=15), dict(per_decade=5), dict(width=20), dict(task=ModularTask(p=19)), dict(betas=(0.9, 0.99)),
        dict(eps=1e-7))]
    updates.limit = 7
    with pytest.raises(KeyboardInterrupt):
        run_many(alike[:1], tmp_path / "batches", device="cuda")
    updates.limit = float("inf")
    batches.clear()
    together = run_many([*alike, *apart], tmp_path / "batches", device="cuda")
    assert sorted(batches) == [1] * len(apart) + [2, 3]  # two networks go on, three start
    batches.clear()
    for experiment, trajectory in zip([*alike, *apart], together, strict=True):
        alone = run(experiment, tmp_path / "alone", device="cpu").data
        xr.testing.assert_allclose(trajectory.data, alone, rtol=1e-7, atol=1e-9)
    assert set(batches) == {1}  # each network alone on a CPU


def test_what_is_asked_for_twice_is_trained_once(tmp_path, updates):
    experiment = Experiment(**SMALL, seeds=(0, 1))
    overlapping = replace(experiment, seeds=(2, 1))
    first, second, third = run_many([experiment, experiment, overlapping], tmp_path, device="cpu")
    assert len(updates) == 3 * 120
    xr.testing.assert_identical(first.data, second.data)
    assert tuple(third.data.seed.values) == (2, 1)
    xr.testing.assert_identical(third.data.sel(seed=1), first.data.sel(seed=1))


def test_no_experiment_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="give at least one Experiment"):
        run_many([], tmp_path)


@pytest.fixture
def locks(monkeypatch):
    """The networks that are locked, as folder and file, in order."""
    names = []

    def spied(path):
        names.append((path.parent.name, path.stem))
        return FileLock(path)

    monkeypatch.setattr(training, "FileLock", spied)
    return names


def test_what_is_stored_is_neither_trained_nor_locked_again(tmp_path, updates, locks):
    made = run_many(SEVERAL[:2], tmp_path, device="cpu")
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nc")}
    updates.clear()
    locks.clear()
    for before, again in zip(made, run_many(SEVERAL[:2], tmp_path, device="cpu"), strict=True):
        xr.testing.assert_identical(before.data, again.data)
    assert not updates and not locks
    run_many(SEVERAL, tmp_path, device="cpu")
    networks = {(experiment.name, f"seed-{seed}") for experiment in SEVERAL[2:] for seed in experiment.seeds}
    assert set(locks) == networks and {name for name, _ in updates} == {name for name, _ in networks}
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_locks_are_taken_in_one_order(tmp_path, locks):
    for store, experiments in [(tmp_path / "a", SEVERAL), (tmp_path / "b", SEVERAL[::-1])]:
        run_many(experiments, store, device="cpu")
    assert locks == 2 * sorted((experiment.name, f"seed-{seed}") for experiment in SEVERAL for seed in experiment.seeds)


def test_waiting_for_another_process_is_said(tmp_path, capsys):
    experiment = Experiment(**{**SMALL, "steps": 5}, seeds=(0,))
    (tmp_path / experiment.name).mkdir()
    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / experiment.name / "seed-0.lock"):
            waiting = pool.submit(train, experiment, store=tmp_path)
            wait_for(lambda: f"another process is training {experiment.name}, seed-0" in capsys.readouterr().out, 20)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
        waiting.result(timeout=20)


def test_another_seed_of_the_condition_does_not_wait(tmp_path):
    experiment = Experiment(**{**SMALL, "steps": 5}, seeds=(0,))
    (tmp_path / experiment.name).mkdir()
    with FileLock(tmp_path / experiment.name / "seed-100.lock"), ThreadPoolExecutor(1) as pool:
        pool.submit(run, experiment, tmp_path).result(timeout=20)


def test_store_is_in_the_project_one_is_in(tmp_path, monkeypatch):
    from grok_synergy.store import default_store
    (tmp_path / "settings.ini").touch()
    (tmp_path / "nbs").mkdir()
    monkeypatch.chdir(tmp_path / "nbs")
    assert default_store() == tmp_path / "trajectories"
    monkeypatch.chdir(Path(tmp_path.anchor))
    assert default_store().name == "trajectories"


# What is handed in

@pytest.mark.parametrize("task, seeds, message", [
    (TASK, 5, "seeds=5 is not possible: give at least one seed, as in"),
    (TASK, "05", "seeds='05' is not possible: give at least one seed"),
    (TASK, (), r"seeds=\(\) is not possible: give at least one seed"),
    (97, [0], "task=97 is not possible: give a ModularTask"),
])
def test_weights_of_no_seeds_or_no_task_are_refused(task, seeds, message):
    with pytest.raises(ValueError, match=message):
        init_weights(task, seeds)


def test_seeds_may_come_one_by_one():
    assert init_weights(TASK, (seed for seed in (0, 3)), 4) == init_weights(TASK, [0, 3], 4)


@pytest.mark.parametrize("pairs, message", [
    ([[-1, 0]], "pairs hold -1 .*: give numbers from 0 to 22"), ([[0, 23]], "pairs hold .*23: give numbers from 0 to 22"),
    ([0, 1], r"pairs of shape \(2,\)"), ([[0, 1, 2]], r"pairs of shape \(1, 3\)"), ([[0.0, 1.0]], "type torch.float32"),
    (torch.tensor([[True, False]]), "type torch.bool"), ("ab", "pairs='ab' is not possible"),
])
def test_pairs_that_are_none_of_the_task_are_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        hidden_features(init_weights(TASK, [0], 4), pairs)


def test_pairs_of_any_whole_type_give_the_same_features():
    weights, pairs = init_weights(TASK, [0], 4), TASK.pairs[:9]
    for other in (pairs.tolist(), pairs.numpy(), pairs.to(torch.uint8), pairs.int()):
        assert torch.equal(hidden_features(weights, other), hidden_features(weights, pairs))


@pytest.mark.parametrize("task, chosen, message", [
    (TASK, 0, r"W1 of shape \(4, 46\)"), (ModularTask(p=11), slice(None), r"W1 of shape \(1, 4, 46\)"),
    (97, slice(None), "task=97 is not possible: give a ModularTask"),
])
def test_weights_that_do_not_fit_the_task_are_not_evaluated(task, chosen, message):
    with pytest.raises(ValueError, match=message):
        evaluate(task, Weights(*(tensor[chosen] for tensor in init_weights(TASK, [0], 4))))


@pytest.mark.parametrize("given, message", [
    (([],), r"members=\[\] is not possible: give at least one"), ((5,), "members=5 is not possible"),
    (([Experiment()],), "members=.* is not possible"), (([(97, 0)],), "members=.* is not possible"),
    (([(Experiment(**SMALL), 0)], "gpu"), "device='gpu' is unknown"),
    (([(Experiment(**SMALL), 0)], "cuda"), "device='cuda' was asked for, but"),
])
def test_what_cannot_be_trained_is_refused_by_the_trainer(monkeypatch, given, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        Trainer(*given)


def test_weights_are_equal_where_their_numbers_are():
    one, same, other = (init_weights(TASK, [seed], 4) for seed in (0, 0, 1))
    assert one == same and not one != same
    assert one != other and not one == other and one != tuple(one)
