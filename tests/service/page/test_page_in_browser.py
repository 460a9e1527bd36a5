"""The page in a real browser: searching, deciding, the case, by mouse, by keyboard and by touch."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.whole

Open = Callable[..., Any]


def search(page: Any, picture: Path) -> None:
    """Searches for the person of a picture and waits for the list."""
    page.set_input_files("#files", picture)
    page.wait_for_selector(".tile img")
    page.click("#search")
    page.wait_for_selector("#appearances .appearance")


def until(page: Any, true: str) -> None:
    """Waits for an expression to be true; Playwright's own way is an `eval`, which the page's policy forbids."""
    end = time.monotonic() + 30
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        page.wait_for_timeout(30)


def introduce(page: Any, name: str = "Ana Lund") -> None:
    """Says who decides, in the dialog that asks."""
    page.wait_for_selector("#name-dialog[open]")
    page.fill("#name", name)
    page.keyboard.press("Enter")


def decided(page: Any, number: int, decision: str) -> None:
    page.wait_for_selector(f'#appearance-{number}[data-decision="{decision}"]')


def test_by_mouse_a_person_is_found_two_matches_confirmed_and_the_case_saved(
    open_page: Open, service: Any, picture: Path
) -> None:
    page = open_page()
    begun = time.monotonic()
    search(page, picture)
    assert page.text_content("#presence") == "This person is probably here."
    assert page.locator(".appearance").count() == len(service.found)
    page.click("#appearance-0 .choice.same")
    introduce(page)
    decided(page, 0, "same")
    page.click("#appearance-1 .line")
    page.fill("#appearance-1 .why input", "the same backpack")
    page.click("#appearance-1 .choice.same")
    decided(page, 1, "same")
    page.click("#open-case")
    page.wait_for_selector("#export:visible")
    assert page.locator(".decided li.same").count() == 3  # the second appearance has two tracks
    for kind in ("html", "csv", "json"):
        with page.expect_download() as download:
            page.click(f'[data-export="{kind}"]')
        assert download.value.suggested_filename == f"case-c-1.{kind}"
        assert json.loads(Path(download.value.path()).read_text()) == {"case": "c-1", "format": kind}
    assert time.monotonic() - begun < 60
    assert [(each.track, each.decision, each.by, each.why) for each in service.decisions] == [
        ("t0", "same", "Ana Lund", ""),
        ("t1", "same", "Ana Lund", "the same backpack"),
        (service.ordered()[-1].id, "same", "Ana Lund", "the same backpack"),
    ]


def test_by_keyboard_alone_the_same_is_done(open_page: Open, service: Any) -> None:
    page = open_page()
    page.wait_for_selector(".person:not([disabled])")
    for _ in range(40):  # Tab leads to the people who were recorded
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.person')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(".tile img")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Enter")
    page.wait_for_selector(".appearance.open")
    assert service.questions[-1]["tracks"] == ["t0"]
    page.keyboard.press("y")
    introduce(page)
    decided(page, 0, "same")
    page.keyboard.press("j")
    page.keyboard.press("n")
    decided(page, 1, "different")
    page.keyboard.press("u")
    decided(page, 1, "")
    page.keyboard.press("y")
    decided(page, 1, "same")
    page.keyboard.press("c")
    page.wait_for_selector("#export:visible")
    with page.expect_download() as download:
        page.keyboard.press("e")
    assert download.value.suggested_filename == "case-c-1.html"
    page.keyboard.press("Escape")
    page.wait_for_selector("#appearances:visible")
    assert page.evaluate("document.activeElement.id") == "open-case"
    page.keyboard.press("r")
    until(page, "document.querySelector('#busy').hidden")
    assert service.questions[-1]["case"] == "c-1"


def test_by_touch_on_a_phone_the_same_is_done(open_page: Open, service: Any, picture: Path) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.set_input_files("#files", picture)
    page.wait_for_selector(".tile img")
    page.tap("#search")
    page.wait_for_selector(".appearance.open")
    until(page, "document.querySelector('#presence').getBoundingClientRect().top < innerHeight")
    page.tap("#appearance-0 .choice.same")
    introduce(page)
    decided(page, 0, "same")
    page.tap("#appearance-2 .line")
    page.wait_for_selector("#appearance-2 .claim")
    page.tap("#appearance-2 .claim >> nth=0")
    assert page.locator("#appearance-2 .side .region-mark").count() == 2
    page.tap("#appearance-2 .choice.different")
    decided(page, 2, "different")
    page.tap("#appearance-2 .choice.none")
    decided(page, 2, "")
    page.tap("#to-case")
    page.wait_for_selector("#export:visible")
    assert [each.decision for each in service.decisions] == ["same", "different", "none"]


@pytest.mark.parametrize("width", [320, 390, 700, 1024, 1360])
def test_nothing_stands_beyond_the_window(open_page: Open, picture: Path, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(beyond) <= 0
    page.fill("#words", "red top with a very_long_word_that_nobody_breaks_" + "x" * 80)
    page.wait_for_selector("#understood .terms")
    assert page.evaluate(beyond) <= 0
    page.fill("#words", "")
    search(page, picture)
    page.click("#appearance-1 .line")
    page.wait_for_selector("#appearance-1 .claim")
    assert page.evaluate(beyond) <= 0
    page.click("#open-case")
    page.wait_for_selector("#case .decided")
    assert page.evaluate(beyond) <= 0


HAND_OVER = """([kind, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...options, clipboardData: data })
    : new DragEvent(kind, { ...options, dataTransfer: data });
  document.body.dispatchEvent(event);
}"""


def hand_over(page: Any, kind: str, name: str, media_type: str, content: bytes) -> None:
    """Drops or pastes a file onto the page."""
    page.evaluate(HAND_OVER, [kind, name, media_type, base64.b64encode(content).decode()])


def test_pictures_are_dropped_pasted_and_taken_away_again(open_page: Open, service: Any, picture: Path) -> None:
    page = open_page()
    for number, kind in enumerate(("drop", "paste"), start=1):
        hand_over(page, kind, f"{kind}.jpg", "image/jpeg", picture.read_bytes())
        until(page, f"document.querySelectorAll('.tile').length === {number}")
    hand_over(page, "drop", "notes.txt", "text/plain", b"no picture")
    page.wait_for_selector("#picture-problem:has-text('notes.txt: not a picture that can be used')")
    hand_over(page, "drop", "half.jpg", "image/jpeg", picture.read_bytes()[:200])
    page.wait_for_selector("#picture-problem:has-text('half.jpg: cannot be read')")
    page.click("[aria-label='Remove drop.jpg']")
    assert page.locator(".tile").count() == 1
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove paste.jpg"
    page.click("#search")
    page.wait_for_selector(".appearance")
    [sent] = service.questions[-1]["pictures"]
    assert base64.b64decode(sent.split(",")[1]) == picture.read_bytes()


def frame_of_two(picture: Path) -> Image.Image:
    """A broad frame with two people."""
    person = Image.open(picture).convert("RGB")
    frame = Image.new("RGB", (900, 500), (90, 95, 100))
    frame.paste(person.resize((150, 400)), (120, 60))
    frame.paste(person.resize((120, 320)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), (600, 120))
    return frame


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def sent_picture(service: Any) -> Image.Image:
    [sent] = service.questions[-1]["pictures"]
    return Image.open(io.BytesIO(base64.b64decode(sent.split(",")[1]))).convert("RGB")


def test_a_box_drawn_in_a_frame_sends_exactly_those_pixels(open_page: Open, service: Any, picture: Path) -> None:
    page = open_page()
    frame = frame_of_two(picture)
    hand_over(page, "drop", "frame.png", "image/png", png(frame))
    page.wait_for_selector("#box-dialog[open] #box-image")
    stage = page.locator("#box-stage").bounding_box()
    scale = stage["width"] / frame.width
    left, top, right, bottom = 600, 120, 720, 440
    page.mouse.move(stage["x"] + left * scale, stage["y"] + top * scale)
    page.mouse.down()
    page.mouse.move(stage["x"] + right * scale, stage["y"] + bottom * scale, steps=4)
    page.mouse.up()
    page.click("text=Use the box")
    page.wait_for_selector(".tile")
    page.click("#search")
    page.wait_for_selector(".appearance")
    sent = sent_picture(service)
    assert abs(sent.width - (right - left)) <= 2
    assert abs(sent.height - (bottom - top)) <= 2
    places = [
        (x, y)
        for x in range(left - 2, left + 3)
        for y in range(top - 2, top + 3)
        if frame.crop((x, y, x + sent.width, y + sent.height)).tobytes() == sent.tobytes()
    ]
    assert len(places) == 1


def test_a_box_is_moved_and_sized_by_keys_and_left_by_escape(open_page: Open, service: Any, picture: Path) -> None:
    page = open_page()
    hand_over(page, "drop", "frame.png", "image/png", png(frame_of_two(picture)))
    page.wait_for_selector("#box-dialog[open]")
    until(page, "document.activeElement.id === 'box'")
    before = page.get_attribute("#box", "aria-label")
    for _ in range(100):
        page.keyboard.press("ArrowLeft")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowDown")
    after = page.get_attribute("#box", "aria-label")
    assert after != before
    assert "from 0 to" in after
    page.keyboard.press("Escape")
    page.wait_for_selector("#picture-problem:has-text('frame.png: left out.')")
    assert page.locator(".tile").count() == 0
    hand_over(page, "drop", "frame.png", "image/png", png(frame_of_two(picture)))
    page.wait_for_selector("#box-dialog[open]")
    page.click("text=Use the whole picture")
    page.wait_for_selector(".tile")
    page.click("#search")
    page.wait_for_selector(".appearance")
    assert sent_picture(service).size == (900, 500)


def test_words_are_told_as_they_are_understood_and_searched_for(open_page: Open, service: Any) -> None:
    page = open_page()
    page.fill("#words", "red top, no hat, tall man, brwon shoes")
    page.wait_for_selector("#understood .terms")
    told = page.inner_text("#understood")
    assert "Read “brwon” as “brown”." in told
    assert "no attribute stands for it: “tall”" in told
    assert "Never searched for (gender, age, origin, religion or health): “man”" in told
    terms = page.locator("#understood .terms li").all_inner_texts()
    assert {"red upper colors", "no hat headwear", "brown shoe colors"} <= set(terms)
    page.press("#words", "Enter")
    page.wait_for_selector(".appearance.open")
    assert service.questions[-1]["words"] == "red top, no hat, tall man, brwon shoes"
    assert service.questions[-1]["pictures"] == []
    assert "likely to fit all the words" in page.inner_text("#appearance-0 .chance").lower()
    assert page.locator("#appearance-0 .fits li").count() == 4
    page.fill("#words", "zzz")
    page.wait_for_selector("#understood:has-text('Nothing here can be searched for')")


def test_cameras_and_times_bound_the_search(open_page: Open, service: Any, picture: Path) -> None:
    page = open_page()
    page.check("input[value='north gate']")
    page.fill("#since", "2025-11-30T10:31")  # Berlin is an hour ahead of UTC
    page.fill("#until", "2025-11-30T10:20")
    page.set_input_files("#files", picture)
    page.click("#search")
    page.wait_for_selector("#problem:has-text('before its beginning')")
    page.fill("#until", "2025-11-30T10:40")
    page.select_option("#most", "50")
    page.click("#search")
    page.wait_for_selector(".appearance")
    asked = service.questions[-1]
    assert (asked["cameras"], asked["max_matches"]) == (["north gate"], 50)
    assert (asked["start"], asked["end"]) == (1_764_495_060.0, 1_764_495_600.0)


def test_reasons_come_one_by_one_and_mark_their_regions(open_page: Open, service: Any, picture: Path) -> None:
    service.reasons_now = 0
    page = open_page()
    search(page, picture)
    page.click("#appearance-5 .line")
    assert "thinking" in page.inner_text("#appearance-5 .reason")
    page.click("#appearance-1 .line")
    service.reasons_now = 3
    page.wait_for_selector("#appearance-1 .claim")
    assert "done" in page.inner_text("#thinking")  # others are still to come
    stamps = page.locator("#appearance-1 .stamp").all_inner_texts()
    assert stamps == ["consistent"] * 3 + ["not visible", "inconsistent", "self-contradictory"]
    for side in "ab":
        until(page, f"document.querySelector('#appearance-1 .side.{side} img').naturalWidth > 0")
    page.focus("#appearance-1 .claim >> nth=0")
    measured = {"a": (0.2, 0.2, 0.8, 0.5), "b": (0.1, 0.15, 0.9, 0.45)}
    # Both boxes in one question: other pictures still arrive, and each of them moves the page.
    boxes = """side => ["img", ".region-mark"].map(each => {
        const box = document.querySelector(`#appearance-1 .side.${side} ${each}`).getBoundingClientRect();
        return [box.x, box.y, box.width, box.height]; })"""
    for side, (left, top, right, bottom) in measured.items():
        frame, mark = page.evaluate(boxes, side)
        shown = [mark[0] - frame[0], mark[1] - frame[1], *mark[2:]]
        wanted = [left * frame[2], top * frame[3], (right - left) * frame[2], (bottom - top) * frame[3]]
        assert shown == pytest.approx(wanted, abs=2.5)
    # Where nobody measured the region, the mark says so.
    assert page.locator("#appearance-1 .side.a .region-mark.about").inner_text() == "sleeves, about here"
    page.hover("#appearance-1 .claim >> nth=1")
    assert page.locator("#appearance-1 .side.a .region-mark").inner_text() == "bag"
    service.reasons_now = 1000
    page.wait_for_selector("#thinking:has-text('5 reasons written.')")
    assert page.evaluate("document.activeElement.matches('#appearance-1 .claim')")  # the focus stayed where it was


def test_the_time_line_goes_by_arrow_keys_and_tells_without_colour(open_page: Open, picture: Path) -> None:
    page = open_page()
    search(page, picture)
    marks = page.locator(".camera-row .time-mark")
    assert marks.count() == 8
    labels = [each.get_attribute("aria-label") for each in marks.all()]
    assert any("very likely the same person, 97 %" in label for label in labels)
    assert page.locator(".time-mark[tabindex='0']").count() == 1  # one stop of the Tab key
    page.focus(".time-mark[tabindex='0']")
    current = "document.activeElement.getAttribute('aria-label')"
    first = page.evaluate(current)
    assert first.startswith("1: camera north gate")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(current).startswith("2: camera station hall")
    page.keyboard.press("ArrowUp")
    assert "camera north gate" in page.evaluate(current)
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_selector(".appearance.open")
    assert page.locator(".appearance.open").get_attribute("id") == "appearance-7"
    borders = {
        kind: page.evaluate(f"getComputedStyle(document.querySelector('.legend .{kind}')).borderStyle")
        for kind in ("likely", "perhaps", "unlikely", "different")
    }
    assert (borders["unlikely"], borders["different"]) == ("dashed", "dotted")
    page.keyboard.press("n")
    introduce(page)
    decided(page, 7, "different")
    assert page.locator(".camera-row .time-mark.different svg").count() == 1


def test_what_was_found_without_times_is_listed_by_camera(open_page: Open, service: Any, picture: Path) -> None:
    service.timed = False
    page = open_page()
    assert page.locator("#time-filter").is_hidden()
    search(page, picture)
    assert page.locator(".camera-row .untimed .time-mark").count() == 8
    assert "time unknown" in page.inner_text("#appearance-0 .when")


def test_one_track_of_several_is_decided_on_alone(open_page: Open, service: Any, picture: Path) -> None:
    page = open_page()
    search(page, picture)
    page.click("#appearance-1 .line")
    page.click("#appearance-1 .track >> nth=1")
    page.click("#appearance-1 .choice.different")
    introduce(page)
    page.wait_for_selector("#appearance-1 .choice.different[aria-pressed=true]")
    assert [each.track for each in service.decisions] == [service.ordered()[-1].id]
    assert page.get_attribute("#appearance-1", "data-decision") == ""


def test_a_search_is_there_again_after_a_reload_and_another_begins_empty(
    open_page: Open, service: Any, picture: Path
) -> None:
    page = open_page()
    search(page, picture)
    page.click("#appearance-0 .choice.same")
    introduce(page)
    decided(page, 0, "same")
    page.reload()
    decided(page, 0, "same")
    # The form and the pair are as they were: the case keeps the picture.
    page.wait_for_selector(".tile img")
    until(page, "document.querySelector('#appearance-1 .side.a img').naturalWidth > 0")
    page.wait_for_selector("#busy", state="hidden")
    with page.expect_response("**/v1/searches"):
        page.click("#search")
    assert base64.b64decode(service.questions[-1]["pictures"][0].split(",")[1]) == picture.read_bytes()
    assert service.questions[-1]["case"] == "c-1"
    page.click("#another")
    assert page.locator("#results").is_hidden()
    assert page.locator(".tile").count() == 0
    assert "#" not in page.url


def test_a_long_list_comes_page_by_page_with_its_reasons(open_page: Open, service: Any, picture: Path) -> None:
    service.page = 5
    page = open_page()
    search(page, picture)
    page.wait_for_selector("#thinking:has-text('5 reasons written.')")
    assert page.locator(".appearance").count() == page.locator(".camera-row .time-mark").count() == 5
    page.click("#more")
    page.wait_for_selector("#appearance-7")
    assert page.locator("#more").is_hidden()
    assert page.locator(".camera-row .time-mark").count() == 8
    assert page.locator("#appearance-5 .brief .mark").count() == 1  # its reason came before it was listed
