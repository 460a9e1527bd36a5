"""The service behind a real socket: callers who go, streams, and an end in order."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from serving import Site, encoded, site

from reidr.service.api.app import create_app
from reidr.service.api.service import SearchService
from reidr.service.api.settings import ServiceLimits
from reidr.service.finding.models import Models
from reidr.service.http.server import HttpServer, bind
from reidr.service.security.audit import LOG


def served(found: Site, start: Callable[[Any], Any]) -> HttpServer:
    server: HttpServer = start(HttpServer(found.service, found.app, bind("127.0.0.1", 0)))
    return server


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_nothing_is_computed_for_a_caller_who_has_gone(open_site: Site, start: Callable[[Any], Any]) -> None:
    server, work, gate = served(open_site, start), open_site.service.work, threading.Event()
    work._threads["models"].submit(gate.wait, 20)  # somebody else's turn
    body = json.dumps({"pictures": [encoded()]}).encode()
    lines = ["POST /v1/searches HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", int(server.server_address[1]))) as connection:
        connection.sendall(head + body)
        assert until(lambda: work.waiting == 1)
    assert until(lambda: work.waiting == 0)
    gate.set()
    # The next one is answered, and the one who went has left no trace.
    assert httpx.post(f"{server.address}/v1/searches", json={"pictures": [encoded()]}, timeout=30).status_code == 201
    assert len(open_site.service.records.rows(LOG)) == 1


class Slow:
    """A reasoner whose every thought waits to be let go."""

    def __init__(self, judge: Any) -> None:
        self._judge, self.allowed, self.begun = judge, threading.Semaphore(0), threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._judge, name)

    def think(self, *arguments: Any, **options: Any) -> Any:
        self.begun.release()
        self.allowed.acquire(timeout=20)
        return self._judge.think(*arguments, **options)


def test_reasons_come_as_they_are_thought_and_searches_come_between(
    tmp_path: Path, start: Callable[[Any], Any]
) -> None:
    with site(tmp_path / "site", limits=ServiceLimits(grace_seconds=5.0)) as found:
        slow = Slow(found.service.models.reasoner)
        service = SearchService(
            found.service.store, found.service.records, Models(found.service.models.retriever, slow)
        )  # type: ignore[arg-type]
        server = start(HttpServer(service, create_app(service), bind("127.0.0.1", 0)))
        with httpx.Client(base_url=server.address, timeout=30) as client:
            token = client.post("/v1/searches", json={"pictures": [encoded()]}).json()["search_token"]
            with client.stream("GET", f"/v1/searches/{token}/reasons") as stream:
                lines = stream.iter_lines()
                for _ in range(2):
                    slow.allowed.release()
                    assert next(line for line in lines if line.startswith("event")) == "event: reason"
                assert service.streams == 1
            # Whoever listened has gone: of the thought that has begun nothing follows.
            slow.allowed.release()
            assert until(lambda: service.streams == 0)
            assert client.post("/v1/searches", json={"pictures": [encoded(2)]}).status_code == 201
        server.shutdown()
        assert service.stopping
