"""k-reciprocal re-ranking of a protocol's search: only crops that the protocol ranks take part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reidr.data.protocol import Trial
from reidr.evaluation.outcome import Progress
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.k_reciprocal import k_reciprocal
from reidr.retrieval.ranking import RankedList

ROWS = 64  # queries whose draws are looked up together


def rerank_trial(trial: Trial, queries: Gallery, gallery: Gallery, k: int, progress: Progress) -> RankedList:
    """Each query's first `k` by k-reciprocal re-ranking, as positions in the whole gallery.

    Junk is nobody's neighbour: it must not matter whether a copy of the data holds it. Where each query has a drawn
    gallery of its own, it is searched by itself in that, as if nothing else were there.
    """
    if trial.draws_per_query:
        return _one_by_one(trial, queries, gallery, k, progress)
    return _rerank(queries, gallery, np.flatnonzero(~trial.junk), slice(None), k)


def _rerank(queries: Gallery, gallery: Gallery, kept: NDArray[np.int64], rows: slice, k: int) -> RankedList:
    """Some of the queries among some of the gallery, which is all that takes part."""
    found = k_reciprocal(
        queries.features[rows],
        gallery.features if len(kept) == len(gallery) else gallery.features[kept],
        queries.ids[rows],
        tuple(gallery.ids[i] for i in kept),
        k=k,
    )
    indices = np.where(found.indices < 0, -1, kept[found.indices])
    return RankedList(found.query_ids, gallery.ids, indices, found.distances, found.made_by)


def _one_by_one(trial: Trial, queries: Gallery, gallery: Gallery, k: int, progress: Progress) -> RankedList:
    found: dict[int, RankedList] = {}
    with progress("re-ranking each query in its own gallery", len(queries)) as advance:
        for start in range(0, len(queries), ROWS):
            for row, aside in enumerate(trial.not_drawn(slice(start, start + ROWS)), start=start):
                drawn = np.flatnonzero(~aside)
                if len(drawn):  # a query may have nobody to be drawn for it
                    found[row] = _rerank(queries, gallery, drawn, slice(row, row + 1), k)
                advance(1)
    indices = np.full((len(queries), max(each.k for each in found.values())), -1, dtype=np.int64)
    distances = np.full(indices.shape, np.inf)
    for row, each in found.items():
        indices[row, : each.k], distances[row, : each.k] = each.indices[0], each.distances[0]
    steps = next(iter(found.values())).made_by
    return RankedList(queries.ids, gallery.ids, indices, distances, steps)
