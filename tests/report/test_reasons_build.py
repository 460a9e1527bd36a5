"""Tested reasons from the pairs to the page: four scripted pairs whose every number is worked by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reidr.data.types import Crop
from reidr.evaluation.explanations.masking import band_masks
from reidr.evaluation.explanations.reason_numbers import ReasonNumber, number_lines, reason_numbers
from reidr.evaluation.explanations.reasons import measure_reasons, most_asked
from reidr.evaluation.explanations.reasons_tested import Estimate
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Pair, RequestCounts, Verdict
from reidr.report.reasons import write_reasons
from reidr.report.reasons_build import ReasonsRun, groups_of, kind_of, reasons_page, sample_pairs

DARK, LIGHT = 40, 160
SAYS = {
    "q1": ("same", "The shoes agree: black shoes in both."),
    "q2": ("same", "Both have black shoes."),  # the candidate's are gray
    "q3": ("different", "The shoes differ: black shoes in A, gray shoes in B."),
    "q4": ("same", "The bag differs."),  # words against the answer, and nothing is known of bags
    # The other order, in which the candidate is person A: the first pair turns.
    "g1": ("different", "The shoes differ."),
    "g2": ("same", "The shoes agree."),
    "g3": ("different", "The shoes differ."),
    "g4": ("same", "The bag differs."),
}


@contextmanager
def silent(what: str, total: int) -> Iterator:  # type: ignore[type-arg]
    yield lambda steps: None


def crop(name: str, level: int) -> Crop:
    """White above, shoes of a grey level below."""
    pixels = np.full((100, 50, 3), 255, dtype=np.uint8)
    pixels[88:] = level
    return Crop(name, Image.fromarray(pixels), attributes={"shoes_color": "black" if level == DARK else "gray"})


class Scripted:
    """Says what `SAYS` says of person A's id; scores 0.9 where the shoes' grey levels are near each other, else 0.1."""

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    def __init__(self) -> None:
        self.scored = self.thought = 0

    def score(self, own: Sequence[Pair], *, both_orders: bool = True, **_: object) -> NDArray[np.float64]:
        self.scored += len(own) * (2 if both_orders else 1)
        levels = np.array([[float(np.asarray(c.open())[95, 25, 0]) for c in (p.query, p.candidate)] for p in own])
        return np.where(np.abs(levels[:, 0] - levels[:, 1]) < 20, 0.9, 0.1)

    def think(self, own: Sequence[Pair], **_: object) -> list[Verdict]:
        self.thought += len(own)
        said = [SAYS[pair.query.id] for pair in own]
        chance = {"same": 0.8, "different": 0.3}
        return [Verdict(a, chance[a], text, extract_cues(text), 7, 0.25, "m", "p", "k") for a, text in said]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run() -> ReasonsRun:
    levels = ((DARK, DARK), (DARK, LIGHT), (DARK, LIGHT), (DARK, DARK))
    pairs = [
        Pair(crop(f"q{place}", a), crop(f"g{place}", b), 0.5, a == b) for place, (a, b) in enumerate(levels, start=1)
    ]
    reasoner = Scripted()
    tested = measure_reasons(reasoner, pairs, band_masks, silent, per_crop=False)
    thoughts, scores = most_asked(len(pairs))
    assert reasoner.thought == thoughts == 8
    # 4 pairs in both orders; the last has no region that bears out its answer, so 3 are scored twice more, both orders.
    assert reasoner.scored == 8 + 3 * 4 <= scores
    return ReasonsRun(tested, 9, band_masks, False, "per person")


def test_numbers_by_hand(run: ReasonsRun) -> None:
    tested = run.tested
    assert tested.parsable.value == 1
    assert tested.verdict_flips.value == tested.hard_flips.value == 1 / 4  # the first pair
    assert tested.score_flips.value == 0
    assert tested.agreement is not None
    assert tested.agreement.value == 3 / 4  # all but the last
    # Three of four say "same". Two texts bear out "same" (3/4 each by chance), two "different" (1/4 each): mean 1/2.
    assert tested.agreement_by_chance == pytest.approx(0.5)
    assert tested.claims.marks == {"confirmed": 2, "contradicted": 1, "untestable": 1}
    assert tested.claims.true is not None
    assert tested.claims.true.value == pytest.approx(2 / 3)
    # Erased shoes become their crops' means, 0.12 · 120 = 14.4 apart: near. So P goes 0.9 → 0.9, 0.1 → 0.9, 0.1 → 0.9;
    # away from "same", "same", "different" that is 0, -0.8, +0.8. Nothing moves when the control is erased.
    assert tested.masking is not None
    assert tested.masking.cited_against.value == pytest.approx(0)
    assert tested.masking.cited.value == pytest.approx(1.6 / 3)
    assert tested.masking.uncited.value == 0
    assert tested.text_alone is None


def test_each_number_has_a_line_and_its_explanation(run: ReasonsRun) -> None:
    numbers = reason_numbers(run.tested)
    lines = dict(zip([n.title for n in numbers], number_lines(run.tested).splitlines(), strict=True))
    assert re.search(r"25\.0 %  \(\d", lines["Order flips"])
    assert "75.0 %" in lines["Text supports verdict"]
    assert "50.0 % by chance" in lines["Text supports verdict"]
    assert "66.7 %" in lines["True claims"]
    assert "2 confirmed, 1 contradicted, 1 untestable" in lines["True claims"]
    assert "in any direction 53.3 and 0.0" in lines["Cue masking"]
    assert "Too few queries" in lines["Verdict predicted from text alone"]
    # Why there is no number stands beside a dash only.
    details = {row["name"]: row["detail"] for row in run.document()["table"]}
    for number in numbers:
        assert details[number.title] == (number.missing if number.estimate is None else number.detail)
    assert "Too few queries" in details["Verdict predicted from text alone"]
    assert all(n.meaning and n.good and n.bad for n in numbers)
    assert "Inventions" not in lines  # per person nobody knows what a crop shows


def test_cases_stand_where_their_worst_fault_puts_them(run: ReasonsRun) -> None:
    assert [kind_of(case) for case in run.tested.cases] == ["flips", "contradicted", "good", "unsupported"]
    groups = groups_of(run)
    assert [(group.key, [card.query for card in group.cards]) for group in groups] == [
        ("flips", ["q1"]),
        ("contradicted", ["q2"]),
        ("unsupported", ["q4"]),
        ("good", ["q3"]),
    ]
    good = groups[-1].cards[0]
    assert good.cited is not None
    assert good.uncited is not None
    assert (good.direct, good.cited.region, good.cited.probability) == (0.1, "shoes", 0.9)
    assert good.uncited.probability == 0.1
    # The pictures are those that were scored: shoes gone in one, untouched in the other.
    assert isinstance(good.cited.query, Image.Image)
    assert isinstance(good.uncited.query, Image.Image)
    assert good.cited.query.getpixel((25, 95)) == (229, 229, 229)  # mean of 88 rows of 255 and 12 of 40: 229.2
    assert good.uncited.query.getpixel((25, 95)) == (DARK, DARK, DARK)


def test_the_page_shows_numbers_crops_marks_and_erased_pictures(run: ReasonsRun, tmp_path: Path) -> None:
    page = reasons_page(run, title="<b>Four</b> pairs", created="now", facts={"seed": 0}, notice="Scripted.")
    text = write_reasons(page, tmp_path).read_text(encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["reasons.html"]
    assert not re.search(r"\{\{|\{%|None|Undefined|<b>Four|bound method", text)
    words = " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL).split())
    for number in reason_numbers(run.tested):
        assert number.title in words
        assert number.good in words
        assert number.bad in words
    for place in range(1, 5):
        assert text.count(f'alt="person A, q{place}"') == text.count(f'alt="person B, g{place}"') == 1
    assert len(re.findall(r'alt="person [AB] without shoes"', text)) == 6  # three pairs, both crops
    assert len(re.findall(r'<span class="stamp confirmed">', text)) == 2 + 1  # two claims and the legend
    assert len(re.findall(r'<span class="stamp contradicted">', text)) == 1 + 1
    assert "With A and B exchanged" in words
    assert words.count("With A and B exchanged") == 1
    assert "fixed bands" in words
    assert sorted(re.findall(r'href="([^#"][^"]*)"', text)) == ["data:,", "report.html"]
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_pairs_are_drawn_by_seed_in_their_order() -> None:
    pairs = [Pair(crop(f"q{place}", DARK), crop("g", DARK)) for place in range(20)]
    assert sample_pairs(pairs, 0, 1) == sample_pairs(pairs, 20, 1) == sample_pairs(pairs, 99, 1) == pairs
    drawn = sample_pairs(pairs, 5, 1)
    places = [pairs.index(pair) for pair in drawn]
    assert places == sorted(set(places))
    assert len(places) == 5
    assert sample_pairs(pairs, 5, 1) == drawn
    assert sample_pairs(pairs, 5, 2) != drawn


def test_a_number_of_few_cases_says_so() -> None:
    few, enough = (ReasonNumber("t", "m", "g", "b", Estimate(1.0, 1.0, 1.0, cases)) for cases in (1, 20))
    assert few.warning == "Only 1 case: its interval is too narrow."
    assert enough.warning == ReasonNumber("t", "m", "g", "b", None).warning == ""


class Silent(Scripted):
    """As `Scripted`, but gives no score for pairs of the crops whose ids are named: a server without evidence."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def score(self, own: Sequence[Pair], *, both_orders: bool = True, **_: object) -> NDArray[np.float64]:
        found = super().score(own, both_orders=both_orders)
        return np.array(
            [
                np.nan if {p.query.id, p.candidate.id} & set(self.names) else value
                for p, value in zip(own, found, strict=True)
            ]
        )


@pytest.mark.parametrize("names", [("q3",), ("q1", "q2", "q3", "q4")])
def test_pairs_without_a_score_take_no_part_in_numbers_of_scores(
    run: ReasonsRun, names: tuple[str, ...], tmp_path: Path
) -> None:
    pairs = [case.pair for case in run.tested.cases]
    tested = measure_reasons(Silent(*names), pairs, band_masks, silent, per_crop=False)
    unscored = [case for case in tested.cases if case.probability is None]
    assert {case.pair.query.id for case in unscored} == set(names)
    if len(names) < len(pairs):
        assert tested.score_flips is not None
        assert tested.score_flips.cases == len(pairs) - len(names)
        assert tested.masking is not None
        assert tested.masking.cited.value == pytest.approx((0.0 + 0.8) / 2)  # by hand, above, without the third pair
    else:
        assert tested.score_flips is tested.score_gap is tested.masking is None
    # What does not rest on scores is as it was.
    assert tested.agreement == run.tested.agreement
    assert tested.claims == run.tested.claims
    again = ReasonsRun(tested, 9, band_masks, False, "per person")
    page = reasons_page(again, title="t", created="now", facts={})
    assert "nan" not in write_reasons(page, tmp_path).read_text(encoding="utf-8").lower().replace("nano", "")
    assert "nan" not in number_lines(tested)
