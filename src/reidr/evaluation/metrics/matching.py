"""Who matches whom: for each query the gallery crops that are right, and those that are ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import flag_array, mask_rows, one_of
from reidr.data.protocols.matching_rule import Clothes, ignored_of_own_person
from reidr.errors import ReIDError
from reidr.evaluation.metrics.labels import (
    UNKNOWN_GALLERY,
    UNKNOWN_QUERY,
    Integers,
    Labels,
    encode_columns,
    encode_labels,
    read_labels,
)

Ignored = ArrayLike | Callable[[slice], NDArray[np.bool_]]
ROWS = 256  # queries for which `ignored` is evaluated at a time


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """What is known of the queries or of the gallery, one entry per crop.

    Attributes:
        persons: integers or strings, None where unknown. cameras, outfits: likewise; None: not given at all.
    """

    persons: Labels
    cameras: Labels | None = None
    outfits: Labels | None = None


@dataclass(frozen=True, eq=False)
class Matching:
    """Which gallery crops count for which query.

    The crops of query q's person are `items[starts[q] : starts[q + 1]]`, positions in the gallery.

    Attributes:
        items, starts: all gallery crops of each query's person.
        right: for each of `items`, True where it counts as a match and False where the rules ignore it.
        kept: (G,) False for junk, which counts for nobody; None where there is no junk.
        ignored: gives for a slice of queries (rows, G) True for further pairs that do not count; None: there are none.
        gallery: G.
        why: for queries without a match, how many have which reason.
    """

    items: Integers
    starts: Integers
    right: NDArray[np.bool_]
    kept: NDArray[np.bool_] | None
    ignored: Callable[[slice], NDArray[np.bool_]] | None
    gallery: int
    why: dict[str, int]

    @property
    def queries(self) -> int:
        """Q."""
        return len(self.starts) - 1

    @property
    def matches(self) -> Integers:
        """(Q,) number of matches of each query."""
        rows = np.repeat(np.arange(self.queries), np.diff(self.starts))
        return np.bincount(rows[self.right], minlength=self.queries)


def find_matches(
    query: LabelledCrops,
    gallery: LabelledCrops,
    *,
    junk: ArrayLike | None = None,
    clothes: Clothes | None = None,
    ignored: Ignored | None = None,
) -> Matching:
    """Apply the field's rules; arguments and errors as in `reidr.evaluation.metrics.evaluate_ranking`."""
    if clothes is not None:
        one_of(clothes, "clothes", get_args(Clothes))
    shown = read_labels("person", gallery.persons)
    persons = encode_columns("person", read_labels("person", query.persons), shown)
    q, g = len(persons[0]), len(persons[1])
    cameras = camera_codes(query, gallery, q, g)
    left_out = shown.junk if junk is None else shown.junk | flag_array(junk, "junk", (g,))
    further = None if ignored is None else mask_rows(ignored, "ignored", q, g)

    order = np.argsort(persons[1], kind="stable")
    ascending = persons[1][order]
    first, last = np.searchsorted(ascending, persons[0], "left"), np.searchsorted(ascending, persons[0], "right")
    size = last - first
    starts = np.concatenate([[0], np.cumsum(size)])
    rows = np.repeat(np.arange(q), size)
    items = order[np.arange(len(rows)) - np.repeat(starts[:-1] - first, size)]

    same_outfit = None if clothes is None else wears_the_same(rows, items, query, gallery, clothes)
    same_camera = cameras[0][rows] == cameras[1][items]
    usable = ~left_out[items] & ~ignored_of_own_person(same_camera, same_outfit, clothes)
    if further is not None:
        for begin in range(0, q, ROWS):
            part = slice(starts[begin], starts[min(begin + ROWS, q)])
            usable[part] &= ~further(slice(begin, begin + ROWS))[rows[part] - begin, items[part]]
    return Matching(
        items=items,
        starts=starts,
        right=usable,
        kept=~left_out if left_out.any() else None,
        ignored=further,
        gallery=g,
        why=reasons(persons[0], size, np.bincount(rows[usable], minlength=q)),
    )


def camera_codes(query: LabelledCrops, gallery: LabelledCrops, q: int, g: int) -> tuple[Integers, Integers]:
    """Cameras as integers, all unknown where either side gives none. Raises ReIDError for lists of another length."""
    if query.cameras is None or gallery.cameras is None:
        codes = np.full(q, UNKNOWN_QUERY), np.full(g, UNKNOWN_GALLERY)
    else:
        codes = encode_labels("camera", query.cameras, gallery.cameras)
    check_length("query cameras", len(codes[0]), q)
    check_length("gallery cameras", len(codes[1]), g)
    return codes


def wears_the_same(
    rows: Integers, items: Integers, query: LabelledCrops, gallery: LabelledCrops, clothes: Clothes
) -> NDArray[np.bool_]:
    """For pairs of one person, query `rows` and gallery `items`: True where their outfits agree.

    Raises ReIDError where outfits are missing, or are not one for each crop.
    """
    if query.outfits is None or gallery.outfits is None:
        raise ReIDError(f'clothes="{clothes}" needs query_outfits and gallery_outfits')
    worn = encode_labels("outfit", query.outfits, gallery.outfits)
    for side, codes, crops in (("query", worn[0], query), ("gallery", worn[1], gallery)):
        check_length(f"{side} outfits", len(codes), len(read_labels("person", crops.persons).values))
    unlabelled = (worn[0][rows] == UNKNOWN_QUERY) | (worn[1][items] == UNKNOWN_GALLERY)
    if unlabelled.any():
        pair = int(np.argmax(unlabelled))
        raise ReIDError(
            f"query {rows[pair]} or its gallery crop {items[pair]} has no outfit label, "
            f'which clothes="{clothes}" needs; label it or choose another protocol'
        )
    return np.asarray(worn[0][rows] == worn[1][items])


def reasons(persons: Integers, size: Integers, counts: Integers) -> dict[str, int]:
    """Why queries have no match, in the words of an error message."""
    return {
        "have no person label": int((persons == UNKNOWN_QUERY).sum()),
        "show a person who is not in the gallery": int(((persons != UNKNOWN_QUERY) & (size == 0)).sum()),
        "are matched only by crops that the rules ignore (same camera, outfit or junk)": int(
            ((size > 0) & (counts == 0)).sum()
        ),
    }


def check_length(what: str, found: int, wanted: int) -> None:
    """Raises ReIDError unless both numbers agree."""
    if found != wanted:
        raise ReIDError(f"{what}: {found} entries where {wanted} are needed")
