"""Leave-one-out: queries and gallery put together, each crop searched for among all the others."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError


def pooled(dataset: ReIDDataset, identity: Callable[[Crop], Hashable]) -> ReIDDataset:
    """The data set with all its crops of query and gallery as the gallery, and those of known people as queries too.

    A picture (the value of `identity`) that is listed as both counts once, with its labels in the gallery. What keeps a
    query from finding itself is the rule of every protocol that a query's own picture is ignored.
    Raises DataError where there is no crop, or two different pictures have one id.
    """
    crops: dict[Hashable, Crop] = {}
    for crop in (*dataset.gallery, *dataset.query):
        crops.setdefault(identity(crop), crop)
    if not crops:
        raise DataError(f"{dataset.name}: no query or gallery crops to evaluate on; run `reidr validate` on it")
    every = tuple(crops.values())
    return replace(dataset, query=tuple(crop for crop in every if crop.person is not None), gallery=every)
