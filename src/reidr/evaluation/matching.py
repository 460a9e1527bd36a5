"""Who matches whom: labels as integers, and for each query the gallery crops that are right or left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.errors import ReIDError

Labels = ArrayLike | Sequence[str | None] | Sequence[int]
Clothes = Literal["changed", "same"]
Ignored = NDArray[np.bool_] | Callable[[slice], NDArray[np.bool_]]
Integers = NDArray[np.int64]
# Queries for which `ignored` is asked at a time.
ROWS = 256
UNKNOWN_QUERY, UNKNOWN_GALLERY = -1, -2


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
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None,
    gallery_cameras: Labels | None,
    *,
    junk: NDArray[np.bool_] | None = None,
    query_outfits: Labels | None = None,
    gallery_outfits: Labels | None = None,
    clothes: Clothes | None = None,
    ignored: Ignored | None = None,
) -> Matching:
    """Apply the field's rules; arguments as in `reidr.evaluation.ranking.evaluate_ranking`."""
    persons = encode_labels("person", query_ids, gallery_ids)
    q, g = len(persons[0]), len(persons[1])
    if query_cameras is None or gallery_cameras is None:
        places = np.full(q, UNKNOWN_QUERY), np.full(g, UNKNOWN_GALLERY)
    else:
        places = encode_labels("camera", query_cameras, gallery_cameras)
    check_length("query cameras", len(places[0]), q)
    check_length("gallery cameras", len(places[1]), g)

    left_out = negative(gallery_ids)
    if junk is not None:
        check_length("junk", len(junk), g)
        left_out = left_out | np.asarray(junk, dtype=bool)
    further = None if ignored is None else row_reader(ignored, q, g)

    order = np.argsort(persons[1], kind="stable")
    ascending = persons[1][order]
    first, last = np.searchsorted(ascending, persons[0], "left"), np.searchsorted(ascending, persons[0], "right")
    size = last - first
    starts = np.concatenate([[0], np.cumsum(size)])
    rows = np.repeat(np.arange(q), size)
    items = order[np.arange(len(rows)) - np.repeat(starts[:-1] - first, size)]

    good = ~left_out[items]
    usable = good & (places[0][rows] != places[1][items])
    if clothes is not None:
        if clothes not in ("changed", "same"):
            raise ReIDError(f'clothes is {clothes!r}; say "changed", "same" or None')
        usable &= wears_what_is_asked(rows, items, query_outfits, gallery_outfits, clothes)
    if further is not None:
        for begin in range(0, q, ROWS):
            part = slice(starts[begin], starts[min(begin + ROWS, q)])
            usable[part] &= ~further(slice(begin, begin + ROWS))[rows[part] - begin, items[part]]
    counts = np.bincount(rows[usable], minlength=q)
    return Matching(
        items=items,
        starts=starts,
        right=usable,
        kept=~left_out if left_out.any() else None,
        ignored=further,
        gallery=g,
        why=reasons(persons[0], size, counts),
    )


def row_reader(ignored: Ignored, queries: int, gallery: int) -> Callable[[slice], NDArray[np.bool_]]:
    """A function of a slice of queries, from such a function or from a mask (Q, G). ReIDError for other shapes."""
    if callable(ignored):
        return ignored
    if ignored.shape != (queries, gallery) or ignored.dtype != np.bool_:
        raise ReIDError(f"ignored must be ({queries}, {gallery}) bool, not {ignored.shape} {ignored.dtype}")
    return ignored.__getitem__


def encode_labels(what: str, query: Labels, gallery: Labels) -> tuple[Integers, Integers]:
    """Labels of any kind as integers shared by both lists; None (unknown) equals nothing, not even another None.

    Raises ReIDError where one list holds numbers and the other strings, which would never match.
    """
    left, right = as_labels(query), as_labels(gallery)
    if left.dtype.kind in "iu" and right.dtype.kind in "iu":
        both = np.concatenate([left.astype(np.int64), right.astype(np.int64)])
        if both.size and both.min() < 0:  # else they can stay: codes of unknown labels are negative
            both = np.unique(both, return_inverse=True)[1]
    else:
        if left.dtype.kind in "iu" or right.dtype.kind in "iu":
            raise ReIDError(
                f"{what} labels are {left.dtype} for queries and {right.dtype} for the gallery; use one kind for both"
            )
        codes: dict[object, int] = {}
        both = np.array([codes.setdefault(label, len(codes)) for label in (*left.tolist(), *right.tolist())], np.int64)
    codes_left, codes_right = both[: len(left)].astype(np.int64), both[len(left) :].astype(np.int64)
    codes_left[unknown(left)] = UNKNOWN_QUERY
    codes_right[unknown(right)] = UNKNOWN_GALLERY
    if what == "person":
        codes_left[negative(query)] = UNKNOWN_QUERY
        codes_right[negative(gallery)] = UNKNOWN_GALLERY
    return codes_left, codes_right


def as_labels(labels: Labels) -> NDArray[np.generic]:
    """One array: integers stay integers, everything else becomes objects (strings and None)."""
    array = np.asarray(labels) if isinstance(labels, np.ndarray) else np.array(labels, dtype=object)
    if array.ndim != 1:
        raise ReIDError(f"labels must be one list, not an array of shape {array.shape}")
    if array.dtype.kind == "O" and len(array) and all(isinstance(label, (int, np.integer)) for label in array):
        return array.astype(np.int64)
    if array.dtype.kind not in "iuO" and array.dtype.kind != "U":
        raise ReIDError(f"labels must be integers or strings, not {array.dtype}")
    return array if array.dtype.kind in "iu" else array.astype(object)


def unknown(labels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True where a label is None."""
    if labels.dtype.kind in "iu":
        return np.zeros(len(labels), dtype=bool)
    return np.array([label is None for label in labels.tolist()], dtype=bool)


def negative(labels: Labels) -> NDArray[np.bool_]:
    """True where an integer label is negative: Market-1501 writes -1 for junk."""
    array = as_labels(labels)
    return np.asarray(array.astype(np.int64) < 0) if array.dtype.kind == "i" else np.zeros(len(array), dtype=bool)


def wears_what_is_asked(
    rows: Integers, items: Integers, query: Labels | None, gallery: Labels | None, clothes: Clothes
) -> NDArray[np.bool_]:
    """For pairs of one person: True where the outfits differ ("changed") or agree ("same")."""
    if query is None or gallery is None:
        raise ReIDError(f'clothes="{clothes}" needs query_outfits and gallery_outfits')
    worn = encode_labels("outfit", query, gallery)
    wanting = (worn[0][rows] == UNKNOWN_QUERY) | (worn[1][items] == UNKNOWN_GALLERY)
    if wanting.any():
        pair = int(np.argmax(wanting))
        raise ReIDError(
            f"query {rows[pair]} or its gallery crop {items[pair]} has no outfit label, "
            f'which clothes="{clothes}" needs; label it or choose another protocol'
        )
    same = worn[0][rows] == worn[1][items]
    return ~same if clothes == "changed" else same


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
