"""`find` in any folder: order, reasons, the query's own file, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from test_experiment import Scripted

from reidr.cli import shared
from reidr.cli.find_text import looks_in_words
from reidr.cli.main import reidr
from reidr.data.types import Crop
from reidr.errors import DataError, ImageError
from reidr.fusion.logistic import Logistic, LogisticFusion
from reidr.fusion.profile import InferenceProfile
from reidr.fusion.weighted import Fusion
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Verdict
from reidr.report.search import write_search
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.search import find, search
from reidr.search.document.document import document_of, pictures_of
from reidr.search.task import SearchOptions

PERSON = (195, 35, 30)
COLORS = {"red": (200, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 200), "gray": (120, 120, 120)}


class Plain:
    """An embedder that sees a picture's mean colour and nothing else."""

    name = fingerprint = "plain"

    def embed_pictures(self, pictures):  # type: ignore[no-untyped-def]
        colors = np.array([np.asarray(picture, dtype=np.float32).mean(axis=(0, 1)) for picture in pictures])
        return colors / np.linalg.norm(colors, axis=1, keepdims=True)


class CropQuestions(Scripted):
    """Says "Both have red shoes. The hair agrees: short hair in both." of all pairs; sees red shoes in red.png."""

    capabilities = Capabilities(ask_about_crops=True)

    def think(self, pairs, **_):  # type: ignore[no-untyped-def]
        text = "Both have red shoes. The hair agrees: short hair in both."
        return [Verdict("same", 0.9, text, extract_cues(text), 5, 0.1, "m", "p", "k") for _ in pairs]

    def ask_about_crops(self, crops, texts, **_):  # type: ignore[no-untyped-def]
        said = {"sub/red.png": "Red.", "query": "Red."}
        return [said.get(c.id, "Gray.") if "shoes" in t else "Short." for c, t in zip(crops, texts, strict=True)]


def person(color: tuple[int, int, int] = PERSON, size: tuple[int, int] = (30, 60)) -> Image.Image:
    """A picture mostly of one colour, with enough contrast to be one of a person."""
    made = Image.new("RGB", size, color)
    made.paste((250, 250, 250), (0, 0, size[0], size[1] // 8))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "crops"
    (path / "sub").mkdir(parents=True)
    for name, color in COLORS.items():
        person(color, (20, 40)).save(path / "sub" / f"{name}.png")
    return path


def look(person: Path | Image.Image, folder: Path | list[Crop], **words: object):  # type: ignore[no-untyped-def]
    settings = {"retriever": HistogramEmbedder(), "reasoner": None, **words}
    return search(person, folder, 3, SearchOptions(**settings))  # type: ignore[arg-type]


def test_the_nearest_comes_first_and_k_bounds_the_list(folder: Path) -> None:
    found = look(person(), folder)
    assert found.matches[0].crop.id == "sub/red.png"
    assert len(found.matches) == 3
    assert found.searched == 4
    distances = [match.distance for match in found.matches]
    assert distances == sorted(distances)
    assert all(match.probability is None and match.verdict is None for match in found.matches)


def test_the_query_file_is_not_its_own_match(folder: Path) -> None:
    found = look(folder / "sub" / "red.png", folder)
    assert "sub/red.png" not in [match.crop.id for match in found.matches]


def test_a_reasoner_that_is_sure_of_one_crop_puts_it_first(folder: Path) -> None:
    class Sure(Scripted):
        def score(self, pairs, **_):  # type: ignore[no-untyped-def]
            return np.array([float(pair.candidate.id == "sub/gray.png") for pair in pairs])

    sure = Sure()
    sure.card = Card(InferenceProfile(0.8, "this test"))
    found = search(person(), folder, 4, SearchOptions(HistogramEmbedder(), sure))  # type: ignore[arg-type]
    places = {match.crop.id: place for place, match in enumerate(found.matches)}
    before = {match.crop.id: match.rank_before for match in found.matches}
    assert sorted(before.values()) == [1, 2, 3, 4]
    assert places["sub/gray.png"] <= before["sub/gray.png"] - 1
    assert all(match.verdict is not None for match in found.matches)


def test_a_loaded_reasoner_is_used_as_was_decided_for_it_and_not_for_one_of_its_name(folder: Path) -> None:
    """A weight of 0 (a base, or one that knows drawn people only) moves nothing, whatever its folder is called."""

    class Sure(Scripted):
        name = "nano"

        def score(self, pairs, **_):  # type: ignore[no-untyped-def]
            return np.array([float(pair.candidate.id == "sub/gray.png") for pair in pairs])

    still = Sure()
    still.card = Card(InferenceProfile(0.0, "nothing", "Never taught a verdict."))
    found = search(person(), folder, 4, SearchOptions(HistogramEmbedder(), still))  # type: ignore[arg-type]
    assert [match.rank_before for match in found.matches] == [1, 2, 3, 4]
    assert shared.notice_of(still) == "Never taught a verdict."  # type: ignore[arg-type]


def test_a_reasoner_may_be_named_by_the_url_of_a_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = []

    def load(source: str) -> Scripted:
        named.append(source)
        return Scripted(0.5)

    monkeypatch.setattr("reidr.reasoning.backends.loading.load_reasoner", load)
    found = look(person(), folder, reasoner="http://127.0.0.1:8000#nano")
    assert named == ["http://127.0.0.1:8000#nano"]
    assert [match.probability for match in found.matches] == [0.5] * 3


def test_reasons_are_looked_at_again_and_the_page_says_so(folder: Path, tmp_path: Path) -> None:
    query = person()
    found = search(query, folder, 4, SearchOptions(HistogramEmbedder(), CropQuestions(), think=2))  # type: ignore[arg-type]
    ended = {match.crop.id: [look.ended for look in match.looks] for match in found.matches}
    assert ended["sub/red.png"] == ["consistent", "consistent"]
    assert sorted(map(len, ended.values())) == [0, 0, 2, 2]
    other = next(looks for name, looks in ended.items() if looks and name != "sub/red.png")
    assert other == ["inconsistent", "consistent"]
    document = document_of(found, created="now", facts={}, notice="")
    page = write_search(document, tmp_path, pictures_of(found)).read_text(encoding="utf-8")
    assert "asks about each picture alone" in page
    assert "asked about B alone, the reasoner says: gray" in page
    assert page.count("</svg>inconsistent") >= 2  # in the legend, and at the claim
    red = next(match for match in found.matches if match.crop.id == "sub/red.png")
    assert looks_in_words(red.looks) == "claim check: 2 of 2 claims consistent"
    last = next(match for match in found.matches if match.looks and match is not red)
    assert looks_in_words(last.looks) == "claim check: 1 of 2 claims consistent; shoes inconsistent (B: Gray)"
    assert looks_in_words(()) == ""
    spared = search(query, folder, 4, SearchOptions(HistogramEmbedder(), CropQuestions(), claim_check=False))  # type: ignore[arg-type]
    assert all(match.verdict is not None and match.looks == () for match in spared.matches)


def test_think_bounds_the_reasons(folder: Path) -> None:
    found = look(person(), folder, reasoner=Scripted(0.5), think=1)
    assert [match.verdict is not None for match in found.matches] == [True, False, False]


def test_the_public_function_gives_the_matches(folder: Path) -> None:
    matches = find(Image.new("RGB", (9, 9), (30, 30, 190)), folder, 2, retriever=HistogramEmbedder(), reasoner=None)
    assert matches[0].crop.id == "sub/blue.png"


@pytest.mark.parametrize(
    ("person", "where", "error"), [("none.png", "", ImageError), ("sub/red.png", "nowhere", DataError)]
)
def test_bad_input_is_one_sentence(folder: Path, person: str, where: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"none\.png|nowhere"):
        look(folder / person, folder / where)


def test_the_command_prints_matches_and_writes_a_page(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"no")
    run = tmp_path / "run"
    words = ["find", str(folder / "sub" / "red.png"), "--in", str(folder), "--reasoner", "none", "--run", str(run)]
    result = CliRunner().invoke(reidr, [*words, "--k", "2"])
    assert result.exit_code == 0, result.output
    assert "1. sub/" in result.output
    assert "broken.png" in result.output
    assert (run / "report.html").is_file()
    assert len(json.loads((run / "report.json").read_text())["matches"]) == 2
    again = CliRunner().invoke(reidr, ["report", str(run)])
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(("switch", "asked"), [("--claim-check", True), ("--no-claim-check", False)])
def test_the_command_looks_again_unless_told_not_to(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str, asked: bool
) -> None:
    monkeypatch.setattr(shared, "load_reasoner", lambda *_: CropQuestions())
    words = ["find", str(folder / "sub" / "red.png"), "--in", str(folder), "--run", str(tmp_path), "--k", "2", switch]
    result = CliRunner().invoke(reidr, words, catch_exceptions=False)
    assert ("claim check: 1 of 2 claims consistent; shoes inconsistent" in result.output) == asked, result.output
    assert "x1b" not in result.output  # what dims the line is no part of its text, which alone is escaped
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("asks about each picture alone" in page) == asked


@pytest.mark.parametrize(("threshold", "absent"), [(0.0001, True), (2.0, False)])
def test_a_person_beyond_the_stored_threshold_is_probably_absent(folder: Path, threshold: float, absent: bool) -> None:
    class Thresholded(HistogramEmbedder):
        thresholds = {"0.01": threshold / 2, "0.1": threshold}  # noqa: RUF012

    found = look(Image.new("RGB", (30, 60), (250, 240, 10)), folder, retriever=Thresholded())
    assert bool(found.absent) == absent
    assert not absent or "1 in 10 people" in found.absent


class Eyed(Scripted):
    """Finds all pairs equally likely; its eyes know blue-0.png alone."""

    capabilities = Capabilities(vision_similarity=True)

    def vision_similarity(self, pairs, **_):  # type: ignore[no-untyped-def]
        return np.array([[1.0 if pair.candidate.id == "blue-0.png" else 0.0] * 3 for pair in pairs])


@pytest.mark.parametrize(
    ("number", "fusion", "first"),
    [(60, "fitted", "blue-0.png"), (60, "weighted", "red-0.png"), (12, "fitted", "red-0.png")],
    ids=["the fitted fusion orders", "the weight was chosen", "too few neighbours for the fitted fusion"],
)
def test_candidates_are_ordered_by_the_fusion_that_was_chosen(
    tmp_path: Path, number: int, fusion: Fusion, first: str
) -> None:
    """A fitted fusion that looks at the whole bodies of a glance and nothing else."""
    for place in range(number):
        red = 200 - 2 * place
        name = "blue-0.png" if place == 3 else f"red-{place}.png"
        Image.new("RGB", (20, 40), (red, 30, 30 + place)).save(tmp_path / name)
    model = Logistic((0.0,) * 6, (1.0,) * 6, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0), 0.0)
    asked = Logistic((0.0,) * 7, (1.0,) * 7, (*model.weights, 0.0), 0.0)
    eyed = Eyed(0.5)
    fitted = LogisticFusion(asked, model, 11, 50, vision_similarities=True).stored()
    eyed.card = Card(InferenceProfile(0.2, "this test", fitted=fitted, fusion=fusion))
    found = search(
        Image.new("RGB", (30, 60), (200, 30, 30)), tmp_path, 5, SearchOptions(Plain(), eyed), keep=False  # type: ignore[arg-type]
    )  # fmt: skip
    assert found.matches[0].crop.id == first
    assert len(found.matches) == 5
    assert sorted(match.rank_before for match in found.matches) == [1, 2, 3, 4, 5]
    assert sorted(match.distance for match in found.matches) == [
        match.distance for match in sorted(found.matches, key=lambda match: match.rank_before)
    ]
    # The number that decides is there to be shown, whatever fused it.
    assert found.order_by == {"fitted": "fused score", "weighted": "fused distance"}[fusion] or number == 12
    deciding = [match.order_value for match in found.matches]
    assert deciding == sorted(deciding, reverse=found.order_by == "fused score")
