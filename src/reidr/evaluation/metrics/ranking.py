"""mAP, CMC and mINP of a ranking, exact, in one pass over the distances and with a stated policy for ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, instance_of, one_of, whole_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.counting.negative_counts import NegativeCounts, Ties
from reidr.evaluation.metrics.labels import Labels
from reidr.evaluation.metrics.matching import Clothes, Ignored, LabelledCrops, Matching, check_length, find_matches
from reidr.evaluation.metrics.ranking_result import AveragePrecision, RankingResult, summarise
from reidr.retrieval.duplicate_rows import find_copies
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.unit_rows import unit_rows

if TYPE_CHECKING:
    from reidr.data.protocols.trial import Trial

Values = NDArray[np.float64]
LONGEST_CURVE = 100_000  # maximum rank that is accepted for any gallery, however small


def evaluate_ranking(
    distances: ArrayLike,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None,
    gallery_cameras: Labels | None,
    *,
    junk: ArrayLike | None = None,
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
            all others follow by `distances` (see `counting/reranked.py`), so a re-ranked top k gets the
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
    queries = LabelledCrops(query_ids, query_cameras, query_outfits)
    gallery = LabelledCrops(gallery_ids, gallery_cameras, gallery_outfits)
    matching = find_matches(queries, gallery, junk=junk, clothes=clothes, ignored=ignored)
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
    junk: ArrayLike | None = None,
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
    labels = (
        LabelledCrops(query_ids, query_cameras, query_outfits),
        LabelledCrops(gallery_ids, gallery_cameras, gallery_outfits),
    )
    matching = find_matches(*labels, junk=junk, clothes=clothes, ignored=ignored)
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


def evaluate(
    ranked: RankedList,
    trial: Trial,
    *,
    ties: Ties = "pessimistic",
    maximum_rank: int = 50,
    average_precision: AveragePrecision = "exact",
    block: int = 256,
) -> RankingResult:
    """Measure a ranked list of a trial's queries over its gallery, however the list was made.

    Exact where the list holds every gallery crop that counts. A crop that is not listed stands behind all that are, all
    of them at one distance, so a list of k crops has the exact Rank-1 to Rank-k and, with pessimistic ties, the least
    mAP that the list allows. To measure a re-ranked top k exactly, pass it as `reranked` to `evaluate_features`.

    Args:
        ranked: (Q, k) of the queries and the gallery of `trial`, in their order. Crops that the protocol ignores may be
            in it or not: they do not count. trial: from `reidr.data.protocols.trial.trials`.
        ties, maximum_rank, average_precision: see `evaluate_ranking`. block: rows of distances in memory at a time.

    Raises ReIDError for a list of other crops, arguments out of range, and when no query has a match.
    """
    instance_of(ranked, RankedList, "ranked")
    block = whole_number(block, "block", least=1)
    for what, ids, crops in (
        ("queries", ranked.query_ids, trial.query),
        ("gallery", ranked.gallery_ids, trial.gallery),
    ):
        if tuple(ids) != tuple(crop.id for crop in crops):
            raise ReIDError(f"the ranked list and the trial are not of the same {what}, in the same order")
    shape = len(ranked), len(ranked.gallery_ids)
    given = trial.arguments()
    matching = find_matches(
        LabelledCrops(given["query_ids"], given["query_cameras"], given.get("query_outfits")),
        LabelledCrops(given["gallery_ids"], given["gallery_cameras"], given.get("gallery_outfits")),
        **{name: given[name] for name in ("junk", "clothes", "ignored") if name in given},
    )
    check(matching, shape, None, ties, average_precision)
    counts = NegativeCounts(matching, ties)
    for first in range(0, shape[0], block):
        counts.add(listed_rows(ranked, slice(first, first + block)), first)
    return summarise(counts, ties, curve_length(maximum_rank, shape[1]), average_precision)


def listed_rows(ranked: RankedList, rows: slice) -> Values:
    """(rows, G) distances of a list's crops at their places in the gallery, infinity for all others."""
    indices, distances = ranked.indices[rows], ranked.distances[rows]
    table = np.full((len(indices), len(ranked.gallery_ids)), np.inf)
    row, column = np.nonzero(indices >= 0)
    table[row, indices[row, column]] = distances[row, column]
    return table


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
