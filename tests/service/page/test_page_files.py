"""The page's files as they are served: nothing inline, nothing from elsewhere, everything there that is named."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the page needs the extra `service`")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from reidr.service.page.files import page_files, shell
from reidr.service.page.routes import page_routes


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(page_routes())
    return TestClient(app)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and what stands inside `script` and `style`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style") and data.strip():
            self.inline.append(data)

    def of(self, attribute: str) -> list[str]:
        return [given[attribute] or "" for _, given in self.found if attribute in given]


@pytest.fixture(scope="module")
def elements() -> Elements:
    return Elements(shell().content.decode())


def test_the_policy_allows_no_inline_script_or_style_and_no_other_host(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_shell_holds_no_inline_script_style_or_listener(elements: Elements) -> None:
    assert elements.inline == []
    names = {name for _, given in elements.found for name in given}
    assert not {name for name in names if name.startswith("on") or name == "style"}


def test_what_is_named_is_served_and_nothing_is_from_elsewhere(client: TestClient, elements: Elements) -> None:
    named = [each for each in elements.of("src") + elements.of("href") if not each.startswith(("#", "data:"))]
    scripts = {name: file.content.decode() for name, file in page_files().items() if name.endswith(".js")}
    imported = [path for text in scripts.values() for path in re.findall(r'from "([^"]+)"', text)]
    assert imported
    for path in [*named, *(f"page/{each.removeprefix('./')}" for each in imported)]:
        assert client.get(f"/{path}").status_code == 200, path
    for name, file in page_files().items():
        addresses = re.findall(rb"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", file.content)
        assert [each for each in addresses if each != b"http://www.w3.org/2000/svg"] == [], name


def test_every_script_is_used(elements: Elements) -> None:
    used, waiting = set(), ["main.js"]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += re.findall(r'from "\./([^"]+)"', page_files()[name].content.decode())
    assert used == {name for name in page_files() if name.endswith(".js")}


def test_every_element_that_a_script_asks_for_is_there(elements: Elements) -> None:
    ids = elements.of("id")
    assert len(ids) == len(set(ids))
    drawn = {each[1:] for each in elements.of("href") if each.startswith("#")}
    for name, file in page_files().items():
        text = file.content.decode()
        wanted = set(re.findall(r'find\("([\w-]+)"\)', text)) | set(re.findall(r'"((?:sign|mark|claim)-[\w-]+)"', text))
        if name.endswith(".js"):
            assert wanted - set(ids) - drawn == set(), name


def test_labels_and_descriptions_point_to_something(elements: Elements) -> None:
    ids = set(elements.of("id"))
    for attribute in ("for", "aria-labelledby", "aria-describedby"):
        assert set(elements.of(attribute)) <= ids, attribute


MARKUP = re.compile(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function")


def test_scripts_never_take_text_for_markup() -> None:
    for name, file in page_files().items():
        assert not MARKUP.search(file.content), name


def test_the_style_sheet_has_the_colours_of_the_report_pages() -> None:
    style = page_files()["page.css"].content.decode()
    assert "{%" not in style
    assert style.count("--paper: #") == 2  # light and dark
    unknown = set(re.findall(r"var\((--[\w-]+)\)", style)) - set(re.findall(r"(--[\w-]+):", style))
    assert unknown == set()


@pytest.mark.parametrize("path", ["/page/none.js", "/page/..%2Froutes.py", "/page/page.html.j2", "/page/"])
def test_no_other_file_can_be_had(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/page/main.js")
    again = client.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/main.js", headers={"If-None-Match": '"other"'}).content == first.content
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["x-content-type-options"] == "nosniff"


def test_the_page_is_no_part_of_the_api_document() -> None:
    app = FastAPI()
    app.include_router(page_routes())
    document: dict[str, Any] = app.openapi()
    assert document["paths"] == {}
