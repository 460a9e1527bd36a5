"""Repainting changes one garment and nothing else, and the measure tells a reader from a parrot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reidr.data.attributes import common_attributes
from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.data.types import Crop
from reidr.evaluation.explanations.repaint import GARMENTS, Repainted, measure_repainting, repaint
from reidr.reasoning.prompting.prompt import DESCRIBE
from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.pretraining.templates import describe

ASKED = {text: name for name, texts in QUESTIONS.items() for text in texts}
NUMBER = 4


@contextmanager
def progress(_: str, __: float) -> Iterator[Callable[[float], None]]:
    yield lambda _: None


@pytest.fixture(scope="module")
def repainted() -> dict[str, list[tuple[Crop, Crop]]]:
    return repaint(NUMBER, 500)


def known(name: str, crop: Crop) -> str:
    """What is true of a crop, in the one vocabulary; what nobody knows is like what cannot be seen."""
    return common_attributes(crop.attributes).get(name, UNSEEN)


def test_one_attribute_changes_and_every_other_fact_stays(repainted: dict[str, list[tuple[Crop, Crop]]]) -> None:
    assert set(repainted) == set(GARMENTS)
    for garment, pairs in repainted.items():
        assert len(pairs) == NUMBER
        assert len({crop.id for pair in pairs for crop in pair}) == 2 * NUMBER
        drawn_as, _ = GARMENTS[garment]
        for before, after in pairs:
            assert UNSEEN not in (before.attributes[drawn_as], after.attributes[drawn_as])
            assert {**before.attributes, drawn_as: ""} == {**after.attributes, drawn_as: ""}
            # Navy is no other blue: the words of the vocabulary change too, and of that family alone.
            one, two = common_attributes(before.attributes), common_attributes(after.attributes)
            assert one[garment] != two[garment]
            assert {**one, garment: ""} == {**two, garment: ""}


def test_only_some_pixels_change_and_pictures_keep_their_size(repainted: dict[str, list[tuple[Crop, Crop]]]) -> None:
    for pairs in repainted.values():
        for before, after in pairs:
            one, two = np.asarray(before.open(), dtype=int), np.asarray(after.open(), dtype=int)
            assert one.shape == two.shape
            # The light may be measured anew, and JPEG spreads a little: what was repainted stands out.
            much = np.abs(one - two).max(axis=2) > 30
            assert 0.001 < much.mean() < 0.7


def test_a_street_is_repainted_alike_each_time(repainted: dict[str, list[tuple[Crop, Crop]]]) -> None:
    again = repaint(NUMBER, 500)["shoe colors"]
    for (one, _), (two, _) in zip(repainted["shoe colors"], again, strict=True):
        assert one.open().tobytes() == two.open().tobytes()


def measure_all(
    monkeypatch: pytest.MonkeyPatch,
    pairs: Any,
    answer: Callable[[str, Crop], str],
    describes: Callable[[Crop], str] = lambda _: "",
) -> list[Repainted]:
    class Scripted:
        def ask_about_crops(
            self, asked: Sequence[Crop], text: str = DESCRIBE, *, max_new_tokens: int = 120, progress: Any
        ) -> list[str]:
            progress(len(asked), len(asked))
            if text == DESCRIBE:
                return [describes(crop) for crop in asked]
            return [answer_of(answer(ASKED[text], crop)) for crop in asked]

    monkeypatch.setattr("reidr.evaluation.explanations.repaint.repaint", lambda number, seed: pairs)
    reasoner: Any = Scripted()
    return measure_repainting(reasoner, progress)


def measure(
    monkeypatch: pytest.MonkeyPatch,
    pairs: Any,
    answer: Callable[[str, Crop], str],
    describes: Callable[[Crop], str] = lambda _: "",
) -> dict[tuple[str, str], Repainted]:
    found = measure_all(monkeypatch, pairs, answer, describes)
    return {(each.garment, each.how): each for each in found if each.worn == "all"}


def test_reader_parrot_and_guesser(
    repainted: dict[str, list[tuple[Crop, Crop]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = measure(monkeypatch, repainted, known)
    parrot = measure(monkeypatch, repainted, lambda name, _: "black")
    random = np.random.default_rng(0)
    guesser = measure(monkeypatch, repainted, lambda *_: str(random.choice(["red", "blue"])))
    for garment in GARMENTS:
        asked = garment, "asked"
        assert reader[asked] == Repainted(garment, NUMBER, "asked", 1.0, 1.0, 1.0)
        assert (parrot[asked].moved, parrot[asked].right, parrot[asked].kept) == (0.0, 0.0, 1.0)
        # Two coins: they agree half of the time; some 40 other answers per garment, give or take 0.08.
        assert guesser[asked].kept == pytest.approx(0.5, abs=0.25)


def test_one_who_reads_the_garment_into_everything_keeps_nothing(
    repainted: dict[str, list[tuple[Crop, Crop]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shoes = {"shoe colors": repainted["shoe colors"]}
    found = measure(monkeypatch, shoes, lambda _, crop: known("shoe colors", crop))["shoe colors", "asked"]
    assert (found.moved, found.right, found.kept) == (1.0, 1.0, 0.0)


def test_descriptions_true_silent_and_of_the_garment_alone(
    repainted: dict[str, list[tuple[Crop, Crop]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    true = measure(
        monkeypatch, repainted, lambda *_: "", lambda crop: describe(common_attributes(crop.attributes), random)
    )
    silent = measure(monkeypatch, repainted, lambda *_: "")
    shod = measure(monkeypatch, repainted, lambda *_: "", lambda crop: f"Wears {known('shoe colors', crop)} shoes.")
    for garment in GARMENTS:
        assert true[garment, "described"] == Repainted(garment, NUMBER, "described", 1.0, 1.0, 1.0)
        assert silent[garment, "described"] == Repainted(garment, NUMBER, "described", 0.0, 0.0, 1.0)
    assert shod["shoe colors", "described"] == Repainted("shoe colors", NUMBER, "described", 1.0, 1.0, 1.0)
    assert shod["upper colors", "described"] == Repainted("upper colors", NUMBER, "described", 0.0, 0.0, 1.0)


def test_tops_are_told_apart_by_how_they_are_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    def top(name: str, color: str, **more: str) -> Crop:
        facts = {"upper_color": color, "upper_pattern": "plain", "jacket_color": "none", **more}
        return Crop(name, Image.new("RGB", (8, 16)), attributes={**dict.fromkeys(ATTRIBUTES, UNSEEN), **facts})

    plain, striped, covered, behind = (
        (top(f"{number}-before", "red", **more), top(f"{number}-after", "blue", **more))
        for number, more in enumerate(
            (
                {},
                {"upper_pattern": "vertical stripes"},
                {"upper_pattern": "vertical stripes", "jacket_color": "black"},
                {"upper_pattern": UNSEEN, "jacket_color": UNSEEN},
            )
        )
    )

    def jackets_are_read_as_tops(name: str, crop: Crop) -> str:
        jacket = crop.attributes["jacket_color"]
        return jacket if name == "upper colors" and jacket == "black" else known(name, crop)

    pairs = {"upper colors": [plain, striped, covered, behind]}
    found = {
        each.worn: each for each in measure_all(monkeypatch, pairs, jackets_are_read_as_tops) if each.how == "asked"
    }
    assert {worn: (each.crops, each.moved, each.right) for worn, each in found.items()} == {
        "all": (4, 0.75, 0.75),
        "of one colour": (2, 1.0, 1.0),
        "with a pattern": (1, 1.0, 1.0),
        "under a jacket": (1, 0.0, 0.0),
    }
