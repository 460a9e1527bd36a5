"""k-reciprocal re-ranking of a protocol's search: only crops that the protocol ranks take part."""

from __future__ import annotations

import numpy as np

from reidr.data.protocols.trial import Trial
from reidr.errors import ReIDError
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.k_reciprocal import k_reciprocal


def rerank_trial(trial: Trial, queries: Gallery, gallery: Gallery, k: int) -> RankedList:
    """Each query's first `k` by k-reciprocal re-ranking, as positions in the whole gallery.

    Junk is nobody's neighbour: it must not matter whether a copy of the data holds it.

    Raises ReIDError where each query has a drawn gallery of its own: neighbours of neighbours need one that all share.
    """
    if trial.draws_per_query:
        raise ReIDError("k-reciprocal re-ranking needs one gallery for all queries; this protocol draws one for each")
    kept = np.flatnonzero(~trial.junk)
    found = k_reciprocal(
        queries.features,
        gallery.features if len(kept) == len(gallery) else gallery.features[kept],
        queries.ids,
        tuple(gallery.ids[i] for i in kept),
        k=k,
    )
    indices = np.where(found.indices < 0, -1, kept[found.indices])
    return RankedList(found.query_ids, gallery.ids, indices, found.distances, found.made_by)
