"""The fixed form of a search by words: `report.json` of its run folder, and `reidr find --wearing … --json`.

A field may be added within one version; none is renamed, removed or given another meaning without a new one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import Field

from reidr.core.text import shown
from reidr.data.left_out import LeftOut
from reidr.search.by_words import WordsFound, WordsMatch
from reidr.search.document.document import cell, entry
from reidr.search.document.schema import Part, PictureEntry

KIND: Literal["search by words"] = "search by words"
VERSION: Literal[1] = 1


class TermEntry(Part):
    """One term of the description at one crop."""

    term: str = Field(description="what it asks for, in the words of the vocabulary")
    said: str = Field(description="the words of the description that ask for it")
    wanted: bool = Field(description="false: it must not be there")
    probability: float | None = Field(description="that the term holds, calibrated; null: nothing is known")
    box: tuple[float, float, float, float] | None = Field(
        description="where it was looked for: left, top, right, bottom in shares of the picture"
    )


class WordsMatchEntry(PictureEntry):
    """One match: `probability` is that all terms hold, as if independent; null: unknown."""

    rank: int
    probability: float | None
    distance: float | None = Field(description="to the picture that was given too; null without one")
    terms: list[TermEntry]
    like: list[PictureEntry]


class WordsDocument(Part):
    """All of a search by words."""

    kind: Literal["search by words"] = KIND
    version: Literal[1] = VERSION
    created: str
    facts: dict[str, str | int | float]
    description: str
    terms: list[str]
    unmapped: list[str] = Field(description="words that no attribute stands for")
    not_used: list[str] = Field(description="words of gender, age, origin, religion or health")
    corrected: dict[str, str] = Field(description="words that were read as others")
    sentences: list[str] = Field(description="the same for reading")
    query: list[PictureEntry] = Field(description="pictures of the person, where any were given")
    gallery: str
    retriever: str
    searched: int
    dropped: int = Field(description="crops left out because a term is unlikely for them (--only)")
    left_out: list[LeftOut]
    notes: list[str]
    matches: list[WordsMatchEntry]
    pictures: dict[str, str] = Field(
        default_factory=dict, description='small JPEGs as data URIs, by "query ID" and "match ID"; in report.json alone'
    )


def words_document_of(found: WordsFound, *, created: str, facts: Mapping[str, str | int | float]) -> WordsDocument:
    """The document of a search by words."""
    query = found.query
    return WordsDocument(
        created=created,
        facts=dict(facts),
        description=shown(query.text),
        terms=[str(term) for term in query.terms],
        unmapped=[shown(word.text) for word in query.unmapped],
        not_used=[shown(word.text) for word in query.not_used],
        corrected={shown(word.text): other for word, other in query.corrected},
        sentences=[shown(sentence) for sentence in found.sentences()],
        query=[] if found.person is None else [PictureEntry(**entry(found.person))],
        gallery=shown(found.gallery),
        retriever=found.retriever,
        searched=found.searched,
        dropped=found.dropped,
        left_out=list(found.left_out),
        notes=[shown(note) for note in found.notes],
        matches=[match_entry(match) for match in found.matches],
    )


def match_entry(match: WordsMatch) -> WordsMatchEntry:
    """One match of the document."""
    return WordsMatchEntry(
        **entry(match.crop),
        rank=match.rank,
        probability=match.probability,
        distance=match.distance,
        terms=[
            TermEntry(
                term=str(own.term),
                said=shown(own.term.source.text),
                wanted=own.term.wanted,
                probability=own.probability,
                box=own.box,
            )
            for own in match.terms
        ],
        like=[PictureEntry(**entry(crop)) for crop in match.like],
    )


def words_csv(document: WordsDocument) -> str:
    """The matches as a table (RFC 4180): rank, crop, probability of all, and one column a term."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(["rank", "id", "path", "camera", "probability", "distance", *document.terms])
    for match in document.matches:
        values = [match.rank, match.id, match.path, match.camera, match.probability, match.distance]
        writer.writerow([cell(value) for value in (*values, *(own.probability for own in match.terms))])
    return file.getvalue()


def words_pictures(found: WordsFound) -> dict[str, Image.Image | Path]:
    """Where the pixels of each picture of the document are, by "query" or "match" and its id."""
    pictures = {} if found.person is None else {f"query {shown(found.person.id)}": found.person.image}
    return pictures | {f"match {shown(match.crop.id)}": match.crop.image for match in found.matches}
