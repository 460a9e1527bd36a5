"""Listing folders: sorted, hidden files skipped, links to folders followed once, whatever is passed over said.

Pictures are recognised by their ending. Of a file with another ending, or with none, the first bytes are read: a
picture in a format that is read is taken under any name, everything else is left out with a reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reidr.core.text import shown as shown
from reidr.core.text import some_of as some_of
from reidr.data.pictures.images import ALLOWED_FORMATS, HEIF_BRANDS, IMAGE_SUFFIXES
from reidr.data.reading.notes import Level, Note

CLUTTER = frozenset({"Thumbs.db", "desktop.ini", "readme.txt", "README.txt", "README.md"})
BELOW = "pictures lie in folders below while others lie in the folder itself"
HEAD = 16  # bytes by which a picture's format is recognised
MARKS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\x00\x00\x00\x0cjP  ": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
}

Reason = Literal[
    "a picture of a format that is not read",
    "no picture by ending and content",
    "a name that is no UTF-8 text",
    "no regular file",
    "a link that leads nowhere",
    "a link to a folder that is already listed",
    "a link to a folder above",
    "a folder that cannot be read",
    "a file that cannot be read",
]
HARMLESS: tuple[Reason, ...] = ("no picture by ending and content", "a link to a folder that is already listed")
KINDS: dict[Reason, str] = {
    "a picture of a format that is not read": "format not read",
    "no picture by ending and content": "not a picture",
    "a name that is no UTF-8 text": "name is no text",
    "no regular file": "not a regular file",
    "a link that leads nowhere": "broken link",
    "a link to a folder that is already listed": "link already followed",
    "a link to a folder above": "link to a folder above",
    "a folder that cannot be read": "unreadable folder",
    "a file that cannot be read": "unreadable file",
}
REMEDIES: dict[Reason, str] = {
    "a picture of a format that is not read": "save them as JPEG or PNG",
    "no picture by ending and content": "take them out if they belong elsewhere",
    "a name that is no UTF-8 text": "rename them",
    "no regular file": "take them out",
    "a link that leads nowhere": "mend or remove them",
    "a link to a folder above": "link to the folders that hold the pictures",
    "a folder that cannot be read": "check their rights",
    "a file that cannot be read": "check their rights",
}


@dataclass(frozen=True)
class LeftOut:
    """Something in a folder that is not taken: its path relative to that folder, with `/`, and why."""

    path: str
    reason: Reason

    @property
    def level(self) -> Level:
        """A warning where a picture may have been lost, else information."""
        return "info" if self.reason in HARMLESS else "warning"


@dataclass(frozen=True)
class Listing:
    """The visible files of one folder, not of those below it.

    Attributes:
        pictures: names of pictures, sorted: file systems list them in any order.
        left_out: all other files and links of the folder, with the reason.
        folders: names of the visible folders in it, links to folders among them, which were not looked into.
        links: those of `folders` that are links.
    """

    folder: Path
    pictures: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    folders: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """The pictures of a folder and of all below it, as sorted relative paths with `/`; `links`: those followed."""

    folder: Path
    pictures: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    links: tuple[str, ...] = ()


def list_folder(folder: Path) -> Listing:
    """List one folder; empty where it does not exist. Raises OSError where it cannot be read."""
    pictures: list[str] = []
    left_out: list[LeftOut] = []
    folders: list[str] = []
    links: list[str] = []
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in CLUTTER:
                    continue
                found = what_is(entry)
                if found == "picture":
                    pictures.append(entry.name)
                elif found == "folder":
                    folders.append(entry.name)
                    if entry.is_symlink():
                        links.append(entry.name)
                else:
                    left_out.append(LeftOut(entry.name, found))
    left_out.sort(key=lambda each: each.path)
    return Listing(folder, tuple(sorted(pictures)), tuple(left_out), tuple(sorted(folders)), tuple(sorted(links)))


def what_is(entry: os.DirEntry[str]) -> Literal["picture", "folder"] | Reason:
    """A picture, a folder (or a link to one), or the reason why it is neither."""
    try:
        if entry.is_dir():
            return "folder" if is_text(entry.name) else "a name that is no UTF-8 text"
        if not entry.is_file():
            lost = entry.is_symlink() and not Path(entry.path).exists()
            return "a link that leads nowhere" if lost else "no regular file"
    except OSError:  # a link in a circle, or into a folder that may not be searched
        return "a link that leads nowhere" if entry.is_symlink() else "a file that cannot be read"
    if not is_text(entry.name):
        return "a name that is no UTF-8 text"
    if is_picture_name(entry.name):
        return "picture"
    try:
        format_of = picture_format(head_of(entry.path))
    except OSError:
        return "a file that cannot be read"
    if format_of is None:
        return "no picture by ending and content"
    return "picture" if is_read(format_of) else "a picture of a format that is not read"


def head_of(path: str) -> bytes:
    """The first bytes of a regular file; never waits (a pipe that takes a file's place meanwhile is not read)."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        return os.read(descriptor, HEAD) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def picture_format(head: bytes) -> str | None:
    """The format of a picture (Pillow's name) by a file's first bytes; None for what is no picture, or not known so.

    BMP, PPM and TIFF go by their endings alone: their marks are too short, or camera raw files have them too.
    """
    if head[:4] == b"RIFF":
        return "WEBP" if head[8:12] == b"WEBP" else None
    if head[4:8] == b"ftyp":
        return "AVIF" if head[8:12] in (b"avif", b"avis") else "HEIF" if head[8:12] in HEIF_BRANDS else None
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def is_read(picture: str) -> bool:
    """Whether pictures of that format are opened (see `reidr.data.pictures.images`)."""
    return picture in ALLOWED_FORMATS or (picture == "HEIF" and ".heic" in IMAGE_SUFFIXES)


def walk(folder: Path) -> Tree:
    """All pictures in `folder` and below it; empty where it does not exist.

    Links to folders are followed, each real folder once: first all real folders, then the links in the order of their
    paths, so that a picture has the same path whatever the file system's order. A link to a folder above is not
    followed (it would list what nobody meant), nor one to a folder that is already listed. A folder that cannot be
    read is left out and named. Raises OSError only for `folder` itself.
    """
    pictures: list[str] = []
    left_out: list[LeftOut] = []
    followed: list[str] = []
    if not folder.is_dir():
        return Tree(folder, ())
    above = identities_above(folder)
    seen: set[tuple[int, int]] = set()
    links: list[str] = []
    real: list[str] = [""]
    while real or links:
        if real:
            below = real.pop()
        else:
            links.sort(reverse=True)
            below = links.pop()
        place = folder / below if below else folder
        try:
            known = identity(place)
            if known in seen or known in above:
                again: Reason = (
                    "a link to a folder above" if known in above else "a link to a folder that is already listed"
                )
                left_out.append(LeftOut(below, again))
                continue
            listing = list_folder(place)
        except OSError:
            if not below:
                raise
            left_out.append(LeftOut(below, "a folder that cannot be read"))
            continue
        seen.add(known)
        prefix = f"{below}/" if below else ""
        if below and place.is_symlink():
            followed.append(below)
        pictures += [prefix + name for name in listing.pictures]
        left_out += [LeftOut(prefix + each.path, each.reason) for each in listing.left_out]
        for name in listing.folders:
            (links if name in listing.links else real).append(prefix + name)
    left_out.sort(key=lambda each: each.path)
    return Tree(folder, tuple(sorted(pictures)), tuple(left_out), tuple(sorted(followed)))


def identities_above(folder: Path) -> set[tuple[int, int]]:
    """What identifies the folders above a real folder, as far as they may be read."""
    found = set()
    for place in Path(os.path.realpath(folder)).parents:
        try:
            found.add(identity(place))
        except OSError:
            continue  # it may not be looked at, so no link can lead into it either
    return found


def identity(folder: Path) -> tuple[int, int]:
    """What identifies a real folder or file, whatever path leads to it. Raises OSError."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def list_tree(folder: Path) -> list[str]:
    """Pictures in `folder` and below it as sorted relative paths with `/` (see `walk`)."""
    return list(walk(folder).pictures)


def pictures_below(listing: Listing) -> list[str]:
    """Pictures in the folders below a folder that holds pictures itself, as sorted relative paths; else none.

    A layout is flat or has a folder per person: where both are found, it is not known whether those below belong to it
    or are copies, so they are left out and have to be named.
    """
    if not listing.pictures:
        return []
    return [path for path in list_tree(listing.folder) if "/" in path] if listing.folders else []


def below_notes(where: str, listing: Listing) -> list[Note]:
    """The sentence for `pictures_below`, none where there are none."""
    below = pictures_below(listing)
    if not below:
        return []
    text = f"{where}: {len(below):,} {BELOW} and are left out: {some_of(below)}"
    remedy = "put all of them beside each other, or all into folders"
    return [Note(text, "warning", kind="pictures in folders", remedy=remedy, names=[f"{where}/{n}" for n in below])]


def left_out_notes(where: str, left_out: Iterable[LeftOut], level: Level | None = None) -> list[Note]:
    """One sentence for each reason why something of the folder `where` (empty: the folder itself) was left out.

    `level` replaces the grade that the reason has by itself: in a layout no other file is expected.
    """
    by_reason: dict[Reason, list[str]] = {}
    grades: dict[Reason, Level] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each.path)
        grades[each.reason] = each.level
    notes = []
    for reason, paths in sorted(by_reason.items()):
        text = f"{where}: " if where else ""
        if reason == "no picture by ending and content":
            text += f"{len(paths):,} files are no pictures by their ending: {some_of(paths)}"
        else:
            text += f"{len(paths):,} left out, {reason}: {some_of(paths)}"
        names = [f"{where}/{path}" if where else path for path in paths]
        grade = "info" if reason == "a link to a folder that is already listed" else level or grades[reason]
        notes.append(Note(text, grade, kind=KINDS[reason], remedy=REMEDIES.get(reason, ""), names=names))
    return notes


def link_notes(where: str, links: Sequence[str]) -> list[Note]:
    """The sentence for linked folders that were followed; none where there are none."""
    if not links:
        return []
    text = f"{where}: " if where else ""
    text += f"{len(links):,} linked folders are followed: {some_of(links)}"
    return [Note(text, kind="linked folders", names=[f"{where}/{link}" if where else link for link in links])]


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


def left_out_note(where: str, names: Sequence[str], total: int, pattern: str) -> Note:
    """The sentence for pictures whose names do not parse."""
    text = f"{where}: {len(names):,} of {total:,} names do not follow {pattern} and are left out: {some_of(names)}"
    remedy = "rename them, or write a manifest"
    return Note(
        text, "warning", kind="names not understood", remedy=remedy, names=[f"{where}/{name}" for name in names]
    )
