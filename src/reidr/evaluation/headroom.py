"""How much a re-ranker could gain on the first k crops, and how much of it a given one has gained."""

from __future__ import annotations

import numpy as np

from reidr.errors import ReIDError
from reidr.evaluation.matching import Labels, check_length, encode_labels
from reidr.retrieval.ranking import RankedList


def oracle_at_k(ranked: RankedList, query_ids: Labels, gallery_ids: Labels, k: int) -> RankedList:
    """What a perfect verifier makes of the first `k` crops: those of the query's person first, otherwise unchanged.

    Args:
        ranked: the retriever's list, without the crops the protocol ignores.
        query_ids, gallery_ids: persons, as for `evaluate_ranking`.

    Rank-1 of the result is the share of queries with a match among the retriever's first k crops (recall@k).
    """
    check_length("query ids", len(query_ids), len(ranked))  # type: ignore[arg-type]
    check_length("gallery ids", len(gallery_ids), len(ranked.gallery_ids))  # type: ignore[arg-type]
    if k < 1:
        raise ReIDError(f"k is {k}; a verifier needs at least one crop")
    head = ranked.top(k)
    persons = encode_labels("person", query_ids, gallery_ids)
    right = (persons[1][head.indices] == persons[0][:, None]) & (head.indices >= 0)
    finite = np.where(np.isfinite(head.distances), head.distances, 0.0)
    span = finite.max(axis=1, keepdims=True, initial=0.0) - finite.min(axis=1, keepdims=True, initial=0.0)
    return ranked.reordered(np.where(right, head.distances, head.distances + span + 1.0), f"oracle@{k}")


def captured_headroom(base: float, ours: float, oracle: float) -> float:
    """Share of the possible gain that was made: (ours - base) / (oracle - base); NaN where nothing could be gained.

    1 is a perfect verifier, 0 one that changes nothing, below 0 one that does harm.
    """
    return (ours - base) / (oracle - base) if oracle > base else float("nan")
