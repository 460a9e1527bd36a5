"""Attributes that free prose states of a region, in the words in which attributes are known.

Only what can be told for certain: one colour that is an attribute, a length, a kind. "Striped" may be either of two
patterns and states none of them. The values are what a claim is held against; a wrong one would make a lie of a truth.
"""

from __future__ import annotations

from collections.abc import Mapping

from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.reasoning.rationales.descriptions import PERSON, CheckOutcome, Looks, read_piece
from reidr.reasoning.types import Cue, Region

Values = dict[str, str]

SPELLED = {"grey": "gray", "plain": "plain", "solid": "plain", "checked": "checked", "floral": "print",
           "printed": "print", "jeans": "trousers"}  # fmt: skip
"""Words of `descriptions` as attributes spell them, where they differ."""
NAMES: Mapping[Region, tuple[tuple[str, str], ...]] = {
    "upper clothing": (("colour", "upper_color"), ("pattern", "upper_pattern")),
    "sleeves": (("length", "sleeve"),),
    "lower clothing": (("colour", "lower_color"), ("kind", "lower_kind")),
    "shoes": (("colour", "shoes_color"),),
    "hair": (("length", "hair_length"), ("colour", "hair_color")),
    "headwear": (("kind", "hat"),),
    "bag": (("kind", "bag"), ("colour", "bag_color")),
}
"""What is said of a region, and the attribute that it states."""
ABSENT: Mapping[Region, Values] = {"headwear": {"hat": "none"}, "bag": {"bag": "none"}}
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
        if len(values) == 1 and values <= set(ATTRIBUTES[name]):
            found[name] = values.pop()
    return found
