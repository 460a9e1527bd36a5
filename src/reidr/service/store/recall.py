"""How much of the truth an approximate index finds."""

from __future__ import annotations

import numpy as np

from reidr.service.store.store import GalleryStore

QUERIES, FIRST = 100, 10


def measured_recall(store: GalleryStore) -> float:
    """Share of the true first ten crops that an approximate search finds, with stored crops as queries.

    A query finds itself; it is left out. 1 where there are no two crops.
    """
    crops = store.crops(limit=QUERIES)
    if len(crops) < 2:
        return 1.0
    queries = np.stack([crop.vector for crop in crops])
    exact = store.search(queries, FIRST + 1, exact=True)
    found = store.search(queries, FIRST + 1, exact=False)
    shares = []
    for crop, truth, hits in zip(crops, exact, found, strict=True):
        wanted = {hit.id for hit in truth if hit.id != crop.id}
        shares.append(len(wanted & {hit.id for hit in hits}) / max(1, len(wanted)))
    return float(np.mean(shares))
