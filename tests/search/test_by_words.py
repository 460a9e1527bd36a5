"""Search by words: what is understood, how crops are ordered, alone and beside a picture, its page and its command."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from reidr.cli.main import reidr
from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES
from reidr.errors import DataError, WeightsError
from reidr.report.kept.forget import forget
from reidr.report.words import load_words, render_words, write_words
from reidr.retrieval.embedders.attribute_recognition import FAMILIES, AttributeTable
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder
from reidr.search import by_words, description
from reidr.search.by_words import WordsOptions, find_by_words, fused_order
from reidr.search.description import Description, describe
from reidr.search.document.words import words_csv, words_document_of, words_pictures

COLORS = {"red": (200, 20, 20), "blue": (20, 20, 200), "green": (20, 160, 20)}


def crop(name: str, top: str, bottom: str = "blue") -> Crop:
    pixels = np.zeros((64, 32, 3), np.uint8)
    pixels[:32], pixels[32:] = COLORS[top], COLORS[bottom]
    return Crop(name, Image.fromarray(pixels))


class Painted:
    """Recognises the colour of the upper and of the lower half, and nothing else."""

    name, fingerprint, input_size = "painted", "painted", (64, 32)
    retriever = SimpleNamespace(name="painted")

    def embed_pictures(self, pictures: Any) -> Any:
        rows = np.full((len(pictures), len(VALUES) + len(FAMILIES)), -1.0, np.float32)
        for row, picture in zip(rows, pictures, strict=True):
            pixels = np.asarray(picture, float)
            for family, half in (
                ("upper colors", pixels[: len(pixels) // 2]),
                ("lower colors", pixels[len(pixels) // 2 :]),
            ):
                for color, channel in (("red", 0), ("green", 1), ("blue", 2)):
                    own = half.mean(axis=(0, 1))
                    row[VALUES.index((family, color))] = 0.9 if own.argmax() == channel else 0.05
                row[len(VALUES) + FAMILIES.index(family)] = 0.0
        return rows

    def table(self, rows: Any) -> AttributeTable:
        known = np.where(rows == -1.0, np.nan, rows).astype(np.float32)
        return AttributeTable(known[:, : len(VALUES)], known[:, len(VALUES) :], np.full(len(VALUES), 0.1, np.float32))

    def boxes(self, picture: Any) -> dict[str, Any]:
        return {"upper colors": (0.0, 0.0, 1.0, 0.5), "lower colors": (0.0, 0.5, 1.0, 1.0)}


@pytest.fixture(autouse=True)
def painted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (by_words, description):
        monkeypatch.setattr(module, "recogniser_of", lambda _: Painted())


GALLERY = [crop("a", "blue"), crop("b", "red"), crop("c", "green"), crop("d", "red", "green"), crop("e", "blue", "red")]
PLAIN = WordsOptions(HistogramEmbedder(), keep=False, fold=False)


def order(words: str, **more: Any) -> list[str]:
    return [match.crop.id for match in find_by_words(words, GALLERY, options=PLAIN, **more).matches]


def test_who_fits_all_of_it_comes_first_and_nobody_is_left_out() -> None:
    assert order("red top, green trousers") == ["d", "b", "a", "c", "e"] or order("red top, green trousers")[:2] == [
        "d",
        "b",
    ]
    assert set(order("red top")[:2]) == {"b", "d"}
    assert len(order("red top")) == len(GALLERY)


def test_not_turns_it_round() -> None:
    assert set(order("no red top")[-2:]) == {"b", "d"}


def test_only_leaves_out_whom_a_term_hardly_fits_and_says_so() -> None:
    options = WordsOptions(HistogramEmbedder(), keep=False, fold=False, only=True)
    found = find_by_words("red top", GALLERY, options=options)
    assert {match.crop.id for match in found.matches} == {"b", "d"}
    assert found.dropped == 3
    assert any("3 crops were left out" in sentence for sentence in found.sentences())


def test_a_term_says_how_likely_it_is_and_where_it_was_looked_for() -> None:
    found = find_by_words("red top and a hat", GALLERY, k=1, options=PLAIN)
    by_term = {str(own.term): own for own in found.matches[0].terms}
    assert by_term["upper colors: red"].probability == pytest.approx(0.9, abs=1e-3)
    assert by_term["upper colors: red"].box == (0.0, 0.0, 1.0, 0.5)
    assert by_term["headwear: hat"].probability is None
    (match,) = find_by_words("a hat", GALLERY, k=1, options=PLAIN).matches
    assert match.probability is None  # nothing is known of it anywhere


def test_what_was_not_understood_is_said_and_nothing_understood_is_refused() -> None:
    found = find_by_words("a woman in a red top with a parrot", GALLERY, options=PLAIN)
    said = " ".join(found.sentences())
    assert "“parrot”" in said
    assert "“woman”" in said
    assert "Never searched for" in said
    with pytest.raises(DataError, match="nothing in the description can be searched for"):
        find_by_words("a parrot", GALLERY, options=PLAIN)


def test_reciprocal_rank_fusion_by_hand() -> None:
    first, second = np.array([0, 1, 2]), np.array([2, 0, 1])
    # 0: 1/61 + 1/62, 1: 1/62 + 1/63, 2: 1/63 + 1/61.
    assert fused_order(first, second, 3).tolist() == [0, 2, 1]
    # Ties as in the first order.
    assert fused_order(np.array([0, 1]), np.array([1, 0]), 2).tolist() == [0, 1]


def test_words_and_a_picture_together() -> None:
    found = find_by_words("red top", GALLERY, person=crop("query", "red", "green").image, options=PLAIN)
    assert found.matches[0].crop.id == "d"
    assert found.matches[0].distance is not None
    assert found.matches[0].distance < 0.01


def test_near_duplicates_are_one_match() -> None:
    options = WordsOptions(HistogramEmbedder(), keep=False)
    found = find_by_words("red top", [*GALLERY, crop("b again", "red")], options=options)
    folded = {match.crop.id: [one.id for one in match.like] for match in found.matches}
    assert folded["b"] == ["b again"]


def test_another_embedder_recognises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="recognises no attributes"):
        find_by_words("red top", GALLERY, options=PLAIN)


def test_the_page_holds_what_was_understood_and_survives_its_folder(tmp_path: Path) -> None:
    found = find_by_words("red top, a <b>parrot</b>", GALLERY, k=2, options=PLAIN)
    document = words_document_of(found, created="now", facts={"retriever": "painted"})
    write_words(document, tmp_path, words_pictures(found))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;parrot&lt;/b&gt;" in page
    assert "<b>parrot" not in page
    assert page.count('class="part likely"') == 2
    assert "All 2 matches are likely to fit" in page
    again = load_words(tmp_path)
    assert render_words(again) == page
    table = words_csv(document).splitlines()
    assert table[0].startswith("rank,id,path,camera,probability,distance,upper colors: red")
    assert len(table) == 3


def test_a_description_says_what_is_likely_and_what_cannot_be_seen() -> None:
    read = {
        "upper colors": {"red": 0.8, "white": 0.6, "blue": 0.1, CANNOT_BE_SEEN: 0.02},
        "shoes": {"boots": 0.4, "sandals": 0.3, CANNOT_BE_SEEN: 0.1},
        "headwear": {"none": 0.9, "hat": 0.1, CANNOT_BE_SEEN: 0.7},
        "lower colors": {"red": 0.1, "blue": 0.3, CANNOT_BE_SEEN: 0.0},
    }
    lines = Description(GALLERY[0], read).lines()
    assert lines == [
        "upper colors  red (80%), white (60%)",
        "shoes         boots (40%); or sandals (30%)",
        "headwear      cannot be seen (70%)",
        "lower colors  none likely; at most blue (30%)",
    ]
    (found,) = describe(GALLERY[1].image, retriever=HistogramEmbedder())
    assert found.words("upper colors") == "red (90%)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "crops").mkdir()
    for each in GALLERY:
        each.open().save(tmp_path / "crops" / f"{each.id}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*words: str) -> Any:
    return CliRunner().invoke(reidr, ["find", *words])


def test_the_command_searches_by_words_and_writes_all_of_it(folder: Path) -> None:
    done = invoke(
        "--wearing", "red top, a parrot", "--in", "crops", "--retriever", "histogram", "--k", "2", "--run", "run",
        "--json", "found.json", "--no-cache",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "searched for: upper colors: red" in done.output
    assert "“parrot”" in done.output
    found = json.loads((folder / "found.json").read_text())
    assert [match["id"] for match in found["matches"]] == ["b.png", "d.png"]
    assert found["unmapped"] == ["parrot"]
    assert (folder / "run" / "report.html").is_file()
    again = CliRunner().invoke(reidr, ["report", "run"])
    assert again.exit_code == 0, again.output


def test_what_a_search_by_words_keeps_of_a_crop_can_be_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIDR_CACHE", str(folder / "cache"))
    done = invoke(
        "--wearing", "red top", "--in", "crops", "--retriever", "histogram", "--k", "2", "--run", "runs/words"
    )
    assert done.exit_code == 0, done.output
    kept = sum(len(EmbeddingCache(cache_folder(), name).rows) for name in ("painted", HistogramEmbedder.fingerprint))
    receipt = forget([Path("crops/b.png")], [Path("runs")])
    assert not (folder / "runs" / "words" / "report.html").exists()
    left = sum(len(EmbeddingCache(cache_folder(), name).rows) for name in ("painted", HistogramEmbedder.fingerprint))
    assert (kept, left, receipt.embeddings) == (10, 8, 2)


def test_the_given_picture_itself_is_never_a_match(folder: Path) -> None:
    found = find_by_words("red top", "crops", person="crops/b.png", options=PLAIN)
    assert "b.png" not in {match.crop.id for match in found.matches}
    assert found.searched == len(GALLERY) - 1


def test_the_command_describes_a_picture(folder: Path) -> None:
    done = invoke("--describe", "crops/b.png", "--retriever", "histogram", "--json", "-")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found[0]["attributes"]["upper colors"]["red"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--describe",), "Missing argument 'PERSON"),
        (("--in", "crops"), "Missing argument 'PERSON"),
        (("crops/b.png",), "Missing option '--in'"),
        (("--describe", "crops/b.png", "--in", "crops"), "--describe looks at PERSON"),
        (("crops/b.png", "--in", "crops", "--only"), "--only belongs to --wearing"),
        (("--wearing", "red top", "--in", "crops", "--think", "2"), "--wearing asks no reasoner; leave out --think"),
        (("--describe", "crops/b.png", "--reasoner", "none"), "--describe asks no reasoner; leave out --reasoner"),
        (("--wearing", "a parrot", "--in", "crops"), "nothing in the description"),
    ],
)
def test_what_does_not_belong_together_is_refused(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = invoke(*words)
    assert done.exit_code != 0
    assert said in done.output + str(done.exception)
    assert not (folder / "runs").exists()
