"""What a search does not look at, by reason: counted and named, never passed over in silence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.core.text import number_of, shown, some_of
from reidr.data.reading.folder import FolderListing
from reidr.data.reading.listing import Reason

UNREADABLE, JUNK = "a picture that cannot be used", "marked as junk"
ENDINGS: tuple[Reason, ...] = ("a picture of a format that is not read", "no picture by ending and content")
"""Reasons of `data.listing` that a file's ending says more of."""


@dataclass(frozen=True)
class LeftOut:
    """Files of one `reason`. `files`: their names, sorted. `detail`: more on the reason, for reading."""

    reason: str
    files: tuple[str, ...]
    detail: str = ""

    def sentence(self) -> str:
        """ "3 files, no picture by ending and content (.txt, none): a.txt, b.txt, notes"."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{number_of(len(self.files), 'file')}, {self.reason}{detail}: {some_of(self.files)}"


def left_out_of(listing: FolderListing) -> tuple[LeftOut, ...]:
    """What a folder's listing did not take, by reason."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for each in listing.left_out:
        by_reason[each.reason].append(shown(each.path))
    return merged(LeftOut(reason, tuple(names)) for reason, names in by_reason.items())


def endings_of(names: Iterable[str]) -> str:
    """The endings of some file names, the commonest first: ".gif, .jfif, none"."""
    counts = Counter(Path(name).suffix.lower() or "none" for name in names)
    return some_of([ending for ending, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))], 8)


def merged(all_left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """One entry per reason."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for each in all_left_out:
        files[each.reason] += each.files
    return tuple(
        LeftOut(reason, tuple(sorted(names)), endings_of(names) if reason in ENDINGS else "")
        for reason, names in files.items()
    )


def sentences(left_out: Sequence[LeftOut], problems: Sequence[str]) -> list[str]:
    """All that was left out, for reading: each reason with its number, and why each picture could not be used."""
    told = [each.sentence() for each in left_out if each.reason != UNREADABLE]
    unusable = sum(len(each.files) for each in left_out if each.reason == UNREADABLE)
    return [
        *told,
        *([f"{number_of(unusable, 'file')}, {UNREADABLE}:"] if unusable else []),
        *(f"  {each}" for each in problems),
    ]
