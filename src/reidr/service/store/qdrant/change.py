"""One change of a gallery in Qdrant."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from time import time as now
from typing import Any

from qdrant_client import QdrantClient, models

from reidr.service.store.changes import Held
from reidr.service.store.qdrant.points import (
    PLACE,
    filter_of,
    lets_nothing_through,
    moved_payload,
    place_of,
    point_id,
    point_of,
)
from reidr.service.store.records import CropFilter, Operation
from reidr.service.store.rules import CheckedCrop, Place

AT_A_TIME = 256  # points in one request
META = 0
"""The point of the collection of operations that says of which model the vectors are."""


class QdrantChange:
    """A `Change`, made request by request: Qdrant has no transactions."""

    def __init__(self, client: QdrantClient, name: str) -> None:
        self.client, self.name, self.operations = client, name, f"{name}-operations"

    def meta(self) -> dict[str, Any]:
        """What the gallery says of its model."""
        found = self.client.retrieve(self.operations, [META], with_payload=True)
        return dict(found[0].payload or {}) if found else {}

    def dimensions(self) -> int | None:
        length: int | None = self.meta().get("dimensions")
        return length

    def number(self) -> int:
        """Number of the last operation."""
        return int(self.client.count(self.operations, exact=True).count) - bool(self.meta())

    def known(self, key: str) -> Operation | None:
        same = models.Filter(must=[models.FieldCondition(key="key", match=models.MatchValue(value=key))])
        found, _ = self.client.scroll(self.operations, scroll_filter=same, limit=1, with_payload=True)
        return operation_of(found[0].payload or {}) if found else None

    def record(self, kind: str, key: str | None, changed: int, details: dict[str, Any]) -> None:
        number = self.number() + 1
        payload = {
            "number": number, "kind": kind, "key": key, "time": now(), "changed": changed,
            "details": json.dumps(details),
        }  # fmt: skip
        self.put(number, payload)

    def put(self, number: int, payload: dict[str, Any]) -> None:
        """Write one point of the collection of operations; its vector says nothing."""
        point = models.PointStruct(id=number, vector=[1.0], payload=payload)
        self.client.upsert(self.operations, [point], wait=True)

    def scroll(self, which: CropFilter, fields: list[str] | bool, vectors: bool = False) -> Iterator[Any]:
        """The points that pass a filter, in Qdrant's order, with these fields of their payload."""
        if lets_nothing_through(which) or not self.client.collection_exists(self.name):
            return
        after: Any = None
        while True:
            found, after = self.client.scroll(
                self.name,
                scroll_filter=filter_of(which),
                limit=AT_A_TIME * 8,
                offset=after,
                with_payload=fields,
                with_vectors=vectors,
            )
            yield from found
            if after is None:
                return

    def payloads(self, which: CropFilter, fields: list[str]) -> list[dict[str, Any]]:
        """Those fields of the crops that pass a filter, in the order of their ids."""
        empty: dict[str, Any] = dict.fromkeys(fields)
        found = [{**empty, **point.payload} for point in self.scroll(which, ["id", *fields])]
        return sorted(found, key=lambda each: str(each["id"]))

    def held(self, ids: Collection[str]) -> dict[str, Held]:
        found = self.payloads(CropFilter(ids=frozenset(ids)), ["digest", "person"])
        return {each["id"]: Held(each["digest"], each["person"]) for each in found}

    def cameras(self, tracks: Collection[str], but: Collection[str]) -> dict[str, str]:
        without = set(but)
        found = self.payloads(CropFilter(tracks=frozenset(tracks)), ["track", "camera"])
        return {each["track"]: each["camera"] for each in found if each["id"] not in without}

    def write(self, crops: Sequence[CheckedCrop], replaced: Collection[str]) -> None:
        for start in range(0, len(crops), AT_A_TIME):
            points = [point_of(each) for each in crops[start : start + AT_A_TIME]]
            self.client.upsert(self.name, points, wait=True)

    def remove(self, which: CropFilter) -> int:
        removed = self.count(which)
        if removed:
            selector = models.FilterSelector(filter=filter_of(which))
            self.client.delete(self.name, points_selector=selector, wait=True)
        return removed

    def count(self, which: CropFilter) -> int:
        """How many crops pass the filter."""
        if lets_nothing_through(which) or not self.client.collection_exists(self.name):
            return 0
        return int(self.client.count(self.name, count_filter=filter_of(which), exact=True).count)

    def places(self, which: CropFilter) -> list[Place]:
        return [place_of(each) for each in self.payloads(which, PLACE)]

    def set_places(self, places: Sequence[Place]) -> None:
        self._set([(place.id, moved_payload(place)) for place in places])

    def label(self, which: CropFilter, person: str | None) -> int:
        other = [each["id"] for each in self.payloads(which, ["person"]) if each["person"] != person]
        self._set([(id, {"person": person}) for id in other])
        return len(other)

    def _set(self, changes: list[tuple[str, dict[str, Any]]]) -> None:
        """Write these fields of these crops' payloads."""
        for start in range(0, len(changes), AT_A_TIME):
            part = [
                models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, points=[point_id(id)]))
                for id, payload in changes[start : start + AT_A_TIME]
            ]
            self.client.batch_update_points(self.name, update_operations=part, wait=True)


def operation_of(payload: dict[str, Any]) -> Operation:
    """An operation from its point."""
    return Operation(
        payload["number"], payload["kind"], payload["key"], payload["time"], payload["changed"],
        json.loads(payload["details"]),
    )  # fmt: skip
