"""A stored report holds its pictures; a report that names files brings none of them into a page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.errors import ReIDError
from reidr.report import Report, write_report
from reidr.report.content import Candidate, QueryCard
from reidr.report.files.store import STORED_SIDE, load_report, save_report
from reidr.report.page import CANDIDATE_SIDE, REASON_SIDE
from reidr.report.pictures import URI_HEAD, thumbnail


def noise(width: int = 48, height: int = 96) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def report(query: Path | Image.Image | None, candidate: Path | Image.Image | None) -> Report:
    found = Candidate(
        id="found", image=candidate, person="1", camera="c2", rank_before=1, rank_after=1, distance=0.4, mark="right"
    )
    card = QueryCard(id="asked", image=query, person="1", camera="c1", candidates=(found,))
    return Report(title="t", created="today", query_cards=(card,))


def uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return URI_HEAD + base64.b64encode(file.getvalue()).decode()


def stored(folder: Path) -> dict[str, str | None]:
    (card,) = json.loads((folder / "report.json").read_text())["query_cards"]
    return {"query": card["image"], "candidate": card["candidates"][0]["image"]}


def test_pictures_are_stored_wherever_they_come_from(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "crops").mkdir()
    path = tmp_path / "crops" / "a.png"
    noise().save(path)
    save_report(report(path, noise().convert("RGBA")), run)
    small = thumbnail(path, STORED_SIDE)
    assert small is not None
    assert stored(run) == {"query": small.uri, "candidate": small.uri}
    path.unlink()  # the page needs the run folder alone
    (card,) = load_report(run).query_cards
    assert isinstance(card.image, Image.Image)
    assert card.image.size == (48, 96)
    page = write_report(load_report(run), run).read_text(encoding="utf-8")
    assert page.count(URI_HEAD) >= 2
    assert str(tmp_path) not in (run / "report.json").read_text() + page


def test_what_is_stored_is_as_large_as_the_page_shows() -> None:
    assert max(CANDIDATE_SIDE, REASON_SIDE) == STORED_SIDE


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    save_report(report(tmp_path / "gone.png", None), tmp_path)
    assert stored(tmp_path) == {"query": None, "candidate": None}
    assert load_report(tmp_path).query_cards[0].image is None


FOREIGN: dict[str, Callable[[Path, Path], object]] = {
    "absolute": lambda run, secret: str(secret),
    "a path upwards": lambda run, secret: "../secret/s.png",
    "a link in the run folder": lambda run, secret: "link.png",
    "a linked folder": lambda run, secret: "linked/s.png",
    "a file address": lambda run, secret: secret.as_uri(),
    "an address": lambda run, secret: "http://127.0.0.1:9/s.png",
    "even a file of its own": lambda run, secret: "own.png",
    "another kind of data": lambda run, secret: "data:text/html;base64,aGk=",
    "a number": lambda run, secret: 5,
    "a list": lambda run, secret: [str(secret)],
    "no base64": lambda run, secret: URI_HEAD + "%%%",
    "no picture": lambda run, secret: URI_HEAD + "aGk=",
    "a camera frame": lambda run, secret: uri(Image.new("RGB", (4000, 3000))),
}


@pytest.mark.parametrize("place", ["query", "candidate"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_report_brings_in_no_picture_from_elsewhere(tmp_path: Path, kind: str, place: str) -> None:
    run, secret = tmp_path / "run", tmp_path / "secret" / "s.png"
    run.mkdir()
    secret.parent.mkdir()
    noise().save(secret)
    noise().save(run / "own.png")
    (run / "link.png").symlink_to(secret)
    (run / "linked").symlink_to(secret.parent)
    save_report(report(noise(), noise()), run)
    content = json.loads((run / "report.json").read_text())
    (card,) = content["query_cards"]
    holder = card if place == "query" else card["candidates"][0]
    holder["image"] = FOREIGN[kind](run, secret)
    (run / "report.json").write_text(json.dumps(content))
    with pytest.raises(ReIDError, match=r"report\.json: ") as caught:
        load_report(run)
    assert "\n" not in str(caught.value)
    assert not (run / "report.html").exists()


def test_a_page_shows_every_form_of_a_picture_alike(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "a.png"
    noise(200, 300).convert("RGBA").save(path, exif=exif)
    forms = (path, Image.open(path), read_picture(path))
    small = {thumbnail(form, 100) for form in forms}
    assert len(small) == 1
    (one,) = small
    assert one is not None
    assert (one.width, one.height) == (100, 67)
    assert thumbnail(Image.open(io.BytesIO(path.read_bytes()[:2000])), 100) is None
    assert thumbnail(Image.new("F", (8, 16)), 100) is None
