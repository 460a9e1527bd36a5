"""Many searchers at once: does `reidr serve` answer all of them, how fast, and in how much memory?

    python benchmarks/service_load.py                               200 searchers for 60 seconds
    python benchmarks/service_load.py --searchers 50 --seconds 20   fewer
    python benchmarks/service_load.py -- --reasoner none            what stands behind -- goes to `reidr serve`

The service runs as a process of its own, on its drawn street unless a gallery is named. Each searcher sends a picture,
waits for the answer, and sends the next; one request in ten reads a page of tracks instead. Who is told to come back
(429 or 503 with Retry-After) does so after the time that was named: that is back-pressure and no error. Everything else
that is no 2xx is one, and so is a broken connection. One JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

ADDRESS = re.compile(r"http://[\d.]+:\d+/")
START_SECONDS = 600.0
RESIDENT = re.compile(r"^process_resident_memory_bytes (\S+)", re.M)


@dataclass
class Load:
    """What the searchers saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"search": [], "read": []})
    statuses: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def started(arguments: list[str]) -> tuple[subprocess.Popen[str], str, Path | None]:
    """The service's process, its address, and where the pictures of people are that its drawn street has."""
    command = [sys.executable, "-m", "reidr.cli.main", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    people: Path | None = None
    assert process.stdout is not None
    for line in process.stdout:
        if "pictures of people to search for are in " in line:
            people = Path(line.split(" are in ", 1)[1].split(";")[0])
        found = ADDRESS.search(line)
        if found:
            return process, found[0].rstrip("/"), people
    sys.exit("the service did not start")


async def searcher(client: httpx.AsyncClient, number: int, pictures: list[str], until: float, load: Load) -> None:
    """One searcher, who asks until the time is over."""
    draw = random.Random(number)
    await asyncio.sleep(draw.random() * 2)
    while time.monotonic() < until:
        if draw.random() < 0.1:
            await timed(
                client, "read", ("GET", f"/v1/tracks?limit=20&after={draw.choice('abcnpst')}", None), until, load
            )
        else:
            body = {"pictures": [draw.choice(pictures)], "max_matches": 10}
            await timed(client, "search", ("POST", "/v1/searches", body), until, load)


async def timed(
    client: httpx.AsyncClient, kind: str, request: tuple[str, str, object], until: float, load: Load
) -> None:
    """One request, sent again as often as the service says so, until the time is over.

    Its time counts from the first to the answer.
    """
    method, path, body = request
    begun = time.monotonic()
    while True:
        try:
            answer = await client.request(method, path, json=body)
        except httpx.HTTPError as error:
            load.errors.append(f"{type(error).__name__}: {error}")
            return
        load.statuses[str(answer.status_code)] += 1
        if answer.status_code in (429, 503) and "retry-after" in answer.headers:
            wait = float(answer.headers["retry-after"]) * random.uniform(1.0, 1.5)
            if time.monotonic() + wait >= until:
                return
            await asyncio.sleep(wait)
            continue
        if answer.is_success:
            load.seconds[kind].append(time.monotonic() - begun)
        else:
            load.errors.append(f"{answer.status_code}: {answer.text[:200]}")
        return


async def watched(client: httpx.AsyncClient, until: float, load: Load) -> None:
    """The service's resident memory, twice a second."""
    while time.monotonic() < until:
        found = RESIDENT.search((await client.get("/metrics")).text)
        if found:
            load.memory.append(float(found[1]) / 1e6)
        await asyncio.sleep(0.5)


async def loaded(address: str, pictures: list[str], searchers: int, seconds: float) -> Load:
    """All searchers for so many seconds."""
    load = Load()
    limits = httpx.Limits(max_connections=searchers + 10)
    async with httpx.AsyncClient(base_url=address, timeout=180, limits=limits) as client:
        await client.post("/v1/searches", json={"pictures": pictures[:1]})  # the first one loads what is loaded late
        until = time.monotonic() + seconds
        people = [searcher(client, number, pictures, until, load) for number in range(searchers)]
        await asyncio.gather(watched(client, until, load), *people)
    return load


def facts(load: Load, given: argparse.Namespace) -> dict[str, object]:
    """What was seen, for the JSON line."""
    times = {
        f"{kind}_{name}_s": round(float(np.quantile(values, share)), 2)
        for kind, values in load.seconds.items()
        if values
        for name, share in (("median", 0.5), ("p99", 0.99))
    }
    half = load.memory[len(load.memory) // 2 :]
    return {
        "searchers": given.searchers,
        "seconds": given.seconds,
        "searches": len(load.seconds["search"]),
        "errors": len(load.errors),
        "statuses": dict(sorted(load.statuses.items())),
        **times,
        "memory_mb_first": round(load.memory[0]) if load.memory else None,
        "memory_mb_most": round(max(load.memory)) if load.memory else None,
        "memory_mb_most_of_second_half": round(max(half)) if half else None,
    }


def main() -> None:
    """Start the service, let the searchers ask, stop it, print the line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--searchers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pictures", type=Path, help="folder of JPEGs to search with; the drawn street has its own")
    parser.add_argument("serve", nargs="*", help="options of `reidr serve`, behind --")
    given = parser.parse_args()
    begun = time.monotonic()
    process, address, people = started(given.serve)
    ready = time.monotonic() - begun
    try:
        folder = given.pictures or people
        files = sorted(folder.glob("*.jpg")) if folder is not None else []
        if not files:
            sys.exit("no pictures to search with: name a folder of JPEGs with --pictures")
        pictures = [base64.b64encode(file.read_bytes()).decode() for file in files]
        load = asyncio.run(loaded(address, pictures, given.searchers, given.seconds))
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    print(json.dumps({"ready_s": round(ready, 1), **facts(load, given), "exit_status": status}), flush=True)
    for error in load.errors[:10]:
        print(error, file=sys.stderr)
    sys.exit(1 if load.errors or status else 0)


if __name__ == "__main__":
    main()
