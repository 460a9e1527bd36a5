"""Labels of crops (persons, cameras, outfits) of any kind as integers, and the marks of junk among persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import one_list, plain_array
from reidr.errors import ReIDError

Labels = ArrayLike | Sequence[str | None] | Sequence[int | None]
Integers = NDArray[np.int64]
UNKNOWN_QUERY, UNKNOWN_GALLERY = -1, -2
JUNK_TEXT = "-1"
"""Market-1501's mark for a bad box, where file names were cut into strings."""
MOST = np.iinfo(np.int64).max


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
