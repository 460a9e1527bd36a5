"""k-reciprocal re-ranking, exact and sparse.

Zhong, Zheng, Cao, Li, "Re-ranking Person Re-identification with k-reciprocal Encoding" (CVPR 2017): two crops are alike
when they have the same neighbours that also have them as neighbours. The published algorithm holds several N × N
matrices for N = Q + G crops; here neighbour sets are found blockwise and kept sparse, and only each query's first k
come out. Nothing is approximated. Of equally distant neighbours the one that comes first (queries before gallery) is
the nearer, also at the k1-th place; equal rows are equally distant from everything. Rows that differ are compared in
the features' precision, so distances that differ by less than its rounding (some 1e-7 in single precision) are not told
apart reliably.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reidr.core.checks import instance_of, mask_rows, one_list, real_number, whole_number
from reidr.core.text import size_in_words
from reidr.errors import ReIDError
from reidr.retrieval.duplicate_rows import find_copies
from reidr.retrieval.memory import available_memory
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.nearest_lists import PENDING
from reidr.retrieval.rerankers.neighbours import TILE_COLUMNS, TILE_ROWS, nearest_neighbours, smallest_in_rows
from reidr.retrieval.rerankers.reciprocal_sets import encode
from reidr.retrieval.unit_rows import paired_rows

Reals = NDArray[np.floating[Any]]
Excluded = Callable[[slice], NDArray[np.bool_]] | NDArray[np.bool_]
FINAL_BLOCK = 128
OVERLAPS = 1 << 21  # sparse products held at a time


@dataclass(frozen=True)
class Encoding:
    """The parameters of the paper: neighbours of a set, sets averaged, and the weight of the distance (its lambda)."""

    k1: int
    k2: int
    weight: float

    @classmethod
    def checked(cls, k1: int, k2: int, weight: float) -> Encoding:
        """Raises ReIDError where one is out of range."""
        k1, k2, weight = whole_number(k1, "k1"), whole_number(k2, "k2"), real_number(weight, "weight")
        if k1 < 1 or k2 < 1 or not 0.0 <= weight <= 1.0:
            raise ReIDError(f"k-reciprocal: k1={k1} and k2={k2} must be at least 1, and lambda={weight} within [0, 1]")
        return cls(k1, k2, weight)

    @property
    def step_name(self) -> str:
        """What `RankedList.made_by` says of this step."""
        return f"k-reciprocal k1={self.k1} k2={self.k2} lambda={self.weight:g}"


def k_reciprocal(
    query_features: Reals,
    gallery_features: Reals,
    query_ids: tuple[str, ...],
    gallery_ids: tuple[str, ...],
    *,
    k: int,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
    excluded: Excluded | None = None,
    made_by: tuple[str, ...] = (),
    memory_limit: int | None = None,
) -> RankedList:
    """The k first gallery crops of each query by `(1 - weight)·Jaccard + weight·distance`.

    Args:
        query_features: (Q, D), gallery_features: (G, D), rows of length 1. All Q + G take part in the neighbour sets.
        query_ids, gallery_ids: names of the crops, Q and G of them.
        k: list length, cut to G. An entry that shares no neighbour with the query is ordered as before re-ranking.
        k1: neighbours of a set. k2: sets averaged (local query expansion). weight: the paper's lambda, in [0, 1], on
            the squared distance divided by the query's largest.
        excluded: (Q, G) True where an entry may not appear in the list, or a function of a slice of queries giving it.
        made_by: steps before this one.
        memory_limit: bytes; None takes what the machine has free.

    Raises:
        ReIDError: features that are not finite unit rows of one width, one for each id; an empty gallery; a parameter
            out of range; `excluded` of another shape; or an estimate of the memory (`estimate_memory`) beyond the
            limit. Nothing has been started then, but a function `excluded` is seen only when it is called.

    No distance is below 0, nor above 1 but by rounding.
    """
    encoding = Encoding.checked(k1, k2, weight)
    k = whole_number(k, "k")
    if k < 1:
        raise ReIDError(f"k-reciprocal: k must be at least 1, not {k}")
    query_ids, gallery_ids = tuple(one_list(query_ids, "query_ids")), tuple(one_list(gallery_ids, "gallery_ids"))
    k = min(k, len(gallery_ids))
    if excluded is not None:
        excluded = mask_rows(excluded, "excluded", len(query_ids), len(gallery_ids))
    query, gallery = _features(query_features, gallery_features, query_ids, gallery_ids)
    blocks = _final_distances(query, gallery, encoding, k, memory_limit)
    indices = np.full((len(query_ids), k), -1, dtype=np.int64)
    distances = np.full((len(query_ids), k), np.inf)
    for rows, final in blocks:
        if excluded is not None:
            final[excluded(rows)] = np.inf
        order, nearest = smallest_in_rows(final, k)
        indices[rows] = np.where(np.isinf(nearest), -1, order)
        distances[rows] = nearest
    return RankedList(query_ids, gallery_ids, indices, distances, (*made_by, encoding.step_name))


def k_reciprocal_of_list(
    ranked: RankedList,
    query_features: Reals,
    gallery_features: Reals,
    *,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> RankedList:
    """Re-rank the entries of `ranked`, and only these, by the same distance; arguments and errors as `k_reciprocal`.

    Neighbour sets are still those of all Q + G crops, so both features are needed.
    """
    instance_of(ranked, RankedList, "ranked")
    encoding = Encoding.checked(k1, k2, weight)
    query, gallery = _features(query_features, gallery_features, ranked.query_ids, ranked.gallery_ids)
    distances = np.full(ranked.distances.shape, np.inf)
    blocks = _final_distances(query, gallery, encoding, ranked.k, None)
    for rows, final in blocks:
        listed = ranked.indices[rows]
        distances[rows] = np.where(listed >= 0, np.take_along_axis(final, np.maximum(listed, 0), axis=1), np.inf)
    return ranked.reordered(distances, encoding.step_name)


def estimate_memory(queries: int, gallery: int, columns: int, k1: int = 20, k2: int = 6, k: int = 100) -> int:
    """Bytes that `k_reciprocal` adds to what is in use, features not counted: an upper figure for ordinary features.

    The joined features, a tile and a block of distances, neighbour lists with the entries that wait for them, and
    sparse rows of about `2·k1` entries, `k2` times as many after averaging (fewer, since neighbours share them), twice:
    by row and by column.
    """
    number = queries + gallery
    k1, k2 = min(k1, number), min(k2, number)  # there are no more neighbours
    joined = number * columns * 4
    block = min(TILE_ROWS, number) * min(TILE_COLUMNS, number) * 14 + FINAL_BLOCK * gallery * 16
    waiting = min(PENDING, number * number) * 48
    sparse_rows = number * 2 * k1 * 8 * (1 + 2 * k2)
    return (
        joined + block + waiting + number * (k1 + 1) * 12 + sparse_rows + queries * min(k, gallery) * 16 + OVERLAPS * 48
    )


def _features(
    query: Reals, gallery: Reals, query_ids: tuple[str, ...], gallery_ids: tuple[str, ...]
) -> tuple[Reals, Reals]:
    """Both as unit rows of one width. Raises ReIDError where they do not belong together, or one is empty."""
    for what, ids in (("query", query_ids), ("gallery", gallery_ids)):
        if not ids:
            raise ReIDError(f"k-reciprocal: the {what} is empty; there is nothing to rank")
    return paired_rows(query, gallery, query_ids, gallery_ids)


def _final_distances(
    query: Reals, candidates: Reals, encoding: Encoding, k: int, memory_limit: int | None
) -> Iterator[tuple[slice, Reals]]:
    """Blocks of queries with their (rows, G) final distances."""
    queries, gallery = len(query), len(candidates)
    k1, k2, weight = encoding.k1, encoding.k2, encoding.weight
    if memory_limit is not None:
        memory_limit = whole_number(memory_limit, "memory_limit", least=0)
    needed = estimate_memory(queries, gallery, query.shape[1], k1, k2, k) * query.itemsize // 4
    limit = available_memory() if memory_limit is None else memory_limit
    if limit is not None and needed > limit:
        raise ReIDError(
            f"k-reciprocal re-ranking of {queries} queries and {gallery} gallery crops needs about "
            f"{size_in_words(needed)} but {size_in_words(limit)} are free; use a smaller gallery or a machine with "
            "more memory"
        )
    features = np.concatenate([query, candidates])
    depth = min(max(k1 + 1, k2), len(features))
    neighbours, farthest = nearest_neighbours(features, depth)
    scale = _scale(farthest, features.shape[1])
    vectors = encode(features, neighbours, scale, k1)
    if k2 > 1:
        vectors = _averaged(vectors, neighbours[:, :k2])
    own = vectors[:queries].tocsr()
    others = vectors[queries:].tocsc()
    del vectors, neighbours
    copies = find_copies(candidates)
    for rows in _blocks(own, others):
        # weight·d/d_max + 1 - weight with d = 2 - 2·cosine: the factor goes into the query, not over the whole block.
        factor = (2.0 * weight / scale[rows])[:, None]
        final = (query[rows] * -factor).astype(features.dtype) @ candidates.T
        copies.level(final)
        final += (factor + (1.0 - weight)).astype(features.dtype)
        np.maximum(final, 1.0 - weight, out=final)
        overlap = _overlap(own, others, rows)
        shared = np.flatnonzero(overlap)
        common = overlap[shared]
        nearer = final.reshape(-1)[shared] - ((1.0 - weight) * common / (2.0 - common)).astype(final.dtype)
        # The weights of a vector sum to 1 but for rounding, so that the overlap of a crop with its copy may exceed 1.
        final.reshape(-1)[shared] = np.maximum(nearer, 0.0)
        yield rows, final


def _scale(farthest: Reals, columns: int) -> Reals:
    """(N,) what squared distances are divided by: each row's largest one.

    +inf where that is nothing but rounding, that is where all crops lie at one place: the published division would be 0
    by 0, or by a number without meaning. All of them are then at distance 0. `columns` summands, each rounded, and some
    spare.
    """
    rounding = 4 * np.finfo(farthest.dtype).eps * np.sqrt(columns)
    return np.where(farthest > rounding, farthest, np.inf).astype(farthest.dtype)


def _averaged(vectors: sparse.csr_array, neighbours: NDArray[np.int32]) -> sparse.csr_array:
    """The mean vector of each row's neighbours."""
    number, k2 = neighbours.shape
    share = np.full(neighbours.size, 1.0 / k2, dtype=np.float32)
    bounds = np.arange(0, neighbours.size + 1, k2)
    return (sparse.csr_array((share, neighbours.ravel(), bounds), shape=(number, number)) @ vectors).tocsr()


def _overlap(own: sparse.csr_array, others: sparse.csc_array, rows: slice) -> NDArray[np.float64]:
    """Sums over shared entries of the smaller weight, for (rows × G) pairs, flat.

    Vectors sum to 1, so the Jaccard distance is `1 - overlap / (2 - overlap)`.
    """
    begin, end = own.indptr[rows.start], own.indptr[rows.stop]
    column, mine = own.indices[begin:end], own.data[begin:end]
    row = np.repeat(np.arange(rows.stop - rows.start), np.diff(own.indptr[rows.start : rows.stop + 1]))
    first = others.indptr[column]
    length = others.indptr[column + 1] - first
    place = np.arange(length.sum()) + np.repeat(first - (np.cumsum(length) - length), length)
    pair = np.repeat(row * others.shape[0], length) + others.indices[place]
    smaller = np.minimum(np.repeat(mine, length), others.data[place])
    pairs = (rows.stop - rows.start) * others.shape[0]
    return np.asarray(np.bincount(pair, weights=smaller, minlength=pairs), dtype=np.float64)


def _blocks(own: sparse.csr_array, others: sparse.csc_array) -> Iterator[slice]:
    """Slices of queries, each with at most `FINAL_BLOCK` rows and, where possible, `OVERLAPS` products."""
    cost = np.add.reduceat(np.append(np.diff(others.indptr)[own.indices], 0), own.indptr[:-1]).cumsum()
    start = 0
    while start < own.shape[0]:
        spent = cost[start - 1] if start else 0
        fitting = int(np.searchsorted(cost, spent + OVERLAPS, side="right"))
        stop = min(max(fitting, start + 1), start + FINAL_BLOCK, own.shape[0])
        yield slice(start, stop)
        start = stop
