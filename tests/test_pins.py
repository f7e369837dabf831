"""What the study said when its verdicts were committed: the register, the tables, and what became of every claim."""

import hashlib
import json
from pathlib import Path

import pytest

from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.editions import first_edition
from grok_synergy.study.register import BOUND_LEVELS, REGISTER

TABLES = Path(__file__).resolve().parents[1] / "figures" / "tables"


def digest(content):
    """Of plain values, numbers to six digits."""
    def plain(value):
        if isinstance(value, float):
            return f"{round(value, 9) + 0.0:.6g}"
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    return hashlib.sha256(json.dumps(plain(content)).encode()).hexdigest()[:16]


def claimed(claim):
    """What a claim says and asks for."""
    return [claim.number, claim.family, claim.of.number if claim.of else 0, claim.place, claim.statement, claim.measure,
            claim.statistic.null or "", claim.side, claim.margin.value, claim.margin.unit, claim.margin.reason, claim.figure,
            list(map(str, claim.statistic.ways))]


def test_the_register_is_the_one_that_was_fixed_before_its_networks_were_trained():
    """The second edition: its words and margins, and what its statistics make of drawn evidence."""
    stories = [drawn_evidence(story, seeds=3, noise=0) for story in ("paper", "opposite", "contrast")]
    stories.append(drawn_evidence("paper", seeds=3, noise=0, nulls="same"))
    rows = []
    for claim in REGISTER:
        rows.append(claimed(claim))
        for story in stories:
            for way in claim.statistic.ways:
                values = claim.statistic(story.under(way))
                rows.append([values.low.index.tolist(), values.low.tolist(), values.high.tolist()])
    assert digest(rows) == "d5c0874486f4afd2"


def test_the_levels_are_those_that_were_fixed():
    assert digest([[family, level] for family, level in BOUND_LEVELS.items()]) == "df469d67015e3649"


def test_every_verdict_of_the_first_edition_is_the_one_that_was_committed():
    first = first_edition(TABLES)
    columns = ["statement", "statistic", "side", "margin", "unit", "published_outcome", "mid_ranks_outcome"]
    assert digest([[row[name] for name in columns] for row in first.to_dict("records")]) == "b401838efb3de128"


@pytest.mark.parametrize("path", sorted(TABLES.iterdir()), ids=lambda path: path.name)
def test_a_table_is_the_one_that_was_committed(path):
    pins = json.loads((Path(__file__).parent / "tables.json").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] == pins[path.name]
