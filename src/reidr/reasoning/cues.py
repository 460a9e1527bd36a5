"""Which body regions a reasoning compares, and whether it says they agree, differ or cannot be seen.

A small reading of English, sentence by sentence, made for rewards and reports. It reports only comparisons it is sure
of: a region that is named without a judgement gives no cue.
"""

from __future__ import annotations

import re
from typing import cast

from reidr.reasoning.types import Agreement, Cue, Region

REGION_WORDS: dict[Region, str] = {
    "hair": r"hair|haircut|hairstyle|ponytail|bun|braids?|fringe|bald",
    "headwear": r"headwear|hats?|caps?|beanies?|helmets?|hoods?",
    "upper clothing": r"upper (?:clothing|body|garment)|shirts?|t-shirts?|tshirts?|tops?|jackets?|coats?|hoodies?"
    r"|sweaters?|jumpers?|blouses?|vests?|cardigans?|dress(?:es)?",
    "sleeves": r"sleeves?|long-sleeved|short-sleeved|sleeveless",
    "lower clothing": r"lower (?:clothing|body|garment)|clothing on the legs|trousers|pants|jeans|shorts|skirts?"
    r"|leggings",
    "shoes": r"shoes?|sneakers|boots?|sandals?|trainers|footwear|heels",
    "bag": r"bags?|backpacks?|rucksacks?|handbags?|suitcases?|satchels?|luggage|umbrellas?|carr(?:y|ies|ied|ying)",
    "build": r"(?:body )?build|body shape|stature|height",
}
REGION = re.compile("|".join(f"(?P<r{i}>\\b(?:{words})\\b)" for i, words in enumerate(REGION_WORDS.values())), re.I)

UNSEEN = re.compile(
    r"\b(?:(?:can ?not|can't|could not|couldn't|not) (?:be )?(?:seen?|visible|compared|told|made out|judged)|unseen"
    r"|invisible|hidden|occluded|obscured|covered|unclear|out of (?:view|frame)|cut off|cropped)\b",
    re.I,
)
NOT = r"(?:not|n't|no|never|neither|without)\b(?: \w+){0,2}?"
SAME = r"(?:same|match(?:es|ing)?|agrees?|similar|identical|consistent|alike|shared?|common)"
OTHER = r"(?:differ(?:s|ing|ed)?|different|differences?|mismatch(?:es|ed)?|unlike|contrasts?|contrasting|inconsistent)"
AGREE = re.compile(rf"(?:\b{SAME}|\bboth|\beach|\balso|\bas well|{NOT} {OTHER})\b", re.I)
DIFFER = re.compile(rf"(?:\b{OTHER}|\bdisagrees?|{NOT} {SAME}|\bdissimilar|\bother colou?r)\b", re.I)
NOT_DIFFER = re.compile(rf"{NOT} {OTHER}\b", re.I)

COLOURS = re.compile(
    r"\b(?:(?:dark|light|bright|pale) )?"
    r"(black|white|gr[ae]y|red|blue|green|yellow|orange|pink|purple|brown|beige|cyan|navy|khaki|teal)\b",
    re.I,
)
PERSON = re.compile(r"\b(?:person )?([AB])\b")
SENTENCE = re.compile(r"[.!?;\n]+(?=\s|$)|\n+|;")
CLAUSE = re.compile(r",|\b(?:but|while|whereas|although|though|however|and|yet)\b", re.I)


def extract_cues(reasoning: str) -> tuple[Cue, ...]:
    """The comparisons in `reasoning`, in their order, without repeats.

    Within a sentence each clause is judged by its own words; a clause without any takes the judgement of the clause
    before it, or else of the one after it. A sentence with no judging word that gives each of A and B a colour is
    judged by the colours. A region that is said to agree here and to differ there gives both cues.
    """
    found: dict[Cue, None] = {}
    for sentence in SENTENCE.split(reasoning):
        clauses = CLAUSE.split(sentence)
        judgements = [judgement(clause) for clause in clauses]
        # The first clause leans on the first judgement of its sentence, every later one on the clause before it.
        carried = next((judged for judged in judgements if judged is not None), judgement_by_colour(sentence))
        for clause, judged in zip(clauses, judgements, strict=True):
            carried = judged or carried
            if carried is not None:
                found.update((Cue(named_region(match), carried), None) for match in REGION.finditer(clause))
    return tuple(found)


def named_region(match: re.Match[str]) -> Region:
    """The region whose words matched."""
    return tuple(REGION_WORDS)[int(cast(str, match.lastgroup)[1:])]


def judgement(clause: str) -> Agreement | None:
    """What the clause's own words say, or None. "Cannot be seen" outranks the rest; "not the same" is "differ"."""
    if UNSEEN.search(clause):
        return "unseen"
    if NOT_DIFFER.search(clause):
        return "agree"
    if DIFFER.search(clause):
        return "differ"
    return "agree" if AGREE.search(clause) else None


def judgement_by_colour(sentence: str) -> Agreement | None:
    """Compare the colours named after "A" with those named after "B"; None where one has none or only some agree."""
    colours: dict[str, set[str]] = {"A": set(), "B": set()}
    pieces = PERSON.split(sentence)
    for person, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        colours[person] |= {colour.lower().replace("gray", "grey") for colour in COLOURS.findall(piece)}
    first, second = colours["A"], colours["B"]
    if not first or not second:
        return None
    if first == second:
        return "agree"
    return None if first & second else "differ"
