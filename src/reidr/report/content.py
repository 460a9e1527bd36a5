"""What a report says, as plain data: no model, no figure, no page. `write_report` turns it into files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image

from reidr.core.text import number_of
from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import MetricRow as MetricRow
from reidr.evaluation.experiment.rows import check_share
from reidr.evaluation.metrics.statistics import FEWEST_CASES as FEWEST_CASES
from reidr.reasoning.rationales.statements import ClaimMark as ClaimMark
from reidr.reasoning.rationales.statements import Statement as Statement

Picture = Path | Image.Image | None
Mark = Literal["right", "wrong", "junk", "unknown"]
Answer = Literal["same", "different", "insufficient"]
CurveKind = Literal["cmc", "reliability", "risk-coverage", "open-set", "cost_curve", "histogram"]
Fact = str | int | float


@dataclass(frozen=True)
class Candidate:
    """One gallery crop in a query's ranked list.

    Attributes:
        rank_before: position in the retriever's list, 1 first, junk counted as one of the list.
        rank_after: the same after fusion; None where nothing was fused.
        distance: the retriever's distance, smaller is nearer. score_after: the number that decides the order where it
            is not that distance: the fused distance, smaller is nearer.
        score_direct: the reasoner's direct score in [0, 1] as the model gives it, uncalibrated, which is what fusion
            takes; None where it was not asked. score_thinking: the same after it thought.
        probability: P(same) in [0, 1]: the direct score calibrated on training identities; None where it was not asked
            or nothing is stored to calibrate it with.
        score_name: what `score_direct` is called; it may be read from words too. score_words: P(same) that the
            reasoner reads from what it wrote alone, the pictures taken away; None where it was not asked for it.
        reasoning: what the reasoner wrote, None where it only scored or was not asked.
        statements: the reasoning again, sentence by sentence, with the marks of its claims.
        cues: what its reasoning names, as short phrases. answer: its verdict.
        tokens, seconds: what its thought cost.
        sampled: `score_thinking` is a share of drawn answers, not read from the model's probabilities.
        no_score: the reasoner was asked for its direct score and gave none (a refused or unreadable answer).
    """

    id: str
    image: Picture = field(compare=False, repr=False)
    mark: Mark
    rank_before: int
    distance: float
    rank_after: int | None = None
    person: str | None = None
    camera: str | None = None
    probability: float | None = None
    score_after: float | None = None
    reasoning: str | None = None
    cues: tuple[str, ...] = ()
    answer: Answer | None = None
    score_direct: float | None = None
    score_thinking: float | None = None
    score_name: str = "direct score"
    score_words: float | None = None
    statements: tuple[Statement, ...] = ()
    tokens: int | None = None
    seconds: float | None = None
    sampled: bool = False
    no_score: bool = False

    def __post_init__(self) -> None:
        if self.mark not in get_args(Mark):
            raise ReIDError(f"report candidate {self.id!r}: mark {self.mark!r} is not one of {get_args(Mark)}")
        if self.answer is not None and self.answer not in get_args(Answer):
            raise ReIDError(f"report candidate {self.id!r}: answer {self.answer!r} is not one of {get_args(Answer)}")
        for name in ("probability", "score_direct", "score_thinking", "score_words"):
            value = getattr(self, name)
            if value is not None:
                check_share(value, f"report candidate {self.id!r}: {name}")
        if self.rank_before < 1 or (self.rank_after is not None and self.rank_after < 1):
            raise ReIDError(f"report candidate {self.id!r}: ranks start at 1")

    @property
    def rank(self) -> int:
        """Position in the list that is shown: after fusion where there was one."""
        return self.rank_before if self.rank_after is None else self.rank_after

    @property
    def asked(self) -> bool:
        """Whether the reasoner scored this candidate or thought about it."""
        return any(each is not None for each in (self.probability, self.score_direct, self.score_thinking, self.answer))

    @property
    def decides(self) -> float:
        """The number by which candidates stand in the list that is shown, smaller first (junk aside)."""
        return self.distance if self.score_after is None else self.score_after

    def marked(self, mark: ClaimMark) -> int:
        """How many claims of its reasoning carry `mark`."""
        return sum(found == mark for statement in self.statements for _, found in statement.claims)


@dataclass(frozen=True)
class QueryCard:
    """One query and the whole head of its ranked list, junk included.

    `status` says whether the person can be found at all ("in gallery, 5 matches", "not in gallery"); `asked` why the
    reasoner was or was not asked. Average precisions are shares of 1, None where the query has no match or no truth.
    `calls` counts the model's answers for this query, each order of a scored pair and each thought; `tokens` and
    `seconds` are what its thoughts cost together.
    """

    id: str
    image: Picture = field(compare=False, repr=False)
    candidates: tuple[Candidate, ...] = ()
    person: str | None = None
    camera: str | None = None
    status: str = ""
    average_precision_before: float | None = None
    average_precision_after: float | None = None
    asked: str = ""
    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("average_precision_before", "average_precision_after"):
            value = getattr(self, name)
            if value is not None:
                check_share(value, f"report query {self.id!r}: {name}")
        if len({candidate.rank_after is None for candidate in self.candidates}) > 1:
            raise ReIDError(f"report query {self.id!r}: give every candidate a rank after fusion, or none of them")
        for when in ("rank_before", "rank"):
            rank, times = (
                Counter(getattr(c, when) for c in self.candidates).most_common(1)[0] if self.candidates else (0, 1)
            )
            if times > 1:
                raise ReIDError(f"report query {self.id!r}: {times} candidates share {when} {rank}")

    @property
    def average_precision(self) -> float | None:
        """The one that counts for ordering: after fusion where there was one."""
        after = self.average_precision_after
        return self.average_precision_before if after is None else after

    @property
    def fused(self) -> bool:
        """Whether the list was ranked a second time."""
        return any(candidate.rank_after is not None for candidate in self.candidates)

    def counted_rank(self, candidate: Candidate, *, before: bool = False) -> int | None:
        """The rank as metrics count it, junk left out; None for junk. `before` asks for the retriever's list."""
        if candidate.mark == "junk":
            return None

        def place(other: Candidate) -> int:
            return other.rank_before if before else other.rank

        own = place(candidate)
        return own - sum(other.mark == "junk" and place(other) < own for other in self.candidates)

    def first_right(self, *, before: bool = False) -> int | None:
        """Counted rank of the first right candidate that is shown, None where none is."""
        ranks = [self.counted_rank(c, before=before) for c in self.candidates if c.mark == "right"]
        return min((rank for rank in ranks if rank is not None), default=None)


@dataclass(frozen=True)
class Series:
    """One named line of a figure. `counts` are the observations behind each point (reliability), optional."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    counts: Sequence[int] | None = None


@dataclass(frozen=True)
class Curve:
    """One figure: `kind` decides the axes, `series` are drawn in order, `caption` replaces the standard one.

    Axes by kind, all shares of 1: `cmc` rank (1, 2, ...) → share of queries; `reliability` mean score or P(same) →
    share that is the same; `risk-coverage` share answered → share of errors; `open-set` FPIR → FNIR (ISO/IEC 19795-1);
    `cost_curve` calls per query (no share) → gain; `histogram` n + 1 bin edges → n counts.

    `cases` is how many observations the figure rests on, and `unit` what they are called ("query", "pair"); None: not
    known, but for figures whose series carry counts.
    """

    kind: CurveKind
    series: tuple[Series, ...]
    caption: str = ""
    x_label: str = ""
    cases: int | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(CurveKind):
            raise ReIDError(f"report curve: kind {self.kind!r} is not one of {get_args(CurveKind)}")
        for series in self.series:
            extra = 1 if self.kind == "histogram" else 0
            if len(series.x) != len(series.y) + extra:
                raise ReIDError(
                    f"report curve {self.kind} {series.name!r}: {len(series.x)} x values for {len(series.y)} y values"
                )
            if not all(math.isfinite(value) for value in (*series.x, *series.y)):
                raise ReIDError(f"report curve {self.kind} {series.name!r}: holds a value that is not finite")
        if self.cases is not None and self.cases < 0:
            raise ReIDError(f"report curve {self.kind}: the number of cases is {self.cases}; it must be at least 0")

    @property
    def observations(self) -> int | None:
        """`cases`, else the smallest number that the counts of a series add up to; None where neither is known."""
        if self.cases is not None:
            return self.cases
        if self.kind == "histogram":
            return min((int(sum(series.y)) for series in self.series), default=None)
        counted = [sum(series.counts) for series in self.series if series.counts is not None]
        return min(counted, default=None)

    @property
    def drawable(self) -> bool:
        """Whether there is anything to see: more than one observation, and a line of more than one point."""
        if self.observations is not None and self.observations < 2:
            return False
        return any(self.points(series) > 1 for series in self.series)

    def points(self, series: Series) -> int:
        """How many points of a series have a place in the figure: none at FPIR 0 on a logarithmic axis."""
        return sum(value > 0 for value in series.x) if self.kind == "open-set" else len(series.y)

    @property
    def warning(self) -> str:
        """A sentence where the figure rests on too few observations to be believed, or was not drawn; else empty."""
        number = self.observations
        if number is None or number >= FEWEST_CASES:
            return "" if self.drawable else "Not drawn: a single point is no curve."
        what = f"{number_of(number, self.unit or 'case')}"
        return f"Only {what}: read no more than that from it." if self.drawable else f"Not drawn: it rests on {what}."


@dataclass(frozen=True)
class Report:
    """Everything one page shows.

    Attributes:
        title, subtitle: what was run, on what.
        notice: what a reader must know first ("The reasoner is a barely trained nano.").
        created: date and time as text.
        facts: seed, versions, commit, data set, protocol, device, seconds, ... in the order to show.
        metric_rows: the first row with the role `retriever` is the base line, the first with the role `reasoner` is the
            one the headline speaks of, so no row is picked by its result.
        headline: replaces the sentence computed from the rows.
        checked: what the claims of reasons were held against, or that there is nothing to hold them against.
        protocol: the evaluation rule's name; stands in every file.
        trials: draws of the protocol behind each number of the rows; lists and curves are those of the first.
        numbers: what was measured beside the rows, in plain JSON and without the names of other entries of
            `metrics.json`.
        left_out: one sentence for each kind of thing, or each file, that took no part; shown on the page, counted.
        remarks: sentences about how the scores were made that a reader must know first (values estimated from drawn
            answers, pairs without a score).
    """

    title: str
    created: str
    subtitle: str = ""
    notice: str = ""
    headline: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    metric_rows: tuple[MetricRow, ...] = ()
    query_cards: tuple[QueryCard, ...] = ()
    curves: tuple[Curve, ...] = ()
    checked: str = ""
    protocol: str = ""
    trials: int = 1
    numbers: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, names in (
            ("query", [card.id for card in self.query_cards]),
            ("metric row", [row.name for row in self.metric_rows]),
        ):
            repeated = [name for name, times in Counter(names).items() if times > 1]
            if repeated:
                raise ReIDError(f"report {self.title!r}: {what} {repeated[0]!r} is given more than once")
