"""Our grammar says what is true and in view, all of it in plain words, and nothing else."""

from __future__ import annotations

import re

import numpy as np

from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.reasoning.prompting.questions import QUESTIONS
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN
from reidr.reasoning.types import Cue
from reidr.training.pretraining.templates import ask, compare, describe, vocabulary_corpus

A = {
    "upper_color": "orange", "upper_pattern": "plain", "jacket_color": "black", "sleeve": "long", "lower_color": "blue",
    "lower_kind": "skirt", "shoes_color": "white", "hair_length": "short", "hair_color": "brown", "hat": "none",
    "bag": "backpack", "bag_color": "red",
}  # fmt: skip
B = {
    **A, "jacket_color": "none", "lower_kind": "trousers", "shoes_color": UNSEEN, "hat": "cap", "bag": "none",
    "bag_color": "none", "hair_length": UNSEEN, "hair_color": UNSEEN,
}  # fmt: skip
ANCHORS = {
    "upper clothing": {"upper_color"}, "sleeves": {"sleeve"}, "lower clothing": {"lower_kind", "lower_color"},
    "shoes": {"shoes_color"}, "hair": {"hair_length"}, "headwear": {"hat"}, "bag": {"bag"},
}  # fmt: skip


class Always:
    """Stands in for a generator: regions in their own order, and always the same template."""

    def __init__(self, place: int) -> None:
        self.place = place

    def permutation(self, number: int) -> list[int]:
        return list(range(number))

    def integers(self, number: int) -> int:
        return self.place % number


def always(place: int) -> np.random.Generator:
    return Always(place)  # type: ignore[return-value]


def test_golden_descriptions() -> None:
    assert describe(A, always(0)) == (
        "Wears an orange plain top under a black jacket. Has long sleeves. Wears a blue skirt. Wears white shoes."
        " Has short brown hair. Wears no hat. Carries a red backpack."
    )
    # Shoes and hair are out of sight and come last, in the order of the regions.
    assert describe(B, always(1)) == (
        "Upper clothing: an orange plain top. Sleeves: long sleeves. Lower clothing: blue trousers. Headwear: a cap."
        " Bag: no bag. Shoes are hidden. Hair is hidden."
    )
    assert describe({"sleeve": "short"}, always(0)) == "Has short sleeves."
    assert describe({"lower_color": "blue", "lower_kind": UNSEEN}, always(0)) == "Wears blue clothing on the legs."
    assert describe({}, always(0)) == ""


def test_golden_comparisons() -> None:
    assert compare(A, B, always(0), regions=7) == (
        "The upper clothing differs: an orange plain top under a black jacket in A, an orange plain top in B."
        " The sleeves agree: long sleeves in both. The lower clothing differs: a blue skirt in A, blue trousers in B."
        " The headwear differs: no hat in A, a cap in B. The bag differs: a red backpack in A, no bag in B."
        " The shoes cannot be seen in B. The hair cannot be seen in B."
    )
    assert compare(A, B, always(1), regions=2) == (
        "Different upper clothing: A has an orange plain top under a black jacket, B has an orange plain top."
        " Same sleeves: long sleeves."
    )
    # Template 2 of two hidden ones is 2 % 2 = 0.
    assert compare(B, B, always(2), regions=7) == (
        "Both have an orange plain top. Both have long sleeves. Both have blue trousers. Both have a cap."
        " Both have no bag. The shoes cannot be seen in both. The hair cannot be seen in both."
    )
    # The jacket of A is hidden: the tops are compared without it. The colour of the bag is known of one only.
    a, b = {**A, "jacket_color": UNSEEN}, {key: value for key, value in A.items() if key != "bag_color"}
    said = compare(a, b, always(0), regions=7)
    assert "The upper clothing agrees: an orange plain top in both." in said
    assert "The bag agrees: a backpack in both." in said
    # What is known of one crop alone is not compared.
    assert compare({"hat": "cap"}, {"sleeve": "long"}, always(0)) == ""


def drawn(random: np.random.Generator, values: dict[str, tuple[str, ...]] | None = None) -> dict[str, str]:
    """Attributes by lot, some unknown and some hidden; a bag's and a hat's colour go with the thing."""
    found = {name: str(random.choice(each)) for name, each in (values or dict(ATTRIBUTES)).items()}
    found["bag_color"] = "none" if found["bag"] == "none" else "green"
    for region in REGIONS:
        for name in region.attributes:
            fate = random.random()
            if fate < 0.2:
                found[name] = UNSEEN
            elif fate < 0.35:
                found.pop(name)
    if found.get("bag", UNSEEN) == UNSEEN:
        found.pop("bag_color", None)
    return found


def visible(attributes: dict[str, str]) -> set[str]:
    return {name for name, value in attributes.items() if value != UNSEEN}


def cues_by_hand(a: dict[str, str], b: dict[str, str]) -> set[Cue]:
    """What a comparison must say, worked out attribute by attribute."""
    cues = set()
    for region in REGIONS:
        anchors, names = ANCHORS[region.name], set(region.attributes)
        common = names & visible(a) & visible(b)
        if anchors & common:
            agrees = all(a[name] == b[name] for name in common)
            cues.add(Cue(region.name, "agree" if agrees else "differ"))
        else:
            for one in (a, b):
                if not anchors & visible(one) and any(one.get(name) == UNSEEN for name in names):
                    cues.add(Cue(region.name, "unseen"))
    return cues


def test_the_cues_of_a_comparison_are_exactly_what_is_true() -> None:
    random = np.random.default_rng(0)
    compared = 0
    for _ in range(400):
        a, b = drawn(random), drawn(random)
        wanted = cues_by_hand(a, b)
        assert set(extract_cues(compare(a, b, random, regions=7))) == wanted, (a, b)
        compared += len(wanted)
    assert compared > 1000


def test_colours_of_legs_whose_garment_cannot_be_told_are_a_cue() -> None:
    legs = {"lower_color": "blue", "lower_kind": UNSEEN}
    assert extract_cues(compare(legs, legs, always(2))) == (Cue("lower clothing", "agree"),)


def test_nothing_unknown_is_mentioned_and_nothing_hidden_is_stated() -> None:
    # Every attribute has a word of its own in each crop, so that each word in a text says where it comes from.
    names = [name for region in REGIONS for name in region.attributes]
    one, two = ({name: (f"{side}{name.replace('_', '')}",) for name in names} for side in ("p", "q"))
    random = np.random.default_rng(1)
    for _ in range(200):
        a = {n: v if n != "bag_color" else "pbagcolor" for n, v in drawn(random, one).items()}
        b = {n: v if n != "bag_color" else "qbagcolor" for n, v in drawn(random, two).items()}
        for text, allowed in (
            (describe(a, random), {a[name] for name in visible(a)}),
            (compare(a, b, random, regions=7), {each[n] for each in (a, b) for n in visible(a) & visible(b)}),
        ):
            words = set(re.findall(r"\b[pq](?:" + "|".join(name.replace("_", "") for name in names) + r")\b", text))
            assert words <= allowed
            assert UNSEEN not in text
            assert "None" not in text
        described = describe(a, random).lower()
        for region in REGIONS:
            if not any(name in a or name in b for name in region.attributes):
                assert not any(cue.region == region.name for cue in extract_cues(compare(a, b, random, regions=7)))
            if not any(name in a for name in region.attributes):
                assert region.name not in described
            elif ANCHORS[region.name] & visible(a):
                assert any(a[name] in described for name in ANCHORS[region.name] & visible(a))


def test_no_text_ever_judges_identity_or_breaks_off() -> None:
    verdicts = re.compile(r"\b(person|people|individual|identity|identical|match\w*|yes|insufficient|verdict)\b", re.I)
    random = np.random.default_rng(2)
    for _ in range(300):
        for text in (describe(drawn(random), random), compare(drawn(random), drawn(random), random)):
            assert not verdicts.search(text)
            assert not re.search(r"[{}<>]|  | \.|\.\.", text)
            assert re.fullmatch(r"(?:[A-Z][^.]*\.(?: |$))*", text)


def test_a_comparison_prefers_what_is_seen_and_keeps_to_its_length() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        # Shoes and hair are hidden in B; five regions can be seen in both and fill the comparison.
        text = compare(A, B, random, regions=5)
        assert text.count(".") == 5
        assert "hidden" not in text
        assert "cannot" not in text
        assert compare(A, B, random, regions=7).count(".") == 7


def test_a_swapped_comparison_swaps_its_two_sides() -> None:
    for template in range(3):
        ab, ba = compare(A, B, always(template), regions=7), compare(B, A, always(template), regions=7)
        assert set(extract_cues(ab)) == set(extract_cues(ba))
        assert ab != ba


def test_every_wording_of_a_question_is_asked() -> None:
    random = np.random.default_rng(4)
    for name, wordings in QUESTIONS.items():
        assert {ask(name, random) for _ in range(40)} == set(wordings)


def test_the_corpus_has_every_word_of_every_value() -> None:
    words = set(re.findall(r"[a-z-]+", " ".join(vocabulary_corpus(np.random.default_rng(5), 900)).lower()))
    asked = [name for region in REGIONS for name in region.attributes]
    wanted = {word for name in asked for value in ATTRIBUTES[name] for word in value.split()} - {"none"}
    assert wanted <= words
