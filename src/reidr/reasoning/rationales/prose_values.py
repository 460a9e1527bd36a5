"""Attributes that free prose states of a region, in the words in which attributes are known.

Only what can be told for certain: colours that are values, a length, a kind. The values are what a claim is held
against; a wrong one would make a lie of a truth.
"""

from __future__ import annotations

from collections.abc import Mapping

from reidr.data.attributes import AND
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.rationales.descriptions import PERSON, CheckOutcome, Looks, read_piece
from reidr.reasoning.types import Cue, Region

Values = dict[str, str]

SPELLED = {"grey": "gray", "navy": "blue", "solid": "plain", "floral": "logo or print", "printed": "logo or print",
           "cap": "hat", "beanie": "hat"}  # fmt: skip
"""Words of `descriptions` as the vocabulary spells them, where they differ."""
NAMES: Mapping[Region, tuple[tuple[str, str], ...]] = {
    "upper clothing": (("colour", "upper colors"), ("pattern", "pattern")),
    "sleeves": (("length", "sleeves"),),
    "lower clothing": (("colour", "lower colors"), ("kind", "lower garment")),
    "shoes": (("colour", "shoe colors"),),
    "hair": (("length", "hair length"), ("colour", "hair color")),
    "headwear": (("kind", "headwear"),),
    "bag": (("kind", "carried"), ("colour", "bag colors")),
}
"""What is said of a region, and the family of the vocabulary of which it states a value."""
ABSENT: Mapping[Region, Values] = {"headwear": {"headwear": "none"}, "bag": {"carried": "nothing"}}
OVER = frozenset({"jacket", "vest", "cardigan"})  # worn over the top, whose colour is then not known


def stated_values(cue: Cue, looks: Looks, sentence: str) -> tuple[Values, Values]:
    """The attributes of A and of B that a reasoning states beside its comparison `cue`, which stands in `sentence`.

    None at all where they do not bear the comparison out: what decides it was then not understood.
    """
    own = looks.get(cue.region, {})
    a, b = (values_of(cue.region, own[person]) if person in own else {} for person in ("A", "B"))
    if not own and cue.agreement == "agree" and not PERSON.search(sentence):
        told = dict(read_piece(sentence, []))
        a = values_of(cue.region, told[cue.region]) if cue.region in told else {}
        b = dict(a)
    unequal = {name for name in a.keys() & b.keys() if a[name] != b[name]}
    borne_out = {"agree": not unequal, "differ": bool(unequal), "unseen": False}[cue.agreement]
    return (a, b) if borne_out else ({}, {})


def values_of(region: Region, look: CheckOutcome) -> Values:
    """The attributes that a description states; none for what is said to be absent, but of headwear and bags."""
    if look.absent:
        return dict(ABSENT.get(region, {}))
    if region == "upper clothing" and look.values.get("kind", frozenset()) & OVER:
        return {}
    found: Values = {}
    for said, name in NAMES.get(region, ()):
        values = {SPELLED.get(value, value) for value in look.values.get(said, ())}
        if "jeans" in values:
            values.discard("trousers")  # jeans are noted as both, so that trousers do not differ from them
        possible = FAMILIES[name]
        if values and values <= set(possible.values) and (len(values) == 1 or possible.several):
            found[name] = AND.join(value for value in possible.values if value in values)
    return found
