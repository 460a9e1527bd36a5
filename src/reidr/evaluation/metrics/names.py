"""The metrics of a ranking: the one table of their names, symbols, titles and values. Add a metric here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.metrics.ranking_result import RankingResult

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        key: its name in JSON and CSV, and in `Row.metrics`. title: in tables and sentences. symbol: in LaTeX tables,
            where columns are narrow. value: the mean over the queries that have a match, a share of 1.
        per_query: (E,) the same of each of these E queries; None: results are not compared by it.
        field: its name among the values of a query in a result file (`RowValues`), where it is kept there.
    """

    key: str
    title: str
    symbol: str
    value: Callable[[RankingResult], float]
    per_query: Callable[[RankingResult], Reals] | None = None
    field: str = ""


def _precisions(result: RankingResult) -> Reals:
    return result.average_precision[result.evaluated]


def _first_is_right(result: RankingResult) -> Reals:
    return (result.first_match_rank[result.evaluated] <= 1).astype(float)


METRICS: Mapping[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("mAP", "mAP", "mAP", lambda r: r.mean_average_precision, _precisions, "average_precision"),
        Metric("rank1", "Rank-1", "R1", lambda r: r.rank(1), _first_is_right, "rank1"),
        Metric("rank5", "Rank-5", "R5", lambda r: r.rank(5)),
        Metric("rank10", "Rank-10", "R10", lambda r: r.rank(10)),
        Metric("mINP", "mINP", "mINP", lambda r: r.mean_inverse_negative_penalty),
    )
}
"""By key, in the order of tables."""
COMPARED = {key: metric for key, metric in METRICS.items() if metric.per_query is not None}
"""Those with a value for each query: they get intervals, differences and shares of oracle gain."""


def metric_values(result: RankingResult) -> dict[str, float]:
    """Every metric of a ranking by key, as shares of 1."""
    return {key: metric.value(result) for key, metric in METRICS.items()}


def values_per_query(result: RankingResult) -> dict[str, Reals]:
    """By key the (E,) values of the queries that have a match, whose means are the metric."""
    return {key: metric.per_query(result) for key, metric in COMPARED.items() if metric.per_query is not None}
