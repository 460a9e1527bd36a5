"""Reading files that anybody may have put there: regular files only, of a bounded size, a block at a time.

A FIFO called `x.jpg` would be waited for without end, and a link to `/dev/zero` read without end. So what a name stands
for is looked at before it is opened and once more on the opened file, which nobody can exchange any more.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from reidr.errors import DataError, ImageError

MAXIMUM_BYTES = 350_000_000  # 40 megapixels of four 16-bit channels, not compressed, and room for the rest of a file
BLOCK = 1 << 20
# Without O_NONBLOCK, opening a FIFO that took the file's place a moment ago waits for a writer.
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path, check: Callable[[Path, os.stat_result], None] | None = None) -> BinaryIO:
    """The file at `path`, open for reading. Links are followed; what they lead to must be a regular file.

    `check`: whether the file will do; for a picture `check_regular`, the default.

    Raises:
        ImageError: missing, unreadable, not a regular file, empty, or above `MAXIMUM_BYTES`. Never waits.
    """
    check = check or check_regular
    try:
        check(path, path.stat())
        file = os.fdopen(os.open(path, FLAGS), "rb")
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise ImageError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})") from None
    try:
        check(path, os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def check_name(path: Path) -> None:
    """Raise DataError for a path that can be no file's: too long a name, a zero byte, links in a circle.

    pathlib's questions (`exists`, `is_dir`) raise OSError for some of them, and say no to others.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # whoever needs the file says so in its own words
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be a file or folder ({reason}); check the path") from None


def check_regular(path: Path, status: os.stat_result) -> None:
    """Raise ImageError unless `status` is that of a regular file of a usable size."""
    check_kind(path, status, "picture")
    if status.st_size == 0:
        raise ImageError(f"{path}: an empty file, not a picture; copy it again or leave it out")
    check_bytes(str(path), status.st_size)


def check_list(path: Path, status: os.stat_result) -> None:
    """Raise ImageError unless `status` is that of a regular file that a list of pictures may be; it may be empty."""
    check_kind(path, status, "list")
    if status.st_size > MAXIMUM_BYTES:
        raise ImageError(f"{path}: more than the limit of {MAXIMUM_BYTES:,} bytes; split the list")


def check_kind(path: Path, status: os.stat_result, what: str) -> None:
    """Raise ImageError unless `status` is that of a regular file."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in KINDS if is_kind(status.st_mode)), "no regular file")
        raise ImageError(f"{path}: is {kind}, not a {what}")


def check_bytes(name: str, size: int) -> None:
    """Raise ImageError for more than `MAXIMUM_BYTES`."""
    if size > MAXIMUM_BYTES:
        raise ImageError(f"{name}: more than the limit of {MAXIMUM_BYTES:,} bytes; crop or shrink the picture first")


def file_digest(path: Path, begin: bytes = b"") -> str:
    """SHA-256 of `begin` and the file's bytes, read in blocks. Raises ImageError as `open_regular` does."""
    digest = hashlib.sha256(begin)
    total = 0
    with open_regular(path) as file:
        try:
            while block := file.read(BLOCK):
                total += len(block)
                check_bytes(str(path), total)  # a file may grow while it is read
                digest.update(block)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None
    return digest.hexdigest()
