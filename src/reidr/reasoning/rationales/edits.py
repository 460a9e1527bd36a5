"""Counterfactual edits: a rationale in which one claim says the opposite, and nothing else is changed.

"The lower clothing agrees: blue trousers in both." becomes "The lower clothing differs: blue trousers in A, red
trousers in B.", a difference becomes an agreement, and a region that looks much alike looks very unlike. A score that
is read from the words must follow: what is edited is all that there is to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reidr.data.attributes import AND, EITHER
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.rationales.claims import BY_NAME, LIKENESS, Claim, claims_by_sentence, parse_sentence

Towards = Literal["same", "different"]
ABSENT = ("none", "nothing", "no")
GRADES = {value: words for words, value in LIKENESS.items()}


@dataclass(frozen=True)
class Edit:
    """One edit of a rationale.

    Attributes:
        reasoning: the whole text with the edit. before, after: the sentence that was changed, and what it says now.
        region: whom it is about. towards: which verdict the edited text supports more than the old one.
    """

    reasoning: str
    before: str
    after: str
    region: str
    towards: Towards


def edits_of(reasoning: str) -> tuple[Edit, ...]:
    """One edit for each claim in the grammar's form that says that a region agrees or differs, in the text's order.

    Free prose, and that something cannot be seen, is left alone: it has no opposite that could be written for it.
    """
    sentences = [sentence for sentence, _ in claims_by_sentence(reasoning)]
    found = []
    for place, sentence in enumerate(sentences):
        claim = parse_sentence(sentence)
        opposite = None if claim is None else opposite_of(claim)
        if claim is None or opposite is None:
            continue
        text = " ".join([*sentences[:place], opposite, *sentences[place + 1 :]])
        towards: Towards = "different" if claim.agreement == "agree" else "same"
        found.append(Edit(text, sentence, opposite, claim.region, towards))
    return tuple(found)


def opposite_of(claim: Claim) -> str | None:
    """A sentence of the grammar that says the opposite of `claim`; None where there is none."""
    region = BY_NAME.get(claim.region)
    if region is None or claim.agreement == "unseen":
        return None
    agrees = claim.agreement == "differ"
    said = region.say(claim.a)
    other = None if said is None else said if agrees else region.say(changed(claim.a))
    named = "" if said is None or other is None else f"{said} in both" if agrees else f"{said} in A, {other} in B"
    if claim.likeness is not None:
        verb, grade = "are" if region.plural else "is", GRADES[-claim.likeness]
        sentence = f"The {region.name} {verb} {grade}{f': {named}' if named else ''}."
    elif named:
        verb = ("agree" if agrees else "differ") + ("" if region.plural else "s")
        sentence = f"The {region.name} {verb}: {named}."
    else:
        return None
    again = parse_sentence(sentence)
    # What is said of a region may be less than what was understood of it ("a top" of an unknown garment).
    if again is None or again.region != claim.region or again.agreement == claim.agreement:
        return None
    return sentence if agrees or claim.likeness is not None or again.a != again.b else None


def changed(stated: Mapping[str, str]) -> dict[str, str]:
    """What is stated of a crop, with another value of the first attribute that has one."""
    for name, value in stated.items():
        parts = set(value.replace(EITHER, AND).split(AND))
        others = [each for each in FAMILIES[name].values if each not in parts]
        possible = [each for each in others if each not in ABSENT] or others
        if possible:
            # Not always the same: of values in a fixed order the one as far on as the stated one stands.
            return {**stated, name: possible[sum(map(ord, value)) % len(possible)]}
    return dict(stated)
