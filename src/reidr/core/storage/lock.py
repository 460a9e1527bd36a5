"""One process at a time in a run folder: a kernel lock, which ends with its owner however that one ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reidr.core.notices import warn_once
from reidr.core.storage.files import PRIVATE_FILE, cannot_write
from reidr.errors import InUseError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"
PATIENCE = 1.0  # seconds: a process that only looks whether a stage is finished lets go within a moment
TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_held: dict[Path, FolderLock] = {}


class FolderLock:
    """The lock on one folder, held by this process from `take` to the last `release`."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder, self.handle, self.users = folder, handle, 1

    @classmethod
    def take(cls, folder: Path, *, patience: float = PATIENCE) -> FolderLock:
        """Lock `folder`; a process may take one that it holds already again. The lock file says whose it is.

        Where the file system knows no locks (some network mounts), the user is warned and nothing is locked.

        Raises:
            InUseError: another process has it, with what is known of that one. ReIDError: the folder cannot be written.
        """
        place = folder.resolve()
        held = _held.get(place)
        if held is not None:
            held.users += 1
            return held
        handle = open_locked(folder, place / LOCK_FILE, patience)
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(about_this_process()).encode())
        _held[place] = made = cls(place, handle)
        return made

    def release(self) -> None:
        """Let go and remove the file, unless somebody else in this process still holds it."""
        self.users -= 1
        if not self.users and _held.get(self.folder) is self:
            del _held[self.folder]
            with contextlib.suppress(OSError):
                (self.folder / LOCK_FILE).unlink()
            os.close(self.handle)


def open_locked(folder: Path, path: Path, patience: float) -> int:
    """An open, locked file at `path`. Raises as `FolderLock.take`."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            wait_for(folder, handle, patience)
            with contextlib.suppress(FileNotFoundError):
                # Its owner removes the file when it lets go: then what was locked here is a file that is no more.
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def wait_for(folder: Path, handle: int, patience: float) -> None:
    """Lock an open file. Raises InUseError where another process keeps it for longer than `patience` seconds."""
    if fcntl is None:
        warn_once(no_locks(folder))
        return
    begun = time.monotonic()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in TAKEN:
                warn_once(no_locks(folder))
                return
        if time.monotonic() - begun >= patience:
            raise InUseError(
                f"{folder}: in use by {owner_in_words(handle)}; wait until it has ended, end it, or choose another "
                "run folder"
            )
        time.sleep(0.05)


def no_locks(folder: Path) -> str:
    """The warning of a file system without locks."""
    return f"{folder}: its file system knows no locks; make sure yourself that one process at a time uses this folder"


def about_this_process() -> dict[str, Any]:
    """Who holds a lock, for whoever finds it taken."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": shlex.join([Path(sys.argv[0] or "python").name, *sys.argv[1:]])[:500],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def owner_in_words(handle: int) -> str:
    """Of the process that a lock file names: "process 12 on host a (`reidr train rl`, since 2026-11-30 …)"."""
    try:
        owner = json.loads(os.pread(handle, 4096, 0))
        return f"process {owner['pid']} on host {owner['host']} (`{owner['command']}`, since {owner['started']})"
    except (OSError, ValueError, KeyError, TypeError):  # it has locked the file, but not signed it yet
        return "another process"


def forget_in_child() -> None:
    """A forked child holds nothing of its parent's: the lock is the parent's, and ends with the parent."""
    for lock in _held.values():
        with contextlib.suppress(OSError):
            os.close(lock.handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_in_child)
