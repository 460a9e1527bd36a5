"""Listing folders: sorted, hidden files skipped, nothing opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.data.images import IMAGE_SUFFIXES

CLUTTER = frozenset({"Thumbs.db", "desktop.ini", "readme.txt", "README.txt", "README.md"})
SHOWN = 3
BELOW = "pictures lie in folders below while others lie in the folder itself"


@dataclass(frozen=True)
class Listing:
    """The visible files of one folder, not of those below it.

    Attributes:
        pictures: names with a picture's ending, sorted: file systems list them in any order.
        others: names of files that are no pictures by their ending, or whose names are not UTF-8.
        folders: names of the visible folders in it, which were not looked into.
    """

    folder: Path
    pictures: tuple[str, ...]
    others: tuple[str, ...]
    folders: tuple[str, ...] = ()


def list_folder(folder: Path) -> Listing:
    """List one folder; empty where it does not exist."""
    pictures: list[str] = []
    others: list[str] = []
    folders: list[str] = []
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(".") or name in CLUTTER:
                    continue
                if entry.is_dir():
                    folders.append(name)
                    continue
                (pictures if is_picture_name(name) else others).append(name)
    return Listing(folder, tuple(sorted(pictures)), tuple(sorted(others)), tuple(sorted(folders)))


def pictures_below(listing: Listing) -> list[str]:
    """Pictures in the folders below a folder that holds pictures itself, as sorted relative paths; else none.

    A layout is flat or has a folder per person: where both are found, nobody can tell whether those below belong to it
    or are copies, so they are left out and have to be named.
    """
    if not listing.pictures:
        return []
    return sorted(f"{name}/{path}" for name in listing.folders for path in list_tree(listing.folder / name))


def below_notes(where: str, listing: Listing) -> list[str]:
    """The sentence for `pictures_below`, none where there are none."""
    below = pictures_below(listing)
    return [f"{where}: {len(below):,} {BELOW} and are left out: {some_of(below)}"] if below else []


def list_tree(folder: Path) -> list[str]:
    """Pictures in `folder` and below it as sorted relative paths with `/`; links to folders are not followed."""
    found: list[str] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(where, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        found += [prefix + name for name in names if not name.startswith(".") and is_picture_name(prefix + name)]
    return sorted(found)


def sub_folders(folder: Path) -> list[Path]:
    """The visible folders in `folder`, sorted by name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def is_picture_name(name: str) -> bool:
    """Whether the name ends like a picture's and is proper text (other names would break every report)."""
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES and is_text(name)


def is_text(name: str) -> bool:
    """False for file names that are not valid UTF-8, which Python carries as lone surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def shown(name: str) -> str:
    """A file name that can be printed anywhere."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def some_of(names: Iterable[str], number: int = SHOWN) -> str:
    """The first few names as text, with the number of the rest."""
    names = [shown(name) for name in names]
    rest = f" and {len(names) - number:,} more" if len(names) > number else ""
    return ", ".join(names[:number]) + rest


def left_out_note(where: str, names: Sequence[str], total: int, pattern: str) -> str:
    """The sentence for pictures whose names do not parse."""
    return f"{where}: {len(names):,} of {total:,} names do not follow {pattern} and are left out: {some_of(names)}"
