"""The page over the real application: what `reidr serve` serves, from the first click to the saved case."""

from __future__ import annotations

import csv
import io
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.whole

Show = Callable[..., Any]


@pytest.fixture
def show(browser: Any) -> Iterator[Show]:
    """Opens an address; what the browser complains of fails the test."""
    contexts, complaints = [], []

    def opened(address: str) -> Any:
        contexts.append(browser.new_context(viewport={"width": 1360, "height": 900}, timezone_id="UTC"))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("#ask:visible")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def confirm(page: Any, number: int) -> None:
    """Opens an appearance and says that it is the person."""
    if page.locator(f"#appearance-{number}.open").count() == 0:
        page.click(f"#appearance-{number} .line")
    page.click(f"#appearance-{number} .choice.same")
    if page.locator("#name-dialog[open]").count():
        page.fill("#name", "Ana Lund")
        page.keyboard.press("Enter")
    page.wait_for_selector(f"#appearance-{number}[data-decision=same]")


def save(page: Any, kind: str) -> str:
    """Saves the case in a form and gives the file's text."""
    with page.expect_download() as download:
        page.click(f'[data-export="{kind}"]')
    assert download.value.suggested_filename.endswith(f".{kind}")
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_what_the_page_asks_the_service_answers(show: Show, tmp_path: Path) -> None:
    from serving import drawn, png, site
    from street_service import Running

    (tmp_path / "person.png").write_bytes(png(drawn(1, 0)))
    with site(tmp_path / "site") as found:
        running = Running(found.app)
        page = show(running.address)
        assert page.locator("#cameras input").count() == 3
        page.set_input_files("#files", tmp_path / "person.png")
        page.wait_for_selector(".tile img")
        page.fill("#purpose", "a lost child")
        page.click("#search")
        page.wait_for_selector(".appearance.open .side img")
        page.wait_for_selector("#thinking:has-text('written')")
        confirm(page, 0)
        confirm(page, 1)
        with page.expect_response("**/v1/searches"):
            page.click("#again")
        page.wait_for_selector("#case-count:has-text('3')")  # the first appearance has two tracks
        page.reload()
        page.wait_for_selector("#appearances [data-decision=same]")
        page.click("#open-case")
        page.wait_for_selector("#export:visible")
        told = json.loads(save(page, "json"))
        assert "Ana Lund" in json.dumps(told)
        assert "a lost child" in json.dumps(told)
        rows = list(csv.reader(io.StringIO(save(page, "csv"))))
        assert len(rows) > 3
        assert "data:image/" in save(page, "html")
        page.keyboard.press("Escape")
        page.click("#another")
        assert page.locator("#words-part").is_hidden() != found.client.get("/v1/gallery").json()["words"]
        page.close()
        running.end()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of `reidr serve` as a new user starts it: without a gallery."""
    environment = {**os.environ, "REIDR_CACHE": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "reidr.cli.main", "serve", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()], daemon=True)
    reader.start()
    try:
        yield address_in(lines)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def address_in(lines: queue.Queue[str]) -> str:
    """The first address that is printed."""
    said, until = [], time.monotonic() + 240
    while time.monotonic() < until:
        try:
            said.append(lines.get(timeout=1))
        except queue.Empty:
            continue
        if found := re.search(r"http://127\.0\.0\.1:\d+/", said[-1]):
            return found[0]
    raise AssertionError("".join(said))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_new_user_starts_the_service_and_saves_a_case_in_five_minutes(show: Show, served: str) -> None:
    page = show(served)
    begun = time.monotonic()
    page.click(".person:not([disabled]) >> nth=0")
    page.click("#search")
    page.wait_for_selector(".appearance.open")
    confirm(page, 0)
    confirm(page, 1)
    page.click("#to-case")
    page.wait_for_selector("#export:visible")
    assert "data:image/" in save(page, "html")
    assert time.monotonic() - begun < 300
