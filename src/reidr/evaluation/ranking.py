"""mAP, CMC and mINP of a ranking: exact, by counting instead of sorting, from a distance matrix or from features.

For each query the rank of a match is one plus the number of counted entries put before it; nothing else of the row's
order matters. A row is therefore compared with its few match distances and never sorted. Ranks are integers and
averages float64, so the result is exact for the distances given, whatever their type.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.errors import ReIDError
from reidr.evaluation.averages import Matches, PerQuery, Ties, per_query
from reidr.evaluation.row_counts import count_rows
from reidr.evaluation.relevance import Clothes, Labels, Relevance, SamePerson
from reidr.evaluation.replacement import ListReplacement, unit_rows
from reidr.retrieval.ranking import RankedList

BLOCK = 512


@dataclass(frozen=True, eq=False)
class RankingResult:
    """What a ranking is worth, query by query.

    Attributes:
        average_precision, inverse_negative_penalty: (Q,) in (0, 1], NaN where a query has no match.
        first_match_rank: (Q,) 1 is best, NaN where there is no match; a mean over tie orders for `expected` ties.
        matches: (Q,) counted matches in the gallery.
        hits: (Q, R) 1 where a match is within rank r + 1, else 0 (for `expected` ties the chance), NaN without a match.
        ties: how tied distances were ordered.
    """

    average_precision: NDArray[np.float64]
    first_match_rank: NDArray[np.float64]
    inverse_negative_penalty: NDArray[np.float64]
    matches: NDArray[np.int64]
    hits: NDArray[np.float64]
    ties: Ties

    @property
    def queries(self) -> int:
        """Number of queries, those without a match included."""
        return len(self.matches)

    @property
    def queries_without_match(self) -> int:
        """Queries whose person is not in the counted gallery; no mean below includes them."""
        return int((self.matches == 0).sum())

    @property
    def mean_average_precision(self) -> float:
        """mAP over the queries that have a match."""
        return self._mean(self.average_precision)

    @property
    def mean_inverse_negative_penalty(self) -> float:
        """mINP over the queries that have a match."""
        return self._mean(self.inverse_negative_penalty)

    @property
    def cmc(self) -> NDArray[np.float64]:
        """(R,) cumulative matching characteristic: share of queries with a match within rank 1, 2, …, R."""
        mean: NDArray[np.float64] = self.hits[self.matches > 0].mean(axis=0)
        return mean

    def rank(self, k: int) -> float:
        """Rank-k accuracy, the CMC at k. Raises ReIDError beyond the maximum rank that was measured."""
        if not 1 <= k <= self.hits.shape[1]:
            raise ReIDError(f"rank {k} was not measured; give evaluate_ranking a maximum_rank of at least {k}")
        return self._mean(self.hits[:, k - 1])

    def _mean(self, values: NDArray[np.float64]) -> float:
        return float(values[self.matches > 0].mean())


def evaluate_ranking(
    distances: ArrayLike,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels,
    gallery_cameras: Labels,
    *,
    junk: ArrayLike | None = None,
    query_outfits: Labels | None = None,
    gallery_outfits: Labels | None = None,
    clothes: Clothes | None = None,
    ignored: NDArray[np.bool_] | None = None,
    ties: Ties = "pessimistic",
    maximum_rank: int = 50,
    workers: int | None = None,
) -> RankingResult:
    """Evaluate a full distance matrix.

    Args:
        distances: (Q, G), smaller is nearer; any real type, infinities allowed.
        query_ids, gallery_ids: persons (text, integers, or None for unknown: a query without matches, a distractor).
        query_cameras, gallery_cameras: a gallery entry of the query's person *and* camera is ignored; None is an
            unknown camera and equals no other.
        junk: (G,) bool, entries dropped for every query (Market-1501's person -1).
        query_outfits, gallery_outfits, clothes: with `clothes="changed"` also ignore the same person in the same
            outfit, with `"same"` the same person in another outfit (LTCC's rules). Compared for the same person only.
        ignored: (Q, G) bool, further entries left out for single queries.
        ties: order of equal distances: matches last (`pessimistic`), first (`optimistic`), or the exact mean over all
            orders (`expected`).
        maximum_rank: length of the CMC.
        workers: threads, None for one per core.

    Raises:
        ReIDError: a NaN distance (with its query and gallery position), sizes or options that do not fit, or no query
            with a match.
    """
    relevance = Relevance(
        query_ids, gallery_ids, query_cameras, gallery_cameras, junk, query_outfits, gallery_outfits, clothes
    )
    matrix = np.asarray(distances)
    if matrix.shape != (relevance.queries, relevance.gallery):
        raise ReIDError(
            f"distances {matrix.shape} do not fit {relevance.queries} queries and {relevance.gallery} gallery entries"
        )
    _check_options(relevance, ignored, ties, maximum_rank)
    common = np.zeros(relevance.gallery, dtype=np.bool_)
    common[relevance.kept] = True
    parts = []
    for start in range(0, relevance.queries, BLOCK):
        rows = slice(start, start + BLOCK)
        same = relevance.of(rows)
        same = replace(same, gallery=relevance.kept[same.gallery])
        keep = None if common.all() else common
        if ignored is not None:
            keep = ~ignored[rows] & common
            same = _without(same, ~keep)
        found = _count_block(matrix[rows], same, keep, ties, workers, start)
        parts.append(per_query(found, len(matrix[rows]), ties, maximum_rank))
    return _joined(parts, ties)


def evaluate_features(
    query_features: NDArray[np.floating[Any]],
    gallery_features: NDArray[np.floating[Any]],
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels,
    gallery_cameras: Labels,
    *,
    junk: ArrayLike | None = None,
    query_outfits: Labels | None = None,
    gallery_outfits: Labels | None = None,
    clothes: Clothes | None = None,
    ignored: NDArray[np.bool_] | None = None,
    ties: Ties = "pessimistic",
    maximum_rank: int = 50,
    workers: int | None = None,
    block: int = BLOCK,
    reranked: RankedList | None = None,
) -> RankingResult:
    """Evaluate L2-normalised features by Euclidean distance, blockwise: the full matrix is never held.

    Args:
        query_features: (Q, D), gallery_features: (G, D), rows of length 1.
        block: queries at a time; memory beyond the features is about `block × G × 5` bytes.
        reranked: a list over this gallery whose order replaces the retriever's: its entries come first, sorted by its
            distances; everything else follows by Euclidean distance. Where the list is the retriever's own head and
            still ends at the retriever's distance, an entry outside it at that same distance stays tied with its end,
            so a re-ranking that changes nothing changes no metric. Ignored entries may be listed; they do not count.

    The other arguments are those of `evaluate_ranking`; one ordering is all that matters, so cosines are compared and
    no square root is taken.

    Raises:
        ReIDError: as `evaluate_ranking`; features that are not finite unit rows; a list of another size.
    """
    relevance = Relevance(
        query_ids, gallery_ids, query_cameras, gallery_cameras, junk, query_outfits, gallery_outfits, clothes
    )
    _check_options(relevance, ignored, ties, maximum_rank)
    query = unit_rows(query_features, relevance.queries, "query")
    gallery = unit_rows(gallery_features, relevance.gallery, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ReIDError(f"query features have {query.shape[1]} columns but gallery features {gallery.shape[1]}")
    replacement = None if reranked is None else ListReplacement(reranked, relevance)
    gallery = gallery if len(relevance.kept) == len(gallery) else gallery[relevance.kept]
    memory = np.empty((min(block, len(query)), len(gallery)), dtype=np.result_type(query, gallery))
    parts = []
    for start in range(0, len(query), block):
        rows = slice(start, start + block)
        keys = memory[: len(query[rows])]
        np.matmul(-query[rows], gallery.T, out=keys)
        same = relevance.of(rows)
        keep = None
        if ignored is not None:
            keep = ~ignored[rows][:, relevance.kept]
            same = _without(same, ~keep)
        if replacement is not None:
            replacement.apply(keys, rows, same, keep)
        found = _count_block(keys, same, keep, ties, workers, start, least=-1.0 if replacement is None else -np.inf)
        parts.append(per_query(found, len(keys), ties, maximum_rank))
    return _joined(parts, ties)


def oracle_at_k(ranked: RankedList, is_match: NDArray[np.bool_]) -> RankedList:
    """What a perfect verifier makes of a list: in each row all matches first, else the order kept.

    Args:
        is_match: (Q, k) True where the entry shows the query's person; at most `ranked.k` columns, the rest stays.

    Raises:
        ReIDError: `is_match` does not fit `ranked`.
    """
    depth = is_match.shape[1] if is_match.ndim == 2 else -1
    if len(is_match) != len(ranked) or not 0 <= depth <= ranked.k:
        raise ReIDError(f"is_match {is_match.shape} does not fit a ranked list of ({len(ranked)}, {ranked.k})")
    known = np.isfinite(ranked.distances)
    low = np.where(known, ranked.distances, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, ranked.distances, -np.inf).max(axis=1, initial=-np.inf)
    # One span beyond the nearest entry, so that every match stands strictly before every other entry.
    ahead = np.where(np.isfinite(low), high - low, 0.0) + 1.0
    distances = ranked.distances.copy()
    distances[:, :depth] -= np.where(np.asarray(is_match, dtype=bool) & known[:, :depth], ahead[:, None], 0.0)
    order = np.argsort(distances, axis=1, kind="stable")
    return replace(
        ranked,
        indices=np.take_along_axis(ranked.indices, order, axis=1),
        distances=np.take_along_axis(distances, order, axis=1),
        made_by=(*ranked.made_by, f"oracle@{depth}"),
    )


def captured_headroom(base: float, ours: float, oracle: float) -> float:
    """Share of the oracle's gain that we reach, `(ours - base) / (oracle - base)`: 0 is the retriever, 1 the oracle.

    NaN where the oracle gains nothing (there was nothing to capture); negative where we are worse than the retriever.
    Raises ReIDError where the oracle is below the base, which a perfect verifier cannot be.
    """
    if oracle < base:
        raise ReIDError(f"the oracle ({oracle:g}) is below the base ({base:g}); they were not measured on the same list")
    return (ours - base) / (oracle - base) if oracle > base else float("nan")


def _count_block(
    keys: NDArray[np.floating[Any]],
    same: SamePerson,
    keep: NDArray[np.bool_] | None,
    ties: Ties,
    workers: int | None,
    first_query: int,
    least: float = -np.inf,
) -> Matches:
    """The matches of a block, each with the numbers of counted non-matches before it.

    Rows are counted whole; entries of the query's own person (matches and ignored ones) are then subtracted.
    """
    key = np.maximum(keys[same.query, same.gallery], keys.dtype.type(least)) if least > -np.inf else keys[
        same.query, same.gallery
    ]
    order = np.lexsort((key, same.query))
    query, key, match = same.query[order], key[order], same.match[order]
    number = np.bincount(query, minlength=len(keys))
    begin = np.cumsum(number) - number
    tied = np.zeros(len(query), dtype=np.bool_)
    tied[1:] = (query[1:] == query[:-1]) & (key[1:] == key[:-1])
    run = np.cumsum(~tied) - 1
    run_start = np.flatnonzero(~tied)
    run_stop = np.append(run_start[1:], len(query))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(query[match], minlength=len(keys)))])
    chosen = np.flatnonzero(match)

    def others(strict: bool) -> NDArray[np.int64]:
        threads = workers or os.cpu_count() or 1
        counts = count_rows(
            keys, key[chosen], bounds, keep, strict=strict, workers=threads, first_query=first_query
        )
        own = (run_start if strict else run_stop)[run[chosen]] - begin[query[chosen]]
        return counts - own

    not_farther = others(strict=False) if ties != "optimistic" else np.empty(0, dtype=np.int64)
    nearer = others(strict=True) if ties != "pessimistic" else not_farther
    again = np.zeros(len(chosen), dtype=np.bool_)
    again[1:] = run[chosen][1:] == run[chosen][:-1]
    return Matches(query[chosen], again, nearer, not_farther if ties != "optimistic" else nearer)


def _without(same: SamePerson, ignored: NDArray[np.bool_]) -> SamePerson:
    """The pairs less those that a (B, columns) mask leaves out."""
    stays = ~ignored[same.query, same.gallery]
    return SamePerson(same.query[stays], same.gallery[stays], same.match[stays])


def _check_options(
    relevance: Relevance, ignored: NDArray[np.bool_] | None, ties: Ties, maximum_rank: int
) -> None:
    if ties not in get_args(Ties):
        raise ReIDError(f"ties must be one of {get_args(Ties)}, not {ties!r}")
    if maximum_rank < 1:
        raise ReIDError(f"maximum_rank must be at least 1, not {maximum_rank}")
    if not relevance.queries:
        raise ReIDError("there is no query to evaluate")
    wanted = (relevance.queries, relevance.gallery)
    if ignored is not None and (ignored.shape != wanted or ignored.dtype != np.bool_):
        raise ReIDError(f"ignored must be {wanted} bool, not {ignored.shape} {ignored.dtype}")


def _joined(parts: list[PerQuery], ties: Ties) -> RankingResult:
    """One result of all blocks. Raises ReIDError when no query has a match."""
    result = RankingResult(
        np.concatenate([part.average_precision for part in parts]),
        np.concatenate([part.first_match_rank for part in parts]),
        np.concatenate([part.inverse_negative_penalty for part in parts]),
        np.concatenate([part.matches for part in parts]),
        np.concatenate([part.hits for part in parts]),
        ties,
    )
    if result.queries_without_match == result.queries:
        raise ReIDError(
            f"none of the {result.queries} queries has a match in the gallery; check the ids, the cameras and the protocol"
        )
    return result
