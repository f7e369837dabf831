"""What is stored: it knows what it was made from, and nothing that was computed is lost to a file."""

import errno
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from grok_synergy import measures, training
from grok_synergy import store as files
from grok_synergy.data import ModularTask
from grok_synergy.entropy import copula_correlation
from grok_synergy.latent import truncated_correlation
from grok_synergy.layer import measure_features
from grok_synergy.look import save_figure
from grok_synergy.measurement import measurement
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.phases import measure
from grok_synergy.search import search_multiplet
from grok_synergy.store import digest, later, load_dataset, save_dataset, stored_results, stored_settings
from grok_synergy.study import companions, jobs
from grok_synergy.study.ablations import retrain
from grok_synergy.study.companions import check_curves
from grok_synergy.study.conditions import CONDITIONS, Paper
from grok_synergy.study.jobs import Job, load_paper, run_paper, write_tables
from grok_synergy.study.multiverse import Multiverse, run_multiverse
from grok_synergy.trainer import Experiment, Trainer, plain_loop
from grok_synergy.training import train, train_many
from grok_synergy.trajectory import network_path, stored_digest
from grok_synergy.uncertainty import null_extremes

TASK = ModularTask(p=11)
ONE = Experiment(TASK, width=16, steps=60, per_decade=6, seeds=(5,))


def run(experiment, store, **settings):
    return train(experiment, store=store, progress=False, **settings)


def measured(trajectory, **settings):
    return measure(trajectory, **{"progress": False, "n_bins": 4, **settings})


def refuse(*given, **settings):
    raise AssertionError("this was done before")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "A store with one network and its measures."
    store = tmp_path_factory.mktemp("made")
    measured(run(ONE, store))
    return store


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "store"))


def put_another(store, experiment=ONE, seed=5):
    "Another network comes to stand in the file, as if it had been trained again elsewhere."
    path = network_path(store, experiment, seed)
    found = load_dataset(path)
    found.W1.values *= np.float32(1.5)
    save_dataset(found, path)


# What was made from another network

@pytest.mark.parametrize("settings", [{}, {"steps": [5, 60]}, {"preset": ("mid_ranks", "published")}, {"which": "all"}])
def test_measures_of_a_network_that_is_gone_are_made_again(store, settings):
    before = measured(run(ONE, store), **settings)
    put_another(store)
    trajectory = run(ONE, store)
    again = measured(trajectory, **settings)
    assert not again.synergy.equals(before.synergy)
    for path in store.rglob("seed-5-*.nc"):
        path.unlink()
    xr.testing.assert_identical(again, measured(trajectory, **settings))


def test_bins_of_a_network_that_is_gone_are_made_again(store):
    measured(run(ONE, store))
    put_another(store)
    reading = measure_features(run(ONE, store).features(5, 60), ties="ordinal", n_bins=4)
    assert float(measured(run(ONE, store), ties="ordinal").synergy[0, -1]) == reading.synergy


def test_measures_of_the_same_network_are_read(store, monkeypatch):
    before = measured(run(ONE, store))
    monkeypatch.setattr(measures, "_measure_checkpoint", refuse)
    xr.testing.assert_identical(before, measured(run(ONE, store)))


def test_measures_that_do_not_say_what_they_were_made_from_are_made_again(store):
    [path] = store.rglob("seed-5-measures-*.nc")
    save_dataset(load_dataset(path).drop_attrs() * 0, path)
    assert float(measured(run(ONE, store)).synergy[0, -1]) > 0


TINY = Paper(conditions=(replace(CONDITIONS["wd2"], steps=60),), ablated=("wd2",), seeds=(0,), figure_seeds=1,
             pairs=(), draws=0, task=ModularTask(p=13), width=24, per_decade=4)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studied")
    run_paper(TINY, store=folder / "store", tables=folder / "tables", n_jobs=1, progress=False)
    return folder


def test_every_job_of_the_study_notices_another_network(studied, tmp_path):
    store = Path(shutil.copytree(studied / "store", tmp_path / "store"))
    several = [Job(TINY, "wd2", 0, kind) for kind in ("network", "drawn", "controls")]
    assert all(job.found(store) is not None for job in several)
    before = load_paper(studied / "tables")
    put_another(store, TINY.experiment("wd2", [0]), 0)
    assert several[0].found(store) is None
    run_paper(TINY, store=store, tables=tmp_path / "tables", n_jobs=1, progress=False)
    assert all(job.found(store) is not None for job in several)
    after = load_paper(tmp_path / "tables")
    assert not after.measures["mid_ranks"]["wd2 released"].synergy.equals(
        before.measures["mid_ranks"]["wd2 released"].synergy)
    made_from = {job.kind: job.found(store).attrs["made_from"] for job in several}
    assert made_from["drawn"] == made_from["controls"] != several[1].found(studied / "store").attrs["made_from"]


def test_results_stand_where_the_network_itself_was_deleted(studied, tmp_path, monkeypatch):
    store = Path(shutil.copytree(studied / "store", tmp_path / "store"))
    network_path(store, TINY.experiment("wd2", [0]), 0).unlink()
    monkeypatch.setattr(jobs, "_work", refuse)
    run_paper(TINY, store=store, tables=tmp_path / "tables", n_jobs=1, progress=False)
    assert (tmp_path / "tables" / "wd2-released.nc").read_bytes() == (
        studied / "tables" / "wd2-released.nc").read_bytes()


def test_ways_and_checks_notice_another_network(studied, tmp_path):
    store = Path(shutil.copytree(studied / "store", tmp_path / "store"))
    plain = replace(TINY, ablated=())
    multiverse = Multiverse(plain, ways=(measurement("mid_ranks"),), seeds=1, per_decade=1)

    def found():
        ways = run_multiverse(multiverse, store, n_jobs=1, progress=False)["wd2"].synergy.values
        return ways, check_curves(plain, store, per_decade=1, draws=2, n_jobs=1, progress=False).value.values

    first, second = found(), found()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    put_another(store, plain.experiment("wd2", [0]), 0)
    run_paper(plain, store=store, tables=tmp_path / "tables", n_jobs=1, progress=False)
    assert not any(np.array_equal(a, b) for a, b in zip(first, found(), strict=True))


def test_results_that_cannot_be_stored_are_returned_with_one_warning(tmp_path, full_disk):
    def work(seed, step):
        return xr.Dataset({"found": seed + step}, attrs={"made_from": "a network"})

    jobs = [(seed, step) for seed in (0, 1) for step in (2, 3)]
    with pytest.warns(UserWarning, match=r"ways could not be stored \(4 files; .*No space left on device") as said:
        found = stored_results(work, jobs, lambda seed, step: tmp_path / f"{seed}-{step}.nc",
                               lambda seed, step: "a network", "ways", 1, False)
    assert len(said) == 1 and {job: int(result.found) for job, result in found.items()} == {job: sum(job) for job in jobs}


# Names

def test_stored_files_keep_their_names():
    paper, store = Paper(), Path("s")
    usual, route = "s/add97-wd2-alpha1-3a40d1d895", "s/add97-wd0-alpha8-init-f4f0e9ecd9"
    assert Experiment().name == "add97-wd2-alpha1-3a40d1d895"
    assert Experiment(ModularTask(p=31, train_fraction=0.7), width=128).name == "add31-wd2-alpha1-0cf820e4e9"
    for job, name in {
        Job(paper, "wd2", 0): f"{usual}/seed-0-network-5d89e5ebaf.nc",
        Job(paper, "wd2", 0, "drawn"): f"{usual}/seed-0-drawn-2ff2d95f54.nc",
        Job(paper, "alpha8", 900, "controls"): f"{route}/seed-900-controls-804e7e15e9.nc",
        Job(replace(paper, presets=("published",)), "wd2", 0): f"{usual}/seed-0-network-dff2f17a88.nc",
    }.items():
        assert job.path(store) == Path(name)
    assert Multiverse().path(store, "wd2", 0, 5) == Path(f"{usual}/ways-53c116305a/seed-0-5.nc")
    assert companions._path(paper, store, 20, "wd2", 0, 5) == Path(f"{usual}/checks-15edc44f4b/seed-0-5.nc")


def test_stored_measures_keep_their_names(store):
    trajectory = run(ONE, store)
    for settings in (dict(preset=["mid_ranks", "published"], n_bins=10),
                     dict(preset="published", n_bins=10, steps=trajectory.steps[-2:]),
                     dict(n_bins=8, which="test", layer="pre", unit="means")):
        measured(trajectory, **settings)
    few = digest({"steps": trajectory.steps[-2:].tolist()})
    names = {path.name.removeprefix("seed-5-") for path in store.rglob("seed-5-*.nc")}
    assert names >= {"measures-42c85a2f32.nc", "measures-41e4a300cc.nc", "measures-230b566673.nc", "bins10-train-post.nc",
                     f"bins10-train-post-{few}.nc", "bins8-test-pre.nc"}


def test_a_later_field_leaves_names_as_they_are():
    @dataclass(frozen=True)
    class Settings:
        steps: int = 3
        depth: int = later(1)

    assert stored_settings(Settings()) == {"steps": 3} and digest({"steps": 3}) == digest('{"steps": 3}')
    assert stored_settings(Settings(depth=2)) == {"steps": 3, "depth": 2}


# Networks in files

def test_the_digest_in_a_file_is_that_of_the_trajectory(made, tmp_path):
    digest = stored_digest(network_path(made, ONE, 5))
    assert digest == run(ONE, made).digest(5) == run(ONE, tmp_path).digest(5)
    assert digest != run(replace(ONE, seeds=(6,)), tmp_path).digest(6)
    assert stored_digest(network_path(made, ONE, 7)) is None


def test_losses_of_an_earlier_version_are_computed_anew(store, monkeypatch):
    path = network_path(store, ONE, 5)
    whole = load_dataset(path)
    old = whole.copy(deep=True).drop_attrs()
    old.train_loss[:] = 0
    save_dataset(old, path)
    monkeypatch.setattr(Trainer, "update", refuse)
    found = run(ONE, store)
    xr.testing.assert_equal(found.data.sel(seed=5), whole)
    xr.testing.assert_identical(load_dataset(path)[["train_loss"]].drop_attrs(), whole[["train_loss"]].drop_attrs())
    assert stored_digest(path) == found.digest(5)


@pytest.mark.parametrize("change", [
    lambda found: found.astype("float64"), lambda found: found.isel(step=slice(5)), lambda found: found[["W1", "b1"]],
    lambda found: found.isel(neuron=slice(7)), lambda found: found.assign_coords(seed=6),
], ids=["double precision", "fewer steps", "no losses", "fewer neurons", "another seed"])
def test_a_network_that_is_not_what_its_name_says_is_trained_again(store, change):
    path = network_path(store, ONE, 5)
    whole = load_dataset(path)
    save_dataset(change(whole), path)
    with pytest.warns(UserWarning, match="seed-5.nc holds another network than its name says"):
        found = run(ONE, store)
    xr.testing.assert_equal(found.data.sel(seed=5), whole)


def test_whoever_changes_what_a_trajectory_hands_out_changes_a_copy(store):
    trajectory = run(ONE, store)
    before = trajectory.data.copy(deep=True)
    trajectory.weights(5, 60).W1[:] = 0
    trajectory.features(5, 60)[:] = 0
    trajectory.metrics.train_loss[:] = 0
    trajectory.steps[:] = 0
    trajectory.experiment.checkpoints[:] = 0
    xr.testing.assert_identical(trajectory.data, before)
    assert trajectory.experiment.checkpoints[-1] == 60


# A network that diverges

WILD = Experiment(TASK, width=16, steps=400, per_decade=6, wd=100, seeds=(0, 3))


def test_divergence_is_said_with_seed_and_step_and_the_rest_is_measured(tmp_path):
    tame = replace(WILD, wd=2.0)
    with pytest.warns(UserWarning, match=r"diverged: seed 0 at step 68, seed 3 at step \d+; weights are not finite") as said:
        wild, kept = train_many([WILD, tame], store=tmp_path, progress=False)
    assert len(said) == 1 and set(wild.diverged) == {0, 3} and not kept.diverged
    assert "seed 0 diverged by step 68" in repr(wild) and "diverged" not in repr(kept)
    fine = wild.steps < min(wild.diverged.values())
    assert fine.sum() > 5 and wild.metrics.to_array().notnull().values[..., fine].all()
    assert wild.metrics[["train_acc", "test_loss"]].isel(step=-1).to_array().isnull().all()
    with pytest.warns(UserWarning, match="activations are not finite in seed 0 from step 68 on, seed 3 from") as said:
        found = measured(wild)
    assert len(said) == 1
    for seed in WILD.seeds:
        whole = found.sel(seed=seed, step=wild.steps < wild.diverged[seed])
        broken = found.sel(seed=seed, step=wild.steps >= wild.diverged[seed])
        assert whole[["synergy", "redundancy", "tc", "dtc"]].to_array().notnull().all()
        assert broken[["synergy", "redundancy", "tc", "dtc"]].to_array().isnull().all()
        assert (broken.dropped == 16).all() and not broken.synergy_neurons.any() and (broken.synergy_size == 0).all()
        step = int(whole.step[-1])
        assert float(whole.synergy[-1]) == measure_features(wild.features(seed, step), n_bins=4, degenerate="drop").synergy
    with pytest.warns(UserWarning, match="diverged: seed 0 at step 68"):
        again = run(WILD, tmp_path)
    with pytest.warns(UserWarning, match="activations are not finite"):
        xr.testing.assert_identical(measured(again), found)


# A store that cannot be written or read

@pytest.fixture
def full_disk(monkeypatch):
    "Nothing can be written under its name."
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)


def test_measures_that_cannot_be_stored_are_returned_with_one_warning(store, full_disk):
    trajectory = run(ONE, store)
    with pytest.warns(UserWarning, match=r"measures could not be stored \(3 files; .*No space left") as said:
        found = measured(trajectory, preset=("mid_ranks", "published"), which="test")
    assert len(said) == 1
    alone = measure_features(trajectory.features(5, 60, "test"), n_bins=4, degenerate="drop").synergy
    assert float(found.synergy.sel(preset="mid_ranks")[0, -1]) == alone
    assert not list(store.rglob(".*"))


def test_a_network_that_cannot_be_stored_is_returned_with_a_warning(made, tmp_path, full_disk):
    with pytest.warns(UserWarning) as said:
        found = run(ONE, tmp_path)
    assert [str(one.message).partition(" (")[0] for one in said] == [
        "checkpoints cannot be stored", "trained networks could not be stored"]
    xr.testing.assert_identical(found.data, run(ONE, made).data)
    assert not list(tmp_path.rglob("*.n*"))
    with pytest.warns(UserWarning, match="measures could not be stored"):
        xr.testing.assert_identical(measured(found), measured(run(ONE, made)))


def test_a_run_whose_disk_was_full_for_a_while_is_stored_at_its_end(made, tmp_path, monkeypatch):
    replaced, whole = [], os.replace

    def sometimes(*given):
        replaced.append(given)
        if len(replaced) == 6:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        whole(*given)

    monkeypatch.setattr(files.os, "replace", sometimes)
    with pytest.warns(UserWarning, match="checkpoints cannot be stored .Disk quota exceeded.") as said:
        found = run(ONE, tmp_path)
    assert len(said) == 1
    xr.testing.assert_identical(found.data, run(ONE, made).data)
    xr.testing.assert_identical(run(ONE, tmp_path).data, found.data)
    assert len(list(tmp_path.rglob("*.nc"))) == 1 and not list(tmp_path.rglob("*.partial"))


PRELUDE = """
import sys, warnings
from dataclasses import replace
from grok_synergy.data import ModularTask
from grok_synergy.phases import measure
from grok_synergy.training import Experiment, train
ONE = Experiment(ModularTask(p=11), width=16, steps=60, per_decade=6, seeds=(5,))

def run(experiment, store):
    return train(experiment, store=store, progress=False, threads=1)

def measured(trajectory, **settings):
    return measure(trajectory, **{"progress": False, "n_bins": 4, **settings})
"""
LIMITED = PRELUDE + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    found = run(ONE, sys.argv[1])
    print(len(measured(found).step), sorted({str(one.message).partition(" (")[0] for one in said}))
"""


def test_files_that_the_system_refuses_to_write_lose_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.stdout == ("12 ['checkpoints cannot be stored', 'measures could not be stored', "
                           "'trained networks could not be stored']\n"), done.stderr[-2000:]


def test_a_finished_run_needs_neither_lock_nor_folder(store, monkeypatch):
    for name in ("FileLock", "written_whole", "save_dataset"):
        monkeypatch.setattr(training, name, refuse)
    with warnings.catch_warnings(action="error"):
        found = measured(run(ONE, store))
    assert found.sizes["step"] == len(ONE.checkpoints)


@pytest.fixture
def forbidden(monkeypatch):
    "Makes files unreadable, also for who may read everything."
    closed, opened = set(), open

    def guarded(path, *given, **settings):
        if not isinstance(path, int) and Path(path).name in closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *given, **settings)

    monkeypatch.setattr("builtins.open", guarded)
    return closed


def test_a_network_that_may_not_be_read_is_an_error_and_no_damage(store, forbidden, monkeypatch):
    monkeypatch.setattr(Trainer, "update", refuse)
    forbidden.add("seed-5.nc")
    with warnings.catch_warnings(action="error"), pytest.raises(PermissionError, match="seed-5.nc is there and cannot"):
        run(ONE, store)


def test_measures_that_may_not_be_read_are_an_error(store, forbidden):
    [path] = store.rglob("seed-5-measures-*.nc")
    forbidden.add(path.name)
    with pytest.raises(PermissionError, match="is there and cannot be read .Permission denied.: see to its permissions"):
        measured(run(ONE, store))


def test_checkpoints_that_may_not_be_read_are_an_error(tmp_path, forbidden, monkeypatch):
    update = Trainer.update

    def interrupted(self):
        if self.step == 30:
            raise KeyboardInterrupt
        update(self)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "update", interrupted)
        run(ONE, tmp_path)
    forbidden.add("state.npz")
    with pytest.raises(PermissionError, match="seed-5.partial cannot be read"):
        run(ONE, tmp_path)


READ_ONLY = PRELUDE + """
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(len(measured(run(ONE, sys.argv[1]), n_bins=int(sys.argv[2])).step), [str(one.message)[:28] for one in said])
try:
    run(replace(ONE, seeds=(8,)), sys.argv[1])
except PermissionError as error:
    print("cannot be written to" in str(error))
"""


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="permissions do not bind this user")
def test_a_store_without_write_permission_serves_what_it_holds(store):
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"] if os.getuid() == 0 else []
    [folder] = store.iterdir()
    for path in (*folder.iterdir(), folder, store):
        path.chmod(0o555)

    def asked(bins):
        return subprocess.run([*drop, sys.executable, "-c", READ_ONLY, store, bins], capture_output=True, text=True,
                              timeout=300)

    try:
        for bins, said in (("4", "[]"), ("5", "['measures could not be stored']")):
            done = asked(bins)
            assert done.stdout == f"12 {said}\nTrue\n", done.stderr
    finally:
        for path in (store, folder):
            path.chmod(0o755)


# What stands in the way

def test_a_store_that_is_a_file_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "update", refuse)
    (tmp_path / "file").touch()
    for store in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="is not possible, as .*file is a file: give a folder"):
            run(ONE, store)


def test_a_file_in_the_place_of_a_conditions_folder_is_an_error_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "update", refuse)
    (tmp_path / ONE.name).touch()
    with pytest.raises(OSError, match="cannot be read .Not a directory."):
        run(ONE, tmp_path)


def test_a_folder_in_the_place_of_a_file_is_an_error(store):
    path = network_path(store, ONE, 5)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="seed-5.nc is there and cannot be read .Is a directory."):
        run(ONE, store)


def test_truncated_files_are_made_again(store):
    before = measured(run(ONE, store))
    for path in store.rglob("seed-5-*.nc"):
        path.write_bytes(path.read_bytes()[:900])
    with pytest.warns(UserWarning) as said:
        xr.testing.assert_identical(measured(run(ONE, store)), before)
    assert len(said) == 2 and all("is damaged" in str(one.message) for one in said)  # measures and bins


MEASURE = PRELUDE + """
print(float(measured(run(ONE, sys.argv[1]), preset=("mid_ranks", "published"), which="all").synergy.sum()))
"""


def test_two_processes_measure_in_one_store(store):
    started = [subprocess.Popen([sys.executable, "-c", MEASURE, store], stdout=subprocess.PIPE, text=True)
               for _ in range(2)]
    first, second = (process.communicate(timeout=300)[0] for process in started)
    assert first == second and float(first) == float(
        measured(run(ONE, store), preset=("mid_ranks", "published"), which="all").synergy.sum())
    assert not list(store.rglob(".*"))


# One network that fails

@pytest.fixture
def failing(monkeypatch):
    "Training of seed 6 fails after 30 steps."
    update, kind = Trainer.update, [RuntimeError]

    def fails(self):
        if self.step == 30 and self.seed == 6:
            raise kind[0]("broken")
        update(self)

    start = Trainer.__init__
    monkeypatch.setattr(Trainer, "__init__", lambda self, members, *given: (
        start(self, members, *given), setattr(self, "seed", members[0][1]))[0])
    monkeypatch.setattr(Trainer, "update", fails)
    return kind


@pytest.mark.parametrize("threads", [1, 3])
def test_a_network_that_fails_does_not_lose_the_others(tmp_path, failing, threads):
    several = replace(ONE, seeds=(5, 6, 7))
    with pytest.raises(RuntimeError, match="broken") as raised:
        run(several, tmp_path, threads=threads)
    assert f"This ended the training of {ONE.name}, seed 6. Other networks went on and are stored." in raised.value.__notes__
    assert sorted(path.name for path in tmp_path.rglob("*.nc")) == ["seed-5.nc", "seed-7.nc"]
    assert max(path.stem for path in tmp_path.rglob("0*.npz")) == "000000022"  # the failed one can go on


def test_an_interrupt_stops_all_and_keeps_their_checkpoints(tmp_path, failing):
    failing[0] = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        run(replace(ONE, steps=5000, seeds=(5, 6, 7)), tmp_path, threads=3)
    assert not list(tmp_path.rglob("*.nc")) and len(list(tmp_path.rglob("state.npz"))) == 3


def test_a_seed_that_cannot_be_measured_does_not_lose_the_others(tmp_path, monkeypatch):
    trajectory = run(replace(ONE, seeds=(5, 6, 7)), tmp_path)
    first, real = trajectory.weights(6, 0).W1, measures._measure_checkpoint

    def fails(task, weights, *given):
        if torch.equal(weights.W1, first):
            raise RuntimeError("broken")
        return real(task, weights, *given)

    monkeypatch.setattr(measures, "_measure_checkpoint", fails)
    with pytest.raises(RuntimeError, match="broken") as raised:
        measured(trajectory, n_jobs=1)
    assert f"This ended the measuring of {ONE.name}, seed 6." in raised.value.__notes__
    assert sorted(path.name[:6] for path in tmp_path.rglob("*measures*.nc")) == ["seed-5", "seed-7"]


# Paths

def test_a_tilde_is_the_home_folder_wherever_a_path_comes_in(tmp_path, studied, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert run(ONE, "~/runs").folder == home / "runs" / ONE.name
    save_dataset(xr.Dataset({"a": 1}), "~/one/a.nc")
    assert load_dataset("~/one/a.nc").a == 1
    shutil.copytree(studied / "store", home / "store")
    run_paper(TINY, store="~/store", tables="~/tables", n_jobs=1, progress=False)
    write_tables(TINY, "~/store", "~/more")
    assert load_paper("~/tables").metrics.keys() == load_paper("~/more").metrics.keys() == {"wd2 released"}
    import matplotlib.pyplot as plt
    save_figure(plt.figure(), "~/drawn/a")
    assert (home / "drawn" / "a.png").exists() and not list(here.iterdir())


@pytest.mark.parametrize("store", ["", 3, "a\0b", b""])
def test_what_is_no_path_is_refused(store):
    with pytest.raises(ValueError, match="store=.* is not a path: give a file or folder name"):
        run(ONE, store)


# PyTorch's defaults

def everything(store, other_store):
    "Trained, measured, searched, resampled: what a session makes of one network, as bytes."
    trajectory = run(replace(ONE, alpha=2.0, keep_norm=True, zero_last=True), store)
    x = trajectory.features(5, 60, "all", "pre").numpy()
    with warnings.catch_warnings(action="ignore"):
        found = [measured(trajectory, ties=ties, preset=("mid_ranks", "published")).synergy.values
                 for ties in ("average", "random")]
        found += [copula_correlation(x[:, :6], "random"), search_multiplet(copula_correlation(x[:, :6]), 3, seed=1).omega,
                  null_extremes(x[:, :6], draws=3).draws, all_multiplets(copula_correlation(x[:, :6])).omega,
                  truncated_correlation(np.maximum(x[:, :4], 0)), *extremes(copula_correlation(x[:, :6])).omega,
                  retrain(trajectory.experiment, 5, np.arange(16) < 9, steps=5).test_loss.values,
                  *(one.numpy() for one in plain_loop(ONE, 3))]
    found += [variable.values for variable in trajectory.data.variables.values()]
    files = {path.relative_to(store): path.read_bytes() for path in store.rglob("*.nc")}
    again = {path.relative_to(other_store): path.read_bytes() for path in other_store.rglob("*.nc")}
    assert files.keys() == again.keys() and all(files[name] == again[name] for name in files) or store == other_store
    return [(np.asarray(one).dtype, np.asarray(one).tobytes()) for one in found]


@pytest.mark.parametrize("default", ["float64", "meta"])
def test_defaults_of_pytorch_decide_nothing(tmp_path, default):
    expected = everything(tmp_path / "plain", tmp_path / "plain")
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta" if default == "meta" else "cpu"):
            assert everything(tmp_path / default, tmp_path / "plain") == expected
    finally:
        torch.set_default_dtype(before)


# What is handed in, and whose line a warning names

def test_trainings_in_two_stores_are_equal(store, tmp_path):
    here, there = run(ONE, store), run(ONE, tmp_path / "other")
    assert here == there and here != replace(here, experiment=replace(ONE, seeds=(6,)))
    assert here != replace(here, data=here.data.isel(step=slice(1, None)))


@pytest.mark.parametrize("seed, message", [(7, "seed=7 is not in this trajectory: choose one of"),
                                           ("five", "seed='five' is not possible: give a whole number")])
def test_the_digest_of_an_unknown_seed_is_refused(store, seed, message):
    with pytest.raises(ValueError, match=message):
        run(ONE, store).digest(seed)


@pytest.mark.parametrize("given, message", [
    (xr.Dataset({"x": (("i", "j"), [[1.0]])}, {"i": [0], "j": [0]}).stack(k=("i", "j")), "MultiIndex"),
    (xr.Dataset(attrs={"note": None}), "None"), (xr.DataArray([1.0]), "DataArray was given: give an xarray.Dataset"),
    ({"x": [1.0]}, "dict was given: give an xarray.Dataset"), (xr.Dataset({"x": ("i", [object()])}), "object"),
])
def test_what_netcdf_cannot_hold_is_refused_without_a_word_of_the_disk(tmp_path, given, message):
    with pytest.raises(ValueError, match=message) as refused:
        save_dataset(given, tmp_path / "x.nc")
    assert "disk" not in str(refused.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [run, lambda experiment, store: train_many([experiment], store=store, progress=False)[0]])
def test_warnings_name_the_line_of_the_user(tmp_path, how):
    wild = replace(WILD, seeds=(0,))
    with pytest.warns(UserWarning, match="diverged") as said:
        trajectory = how(wild, tmp_path)
    with pytest.warns(UserWarning, match="not finite") as measuring:
        measured(trajectory, steps=trajectory.steps[-1:])
    network_path(tmp_path, wild, 0).write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged") as mending:
        how(wild, tmp_path)
    assert {one.filename for one in (*said, *measuring, *mending)} == {__file__}


@pytest.mark.parametrize("how", [run, lambda experiment, store: train_many([experiment], store=store, progress=False)[0]])
def test_the_warning_of_a_full_disk_names_the_line_of_the_user(tmp_path, full_disk, how):
    with pytest.warns(UserWarning, match="trained networks could not be stored") as said:
        how(ONE, tmp_path)
    assert said[-1].filename == __file__
