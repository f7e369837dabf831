"""What the study said when its verdicts were committed: the register, the tables, and what became of every claim."""

import hashlib
import json
from pathlib import Path

import pytest

from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.evidence import Evidence
from grok_synergy.study.jobs import load_paper
from grok_synergy.study.register import REGISTER
from grok_synergy.study.verdicts import judge

TABLES = Path(__file__).resolve().parents[1] / "figures" / "tables"


def digest(content):
    """Of plain values, numbers to six digits."""
    def plain(value):
        if isinstance(value, float):
            return f"{value + 0.0:.6g}"
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    return hashlib.sha256(json.dumps(plain(content)).encode()).hexdigest()[:16]


def test_the_register_is_the_one_that_was_fixed_before_the_seeds_ran():
    stories = [drawn_evidence(story, seeds=3, noise=0) for story in ("paper", "opposite", "contrast")]
    rows = []
    for claim in REGISTER:
        rows.append([claim.number, claim.place, claim.statement, claim.measure, claim.side, claim.margin.value,
                     claim.margin.unit, claim.margin.reason, claim.figure, claim.per_preset, claim.ours])
        for story in stories:
            for preset in story.measures if claim.per_preset else [None]:
                values = claim.statistic(story.under(preset))
                rows.append([values.low.index.tolist(), values.low.tolist(), values.high.tolist()])
    assert digest(rows) == "494fd509d4dd43e9"


def test_every_verdict_is_the_one_that_was_committed():
    study = load_paper(TABLES)
    verdicts = judge(Evidence(study.metrics, study.measures, study.ablations))
    columns = ["id", "outcome", "estimate", "known", "low", "high", "seeds", "showing", "bounded"]
    assert digest([[row[name] for name in columns] for row in verdicts.to_dict("records")]) == "8d0768505bc69ff4"


@pytest.mark.parametrize("path", sorted(TABLES.iterdir()), ids=lambda path: path.name)
def test_a_table_is_the_one_that_was_committed(path):
    pins = json.loads((Path(__file__).parent / "tables.json").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] == pins[path.name]
