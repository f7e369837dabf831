"""Twenty-eight claims judged by other code: NumPy arrays and plain loops in place of the register's rooms.

What is computed here follows the words of the register and of its lessons. It takes from the library the tables, the
statement that it looks up, and nothing that computes. Any other number or outcome means that one of the two is wrong.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np

from grok_synergy.study.drawn import drawn_evidence
from grok_synergy.study.register import REGISTER
from grok_synergy.study.results import load_paper
from grok_synergy.study.verdicts import judge

ENDS = {"memorised": ("train_acc", 0.98), "generalised": ("test_acc", 0.98), "half": ("test_acc", 0.5),
        "rising": ("test_acc", 0.1), "risen": ("test_acc", 0.9)}


class Curves:
    """The curves of some networks as arrays: one way to look, and a null or none."""

    def __init__(self, evidence, way, null=None):
        self.metrics, self.way, self.null = evidence.metrics, way, null
        self.measures = evidence.measures.get("mid_ranks" if way == "mid_ranks" else "published", {})
        self.retrained, self.looked = evidence.ablations, {}

    def raw(self, condition, name):
        """Seeds, steps from 5 on, and a row of values for each seed."""
        tables = self.metrics if name.endswith(("acc", "loss")) else self.measures
        table = tables[condition + " released" * (self.null == "chimera")]
        table = table.isel(step=np.flatnonzero(table.step.values >= 5))
        rows = dict(zip(table.seed.values.tolist(), table[name].transpose("seed", "step").values.astype(float), strict=True))
        if self.null == "shuffled labels":
            rows = {seed: rows[seed] for seed in tables[f"{condition} shuffled"].seed.values.tolist()}
        return table.step.values.astype(float), rows

    def beyond(self, condition, name):
        """The same of synergy or redundancy less its null."""
        steps, rows = self.raw(condition, name)
        if self.null in ("responses", "chimera"):
            table = self.measures[condition + " released" * (self.null == "chimera")]
            known = table[f"excess_{name}"].sel(null=self.null).transpose("seed", "step")
            there = (table.step.values > 0) & ~np.isnan(known.values).any(0)
            logs = np.log10(table.step.values[there])
            return steps, {seed: np.interp(np.log10(steps), logs, known.sel(seed=seed).values[there]) for seed in rows}
        twin = self.measures[f"{condition} shuffled"]
        places = [np.flatnonzero(twin.step.values == step)[0] for step in steps]
        twins = dict(zip(twin.seed.values.tolist(), twin[name].transpose("seed", "step").values[:, places], strict=True))
        return steps, {seed: row - twins[seed] for seed, row in rows.items()}

    def grid(self, steps, row):
        """One curve on an even grid of log steps; before and after smoothing or averaging."""
        if self.way == "released_curves":
            every = np.arange(5, steps[-1] + 1, 5)
            before = np.interp(np.log10(every), np.log10(steps), row)
            after, held = [before[0]], before[0]
            for value in before[1:]:
                held = 0.9 * held + 0.1 * value
                after.append(held)
            steps, after = every, np.array(after)
        else:
            before = after = row
        logs = np.log10(steps)
        even = np.linspace(logs[0], logs[-1], max(2, round((logs[-1] - logs[0]) * 40) + 1))
        after = np.interp(even, logs, after)
        if self.way != "released_curves":
            spread = 0.05 / (even[1] - even[0])
            reach = int(4 * spread + 0.5)
            weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spread) ** 2)
            padded = np.concatenate([np.full(reach, after[0]), after, np.full(reach, after[-1])])
            after = np.convolve(padded, weights / weights.sum(), mode="valid")
            before = after
        return 10**even, before, after

    def look(self, condition, name):
        """For each seed: steps, the curve, its lowest point, and the range of the reading."""
        if (condition, name) not in self.looked:
            self.looked[condition, name] = self.look_again(condition, name)
        return self.looked[condition, name]

    def look_again(self, condition, name):
        steps, rows = self.raw(condition, name)
        taken_off = self.null and name in ("synergy", "redundancy")
        less = self.beyond(condition, name)[1] if taken_off else rows
        found = {}
        for seed, row in rows.items():
            _, before, _ = self.grid(steps, row)
            span = before.max() - before.min()
            even, before, curve = self.grid(steps, less[seed])
            found[seed] = even, curve, before.min(), span if span > 0 else 1.0
        return found

    def in_ranges(self, condition, name):
        return {seed: (steps, curve if name.endswith("acc") else (curve - low) / span)
                for seed, (steps, curve, low, span) in self.look(condition, name).items()}

    def crossing(self, condition, event):
        """log10 of the step of an event, interpolated; the last step and infinity where it never comes."""
        name, level = ENDS[event]
        steps, rows = self.whole(condition, name)
        found = {}
        for seed, row in rows.items():
            at = next((i for i, value in enumerate(row) if value >= level), None)
            if at is None:
                found[seed] = (math.log10(steps[-1]), math.inf)
                continue
            log = math.log10(steps[at])
            if at and row[at] > row[at - 1]:
                before = math.log10(steps[at - 1])
                log = before + (level - row[at - 1]) / (row[at] - row[at - 1]) * (log - before)
            found[seed] = (log, log)
        return found

    def whole(self, condition, name):
        """A metric from step 1 on."""
        table = self.metrics[condition + " released" * (self.null == "chimera")]
        table = table.isel(step=np.flatnonzero(table.step.values > 0))
        kept = self.raw(condition, name)[1]
        rows = dict(zip(table.seed.values.tolist(), table[name].transpose("seed", "step").values.astype(float), strict=True))
        return table.step.values.astype(float), {seed: rows[seed] for seed in kept}

    def checkpoint(self, condition, event):
        """The first checkpoint with an event; 45 steps later on averaged curves; NaN where there is none."""
        late = 45 if self.way == "released_curves" else 0
        if event == "early":  # a decade after memorising, or half test accuracy, whichever comes first
            memorised, half = self.checkpoint(condition, "memorised"), self.checkpoint(condition, "half")
            return {seed: np.nanmin([10 * (memorised[seed] - late) + late, half[seed], math.inf]) for seed in half}
        name, level = ENDS[event]
        steps, rows = self.whole(condition, name)
        return {seed: steps[row >= level][0] + late if (row >= level).any() else math.nan for seed, row in rows.items()}


def known(values):
    return {seed: (value, value) for seed, value in values.items()}


def less(first, second):
    return {seed: (first[seed][0] - second[seed][1], first[seed][1] - second[seed][0]) for seed in first
            if seed in second}


def longest_delay(curves, condition):
    return less(curves.crossing(condition, "generalised"), curves.crossing(condition, "memorised"))


def times_steeper(curves, condition, than):
    def rise(name):
        begin, end = curves.crossing(name, "rising"), curves.crossing(name, "risen")
        found = {}
        for seed in begin:
            least, most = 10 ** end[seed][0] - 10 ** begin[seed][1], 10 ** end[seed][1] - 10 ** begin[seed][0]
            found[seed] = (math.log10(least) if least > 0 else -math.inf, math.log10(most))
        return found
    return less(rise(than), rise(condition))


def at_first(curves, condition, name):
    return known({seed: curve[steps <= 10].mean() for seed, (steps, curve) in curves.in_ranges(condition, name).items()})


def together(curves, condition, changes, longest, start, stop):
    """The largest change of the curve that changes least, over all windows of a stretch."""
    looked = {name: curves.in_ranges(condition, name) for name in changes}
    found = {}
    for seed, (steps, _) in looked[next(iter(changes))].items():
        logs, best = np.log10(steps), -math.inf
        for i in np.flatnonzero(steps >= start[seed]):
            ends = np.flatnonzero((logs > logs[i]) & (logs - logs[i] <= longest + 1e-9) & (steps <= stop[seed]))
            moves = [sign * (looked[name][seed][1][ends] - looked[name][seed][1][i]) for name, sign in changes.items()]
            best = max(best, np.min(moves, axis=0).max(initial=-math.inf))
        found[seed] = (best, best) if best > -math.inf else (-math.inf, math.inf)
    return found


def never(times, instead):
    return {seed: instead if math.isnan(time) else time for seed, time in times.items()}


def traded(curves, condition, longest):
    stop = never(curves.checkpoint(condition, "generalised"), math.inf)
    return together(curves, condition, {"synergy": 1, "redundancy": -1}, longest, dict.fromkeys(stop, 5), stop)


def decoupled(curves, condition):
    start = never(curves.checkpoint(condition, "memorised"), math.inf)
    changes = {"synergy": -1, "redundancy": 1, "test_acc": 1}
    return together(curves, condition, changes, 1.0, start, dict.fromkeys(start, math.inf))


def highest_early(curves, condition, name):
    stop = never(curves.checkpoint(condition, "early"), math.inf)
    return {seed: curve[(steps >= 5) & (steps <= stop[seed])].max(initial=-math.inf)
            for seed, (steps, curve, _, _) in curves.look(condition, name).items()}


def higher(curves, condition, than):
    first, second = highest_early(curves, condition, "synergy"), highest_early(curves, than, "synergy")
    looked = curves.look(than, "synergy")
    return known({seed: (first[seed] - second[seed]) / looked[seed][3] for seed in first if seed in second})


def larger(curves, condition, than):
    first, second = (highest_early(curves, name, "synergy_size") for name in (condition, than))
    return known({seed: first[seed] - second[seed] for seed in first if seed in second})


def best_of(curves, conditions):
    tables = [curves.metrics[condition]["test_acc"].transpose("seed", "step") for condition in conditions]
    rows = [dict(zip(one.seed.values.tolist(), one.values.astype(float), strict=True)) for one in tables]
    return known({seed: 100 * max(row[seed].max() for row in rows) for seed in rows[0]
                  if all(seed in row for row in rows)})


def prominent(curves, condition):
    """The most prominent peak of the smoothed reading until a decade after memorising, in ranges."""
    stop, found = never(curves.checkpoint(condition, "early"), math.inf), {}
    steps, rows = curves.raw(condition, "synergy")
    for seed, row in rows.items():
        even, before, curve = curves.grid(steps, row)
        best, i = 0.0, 1
        while i < len(curve) - 1:
            j = i
            while j < len(curve) - 1 and curve[j + 1] == curve[i]:
                j += 1
            if curve[i - 1] < curve[i] and j < len(curve) - 1 and curve[j + 1] < curve[i]:
                sides = []
                for side in (curve[:i][::-1], curve[j + 1:]):
                    above = np.flatnonzero(side > curve[i])
                    sides.append(side[:above[0]].min() if len(above) else side.min())
                if even[(i + j) // 2] <= stop[seed]:
                    best = max(best, curve[i] - max(sides))
            i = j + 1
        found[seed] = best / (before.max() - before.min())
    return known(found)


def later(curves, condition, variant, than):
    def times(kind):
        rows, seeds = [], {}
        for row in curves.retrained.itertuples():
            chosen = row.condition == condition and row.variant == kind and row.biases == "kept"
            main = {"wd0.1": "delayed emergence", "wd2": "emergence", "alpha8": "emergence"}[condition]
            if chosen and (kind == "full" or row.preset == curves.way and row.phase == main):
                rows.append(row)
        for row in rows:
            there = not math.isnan(row.steps_98)
            low = math.log10(row.steps_98 if there else row.censored_at)
            seeds.setdefault(row.seed, []).append((low, low if there else math.inf))
        return {seed: tuple(float(np.median(end)) for end in zip(*pairs, strict=True)) for seed, pairs in seeds.items()}
    return less(times(variant), times(than))


CLAIMS = {
    "At weight decay 0.1 generalisation is delayed.": lambda c: longest_delay(c, "wd0.1"),
    "Weight decay 2 makes generalisation sharper than weight decay 0.1.": lambda c: times_steeper(c, "wd2", "wd0.1"),
    "At weight decay 0.1 synergy is low at first.": lambda c: at_first(c, "wd0.1", "synergy"),
    "At weight decay 0.1 redundancy is high at first.": lambda c: at_first(c, "wd0.1", "redundancy"),
    "At weight decay 0.1 redundancy is rapidly traded for synergy.": lambda c: traded(c, "wd0.1", 0.5),
    "α = 8 without weight decay leads to an emergence phase.": lambda c: traded(c, "alpha8", 0.5),
    "The peak of synergy is higher at weight decay 2 than at 0.1.": lambda c: higher(c, "wd2", "wd0.1"),
    "The synergistic sub-network gets larger at weight decay 2 than at 0.1.": lambda c: larger(c, "wd2", "wd0.1"),
    "At weight decay 2 synergy falls while redundancy and test accuracy rise (decoupling).": lambda c: decoupled(c, "wd2"),
    "Weight decays 10 and 50 do not grok.": lambda c: best_of(c, ("wd10", "wd50")),
    "At weight decay 0.1 synergy peaks early, before grokking.": lambda c: prominent(c, "wd0.1"),
    "At weight decay 2 the inverse of the synergistic sub-network generalises later than the full network, or never.":
        lambda c: later(c, "wd2", "inverse", "full"),
    "At α = 8 random sub-networks of the same size generalise later than the synergistic one.":
        lambda c: later(c, "alpha8", "random", "synergistic"),
}
OVER = ("At weight decay 0.1 synergy is low at first.", "At weight decay 0.1 redundancy is rapidly traded for synergy.",
        "α = 8 without weight decay leads to an emergence phase.",
        "The peak of synergy is higher at weight decay 2 than at 0.1.",
        "At weight decay 2 synergy falls while redundancy and test accuracy rise (decoupling).")
PLANNED = {"paper": ("paper", "other reading"), "other reading": ("paper", "other reading")}


def wrong(place, count):
    """The chance that the ordered value at a place, from 0, is beyond the median: coins, counted."""
    return sum(math.comb(count, k) for k in range(place + 1)) / 2**count


@cache
def place_of(counts, count):
    """Which ordered value bounds the median, where all bounds of a promise may be wrong in 5 % together."""
    errors = sorted({wrong(place, each) for each in set(counts) for place in range(each // 2)})

    def largest(error, each):
        return max([wrong(place, each) for place in range(each // 2) if wrong(place, each) <= error], default=0.0)

    allowed = max(error for error in errors if sum(largest(error, each) for each in counts) <= 0.05)
    return max([place for place in range(count // 2) if wrong(place, count) <= allowed], default=None)


def verdict(values, claim):
    """Outcome and interval, from a pair of bounds for each seed."""
    family = PLANNED.get(claim.family, (claim.family,))
    place = place_of(tuple(one.pairs for one in REGISTER if one.family in family), len(values))
    lows, highs = (sorted(pair[end] for pair in values.values()) for end in (0, 1))
    low, high = (-math.inf, math.inf) if place is None else (lows[place], highs[-1 - place])
    beyond = (low > claim.margin.value, high <= claim.margin.value) if claim.side == "above" else (
        high < claim.margin.value, low >= claim.margin.value)
    return ("supported" if beyond[0] else "contradicted" if beyond[1] else "inconclusive"), low, high


def compared(evidence, claims):
    """Library and other code side by side: how many verdicts were compared."""
    count, curves = 0, {}
    for row in judge(evidence, claims=claims).itertuples():
        claim = REGISTER[row.id - 1]
        if row.outcome == "not measured":
            continue
        null = None if claim.of is None or claim.family in ("ours", "other reading") else claim.family
        curves.setdefault((row.way, null), Curves(evidence, row.way, null))
        values = CLAIMS[claim.statement if null is None else claim.of.statement](curves[row.way, null])
        found, low, high = verdict(values, claim)
        assert found == row.outcome, (row.id, row.way, low, high, row.low, row.high)
        np.testing.assert_allclose([low, high], [row.low, row.high], rtol=1e-4, atol=1e-6, err_msg=f"{row.id} {row.way}")
        assert len(values) == row.seeds
        count += 1
    return count


def chosen():
    first = {}
    for claim in REGISTER:
        first.setdefault(claim.statement, claim)
    mine = [first[statement] for statement in CLAIMS]
    over = [claim for claim in REGISTER if claim.of is not None and claim.family not in ("paper", "other reading", "ours")
            and claim.of.number in {first[statement].number for statement in OVER}]
    return mine, over


def test_other_code_gives_the_verdicts_on_drawn_evidence():
    mine, over = chosen()
    assert len(mine) == 13 and len(over) == 15
    assert compared(drawn_evidence("paper", "contrast"), [*mine, *over]) >= 60


def test_other_code_gives_the_verdicts_on_the_committed_tables():
    mine, over = chosen()
    assert compared(load_paper(Path(__file__).parents[1] / "figures" / "tables").evidence, [*mine, *over]) >= 30
