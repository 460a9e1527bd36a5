"""What a reasoning claims of each body region, and whether the known attributes of the two crops bear it out.

Reads the sentences of our own grammar (`pretraining.templates`) with the values they state. A reasoning without any
sentence that only the grammar writes is free prose: it is read as a whole (`cues`, `descriptions`), with the values
that it states where they are attributes. Beside the grammar's sentences, any other one is read for its comparisons
alone. Each claim is confirmed, contradicted, or untestable where nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from reidr.data.attributes import AND, common_attributes, same_value, states
from reidr.data.vocabulary import COLORS, FAMILIES
from reidr.reasoning.rationales.cues import REGION, extract_cues, named_region, read
from reidr.reasoning.rationales.prose_values import stated_values
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN, value_of_adjective
from reidr.reasoning.types import REGIONS as REGION_NAMES
from reidr.reasoning.types import Agreement, Cue

Mark = Literal["confirmed", "contradicted", "untestable"]
Where = Literal["A", "B", "both", "either"]
Values = Mapping[str, str]

# Words that sentences say and attributes spell otherwise.
SYNONYMS = {
    "grey": "gray", "navy": "blue", "no bag": "nothing", "no hat": "none", "no": "none", "cap": "hat", "beanie": "hat",
    "horizontally striped": "striped", "vertically striped": "striped",
}  # fmt: skip
UNSURE = re.compile(r"\bprobably ", re.I)
BY_NAME = {region.name: region for region in REGIONS}
COLOR_OF = {
    "upper clothing": "upper colors",
    "lower clothing": "lower colors",
    "shoes": "shoe colors",
    "bag": "bag colors",
}
COLOR = "|".join((*COLORS, "grey", "navy"))
SOME_COLORS = rf"(?:{COLOR})(?: and (?:{COLOR}))*"
HAIR = "|".join((*FAMILIES["hair color"].values, "grey"))
PATTERN = "plain|horizontally striped|vertically striped|striped|checked|printed|two-tone"
CARRIED = "|".join(value for value in FAMILIES["carried"].values if value != "nothing")
# Names of groups are names of families with _ for a space.
PHRASES = {
    "upper clothing": rf"(?:an? )?(?:(?P<upper_colors>{SOME_COLORS}) )?(?:(?P<pattern>{PATTERN}) )?"
    rf"(?:(?P<upper_garment>t-shirt|shirt|sweater|suit jacket|jacket)|top)"
    rf"(?: under an? (?P<jacket_colors>{SOME_COLORS}) jacket)?",
    "sleeves": r"(?P<sleeves>long|short|no) sleeves",
    "lower clothing": rf"(?:an? )?(?:(?P<lower_colors>{SOME_COLORS}) )?"
    rf"(?:(?P<lower_garment>{'|'.join(FAMILIES['lower garment'].values)})|clothing on the legs)",
    "shoes": rf"(?:(?P<shoe_colors>{SOME_COLORS}) )?(?:(?P<shoes>leather shoes|sneakers|boots|sandals)|shoes)",
    "hair": rf"(?:(?P<hair_length>long|short) )?(?:(?P<hair_color>{HAIR}) )?hair|(?P<bald>no hair)",
    "headwear": r"(?:an? )?(?P<headwear>no hat|cap|beanie|hat)",
    "bag": rf"(?P<carried>no bag)|(?:an? )?(?:(?P<bag_colors>{SOME_COLORS}) )?"
    rf"(?P<items>(?:{CARRIED})(?: and an? (?:{CARRIED}))*)",
}
LIKENESS: Mapping[str, float] = {"much alike": 1.0, "somewhat alike": 0.5, "somewhat unlike": -0.5, "very unlike": -1.0}
"""How alike a region is said to look, in words; what is at least somewhat alike agrees."""
GRADE = rf"(?P<grade>{'|'.join(LIKENESS)})"
NAMED = rf"(?:the )?(?P<region>{'|'.join(REGION_NAMES)})"
FORMS: tuple[tuple[Agreement | None, str], ...] = (
    (None, rf"{NAMED} (?:is|are) {GRADE}(?:: (?P<a>.+) in both|: (?P<one>.+) in A, (?P<b>.+) in B)?"),
    ("unseen", rf"{NAMED} (?:cannot be seen|is hidden|are hidden) in (?P<where>A|B|both)"),
    ("agree", rf"{NAMED} agrees?: (?P<a>.+) in both"),
    ("agree", rf"same (?P<region>{'|'.join(REGION_NAMES)}): (?P<a>.+)"),
    ("agree", r"both (?:have|wear|carry) (?P<a>.+)"),
    # Whose the second value is may go unsaid, and does where that paid: a sentence not understood belied nothing.
    ("differ", rf"{NAMED} differs?: (?P<a>.+?)(?: in A)+, (?P<b>.+?)(?: in B)*"),
    ("differ", rf"different (?P<region>{'|'.join(REGION_NAMES)}): A has (?P<a>.+), (?:B has )?(?P<b>.+)"),
    ("differ", rf"{NAMED} differs?: (?P<a>.+) against (?P<b>.+)"),
    # No sentences of ours, but what a reasoner came to write where a difference paid and stating it twice did not: one
    # value of both crops, or one and no more.
    ("differ", rf"{NAMED} differs?: (?P<a>.+) in both"),
    ("differ", rf"{NAMED} differs?: (?P<a>[^,]+?)(?: in [AB])?"),
    ("differ", rf"different (?P<region>{'|'.join(REGION_NAMES)}): (?:[AB] has )?(?P<a>[^,]+)"),
    (None, r"(?P<a>.+) in A, (?P<b>.+) in B"),
)
DESCRIBED = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"(?:wears|has|carries) (?P<a>.+)",
        rf"(?P<region>{'|'.join(REGION_NAMES)}): (?P<a>.+)",
        rf"{NAMED} (?:cannot be seen|is hidden|are hidden)",
    )
)
SENTENCES = tuple((agreement, re.compile(pattern, re.I)) for agreement, pattern in FORMS)
# What a region is like where its other words are said and this attribute is not.
BY_ABSENCE = {"pattern": "plain", "jacket colors": "none"}
END_OF_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")


@dataclass(frozen=True)
class Claim:
    """One thing said of one region.

    Attributes:
        agreement: that the two agree there, differ, or that it cannot be seen.
        a, b: the attributes stated of person A (the query) and B, by name; empty where none was understood.
        where: for "unseen": in which crop ("either": not said). whole: the agreement is stated of the region as a
            whole, not only of the values said ("Both have a red top" leaves the pattern open).
        likeness: how alike the region is said to look (`LIKENESS`), whatever the values that are named; None where the
            sentence does not say. unsure: whether it says "probably".
        sentence: the words.
    """

    region: str
    agreement: Agreement
    sentence: str
    a: Values = field(default_factory=dict)
    b: Values = field(default_factory=dict)
    where: Where = "either"
    whole: bool = True
    likeness: float | None = None
    unsure: bool = False


def parse_claims(reasoning: str) -> tuple[Claim, ...]:
    """The claims of `reasoning`, in its order; a sentence that says nothing of a region gives none."""
    return tuple(claim for _, claims in claims_by_sentence(reasoning) for claim in claims)


def claims_by_sentence(reasoning: str) -> tuple[tuple[str, tuple[Claim, ...]], ...]:
    """The sentences of `reasoning`, each with its claims.

    A claim that only several sentences together make ("A has a red top. B has a blue one.") stands with the last.
    """
    parts = [part.strip() for part in END_OF_SENTENCE.split(reasoning) if part.strip()]
    own = [parse_sentence(part) for part in parts]
    if None in own and not any(claim is not None and is_own_form(claim) for claim in own):
        return tuple(zip(parts, prose_claims(reasoning, parts, own), strict=True))
    return tuple(
        (part, (claim,) if claim is not None else tuple(Claim(c.region, c.agreement, part) for c in extract_cues(part)))
        for part, claim in zip(parts, own, strict=True)
    )


def is_own_form(claim: Claim) -> bool:
    """Whether only our grammar writes such a sentence: "Both have a cap." or "cannot be seen" anybody may write."""
    return claim.whole and claim.agreement != "unseen"


def prose_claims(reasoning: str, parts: Sequence[str], own: Sequence[Claim | None]) -> list[tuple[Claim, ...]]:
    """The claims of free prose for each of its `parts`; `own`: of those that our grammar might have written too."""
    whole = read(reasoning)
    left = dict.fromkeys(cue for _, cue in whole.cues)
    # What a sentence says by itself stands there, each time that it is said.
    alone = [[cue for cue in extract_cues(part) if cue in left] for part in parts]
    for cue in {cue for cues in alone for cue in cues}:
        del left[cue]
    for cue in left:
        last = [
            place for place, part in enumerate(parts) if cue.region in map(named_region, REGION.finditer(part))
        ] or [len(parts) - 1]
        alone[last[-1]].append(cue)

    def claim_of(cue: Cue, part: str, given: Claim | None) -> Claim:
        if given is not None and (given.region, given.agreement) == (cue.region, cue.agreement):
            return given
        return Claim(cue.region, cue.agreement, part, *stated_values(cue, whole.looks, part))

    return [
        tuple(claim_of(cue, part, given) for cue in cues) for part, given, cues in zip(parts, own, alone, strict=True)
    ]


def parse_sentence(sentence: str) -> Claim | None:
    """The claim of a sentence in the form of our grammar, None for any other sentence."""
    words = sentence.strip().rstrip(".!?;").strip()
    sure = UNSURE.sub("", words)
    for agreement, pattern in SENTENCES:
        found = pattern.fullmatch(sure)
        claim = None if found is None else claim_of(sentence, agreement, found.groupdict())
        if claim is not None:
            return claim if sure == words else replace(claim, unsure=True)
    return None


def claim_of(sentence: str, agreement: Agreement | None, parts: Mapping[str, str | None]) -> Claim | None:
    """The claim of a sentence from the parts that one of `FORMS` finds in it; None where a value is not understood."""
    region = (parts.get("region") or "").lower() or None
    likeness = LIKENESS.get((parts.get("grade") or "").lower())
    if likeness is not None:
        agreement = "agree" if likeness > 0 else "differ"
    if agreement == "unseen" and region is not None:
        where: Where = {"a": "A", "b": "B", "both": "both"}[str(parts["where"]).lower()]  # type: ignore[assignment]
        return Claim(region, "unseen", sentence, where=where)
    first = parts.get("a") or parts.get("one")
    if first is None:
        return None if region is None or agreement is None else Claim(region, agreement, sentence, likeness=likeness)
    said = read_phrase(first, region)
    if said is None:
        return None
    named, a = said
    b = a
    if parts.get("b") is not None:
        other = read_phrase(str(parts["b"]), named)
        if other is None:
            return None
        b = other[1]
    judged = agreement or ("agree" if all(a[name] == b[name] for name in set(a) & set(b)) else "differ")
    return Claim(named, judged, sentence, a, b, whole=region is not None, likeness=likeness)


def parse_description(text: str) -> dict[str, str]:
    """The attributes that a description in our grammar states of its crop, "not visible" for those of a hidden region.

    A bare top has no jacket over it. Of two statements about one attribute the first counts; sentences in no form of
    the grammar are passed over.
    """
    stated: dict[str, str] = {}
    for sentence in END_OF_SENTENCE.split(text):
        words = UNSURE.sub("", sentence.strip().rstrip(".!?;").strip())
        found = next((match for match in (form.fullmatch(words) for form in DESCRIBED) if match), None)
        if found is None:
            continue
        parts = found.groupdict()
        region = parts["region"].lower() if parts.get("region") else None
        if parts.get("a") is None:
            said = dict.fromkeys(BY_NAME[str(region)].attributes, UNSEEN) if region in BY_NAME else {}
        else:
            _, said = read_phrase(parts["a"], region) or ("", {})
            if "upper colors" in said:
                said = {"jacket colors": "none"} | said
        stated = said | stated
    return stated


def read_phrase(phrase: str, region: str | None = None) -> tuple[str, dict[str, str]] | None:
    """The region that a phrase ("a red plain top", "no bag") speaks of and the attributes it states, or None.

    Where the region is known, its colours alone ("blue") will do.
    """
    for name in PHRASES if region is None else (region,):
        found = re.fullmatch(PHRASES.get(name, r"(?!)"), phrase.strip(), re.I)
        if found is not None:
            parts = {key: value for key, value in found.groupdict().items() if value is not None}
            if "bald" in parts:
                return name, {"hair length": "bald"}
            if "items" in parts:
                parts["carried"] = re.sub(r" and an? ", AND, parts.pop("items"), flags=re.I)
            return name, {key.replace("_", " "): plain(value) for key, value in parts.items()}
    if region in COLOR_OF and re.fullmatch(SOME_COLORS, phrase.strip(), re.I):
        return region, {COLOR_OF[region]: plain(phrase)}
    return None


def plain(value: str) -> str:
    """A stated value as attributes spell it."""
    parts = [value_of_adjective(part) for part in value.strip().lower().split(AND)]
    return AND.join(SYNONYMS.get(part, part) for part in parts)


def check_claim(claim: Claim, a: Values, b: Values, *, per_crop: bool = True) -> Mark:
    """Whether the known attributes of both crops bear `claim` out.

    Contradicted where anything it states is known to be false; confirmed where its agreement, difference or hiddenness
    is known to be true and nothing stated is false; else untestable. Two regions agree where all attributes that are
    visible in both are equal, as in our grammar. A claim of how alike a region looks is judged by its values alone.

    Args:
        a, b: attributes of the two crops, of any source that `common_attributes` knows.
        per_crop: whether attributes say what each crop shows (the street). False: they are known per person (photos),
            and claims that something is hidden are untestable.
    """
    first, second = common_attributes(a), common_attributes(b)
    if claim.agreement == "unseen":
        return mark_of(is_hidden(claim, first, second) if per_crop else None)
    stated = (is_true(claim.a, first), is_true(claim.b, second))
    if claim.likeness is not None:
        # How alike two regions look nobody has written down; the values that are named can be held against the truth.
        return mark_of(together(list(stated)))
    same = regions_agree(claim, first, second)
    told = same if claim.agreement == "agree" or same is None else not same
    return "contradicted" if False in (told, *stated) else mark_of(told)


def self_contradictory(claim: Claim) -> bool:
    """Whether a difference is claimed and none is stated: "a red top in A, a red top in B"; or one value and no more.

    What is stated of one crop alone is no difference either ("a backpack in A, a black backpack in B"), unless its
    absence would be one: a pattern, or a jacket. Clothes of one description may well look unlike: where a sentence
    says how alike they look, it does not contradict itself.
    """
    if claim.likeness is not None:
        return False
    shared = claim.a.keys() & claim.b.keys()
    unlike = [name for name in shared if not same_value(claim.a[name], claim.b[name])]
    if claim.agreement != "differ" or not shared or unlike:
        return False
    alone = {name: value for name, value in {**claim.a, **claim.b}.items() if name not in shared}
    return all(value == BY_ABSENCE.get(name, value) for name, value in alone.items())


def states_what_is_hidden(claim: Claim, a: Values, b: Values) -> bool:
    """Whether a value is stated of a crop that does not show it: an invention, even where it happens to be true."""
    return any(known.get(name) == UNSEEN for said, known in ((claim.a, a), (claim.b, b)) for name in said)


def mark_of(true: bool | None) -> Mark:
    """A truth value in words."""
    return "untestable" if true is None else "confirmed" if true else "contradicted"


def regions_agree(claim: Claim, a: Values, b: Values) -> bool | None:
    """Whether the claim's region, or what the claim states of it, is equal in both; None where nothing is known."""
    region = BY_NAME.get(claim.region)
    if region is None:
        return None
    names = set(region.attributes) if claim.whole else set(claim.a) | set(claim.b)
    first, second = region.visible(a), region.visible(b)
    return together([same_value(first[name], second[name]) for name in names if name in first and name in second])


def is_true(said: Values, known: Values) -> bool | None:
    """Whether all that is stated of a crop and known of it is right; None where none of it is known."""
    return together([states(value, known[name]) for name, value in said.items() if known.get(name, UNSEEN) != UNSEEN])


def is_hidden(claim: Claim, a: Values, b: Values) -> bool | None:
    """Whether the region is out of sight in the crops the claim names; None where one of them is unknown."""
    region = BY_NAME.get(claim.region)
    if region is None:
        return None
    hidden = [
        region.hidden(known) and region.say(region.visible(known)) is None
        if any(name in known for name in region.attributes)
        else None
        for known in (a, b)
    ]
    asked = {"A": hidden[:1], "B": hidden[1:]}.get(claim.where, hidden)
    if claim.where == "either":
        return True if True in asked else None if None in asked else False
    return together(asked) if None not in asked or False in asked else None


def together(parts: list[bool | None]) -> bool | None:
    """False where any part is false, else True where any is known to be true, else None."""
    return False if False in parts else True if True in parts else None
