"""Who matches whom: labels as integers, and for each query the gallery crops that are right or left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import flag_array, mask_rows, one_list, one_of, plain_array
from reidr.errors import ReIDError

Labels = ArrayLike | Sequence[str | None] | Sequence[int | None]
Clothes = Literal["changed", "same"]
Ignored = ArrayLike | Callable[[slice], NDArray[np.bool_]]
Integers = NDArray[np.int64]
# Queries for which `ignored` is asked at a time.
ROWS = 256
UNKNOWN_QUERY, UNKNOWN_GALLERY = -1, -2
# Market-1501's mark for a bad box, where names were cut into strings.
JUNK_TEXT = "-1"
MOST = np.iinfo(np.int64).max


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
    """Apply the field's rules; arguments as in `reidr.evaluation.metrics.ranking.evaluate_ranking`."""
    if clothes is not None:
        one_of(clothes, "clothes", get_args(Clothes))
    shown = read_labels("person", gallery_ids)
    persons = encode_columns("person", read_labels("person", query_ids), shown)
    q, g = len(persons[0]), len(persons[1])
    if query_cameras is None or gallery_cameras is None:
        places = np.full(q, UNKNOWN_QUERY), np.full(g, UNKNOWN_GALLERY)
    else:
        places = encode_labels("camera", query_cameras, gallery_cameras)
    check_length("query cameras", len(places[0]), q)
    check_length("gallery cameras", len(places[1]), g)

    left_out = shown.junk
    if junk is not None:
        left_out = left_out | flag_array(junk, "junk", (g,))
    further = None if ignored is None else mask_rows(ignored, "ignored", q, g)

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
        if query_outfits is None or gallery_outfits is None:
            raise ReIDError(f'clothes="{clothes}" needs query_outfits and gallery_outfits')
        worn = encode_labels("outfit", query_outfits, gallery_outfits)
        check_length("query outfits", len(worn[0]), q)
        check_length("gallery outfits", len(worn[1]), g)
        usable &= wears_what_is_asked(rows, items, worn, clothes)
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


@dataclass(frozen=True, eq=False)
class LabelColumn:
    """Labels of one list, all integers or all strings.

    Attributes:
        values: (n,) int64, or objects that are strings; anything where unknown.
        unknown: (n,) True where the label is None.
        kind: None where nothing is known, which fits both kinds.
    """

    values: NDArray[Any]
    unknown: NDArray[np.bool_]
    kind: Literal["integers", "strings"] | None

    @property
    def junk(self) -> NDArray[np.bool_]:
        """(n,) True for what Market-1501 calls junk: a negative number as a person, or the text "-1"."""
        marked = self.values < 0 if self.kind == "integers" else self.values == JUNK_TEXT
        return np.asarray(marked, dtype=bool) & ~self.unknown


def read_labels(what: str, labels: Labels) -> LabelColumn:
    """Labels of any accepted kind. Raises ReIDError naming the first label of another kind, and for mixed kinds."""
    array_like = hasattr(labels, "__array__")
    given = plain_array(labels, f"{what} labels") if array_like else one_list(labels, f"{what} labels")
    if isinstance(given, np.ndarray):
        if given.ndim != 1:
            raise ReIDError(f"{what} labels must be one list, not an array of shape {given.shape}")
        if not len(given):
            given = given.astype(object)  # NumPy gives an empty list a kind, which says nothing
        whole = given.dtype.kind == "i" or (given.dtype.kind == "u" and given.max(initial=0) <= MOST)
        if whole:
            return LabelColumn(given.astype(np.int64), np.zeros(len(given), dtype=bool), "integers")
        if given.dtype.kind not in "uUO":
            hint = "; convert them (astype(int) or astype(str)) and put None where one is unknown"
            raise ReIDError(f"{what} labels must be integers or strings, not {given.dtype}{hint}")
        given = given.tolist()
    known: list[int | str | None] = [one_label(what, place, label) for place, label in enumerate(given)]
    unknown = np.array([label is None for label in known], dtype=bool)
    kinds = {isinstance(label, str) for label in known if label is not None}
    if len(kinds) > 1:
        raise ReIDError(f"{what} labels are integers and strings in one list; use one kind for all")
    if kinds == {False}:
        return LabelColumn(np.array([label or 0 for label in known], dtype=np.int64), unknown, "integers")
    return LabelColumn(np.array(known, dtype=object), unknown, "strings" if kinds else None)


def one_label(what: str, place: int, label: Any) -> int | str | None:
    """A label as Python has it, whole numbers of other libraries included. Raises ReIDError for anything else."""
    if label is None or isinstance(label, str):
        return label
    try:
        if not isinstance(label, (bool, np.bool_)):
            number = index(label)
            if -MOST <= number <= MOST:
                return number
    except TypeError:
        pass
    raise ReIDError(f"{what} label {place} is {label!r}; labels are 64-bit integers or strings, and None where unknown")


def encode_labels(what: str, query: Labels, gallery: Labels) -> tuple[Integers, Integers]:
    """Labels of any kind as integers shared by both lists; None (unknown) equals nothing, not even another None.

    As persons, neither do negative numbers and the text "-1", which are junk. Raises ReIDError where one list holds
    numbers and the other strings, which would never match.
    """
    return encode_columns(what, read_labels(what, query), read_labels(what, gallery))


def encode_columns(what: str, left: LabelColumn, right: LabelColumn) -> tuple[Integers, Integers]:
    """`encode_labels` of lists that were read before."""
    kinds = {left.kind, right.kind} - {None}
    if len(kinds) > 1:
        raise ReIDError(
            f"{what} labels are {left.kind} for queries and {right.kind} for the gallery; use one kind for both"
        )
    if kinds == {"integers"}:
        both = np.concatenate([column.values if column.kind else column.unknown * 0 for column in (left, right)])
        if both.size and both.min() < 0:  # else they can stay: codes of unknown labels are negative
            both = np.unique(both, return_inverse=True)[1]
    else:
        codes: dict[object, int] = {}
        labels = (*left.values.tolist(), *right.values.tolist())
        both = np.array([codes.setdefault(label, len(codes)) for label in labels], np.int64)
    split = len(left.values)
    codes_left, codes_right = both[:split].astype(np.int64), both[split:].astype(np.int64)
    codes_left[left.unknown] = UNKNOWN_QUERY
    codes_right[right.unknown] = UNKNOWN_GALLERY
    if what == "person":
        codes_left[left.junk] = UNKNOWN_QUERY
        codes_right[right.junk] = UNKNOWN_GALLERY
    return codes_left, codes_right


def wears_what_is_asked(
    rows: Integers, items: Integers, worn: tuple[Integers, Integers], clothes: Clothes
) -> NDArray[np.bool_]:
    """For pairs of one person: True where the outfits `worn` (of queries, of the gallery) differ or agree."""
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
