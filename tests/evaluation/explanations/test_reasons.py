"""Reasons, with scripted reasoners whose faithfulness is known beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.evaluation.explanations.masking import band_masks
from reidr.evaluation.explanations.reason_numbers import reason_numbers
from reidr.evaluation.explanations.reasons import by_chance, measure_reasons, order_flips
from reidr.evaluation.explanations.reasons_tested import estimate
from reidr.evaluation.explanations.text_alone import area_under_curve, read_from_text
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.rationales.support import supports
from reidr.reasoning.types import Pair, RequestCounts, Verdict


@contextmanager
def silent(what: str, total: int) -> Iterator:  # type: ignore[type-arg]
    yield lambda steps: None


def verdict(answer: str, text: str = "The shoes agree.", parsable: bool = True) -> Verdict:
    cues = extract_cues(text) if parsable else ()
    probability = {"same": 0.9, "different": 0.1}.get(answer, 0.5)
    return Verdict(answer, probability, text, cues, 5, 0.1, "m", "p", "k", parsable)  # type: ignore[arg-type]


def crop(name: str, shoes: int) -> Crop:
    """White above, shoes of a grey level below."""
    pixels = np.full((100, 50, 3), 255, dtype=np.uint8)
    pixels[88:] = shoes
    return Crop(name, Image.fromarray(pixels), attributes={"shoes_color": "black" if shoes < 100 else "gray"})


def pairs(number: int = 24) -> list[Pair]:
    """Each query beside two candidates, of which one has shoes of its own grey level."""
    made = []
    for place in range(number // 2):
        level = 40 if place % 2 else 160
        for other in (level, 200 - level):
            made.append(Pair(crop(f"q{place}", level), crop(f"g{place}-{other}", other), label=other == level))
    return made


class Shoes:
    """Looks at the shoes alone; speaks of them or (where it is a liar) of the top, and may prefer an order."""

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    def __init__(self, *, liar: bool = False, ordered: bool = False) -> None:
        self.liar, self.ordered = liar, ordered

    def score(self, own: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        levels = np.array([[float(np.asarray(c.open())[95, 25, 0]) for c in (p.query, p.candidate)] for p in own])
        if self.ordered:
            return (levels[:, 0] > levels[:, 1]) * 0.8 + 0.1
        return np.where(np.abs(levels[:, 0] - levels[:, 1]) < 20, 0.9, 0.1)

    def think(self, own: Sequence[Pair], **_: object) -> list[Verdict]:
        verdicts = []
        for same in self.score(own) > 0.5:
            region = "upper clothing" if self.liar else "shoes"
            text = f"The {region} are the same." if same else f"The {region} are different."
            verdicts.append(verdict("same" if same else "different", text))
        return verdicts


def test_a_faithful_reasoner_moves_with_its_cue_and_not_with_the_control() -> None:
    found = measure_reasons(Shoes(), pairs(), band_masks, silent, per_crop=True)
    assert found.score_flips.value == found.verdict_flips.value == found.hard_flips.value == found.score_gap.value == 0
    assert found.agreement is not None
    assert found.agreement.value == 1
    assert found.masking is not None
    # Pairs of one level keep their equality when both shoes get their crop's mean; pairs of two come within 20 of each
    # other, for the means are 0.12 of the difference apart: 0.12 * 120 = 14.4. So only "different" moves, by 0.8.
    assert found.masking.cited.value == pytest.approx(0.4)
    assert found.masking.cited_against.value == pytest.approx(0.4)
    assert found.masking.uncited.value == 0
    assert found.masking.difference.low > 0
    assert found.claims.true is not None
    assert found.claims.true.value == 1
    assert found.claims.marks == {"confirmed": 24, "contradicted": 0, "untestable": 0}
    assert found.text_alone is not None
    assert found.text_alone.area == 1
    assert found.text_alone.accuracy == 1
    assert found.text_alone.majority == 0.5
    assert len(found.cases) == 24
    assert {case.cited for case in found.cases} == {"shoes"}


def test_a_liar_is_found_out() -> None:
    found = measure_reasons(Shoes(liar=True), pairs(), band_masks, silent, per_crop=True)
    assert found.masking is not None
    assert found.masking.cited.value == 0
    assert found.masking.difference.value <= 0
    assert found.claims.marks["untestable"] == 24
    assert found.claims.true is None
    # Its words bear out its verdicts and carry them all the same: those two tests see the text alone.
    assert found.agreement is not None
    assert found.agreement.value == 1
    assert found.text_alone is not None
    assert found.text_alone.area == 1


def test_one_who_goes_by_the_order_flips() -> None:
    found = measure_reasons(Shoes(ordered=True), pairs(), band_masks, silent, per_crop=True)
    # Half the pairs have two levels; there both the score and the verdict turn with the order.
    assert found.score_flips.value == found.hard_flips.value == 0.5
    assert found.score_gap.value == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("forgetful", "again", "true_if_consistent", "true_if_inconsistent"),
    [(False, 1.0, 1.0, None), (True, 0.5, 1.0, 1.0)],
)
def test_a_second_look_is_taken_where_single_crops_can_be_asked_about(
    forgetful: bool, again: float, true_if_consistent: float, true_if_inconsistent: float | None
) -> None:
    class CropQuestions(Shoes):
        """States what it sees; where it is forgetful, asked about gray shoes alone it calls them white."""

        capabilities = Capabilities(ask_about_crops=True)

        def ask_about_crops(self, crops: Sequence[Crop], texts: Sequence[str], **_: object) -> list[str]:
            assert set(texts) == {"What colour are the shoes?"}
            seen = ["Black." if np.asarray(crop.open())[95, 25, 0] < 100 else "Gray." for crop in crops]
            return [answer.replace("Gray", "White") if forgetful else answer for answer in seen]

        def think(self, own: Sequence[Pair], **_: object) -> list[Verdict]:
            verdicts = []
            for pair in own:
                a, b = (crop.attributes["shoes_color"] for crop in (pair.query, pair.candidate))
                text = f"Both have {a} shoes." if a == b else f"The shoes differ: {a} shoes in A, {b} shoes in B."
                verdicts.append(verdict("same" if a == b else "different", text))
            return verdicts

    # Half of them are black on both crops, half gray.
    same = [pair for pair in pairs() if pair.label]
    found = measure_reasons(CropQuestions(), same, band_masks, silent, per_crop=True)
    assert found.checked_claims is not None
    assert found.checked_claims.again.value == again
    assert found.checked_claims.true_if_consistent is not None
    assert found.checked_claims.true_if_consistent.value == true_if_consistent
    assert (
        found.checked_claims.true_if_inconsistent and found.checked_claims.true_if_inconsistent.value
    ) == true_if_inconsistent
    assert sum(found.checked_claims.marks.values()) == len(same)
    assert [number.title for number in reason_numbers(found)][-2:] == ["True if consistent", "Inventions"]


def test_who_cannot_tell_is_not_looked_at_again() -> None:
    found = measure_reasons(Shoes(), pairs(), band_masks, silent, per_crop=True)
    assert found.checked_claims is None
    assert "Consistent claims" not in [number.title for number in reason_numbers(found)]


def test_numbers_are_plain_and_leave_the_cases_out() -> None:
    import json

    numbers = measure_reasons(Shoes(), pairs(), band_masks, silent, per_crop=False).numbers()
    assert numbers["cases"] == 24
    assert numbers["claims"]["invented"] is None
    assert json.loads(json.dumps(numbers, allow_nan=False))["pairs"] == 24


def test_no_pairs_are_refused_and_unparsable_ones_survive() -> None:
    with pytest.raises(ReIDError, match="no pairs"):
        measure_reasons(Shoes(), [], band_masks, silent, per_crop=True)

    class Babble(Shoes):
        def think(self, own: Sequence[Pair], **_: object) -> list[Verdict]:
            return [verdict("insufficient", "hm", parsable=False) for _ in own]

    found = measure_reasons(Babble(), pairs(), band_masks, silent, per_crop=True)
    assert found.parsable.value == 0
    assert found.agreement is found.masking is found.text_alone is found.silent is None


def test_flips_by_hand() -> None:
    first = [verdict("same"), verdict("same"), verdict("insufficient"), verdict("different")]
    second = [verdict("same"), verdict("different"), verdict("same"), verdict("different")]
    changed, hard = order_flips(first, second)
    assert changed.tolist() == [False, True, True, False]
    assert hard.tolist() == [False, True, False, False]


def test_agreement_by_chance_is_the_mean_over_all_dealings() -> None:
    verdicts = [
        verdict("same", "The shoes agree."),
        verdict("same", "The shoes differ."),
        verdict("different", "The bag differs."),
    ]
    dealt = [[supports(a.answer, t.reasoning) for t in verdicts] for a in verdicts]
    assert by_chance(verdicts) == pytest.approx(np.mean(dealt))


def test_the_interval_resamples_whole_queries() -> None:
    # Two queries of fifty equal pairs each are two cases, not a hundred: the interval spans everything.
    values, groups = np.repeat([0.0, 1.0], 50), np.repeat([0, 1], 50)
    found = estimate(values, groups)
    assert (found.value, found.low, found.high, found.cases) == (0.5, 0.0, 1.0, 100)
    alone = estimate(values, np.arange(100))
    assert 0.35 < alone.low < 0.5 < alone.high < 0.65


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(0)
    scores, labels = random.integers(0, 5, 40).astype(float), random.random(40) < 0.4
    weights = random.integers(0, 3, 40)
    again = np.repeat(np.arange(40), weights)
    for s, y, w in ((scores, labels, None), (scores, labels, weights)):
        own = range(40) if w is None else again
        pos, neg = [s[i] for i in own if y[i]], [s[i] for i in own if not y[i]]
        naive = np.mean([(p > n) + 0.5 * (p == n) for p in pos for n in neg])
        assert area_under_curve(s, y, w) == pytest.approx(naive)
    assert np.isnan(area_under_curve([1.0], [True]))


def test_words_that_say_nothing_of_the_verdict_do_not_recover_it() -> None:
    random = np.random.default_rng(1)
    texts = [f"The {x} agrees. The {y} differs." for x, y in combinations(("bag", "hair", "headwear", "build"), 2)]
    verdicts = [verdict(str(random.choice(["same", "different"])), str(random.choice(texts))) for _ in range(300)]
    found = read_from_text(verdicts, np.arange(300))
    assert found is not None
    assert found.area_interval[0] < 0.5 < found.area_interval[1] + 0.03
    assert read_from_text(verdicts[:5], np.arange(5)) is None
    assert read_from_text([verdict("same")] * 40, np.arange(40)) is None
