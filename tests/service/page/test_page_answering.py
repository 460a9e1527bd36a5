"""Erasing and the audit log on the page, who may see them, and names and times that strain it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reidr.service.security.erasure.receipts import Receipt

pytestmark = pytest.mark.whole

Open = Callable[..., Any]
EVERYTHING = ("search", "decide", "erase", "audit")


def ask(page: Any, picture: Path) -> None:
    page.set_input_files("#files", picture)
    page.wait_for_selector(".tile img")
    page.click("#search")
    page.wait_for_selector(".appearance.open .side img[src]")


def examine(page: Any, what: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (extra `dev`)")
    page.wait_for_timeout(100)
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found] == [], what


def test_tracks_are_erased_after_a_plain_question_and_the_receipt_is_saved(open_page: Open, service: Any) -> None:
    service.roles = EVERYTHING
    page = open_page()
    page.click("#open-erase")
    page.click("#erase-look")
    page.wait_for_selector("#erase-problem:has-text('at least one track')")
    page.fill("#erase-names", "t1\n\n t2 \nt99\n")
    page.click("#erase-look")
    page.wait_for_selector("#erase-problem:has-text('Say why')")
    page.fill("#erase-why", "asked for by letter")
    for sure in (False, True):
        page.click("#erase-look")
        page.wait_for_selector("#erase-dialog[open]")
        assert "of 2 tracks for good?" in page.inner_text("#erase-question")
        assert page.inner_text("#erase-missing") == "Not in the gallery: t99."
        assert page.locator("#erase-shown img").count() == 2
        assert page.evaluate("document.activeElement.textContent") == "Keep them"
        page.click("#erase-sure") if sure else page.keyboard.press("Enter")
        page.wait_for_selector("#erase-dialog", state="hidden")
        assert page.locator("#receipt").is_hidden() or sure
    page.wait_for_selector("#receipt:visible")
    [asked] = service.erasures
    assert (asked["tracks"], asked["why"]) == (["t1", "t2", "t99"], ["asked for by letter"])
    assert "Backups and snapshots" in page.inner_text("#receipt-rest")
    assert "reasons" not in page.inner_text("#receipt-facts")  # there were none
    with page.expect_download() as download:
        page.click("#receipt-save")
    assert download.value.suggested_filename == "receipt-r-1.json"
    receipt = Receipt.model_validate(json.loads(Path(download.value.path()).read_text()))
    assert receipt.hash == receipt.digest()
    page.wait_for_selector(f"#gallery:has-text('{len(service.tracks)} tracks')")


def test_from_the_case_the_confirmed_tracks_are_erased_and_nothing_of_them_stays(
    open_page: Open, service: Any, picture: Path
) -> None:
    service.roles = EVERYTHING
    page = open_page()
    ask(page, picture)
    page.keyboard.press("y")
    page.fill("#name", "Ana Lund")
    page.keyboard.press("Enter")
    page.wait_for_selector("#appearance-0[data-decision=same]")
    page.keyboard.press("c")
    page.wait_for_selector(".sought img[src]")
    page.click("#erase-confirmed")
    assert page.input_value("#erase-names") == "t0"
    page.fill("#erase-why", "does not want to be found")
    page.keyboard.press("Enter")
    page.wait_for_selector("#erase-dialog[open]")
    page.click("#erase-sure")
    page.wait_for_selector("#receipt:visible")
    assert page.locator("#open-case").is_hidden()
    page.keyboard.press("s")
    assert page.locator("#ask").is_visible()
    assert page.locator(".tile").count() + page.locator("#results:visible").count() == 0
    assert "#" not in page.url


def test_a_time_of_a_camera_is_erased_and_never_the_whole_gallery(open_page: Open, service: Any) -> None:
    service.roles = EVERYTHING
    page = open_page()
    page.keyboard.press("x")
    page.check("input[value=places]", force=True)
    page.fill("#erase-why", "too old")
    page.click("#erase-look")
    page.wait_for_selector("#erase-problem:has-text('the whole gallery is not erased here')")
    page.check("input[name=erase-camera] >> nth=0", force=True)
    page.fill("#erase-until", "2025-11-30T10:40")
    page.click("#erase-look")
    page.click("#erase-sure")
    page.wait_for_selector("#receipt:visible")
    [asked] = service.erasures
    assert (asked["cameras"], asked["end"]) == (["north gate"], ["2025-11-30T09:40:00.000Z"])
    assert "start" not in asked


def test_the_audit_log_is_listed_newest_first_filtered_and_checked(open_page: Open, service: Any) -> None:
    from street_answering import entries

    service.roles, service.log = EVERYTHING, entries(1230)
    page = open_page()
    page.keyboard.press("a")
    page.wait_for_selector("#verified .good:has-text('1,230 rows checked')")
    numbers = page.locator("#audit-rows .number")
    page.wait_for_selector("#audit-rows .number >> nth=99")
    assert numbers.all_inner_texts()[:2] == ["1230", "1229"]
    assert numbers.count() == 100
    page.click("#audit-rows summary >> nth=0")
    assert "case: c-1230" in page.inner_text("#audit-rows li >> nth=0")
    page.select_option("#audit-action", "decide")
    assert numbers.count() == 50  # of the 500 newest
    page.fill("#audit-words", "report 30")  # 300 to 309, and 30: far behind what was read
    assert numbers.count() == 0
    page.click("#audit-older")
    page.wait_for_selector("#audit-rows .number >> nth=1")
    assert numbers.all_inner_texts() == ["300", "30"]
    assert page.locator("#audit-older").is_hidden()
    page.click("#audit details.notes summary")
    page.fill("#head", f"7:{'0' * 64}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#verified .bad:has-text('its hash is not the one that was kept')")
    service.broken = 17
    page.keyboard.press("Escape")
    page.locator("h1:visible").first.click()
    page.click("#open-search")
    page.click("#open-audit")
    page.wait_for_selector("#verified .bad:has-text('from row 17 on')")


def test_who_may_not_does_not_see_it(open_page: Open, service: Any) -> None:
    page = open_page()
    assert page.locator(".views button:visible").count() == 0
    for key in "xa":
        page.keyboard.press(key)
    page.keyboard.press("?")
    assert page.locator("#erase, #audit").locator("visible=true").count() == 0
    assert page.locator("#key-erase, #key-audit").locator("visible=true").count() == 0
    service.roles, service.log = ("audit",), []
    page = open_page("#audit:visible")
    page.wait_for_selector("#audit-count:has-text('Nothing was written yet.')")
    assert page.locator(".views button:visible").all_inner_texts() == ["Audit log"]
    service.roles = ("erase",)
    page = open_page("#erase:visible")
    page.check("input[value=places]", force=True)
    page.fill("#erase-camera-names", "north gate")
    page.fill("#erase-why", "too old")
    page.click("#erase-look")
    page.wait_for_selector("#erase-span:has-text('may not look')")
    page.click("#erase-sure")
    page.wait_for_selector("#receipt:visible")
    service.roles = ("enrol",)
    open_page("#start-problem:has-text('no use for it')")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_axe_finds_nothing_in_these_views(open_page: Open, service: Any, scheme: str, width: int) -> None:
    from street_answering import entries

    service.roles, service.log = EVERYTHING, entries(12)
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    page.click("#open-audit")
    page.click("#audit-rows summary >> nth=0")
    page.wait_for_selector("#verified .good")
    examine(page, "the audit log")
    assert page.evaluate(beyond) <= 0
    page.click("#open-erase")
    page.fill("#erase-names", "t1\nt99")
    page.click("#erase-look")
    page.wait_for_selector("#erase-problem:visible")
    examine(page, "what is to go")
    page.fill("#erase-why", "asked for by letter")
    page.click("#erase-look")
    page.wait_for_selector("#erase-dialog[open] img[src]")
    examine(page, "the question")
    page.click("#erase-sure")
    page.wait_for_selector("#receipt:visible")
    examine(page, "the receipt")
    assert page.evaluate(beyond) <= 0


LONG = "Camera of the north-eastern entrance of the parking garage behind the station, level -2, " + "x" * 60


@pytest.mark.parametrize("width", [390, 1360])
def test_long_strange_and_many_names_and_several_days_are_shown(
    open_page: Open, service: Any, picture: Path, width: int
) -> None:
    service.tracks = (service.tracks * (200 // len(service.tracks) + 1))[:200]
    service.found = tuple(0.99 - 0.004 * place for place in range(200))
    service.page = 200
    names = [LONG, "مدخل الشمال (1)", "", "north gate"]
    service.tracks = [
        replace(each, id=f"n{place}", camera=names[place % 4], start=begun, end=begun + 8, person=None)
        for place, each in enumerate(service.tracks)
        for begun in [each.start + 1800 * place]
    ]
    page = open_page(viewport={"width": width, "height": 900}, bypass_csp=True)
    ask(page, picture)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.locator(".appearance").count() == page.locator(".camera-row .time-mark").count() == 200
    assert page.inner_text("#appearance-2 .place") == "camera without a name"
    assert page.locator("#cameras input[value='']").count() == 0
    ticks = page.locator(".tick").all_inner_texts()
    assert len({each.split(",")[0] for each in ticks}) > 1  # days are named
    # All of them at one moment: what still arrives moves the page.
    boxes = page.locator(".tick").evaluate_all("ticks => ticks.map(each => each.getBoundingClientRect().toJSON())")
    assert len(boxes) > 1
    assert all(one["x"] + one["width"] <= other["x"] for one, other in itertools.pairwise(boxes))
    place = page.locator("#appearance-1 .place")
    assert place.evaluate("each => getComputedStyle(each).unicodeBidi") in ("isolate", "plaintext")
    examine(page, "many")
