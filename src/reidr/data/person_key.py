"""Labels of persons across data sets: `dataset:person`, as `data.join` writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class PersonKey:
    """A person of a joined data set. `str` gives the label, `parse` reads it."""

    dataset: str
    person: str

    @classmethod
    def parse(cls, label: str) -> Self:
        """Split at the first colon. A label without one has no person: the whole of it names the data set."""
        dataset, _, person = label.partition(":")
        return cls(dataset, person)

    def __str__(self) -> str:
        return f"{self.dataset}:{self.person}"


def dataset_of(label: str | None) -> str:
    """The data set in a joined person's label; "None" for a crop without a person."""
    return PersonKey.parse(str(label)).dataset


def in_dataset(label: str, dataset: str) -> str | None:
    """The person's own label where a joined label is one of `dataset`: "0002" of "market1501:0002"; else None."""
    prefix = str(PersonKey(dataset, ""))
    return label.removeprefix(prefix) if label.startswith(prefix) else None
