"""Labelled crops as a search on which something can be tuned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reidr.data.types import Crop, ReIDDataset


def as_search(name: str, crops: Sequence[Crop], queries: int, seed: int) -> ReIDDataset:
    """Labelled crops as a search: the first crop of each person and camera is a query, the others are the gallery.

    At most `queries` queries are kept, sampled by `seed`. Persons seen by one camera only stay in the gallery.
    """
    first: dict[tuple[str | None, str | None], Crop] = {}
    for crop in sorted(crops, key=lambda crop: crop.id):
        first.setdefault((crop.person, crop.camera), crop)
    several = {person for person, _ in first if len({c for p, c in first if p == person}) > 1}
    chosen = [crop for (person, _), crop in sorted(first.items(), key=lambda item: item[1].id) if person in several]
    taken = {crop.id for crop in chosen}
    gallery = tuple(crop for crop in crops if crop.id not in taken)
    if len(chosen) > queries:
        rows = np.sort(np.random.default_rng(seed).choice(len(chosen), queries, replace=False))
        chosen = [chosen[row] for row in rows]
    return ReIDDataset(name, None, query=tuple(chosen), gallery=gallery)
