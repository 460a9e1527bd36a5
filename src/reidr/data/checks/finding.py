"""`Finding`: one thing that `validate` has to say about a data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reidr.core.text import shown, some_of
from reidr.data.reading.notes import Level
from reidr.data.types import Crop

Severity = Level
EXAMPLES = 5


@dataclass(frozen=True)
class ValueCounts:
    """Of how many crops a value of the vocabulary is true, false, or not known."""

    value: str
    true: int
    false: int
    unknown: int


@dataclass(frozen=True)
class FamilyCounts:
    """How much is known of one family of the vocabulary.

    Attributes:
        family: its name. persons, crops: how many are described. hidden: crops that are known not to show it.
        values: its values, over all crops.
    """

    family: str
    persons: int
    crops: int
    hidden: int
    values: tuple[ValueCounts, ...]


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        severity: an error breaks or falsifies an evaluation, a warning changes what its numbers mean.
        kind: stable short name, for programs.
        problem: what is wrong and where. remedy: what to do; empty where nothing is to be done.
        files, ids, cameras: examples, at most five each: crops or files, person labels, camera labels.
        known: the counts, of a finding that says how much is known of a family of attributes.
    """

    severity: Severity
    kind: str
    problem: str
    remedy: str = ""
    files: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    known: FamilyCounts | None = None

    @property
    def message(self) -> str:
        """Problem and remedy as one sentence."""
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


def examples(values: Iterable[str | None]) -> tuple[str, ...]:
    """The first few different values, sorted and printable."""
    return tuple(shown(value) for value in sorted({value for value in values if value is not None})[:EXAMPLES])


def listed(values: Iterable[str | None]) -> str:
    """The first few different values as text, with the number of the rest; "none" where there are none."""
    return some_of(sorted({value for value in values if value is not None}), EXAMPLES) or "none"


def about(severity: Severity, kind: str, crops: Iterable[Crop], problem: str, remedy: str = "") -> Finding:
    """A finding about `crops`, which give the examples."""
    crops = tuple(crops)
    return Finding(
        severity,
        kind,
        problem,
        remedy,
        files=examples(crop.id for crop in crops),
        ids=examples(crop.person for crop in crops),
        cameras=examples(crop.camera for crop in crops),
    )
