"""The one way to write files: beside their place, down to the disk, then moved there in one step.

A reader never meets half a file, whenever the writer is killed, and of two writers the later one wins whole. What is
written here is about people, so it is private to its owner (files 0600, folders 0700, whatever the umask) unless the
caller says otherwise. `tests/core/test_every_writer.py` keeps other ways of writing out of the package.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from reidr.errors import ReIDError

if TYPE_CHECKING:
    from torch import Tensor

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
LEFT_BEHIND = re.compile(r"^\.(?P<name>.+)\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{12}\.partial$", re.DOTALL)
DAY = 24 * 3600.0
NAME_BYTES = 120  # of the target's name in a temporary's: file systems allow 255 in all

ADVICE = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room: the quota of that disk is used up",
    errno.EFBIG: "the file is larger than is allowed here; raise the limit (`ulimit -f`)",
    errno.ENOENT: "its folder is not there; make it, or choose another place",
    errno.ENOTDIR: "a part of its path is a file; choose another place",
    errno.EISDIR: "a folder of that name is there; choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EACCES: "you may not write there; choose another place",
    errno.EPERM: "you may not write there; choose another place",
    errno.EROFS: "nothing can be written there; choose another place",
    errno.EIO: "the disk reports an error; choose another disk",
}


def cannot_write(path: Path, error: OSError) -> ReIDError:
    """The sentence about a file or folder that could not be written: which, why, and what to do about it."""
    advice = ADVICE.get(error.errno or 0, "choose another place")
    return ReIDError(f"{path}: cannot be written ({error.strerror or error}); {advice}")


def make_folder(folder: Path, *, private: bool = True) -> None:
    """Make a folder, and those it lies in; each one that is new is private. Raises OSError where that is impossible."""
    for level in (*reversed(folder.parents), folder):
        if level.is_dir():
            continue
        try:
            level.mkdir(mode=PRIVATE_FOLDER if private else 0o777)
        except FileExistsError:
            if not level.is_dir():  # else another process was quicker
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(level)) from None
        else:
            if private:
                allow(level, PRIVATE_FOLDER)


def allow(path: Path, mode: int) -> None:
    """Set the permissions of a file or folder; file systems without permissions are left as they are."""
    with contextlib.suppress(PermissionError, NotImplementedError):  # FAT, some network mounts
        path.chmod(mode)


@contextmanager
def replacing(path: Path, *, private: bool = True) -> Iterator[Path]:
    """An empty file beside `path` to write to; when the block ends it is on the disk and takes the place of `path`.

    Where the block raises, it is removed and `path` stays as it was. A link is followed: its target is replaced. What
    is no regular file (a pipe, `/dev/stdout`) is handed out itself.

    Raises ReIDError (`cannot_write`) for every OSError of the block or of the move: keep only the writing in the block.
    """
    try:
        if is_device(path):
            yield path
            return
        target = Path(os.path.realpath(path))
        sweep(target.parent, target.name)
        partial = partial_of(target)
        # O_EXCL: a name that is there, a link above all, is never followed.
        handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE if private else 0o666)
        mode = PRIVATE_FILE if private else stat.S_IMODE(os.fstat(handle).st_mode)
        os.close(handle)
        allow(partial, mode)  # a umask may have taken even the owner's right to write
        try:
            yield partial
            allow(partial, mode)
            to_disk(partial)
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        to_disk(target.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def writing(path: Path, mode: Literal["w", "wb"] = "wb", *, private: bool = True) -> Iterator[IO[Any]]:
    """As `replacing`, but an open file: text in UTF-8 with `mode` "w", bytes with "wb"."""
    with (
        replacing(path, private=private) as partial,
        partial.open(mode, encoding="utf-8" if mode == "w" else None) as file,
    ):
        yield file


def write_bytes(path: Path, content: bytes, *, private: bool = True) -> None:
    """Replace `path` by `content` in one step. Raises ReIDError where it cannot be written."""
    with writing(path, private=private) as file:
        file.write(content)


def write_text(path: Path, text: str, *, private: bool = True) -> None:
    """Replace `path` by `text`, in UTF-8, in one step. Raises ReIDError where it cannot be written."""
    write_bytes(path, text.encode("utf-8"), private=private)


def write_json(path: Path, content: Any, *, private: bool = True) -> None:
    """Replace `path` by `content` as JSON in one step. Raises ReIDError where it cannot be written."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    # A name that is no UTF-8 reaches us with lone surrogates, which no file can hold: JSON has an escape for them.
    write_bytes(path, text.encode("utf-8", "backslashreplace"), private=private)


def torch_save(state: Any, path: Path) -> None:
    """Replace `path` by what `torch.save` makes of `state`. Raises ReIDError where it cannot be written."""
    import torch

    try:
        with writing(path) as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's word for a disk that has become full
        reason = error.__context__ if isinstance(error.__context__, OSError) else OSError(str(error).split("\n")[0])
        raise cannot_write(path, reason) from error


def save_safetensors(
    tensors: Mapping[str, Tensor], path: Path, *, metadata: dict[str, str] | None = None, private: bool = True
) -> None:
    """Replace `path` by a safetensors file of `tensors`. Raises ReIDError where it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with replacing(path, private=private) as partial:
            save_file(dict(tensors), partial, metadata=metadata)
    except SafetensorError as error:  # among others its word for a full disk
        raise cannot_write(path, OSError(str(error))) from error


@contextmanager
def filling(folder: Path, *, last: str, private: bool = True) -> Iterator[Path]:
    """An empty folder to fill; when the block ends, its files are moved into `folder`, made where missing, `last` last.

    Other files of `folder` stay. `last` is the file by which the folder is known to be whole: from the first move until
    the end `folder` has none. Raises ReIDError where a file cannot be written.
    """
    try:
        make_folder(folder.parent, private=private)
        sweep(folder.parent, folder.name)
        partial = partial_of(folder)
        make_folder(partial, private=private)
        try:
            yield partial
            files = sorted(path for path in partial.rglob("*") if path.is_file())
            files.sort(key=lambda path: path == partial / last)
            for path in files:
                if private:
                    allow(path, PRIVATE_FILE)
                to_disk(path)
            make_folder(folder, private=private)
            (folder / last).unlink(missing_ok=True)
            for path in files:
                place = folder / path.relative_to(partial)
                make_folder(place.parent, private=private)
                path.replace(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        to_disk(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; when the block ends it becomes `folder` in one step.

    Where another process has made a `folder` with anything in it meanwhile, that one stays and ours is dropped: look at
    what is there. Raises ReIDError where it cannot be written.
    """
    try:
        make_folder(folder.parent)
        sweep(folder.parent, folder.name)
        partial = partial_of(folder)
        make_folder(partial)
        try:
            yield partial
            try:
                partial.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        to_disk(folder.parent)
    except OSError as error:
        raise cannot_write(folder, error) from error


def is_device(path: Path) -> bool:
    """Whether `path` is there and neither a file nor a folder, or one of the names under which open files go."""
    if path.is_absolute() and path.parts[1:2] in (("dev",), ("proc",)) and path.exists():
        return not path.is_dir()
    return path.exists() and not path.is_file() and not path.is_dir()


def to_disk(path: Path) -> None:
    """Have the kernel write a file or a folder's list of names to the disk, where the file system can be asked to."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, and its folder, where they are not there. Raises OSError.

    It is made under another name: to close a file that this process has open as an SQLite database, too, would take
    away the locks of that one (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    make_folder(path.parent)
    partial = partial_of(path)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
    try:
        with contextlib.suppress(FileExistsError):  # another process was quicker
            path.hardlink_to(partial)
    finally:
        partial.unlink()


def partial_of(target: Path) -> Path:
    """A name beside `target` that nobody else uses and that says whose it is."""
    name = os.fsdecode(os.fsencode(target.name)[:NAME_BYTES])
    return target.with_name(f".{name}.{this_host()}-{os.getpid()}-{secrets.token_hex(6)}.partial")


def this_host() -> str:
    """Eight hexadecimal digits of this machine's name."""
    return hashlib.sha256(socket.gethostname().encode("utf-8", "surrogateescape")).hexdigest()[:8]


def sweep(folder: Path, name: str | None = None) -> list[str]:
    """Remove what killed writers left behind in `folder` (of the target `name` alone, if given); returns the names.

    Left behind is a temporary of a process of this machine that is no more, or any that nobody touched for a day. What
    cannot be removed stays: it does no harm.
    """
    wanted = None if name is None else os.fsdecode(os.fsencode(name)[:NAME_BYTES])
    removed = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = LEFT_BEHIND.match(entry.name)
            if found is None or (wanted is not None and found["name"] != wanted):
                continue
            path = Path(entry.path)
            with contextlib.suppress(OSError):
                own = found["host"] == this_host()
                if not (own and not is_alive(int(found["pid"]))) and time.time() - path.lstat().st_mtime < DAY:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed.append(entry.name)
    return removed


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    if os.name == "nt":
        return True  # os.kill would end it; a day's age decides there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's, or no number of a process
        return True
    return True
