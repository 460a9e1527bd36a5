"""What was measured of a ranking: per query and as means; and how it follows from counts of wrong crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.counting import ties as tied
from reidr.evaluation.metrics.counting.negative_counts import NegativeCounts, Ties
from reidr.retrieval.average_precision import precision_at_matches

Values = NDArray[np.float64]
AveragePrecision = Literal["exact", "trapezoid"]
"""How precisions become one number: their mean at the matches, or the area under straight lines between the points of
the precision-recall curve, as in the evaluation code of Market-1501 (Zheng et al. 2015), which is never the greater."""


@dataclass(frozen=True, eq=False)
class RankingResult:
    """How well every query retrieved its person; means are over the queries that have a match.

    Attributes:
        average_precision: (Q,) mean of the precisions at a query's matches (or see `rule`); NaN where it has none.
        first_match_rank: (Q,) rank of the nearest match, from 1; NaN where there is none.
        inverse_negative_penalty: (Q,) matches / rank of the farthest match (Ye et al. 2021); NaN where there is none.
        matches: (Q,) number of gallery crops that count as right.
        hits: (Q, R) 1 where a match is among the first 1, 2, … R crops, else 0; NaN where there is none.
        ties: how a match was placed among wrong crops at exactly its distance: behind them ("pessimistic"), before
            them ("optimistic"), or every order equally likely ("expected": all of the above are expected values).
        rule: of `average_precision`: "exact", or "trapezoid" (see `AveragePrecision`).
    """

    average_precision: Values
    first_match_rank: Values
    inverse_negative_penalty: Values
    matches: NDArray[np.int64]
    hits: Values
    ties: Ties
    rule: AveragePrecision = "exact"

    @property
    def mean_average_precision(self) -> float:
        """mAP: mean of `average_precision`."""
        return float(self.average_precision[self.evaluated].mean())

    @property
    def mean_inverse_negative_penalty(self) -> float:
        """mINP: mean of `inverse_negative_penalty`."""
        return float(self.inverse_negative_penalty[self.evaluated].mean())

    @property
    def cmc(self) -> Values:
        """(R,) cumulative matching characteristic: share of queries with a match among the first 1, 2, … R crops."""
        return np.asarray(self.hits[self.evaluated].mean(axis=0))

    @property
    def evaluated(self) -> NDArray[np.bool_]:
        """(Q,) True for the queries that have a match."""
        return self.matches > 0

    @property
    def queries_without_match(self) -> int:
        """Number of queries that enter no mean because nothing in the gallery matches them."""
        return int((~self.evaluated).sum())

    def rank(self, k: int) -> float:
        """Rank-k, the CMC at k. Raises ReIDError for no whole number, and beyond the maximum rank that was measured."""
        k = whole_number(k, "rank")
        if not 1 <= k <= self.hits.shape[1]:
            raise ReIDError(f"rank {k} was not measured; evaluate with a maximum_rank of at least {k}")
        return float(self.hits[self.evaluated, k - 1].mean())


def summarise(counts: NegativeCounts, ties: Ties, maximum_rank: int, rule: AveragePrecision = "exact") -> RankingResult:
    """Metrics from the number of wrong crops before each match."""
    matches, starts = np.diff(counts.starts), counts.starts
    queries = np.repeat(np.arange(len(matches)), matches)
    order = np.arange(1, len(queries) + 1) - starts[queries]
    ranks = order + (counts.nearer if ties == "optimistic" else counts.not_farther)
    has = matches > 0
    precision, first, penalty = (np.full(len(matches), np.nan) for _ in range(3))
    precisions = precision_at_matches(order, ranks) if rule == "exact" else tied.trapezoid_precisions(order, ranks)
    precision[has] = (np.bincount(queries, precisions, len(matches)) / np.maximum(matches, 1))[has]
    first[has] = ranks[starts[:-1][has]]
    penalty[has] = matches[has] / ranks[starts[1:][has] - 1]
    hits = np.where(np.isnan(first)[:, None], np.nan, np.arange(1, maximum_rank + 1) >= first[:, None])
    result = RankingResult(precision, first, penalty, matches, hits, ties, rule)
    if ties == "expected":
        share_out_ties(result, counts, order, queries)
    return result


def share_out_ties(
    result: RankingResult, counts: NegativeCounts, order: NDArray[np.int64], queries: NDArray[np.int64]
) -> None:
    """Replace, in place, the pessimistic contribution of every group of tied crops by its expected value."""
    matches, starts = result.matches, counts.starts
    distances = counts.distances
    opens = np.ones(len(order), dtype=bool)
    opens[1:] = (distances[1:] != distances[:-1]) | (queries[1:] != queries[:-1])
    heads = np.flatnonzero(opens)
    sizes = np.diff(np.append(heads, len(order)))
    mixed = counts.not_farther[heads] > counts.nearer[heads]
    for head, size in zip(heads[mixed].tolist(), sizes[mixed].tolist(), strict=True):
        query, earlier = queries[head], int(order[head]) - 1
        nearer, not_farther = int(counts.nearer[head]), int(counts.not_farther[head])
        before, crops = earlier + nearer, size + not_farther - nearer
        place = order[head : head + size]
        if result.rule == "exact":
            pessimistic = float(np.sum(place / (place + not_farther)))
            expected = tied.expected_precision_sum(before, earlier, crops, size)
        else:
            pessimistic = float(np.sum(tied.trapezoid_precisions(place, place + not_farther)))
            expected = tied.expected_trapezoid_sum(before, earlier, crops, size)
        result.average_precision[query] += (expected - pessimistic) / matches[query]
        if head == starts[query]:
            result.first_match_rank[query] = tied.expected_first_rank(before, crops, size)
            after = result.hits[query, before:]
            after[:] = tied.chance_of_match(crops, size, len(after))
        if head + size == starts[query + 1]:
            last = tied.expected_inverse_rank_of_last(before, crops, size)
            result.inverse_negative_penalty[query] = matches[query] * last
