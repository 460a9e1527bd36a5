"""The page and the files beside it: self-contained, escaped, bounded, and in agreement with what went in."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typed_rows import typed

import reidr.report as package
from reidr.errors import ReIDError
from reidr.report import Candidate, MetricRow, QueryCard, Report, Series, write_report
from reidr.report.page import GROUP_SIZE, arrange

VOID = {"meta", "link", "img", "br", "hr", "input"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Reader(HTMLParser):
    """Every element with its attributes, its classes' ancestors and its text, checking that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def with_class(self, *classes: str) -> list[dict[str, str]]:
        return [found for _, found in self.elements if set(classes) <= set(found.get("class", "").split())]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Report], Reader]:
    def write(report: Report, **options: int) -> Reader:
        text = write_report(report, tmp_path_factory.mktemp("page"), **options).read_text(encoding="utf-8")
        reader = Reader(text)
        assert reader.open == []
        return reader

    return write


def test_the_page_loads_nothing_from_elsewhere(demo: Callable[..., Report], tmp_path: Path) -> None:
    path = write_report(demo(12), tmp_path)
    assert "\\u" not in path.read_text(encoding="utf-8")  # no letter of our own sentences is escaped for a terminal
    text = path.read_text(encoding="utf-8")
    page = Reader(text)
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.elements}
    images = page.named("img")
    assert images
    for image in images:
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert picture.format == "JPEG"
        assert max(picture.size) <= 160
        assert (image["width"], image["height"]) == tuple(str(side) for side in picture.size)
        assert image["alt"]
    beside = {"metrics.json", "metrics.csv", "queries.csv"}
    for _, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
                assert value.startswith(("#", "data:")) or value in beside, (name, value)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert {entry.name for entry in tmp_path.iterdir()} == beside | {"report.html"}
    policy = next(meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_every_link_within_the_page_has_its_target(
    demo: Callable[..., Report], written: Callable[..., Reader]
) -> None:
    report = demo(12)
    page = written(
        replace(report, curves=(*report.curves, replace(report.curves[0], series=report.curves[0].series[:2])))
    )
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        link = attributes.get("href", attributes.get("xlink:href", ""))
        assert not link.startswith("#") or link[1:] in ids


def test_the_table_holds_the_numbers_that_went_in(demo: Callable[..., Report], written: Callable[..., Reader]) -> None:
    report = demo(0)
    page = written(report)
    expected = [value for row in report.metric_rows for value in row.metrics.values()]
    assert [float(cell["value"]) for cell in page.named("data")] == expected
    assert all(f"{value * 100:.1f}" in page.text for value in expected)
    assert "2,816" in page.text  # calls of the adaptive reasoner
    assert "3,904.0" in page.text  # seconds of the thinking reasoner


def test_the_best_of_a_column_is_bold_but_never_the_oracle(written: Callable[..., Reader]) -> None:
    rows = tuple(
        MetricRow(name, {"mAP": share, "rank1": 0.5}, **typed(name))
        for name, share in (("retriever", 0.4), ("reasoner", 0.6), ("oracle@5", 0.9))
    )
    page = written(Report("t", "now", metric_rows=rows))
    # One cell only: the reasoner's mAP. All rows agree on Rank-1, so that column has no best.
    assert len(page.with_class("metric", "best")) == 1


def test_junk_is_greyed_and_not_dropped(demo: Callable[..., Report], written: Callable[..., Reader]) -> None:
    report = demo(6)
    page = written(report)
    junk = sum(c.mark == "junk" for card in report.query_cards for c in card.candidates)
    assert junk > 0
    assert len(page.with_class("candidate", "junk")) == junk
    assert len(page.with_class("candidate")) == sum(len(card.candidates) for card in report.query_cards)
    style = (Path(package.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    assert re.search(r"\.junk \.frame img \{ filter: grayscale\(1\)", style)


def test_files_agree_with_the_report(demo: Callable[..., Report], tmp_path: Path) -> None:
    report = demo(9)
    rows = list(report.metric_rows)
    rows[-1] = replace(rows[-1], gains_over={"CSLS": {"mAP": (-0.01, 0.02)}})
    report = replace(report, metric_rows=tuple(rows), left_out=("3 files: a, b, c",), remarks=("2 have no score.",))
    write_report(report, tmp_path, cards=4)
    document = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    for saved, row in zip(document["rows"], report.metric_rows, strict=True):
        assert saved["name"] == row.name
        assert {name: saved[name] for name in row.metrics} == dict(row.metrics)
        assert {name: tuple(ends) for name, ends in saved["intervals"].items()} == dict(row.intervals)
        assert (saved["calls"], saved["seconds"]) == (row.calls, row.seconds)
    assert document["rows"][-1]["gains_over"] == {"CSLS": {"mAP": [-0.01, 0.02]}}
    assert (document["left_out"], document["remarks"]) == (["3 files: a, b, c"], ["2 have no score."])
    assert document["facts"] == dict(report.facts)
    for saved, curve in zip(document["curves"], report.curves, strict=True):
        assert [line["y"] for line in saved["series"]] == [[float(y) for y in line.y] for line in curve.series]

    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["mAP"]) for row in rows] == [row.metrics["mAP"] for row in report.metric_rows]
    assert [float(row["rank1_low"]) for row in rows] == [row.intervals["rank1"][0] for row in report.metric_rows]

    queries = list(csv.DictReader((tmp_path / "queries.csv").read_text(encoding="utf-8").splitlines()))
    for line, card in zip(queries, report.query_cards, strict=True):
        assert line["query"] == card.id
        saved = line["average_precision_after"]
        assert (float(saved) if saved else None) == card.average_precision_after
    assert sum(line["on_page"] == "yes" for line in queries) == 4


def test_hostile_text_is_only_text(demo: Callable[..., Report], tmp_path: Path) -> None:
    report = demo(1)
    card = report.query_cards[0]
    candidates = tuple(
        replace(c, id=HOSTILE + str(number), person=HOSTILE, camera=HOSTILE, reasoning=HOSTILE, cues=(HOSTILE,))
        for number, c in enumerate(card.candidates)
    )
    hostile_card = replace(
        card, id=HOSTILE, person=HOSTILE, camera=HOSTILE, status=HOSTILE, asked=HOSTILE, candidates=candidates
    )
    row = MetricRow("retriever " + HOSTILE, {"mAP": 0.5, HOSTILE: 0.25}, note=HOSTILE, role="retriever")
    curve = replace(report.curves[0], series=(Series(HOSTILE + "$x_{", [1, 2], [0.1, 0.2]),), caption=HOSTILE)
    hostile = Report(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, (row,), (hostile_card,), (curve,))
    page = Reader(write_report(hostile, tmp_path).read_text(encoding="utf-8"))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert all(image["src"].startswith("data:") and "onerror" not in image for image in page.named("img"))
    assert page.text.count("<script>alert(1)</script>") > 20
    saved = list(csv.DictReader(io.StringIO((tmp_path / "queries.csv").read_text(encoding="utf-8"))))
    assert saved[0]["query"] == HOSTILE


def test_size_is_bounded_even_for_pictures_of_noise(demo: Callable[..., Report], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 255, (320, 160, 3), dtype=np.uint8))
    cards = []
    for card in demo(40).query_cards:
        candidates = tuple(
            replace(c, image=noise, reasoning="A coat. " * 60 if c.rank <= 5 else None) for c in card.candidates
        )
        cards.append(replace(card, image=noise, candidates=candidates))
    path = write_report(replace(demo(0), query_cards=tuple(cards)), tmp_path)
    assert len(Reader(path.read_text(encoding="utf-8")).with_class("candidate")) == 400
    assert path.stat().st_size < 8_000_000  # noise: the worst case; 440 crops at 8 kB and 200 small ones, in base64


def test_a_damaged_picture_costs_its_place_and_not_the_page(written: Callable[..., Reader], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    found = Candidate("c", broken, "right", 1, 0.5)
    page = written(Report("t", "now", query_cards=(QueryCard("q", None, (found,), average_precision_before=1.0),)))
    assert page.named("img") == []
    assert len(page.with_class("missing")) == 2
    assert len(page.with_class("candidate")) == 1


def test_pictures_are_shrunk_and_never_enlarged(written: Callable[..., Reader]) -> None:
    found = tuple(
        Candidate(str(rank), Image.new("RGB", size, "red"), "right", rank, 0.5)
        for rank, size in enumerate(((64, 128), (600, 1200), (900, 300)), start=1)
    )
    page = written(Report("t", "now", query_cards=(QueryCard("q", None, found, average_precision_before=1.0),)))
    assert [(image["width"], image["height"]) for image in page.named("img")] == [
        ("64", "128"),
        ("80", "160"),
        ("160", "53"),
    ]


def scored(name: str, precision: float | None) -> QueryCard:
    return QueryCard(name, None, average_precision_before=precision)


def test_worst_and_best_first_with_ties_by_id() -> None:
    cards = tuple(
        scored(name, precision)
        for name, precision in zip("hgfedcba", [0.5, 0.5, 0.9, 0.9, 0.1, 0.1, 0.3, 0.7], strict=True)
    )
    groups = arrange(Report("t", "now", query_cards=cards), limit=4).groups
    assert [(group.key, [card.id for card in group.cards]) for group in groups] == [
        ("worst", ["c", "d"]),
        ("best", ["e", "f"]),
    ]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 20, 100])
@pytest.mark.parametrize(("known", "strangers"), [(0, 0), (0, 5), (1, 0), (5, 3), (30, 0), (30, 9)])
def test_every_card_is_shown_once_and_the_limit_holds(known: int, strangers: int, limit: int) -> None:
    cards = [scored(f"k{n:02d}", (n * 7 % 30) / 30) for n in range(known)] + [
        scored(f"s{n}", None) for n in range(strangers)
    ]
    page = arrange(Report("t", "now", query_cards=tuple(cards)), limit)
    shown = [card.id for group in page.groups for card in group.cards]
    assert len(shown) == len(set(shown)) == min(limit, len(cards))
    by_key = {group.key: [card.average_precision for card in group.cards] for group in page.groups}
    if limit >= 2 * GROUP_SIZE and known >= 2 * GROUP_SIZE:
        everything = sorted(card.average_precision for card in cards if card.average_precision is not None)
        assert by_key["worst"] == everything[:GROUP_SIZE]
        assert by_key["best"] == everything[::-1][:GROUP_SIZE]


def test_a_cut_list_says_so(demo: Callable[..., Report], written: Callable[..., Reader]) -> None:
    page = written(demo(9), cards=4)
    assert "4 of 9 queries have a card here" in page.text
    assert len(page.with_class("query")) == 4


def test_no_queries_at_all(written: Callable[..., Reader]) -> None:
    page = written(Report("An empty run", "now"))
    assert "This run has no queries to show." in page.text
    assert "No metrics were computed in this run." in page.text


def test_what_must_stand_on_every_page(demo: Callable[..., Report], written: Callable[..., Reader]) -> None:
    page = written(demo(2))
    for sentence in (
        "The reasoner is a barely trained nano: read its reasons as a demonstration of the format.",
        "candidates, not identifications",
        "a person must decide",
        "count as biometric data",
        "A reason is text that a model generated. It can be fluent and wrong",
        "3f9c1d2",
    ):
        assert sentence in page.text
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("h1")) == 1


def test_nothing_is_left_behind_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("here first")
    with pytest.raises(ReIDError, match="cannot be written there"):
        write_report(Report("t", "now"), occupied)
    with pytest.raises(ReIDError, match="0 or more, not -1"):
        write_report(Report("t", "now"), tmp_path / "new", cards=-1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def luminance(colour: str) -> float:
    """WCAG 2.2 relative luminance of `#rrggbb`."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_has_contrast_on_its_ground(scheme: int) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)  # WCAG's own example
    style = (Path(package.__file__).parent / "templates" / "base.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for name in ("ink", "soft", "accent", "right", "wrong", "junk"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    assert contrast(colours["soft"], colours["panel"]) >= 4.5
    for number in range(1, 6):  # lines of figures: WCAG 1.4.11 asks 3 for graphics
        assert contrast(colours[f"series-{number}"], colours["paper"]) >= 3.0, number
