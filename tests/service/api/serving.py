"""A search service around a gallery of drawn people, and ways to ask it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from gallery_of_people import drawn, gallery, models, png

from reidr.service.api.app import create_app
from reidr.service.api.service import SearchService
from reidr.service.api.settings import ServiceLimits
from reidr.service.page.routes import page_routes
from reidr.service.records.opening import open_records


def encoded(person: int = 1, frame: int = 0) -> str:
    """A picture of a person as requests hold it."""
    return base64.b64encode(png(drawn(person, frame))).decode()


@dataclass
class Site:
    """A served gallery. client: asks it in this process, from this machine."""

    service: SearchService
    app: FastAPI
    client: TestClient

    def search(self, **fields: Any) -> dict[str, Any]:
        found = self.client.post("/v1/searches", json={"pictures": [encoded()], **fields})
        assert found.status_code == 201, found.text
        told: dict[str, Any] = found.json()
        return told


@contextlib.contextmanager
def site(folder: Path, *, keyed: bool = False, limits: ServiceLimits | None = None) -> Iterator[Site]:
    """A service of a new gallery in a folder."""
    store, records = gallery(folder, attributes=True), open_records(folder)
    service = SearchService(store, records, models(), limits)
    app = create_app(service, keyed=keyed, local=not keyed, page=page_routes())
    try:
        with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
            yield Site(service, app, client)
    finally:
        service.close()
        records.close()
        store.close()
