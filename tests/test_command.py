"""The command line: what it reads, prints, writes and refuses."""

import numpy as np
import pandas as pd
import pytest

import grok_synergy.command
from grok_synergy.command import ENDINGS, main, read_samples
from grok_synergy.data import ModularTask
from grok_synergy.nulls import FEWEST
from grok_synergy.store import load_dataset
from grok_synergy.trainer import Experiment


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a table whose first three columns are two causes and their effect."""
    rng = np.random.default_rng(0)
    a, b, *noise = rng.normal(size=(5, 400))
    table = pd.DataFrame({"rain": a, "wind": b, "leaves": a + b + 0.3 * noise[0], "coin": noise[1], "dice": noise[2]})
    table.to_csv(tmp_path / "table.csv", index=False)
    table.to_csv(tmp_path / "numbered.csv")
    np.save(tmp_path / "table.npy", table.to_numpy())
    np.savez(tmp_path / "one.npz", table.to_numpy())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_way_to_save_a_table_is_read_alike(folder):
    table = read_samples("table.csv")
    assert list(table) == ["rain", "wind", "leaves", "coin", "dice"] == list(read_samples("numbered.csv"))
    for name in ("numbered.csv", "table.npy", "one.npz"):
        np.testing.assert_allclose(np.asarray(read_samples(name)), table.to_numpy())


def test_parquet_is_read_where_pandas_can(folder):
    table = read_samples("table.csv")
    try:
        table.to_parquet("table.parquet")
    except ImportError:
        (folder / "table.parquet").write_bytes(b"PAR1")
        with pytest.raises(ValueError, match="(?s)cannot be read without another package .* or save the table as CSV"):
            read_samples("table.parquet")
    else:
        pd.testing.assert_frame_equal(read_samples("table.parquet"), table)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_damaged_file_is_refused_in_words(folder, ending):
    (folder / f"torn{ending}").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read"):
        read_samples(f"torn{ending}")


def test_an_npz_that_is_none_or_was_damaged_inside_is_refused_in_words(folder):
    (folder / "plain.npz").write_bytes((folder / "table.npy").read_bytes())
    content = bytearray((folder / "one.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "bad.npz").write_bytes(content)
    for name in ("plain.npz", "bad.npz"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as .npz"):
            read_samples(name)


def test_an_array_is_asked_of_an_npz_alone(folder):
    with pytest.raises(ValueError, match="table.csv holds one table; leave --array out"):
        read_samples("table.csv", "rain")


def test_multiplets_prints_and_writes_what_is_significant(folder, capsys):
    words = "multiplets table.csv --draws 100 --rows 1 --out all.csv --figure found.svg"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert "rain, wind, leaves" in said and "no redundancy beyond chance" in said
    assert len(pd.read_csv("all.csv")) == 10 and (folder / "found.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_where_nothing_is_found_there_is_no_picture(folder, capsys):
    pd.DataFrame(np.random.default_rng(2).normal(size=(200, 4))).to_csv("noise.csv", index=False)
    assert main("multiplets noise.csv --draws 60 --figure found.png".split()) == 0
    assert "no picture: nothing is beyond chance" in capsys.readouterr().out
    assert not (folder / "found.png").exists()


def test_the_kind_of_chance_is_the_one_that_was_asked_for(folder, capsys):
    for kind in ("shift", "shuffle"):
        assert main(f"multiplets table.csv --draws 60 --kind {kind}".split()) == 0
        assert kind in capsys.readouterr().out


def test_a_figure_stands_beside_its_nulls_and_shuffled_labels(folder, monkeypatch, capsys):
    trained = []
    train = grok_synergy.command.train
    monkeypatch.setattr("grok_synergy.command.train", lambda experiment: trained.append(experiment) or train(experiment))
    words = f"figure --p 7 --width 12 --steps 12 --seeds {FEWEST} --preset mid_ranks --out-dir drawn"
    assert main(words.split()) == 0
    assert [one.task.labels for one in trained] == ["true", "shuffled"]
    [stored] = (folder / "drawn").glob("*.nc")
    found = load_dataset(stored)
    assert found["null"].values.tolist() == ["responses", "chimera"]
    assert '"p": 7' in found.attrs["experiment"] and '"average"' in found.attrs["measurement_mid_ranks"]
    assert {"test_acc", "train_loss"} <= set(found) and stored.with_suffix(".svg").is_file()  # as of the main job


def test_every_setting_of_the_main_job_can_be_given(folder, monkeypatch):
    words = "figure --wd 1 --p 7 --op subtract --train-fraction 0.5 --lr 0.01 --width 12 --steps 12 --seeds 2 --no-nulls"
    trained = []
    monkeypatch.setattr("grok_synergy.command.train", lambda experiment: trained.append(experiment) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(words.split())
    task = ModularTask(7, "subtract", 0.5)
    assert trained == [Experiment.paper(1.0, 1.0, steps=12, seeds=[0, 100], width=12, lr=0.01, task=task)]


def test_audit_writes_its_table(folder, capsys):
    np.save("layer.npy", np.random.default_rng(0).normal(size=(300, 12)))
    assert main("audit layer.npy --draws 1 --out ways.csv".split()) == 0
    assert {"ranks", "search", "synergy"} <= set(pd.read_csv("ways.csv"))
    assert "synergy" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "said"), [
    ("multiplets none.csv", "none.csv is no file"),
    ("multiplets table.txt", "ending of the file='.txt' is unknown"),
    ("multiplets table.csv --against luck", "against='luck' is unknown"),
    ("multiplets table.csv --draws 60 --figure found.doc", "ending of the figure='doc' is unknown"),
    ("multiplets table.csv --against zero --kind shift", "for rows in an order give block_length instead"),
    ("multiplets table.csv --block-length 300", "block_length=300 is not possible: give a whole number, from 1 to 200"),
    ("multiplets table.csv --max-size 2", "max_size=2 is not possible: give a whole number, from 3 to 5"),
    ("multiplets table.csv --draws 60 --out found.xlsx", "ending of the table='.xlsx' is unknown: choose one of '.csv'"),
    ("audit table.npy --out found.parquet", "ending of the table='.parquet' is unknown"),
    ("multiplets ragged.csv", "ragged.csv cannot be read as .csv (Expected 3 fields in line 3, saw 4): mend it"),
    ("multiplets plain.csv", "plain.csv begins with numbers (0.5, -1.25, 3): put a line with the names of its columns"),
    ("audit plain.csv", "plain.csv begins with numbers"),
    ("figure --seeds 0", "seeds=0 is not possible"),
    ("figure --preset mid", "preset='mid' is unknown"),
])
def test_what_is_refused_is_told_in_one_line(folder, capsys, words, said):
    (folder / "ragged.csv").write_text("a,b,c\n1,2,3\n1,2,3,4\n")
    (folder / "plain.csv").write_text("0.5,-1.25,3\n1,2,3\n4,5,7\n")
    assert main(words.split()) == 1
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not list(folder.glob("found*"))


def test_an_ending_without_a_format_is_refused_before_there_is_work(folder, monkeypatch):
    for work in ("significance", "audit"):
        monkeypatch.setattr(f"grok_synergy.command.{work}", lambda *_, **__: pytest.fail("draws were made"))
    for command in ("multiplets", "audit"):
        for words in ("--figure found.doc", "--out found.xlsx"):
            assert main(f"{command} table.csv {words}".split()) == 1


def test_rows_that_stay_together_can_be_asked_for(folder, capsys):
    assert main("multiplets table.csv --draws 60 --block-length 4 --out all".split()) == 0
    assert "blocks of 4 rows" in capsys.readouterr().out and len(pd.read_csv("all")) == 10
    assert main("multiplets table.csv --draws 60 --against zero --block-length 4".split()) == 0
    assert "resample, blocks of 4 rows" in capsys.readouterr().out


@pytest.mark.parametrize(("sep", "decimal"), [(";", ","), (";", "."), ("\t", "."), ("\t", ",")])
@pytest.mark.parametrize("numbered", [False, True])
def test_tables_of_other_countries_are_read(folder, sep, decimal, numbered):
    table = read_samples("table.csv").assign(count=np.arange(400) % 7)
    table.to_csv("export.csv", sep=sep, decimal=decimal, index=numbered)
    pd.testing.assert_frame_equal(read_samples("export.csv"), table, check_index_type=False)
    renamed = table.rename(columns={"rain": "rain, mm"})
    renamed.to_csv("export.csv", sep=sep, decimal=decimal, index=numbered)
    assert list(read_samples("export.csv")) == list(renamed)


@pytest.mark.parametrize(("sep", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ",")])
def test_samples_are_no_names(folder, sep, decimal):
    x = np.random.default_rng(0).normal(size=(30, 4))
    for values in (x, np.random.default_rng(0).integers(0, 2, size=(30, 4)), -np.arange(120).reshape(30, 4)):
        pd.DataFrame(values).to_csv("plain.csv", sep=sep, decimal=decimal, header=False, index=False)
        with pytest.raises(ValueError, match="plain.csv begins with numbers"):
            read_samples("plain.csv")
    for names in (range(4), ["1.5", "2.5", "x", "3.5"], ["alpha;beta", "a", "b", "1"], [1951, 1952, 1953, 1954]):
        table = pd.DataFrame(x, columns=map(str, names))
        table.to_csv("named.csv", sep=sep, decimal=decimal, index=False)
        assert list(read_samples("named.csv")) == list(table)
    table = pd.DataFrame(x, columns=["0.5", "1.5", "2.5", "3.5"])  # beside numbers of rows these can be names
    table.to_csv("named.csv", sep=sep, decimal=decimal)
    assert list(read_samples("named.csv")) == list(table)


def test_rows_with_more_fields_than_names_are_told(folder):
    (folder / "wide.csv").write_text("a,b\n1,2,3,4\n5,6,7,9\n")
    with pytest.raises(ValueError, match="wide.csv has rows of 4 fields under 2 names"):
        read_samples("wide.csv")
    (folder / "rows.csv").write_text("a,b\nr1,2,3\nr2,6,7\n")  # the names of rows need no name
    assert list(read_samples("rows.csv")) == ["a", "b"]


def test_help_gives_an_example(capsys):
    for words, example in (("--help", "grok-synergy audit --help"), ("audit --help", "grok-synergy audit activations.npy"),
                           ("multiplets --help", "table.csv --rows 10"), ("figure --help", "--wd 0 --alpha 8")):
        with pytest.raises(SystemExit) as ended:
            main(words.split())
        assert ended.value.code == 0 and example in " ".join(capsys.readouterr().out.split())


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"grok_synergy {grok_synergy.__version__}\n"
