"""Packed results: what is whole and within the folder is laid there, and nothing else."""

import io
import random
import tarfile
from dataclasses import replace

import pytest

from grok_synergy.data import ModularTask
from grok_synergy.study.conditions import CONDITIONS, Paper
from grok_synergy.study.jobs import stages
from grok_synergy.study.packed import pack_found, unpack_found

TINY = Paper(conditions=(replace(CONDITIONS["wd2"], steps=20),), ablated=(), seeds=(0,), figure_seeds=1, pairs=(),
             draws=0, task=ModularTask(7), width=8, per_decade=2)
CONTENT = random.Random(0).randbytes(10_000)  # cannot be packed any smaller


@pytest.fixture
def store(tmp_path):
    """A folder with a result, and files that are none."""
    job = stages(TINY)[0][0]
    file = job.path(tmp_path / "store")
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    (file.parent / "seed-0.nc").write_bytes(b"a network")
    (file.parent / f".{file.name}.7-7").write_bytes(b"half a result")
    return tmp_path / "store"


def test_only_results_travel(store, tmp_path):
    assert pack_found(TINY, tmp_path / "found.tar.xz", store) == 1
    assert unpack_found(tmp_path / "found.tar.xz", tmp_path / "there") == 1
    file = stages(TINY)[0][0].path(tmp_path / "there")
    assert [one for one in (tmp_path / "there").rglob("*") if one.is_file()] == [file]
    assert file.read_bytes() == CONTENT


def test_runs_of_the_benchmark_travel_too(tmp_path):
    run = tmp_path / "store" / "prediction" / "pilot-a-1.nc"
    run.parent.mkdir(parents=True)
    run.write_bytes(CONTENT)
    (run.parent / f".{run.name}.7-7").write_bytes(b"half a run")
    assert pack_found(TINY, tmp_path / "found.tar.xz", tmp_path / "store") == 1
    assert unpack_found(tmp_path / "found.tar.xz", tmp_path / "there") == 1
    assert (tmp_path / "there/prediction/pilot-a-1.nc").read_bytes() == CONTENT


def test_what_is_there_stays(store, tmp_path):
    pack_found(TINY, tmp_path / "found.tar.xz", store)
    file = stages(TINY)[0][0].path(store)
    file.write_bytes(b"newer")
    assert unpack_found(tmp_path / "found.tar.xz", store) == 0
    assert file.read_bytes() == b"newer"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_half_a_file_leaves_whole_results_or_none(store, tmp_path, share):
    pack_found(TINY, tmp_path / "found.tar.xz", store)
    content = (tmp_path / "found.tar.xz").read_bytes()
    (tmp_path / "found.tar.xz").write_bytes(content[:int(share * len(content))])
    with pytest.raises(ValueError, match="give a file of `pack_found`, whole"):
        unpack_found(tmp_path / "found.tar.xz", tmp_path / "there")
    assert not [one for one in (tmp_path / "there").rglob("*") if one.is_file()]


@pytest.mark.parametrize("name", ["../outside.nc", "/outside.nc", "a/../../outside.nc"])
def test_nothing_is_written_outside(tmp_path, name):
    with tarfile.open(tmp_path / "strange.tar.xz", "w:xz") as packed:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        packed.addfile(entry, io.BytesIO(b"abc"))
    before = set(tmp_path.rglob("*"))
    try:
        unpack_found(tmp_path / "strange.tar.xz", tmp_path / "store")
    except ValueError as error:
        assert "give a file of `pack_found`, whole" in str(error)
    assert all((tmp_path / "store") in one.parents or one == tmp_path / "store" for one in set(tmp_path.rglob("*")) - before)


def test_links_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "strange.tar.xz", "w:xz") as packed:
        entry = tarfile.TarInfo("a.nc")
        entry.type, entry.linkname = tarfile.SYMTYPE, "b.nc"
        packed.addfile(entry)
    assert unpack_found(tmp_path / "strange.tar.xz", tmp_path / "store") == 0
    assert not (tmp_path / "store").exists()
