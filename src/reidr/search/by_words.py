"""Search by words: crops of people who fit a description, alone or beside a picture (`reidr find --wearing`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.core.defaults import DEFAULT_K
from reidr.core.progress import progress
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.embedders.registry import load_embedder
from reidr.retrieval.embedders.retriever import DEFAULT
from reidr.retrieval.gallery import Gallery, cache_folder
from reidr.search.description import recogniser_of
from reidr.search.folding import fold, limit_of
from reidr.search.query.gallery import Searchable, collect
from reidr.search.query.left_out import LeftOut
from reidr.search.query.query import Person, Query, query_of
from reidr.search.searching import are_query_files, embedded
from reidr.search.task import Progress, at_least
from reidr.search.words.parse import parse_description
from reidr.search.words.rank import rank_by_description, term_probability
from reidr.search.words.types import DescriptionQuery, Term

RANK_CONSTANT = 60  # of reciprocal rank fusion, as published
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class WordsOptions:
    """How a search by words is carried out.

    Attributes:
        retriever: one that recognises attributes, by name, as a folder or loaded; None: the shipped one.
        pattern, fold: as for `find`.
        only: leave out crops of which any term is less likely than its opposite; without it nothing is left out.
        keep: cache what was computed of the gallery.
    """

    retriever: Embedder | str | Path | None = None
    pattern: str | None = None
    fold: bool = True
    only: bool = False
    keep: bool = True


@dataclass(frozen=True)
class TermMatch:
    """One term of the description at one crop: how probable it is, None where nothing is known; and where it was looked
    for, in shares of the picture."""

    term: Term
    probability: float | None
    box: Box | None = None


@dataclass(frozen=True)
class WordsMatch:
    """One crop that was found.

    Attributes:
        rank: from 1. score: logarithm of the probability that all terms hold, as if they were independent.
        distance: to the picture that was given too; None without one. like: near-duplicates folded into this match.
    """

    rank: int
    crop: Crop
    score: float
    terms: tuple[TermMatch, ...]
    distance: float | None = None
    like: tuple[Crop, ...] = ()

    @property
    def probability(self) -> float | None:
        """That all terms hold, as if they were independent; None where nothing is known of any."""
        return math.exp(self.score) if any(own.probability is not None for own in self.terms) else None


@dataclass(frozen=True)
class WordsFound:
    """A search by words: what was understood, and the matches, best first."""

    query: DescriptionQuery
    matches: tuple[WordsMatch, ...]
    searched: int
    gallery: str
    retriever: str
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    person: Crop | None = None
    dropped: int = 0

    def sentences(self) -> list[str]:
        """What a reader must know of how the words were understood."""
        said = []
        if self.query.corrected:
            pairs = ", ".join(f"“{word.text}” as “{other}”" for word, other in self.query.corrected)
            said.append(f"Read {pairs}.")
        if self.query.unmapped:
            words = ", ".join(f"“{word.text}”" for word in self.query.unmapped)
            said.append(f"Not searched for, because no attribute stands for it: {words}.")
        if self.query.not_used:
            words = ", ".join(f"“{word.text}”" for word in self.query.not_used)
            said.append(f"Never searched for (gender, age, origin, religion or health): {words}.")
        if self.dropped:
            said.append(f"{self.dropped:,} crops were left out because a term is unlikely for them (only).")
        return said


def find_by_words(
    description: str,
    gallery: Searchable,
    k: int = DEFAULT_K,
    *,
    person: Person | None = None,
    options: WordsOptions | None = None,
    show: Progress = progress,
) -> WordsFound:
    """Find crops of people who fit a description.

    Args:
        description: free English, such as "red top, black backpack, no hat" (`search.words.parse`).
        gallery: as for `find`. k: number of matches. person: pictures of the person, where there are any: then crops
            are ordered by reciprocal rank fusion of both orders (Cormack, Clarke and Büttcher, SIGIR 2009).

    Raises DataError where no word can be searched for, or no crop can be used; WeightsError for a retriever that
    recognises no attributes; ImageError for a picture of the person that cannot be used.
    """
    options = options or WordsOptions()
    k = at_least("k", k, 1)
    query = understood(description)
    collected, asked = collect(gallery, options.pattern), None if person is None else query_of(person)
    embedder = load_embedder(DEFAULT if options.retriever is None else options.retriever)
    recogniser = recogniser_of(embedder)
    store, left_out = embedded(collected, embedder, options.keep, show)
    with show("recognising attributes", len(store)) as advance:
        cache = cache_folder() if options.keep else None
        read = Gallery.build(store.crops, recogniser, cache=cache, advance=advance)
    probabilities = recogniser.table(read.features).expected()
    scores = rank_by_description(query, probabilities).scores
    order, distances = ordered(scores, store, asked, embedder)
    chances = {term: term_probability(term, probabilities.astype(np.float64)) for term in query.terms}
    kept = order[fitting(chances)[order]] if options.only else order
    limit = limit_of(embedder) if options.fold else -1.0
    matches = []
    for rank, group in enumerate(fold(kept, store.features, store.crops, k, limit), start=1):
        crop, row = store.crops[group.row], group.row
        matches.append(
            WordsMatch(
                rank,
                crop,
                float(scores[row]),
                terms_at(recogniser, crop, {term: float(own[row]) for term, own in chances.items()}),
                None if distances is None else float(distances[row]),
                tuple(store.crops[other] for other in group.like),
            )
        )
    shown = None if asked is None else asked.crops[0]
    return WordsFound(
        query, tuple(matches), len(order), collected.name, embedder.name, left_out, collected.notes, shown,
        len(order) - len(kept),
    )  # fmt: skip


def ordered(
    scores: NDArray[np.float64], store: Gallery, asked: Query | None, embedder: Embedder
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Gallery rows, best first, and the distances to the picture that was given too (None without one).

    The given picture itself is left out of the gallery: finding it again says nothing.
    """
    by_words = np.argsort(-scores, kind="stable")
    if asked is None:
        return by_words, None
    features, _ = asked.embed(embedder)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * (store.features @ features[0]).astype(np.float64), 0.0))
    itself = are_query_files(asked, store.crops)
    by_picture = np.argsort(distances, kind="stable")
    return fused_order(by_picture[~itself[by_picture]], by_words[~itself[by_words]], len(store)), distances


def fitting(chances: Mapping[Term, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """(crops,) whether every term of which anything is known is at least as likely as its opposite."""
    fits: NDArray[np.bool_] = np.all([np.isnan(own) | (own >= 0.5) for own in chances.values()], axis=0)
    return fits


def understood(description: str) -> DescriptionQuery:
    """The query of a description. Raises DataError where nothing in it can be searched for."""
    query = parse_description(description)
    if query.terms:
        return query
    words = ", ".join(f"“{word.text}”" for word in (*query.unmapped, *query.not_used)) or "it is empty"
    raise DataError(
        f"nothing in the description can be searched for ({words}); name garments, colours, bags, hats, hair or shoes, "
        'such as "red top, black backpack, no hat"'
    )


def fused_order(first: NDArray[np.int64], second: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """One order of some of `rows` rows from two orders of them, by the sum of 1 / (60 + rank); ties as in the first."""
    value = np.zeros(rows)
    for order in (first, second):
        value[order] += 1.0 / (RANK_CONSTANT + np.arange(1, len(order) + 1))
    return first[np.argsort(-value[first], kind="stable")]


def terms_at(recogniser: AttributeRecogniser, crop: Crop, chances: Mapping[Term, float]) -> tuple[TermMatch, ...]:
    """The terms at one crop, each with the place where its first family was looked for."""
    boxes = recogniser.boxes(crop.open())
    return tuple(
        TermMatch(term, None if np.isnan(chance) else chance, boxes.get(term.families[0]))
        for term, chance in chances.items()
    )
