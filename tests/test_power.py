"""What is planted into curves, and the record of the first edition."""

import numpy as np
import pytest

from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.editions import editions_page, first_edition, first_verdicts
from grok_synergy.study.evidence import WAYS, range_of, stretch
from grok_synergy.study.power import LENGTH, PLANTED, planted, seen
from grok_synergy.study.register import AGAIN, NULLS, OURS, PAPER, REGISTER
from grok_synergy.study.verdicts import claims_summary


@pytest.mark.parametrize(("phase", "condition"), [("divergence", "wd2"), ("delayed emergence", "wd0.1"), ("peak", "wd2")])
def test_what_is_planted_has_its_size_its_length_and_its_place(phase, condition):
    before = drawn_evidence("paper", seeds=6)
    after = planted(before, condition, phase, 0.4, rng=3)
    for preset, tables in after.measures.items():
        view = before.under(preset)
        for name, table in tables.items():
            if name != condition:
                assert table is before.measures[preset][name]
        for name, sign in PLANTED[phase].items():
            change = tables[condition][name] - before.measures[preset][condition][name]
            change = (sign * change / range_of(view, condition, name).to_numpy()[:, None]).values
            steps = tables[condition].step.values
            begin, end = (stretch(view, condition, *pair)[k] for k, pair in (
                (0, ("start" if phase == "peak" else "memorised", "end")),
                (1, ("start", "early" if phase == "peak" else "generalised"))))
            assert 0.3 < change.max() <= 0.4 + 1e-9 and change.min() == pytest.approx(0, abs=1e-9)
            for row, first, last in zip(change, begin, end, strict=True):
                moving = steps[(row > 1e-9) & (row < 0.4 - 1e-9)]
                assert first <= moving.min() <= moving.max() <= last * 10**0.05
                assert np.log10(moving.max() / moving.min()) <= LENGTH
            assert (abs(change[:, -1] - 0.4 * (phase != "peak")) < 1e-9).all()
    untouched = {"synergy", "redundancy", "synergy_size"} - set(PLANTED[phase])
    for name in untouched:
        assert after.measures["published"][condition][name].equals(before.measures["published"][condition][name])


def test_a_larger_change_is_seen_more_often_and_none_is_seen_where_there_is_none():
    claim = next(claim for claim in REGISTER if claim.number == 20)
    found = seen(drawn_evidence("paper", seeds=6), [claim], "wd2", "divergence", (0, 0.05, 1))
    assert (found[0] == 0).all() and (found[0.05] <= found[1]).all() and (found[1] == 100).all()
    assert found.index.get_level_values("way").tolist() == sorted(WAYS)


def test_the_clock_of_another_condition_says_when():
    before = drawn_evidence("paper", seeds=4)
    after = planted(before, "wd10", "peak", 0.5, clock="wd2")
    moved = [bool((one["wd10"].synergy != before.measures[preset]["wd10"].synergy).any())
             for preset, one in after.measures.items()]
    assert moved == [True, True]


# The first edition

def test_every_claim_of_the_first_edition_is_replaced_and_every_new_claim_replaces_one():
    first, known = first_edition(), {claim.number: claim for claim in REGISTER}
    assert first.index.tolist() == list(range(1, 50)) and first.reason.str.len().min() > 20
    for number, row in first.iterrows():
        now = [known[int(one)] for one in row.now.split()]
        assert now[0].number == number and now[0].since == 1  # its sentence keeps its number
        again = [claim.number for claim in REGISTER if claim.family == AGAIN and claim.of.number == number]
        assert set(again) <= {claim.number for claim in now}
        for claim in (known[int(one)] for one in row.excess_now.split()):
            assert claim.family in NULLS and claim.of in now
    replacing = {int(one) for row in (*first.now, *first.excess_now) for one in row.split()}
    assert replacing == set(known)


def test_sentences_of_ours_were_counted_as_the_papers():
    first = first_edition()
    now_ours = [claim.number for claim in REGISTER if claim.family == OURS and claim.number < 50]
    assert sorted(set(now_ours) - set(first.index[first.ours])) == [30, 34, 37, 42, 46]


def test_the_verdicts_of_the_first_edition_are_counted_as_they_were():
    verdicts = first_verdicts(first_edition())
    assert set(verdicts.family) == {PAPER, OURS} and len(verdicts) == 2 * 49
    lines = claims_summary(verdicts).splitlines()
    assert "published, mid-ranks |" in lines[0] and lines[-1].startswith("| Ours | 6 |")


def test_page_of_the_first_edition_has_each_claim_with_both_verdicts_and_a_reason():
    first = first_edition()
    lines = [line for line in editions_page(first, "Words.").splitlines() if line.startswith("| ")][1:]
    assert len(lines) == 49
    for line, (number, row) in zip(lines, first.iterrows(), strict=True):
        assert line.startswith(f"| {number} | ") and row.reason in line and line.count("|") == 9
        assert f"**{row.published_outcome}**" in line and f"**{row.mid_ranks_outcome}**" in line
