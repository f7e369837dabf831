"""The paper's figures from tables alone: papermill on 09_paper_figures, and the pages that are made beside them."""

import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from make_pages import figures_page, pages, tagged_cells
from papermill_here import papermill_here

from grok_synergy.measurement import present_names
from grok_synergy.phases import segment
from grok_synergy.study.editions import first_edition
from grok_synergy.study.jobs import load_paper
from grok_synergy.study.rule import OUTCOMES
from grok_synergy.study.tables import (
    other_choices,
    other_verdicts,
    repetitions_summary,
    repetitions_table,
    waiting_choices,
    zero_losses,
)

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
    page = figures_page(cells, load_paper(ROOT / "figures" / "tables"))
    for number in range(1, 10):
        assert page.count(f"### Figure {number}\n\n![figure {number}](figure-{number}.png)\n\n*") == 1
    assert page.startswith("# The paper's figures, remade\n") and page.count("-p figure") == 1
    elsewhere = ("wd2", "index", "explorer")
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


def test_captions_say_what_the_tables_say(cells):
    study = load_paper(ROOT / "figures" / "tables")
    outcome = {preset: first_edition()[f"{preset}_outcome"] for preset in study.measures}  # the tables are of that edition
    for preset in study.measures:
        assert (outcome[preset][[10, 11, 13, 14]] == "contradicted").all()
        assert (outcome[preset][[22, 35, 45]] == "inconclusive").all() and outcome[preset][20] == "supported"
    assert outcome["mid_ranks"][[18, 25, 38, 43, 47]].tolist() == ["inconclusive", *["contradicted"] * 4]
    assert outcome["published"][[30, 38, 43, 47]].tolist() == ["contradicted", *["inconclusive"] * 3]
    ends = {name: table.synergy.isel(step=-1).mean() for name, table in study.measures["mid_ranks"].items()}
    assert max(ends, key=ends.get) == "alpha50"  # Figure 5: at its end above all conditions that generalise
    kept = study.ablations[(study.ablations.biases == "kept") & study.ablations.condition.isin(["wd0.1", "wd2"])]
    whole, inverse = (kept[kept.variant == kind].set_index(["condition", "preset", "seed"])
                      for kind in ("synergistic", "inverse"))
    assert (inverse.steps_98.fillna(np.inf) >= whole.steps_98.fillna(np.inf)).all()  # Figure 6
    assert (inverse.neurons < whole.neurons).all()
    panel = inverse.loc["wd0.1"].loc["mid_ranks"]
    assert panel.steps_98.notna().sum() == 2 and panel.steps_98.iloc[:5].notna().sum() == 1
    assert panel.best_test_acc.min() < 0.05


def test_what_waits_for_the_next_run_is_counted_and_then_no_longer_said():
    study = load_paper(ROOT / "figures" / "tables")
    wrong = study.ablations.copy()
    before = other_choices(study)
    assert set(before.seed).isdisjoint(study.metrics["wd2"].seed.values[:5])  # what is drawn is as it would be chosen
    mended = wrong.merge(before[["condition", "preset", "seed", "step"]], how="left")
    mended["chosen_step"] = mended.step.fillna(mended.chosen_step)
    for row in before.itertuples():
        late = segment(study.measures[row.preset][row.condition].sel(seed=row.seed)).phase.tolist()
        mended.loc[mended.step.notna(), "phase_found"] = row.phase in late
    assert other_choices(replace(study, ablations=mended)).empty
    assert waiting_choices(replace(study, ablations=mended)).empty
    wrong.loc[(wrong.condition == "wd2") & (wrong.seed == 100) & (wrong.preset == "mid_ranks"), "chosen_step"] = 1500
    rows = waiting_choices(replace(study, ablations=wrong))
    assert len(rows) == len(before) + 1
    assert rows.iloc[-1, :4].tolist() == ["weight decay 2", "mid-ranks", "100", "1500"]


def test_losses_of_zero_are_counted_by_condition():
    study = load_paper(ROOT / "figures" / "tables")
    whole = {name: table.map(lambda values: values.clip(1e-9)) for name, table in study.metrics.items()}
    assert zero_losses(replace(study, metrics=whole)).empty
    whole["alpha8"].train_loss[3, 5:7] = 0
    assert zero_losses(replace(study, metrics=whole)).to_dict("records") == [{"Condition": "α = 8", "Losses of 0": "2"}]
