"""The paper's figures from tables alone: papermill on 09_paper_figures, and the pages that are made beside them."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from make_pages import figures_page, judged, pages, tagged_cells
from papermill_here import papermill_here

from grok_synergy.measurement import present_names
from grok_synergy.study.ablations import chosen_step
from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.editions import first_edition
from grok_synergy.study.evidence import NULLS
from grok_synergy.study.register import PAPER, REGISTER
from grok_synergy.study.remains import survivors
from grok_synergy.study.rule import OUTCOMES
from grok_synergy.study.tables import (
    other_verdicts,
    repetitions_summary,
    repetitions_table,
)
from grok_synergy.study.verdicts import judge

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "nbs" / "study" / "09_paper_figures.ipynb"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder laid out as the project, with its tables."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "settings.ini").touch()
    shutil.copytree(ROOT / "figures" / "tables", folder / "figures" / "tables")
    return folder


@pytest.fixture(scope="module")
def cells():
    return tagged_cells()


def pictures(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_one_figure_is_drawn_alone_and_the_same_again(project):
    assert papermill_here(NOTEBOOK, "out.ipynb", "-p", "figure", "7", cwd=project) is None
    first = pictures(project / "figures")
    assert sorted(first) == ["figure-7.png"]
    assert first["figure-7.png"].startswith(b"\x89PNG") and len(first["figure-7.png"]) > 20_000
    assert ElementTree.parse(project / "build" / "figures" / "figure-7.svg").getroot().tag.endswith("svg")
    tables = project / "figures" / "tables"
    assert papermill_here(NOTEBOOK, "out.ipynb", "-p", "figure", "7", "-p", "tables", tables, "-p", "out_dir", "again",
                          cwd=project) is None
    assert pictures(project / "again") == first


@pytest.mark.parametrize("arguments, message", [
    (["-p", "figure", "10"], "figure=10 is not possible: give 1 to 9, or 0 for all of them"),
    (["-p", "figure", "True"], "figure=True is not possible"),
    (["-p", "number", "1"], "number: no such parameter; there are figure, tables, out_dir"),
    (["-p", "tables", "elsewhere"], "elsewhere holds no tables of the study: run `make paper`"),
])
def test_bad_parameters_are_refused_before_anything_is_drawn(project, arguments, message):
    assert message in str(papermill_here(NOTEBOOK, "out.ipynb", *arguments, "-p", "out_dir", "refused", cwd=project))
    assert not (project / "refused").exists()


def test_the_page_shows_every_figure_once_below_its_heading(cells):
    page = figures_page(cells)
    for number in range(1, 10):
        assert page.count(f"### Figure {number}\n\n![figure {number}](figure-{number}.png)\n\n*") == 1
    assert page.startswith("# The paper's figures, remade\n") and page.count("-p figure") == 1
    elsewhere = ("wd2", "index", "explorer", "remains")
    pictures = {path.name for path in (ROOT / "figures").glob("*.png") if not path.name.startswith(elsewhere)}
    assert all(f"]({name})" in page for name in pictures)


def test_verdicts_that_come_out_otherwise_elsewhere_are_listed():
    verdicts = pd.DataFrame({"preset": ["published", "mid_ranks"] * 3, "id": [1, 1, 2, 2, 3, 3], "side": "above",
                             "margin": 0.1,
                             "unit": "ranges", "per_preset": [True] * 4 + [False] * 2,
                             "outcome": ["supported", "inconclusive", "contradicted", "supported", "supported", "supported"],
                             "low": [0.2, -0.1, -0.3, 0.2, 0.2, 0.2], "high": [0.4, 0.3, 0.0, float("inf"), 0.3, 0.3]})
    others = verdicts[["preset", "id", "outcome", "low", "high"]].assign(run="CPU")
    both = other_verdicts(verdicts, others)  # claim 3 counts once
    assert repetitions_summary(both).loc["CPU"].tolist() == [5, 0, 0] and repetitions_table(both).empty
    others.loc[[1, 3, 5], "outcome"] = ["supported", "contradicted", "inconclusive"]
    both = other_verdicts(verdicts, pd.concat([others, others[:1].assign(run="CUDA")]))
    assert repetitions_summary(both).T.to_dict("list") == {"CPU": [5, 2, 1], "CUDA": [1, 0, 0]}
    rows = repetitions_table(both)
    assert rows.iloc[0].tolist() == ["1", "mid-ranks", "> 0.1 ranges", "inconclusive [−0.10, 0.30]",
                                     "supported [−0.10, 0.30]", "CPU"]
    assert len(rows) == 2 and "∞" in rows.Here[1]


def test_repetitions_of_the_study_judge_its_claims():
    rows = present_names(pd.read_csv(ROOT / "figures" / "tables" / "repetitions.csv"))
    assert rows.groupby("run").size().to_dict() == {"CPU": 2 * 49, "CUDA": 2 * 34}  # the claims there were when they ran
    assert set(rows.id) == set(range(1, 50)) <= set(first_edition().index) and set(rows.outcome) <= set(OUTCOMES)
    assert not rows.duplicated(["run", "preset", "id"]).any()


def test_the_committed_pages_are_those_of_the_committed_tables_and_cells():
    for name, page in pages().items():
        committed = (ROOT / "figures" / name).read_text(encoding="utf-8")
        assert committed == page, f"{name} is older than its tables or captions: run `make pages`"


def test_captions_say_what_the_tables_say():
    study, verdicts = judged()
    found = verdicts.pivot(index="id", columns="way", values="outcome")
    said = {"supported supported supported": [3, 5, 18, 29], "supported contradicted supported": [15],
            "supported contradicted inconclusive": [8, 25], "contradicted contradicted contradicted": [12, 13, 50, 76],
            "inconclusive contradicted inconclusive": [11, 17], "inconclusive contradicted supported": [10],
            "inconclusive inconclusive inconclusive": [14, 16, 51, 59, 78, 79], "inconclusive supported inconclusive": [19],
            "contradicted contradicted inconclusive": [30, 73], "supported inconclusive supported": [22]}
    for outcomes, claims in said.items():
        assert (found.loc[claims, ["published", "mid_ranks", "released_curves"]] == outcomes.split()).all(axis=None), claims
    over = {(claim.of.number, claim.family): found.loc[claim.number] for claim in REGISTER if claim.family in NULLS}
    responses, chimera, shuffled = NULLS
    assert (over[8, responses] == "supported").all() and (over[15, responses] == "supported").all()
    assert (over[27, responses] == "contradicted").all() and (over[18, shuffled] == "supported").all()
    assert all((over[number, responses] == "inconclusive").all() for number in (28, 32))
    assert all((over[number, responses] == "contradicted").all() for number in (23, 24))
    assert all((over[number, chimera][["published", "mid_ranks"]] == "supported").all() for number in (27, 28))
    assert not any((over[number, shuffled] == "supported").any() for number in (27, 28, 32, 79))
    ends = {name: table.synergy.isel(step=-1).mean() for name, table in study.measures["mid_ranks"].items()}
    assert max(ends, key=ends.get).startswith("alpha50")  # Figure 5: at its end above all conditions that generalise
    kept = study.of("pairs").ablations.query("biases == 'kept' and condition != 'alpha8'")
    whole, inverse = (kept[kept.variant == kind].set_index(["condition", "preset", "seed"])
                      for kind in ("synergistic", "inverse"))
    assert (inverse.neurons < whole.neurons).all()


def test_captions_of_sub_networks_say_how_many_get_there():
    rows = judged()[0].of("pairs").ablations.query("biases == 'kept' and condition in ['wd0.1', 'wd2']")
    small = rows[rows.variant.str.contains("inverse")].groupby(["condition", "preset", "variant"]).steps_98.count()
    assert (small["wd2"] == 0).all() and (small["wd0.1"].min(), small["wd0.1"].max()) == (4, 10)
    full, inverse = (rows[rows.variant == kind].set_index(["condition", "preset", "seed"]).steps_98
                     for kind in ("full", "inverse"))
    assert 0 < (inverse <= full).sum() < 0.05 * len(full)  # nearly every inverse is later, not every one


@pytest.mark.parametrize("preset, name, steps, alike", [
    ("published", "wd0.1", slice(40, 700), True), ("mid_ranks", "wd0.1", slice(40, 700), True),
    ("published", "alpha8", slice(190, 220), False), ("mid_ranks", "alpha8", slice(190, 220), True)])
def test_captions_beside_networks_with_shuffled_labels(preset, name, steps, alike):
    drawn, shuffled = (judged()[0].of(group).measures[preset][name].synergy for group in ("released", "shuffled"))
    more = shuffled.mean("seed") - drawn.isel(seed=slice(5)).mean("seed")
    assert bool((abs(more.sel(step=steps)) < 0.5).all()) == alike  # alike within half a bit
    if name == "alpha8":
        assert float(more.sel(step=slice(10, 150)).min()) > 0  # and more before


def test_shares_of_zeros_are_those_that_the_site_says():
    for name in ("wd0.1", "wd2", "alpha8"):
        zeros = judged()[0].of("pairs").measures["mid_ranks"][name].zeros.median("seed")
        assert 0.25 < float(zeros.min()) and float(zeros.max()) < 0.65


def test_the_site_says_what_the_tables_say():
    study, verdicts = judged()
    paper = verdicts[(verdicts.family == PAPER) & (verdicts.outcome == "supported")].way.value_counts()
    start, questions = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("start/paper.md", "questions.md"))
    assert (f"Of the paper's 45 sentences {paper.published} are supported with the published ranks, and "
            f"{paper.mid_ranks} with mid-ranks.") in start
    early, untrained = {}, {}
    for group in ("pairs", "shuffled"):
        for name in ("wd0.1", "wd2", "alpha8"):
            synergy = study.of(group).measures["mid_ranks"][name].synergy
            early[group, name] = float(synergy.sel(step=slice(20, 100)).mean("step").median())
            untrained[group, name] = float(synergy.sel(step=0).median())
    less = {name: 1 - early["shuffled", name] / early["pairs", name] for name in ("wd0.1", "wd2", "alpha8")}
    assert less["alpha8"] < 0
    assert f"{100 * less['wd2']:.0f} and {100 * less['wd0.1']:.0f} % less at weight decays 2 and 0.1" in questions
    assert all(1.6 < untrained["pairs", name] / early["pairs", name] < 2 for name in ("wd0.1", "wd2"))  # nearly twice


def test_the_first_screen_of_what_remains_says_what_the_tables_say():
    study, verdicts = judged()
    idle = judge(drawn_evidence("paper", nulls="same"), ("mid_ranks",))
    found = survivors(verdicts, idle)
    everywhere = found[found[list(NULLS)].isin(["supported", "–"]).all(axis=1)]
    assert everywhere.index.tolist() == [7, 8, 29, 60, 70]
    assert everywhere.index[everywhere.bits == "supported"].tolist() == [29, 70]
    pairs = study.of("pairs").measures["mid_ranks"]
    for name in ("wd0.1", "wd2"):
        one = pairs[name].sel(null="responses")
        both = [float(part.sel(step=step).median()) for step in (6, 38) for part in (one.synergy, one.null_synergy)]
        assert abs(both[0] - 10) < 0.5 and abs(both[1] - 30) < 4 and abs(both[2] - 5) < 0.5 and 5 < both[3] < 6.5
    highest = {name: pairs[name].excess_synergy.sel(null="responses", step=[121, 215]) for name in ("wd2", "alpha8")}
    assert all(1 <= float(one.median("seed").max()) < 1.6 and bool((one > 0).all()) for one in highest.values())
    ends = {group: float(study.of(group).measures["mid_ranks"]["alpha50"].excess_synergy.sel(null="responses")
                         .isel(step=-1).median()) for group in ("pairs", "shuffled")}
    assert 2 < ends["pairs"] < ends["shuffled"] < 4


def test_sub_networks_come_from_the_checkpoints_that_are_chosen_now():
    """Tables may be older than the rule for phases, and would then speak of other neurons."""
    study, _ = judged()
    rows = study.ablations.drop_duplicates(["condition", "preset", "seed"])
    for row in rows.itertuples():
        of = study.of("released" if row.seed in study.of("released").metrics[row.condition].seed else "pairs")
        step, found = chosen_step(of.measures[row.preset][row.condition].sel(seed=row.seed),
                                  of.metrics[row.condition].sel(seed=row.seed), row.phase)
        assert (step, found) == (row.chosen_step, row.phase_found), row


def test_no_loss_of_the_tables_was_rounded_to_zero():
    """Losses of 32-bit logits end at 0 where those of 64 bits do not."""
    for table in judged()[0].metrics.values():
        assert min(float(table.train_loss.min()), float(table.test_loss.min())) > 0
