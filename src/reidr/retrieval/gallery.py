"""The gallery: crops with their embeddings, cached on disk by content, searched exactly."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.content_key import content_key as content_key
from reidr.retrieval.embedder import Advance, Embedder, embed_usable_crops
from reidr.retrieval.ranking import RankedList, rank_features


def cache_folder() -> Path:
    """Where embeddings, which are biometric data, are cached: `$REIDR_CACHE`, else `~/.cache/reidr`."""
    return Path(os.environ.get("REIDR_CACHE") or Path.home() / ".cache" / "reidr") / "embeddings"


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

        Unusable files are left out and named in `problems`. Raises DataError when no crop is usable.
        """
        known = EmbeddingCache(cache, embedder.fingerprint) if cache is not None else None
        keys = [content_key(crop) if known is not None else "" for crop in crops]
        found = {key: known.rows[key] for key in keys if key in known.rows} if known is not None else {}
        todo = [position for position, key in enumerate(keys) if key not in found]
        if advance is not None:
            advance(len(crops) - len(todo))
        fresh, kept, problems = embed_usable_crops(embedder, [crops[i] for i in todo], advance=advance)
        rows = {todo[position]: fresh[row] for row, position in enumerate(kept)}
        if known is not None and rows:
            known.add({keys[position]: row for position, row in rows.items()})
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


class EmbeddingCache:
    """Embeddings of one embedder by content key, in one `.npz` that is replaced atomically."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / f"{fingerprint[:24]}.npz"
        self.rows: dict[str, NDArray[np.float32]] = {}
        if self.path.is_file():
            try:
                with np.load(self.path, allow_pickle=False) as stored:
                    self.rows = dict(zip(stored["keys"].tolist(), stored["features"], strict=True))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                # A cache may be thrown away at any time: a damaged one is rebuilt, never an error.
                self.rows = {}

    def add(self, rows: dict[str, NDArray[np.float32]]) -> None:
        """Keep `rows` too. Entries without a key (unreadable a moment ago) are not kept."""
        self.rows.update({key: row for key, row in rows.items() if key})
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.path.with_name(f"{self.path.stem}.{os.getpid()}.partial.npz")
        try:
            np.savez(partial, keys=np.array(list(self.rows)), features=np.stack(list(self.rows.values())))
            partial.replace(self.path)
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot write the embedding cache ({error}); set REIDR_CACHE or use --no-cache"
            ) from None
