"""The study at a tiny size: killed, damaged, on a Dask cluster, and once more."""

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
import xarray as xr
from dask.distributed import Client, LocalCluster, get_task_stream

from grok_synergy.data import ModularTask
from grok_synergy.phases import MEASURES, measure
from grok_synergy.probe import Probe
from grok_synergy.seeds import joined
from grok_synergy.store import save_dataset
from grok_synergy.study import jobs as study
from grok_synergy.study.conditions import CONDITIONS, GROUPS, Paper
from grok_synergy.study.jobs import Job, load_paper, run_paper, stages
from grok_synergy.training import train

TINY = Paper(conditions=(replace(CONDITIONS["wd2"], steps=60), replace(CONDITIONS["alpha8"], steps=40)), ablated=("wd2",),
             seeds=(0, 100), figure_seeds=1, pairs=((421, 2000),), draws=1, task=ModularTask(p=13), width=16, per_decade=4)
PLAIN = replace(TINY, ablated=())  # without sub-networks
RUN = """
import pickle
import re
from pathlib import Path
from grok_synergy.study.jobs import run_paper
run_paper(pickle.loads(Path("paper").read_bytes()), store=Path("store"), tables=Path("tables"), n_jobs=2)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def results(store):
    """The files of finished jobs and trained networks."""
    return sorted(path for path in Path(store).rglob("*.nc") if not path.name.startswith("."))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run_paper(TINY, store=folder / "store", tables=folder / "tables", n_jobs=1, progress=False)
    return folder


@pytest.fixture(scope="module")
def without_subnetworks(undisturbed, tmp_path_factory):
    """The tables of a study whose networks are those of the other."""
    tables = tmp_path_factory.mktemp("plain")
    run_paper(PLAIN, store=undisturbed / "store", tables=tables, n_jobs=1, progress=False)
    return tables


def test_a_study_without_sub_networks_is_written_and_read(without_subnetworks):
    found = load_paper(without_subnetworks)
    assert set(found.of("pairs").metrics) == {one.name for one in PLAIN.conditions}
    assert found.ablations.empty and not found.curves


def test_tables_hold_what_was_measured(undisturbed):
    found = load_paper(undisturbed / "tables")
    groups = ("", " released", " shuffled")
    assert set(found.metrics) == {name + group for name in ("wd2", "alpha8") for group in groups}
    for group, seeds, labels in zip(groups, ([2000], TINY.seeds, [2000]), ("true", "true", "shuffled"), strict=True):
        experiment = TINY.experiment("alpha8", seeds, labels)
        trajectory = train(experiment, store=undisturbed / "store", progress=False)
        assert experiment.keep_norm and experiment.zero_last
        for preset in ("published", "mid_ranks"):
            direct = measure(trajectory, preset=preset, progress=False)
            table = found.measures[preset]["alpha8" + group]
            assert table.sizes["neuron"] == TINY.width and "synergy_neurons" not in table
            assert table.step.values.tolist() == trajectory.steps.tolist()
            assert table[list(MEASURES)].to_array().notnull().all()
            for name in ("synergy", "redundancy", "synergy_size", "tc", "dropped"):
                np.testing.assert_allclose(table[name], direct[name], rtol=1e-6)
            zeros = [[float((trajectory.features(seed, step) == 0).double().mean()) for step in trajectory.steps]
                     for seed in trajectory.data.seed.values.tolist()]
            np.testing.assert_allclose(table.zeros, zeros, rtol=1e-6)
        np.testing.assert_allclose(found.metrics["alpha8" + group].test_loss, trajectory.metrics.test_loss, rtol=1e-6)
    assert set(found.curves) == {"published", "mid_ranks"} and set(found.curves["published"]) == {"wd2"}
    assert found.curves["published"]["wd2"].seed.values.tolist() == [0]
    assert set(found.ablations.seed) == {0, 2000} and set(found.ablations.preset) == {"published", "mid_ranks"}
    assert set(found.ablations.seed[found.ablations.biases == "removed"]) == {0}  # the seed of the figures


def test_nulls_stand_beside_what_was_measured(tmp_path):
    five = replace(TINY, conditions=(replace(CONDITIONS["wd2"], steps=40),), seeds=(0, 1, 2, 3, 4), ablated=(), draws=2)
    run_paper(five, store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=1, progress=False)
    found = load_paper(tmp_path / "tables")
    trajectory = train(five.experiment("wd2", five.seeds), store=tmp_path / "store", progress=False)
    for name, kinds in (("wd2", ["responses"]), ("wd2 shuffled", ["responses"]), ("wd2 released", ["responses", "chimera"])):
        table = found.measures["mid_ranks"][name]
        assert table["null"].values.tolist() == kinds and table.null_synergy.dims == ("null", "draw", "seed", "step")
        some = [*trajectory.steps[::6], trajectory.steps[-1]]
        assert table.null_synergy.notnull().all(("null", "draw", "seed")).equals(table.step.isin(some))
        for word in ("synergy", "redundancy"):
            excess = table[word] - table[f"null_{word}"].median("draw")
            xr.testing.assert_allclose(table[f"excess_{word}"], excess.transpose("null", "seed", "step"), atol=1e-5)
    direct = measure(trajectory, preset="mid_ranks", nulls=("responses", "chimera"), draws=2, progress=False)
    for one in ("null_synergy", "null_redundancy"):
        np.testing.assert_allclose(found.measures["mid_ranks"]["wd2 released"][one], direct[one], rtol=1e-6)


def test_pairs_differ_in_their_splits_and_twins_in_their_labels_alone():
    pair, other, twin = (Paper().experiment("wd2", [seed], labels) for seed, labels in
                         ((2000, "true"), (2100, "true"), (2000, "shuffled")))
    assert [one.task.split_seed for one in (pair, other, twin)] == [421, 422, 421]
    assert replace(twin, task=pair.task) == pair and (twin.task.labels, twin.task.label_seed) == ("shuffled", 2000)
    assert torch.equal(twin.task.targets.bincount(), pair.task.targets.bincount())
    assert Paper().experiment("wd2", [0]).task == ModularTask()
    assert Paper().seeds_of("wd50") == Paper().seeds_of("wd2")[:10] == Paper().seeds_of("alpha50", "shuffled")
    assert Paper().seeds_of("wd50", "shuffled") == () and len(Paper().seeds_of("alpha50")) == 20


def test_tables_of_an_edition_before_do_not_mix_with_those_of_this_one(undisturbed, tmp_path):
    tables = tmp_path / "tables"
    shutil.copytree(undisturbed / "tables", tables)
    run_paper(replace(TINY, pairs=()), store=undisturbed / "store", tables=tables, n_jobs=1, progress=False)
    assert {path.stem for path in tables.glob("*.nc")} == {"wd2-released", "alpha8-released", "wd2-ablations"}


def test_tables_of_the_audit_beside_them_are_passed_over(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "tables", tmp_path / "tables")
    save_dataset(xr.Dataset({"share": ("way", [0.5])}), tmp_path / "tables" / "multiverse.nc")
    assert list(load_paper(tmp_path / "tables").metrics) == list(load_paper(undisturbed / "tables").metrics)


def test_killed_and_run_again_gives_the_files_of_an_undisturbed_run(undisturbed, tmp_path, capsys):
    (tmp_path / "paper").write_bytes(pickle.dumps(TINY))
    killed = subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "store").rglob("*-network-*.nc")):
        assert killed.poll() is None, "ended before it could be killed"
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "tables").exists()
    finished = {path: path.stat().st_mtime_ns for path in results(tmp_path / "store")}
    assert 0 < len(finished) < len(results(undisturbed / "store"))
    run_paper(TINY, store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=1)
    said = capsys.readouterr().out
    shares = list(map(int, re.findall(r"(\d+) %", said)))
    assert "ends about" in said and 0 < shares[0] < 100 == max(shares)
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    assert contents(tmp_path / "tables") == contents(undisturbed / "tables")


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster


def follow_seed(seed):
    """What a probe leaves of a network of its own."""
    torch.manual_seed(seed)
    pairs = torch.cartesian_prod(torch.arange(12.0), torch.arange(12.0)) / 6 - 1
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    probe = Probe(model, "1", pairs, nulls="columns", n_bins=4, draws=2, every=10)
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for step in range(31):
        loss = torch.nn.functional.cross_entropy(model(pairs), (pairs.prod(1) > 0).long())
        probe(step, loss=loss)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return probe.dataset.drop_vars("seconds")


def test_a_sweep_of_probes_runs_on_a_dask_cluster(cluster):
    alone = joined([follow_seed(seed) for seed in range(3)])
    with Client(cluster), joblib.parallel_config(backend="dask"):
        found = joblib.Parallel()(joblib.delayed(follow_seed)(seed) for seed in range(3))
    xr.testing.assert_identical(joined(found), alone)


def test_the_same_call_runs_on_a_dask_cluster(cluster, without_subnetworks, tmp_path):
    with Client(cluster) as client, joblib.parallel_config(backend="dask"), get_task_stream(client) as stream:
        run_paper(PLAIN, store=tmp_path / "store", tables=tmp_path / "tables", progress=False)
    assert len(stream.data) >= len(sum(stages(PLAIN), [])) and len({task["worker"] for task in stream.data}) == 2
    assert contents(tmp_path / "tables") == contents(without_subnetworks)


def test_what_is_done_is_not_done_again(undisturbed, monkeypatch):
    def refuse(job, store):
        raise AssertionError(f"{job} was done before")

    monkeypatch.setattr(study, "_work", refuse)
    before = contents(undisturbed / "tables")
    run_paper(TINY, store=undisturbed / "store", tables=undisturbed / "tables", n_jobs=1)
    assert contents(undisturbed / "tables") == before


def test_a_damaged_result_is_made_again(undisturbed, tmp_path):
    store = tmp_path / "store"
    subprocess.run(["cp", "-r", undisturbed / "store", store], check=True)
    path = Job(TINY, "alpha8", 100).path(store)
    whole = path.read_bytes()
    path.write_bytes(whole[:-500])
    with pytest.warns(UserWarning, match="is damaged"):
        run_paper(TINY, store=store, tables=tmp_path / "tables", n_jobs=1, progress=False)
    assert path.read_bytes() == whole
    assert contents(tmp_path / "tables") == contents(undisturbed / "tables")


def test_what_the_figures_show_can_be_had_before_the_rest(undisturbed, tmp_path):
    places = dict(store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=1, progress=False)
    run_paper(TINY, only_figures=True, **places)
    found = load_paper(tmp_path / "tables")
    assert set(found.metrics) == {"wd2 released", "alpha8 released"}
    assert found.of("released").metrics["wd2"].seed.values.tolist() == [0] and set(found.ablations.seed) == {0}
    run_paper(TINY, **places)
    assert contents(tmp_path / "tables") == contents(undisturbed / "tables")


def test_a_job_that_fails_does_not_stop_those_beside_it(tmp_path, monkeypatch):
    real = study._work
    monkeypatch.setattr(study, "_work", lambda job, store: 1 / 0 if job.condition == "wd2" else real(job, store))
    with pytest.raises(ZeroDivisionError) as raised:
        run_paper(TINY, store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=1, progress=False)
    assert raised.value.__notes__ == ["This ended network of wd2, seed 0."]
    assert Job(TINY, "alpha8", 0).found(tmp_path / "store") is not None and not (tmp_path / "tables").exists()


def test_every_network_is_trained_on_a_cuda_device_first(without_subnetworks, tmp_path, monkeypatch):
    asked = []

    def spied(experiments, **settings):
        asked.extend((settings["device"], experiment.name, experiment.seeds) for experiment in experiments)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(study, "train_many", spied)
    run_paper(PLAIN, store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=1, progress=False)
    expected = [PLAIN.experiment(name, [seed], labels) for name in ("wd2", "alpha8")
                for seed, labels in ((0, "true"), (100, "true"), (2000, "true"), (2000, "shuffled"))]
    assert sorted(asked) == sorted(("cuda", one.name, one.seeds) for one in expected)
    assert contents(tmp_path / "tables") == contents(without_subnetworks)
    asked.clear()
    run_paper(PLAIN, store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=1, progress=False)
    assert not asked


def test_stages_hold_every_job_once_with_the_figures_first():
    jobs = stages(Paper())
    flat = [job for stage in jobs for job in stage]
    assert len(set(flat)) == len(flat)
    assert [len(stage) for stage in jobs] == [7 * 5, 3 * 5, 7 * 5 + 4 * 20 + 3 * 10 + 4 * 10, 2 * 220 + 7, 3 * (20 + 25)]
    assert {job.seed for job in jobs[0] + jobs[1]} == {0, 100, 200, 300, 400}
    assert all(job.drawn for job in jobs[0] + jobs[1]) and not any(job.drawn for job in jobs[2])
    assert {job.kind for job in stages(replace(Paper(), draws=0))[3]} == {"zeros"}
    assert "chimera" not in {job.kind for job in stages(Paper(seeds=(0, 100, 200, 300), figure_seeds=2))[3]}
    assert all(study.seconds(job) > 0 for job in flat)
    for stage in jobs:
        assert [study.seconds(job) for job in stage] == sorted((study.seconds(job) for job in stage), reverse=True)


def test_results_of_other_settings_are_other_files():
    job = Job(TINY, "wd2", 100, kind="drawn")
    others = [replace(job, seed=0), replace(job, kind="network"), replace(job, kind="controls"),
              replace(job, condition="alpha8"), replace(job, paper=replace(TINY, presets=("mid_ranks",))),
              replace(job, paper=replace(TINY, width=41)), replace(job, paper=replace(TINY, figure_seeds=2)),
              *(replace(job, kind="responses", paper=replace(TINY, draws=draws)) for draws in (1, 2)),
              *(replace(job, seed=None, kind="chimera", paper=replace(TINY, seeds=seeds)) for seeds in ((0, 1), (0, 2))),
              replace(job, seed=2000), replace(job, seed=2000, labels="shuffled")]
    assert len({other.path("store") for other in [job, *others]}) == 14
    assert job.path("store") == replace(job, paper=replace(TINY, seeds=(0, 100, 200))).path("store")
    assert job.path("store") == replace(job, paper=replace(TINY, draws=7, pairs=())).path("store")


@pytest.mark.parametrize("settings, message", [
    (dict(ablated=("wd3",)), r"ablated=\('wd3',\) is not possible: give some of wd0.1, wd2, alpha8"),
    (dict(conditions=(CONDITIONS["wd2"],) * 2, ablated=()), "under names that differ"),
    (dict(conditions=(), ablated=()), "conditions=.. is not possible: give one or more"),
    (dict(presets=("publish",)), "give some of published, mid_ranks"),
    (dict(figure_seeds=11), "figure_seeds=11 is not possible: give 1 to 10"),
    (dict(pairs=((421, 2000), (421, 2100))), "give split seeds and seeds that differ"),
    (dict(pairs=((421, 900),)), "also from those of the released split"),
    (dict(pairs=((420, 2000),)), "also from those of the released split"),
])
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Paper(**settings)


def test_tables_of_the_project_are_whole():
    folder = Path(__file__).resolve().parents[1] / "figures" / "tables"
    if not folder.exists():
        pytest.skip("the study has not been run here")
    found, paper = load_paper(folder), Paper()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6
    names = {condition.name for condition in paper.conditions}
    for group in GROUPS:
        of = found.of(group)
        expected = {name: paper.seeds_of(name, group) for name in names}
        assert set(of.metrics) == {name for name in names if expected[name]}
        for name, data in of.metrics.items():
            assert tuple(data.seed.values) == expected[name] and int(data.step[-1]) == paper.condition(name).steps
            for table in (data, *(of.measures[preset][name][list(MEASURES)] for preset in paper.presets)):
                assert table.to_array().notnull().all()
    assert set(found.of("released").metrics) == names and set(found.ablations.condition) == set(paper.ablated)
    ablated = [set(rows.seed) for _, rows in found.ablations.groupby(["condition", "preset"])]
    assert all(seeds == ablated[0] and set(paper.seeds[:paper.figure_seeds]) <= seeds for seeds in ablated)
    assert all(isinstance(curves, xr.Dataset) for kind in found.curves.values() for curves in kind.values())
