"""Tables of the experiments of README.md from their results.jsonl and tests.json, as Markdown.

    python research/reinforcement/experiment_tables.py A runs/cue-shift
    python research/reinforcement/experiment_tables.py B runs/b/to-market --weight 0.5
    python research/reinforcement/experiment_tables.py C runs/exact

Every number is a mean over seeds, with the 95 % interval of a bootstrap over persons (all pairs of a person together,
the same draws for every arm, so that differences are paired). "The same" is claimed where the 90 % interval of a
difference lies within the margin: two one-sided tests at 5 % (TOST, Schuirmann 1987).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import DataError
from reidr.evaluation.metrics.calibration import expected_calibration_error
from reidr.evaluation.metrics.roc_area import roc_area

Reals = NDArray[np.float64]
Statistic = Callable[["Pairs", Reals, Reals], float]
"""Of a test's pairs, (N,) scores, and (N,) how often each pair counts."""


@dataclass(frozen=True)
class Number:
    """A mean over seeds, and what the bootstrap made of it, (draws,)."""

    value: float
    draws: Reals

    def __sub__(self, other: Number) -> Number:
        return Number(self.value - other.value, self.draws - other.draws)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Percentiles of the draws; draws in which the number could not be had are left out."""
        low, high = np.nanquantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def same(self, margin: float) -> bool:
        """Whether two one-sided tests at 5 % say that it lies within the margin."""
        low, high = self.interval(0.9)
        return -margin < low and high < margin

    def written(self, scale: float = 1.0, digits: int = 3, sign: bool = False) -> str:
        """`0.812 (0.790 to 0.833)`."""
        low, high = self.interval()
        form = f"{'+' if sign else ''}.{digits}f"
        return f"{scale * self.value:{form}} ({scale * low:{form}} to {scale * high:{form}})"


class Pairs:
    """The pairs of one test, and how often each person is drawn."""

    def __init__(self, described: dict[str, list[Any]], draws: int) -> None:
        self.label = np.array(described["label"], dtype=bool)
        persons, self.person = np.unique(described["person"], return_inverse=True)
        random = np.random.default_rng(0)
        self.counts = random.multinomial(len(persons), np.full(len(persons), 1 / len(persons)), size=draws)
        self.described = described

    @cached_property
    def lists(self) -> list[NDArray[np.int64]]:
        """The rows of each query; a test without queries has none."""
        queries = self.described.get("query", [])
        order: dict[str, list[int]] = {}
        for row, name in enumerate(queries):
            order.setdefault(name, []).append(row)
        return [np.array(rows) for rows in order.values()]

    @cached_property
    def distance(self) -> Reals:
        """(N,) the retriever's."""
        return np.array(self.described["distance"], dtype=np.float64)

    def number(self, tables: Sequence[Reals], statistic: Statistic) -> Number:
        """`statistic` of the scores of each seed, averaged."""
        whole = np.ones(len(self.label))

        def mean(weight: Reals) -> float:
            try:
                return float(np.mean([statistic(self, scores, weight) for scores in tables]))
            except DataError:  # a draw with pairs of one kind alone
                return float("nan")

        return Number(mean(whole), np.array([mean(counts[self.person].astype(float)) for counts in self.counts]))


def area(pairs: Pairs, scores: Reals, weight: Reals) -> float:
    """Under the ROC curve."""
    return roc_area(scores, pairs.label, weight)


def calibration_error(pairs: Pairs, scores: Reals, weight: Reals) -> float:
    """ECE of the scores as they are."""
    rows = np.repeat(np.arange(len(scores)), weight.astype(int))
    return float(expected_calibration_error(scores[rows], pairs.label[rows]))


def hits(pairs: Pairs, order: Reals) -> Reals:
    """(queries,) whether the first candidate by `order`, smaller is nearer, shows the query's person."""
    return np.array([float(pairs.label[rows[np.argmin(order[rows])]]) for rows in pairs.lists])


def weighted_mean(pairs: Pairs, values: Reals, weight: Reals) -> float:
    """The mean over queries."""
    return float(np.average(values, weights=weight[[rows[0] for rows in pairs.lists]]))


def rank1(fusion: float) -> Statistic:
    """Share of queries whose first is right after `(1 - w) distance + w 2 (1 - P)`."""

    def of(pairs: Pairs, scores: Reals, weight: Reals) -> float:
        return weighted_mean(pairs, hits(pairs, (1 - fusion) * pairs.distance + fusion * 2 * (1 - scores)), weight)

    return of


def oracle_share(fusion: float) -> Statistic:
    """What part of the Rank-1 that a perfect verifier of the first candidates would gain is gained."""

    def of(pairs: Pairs, scores: Reals, weight: Reals) -> float:
        before = weighted_mean(pairs, hits(pairs, pairs.distance), weight)
        best = weighted_mean(pairs, np.array([float(pairs.label[rows].any()) for rows in pairs.lists]), weight)
        gained = rank1(fusion)(pairs, scores, weight) - before
        return gained / (best - before) if best > before else float("nan")

    return of


class Experiment:
    """The lines of a run, by arm."""

    def __init__(self, folder: Path, draws: int) -> None:
        described = json.loads((folder / "tests.json").read_text(encoding="utf-8"))
        self.pairs = {name: Pairs(own, draws) for name, own in described.items()}
        self.lines: dict[str, list[dict[str, Any]]] = {}
        for text in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            self.lines.setdefault(line["arm"], []).append(line)
        self.known: dict[Any, Number] = {}

    def number(self, arm: str, test: str, reading: str, statistic: Statistic, seeds: Sequence[int] = ()) -> Number:
        """Of an arm; `seeds`: of these alone, else all that it has."""
        key = (arm, test, reading, statistic.__qualname__, tuple(seeds))
        if key not in self.known:
            lines = [line for line in self.lines[arm] if not seeds or line["seed"] in seeds]
            tables = [np.array(line[f"{test} scores"][reading]) for line in lines]
            self.known[key] = self.pairs[test].number(tables, statistic)
        return self.known[key]

    def difference(
        self, first: tuple[str, str], second: tuple[str, str], test: str, statistic: Statistic
    ) -> Number | None:
        """Of two (arm, reading), over the seeds that both have; None where there are none."""
        seeds = sorted(
            set.intersection(*({line["seed"] for line in self.lines.get(arm, [])} for arm, _ in (first, second)))
        )
        if not seeds:
            return None
        ours, theirs = (self.number(arm, test, reading, statistic, seeds) for arm, reading in (first, second))
        return ours - theirs

    def means(self, arm: str, test: str, name: str) -> str:
        """A number of the words: its mean over seeds, and from which to which the seeds go."""
        values = [line[test][name] for line in self.lines[arm] if name in line[test]]
        return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def judged(number: Number | None, holds: Callable[[Number], bool], scale: float = 1.0, digits: int = 3) -> list[str]:
    """A difference and whether what was predicted of it holds."""
    if number is None:
        return ["not run", "–"]
    return [number.written(scale, digits, sign=True), "yes" if holds(number) else "no"]


def cue_shift(own: Experiment, _: float) -> str:
    """Experiment A."""
    reading = {name: "reasoned" if name.startswith("B") else "direct" for name in own.lines if name != "warm-up"}
    shown = [("warm-up", "direct"), ("warm-up", "reasoned"), *reading.items()]
    rows = [
        [arm, kind, str(len(own.lines[arm])), *(own.number(arm, test, kind, area).written() for test in own.pairs)]
        for arm, kind in shown
    ]
    leverages = [
        [arm, *(own.means(arm, test, "leverage") for test in own.pairs), stopped(own, arm)]
        for arm, kind in (("warm-up", "reasoned"), *reading.items())
        if kind == "reasoned"
    ]

    def against(first: str, second: str, test: str) -> Number | None:
        return own.difference((first, reading.get(first, "")), (second, reading.get(second, "")), test, area)

    best, full = "B-RL-20.9", "D-SFT-100"
    hypotheses = [
        ["H1", f"{best} - {full} ≥ +0.05", "unseen S1",
         *judged(against(best, full, "unseen S1"), lambda n: n.value >= 0.05 and n.interval()[0] > 0)],
        ["H2", f"{best} - B-STaR-100 > 0", "unseen S1",
         *judged(against(best, "B-STaR-100", "unseen S1"), lambda n: n.interval()[0] > 0)],
        ["H3", "D-GRPO-20.9 = D-SFT-20.9 ± 0.01", "unseen S1",
         *judged(against("D-GRPO-20.9", "D-SFT-20.9", "unseen S1"), lambda n: n.same(0.01))],
        ["H4", f"{full} - {best} not below -0.01", "seen S0",
         *judged(against(full, best, "seen S0"), lambda n: n.interval(0.9)[0] > -0.01)],
        ["", f"{best} - B-RL-20.9-random", "unseen S1",
         *judged(against(best, "B-RL-20.9-random", "unseen S1"), lambda n: n.interval()[0] > 0)],
    ]  # fmt: skip
    return "\n\n".join(
        (
            table(["arm", "score", "seeds", *own.pairs], rows),
            table(["", "hypothesis", "test", "difference of areas", "holds"], hypotheses),
            table(["leverage (seeds from, to)", *own.pairs, "stopped"], leverages),
        )
    )


def stopped(own: Experiment, arm: str) -> str:
    """How many seeds of an arm ended early."""
    return str(sum("stopped" in line for line in own.lines[arm]))


def exact_rewards(own: Experiment, fusion: float) -> str:
    """Experiment C."""
    parts = []
    for test in own.pairs:
        rows = [
            [arm, str(len(own.lines[arm])), own.number(arm, test, "direct", rank1(fusion)).written(100, 1),
             *(own.number(arm, test, kind, area).written() for kind in ("direct", "one", "mean", "reasoned"))]
            for arm in own.lines
        ]  # fmt: skip
        words = ("leverage", "leverage reasoned", "flips", "parsable", "claims", "borne out", "follows", "true")
        said = [[arm, *(own.means(arm, test, name) for name in words)] for arm in own.lines]
        equal = []
        for first, second in (("RL-exact", "SFT"), ("RL-exact", "RL-shuffled"), ("SFT", "RL-shuffled")):
            pair = (first, "direct"), (second, "direct")
            ranks, areas = (own.difference(*pair, test, statistic) for statistic in (rank1(fusion), area))
            equal.append([f"{first} - {second}", *judged(ranks, lambda n: n.same(0.01), 100, 1),
                          *judged(areas, lambda n: n.same(0.003), 100, 2)])  # fmt: skip
        parts += [
            f"**{test}**",
            table(["arm", "seeds", "Rank-1", "area, direct", "after one", "mean of all", "reasoned"], rows),
            table(["words (seeds from, to)", *words], said),
            table(["", "Rank-1, points", "same ± 1", "direct area, points", "same ± 0.3"], equal),
        ]
    return "\n\n".join(parts)


def unseen_eyes(own: Experiment, fusion: float) -> str:
    """Experiment B."""
    others = [test for test in own.pairs if test != "target"]
    rows = [
        [arm, str(len(own.lines[arm])),
         own.number(arm, "target", "direct", rank1(fusion)).written(100, 1),
         own.number(arm, "target", "direct", oracle_share(fusion)).written(100, 1),
         own.number(arm, "target", "direct", area).written(),
         own.number(arm, "target", "reasoned", area).written(),
         own.number(arm, "target", "direct", calibration_error).written(),
         *(own.number(arm, test, "direct", rank1(fusion)).written(100, 1) for test in others)]
        for arm in own.lines
    ]  # fmt: skip
    head = ["arm", "seeds", "Rank-1", "of the oracle's gain, %", "area, direct", "reasoned", "ECE"]

    def against(first: str, second: str, test: str) -> Number | None:
        return own.difference((first, "direct"), (second, "direct"), test, rank1(fusion))

    claims: list[list[str]] = []
    for part in ("100", "20.9", "20.9-random", "100-KL", "20.9-KL", "20.9-random-KL", "target"):
        number = against(f"RL-{part}", f"SFT-{part}", "target")
        claims.append(["target", f"RL-{part} = SFT-{part} ± 0.5", *judged(number, lambda n: n.same(0.005), 100, 1)])
        for test in others:
            number = against(f"RL-{part}", f"SFT-{part}", test)
            claims.append([test, f"RL-{part} - SFT-{part} > 0",
                           *judged(number, lambda n: n.interval()[0] > 0, 100, 1)])  # fmt: skip
    for first, second in (("RL-20.9", "RL-100"), ("RL-20.9", "RL-20.9-random")):
        number = against(first, second, "target")
        claims.append(["target", f"{first} - {second} not below -0.5",
                       *judged(number, lambda n: n.interval(0.9)[0] > -0.005, 100, 1)])  # fmt: skip
    for arm in ("RL-target", "SFT-target"):
        claims.append(["target", f"{arm} - warm-up > 0",
                       *judged(against(arm, "warm-up", "target"), lambda n: n.interval()[0] > 0, 100, 1)])  # fmt: skip
    return "\n\n".join(
        (
            table([*head, *(f"Rank-1, {test}" for test in others)], rows),
            table(["test", "claim, points of Rank-1", "difference", "holds"], claims),
        )
    )


TABLES = {"A": cue_shift, "B": unseen_eyes, "C": exact_rewards}


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("experiment", choices=list(TABLES))
    wanted.add_argument("run", type=Path)
    wanted.add_argument("--weight", type=float, default=0.5, help="of the score in the fused distance")
    wanted.add_argument("--draws", type=int, default=1000)
    asked = wanted.parse_args()
    print(TABLES[asked.experiment](Experiment(asked.run, asked.draws), asked.weight))


if __name__ == "__main__":
    main()
