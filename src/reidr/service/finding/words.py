"""Search by words over a gallery: the attributes that were recognised when it was filled, track by track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from reidr.data.vocabulary import VALUES
from reidr.errors import DataError
from reidr.search.appearances.types import TermFound
from reidr.search.by_words import RANK_CONSTANT, WordsFound, understood
from reidr.search.words.rank import rank_by_description, term_probability
from reidr.search.words.types import DescriptionQuery
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

Reals = NDArray[np.float64]
PAGE = 1000


@dataclass(frozen=True, eq=False)
class Described:
    """Tracks with the attributes of their crops.

    Attributes:
        tracks: their ids. table: (T, values) mean probability of each value over a track's crops that know it, NaN
            where none does. scores: (T,) logarithm of the probability that all that the words ask for holds.
        unknown: crops for which no attributes are kept.
    """

    query: DescriptionQuery
    tracks: tuple[str, ...]
    table: Reals
    scores: Reals
    unknown: int

    def order(self) -> list[int]:
        """Rows, the best first."""
        return [int(row) for row in np.argsort(-self.scores, kind="stable")]

    def terms(self, row: int) -> list[TermFound]:
        """What the words ask for, at one track."""
        own = self.table[row : row + 1]
        chances = [(term, float(term_probability(term, own)[0])) for term in self.query.terms]
        return [
            TermFound(term=str(term), wanted=term.wanted, probability=None if math.isnan(chance) else chance)
            for term, chance in chances
        ]

    def probability(self, row: int) -> float | None:
        """That all holds, as if the terms were independent; None where nothing is known of any."""
        known = any(term.probability is not None for term in self.terms(row))
        return math.exp(float(self.scores[row])) if known else None


def described(store: GalleryStore, words: str, which: CropFilter, left_out: frozenset[str]) -> Described:
    """All tracks that pass a filter, by how well they fit a description; `left_out`: tracks that are not searched.

    Raises DataError where no word can be searched for, or no crop has attributes.
    """
    query = understood(words)
    totals: dict[str, Reals] = {}
    counts: dict[str, Reals] = {}
    unknown, crops, after = 0, 0, None
    while page := store.crops(which, after=after, limit=PAGE, pictures=False):
        after = page[-1].id
        for crop in page:
            if crop.track in left_out:
                continue
            crops += 1
            row = attributes_of(crop)
            unknown += row is None
            if row is not None:
                known = np.isfinite(row)
                totals[crop.track] = totals.get(crop.track, np.zeros(len(VALUES))) + np.where(known, row, 0.0)
                counts[crop.track] = counts.get(crop.track, np.zeros(len(VALUES))) + known
    if not totals and crops:
        raise DataError(
            "this gallery cannot be searched by words: the model that it was indexed with does not say what people "
            "wear and carry; index it again with one that does, such as lite"
        )
    tracks = tuple(totals)
    seen = np.array([counts[track] for track in tracks]).reshape(-1, len(VALUES))
    whole = np.array([totals[track] for track in tracks]).reshape(-1, len(VALUES))
    table = np.divide(whole, seen, out=np.full(whole.shape, np.nan), where=seen > 0)
    return Described(query, tracks, table, rank_by_description(query, table).scores, unknown)


def attributes_of(crop: StoredCrop) -> Reals | None:
    """(values,) probabilities of a crop; None where none are kept. Raises DataError for a row of another vocabulary."""
    if crop.attributes is None:
        return None
    if crop.attributes.shape != (len(VALUES),):
        raise DataError(
            f"crop {crop.id}: its {crop.attributes.size} attributes are not the {len(VALUES)} of this version's "
            "vocabulary; bring the gallery to a new model with reidr gallery migrate --model"
        )
    # Half precision may round a probability to just beyond 1.
    return np.clip(crop.attributes.astype(np.float64), 0.0, 1.0)


def told(query: DescriptionQuery, unknown: int) -> list[str]:
    """What a reader must know of how the words were understood."""
    sentences = WordsFound(query, (), 0, "", "").sentences()
    if unknown:
        sentences.append(
            f"Of {unknown:,} crops it is not known what people wear; they were not compared with the words."
        )
    return sentences


def fused_tracks(by_looks: Sequence[str], words: Described) -> list[str]:
    """Tracks by both orders, by the sum of 1 / (60 + rank) (`search.by_words`); ties as by looks.

    Tracks that fit the words equally well have the same rank there. One of which nothing is known has no share of it.
    """
    ranks = rankdata(-words.scores, method="min")
    share = {track: 1.0 / (RANK_CONSTANT + float(rank)) for track, rank in zip(words.tracks, ranks, strict=True)}
    value = {
        track: 1.0 / (RANK_CONSTANT + rank) + share.get(track, 0.0) for rank, track in enumerate(by_looks, start=1)
    }
    return sorted(by_looks, key=lambda track: -value[track])
