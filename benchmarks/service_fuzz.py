"""Malformed pictures and mutated requests against the search service: does any of them make it fail?

    python benchmarks/service_fuzz.py                   10,000 of each; one JSON line; exit status 1 where any was a 5xx
    python benchmarks/service_fuzz.py 500 --seed 3      500 of each, others

A service with a small drawn gallery runs in this process behind a real socket. What is refused with a 4xx is as it
should be; a 5xx, a broken connection or a silence is a failure, and the first of them are printed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import copy
import http.client
import io
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.service.api.app import create_app
from reidr.service.api.service import SearchService
from reidr.service.finding.models import Models
from reidr.service.http.server import HttpServer, bind
from reidr.service.records.opening import open_records
from reidr.service.store.opening import open_store
from reidr.service.store.records import StoredCrop

FORMATS = ("PNG", "JPEG", "WEBP")
OTHER_FORMATS = ("GIF", "BMP", "TIFF", "PPM")
NASTY: list[Any] = [
    "", " ", "\0", "\x1b[2J", "\u2028", "x" * 300, "\U0001f600" * 60, "a/b", "../../etc/passwd", "%00", "NaN",
    "'; DROP TABLE crops; --", 1e308, -1e308, 1e-320, float("inf"), float("nan"), -1, 0, -0.0, 1, 2**31, 2**63, 2**64,
    10**30, True, False, None, [], {}, [[]], [None], {"": {}}, ["a"] * 2000, "1970-01-01T00:00:00Z", "2026-01-01",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "http://127.0.0.1:9/",
    "file:///etc/passwd", "data:image/png;base64,", "data:image/png;base64,AAAA", "data:,",
]  # fmt: skip
HEADERS = ("Idempotency-Key", "Authorization", "Content-Type", "Accept", "Expect", "Range", "Content-Encoding", "X-Any")


@dataclass
class Result:
    """What became of the requests: by status, and the first failures."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(self.statuses.values())


def drawn(seed: int) -> Image.Image:
    """A picture of nobody: bands of colour."""
    bands = np.random.default_rng(seed).integers(0, 255, (6, 1, 3), dtype=np.uint8)
    return Image.fromarray(np.repeat(np.repeat(bands, 12, axis=0), 32, axis=1))


def encoded(picture: Image.Image, kind: str) -> bytes:
    """The picture's file."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def malformed(draw: random.Random) -> bytes:
    """A picture's file with something wrong: cut off, bytes changed, moved, doubled, sizes that are not true, another
    format, or no picture at all."""
    kind = draw.randrange(9)
    if kind == 0:
        return draw.randbytes(draw.randrange(1, 400))
    if kind == 1:
        return encoded(drawn(draw.randrange(9)), draw.choice(OTHER_FORMATS))
    raw = bytearray(encoded(drawn(draw.randrange(9)), draw.choice(FORMATS)))
    if kind == 2:
        return bytes(raw[: draw.randrange(1, len(raw))])
    if kind == 3:  # the sizes of a PNG stand at bytes 16 to 23
        raw = bytearray(encoded(drawn(1), "PNG"))
        raw[16:24] = draw.choice((b"\xff" * 8, b"\0" * 8, draw.randbytes(8), b"\0\0\x40\0\0\0\x40\0"))
        return bytes(raw)
    if kind == 4:
        begin = draw.randrange(len(raw))
        return bytes(raw[:begin] + raw[begin : begin + draw.randrange(1, 60)] * draw.randrange(2, 30) + raw[begin:])
    if kind == 5:
        size = draw.choice(((1, 1), (1, 900), (900, 1), (3, 3), (4, 80), (5000, 4000)))
        return encoded(Image.new(draw.choice(("RGB", "L", "1", "RGBA", "I;16")), size), "PNG")
    for _ in range(draw.choice((1, 2, 5, 40))):
        raw[draw.randrange(min(len(raw), 60) if kind == 6 else len(raw))] = draw.randrange(256)
    return bytes(raw)


def with_picture(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A request with a malformed picture."""
    text = base64.b64encode(malformed(draw)).decode()
    if draw.random() < 0.1:
        text = draw.choice(
            (text[:-1], text + "=", "data:image/png;base64," + text, "data:image/svg+xml;base64," + text)
        )
    kind = draw.randrange(3)
    if kind == 0:
        return "/v1/crops", {"crops": [{"picture": text, "camera": "gate"}]}
    if kind == 1:
        return "/v1/explanations", {"first": {"picture": text}, "second": {"crop": "crop 1"}}
    return "/v1/searches", {"pictures": [text]}


def sound() -> list[tuple[str, str, Any]]:
    """Requests that are taken: method, path, body."""
    picture = base64.b64encode(encoded(drawn(1), "PNG")).decode()
    time_range = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00+01:00"}
    crop = {"picture": picture, "camera": "gate", "track": "t", "time": "2026-03-01T10:00:00Z", "box": [1, 2, 30, 70],
            "frame": 3, "quality": 0.5, "recording": "r.mp4"}  # fmt: skip
    return [
        (
            "POST",
            "/v1/searches",
            {"pictures": [picture], "cameras": ["gate"], "max_matches": 3, "why": "w", **time_range},
        ),
        ("POST", "/v1/searches", {"tracks": ["track 1"], "pictures": [picture]}),
        ("POST", "/v1/searches", {"words": "red top"}),
        ("POST", "/v1/crops", {"crops": [crop, {**crop, "id": "own", "track": "own"}], "replace": True}),
        ("POST", "/v1/explanations", {"first": {"picture": picture}, "second": {"crop": "crop 1"}}),
        ("POST", "/v1/decisions", {"case": "case", "track": "track 1", "decision": "same", "by": "Ada", "why": "w"}),
        ("POST", "/v1/tracks:merge", {"tracks": ["track 1", "track 2"], "into": "track 1", "why": "w"}),
        ("POST", "/v1/tracks:split", {"crops": ["crop 3"], "track": "track new", "why": "w"}),
        ("POST", "/v1/descriptions", {"words": "red top, no hat"}),
        ("GET", "/v1/crops?cameras=gate&start=2026-01-01T00:00:00Z&limit=5&after=crop", None),
        ("GET", "/v1/tracks?tracks=track%201&tracks=x&limit=5", None),
        ("GET", "/v1/audit?after=0&limit=5", None),
        ("GET", "/v1/cases?limit=5", None),
        ("GET", "/v1/crops/crop%201/picture", None),
        ("GET", "/v1/searches/token/reasons", None),
        ("DELETE", "/v1/crops?ids=nobody&why=asked", None),
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values within a JSON value, the whole first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for step, one in inner for deeper in places(one, (*path, step)))]


def mutated_body(body: Any, draw: random.Random) -> bytes:
    """The body with values replaced, left out, wrapped or added; or with its bytes changed."""
    body = copy.deepcopy(body)
    for _ in range(draw.choice((1, 1, 2, 4))):
        path = draw.choice(places(body))
        if not path:
            if isinstance(body, dict):
                body[draw.choice(("x", "why", "case", "crops", "start", "track"))] = copy.deepcopy(draw.choice(NASTY))
            continue
        holder = body
        for step in path[:-1]:
            holder = holder[step]
        if draw.random() < 0.15:
            del holder[path[-1]]
        elif draw.random() < 0.1:
            holder[path[-1]] = [holder[path[-1]]]
        else:
            holder[path[-1]] = copy.deepcopy(draw.choice(NASTY))
    raw = bytearray(json.dumps(body, ensure_ascii=draw.random() < 0.5).encode())
    if draw.random() < 0.25:
        for _ in range(draw.choice((1, 3, 20))):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
    if draw.random() < 0.03:
        del raw[draw.randrange(len(raw)) :]
    return bytes(raw)


def mutated_path(path: str, draw: random.Random) -> str:
    """The path with a part of it, or a parameter's value, replaced."""
    word = quote(str(draw.choice(NASTY)), safe=draw.choice(("", "/")))[:2000]
    head, _, query = path.partition("?")
    if query and draw.random() < 0.7:
        pairs = query.split("&")
        place = draw.randrange(len(pairs))
        name = pairs[place].partition("=")[0]
        pairs[place] = draw.choice((f"{name}={word}", f"{name}", f"{word}=1", f"{name}={word}&{name}={word}"))
        return f"{head}?{'&'.join(pairs)}"
    steps = head.split("/")
    steps[draw.randrange(1, len(steps))] = word
    return "/".join(steps) + (f"?{query}" if query else "")


def mutated(draw: random.Random) -> tuple[str, str, bytes | None, dict[str, str]]:
    """Method, path, body and headers of a request with something changed."""
    method, path, body = draw.choice(sound())
    headers = {} if body is None else {"Content-Type": "application/json"}
    raw = None if body is None else mutated_body(body, draw)
    if body is None or draw.random() < 0.1:
        path = mutated_path(path, draw)
    if draw.random() < 0.1:
        method = draw.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"))
    if draw.random() < 0.2:
        value = draw.choice(("", "x" * 300, "bytes=0-1", "gzip", "100-continue", "text/plain", "Bearer x", "a b", "ü"))
        headers[draw.choice(HEADERS)] = value
    return method, path, raw, headers


def ask(server: HttpServer, method: str, path: str, raw: bytes | None, headers: dict[str, str]) -> int:
    """The status of an answer. Raises OSError or HTTPException where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.server_address[1]), timeout=60)
    try:
        connection.request(method, path, raw, {name: value.encode("latin-1") for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def tell(result: Result, server: HttpServer, request: tuple[str, str, bytes | None, dict[str, str]]) -> None:
    """Send one request, and write down what became of it."""
    try:
        status = ask(server, *request)
    except (OSError, http.client.HTTPException) as error:
        status = 0
        result.failures.append(f"{type(error).__name__} {error}: {request!r}"[:600])
    if status >= 500:
        result.failures.append(f"{status}: {request!r}"[:600])
    result.statuses[status] += 1


def pictures(server: HttpServer, number: int, seed: int) -> Result:
    """`number` requests with malformed pictures."""
    draw, result = random.Random(seed), Result()
    for _ in range(number):
        path, body = with_picture(draw)
        tell(result, server, ("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"}))
    return result


def requests(server: HttpServer, number: int, seed: int) -> Result:
    """`number` mutated requests."""
    draw, result = random.Random(seed), Result()
    for _ in range(number):
        tell(result, server, mutated(draw))
    return result


@contextlib.contextmanager
def served() -> Iterator[HttpServer]:
    """A service with a small gallery of drawn crops and colour histograms for embeddings, running."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        store, records = open_store(folder), open_records(Path(folder))
        stack.callback(records.close)
        stack.callback(store.close)
        embedder = HistogramEmbedder()
        rows = embedder.embed_pictures([drawn(number) for number in range(12)])
        store.set_model(embedder.fingerprint, embedder.name, rows.shape[1])
        store.add(
            [
                StoredCrop(f"crop {number}", "gate", f"track {number // 2}", encoded(drawn(number), "PNG"), row)
                for number, row in enumerate(rows)
            ]
        )
        service = SearchService(store, records, Models(embedder, None))
        with HttpServer(service, create_app(service), bind("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()


def main() -> None:
    """Send both kinds, print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("number", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = False
    with served() as server:
        for name, send in (("malformed pictures", pictures), ("mutated requests", requests)):
            started = time.perf_counter()
            result = send(server, given.number, given.seed)
            failed = failed or bool(result.failures)
            told = {
                "case": name, "sent": result.sent, "failures": len(result.failures),
                "statuses": {str(status): count for status, count in sorted(result.statuses.items())},
                "seconds": round(time.perf_counter() - started, 1),
            }  # fmt: skip
            print(json.dumps(told), flush=True)
            for failure in result.failures[:10]:
                print(failure, file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
