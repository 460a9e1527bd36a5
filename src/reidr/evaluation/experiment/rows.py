"""The rows of a report's table: numbers of one way of ranking, and what kind of way it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reidr.errors import ReIDError

Role = Literal["retriever", "baseline", "re-ranking", "vision similarity", "reasoner", "oracle", "other"]
"""What a row of the table is: the retriever alone; another embedder; the same candidates in another order without a
reasoner (CSLS, k-reciprocal); the order by a reasoner's vision encoder, no pair asked; with a reasoner that
was asked; the best order of the same first candidates."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class MetricRow:
    """One line of the table of metrics: one way of ranking, measured over all queries.

    Attributes:
        name: starts with `retriever`, `local scaling`, `k-reciprocal`, `reasoner` or `oracle` (`oracle@10`): `role`
            follows from it.
        metrics: by name (`mAP`, `rank1`, `rank5`, `rank10`, `mINP`, ...), each a share of 1.
        intervals: bootstrap interval (low, high) of a metric, shares of 1.
        gains: interval (low, high) of the paired difference to the retriever's row, shares of 1, each in [-1, 1].
        gains_over: the same to other rows that ask no reasoner, by their names.
        queries: number of queries behind the row.
        calls: calls of the reasoner in total. seconds: wall time in total.
        note: one short remark.
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

    @property
    def role(self) -> Role:
        """What kind of row this is."""
        return role_of(self.name)

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


def role_of(name: str) -> Role:
    """The role of the row called `name`: the one place where the letters of a row's name are read."""
    first = name.casefold()
    if first.startswith("reasoner"):
        # A glance is the cosines of the reasoner's vision encoder: no pair was put before it.
        return "vision similarity" if first.endswith((" glance", " vision similarity")) else "reasoner"
    if "then reasoner" in first:
        return "reasoner"
    if first.startswith(("CSLS", "csls", "k-reciprocal", "z-norm")):
        return "re-ranking"
    known: tuple[Role, ...] = ("retriever", "baseline", "oracle")
    return next((role for role in known if first.startswith(role)), "other")


def built_on(row: MetricRow, rows: Sequence[MetricRow]) -> tuple[MetricRow, ...]:
    """The rows of `rows` that ask no reasoner and whose list this reasoner's `row` starts from, the retriever first.

    A reasoner that is asked after k-reciprocal re-ranking starts from that; any other from the retriever's list, which
    is CSLS wherever the page has such a row.
    """
    after = row.name.casefold().startswith("k-reciprocal")
    return tuple(
        other
        for other in rows
        if (other.role == "retriever" and not after)
        or (other.role == "re-ranking" and other.name.casefold().startswith("k-reciprocal") == after)
    )


def check_share(value: float, what: str) -> None:
    """Refuse anything but a finite number in [0, 1]; `what` opens the sentence."""
    if not 0.0 <= value <= 1.0:
        raise ReIDError(f"{what} is {value!r}; it must be a share between 0 and 1, not a percentage")
