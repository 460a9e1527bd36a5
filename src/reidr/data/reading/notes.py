"""`Note`: one sentence about what was found while data were read, with its grade."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from reidr.core.text import whole

Level = Literal["error", "warning", "info"]

LEFT_OUT_KINDS = frozenset(
    {
        "format not read", "not a picture", "name is no text", "not a regular file", "broken link",
        "link already followed", "link to a folder above", "unreadable folder", "unreadable file",
        "pictures in folders", "names not understood", "missing file", "missing list", "not listed", "other version",
        "not used", "junk in query", "no features", "own picture",
    }
)  # fmt: skip
"""Kinds of notes about crops or files that take no part; notes of all other kinds leave nothing out."""


class Note(str):
    """A sentence that knows how grave it is. It *is* its text, so it prints, joins and is written to JSON as one.

    Attributes:
        level: "error" falsifies an evaluation, "warning" changes what its numbers mean, "info" asks for nothing.
        kind: stable short name, for programs. remedy: what to do; empty where nothing is to be done.
        count: of how many crops, files or labels it speaks; 0 where it speaks of none. names: all of them, as paths
            relative to the data set or as labels.
    """

    level: Level
    kind: str
    remedy: str
    count: int  # type: ignore[assignment]  # hides str.count, which nobody needs of a sentence
    names: tuple[str, ...]

    def __new__(
        cls,
        text: str,
        level: Level = "info",
        *,
        kind: str = "note",
        remedy: str = "",
        count: int | None = None,
        names: Iterable[str] = (),
    ) -> Note:
        """`count` is the number of `names` where it is not given."""
        self = super().__new__(cls, text)
        self.level, self.kind, self.remedy = level, kind, remedy
        self.names = tuple(names)
        self.count = len(self.names) if count is None else count
        return self

    @property
    def is_left_out(self) -> bool:
        """Whether it speaks of something that takes no part."""
        return self.kind in LEFT_OUT_KINDS

    @property
    def text(self) -> str:
        """The sentence as a plain string."""
        return str.__str__(self)

    def __repr__(self) -> str:
        return f"Note({self.text!r}, {self.level!r}, kind={self.kind!r}, count={self.count})"

    def graded(self, level: Level) -> Note:
        """The same note with another level."""
        return Note(self.text, level, kind=self.kind, remedy=self.remedy, count=self.count, names=self.names)

    def as_json(self) -> dict[str, object]:
        """Level, kind, text, remedy, count and names (the first 20), for files that programs read."""
        names = [whole(name) for name in self.names[:20]]
        return {
            "level": self.level,
            "kind": self.kind,
            "text": self.text,
            "remedy": self.remedy,
            "count": self.count,
            "names": names,
        }


def as_notes(texts: Iterable[str]) -> tuple[Note, ...]:
    """Notes as they are; plain sentences as information."""
    return tuple(text if isinstance(text, Note) else Note(text) for text in texts)
