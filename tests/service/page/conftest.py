"""A browser, and the page in it over a service of a rendered street."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium: the one of the machine, else Playwright's own; tests are skipped where there is neither."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
    installed = next((path for path in map(shutil.which, NAMES) if path), None)
    with playwright.sync_playwright() as running:
        if installed is None and not Path(running.chromium.executable_path).exists():
            pytest.skip("no Chromium on this machine (`playwright install chromium` brings one)")
        opened = running.chromium.launch(executable_path=installed, args=list(SWITCHES))
        yield opened
        opened.close()


@pytest.fixture
def service() -> Any:
    """The service behind the page; tests change how it behaves."""
    from street_service import StreetService

    return StreetService()


@pytest.fixture
def open_page(browser: Any, service: Any) -> Iterator[Callable[..., Any]]:
    """Opens the page, in a context of its own with the options of `browser.new_context`.

    Whatever the browser complains of, an error of a script or a breach of the security policy, fails the test.
    """
    from street_service import Running, application

    running = Running(application(service))
    contexts, complaints = [], []

    def opened(ready: str = "#ask:visible", **options: Any) -> Any:
        settings = {"viewport": {"width": 1360, "height": 900}, "timezone_id": "Europe/Berlin", "locale": "en-GB"}
        contexts.append(browser.new_context(**{**settings, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)  # machines may be busy with a training
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complain(message, complaints))
        page.goto(running.address)
        page.wait_for_selector(ready)
        return page

    yield opened
    for context in contexts:
        context.close()
    running.end()
    assert complaints == []


def complain(message: Any, complaints: list[str]) -> None:
    """Keeps what is an error; that an answer has the status 4xx is one for the console, and expected in tests."""
    if message.type == "error" and "Failed to load resource" not in message.text:
        complaints.append(message.text)


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a person of the street."""
    from street_service import STREET, jpeg, street_crops

    path = tmp_path_factory.mktemp("pictures") / "person.jpg"
    path.write_bytes(jpeg(next(iter(street_crops(STREET, "query"))).open()))
    return path
