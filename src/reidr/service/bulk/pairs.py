"""Which pairs are worth comparing: each query with its nearest crops, by embeddings that are cached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reidr.data.types import Crop
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.registry import load_embedder
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder

AT_ONCE = 256  # queries in one product


def nearest_names(queries: Sequence[Crop], crops: Sequence[Crop], retriever: str, nearest: int) -> Iterator[str]:
    """Query, candidate, query, candidate …: for each query its nearest crops but itself, nearest first.

    Crops without a cached embedding (unreadable ones) are left out; of another camera than the query's where both are
    known.
    """
    rows = EmbeddingCache(cache_folder(), load_embedder(retriever).fingerprint).rows
    known = [(crop, rows[key]) for crop in crops if (key := content_key(crop)) in rows]
    if not known:
        return
    gallery = np.stack([row for _, row in known])
    cameras = np.array([crop.camera or "" for crop, _ in known])
    asked = [(crop, rows[key]) for crop in queries if (key := content_key(crop)) in rows]
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        similarities = np.stack([row for _, row in part]) @ gallery.T
        for (query, _), row in zip(part, similarities, strict=True):
            barred = (cameras == query.camera) if query.camera else np.zeros(len(known), bool)
            order = np.argsort(-np.where(barred, -np.inf, row), kind="stable")
            wanted = [
                place for place in order[: nearest + 1] if not barred[place] and known[place][0].image != query.image
            ]
            for place in wanted[:nearest]:
                yield str(query.image)
                yield str(known[place][0].image)
