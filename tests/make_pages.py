"""Write the pages beside the figures: texts from tagged cells of the notebooks, numbers from the tables of the study.

A cell with the tag `figure-2` is the caption of Figure 2, one with `difference-ties` says how ties differ. Links of a
cell start at its notebook; in a page they start at `figures/`.
"""

from functools import cache

import nbformat
import pandas as pd
from make_readme import ROOT, relink

from grok_synergy.look import PRESET_WORDS
from grok_synergy.measurement import present_names
from grok_synergy.study.conditions import CONDITIONS, Paper
from grok_synergy.study.differences import load_rows, numbers_table, with_table_rows
from grok_synergy.study.editions import editions_page, first_edition, first_verdicts
from grok_synergy.study.jobs import load_paper
from grok_synergy.study.prediction import analysis_digest, costs, leaderboard, load_benchmark
from grok_synergy.study.predictors import PRIMARY
from grok_synergy.study.tables import (
    chosen_phases,
    other_verdicts,
    repetitions_summary,
    repetitions_table,
    subnetworks_table,
)
from grok_synergy.study.verdicts import claims_table, judge, with_released

DRAWN = ["figures-grok", "figure-1", "figure-8", "figure-9", "figures-condition", "figure-2", "figure-3", "figure-4",
         "figures-peaks", "figure-5", "figures-subnetworks", "figure-6", "figure-7", "figures-audit", "tie-artefact",
         "multiverse", "specification-curve-early", "specification-curve-order", "curves-published", "curves-mid-ranks"]


TABLES = ROOT / "figures" / "tables"


@cache
def judged():
    """The study of the committed tables, and its verdicts."""
    study = load_paper(TABLES)
    return study, judge(study.evidence)


def tagged_cells():
    """The Markdown of every tagged cell, by tag, with links that start at `figures/`."""
    found = {}
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []) if cell.cell_type == "markdown" else []:
                if tag in found:
                    raise ValueError(f"{path.name} has a second cell with the tag {tag}: give it another")
                found[tag] = relink(cell.source, path.parent.relative_to(ROOT).as_posix(), "figures")
    return found


def page(parts):
    """Parts under one another, those that are empty left out; the first heading is the title."""
    text = "\n\n".join(part.strip() for part in parts if part)
    return "# " + text.removeprefix("## ").removeprefix("# ") + "\n"


def table(frame):
    """A data frame as a Markdown table; empty where it has no rows."""
    if frame.empty:
        return ""
    frame = frame if frame.index.names == [None] else frame.reset_index()
    rows = [frame.columns, ["---"] * len(frame.columns), *frame.astype(str).to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_table(text, frame):
    """A text with its table; empty where the table is."""
    return "" if frame.empty else f"{text}\n\n{table(frame)}"


def figure(name, text):
    """A picture with its caption; below the heading, where there is one."""
    heading, caption = text.split("\n\n", 1) if text.startswith("#") else ("", text)
    return f"{heading}\n\n![{name.replace('-', ' ')}]({name}.png)\n\n{caption}"


def figures_page(cells):
    """The figures with their captions."""
    drawn = [cells[name] if name.startswith("figures-") else figure(name, cells[name]) for name in DRAWN]
    return page([cells["figures"], *drawn])


def subnetworks_page(cells, study):
    """Every kind of retrained network, by condition and preset."""
    parts = [cells["subnetworks"], with_table(cells["subnetworks-phases"], chosen_phases(study.of("pairs").ablations))]
    pairs = study.of("pairs").ablations
    for (condition, preset), rows in pairs.groupby(["condition", "preset"], sort=False):
        title = f"{CONDITIONS[condition].label.replace('weight', 'Weight')}, {PRESET_WORDS[preset]}"
        parts += [f"## {title}", table(subnetworks_table(rows))]
    return page(parts)


def claims_page(cells):
    """The register with its verdicts."""
    study, verdicts = judged()
    return claims_table(with_released(verdicts, study.evidence), cells)


def first_page(cells, folder):
    """The verdicts of the first edition, and what other runs of it gave."""
    first = first_edition(folder)
    others = present_names(pd.read_csv(folder / "repetitions.csv"))
    both = other_verdicts(first_verdicts(first).rename(columns={"way": "preset"}), others)
    return page([editions_page(first, cells["first-edition"]), cells["repetitions"], table(repetitions_summary(both)),
                 table(repetitions_table(both))])


def prediction_page(cells, folder):
    """Every predictor's skill, at both primary readings, with alarms and costs."""
    rows, runs = pd.read_csv(folder / "prediction-skills.csv"), load_benchmark(folder)
    parts = [cells["prediction"], "![Skill over all pairs and within cells](prediction.png)",
             f"Trained under the analysis {', '.join(sorted(set(runs.analysis.values.astype(str))))}; judged by "
             f"{analysis_digest()}.", table(costs(runs))]
    for reading in PRIMARY:
        for kind in ("when", "whether"):
            parts += [f"## {kind.capitalize()}, read at {reading!r}",
                      table(leaderboard(rows, reading, f"{kind}, within cells"))]
    alarms = rows[rows.reading == "all"].pivot(index="predictor", columns="measure", values="value").round(2)
    return page([*parts, "## Early warning", table(alarms)])


def anchor(title):
    """The name that Markdown viewers give a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


def difference_cells(cells):
    """The cells that each describe a difference, by its key in the table of differences."""
    prefix = "difference-"
    return {tag.removeprefix(prefix).replace("-", " "): text for tag, text in cells.items() if tag.startswith(prefix)}


def differences_page(cells, rows):
    """What is done otherwise: first all of it in one table, then each with its reason and its numbers."""
    overview, parts = [], []
    for key, text in difference_cells(cells).items():
        heading, sides, *why = text.split("\n\n")
        title = heading.lstrip("# ")
        overview.append(f"| [{title}](#{anchor(title)}) {sides.splitlines()[-1]}")
        parts += [f"## {title}", *why, table(numbers_table(rows, key))]
    head = "| | Paper's text | Released code | Here |\n|---|---|---|---|\n"
    return page([cells["differences"], head + "\n".join(overview), *parts])


def pages():
    """The text of every page, by file name, from the notebooks and tables of the project."""
    (study, _), cells = judged(), tagged_cells()
    rows = with_table_rows(load_rows(TABLES / "differences.csv"), study.of("released"), Paper())
    made = {"README.md": figures_page(cells), "first-edition.md": first_page(cells, TABLES),
            "subnetworks.md": subnetworks_page(cells, study), "differences.md": differences_page(cells, rows),
            "claims.md": claims_page(cells)}
    if (TABLES / "prediction-skills.csv").exists():
        made["prediction.md"] = prediction_page(cells, TABLES)
    return made


if __name__ == "__main__":
    for name, text in pages().items():
        (ROOT / "figures" / name).write_text(text, encoding="utf-8")
