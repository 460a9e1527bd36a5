"""Which body regions a reasoning compares, and whether it says they agree, differ or cannot be seen.

A small reading of English, sentence by sentence, made for rewards and reports. It reports only comparisons it is sure
of: a region that is named without a judgement, and without a description of both persons, gives no cue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reidr.reasoning.rationales.descriptions import (
    BUILT,
    CONTRAST,
    PERSON,
    REGION,
    Looks,
    compare,
    describe,
    named_region,
)
from reidr.reasoning.types import Agreement, Cue, Region

__all__ = ["REGION", "extract_cues", "named_region"]

UNSEEN = re.compile(
    r"\b(?:(?:can ?not|can['’]t|could not|couldn['’]t|not) (?:be )?(?:\w+ly )?(?:seen?|visible|compared?|told|tell|say"
    r"|made out|make out|judged?|determined?|discern(?:ed|ible)?|assess(?:ed)?|confirm(?:ed)?|shown|clear|sure|certain"
    r"|known)|isn['’]t (?:clear|visible|certain)|unseen|invisible|hidden|occluded|obscured|covered|unclear|uncertain"
    r"|unable to|blurr(?:y|ed)|out of (?:view|frame|sight)|cut off|cropped"
    r"|not possible to (?:see|tell|say|know|judge|compare|determine|assess|confirm)"
    r"|(?:hard|difficult|impossible) to (?:see|tell|judge|compare|make out|discern|determine))\b",
    re.I,
)
NOT = r"(?:not|n['’]t|no|never|neither|nor|nothing|hardly|without)\b(?: \w+){0,4}?"
SAME = (
    r"(?:same|match(?:es|ing|ed)?|agrees?|similar|similarit(?:y|ies)|comparable|equal|identical|consistent|alike|shared?|common|resembles?|corresponds?"
    r"|indistinguishable|so (?:is|are|does|do|has|have)|just (?:like|as))"
)
OTHER = (
    r"(?:differ(?:s|ing|ed)?|different|differently|differences?|mismatch(?:es|ed)?|unlike|contrasts?|contrasting"
    r"|inconsistent|inconsistenc(?:y|ies)|distinct|var(?:y|ies)|discrepanc(?:y|ies))"
)
DISTRACTING = re.compile(
    r"\b(?:could|can) ?(?:not|n['’]t)(?: \w+){0,2} more\b"
    r"|\bnot (?:only|just|merely)\b|\bno (?:doubt|question)\b|\bwithout (?:a )?doubt\b",
    re.I,
)
STRONG_AGREE = re.compile(rf"(?:\b{SAME}|{NOT} {OTHER})\b", re.I)
# Said of something of both, or once more: "both have hair" is no word on whether it is alike.
WEAK_AGREE = re.compile(r"\b(?:both|each|also|as well|too|likewise)\b", re.I)
DIFFER = re.compile(rf"(?:\b{OTHER}|\b{BUILT}|\bdisagrees?|{NOT} {SAME}|\bdissimilar|\bother colou?r)\b", re.I)
NOT_DIFFER = re.compile(rf"{NOT} {OTHER}\b", re.I)
SEES_NO_DIFFERENCE = re.compile(
    rf"(?:not|n['’]t) (?:see|find|notice|detect|spot|discern|make out)\b(?: \w+){{0,3}}? {OTHER}\b", re.I
)
# "…, but the shoes do not": the contrary of what was said before.
# "Hidden by the bag", "because of the hood": what hides is not what is hidden.
HIDES = re.compile(
    r"\b(?:because of|due to|owing to|behind|beneath|under(?:neath)?"
    r"|since|because|as (?:he|she|it|they|the|person|[AB])"
    r"|(?:hidden|covered|obscured|occluded|blocked|concealed) by)\b",
    re.I,
)
# "Everything matches except for the bag."
EXCEPT = re.compile(r"\b(?:except(?:ing)?|apart from|aside from|other than|but for|save for)\b", re.I)
# "A wears a red top and jeans, just like B": of all that was named before.
LIKEWISE = re.compile(r"\b(?:just (?:like|as)|(?:and )?so (?:is|are|does|do|has|have))\b", re.I)
CONTRARY = re.compile(r"\b(?:does|do|did|is|are|was|were)(?: not|n['’]t)\s*(?:\(.*)?$", re.I)
TOGETHER = re.compile(
    r"\b(?:both )?(?:person )?A and (?:person )?B(?=[ ,.]| both)(?! ?(?:is|has|wears|carries)\b)"
    r"|\b(?P<neither>neither) (?:person )?A nor (?:person )?B\b"
)
NEITHER_SAME = re.compile(rf"\bneither\b.{{0,80}}\b(?:{SAME})\b", re.I)
ABSENT_IN_BOTH = re.compile(
    r"\b(?:no|none|nothing|not|without|nobody|nor|lacks?|absent)\b.{0,80}\b(?:either|both|any of (?:them|the two))\b"
    r"|n['’]t\b.{0,80}\b(?:either|any of (?:them|the two))\b"
    r"|\b(?:neither|no one|nobody|none of (?:them|the two|these))\b|\b(?:both|they)\b.{0,80}\b(?:no|without|lack)\b"
    r"|:\W*none\b",
    re.I,
)
ONLY_ONE = re.compile(r"\b(?:only|just)\s+(?:person |image )?(?:A|B|one|the (?:first|second|other|left|right))\b", re.I)

MARKS = re.compile(r"[*_`#]+|^\s*[-•]\s+", re.M)
ABBREVIATED = re.compile(r"\b(vs|approx|incl|etc)\.", re.I)
SENTENCE = re.compile(r"[.!?;\n]+(?=\s|$)|\n+|;")
ONE = re.compile(
    r"\bOne(?: (?:person|individual|of them|man|woman))?(?= (?:is|has|wears|carries|holds)\b"
    r"[^.!?;\n]{0,200}[.!?;]\s+(?:and |while )?the other\b)",
    re.I,
)
CLAUSE = re.compile(r",|\b(?:but|while|whereas|although|though|however|and|yet)\b", re.I)


@dataclass(frozen=True)
class Judged:
    """What a clause says, and whether by words as "both" alone."""

    agreement: Agreement
    weak: bool = False


@dataclass(frozen=True)
class Read:
    """What is read of a text.

    Attributes:
        cues: its comparisons in their order, each with the number of its sentence, as `sentences` counts them.
        looks: what is said of each region of each person.
    """

    cues: tuple[tuple[int, Cue], ...]
    looks: Looks


def extract_cues(reasoning: str) -> tuple[Cue, ...]:
    """The comparisons in `reasoning`, in their order, without repeats.

    Within a sentence each clause is judged by its own words; a clause without any takes the judgement of the clause
    before it, or else of the one after it, unless it speaks of one person alone. A region that nothing is said of in
    this way is judged by what each person is said to have there (`descriptions`), wherever in the text that stands;
    such a difference also outweighs a mere "both". A region that is said to agree here and to differ there gives both
    cues.
    """
    return tuple(dict.fromkeys(cue for _, cue in read(reasoning).cues))


def sentences(reasoning: str) -> list[str]:
    """The sentences as they are read: without marks of lists and bold print, "A and B" as "both"."""
    text = MARKS.sub(lambda found: " " * len(found[0]), reasoning)
    text = ABBREVIATED.sub(lambda found: found[1] + " ", text)  # no end of a sentence
    text = TOGETHER.sub(lambda found: "neither" if found["neither"] else "both", text)
    text = ONE.sub("Person A", text)  # and "the other" is always B
    return SENTENCE.split(text)


def read(reasoning: str) -> Read:
    """As `extract_cues`, with what it is read from; cues may repeat."""
    judged: list[tuple[int, Region, Judged]] = []
    described: list[tuple[int, Region, Agreement]] = []
    looks: Looks = {}
    spoken_of: list[Region] = []
    for number, sentence in enumerate(sentences(reasoning)):
        judged += [(number, region, said) for region, said in judgements_of(sentence)]
        contrasted = CONTRAST.search(sentence) is not None
        spoken_of, named = describe(sentence, looks, spoken_of)
        for region in named:
            said = compare(looks[region], contrasted=contrasted)
            if said is not None:
                described.append((number, region, said))
    strong = {region for _, region, said in judged if said.agreement != "unseen" and not said.weak}
    overruled = {region for _, region, said in described if said == "differ"} - strong
    settled = {region for _, region, said in judged if said.agreement != "unseen"} - overruled
    cues = [
        (n, 0, Cue(r, s.agreement)) for n, r, s in judged if not (s.weak and s.agreement == "agree" and r in overruled)
    ]
    # The last word on a region counts: until then, a description may have been half of one.
    final = {region: (number, said) for number, region, said in described if region not in settled}
    cues += [(number, 1, Cue(region, said)) for region, (number, said) in final.items()]
    return Read(tuple((number, cue) for number, _, cue in sorted(cues, key=lambda each: each[:2])), looks)


def judgements_of(sentence: str) -> list[tuple[Region, Judged]]:
    """(region, what is said of it) for the judging words of a sentence, in its order."""
    clauses = [clause for clause in CLAUSE.split(sentence) if clause.strip()]
    said = [judgement(clause) for clause in clauses]
    regions = [regions_of(clause, one) for clause, one in zip(clauses, said, strict=True)]
    single = [len({mark.lastgroup for mark in PERSON.finditer(clause)}) == 1 for clause in clauses]
    for place in range(len(clauses) - 1, 0, -1):
        # Words of judgement with no region of their own speak of what was named before them, and of "both …, but".
        before = said[place - 1]
        here = said[place]
        if here is None or regions[place] or not regions[place - 1]:
            continue
        if before is None or (before.weak and before.agreement != here.agreement):
            said[place - 1] = here
    like = next((place for place, clause in enumerate(clauses) if LIKEWISE.search(clause)), 0)
    if like and not regions[like]:
        said[:like] = [one or Judged("agree") for one in said[:like]]
    # The first clause leans on the first judgement of its sentence, every later one on the clause before it.
    carried = next((one for one in said if one is not None), None)
    found: list[tuple[Region, Judged]] = []
    for clause, own, named, alone in zip(clauses, said, regions, single, strict=True):
        if own is None and carried is not None and found and CONTRARY.search(clause):
            own = Judged("differ" if carried.agreement == "agree" else "agree")
        carried = own or carried
        used = own if alone else carried
        if used is not None and not (used.agreement == "unseen" and own is None and HIDES.match(clause.strip())):
            found += [(region, used) for region in named]
    return found + contraries(clauses, said)


def contraries(clauses: Sequence[str], said: Sequence[Judged | None]) -> list[tuple[Region, Judged]]:
    """What is excepted from a sentence's judgement."""
    whole = next((one for one in said if one is not None and one.agreement != "unseen"), None)
    if whole is None:
        return []
    other = Judged("differ" if whole.agreement == "agree" else "agree")
    excepted = ((EXCEPT.search(clause), clause) for clause in clauses)
    return [
        (named_region(match), other)
        for start, clause in excepted
        if start is not None
        for match in REGION.finditer(clause, start.end())
    ]


def regions_of(clause: str, said: Judged | None) -> list[Region]:
    """The regions that a clause names, without those that only hide the others."""
    named = list(REGION.finditer(clause))
    hides = HIDES.search(clause) if said is not None and said.agreement == "unseen" else None
    hidden = named if hides is None else [match for match in named if match.start() < hides.start()]
    excepted = EXCEPT.search(clause)
    if excepted is not None:
        return [named_region(match) for match in named if match.start() < excepted.start()]
    return [named_region(match) for match in hidden or named]


def judgement(clause: str) -> Judged | None:
    """What the clause's own words say, or None. "Cannot be seen" outranks the rest; "not the same" is "differ"."""
    if SEES_NO_DIFFERENCE.search(clause):
        return Judged("agree")
    if UNSEEN.search(clause):
        return Judged("unseen")
    clause = DISTRACTING.sub("", clause)
    if NEITHER_SAME.search(clause) and not NOT_DIFFER.search(clause):
        return Judged("differ")
    if NOT_DIFFER.search(clause):
        return Judged("agree")
    if DIFFER.search(clause):
        return Judged("differ")
    if STRONG_AGREE.search(clause):
        return Judged("agree")
    if ABSENT_IN_BOTH.search(clause):
        return Judged("agree")
    if ONLY_ONE.search(clause):
        return Judged("differ")
    return Judged("agree", weak=True) if WEAK_AGREE.search(clause) else None
