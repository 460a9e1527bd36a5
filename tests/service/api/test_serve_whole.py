"""`reidr serve` from its beginning to its end: its demo, its keys, and several processes on one PostgreSQL."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gallery_of_people import drawn, png
from store_servers import running_postgres

LIGHT = ("--retriever", "histogram", "--reasoner", "none", "--port", "0")
ADDRESS = re.compile(r"at (http://\S+)/ ")


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "reidr.cli.main", "serve", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[str], str]]:
    """A client of a new process, the process, and what it said."""
    process = started(*LIGHT, *arguments)
    said = ""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said += line
            if found := ADDRESS.search(line):
                with httpx.Client(base_url=found[1], timeout=60) as client:
                    yield client, process, said
                break
        else:
            assert process.stderr is not None
            pytest.fail(f"it did not start: {said}{process.stderr.read()}")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def encoded(person: int) -> str:
    return base64.b64encode(png(drawn(person))).decode()


@pytest.mark.whole
def test_without_a_gallery_it_serves_a_drawn_street_and_ends_in_order() -> None:
    with serving() as (client, process, said):
        assert "no gallery was named" in said
        gallery = client.get("/v1/gallery").json()
        assert gallery["cameras"] == ["north gate", "south gate"]
        assert "<title>" in client.get("/").text
        people = Path(re.search(r"are in (\S+);", said)[1])  # type: ignore[index]
        picture = base64.b64encode(next(iter(sorted(people.glob("*.jpg")))).read_bytes()).decode()
        found = client.post("/v1/searches", json={"pictures": [picture]}).json()
        assert found["appearances"]
        assert all(one["start"] and one["end"] for one in found["appearances"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.whole
def test_others_reach_it_only_with_keys(tmp_path: Path) -> None:
    gallery = str(tmp_path / "gallery")
    refused = started(*LIGHT, "--gallery", gallery, "--host", "0.0.0.0")
    _, told = refused.communicate(timeout=100)
    assert refused.returncode == 1
    assert "keys" in told
    assert "TLS" in told
    command = [sys.executable, "-m", "reidr.cli.main", "keys", "add", gallery, "--holder", "Ada", "--role", "search"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    key = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.strip()
    with serving("--gallery", gallery, "--host", "0.0.0.0") as (client, _, said):
        local = str(client.base_url).replace("0.0.0.0", "127.0.0.1")
        assert "with keys" in said
        assert httpx.get(f"{local}/v1/gallery").status_code == 401
        assert httpx.get(f"{local}/v1/gallery", headers={"authorization": f"Bearer {key}"}).status_code == 200
        assert httpx.get(f"{local}/v1/audit", headers={"authorization": f"Bearer {key}"}).status_code == 403


@pytest.mark.whole
def test_processes_on_one_postgresql_share_everything_and_one_may_die() -> None:
    with running_postgres() as address, contextlib.ExitStack() as stack:
        first, process, _ = stack.enter_context(serving("--gallery", address))
        second, _, _ = stack.enter_context(serving("--gallery", address))
        crops = [{"picture": encoded(n), "camera": f"camera {n % 2}", "track": f"track {n}"} for n in range(6)]
        again = {"Idempotency-Key": "enrolment 1"}
        assert first.post("/v1/crops", json={"crops": crops}, headers=again).json()["added"] == 6
        replay = second.post("/v1/crops", json={"crops": crops}, headers=again)
        assert (replay.json()["added"], replay.headers["idempotent-replayed"]) == (6, "true")
        found = first.post("/v1/searches", json={"pictures": [encoded(3)]}).json()
        assert found["appearances"][0]["id"] == "track 3"
        page = second.get(f"/v1/searches/{found['search_token']}").json()
        assert page["appearances"] == found["appearances"]
        process.kill()
        said = {"case": found["case"], "track": "track 3", "decision": "same", "by": "Ada"}
        assert second.post("/v1/decisions", json=said).json()["decisions"][0]["by"] == "Ada"
        later = second.post("/v1/searches", json={"case": found["case"]}).json()
        assert later["appearances"][0]["decision"] == "same"
        third, _, _ = stack.enter_context(serving("--gallery", address))
        started_at = time.monotonic()
        assert third.get(f"/v1/cases/{found['case']}").json()["search_token"] == later["search_token"]
        rows = third.get("/v1/audit").json()["rows"]
        assert [row["entry"]["action"] for row in rows] == ["enrol", "search", "decide", "search"]
        assert time.monotonic() - started_at < 60
