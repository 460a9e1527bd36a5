"""What the page says when it waits, when something is wrong, and when there is nothing; and who may use it how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.whole

Open = Callable[..., Any]
AXE_VIOLATIONS = "minor", "moderate", "serious", "critical"


def ask(page: Any, picture: Path) -> None:
    page.set_input_files("#files", picture)
    page.wait_for_selector(".tile img")
    page.click("#search")


def test_a_busy_server_is_asked_again_after_the_time_it_tells(open_page: Open, service: Any, picture: Path) -> None:
    service.busy = 2
    page = open_page()
    ask(page, picture)
    page.wait_for_selector("#busy:has-text('The server is busy. Trying again in 1 second')")
    page.wait_for_selector(".appearance")
    assert page.locator("#busy").is_hidden()
    assert len(service.questions) == 1


def test_waiting_can_be_stopped(open_page: Open, service: Any, picture: Path) -> None:
    service.busy = 1000
    page = open_page()
    ask(page, picture)
    page.wait_for_selector("#busy:has-text('busy')")
    page.click("#stop")
    page.wait_for_selector("#busy", state="hidden")
    assert page.locator("#problem").is_hidden()
    assert service.questions == []


def test_what_the_server_refuses_is_said_in_its_words(open_page: Open, service: Any, picture: Path) -> None:
    service.fails = True
    page = open_page()
    page.click("#search")
    page.wait_for_selector("#problem:has-text('Add a picture of the person')")
    ask(page, picture)
    page.wait_for_selector("#problem:has-text('Picture 1 cannot be read: the file ends too early.')")
    service.fails = False
    page.click("#search")
    page.wait_for_selector(".appearance")
    assert page.locator("#problem").is_hidden()


def test_a_server_that_is_gone_is_told(open_page: Open, picture: Path) -> None:
    page = open_page()
    page.context.set_offline(True)
    ask(page, picture)
    page.wait_for_selector("#problem:has-text('The server cannot be reached')")


def test_an_empty_gallery_says_how_to_fill_it(open_page: Open, service: Any) -> None:
    service.empty = True
    page = open_page("#empty:visible")
    assert "reidr index" in page.inner_text("#empty")
    assert page.locator("#ask").is_hidden()


def test_nothing_found_says_what_to_change(open_page: Open, service: Any, picture: Path) -> None:
    service.found = ()
    page = open_page()
    ask(page, picture)
    page.wait_for_selector("#nothing:visible")
    assert page.locator("#found-list").is_hidden()


def test_unlikely_matches_are_called_so(open_page: Open, service: Any, picture: Path) -> None:
    service.found = (0.06, 0.02)
    page = open_page()
    ask(page, picture)
    page.wait_for_selector("#unlikely-note:visible")
    assert "Very unlikely the same person" in page.inner_text("#appearance-0 .chance")


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten(open_page: Open, service: Any) -> None:
    service.key = "correct-horse"
    page = open_page("#key-entry:visible")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-problem:has-text('not known here')")
    page.fill("#key", "correct-horse")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask:visible")
    page.wait_for_selector(".person:not([disabled]) img")  # pictures come with the key too
    page.reload()
    page.wait_for_selector("#ask:visible")
    assert page.evaluate("Object.keys(localStorage)") == []
    page.click("#sign-out")
    page.wait_for_selector("#key-entry:visible")
    assert "correct-horse" not in page.evaluate("JSON.stringify(sessionStorage)")


def test_names_are_text_whatever_they_hold(open_page: Open, service: Any, picture: Path) -> None:
    wicked = "<img src=x onerror=alert(1)>"
    for track in service.tracks:
        if track.camera == "north gate":
            track.camera = wicked
    page = open_page()
    ask(page, picture)
    page.wait_for_selector(".appearance")
    assert page.inner_text("#appearance-0 .place") == wicked
    assert page.locator("img[src='x']").count() == 0


def test_single_keys_can_be_switched_off_and_are_letters_while_somebody_writes(
    open_page: Open, service: Any, picture: Path
) -> None:
    page = open_page()
    ask(page, picture)
    page.wait_for_selector(".appearance.open")
    page.fill("#appearance-0 .why input", "")
    page.type("#appearance-0 .why input", "yn?")
    assert page.input_value("#appearance-0 .why input") == "yn?"
    page.locator("#appearance-0 .line").focus()
    page.keyboard.press("?")
    page.wait_for_selector("#keys-dialog[open]")
    page.uncheck("#single-keys")
    page.keyboard.press("Escape")
    page.keyboard.press("y")
    assert page.locator("dialog[open]").count() == 0
    assert service.decisions == []


def test_the_focus_goes_in_the_order_of_the_page(open_page: Open) -> None:
    page = open_page()
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert order == ["skip", "open-keys", "files", "words", "camera-0", "camera-1", "since", *order[7:]]
    page.focus("#until")
    for _ in range(12):  # a date has several parts
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") != "until":
            break
    assert page.evaluate("document.activeElement.id") == "purpose"


def test_nothing_moves_where_less_motion_is_wanted(open_page: Open, service: Any, picture: Path) -> None:
    service.slow = 10.0
    moving = "document.getAnimations({ subtree: true }).filter((each) => each.playState === 'running').length"
    for motion in ("no-preference", "reduce"):
        page = open_page(reduced_motion=motion)
        ask(page, picture)
        page.wait_for_selector(".appearance")
        page.click("#appearance-1 .line")
        page.wait_for_selector("#appearance-1 .thinking")
        assert (page.evaluate(moving) == 0) == (motion == "reduce")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_axe_finds_nothing(open_page: Open, picture: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (extra `dev`)")

    def examine(page: Any, what: str) -> None:
        page.wait_for_timeout(100)
        found = axe.Axe().run(page).response["violations"]
        serious = [
            (each["id"], each["impact"], [node["target"] for node in each["nodes"]][:3])
            for each in found
            if each["impact"] in AXE_VIOLATIONS
        ]
        assert serious == [], what

    # axe is put into the page as a script, which the page's own policy rightly forbids.
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page.fill("#words", "red top, tall man, brwon shoes")
    page.wait_for_selector("#understood .terms")
    examine(page, "the question")
    page.fill("#words", "")
    ask(page, picture)
    page.wait_for_selector("#thinking:has-text('reasons written')")
    page.click("#appearance-1 .line")
    page.click("#appearance-1 .claim >> nth=0")
    examine(page, "what was found")
    page.click("#appearance-1 .choice.same")
    page.wait_for_selector("#name-dialog[open]")
    examine(page, "who decides")
    page.fill("#name", "Ana Lund")
    page.keyboard.press("Enter")
    page.wait_for_selector("#appearance-1[data-decision=same]")
    page.click("#appearance-2 .line")
    page.click("#appearance-2 .choice.different")
    page.wait_for_selector("#appearance-2[data-decision=different]")
    examine(page, "decisions")
    page.click("#open-case")
    page.wait_for_selector(".decided li img[src]")
    examine(page, "the case")
    page.click("#close-case")
    page.click("#open-keys")
    examine(page, "the keys")


def test_a_reason_comes_for_a_match_that_is_not_in_doubt_when_it_is_asked_for(
    open_page: Open, service: Any, picture: Path
) -> None:
    page = open_page()
    ask(page, picture)
    page.wait_for_selector("#thinking:has-text('written.')")
    name = page.locator(".appearance:not(.open):not(:has(.brief .mark))").first.get_attribute("id")
    sure = page.locator(f"#{name}")
    sure.locator(".line").click()
    assert "Not in doubt" in sure.locator(".reason").inner_text()
    sure.get_by_role("button", name="Ask the reasoner about this one").click()
    sure.locator(".claim").first.wait_for()
    assert "The reasoner says" in sure.locator(".reason").inner_text()
    assert sure.locator(".brief .mark").count() == 1
