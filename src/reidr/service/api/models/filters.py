"""Which crops: the query parameters of lists and erasures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reidr.service.api.models.fields import Label
from reidr.service.api.models.requests import Interval
from reidr.service.store.records import CropFilter

MOST_LABELS = 1000
Labels = Annotated[list[Label], Field(max_length=MOST_LABELS)]


class Which(Interval):
    """All given conditions must hold; of a list any one."""

    ids: Labels = []  # noqa: RUF012 - pydantic copies it
    tracks: Labels = []  # noqa: RUF012
    persons: Labels = []  # noqa: RUF012
    cameras: Labels = []  # noqa: RUF012
    recordings: Labels = []  # noqa: RUF012

    def filter(self) -> CropFilter:
        """The same for a store."""
        lists = {name: getattr(self, name) for name in ("ids", "tracks", "persons", "cameras", "recordings")}
        given = {name: frozenset(labels) for name, labels in lists.items() if labels}
        return CropFilter(**given, since=self.start, until=self.end)


class Page(Which):
    """A page of a list."""

    after: Label | None = Field(None, description="What the page before gave as `after`.")
    limit: Annotated[int, Field(ge=1, le=500, strict=False)] = 100
