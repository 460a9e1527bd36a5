"""Text files that list pictures: how they are read, where their pictures may lie, and what is missing of them.

One rule for every list and manifest: UTF-8 with or without a byte-order mark, any line ends; a name whose file is not
there is looked for with another picture ending; a picture lies in the list's own folder (its *root*), also once every
link is followed; half of a list missing is an error unless the caller allows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from reidr.core.text import shown, some_of
from reidr.data.pictures.images import IMAGE_SUFFIXES
from reidr.data.pictures.regular_files import MAXIMUM_BYTES, check_list, open_regular
from reidr.data.reading.listing import is_picture_name, is_text
from reidr.data.reading.notes import Level, Note, as_notes
from reidr.errors import DataError, ImageError

FALSIFYING_SHARE = 0.5  # of a list: from here on what is left is another data set than the list speaks of
PLAIN_START = re.compile(r"\A(\./+)+")  # `./a.jpg`, as `find .` writes it, is a.jpg
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path) -> str:
    """The text of a list or manifest, without a byte-order mark.

    Raises DataError where it is not UTF-8, no regular file (a pipe would be waited for, a device read without end), or
    larger than `MAXIMUM_BYTES`.
    """
    try:
        with open_regular(path, check_list) as file:
            content = file.read(MAXIMUM_BYTES)
    except ImageError as error:
        raise DataError(str(error)) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from None
    if content.startswith(UTF16) or b"\0" in content[:200]:
        raise DataError(f"{path}: this is UTF-16 text (or no text at all); save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a list without blanks around them and `./` before them, blank ones as "": line n is at place n - 1.

    Raises DataError for a file that is no UTF-8 text, and for a line with a backslash.
    """
    lines = [
        PLAIN_START.sub("", line.strip())
        for line in read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ]
    for number, line in enumerate(lines, start=1):
        if "\\" in line:
            said = shown(line[:80])
            raise DataError(
                f"{path}: line {number} is {said!r}; expected a file name without folders, or / between them"
            )
    return lines


def relative_path(image: str, what: str = "image") -> Path:
    """A listed picture's path, refused where it leads out of the list's folder on this or another system.

    Raises DataError saying so, also for a name that is no plain text.
    """
    path, windows = Path(image), PureWindowsPath(image)
    if path.is_absolute() or windows.drive or windows.root or ".." in (*path.parts, *windows.parts):
        raise DataError(
            f"{what} {shown(image)!r} lies outside the manifest's folder; write a path relative to it, without .., "
            "or put the manifest into a folder that holds all pictures"
        )
    return plain_path(image, what)


def plain_path(image: str, what: str = "image") -> Path:
    """A path with `/` between its folders. Raises DataError for backslashes and for what is no text."""
    if "\\" in image or not is_text(image) or "\0" in image:
        raise DataError(f"{what} {shown(image)!r}: write plain text with / between folders")
    return Path(image)


class PictureFinder:
    """Finds the listed pictures below one root; every folder is listed once, however many pictures it holds.

    This is the one rule for links in lists: a picture, or a folder on its way, that is a link out of the root is
    refused. A list is passed on with its data, and must not make a tool read, show or copy other files of the reader.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        """`folder` is the list's own. With a `root`, paths may lead anywhere inside it, `..` and absolute ones too.

        Raises DataError for a root that is no folder.
        """
        self.folder = folder
        self.root = folder if root is None else root
        self.widened = root is not None
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder; the root is the folder that holds all pictures of the list")
        self._real_root = os.path.realpath(self.root)
        self._folders: dict[str, dict[str, bool]] = {}
        self._stems: dict[str, dict[str, str]] = {}
        self.renamed: list[str] = []
        self.missing: list[str] = []

    def find(self, image: str) -> tuple[str, Path]:
        """(id, path) of a listed picture. One that is not there keeps its path and is counted in `missing`.

        Raises DataError for a path, or a link, that leads out of the root.
        """
        path = self._within(image)
        names = self._names(path.parent)
        name = path.name
        if name not in names:
            other = self._stems[os.fspath(path.parent)].get(stem_of(name))
            (self.missing if other is None else self.renamed).append(path.as_posix())
            name = name if other is None else other
        path = path.parent / name
        if names.get(name):
            self._check_inside(path)
        return path.as_posix(), self.root / path

    def _within(self, image: str) -> Path:
        """The path of a picture relative to the root, by its letters alone."""
        if not self.widened:
            return relative_path(image)
        # By letters, not resolved: a link inside the root keeps its own path, and `_check_inside` follows it.
        whole = Path(os.path.normpath(self.folder.absolute() / plain_path(image)))
        root = Path(os.path.normpath(self.root.absolute()))
        if not whole.is_relative_to(root):
            raise DataError(f"image {shown(image)!r} lies outside {self.root}, the root that was named")
        return whole.relative_to(root)

    def _names(self, parent: Path) -> dict[str, bool]:
        """Names in a folder, and whether each is a link; empty where there is no such folder, or it cannot be read."""
        key = os.fspath(parent)
        if key not in self._folders:
            found: dict[str, bool] = {}
            place = self.root / parent
            try:
                with os.scandir(place) as entries:
                    found = {entry.name: entry.is_symlink() for entry in entries}
            except OSError:
                pass  # no such folder, or no right to read it: all its pictures are reported as missing
            else:
                self._check_inside(parent)
            self._folders[key] = found
            self._stems[key] = by_stem([name for name in found if is_picture_name(name)])
        return self._folders[key]

    def _check_inside(self, path: Path) -> None:
        real = os.path.realpath(self.root / path)
        if real != self._real_root and not real.startswith(self._real_root.rstrip(os.sep) + os.sep):
            raise DataError(
                f"{path.as_posix()} is a link that leads out of the folder {self.root}; put a copy there, or name the "
                "folder that may hold pictures as the root (--root FOLDER, load_dataset(…, root=FOLDER))"
            )


def stem_of(name: str) -> str:
    """A file name without a picture's ending."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else name


def by_stem(names: Sequence[str] | frozenset[str]) -> dict[str, str]:
    """Names by their path without a picture's ending, where only one file has it."""
    found: dict[str, str] = {}
    twice = set()
    for name in names:
        folder, _, file = name.rpartition("/")
        stem = f"{folder}/{stem_of(file)}" if folder else stem_of(file)
        if stem in found:
            twice.add(stem)
        found[stem] = name
    return {stem: name for stem, name in found.items() if stem not in twice}


def missing_level(missing: int, total: int) -> Level:
    """How grave it is that so many pictures of a split are not there: an error from `FALSIFYING_SHARE` of it on."""
    return "error" if missing and missing >= FALSIFYING_SHARE * total else "warning"


def missing_note(where: str, missing: Sequence[str], total: int, place: str, level: Level) -> Note:
    """The sentence for listed pictures that are not there. `total`: how many the list names."""
    text = f"{where}: {len(missing):,} of {total:,} listed files are not in {place}: {some_of(missing)}"
    return Note(text, level, kind="missing file", remedy="copy them again, or take them off the list", names=missing)


def renamed_notes(where: str, renamed: Sequence[str]) -> list[Note]:
    """The sentence for listed pictures that are there under another picture ending; none where there are none."""
    if not renamed:
        return []
    text = f"{where}: {len(renamed):,} listed files are read with another ending than listed: {some_of(renamed)}"
    return [Note(text, kind="other ending", names=renamed)]


def unlisted_notes(folder: str, unlisted: Sequence[str]) -> list[Note]:
    """The sentence for pictures of a folder that no list names; none where there are none."""
    if not unlisted:
        return []
    text = f"{folder}: {len(unlisted):,} pictures are on no list and are left out: {some_of(unlisted)}"
    return [Note(text, kind="not listed", names=[f"{folder}/{name}" for name in unlisted])]


def allow_missing_in(notes: Sequence[str]) -> tuple[Note, ...]:
    """The notes with missing pictures as a warning, however many they are."""
    return tuple(
        note.graded("warning") if note.kind == "missing file" and note.level == "error" else note
        for note in as_notes(notes)
    )


def refuse_missing(name: str, notes: Sequence[str]) -> None:
    """Raise DataError where a note says that half of a split's listed pictures or more are missing."""
    for note in as_notes(notes):
        if note.kind == "missing file" and note.level == "error":
            raise DataError(
                f"{name}: {note.text}; half a data set is another data set: copy the rest, or allow it "
                "(--allow-missing, load_dataset(…, allow_missing=True))"
            )
