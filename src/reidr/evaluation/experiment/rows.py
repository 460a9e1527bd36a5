"""The rows of an evaluation: each is one method of ranking, distinguished by typed fields, never by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from reidr.errors import ReIDError
from reidr.evaluation.metrics.names import metric_values
from reidr.evaluation.metrics.ranking_result import RankingResult

Role = Literal["retriever", "baseline", "reranker", "reasoner", "oracle"]
"""What a row is: the retriever that is evaluated; another embedder beside it; the same candidates in another order
without scores of a reasoner; an order that uses such scores; the best order of the same first candidates."""
Interval = tuple[float, float]

CSLS, K_RECIPROCAL = "CSLS", "k-reciprocal"
VISION_SIMILARITY = "vision similarity"
ADAPTIVE, THINKING, REASONED = "adaptive", "thinking", "reasoned"
AFTER_K_RECIPROCAL = "after k-reciprocal"


class Method(Protocol):
    """What distinguishes rows."""

    @property
    def name(self) -> str:
        """What tables call it; unique among the rows."""

    @property
    def role(self) -> Role:
        """What kind of method it is."""

    @property
    def built_on(self) -> tuple[str, ...]:
        """Names of the rows whose list it starts from."""


AnyRow = TypeVar("AnyRow", bound=Method)


@dataclass(frozen=True, eq=False)
class Row:
    """One method, its result over the queries of one trial, and what it cost.

    Attributes:
        name: for reading. calls: of the reasoner. seconds: wall time. note: one short remark.
        role: see `Role`. variant: distinguishes it within its role ("" for the one that the inference profile gives;
            of an oracle the number of first candidates that it sorts).
        built_on: names of the rows without a reasoner whose list this one re-ranks, the retriever's first.
    """

    name: str
    result: RankingResult
    calls: int = 0
    seconds: float = 0.0
    note: str = ""
    role: Role = field(kw_only=True)
    variant: str = field(default="", kw_only=True)
    built_on: tuple[str, ...] = field(default=(), kw_only=True)

    def metrics(self) -> dict[str, float]:
        """Every metric of `metrics.names.METRICS` by its key, as shares of 1."""
        return metric_values(self.result)


@dataclass(frozen=True)
class MetricRow:
    """One line of a table of metrics: what `Row` is for one trial, as means over all of them.

    Attributes:
        metrics: by key (`mAP`, `rank1`, `rank5`, `rank10`, `mINP`, ...), each a share of 1.
        intervals: bootstrap interval (low, high) of a metric, shares of 1.
        gains: interval (low, high) of the paired difference to the retriever's row, shares of 1, each in [-1, 1].
        gains_over: the same to the other rows that it is built on, by their names.
        queries: number of queries behind the row.
        calls: calls of the reasoner in total. seconds: wall time in total. note: one short remark.
        role, variant, built_on: see `Row`.
    """

    name: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    gains: Mapping[str, Interval] = field(default_factory=dict)
    queries: int | None = None
    calls: int | None = None
    seconds: float | None = None
    note: str = ""
    gains_over: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    role: Role = field(kw_only=True)
    variant: str = field(default="", kw_only=True)
    built_on: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            check_share(value, f"report row {self.name!r}: {name}")
        differences = ((table, -1.0) for table in (self.gains, *self.gains_over.values()))
        for table, least in ((self.intervals, 0.0), *differences):
            for name, (low, high) in table.items():
                if not least <= low <= high <= 1.0:
                    raise ReIDError(
                        f"report row {self.name!r}: interval ({low}, {high}) of {name} must run upwards "
                        f"within [{least:g}, 1]"
                    )


def built_on(row: Method, rows: Sequence[AnyRow]) -> tuple[AnyRow, ...]:
    """The rows whose list `row` starts from, in the order of `rows`; the retriever's where it names none of them."""
    named = tuple(other for other in rows if other.name in row.built_on)
    return named or tuple(other for other in rows if other.role == "retriever")


def check_share(value: float, what: str) -> None:
    """Refuse anything but a finite number in [0, 1]; `what` opens the sentence."""
    if not 0.0 <= value <= 1.0:
        raise ReIDError(f"{what} is {value!r}; it must be a share between 0 and 1, not a percentage")
