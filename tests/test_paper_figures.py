"""The paper's figures from tables alone: papermill on 06c_paper_figures, and the page that shows them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pytest

from grok_synergy.data import ModularTask
from grok_synergy.measurement import present_names
from grok_synergy.phases import segment
from grok_synergy.study.conditions import Paper
from grok_synergy.study.evidence import Evidence
from grok_synergy.study.jobs import load_paper, run_paper
from grok_synergy.study.paper_figures import (
    FIGURES,
    SEEN,
    choices_note,
    figures_page,
    losses_note,
    other_choices,
    repetitions_page,
    subnetworks_page,
)
from grok_synergy.study.register import REGISTER
from grok_synergy.study.rule import OUTCOMES
from grok_synergy.study.verdicts import claims_table, judge, resting_on

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "nbs" / "06c_paper_figures.ipynb"


def papermill(*arguments, cwd):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", NOTEBOOK, "out.ipynb", *arguments]
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder laid out as the project, with the tables of a tiny study."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "settings.ini").touch()
    conditions = tuple(replace(condition, steps=condition.steps // 20) for condition in Paper().conditions)
    tiny = Paper(conditions, (0, 100), figure_seeds=2, ablation_seeds=2, task=ModularTask(p=23), width=40, per_decade=8)
    run_paper(tiny, store=folder / "trajectories", n_jobs=1, progress=False)
    return folder


def pictures(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_one_figure_is_drawn_alone_and_the_same_again(project):
    done = papermill("-p", "figure", "7", cwd=project)
    assert done.returncode == 0, done.stderr[-3000:]
    first = pictures(project / "figures")
    assert sorted(first) == ["figure-7.png", "figure-7.svg"]
    assert first["figure-7.png"].startswith(b"\x89PNG") and len(first["figure-7.png"]) > 20_000
    assert ElementTree.fromstring(first["figure-7.svg"]).tag.endswith("svg")
    tables = project / "figures" / "tables"
    done = papermill("-p", "figure", "7", "-p", "tables", tables, "-p", "out_dir", "again", cwd=project)
    assert done.returncode == 0, done.stderr[-3000:]
    assert pictures(project / "again") == first


@pytest.mark.parametrize("arguments, message", [
    (["-p", "figure", "10"], "figure=10 is not possible: give 1 to 9, or 0 for all of them"),
    (["-p", "figure", "True"], "figure=True is not possible"),
    (["-p", "number", "1"], "number: no such parameter; there are figure, tables, out_dir"),
    (["-p", "tables", "elsewhere"], "elsewhere holds no tables of the study: run `make paper`"),
])
def test_bad_parameters_are_refused_before_anything_is_drawn(project, arguments, message):
    done = papermill(*arguments, "-p", "out_dir", "refused", cwd=project)
    assert done.returncode != 0 and message in done.stderr
    assert not (project / "refused").exists()


def test_the_page_shows_every_figure_with_its_caption_and_command(monkeypatch):
    monkeypatch.setitem(SEEN, 3, "The paper says otherwise.")
    page = figures_page(5)
    for number in range(1, 10):
        assert f"![Figure {number}](figure-{number}.png)" in page and FIGURES[number].caption in page
        assert f"-p figure {number}\n" in page
    assert f"{FIGURES[3].caption}* The paper says otherwise.\n" in page and page.count("The paper says otherwise.") == 1
    assert "over 5 seeds" in page


def test_verdicts_that_come_out_otherwise_elsewhere_are_listed():
    verdicts = pd.DataFrame({"preset": ["published", "mid_ranks"] * 3, "id": [1, 1, 2, 2, 3, 3], "side": "above",
                             "margin": 0.1,
                             "unit": "ranges", "per_preset": [True] * 4 + [False] * 2,
                             "outcome": ["supported", "inconclusive", "contradicted", "supported", "supported", "supported"],
                             "low": [0.2, -0.1, -0.3, 0.2, 0.2, 0.2], "high": [0.4, 0.3, 0.0, float("inf"), 0.3, 0.3]})
    others = verdicts[["preset", "id", "outcome", "low", "high"]].assign(run="CPU")
    page = repetitions_page(verdicts, others)  # claim 3 counts once
    assert "0 of 5 in an earlier run on another CPU (*CPU*). None of them" in page and "|" not in page and "H200" not in page
    others.loc[[1, 3, 5], "outcome"] = ["supported", "contradicted", "inconclusive"]
    page = repetitions_page(verdicts, pd.concat([others, others[:1].assign(run="CUDA")]))
    assert "2 of 5 in an earlier run" in page and "0 of 1 with networks" in page and "1 of them comes" in page
    assert "| 1 | mid-ranks | > 0.1 ranges | inconclusive [−0.10, 0.30] | supported [−0.10, 0.30] |" in page
    assert page.count("\n| ") == 3 and "∞" in page


def test_repetitions_of_the_study_judge_its_claims():
    rows = present_names(pd.read_csv(ROOT / "figures" / "tables" / "repetitions.csv"))
    assert rows.groupby("run").size().to_dict() == {"CPU": 2 * len(REGISTER), "CUDA": 2 * 34}
    assert set(rows.id) == {claim.number for claim in REGISTER} and set(rows.outcome) <= set(OUTCOMES)
    assert not rows.duplicated(["run", "preset", "id"]).any()


def test_the_committed_pages_are_those_of_the_committed_tables():
    pages, study = ROOT / "figures", load_paper(ROOT / "figures" / "tables")
    verdicts = judge(Evidence(study.metrics, study.measures, study.ablations))
    waiting = choices_note(study)
    others = present_names(pd.read_csv(pages / "tables" / "repetitions.csv"))
    lesson = nbformat.read(ROOT / "nbs" / "study" / "07_verdicts.ipynb", as_version=4)
    texts = {tag: cell.source.replace("../../figures/", "").replace("](0", "](../nbs/study/0")
             for cell in lesson.cells for tag in cell.metadata.get("tags", [])}
    claims = claims_table(verdicts, texts, waiting) + repetitions_page(verdicts, others)
    notes = [note for note in (waiting, losses_note(study)) if note]
    made = {"README": figures_page(5, *notes), "claims": claims, "subnetworks": subnetworks_page(study.ablations, waiting)}
    for name, page in made.items():
        assert (pages / f"{name}.md").read_text(encoding="utf-8") == page, f"{name}.md is older than its tables: run 06c"


def test_what_waits_for_the_next_run_is_counted_and_then_no_longer_said():
    study = load_paper(ROOT / "figures" / "tables")
    wrong, drawn = study.ablations.copy(), study.ablations.drop_duplicates(["condition", "preset", "seed"])
    before = other_choices(study)
    assert set(before.seed).isdisjoint(study.metrics["wd2"].seed.values[:5])  # what is drawn is as it would be chosen
    mended = wrong.merge(before[["condition", "preset", "seed", "step"]], how="left")
    mended["chosen_step"] = mended.step.fillna(mended.chosen_step)
    for row in before.itertuples():
        late = segment(study.measures[row.preset][row.condition].sel(seed=row.seed)).phase.tolist()
        mended.loc[mended.step.notna(), "phase_found"] = row.phase in late
    assert other_choices(replace(study, ablations=mended)).empty and choices_note(replace(study, ablations=mended)) == ""
    wrong.loc[(wrong.condition == "wd2") & (wrong.seed == 100) & (wrong.preset == "mid_ranks"), "chosen_step"] = 1500
    note = choices_note(replace(study, ablations=wrong))
    assert f"{len(before) + 1} of {len(drawn)} checkpoints" in note
    assert "- weight decay 2, mid-ranks preset: seed 100, trained from step 1500, now step " in note
    hang = resting_on(Evidence(study.metrics, study.measures, wrong), "mid_ranks", "wd2", [100])
    assert set(hang) == {40, 41, 42, 43, 44, 49}


def test_losses_of_zero_are_counted_by_condition():
    study = load_paper(ROOT / "figures" / "tables")
    whole = {name: table.map(lambda values: values.clip(1e-9)) for name, table in study.metrics.items()}
    assert losses_note(replace(study, metrics=whole)) == ""
    whole["alpha8"].train_loss[3, 5:7] = 0
    assert "2 losses in the tables are 0 (2 at α = 8)" in losses_note(replace(study, metrics=whole))
