"""mAP, CMC and mINP of a ranking, exact, in one pass over the distances and with a stated policy for ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, one_of, whole_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics import ties as tied
from reidr.evaluation.metrics.counting import NegativeCounts, Ties
from reidr.evaluation.metrics.matching import Clothes, Ignored, Labels, Matching, check_length, find_matches
from reidr.evaluation.metrics.oracle_gain import oracle_at_k, share_of_oracle_gain
from reidr.retrieval.duplicate_rows import find_copies
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.unit_rows import unit_rows

__all__ = [
    "AveragePrecision",
    "RankingResult",
    "Ties",
    "evaluate_features",
    "evaluate_ranking",
    "oracle_at_k",
    "share_of_oracle_gain",
]

Values = NDArray[np.float64]
LONGEST_CURVE = 100_000  # ranks that may be asked for of any gallery, however small
AveragePrecision = Literal["exact", "trapezoid"]
"""How precisions become one number: their mean at the matches, or the area under straight lines between the points of
the precision-recall curve, as in the evaluation code of Market-1501 (Zheng et al. 2015), which is never the greater."""


@dataclass(frozen=True, eq=False)
class RankingResult:
    """How well every query found its person; means are over the queries that have a match.

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
        return int((self.matches == 0).sum())

    def rank(self, k: int) -> float:
        """Rank-k, the CMC at k. Raises ReIDError for no whole number, and beyond the maximum rank that was measured."""
        k = whole_number(k, "rank")
        if not 1 <= k <= self.hits.shape[1]:
            raise ReIDError(f"rank {k} was not measured; evaluate with a maximum_rank of at least {k}")
        return float(self.hits[self.evaluated, k - 1].mean())


def evaluate_ranking(
    distances: ArrayLike,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None,
    gallery_cameras: Labels | None,
    *,
    junk: NDArray[np.bool_] | None = None,
    query_outfits: Labels | None = None,
    gallery_outfits: Labels | None = None,
    clothes: Clothes | None = None,
    ignored: Ignored | None = None,
    reranked: RankedList | None = None,
    ties: Ties = "pessimistic",
    maximum_rank: int = 50,
    average_precision: AveragePrecision = "exact",
) -> RankingResult:
    """Measure a full matrix of distances.

    Gallery crops of a query's person from the query's own camera are ignored for that query. Crops of unknown persons
    match nothing and count as wrong.

    Args:
        distances: (Q, G), smaller is nearer; float32 and float64 are compared as they are. A memory map will do: its
            rows are read in small blocks.
        query_ids, gallery_ids: person of each crop: integers or strings, one kind for both, and None (unknown: matches
            nobody). Negative integers and the string "-1" are junk, as in Market-1501: in the gallery they count for no
            query, a query with one matches nobody.
        query_cameras, gallery_cameras: camera of each crop: integers or strings, and None. An unknown camera is no
            reason to ignore a crop; None instead of a list: all are unknown.
        junk: (G,) True for crops that count for no query.
        query_outfits, gallery_outfits: outfit of each crop, likewise; compared between crops of one person only.
        clothes: "changed" also ignores crops of the same person in the same outfit, "same" those in another one.
        ignored: further pairs to ignore: (Q, G) True, or a function of a slice of queries giving those rows.
        reranked: a list of the Q queries over these G crops. Its crops come first, in its order and with its ties;
            all others follow by `distances` (see `reidr.evaluation.metrics.reranked`), so a re-ranked top k gets the
            exact metrics of the whole ranking.
        ties: see `RankingResult`.
        maximum_rank: R, the length of the CMC curve.
        average_precision: see `AveragePrecision`.

    Arrays may be lists, NumPy arrays or torch tensors.

    Raises ReIDError for a NaN (with its position), a label of another kind (with its position), arguments that do not
    belong together or are out of range, and when no query has a match (with the reasons).
    """
    matrix = as_array(distances, "distances")
    if matrix.ndim != 2:
        raise ReIDError(f"distances must have the shape (queries, gallery), not {matrix.shape}")
    maximum_rank = curve_length(maximum_rank, matrix.shape[1])
    matching = find_matches(
        query_ids, gallery_ids, query_cameras, gallery_cameras, junk=junk, query_outfits=query_outfits,
        gallery_outfits=gallery_outfits, clothes=clothes, ignored=ignored,
    )  # fmt: skip
    check(matching, matrix.shape, reranked, ties, average_precision)
    counts = NegativeCounts(matching, ties, reranked)
    counts.add(matrix, 0)
    return summarise(counts, ties, maximum_rank, average_precision)


def evaluate_features(
    query_features: ArrayLike,
    gallery_features: ArrayLike,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None,
    gallery_cameras: Labels | None,
    *,
    junk: NDArray[np.bool_] | None = None,
    query_outfits: Labels | None = None,
    gallery_outfits: Labels | None = None,
    clothes: Clothes | None = None,
    ignored: Ignored | None = None,
    reranked: RankedList | None = None,
    ties: Ties = "pessimistic",
    maximum_rank: int = 50,
    average_precision: AveragePrecision = "exact",
    block: int = 256,
) -> RankingResult:
    """The same from unit vectors, (Q, D) and (G, D): `block` rows of distances exist at a time, never the matrix.

    Crops are ranked by their cosine in single precision, which is the order of Euclidean distance; as in
    `rank_features`, a cosine beyond 1 is rounding and counts as 1. Equal gallery rows tie exactly, wherever they stand.
    Rows that differ are ranked by what the product gives: where two cosines differ by less than its rounding (some
    1e-7), their order may depend on the gallery's. Memory beside the features is about `block × G × 4` bytes. Raises
    ReIDError also for rows that are not finite or not of length 1, and for a block below 1.
    """
    block = whole_number(block, "block", least=1)
    query, gallery = single_precision("query", query_features), single_precision("gallery", gallery_features)
    if query.shape[1] != gallery.shape[1]:
        raise ReIDError(f"query features have {query.shape[1]} numbers a row, gallery features {gallery.shape[1]}")
    maximum_rank = curve_length(maximum_rank, len(gallery))
    matching = find_matches(
        query_ids, gallery_ids, query_cameras, gallery_cameras, junk=junk, query_outfits=query_outfits,
        gallery_outfits=gallery_outfits, clothes=clothes, ignored=ignored,
    )  # fmt: skip
    check(matching, (len(query), len(gallery)), reranked, ties, average_precision)
    counts = NegativeCounts(matching, ties, reranked, floor=-1.0)
    room = np.empty((min(block, len(query)), len(gallery)), dtype=np.float32)
    copies = find_copies(gallery)
    for first in range(0, len(query), block):
        rows = -query[first : first + block]
        distances = np.matmul(rows, gallery.T, out=room[: len(rows)])
        copies.level(distances)
        counts.add(distances, first)
    return summarise(counts, ties, maximum_rank, average_precision)


def curve_length(maximum_rank: int, gallery: int) -> int:
    """The rank up to which the CMC goes. Raises ReIDError beyond any use: past the gallery and `LONGEST_CURVE`."""
    return whole_number(maximum_rank, "maximum_rank", least=1, most=max(gallery, LONGEST_CURVE))


def single_precision(what: str, features: ArrayLike) -> NDArray[np.float32]:
    """`features` as float32. Raises ReIDError naming the first row that is not finite or not of length 1."""
    with np.errstate(over="ignore"):  # what overflows is infinite, and is refused as such
        array = as_array(features, f"{what} features").astype(np.float32, copy=False)
    return np.asarray(unit_rows(array, None, what), dtype=np.float32)


def check(
    matching: Matching,
    shape: tuple[int, ...],
    reranked: RankedList | None,
    ties: Ties,
    average_precision: AveragePrecision,
) -> None:
    """Raises ReIDError unless everything belongs together and some query has a match."""
    check_length("query ids", matching.queries, shape[0])
    check_length("gallery ids", matching.gallery, shape[1])
    if not matching.gallery:
        raise ReIDError("the gallery is empty; there is nothing to rank")
    one_of(ties, "ties", get_args(Ties))
    one_of(average_precision, "average_precision", get_args(AveragePrecision))
    if reranked is not None:
        if not isinstance(reranked, RankedList):
            raise ReIDError(f"reranked must be a RankedList, not {type(reranked).__name__}")
        check_length("re-ranked list, queries", len(reranked), matching.queries)
        check_length("re-ranked list, gallery", len(reranked.gallery_ids), matching.gallery)
    if not matching.matches.any():
        why = "; ".join(f"{count} {reason}" for reason, count in matching.why.items() if count)
        raise ReIDError(f"none of {matching.queries} queries has a match in the gallery: {why or 'there is no query'}")


def summarise(counts: NegativeCounts, ties: Ties, maximum_rank: int, rule: AveragePrecision = "exact") -> RankingResult:
    """Metrics from the number of wrong crops before each match."""
    matches, starts = np.diff(counts.starts), counts.starts
    queries = np.repeat(np.arange(len(matches)), matches)
    order = np.arange(1, len(queries) + 1) - starts[queries]
    ranks = order + (counts.nearer if ties == "optimistic" else counts.not_farther)
    has = matches > 0
    precision, first, penalty = (np.full(len(matches), np.nan) for _ in range(3))
    precisions = order / ranks if rule == "exact" else tied.trapezoid_precisions(order, ranks)
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
        query, found = queries[head], int(order[head]) - 1
        nearer, not_farther = int(counts.nearer[head]), int(counts.not_farther[head])
        before, crops = found + nearer, size + not_farther - nearer
        place = order[head : head + size]
        if result.rule == "exact":
            pessimistic = float(np.sum(place / (place + not_farther)))
            expected = tied.expected_precision_sum(before, found, crops, size)
        else:
            pessimistic = float(np.sum(tied.trapezoid_precisions(place, place + not_farther)))
            expected = tied.expected_trapezoid_sum(before, found, crops, size)
        result.average_precision[query] += (expected - pessimistic) / matches[query]
        if head == starts[query]:
            result.first_match_rank[query] = tied.expected_first_rank(before, crops, size)
            after = result.hits[query, before:]
            after[:] = tied.chance_of_match(crops, size, len(after))
        if head + size == starts[query + 1]:
            last = tied.expected_inverse_rank_of_last(before, crops, size)
            result.inverse_negative_penalty[query] = matches[query] * last
