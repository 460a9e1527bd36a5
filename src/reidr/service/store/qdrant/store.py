"""`QdrantStore`: a gallery in Qdrant, for very many crops.

Tested against the local mode of Qdrant's client, which computes the same answers in this process; not against a server.
Qdrant has no transactions, so of what other stores promise this one does not keep all: one process may change the
gallery at a time, and a change that is cut short by a kill may be half done (repeating it does the rest). Erased bytes
leave the server's files when it next tidies its segments.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from reidr.core.checks import whole_number
from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.changes import ChangingStore, no_such_crop
from reidr.service.store.qdrant.change import META, QdrantChange, operation_of
from reidr.service.store.qdrant.points import LABELS, OPTIONAL, crop_of, filter_of, lets_nothing_through
from reidr.service.store.records import (
    EVERYTHING,
    CropFilter,
    Hit,
    IndexFacts,
    Operation,
    StoredCrop,
    StoredTrack,
    StoreFacts,
)
from reidr.service.store.rules import check_filter, same_model, unit_vectors, whole_span
from reidr.service.store.tracks import tracks_of

SCHEMA = 1
KEY = "QDRANT_API_KEY"
MORE = 64  # hits that are asked for beyond k, to see which of them tie with the last
MOST_LABELS = 10_000_000  # cameras or tracks that are counted
TIES = 1e-6  # by which equal vectors' scores may differ
WITHOUT_PICTURE = ["id", "camera", "track", *OPTIONAL]
FACTS = ["track", "camera", "recording", "quality", "person", "begins", "ends"]


class QdrantStore(ChangingStore):
    """See `GalleryStore`, and the module for what Qdrant cannot do. Two collections: NAME and NAME-operations."""

    def __init__(self, client: QdrantClient, address: str, name: str = "reidr", *, local: bool = False) -> None:
        """The gallery `name` of a client, perhaps in its `local` mode. Raises DataError where it cannot be used."""
        self._exactness: dict[bool, models.SearchParams | None] = {
            exact: None if local else models.SearchParams(exact=exact) for exact in (True, False)
        }  # the local mode is always exact
        self.client, self.address, self.name = client, address, name
        self._one_at_a_time = threading.RLock()
        with self._reading() as rows:
            if not client.collection_exists(rows.operations):
                self._make(rows.operations, 1, {"key": models.PayloadSchemaType.KEYWORD})

    def _make(self, name: str, dimensions: int, indexed: dict[str, models.PayloadSchemaType]) -> None:
        """A new collection, whose payload is looked up by the fields `indexed`."""
        size = models.VectorParams(size=dimensions, distance=models.Distance.DOT)
        self.client.create_collection(name, vectors_config=size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the local mode says that it needs no indexes
            for field, kind in indexed.items():
                self.client.create_payload_index(name, field, field_schema=kind, wait=True)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[QdrantChange]:
        try:
            yield QdrantChange(self.client, self.name)
        except (ApiException, OSError) as error:
            raise DataError(
                f"{self.address}: Qdrant cannot be used ({shown(str(error))[:200]}); see that it runs"
            ) from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[QdrantChange]:
        with self._one_at_a_time, self._reading() as change:
            yield change

    def facts(self) -> StoreFacts:
        """See `GalleryStore.facts`."""
        with self._reading() as rows:
            meta = rows.meta()
            model = (meta.get("model"), meta.get("name"), meta.get("dimensions"), meta.get("attributes"))
            crops, tracks, cameras = rows.count(EVERYTHING), len(self._labels("track")), tuple(self._labels("camera"))
            start, end = whole_span((each["begins"], each["ends"]) for each in rows.payloads(EVERYTHING, FACTS[-2:]))
            return StoreFacts("qdrant", self.address, *model, crops, tracks, cameras, rows.number(), SCHEMA, start, end)

    def _labels(self, field: str) -> list[str]:
        """All values of a field, in order."""
        if not self.client.collection_exists(self.name):
            return []
        found = self.client.facet(self.name, key=field, limit=MOST_LABELS, exact=True)
        return sorted(str(hit.value) for hit in found.hits)

    def set_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None = None) -> None:
        """See `GalleryStore.set_model`."""
        with self._changing() as change:
            meta = change.meta()
            known = (meta.get("model"), meta.get("name"), meta.get("dimensions"), meta.get("attributes"))
            fresh = same_model(known, (fingerprint, name, dimensions, attribute_model))
            if not self.client.collection_exists(self.name):
                keyword, number = models.PayloadSchemaType.KEYWORD, models.PayloadSchemaType.FLOAT
                fields = {**dict.fromkeys(LABELS, keyword), "begins": number, "ends": number}
                self._make(self.name, dimensions, fields)
            if fresh != known:
                change.put(META, dict(zip(("model", "name", "dimensions", "attributes"), fresh, strict=True)))

    def get(self, ids: Sequence[str]) -> list[StoredCrop]:
        """See `GalleryStore.get`."""
        return self._get(ids, pictures=True)

    def _get(self, ids: Sequence[str], pictures: bool) -> list[StoredCrop]:
        """Crops by id, with or without their pictures."""
        fields = True if pictures else WITHOUT_PICTURE
        with self._reading() as rows:
            found = {
                (point.payload or {})["id"]: crop_of(point.payload or {}, point.vector)
                for point in rows.scroll(CropFilter(ids=frozenset(ids)), fields, vectors=True)
            }
        for id in ids:
            if id not in found:
                raise no_such_crop(id)
        return [found[id] for id in ids]

    def crops(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000, pictures: bool = True
    ) -> list[StoredCrop]:
        """See `GalleryStore.crops`. Qdrant cannot sort by text: every page reads the ids of all crops that pass."""
        check_filter(which)
        limit = whole_number(limit, "limit", least=0)
        with self._reading() as rows:
            ids = [each["id"] for each in rows.payloads(which, [])]
        return self._get([id for id in ids if after is None or id > after][:limit], pictures)

    def tracks(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000
    ) -> list[StoredTrack]:
        """See `GalleryStore.tracks`; as for `crops` every page reads all labels."""
        check_filter(which)
        limit = whole_number(limit, "limit", least=0)
        with self._reading() as rows:
            passing = sorted({each["track"] for each in rows.payloads(which, ["track"])})
            page = [track for track in passing if after is None or track > after][:limit]
            return tracks_of(rows.payloads(CropFilter(tracks=frozenset(page)), FACTS))

    def count(self, which: CropFilter = EVERYTHING) -> int:
        """See `GalleryStore.count`."""
        check_filter(which)
        with self._reading() as rows:
            return rows.count(which)

    def history(self, *, after: int = 0, limit: int = 1000) -> list[Operation]:
        """See `GalleryStore.history`."""
        whole_number(limit, "limit", least=0)
        with self._reading() as rows:
            numbers = list(range(after + 1, min(after + limit, rows.number()) + 1))
            found = self.client.retrieve(rows.operations, numbers, with_payload=True) if numbers else []
        return sorted((operation_of(point.payload or {}) for point in found), key=lambda each: each.number)

    def search(
        self, vectors: NDArray[np.float32], k: int, which: CropFilter = EVERYTHING, *, exact: bool | None = None
    ) -> list[list[Hit]]:
        """See `GalleryStore.search`. Unless `exact` by the HNSW index that Qdrant makes when there are many crops."""
        check_filter(which)
        k = whole_number(k, "k", least=1)
        with self._reading() as rows:
            queries = unit_vectors(vectors, rows.dimensions())
            if lets_nothing_through(which) or not self.client.collection_exists(self.name):
                return [[] for _ in queries]
            return [self._nearest(query, k, which, bool(exact)) for query in queries]

    def _nearest(self, query: NDArray[np.float32], k: int, which: CropFilter, exact: bool) -> list[Hit]:
        """The hits of one query: asked for until none is left out that ties with the last."""
        limit = k + MORE
        while True:
            found: Any = self.client.query_points(
                self.name,
                query=query.tolist(),
                query_filter=filter_of(which),
                limit=limit,
                search_params=self._exactness[exact],
                with_payload=["id", "track", "camera", "start", "end"],
            ).points
            if len(found) < limit or found[-1].score < found[k - 1].score - TIES:
                break
            limit *= 2
        hits = []
        for each in found:
            known = each.payload or {}
            distance = float(np.clip(1.0 - each.score, 0.0, 2.0))
            hits.append(
                Hit(known["id"], known["track"], known["camera"], known.get("start"), known.get("end"), distance)
            )
        return sorted(hits, key=lambda hit: (hit.distance, hit.id))[:k]

    def build_index(self) -> IndexFacts | None:
        """See `GalleryStore.build_index`: Qdrant makes its index by itself."""
        return None

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()


def open_qdrant(address: str) -> QdrantStore:
    """The gallery at `http(s)://HOST:6333/NAME`, or `qdrant:FOLDER` in the client's local mode.

    A key is taken from the environment variable QDRANT_API_KEY. Raises DataError where the server cannot be used.
    """
    if address.startswith("qdrant:"):
        folder = Path(address.removeprefix("qdrant:"))
        try:
            return QdrantStore(QdrantClient(path=str(folder)), address, local=True)
        except RuntimeError as error:  # its word for a folder that another client has open
            raise DataError(f"{shown(str(folder))}: {error}") from error
    parts = urlsplit(address)
    server = f"{parts.scheme}://{parts.netloc}"
    name = parts.path.strip("/") or "reidr"
    client = QdrantClient(url=server, api_key=os.environ.get(KEY), check_compatibility=False)
    return QdrantStore(client, address, name)
