"""The gallery: crops with their embeddings, cached on disk by content, searched exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.core.notices import warn_once
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.embedder import Advance, Embedder, embed_usable_crops
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder
from reidr.retrieval.ranked_list import RankedList, rank_features

__all__ = ["EmbeddingCache", "Gallery", "cache_folder", "content_key"]

BATCH = 128  # crops that are embedded together
BLOCK = 1024  # crops whose embeddings are kept together: a multiple of the batch, so that blocks change no batch
SECONDS = 5.0  # after which they are kept all the same


@dataclass(frozen=True, eq=False)
class Gallery:
    """Crops and their embeddings, row by row.

    Attributes:
        crops: the N usable crops. features: (N, D) float32 unit rows.
        problems: one sentence for each file that could not be used; the rest is unaffected.
        embedder: name of what embedded them.
    """

    crops: tuple[Crop, ...]
    features: NDArray[np.float32]
    problems: tuple[str, ...]
    embedder: str

    @classmethod
    def build(
        cls,
        crops: Sequence[Crop],
        embedder: Embedder,
        *,
        cache: Path | None = None,
        advance: Advance | None = None,
    ) -> Gallery:
        """Embed `crops`, taking from `cache` what was embedded before: same pixels, same embedder (None: no cache).

        What is embedded goes to the cache block by block, and when the work is interrupted; a cache that cannot be used
        is warned of and done without. Unusable files are left out and named in `problems`.

        Raises DataError when no crop is usable.
        """
        known = EmbeddingCache(cache, embedder.fingerprint) if cache is not None else None
        keys = [content_key(crop) if known is not None else "" for crop in crops]
        found = {key: known.rows[key] for key in keys if key in known.rows} if known is not None else {}
        todo = [position for position, key in enumerate(keys) if key not in found]
        if advance is not None:
            advance(len(crops) - len(todo))
        rows, problems = embed_and_keep(embedder, crops, keys, todo, known, advance)
        lengths = {len(row) for row in (*rows.values(), *found.values())}
        if len(lengths) > 1:
            warn_once(f"{cache}: embeddings of {embedder.name} had another length before; all are made anew")
            return cls.build(crops, embedder)
        usable = [i for i, key in enumerate(keys) if i in rows or key in found]
        if not usable:
            raise DataError(problems[0] if problems else "there is no picture to embed; check the folder")
        features = np.stack([rows[i] if i in rows else found[keys[i]] for i in usable])
        return cls(tuple(crops[i] for i in usable), features, tuple(problems), embedder.name)

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def ids(self) -> tuple[str, ...]:
        """Crop ids in row order."""
        return tuple(crop.id for crop in self.crops)

    def search(
        self, queries: Gallery, k: int, *, excluded: Callable[[slice], NDArray[np.bool_]] | None = None
    ) -> RankedList:
        """The k nearest crops of every query; `excluded` marks pairs a protocol leaves out (see `rank_features`)."""
        return rank_features(
            queries.features,
            self.features,
            queries.ids,
            self.ids,
            k,
            excluded=excluded,
            made_by=(f"retriever {self.embedder}",),
        )


def embed_and_keep(
    embedder: Embedder,
    crops: Sequence[Crop],
    keys: Sequence[str],
    todo: Sequence[int],
    cache: EmbeddingCache | None,
    advance: Advance | None,
) -> tuple[dict[int, NDArray[np.float32]], list[str]]:
    """Embed the crops at the places `todo`; what is made is kept as it comes, also of work that is cut short.

    Returns:
        Embeddings by place, and one sentence for each file that cannot be used.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    problems: list[str] = []
    waiting: list[int] = []
    begun = time.monotonic()
    try:
        for start in range(0, len(todo), BATCH):
            places = todo[start : start + BATCH]
            block = [crops[place] for place in places]
            fresh, kept, unusable = embed_usable_crops(embedder, block, batch=BATCH, advance=advance)
            rows |= {places[position]: fresh[row] for row, position in enumerate(kept)}
            waiting += [places[position] for position in kept]
            problems += unusable
            if cache is not None and (len(waiting) >= BLOCK or time.monotonic() - begun > SECONDS):
                cache.add({keys[place]: rows[place] for place in waiting})
                waiting, begun = [], time.monotonic()
    finally:
        if cache is not None and waiting:
            cache.add({keys[place]: rows[place] for place in waiting})
    return rows, problems
