"""What a search does not look at, by reason: counted and named, never passed over in silence."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.data.images import IMAGE_SUFFIXES
from reidr.data.listing import CLUTTER, is_picture_name, is_text, shown, some_of

ENDING, NOT_TEXT = "ending that is not read", "name that is not UTF-8"
NO_ACCESS, LINKED, UNREADABLE = "folder that cannot be opened", "linked folder, not followed", "unusable picture"
JUNK = "marked as junk"


@dataclass(frozen=True)
class LeftOut:
    """Files of one `reason`. `files`: their names, sorted. `detail`: more on the reason, for reading."""

    reason: str
    files: tuple[str, ...]
    detail: str = ""

    def sentence(self) -> str:
        """ "3 files, ending that is not read (.gif, .txt, none): a.txt, match, match.gif"."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{files(len(self.files))}, {self.reason}{detail}: {some_of(self.files)}"


def pictures_and_rest(folder: Path) -> tuple[list[str], tuple[LeftOut, ...]]:
    """Pictures in `folder` and below as sorted relative paths with `/`, and what else lies there, by reason.

    Hidden files and folders, and clutter such as `Thumbs.db`, are neither. No file is opened.
    """
    pictures: list[str] = []
    rest: defaultdict[str, list[str]] = defaultdict(list)

    def refused(error: OSError) -> None:
        rest[NO_ACCESS].append(os.path.relpath(error.filename, folder).replace(os.sep, "/"))

    for where, folders, names in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(where, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        rest[LINKED] += [prefix + name for name in folders if (Path(where) / name).is_symlink()]
        for name in names:
            if name.startswith(".") or name in CLUTTER:
                continue
            if is_picture_name(prefix + name):
                pictures.append(prefix + name)
            else:
                rest[ENDING if is_text(prefix + name) else NOT_TEXT].append(shown(prefix + name))
    return sorted(pictures), tuple(
        LeftOut(reason, tuple(sorted(names)), endings_of(names) if reason == ENDING else "")
        for reason, names in rest.items()
        if names
    )


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
        LeftOut(reason, tuple(sorted(names)), endings_of(names) if reason == ENDING else "")
        for reason, names in files.items()
    )


def known_endings() -> str:
    """The endings of pictures that are read, for a sentence."""
    return ", ".join(sorted(IMAGE_SUFFIXES))


def sentences(left_out: Sequence[LeftOut], problems: Sequence[str]) -> list[str]:
    """All that was left out, for reading: each reason with its number, and why each picture could not be used."""
    told = [each.sentence() for each in left_out if each.reason != UNREADABLE]
    unusable = sum(len(each.files) for each in left_out if each.reason == UNREADABLE)
    return [*told, *([f"{files(unusable)}, {UNREADABLE}:"] if unusable else []), *(f"  {each}" for each in problems)]


def files(number: int) -> str:
    """ "1 file", "1,200 files"."""
    return f"{number:,} file{'' if number == 1 else 's'}"
