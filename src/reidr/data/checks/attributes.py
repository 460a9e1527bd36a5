"""How much is known of the attributes of a data set, family by family of the vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reidr.core.text import number_of
from reidr.data.attribute_sources import facts_of
from reidr.data.checks.finding import FamilyCounts, Finding, ValueCounts, about
from reidr.data.types import Crop, ReIDDataset
from reidr.data.vocabulary import CANNOT_BE_SEEN, VOCABULARY, Facts, Family
from reidr.errors import DataError

Described = tuple[Crop, Facts]


def check_attributes(dataset: ReIDDataset) -> list[Finding]:
    """What is known of every family of which anything is known; a warning about attributes that have no meaning.

    Junk is not counted. Empty where no crop has attributes.
    """
    crops = [crop for split in (dataset.train, dataset.query, dataset.gallery) for crop in split if not crop.junk]
    described, odd = describe(crops)
    findings = []
    if odd:
        crop, sentence = odd[0]
        problem = f"attributes of {number_of(len(odd), 'crop')} are not in the vocabulary and count as unknown; "
        problem += f"{crop.id}: {sentence}"
        remedy = "write them as docs/attributes.md does, or leave them out"
        findings.append(about("warning", "attribute values", [crop for crop, _ in odd], problem, remedy))
    people = len({crop.person for crop in crops if crop.person is not None})
    for family in VOCABULARY:
        counts = count_family(family, described, len(crops))
        if counts.crops or counts.hidden:
            findings.append(Finding("info", "known attributes", sentence_of(counts, people, len(crops)), known=counts))
    return findings


def describe(crops: Iterable[Crop]) -> tuple[list[Described], list[tuple[Crop, str]]]:
    """Crops with attributes and their facts; and crops whose attributes have no meaning, with the reason."""
    described: list[Described] = []
    odd: list[tuple[Crop, str]] = []
    known: dict[int, Facts] = {}  # crops of a person may share one mapping
    for crop in crops:
        if not crop.attributes:
            continue
        try:
            if id(crop.attributes) not in known:
                known[id(crop.attributes)] = facts_of(crop.attributes)
            described.append((crop, known[id(crop.attributes)]))
        except DataError as error:
            odd.append((crop, str(error)))
    return described, odd


def count_family(family: Family, described: Sequence[Described], total: int) -> FamilyCounts:
    """The counts of a family over `total` crops, of which `described` have facts."""
    true: Counter[str] = Counter()
    false: Counter[str] = Counter()
    persons, crops, hidden = set(), 0, 0
    for crop, facts in described:
        known = facts.get(family.name, {})
        if known.get(CANNOT_BE_SEEN):
            hidden += 1
        elif known:
            crops += 1
            if crop.person is not None:
                persons.add(crop.person)
            for value, is_true in known.items():
                (true if is_true else false)[value] += 1
    values = tuple(
        ValueCounts(value, true[value], false[value], total - true[value] - false[value]) for value in family.values
    )
    return FamilyCounts(family.name, len(persons), crops, hidden, values)


def sentence_of(counts: FamilyCounts, people: int, total: int) -> str:
    """The counts as a line of text."""
    hidden = f", hidden in {counts.hidden:,}" if counts.hidden else ""
    known = [own for own in counts.values if own.true or own.false]
    parts = [f"{own.value} {own.true:,}/{own.false:,}/{own.unknown:,}" for own in known]
    nothing = [own.value for own in counts.values if own not in known]
    known_of = f"known of {counts.persons:,} of {people:,} persons, {counts.crops:,} of {total:,} crops{hidden}"
    return (
        f"{counts.family}: {known_of}"
        + (f"; true/false/unknown: {', '.join(parts)}" if parts else "")
        + (f"; nothing is known of {', '.join(nothing)}" if parts and nothing else "")
    )
