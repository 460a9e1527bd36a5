"""Embeddings kept on disk by what a picture shows, for as long as nobody minds: losing them costs time, nothing else.

Every block of embeddings is a file of its own that is written once, whole, and never changed. So several processes may
add at a time and lose nothing, no lock is needed, and a damaged file costs its own block. A file says which embedder it
is of and carries a SHA-256 of all it holds; any other content is removed and made anew. Embeddings are biometric data:
files are 0600, the folder 0700.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.core.notices import warn_of_caches, warn_once
from reidr.core.process.signals import note_kept
from reidr.core.storage.files import DAY, PRIVATE_FOLDER, allow, cannot_write, make_folder, sweep, write_bytes
from reidr.errors import DataError, ReIDError

Rows = Mapping[str, NDArray[np.float32]]
SMALL_FILES = 32  # more than these of one embedder are put together into one


def cache_folder() -> Path:
    """Where embeddings, which are biometric data, are cached: `$REIDR_CACHE`, else `~/.cache/reidr`."""
    chosen = os.environ.get("REIDR_CACHE")
    try:
        # A tilde that no shell has replaced: from a file of settings, or a container's environment.
        root = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "reidr"
    except RuntimeError:  # a user without a home: nothing can be kept, which is said once
        root = Path(os.devnull) / "reidr"
    return root / "embeddings"


class EmbeddingCache:
    """The kept embeddings of one embedder by content key. Nothing that happens to its files ever ends a search.

    Attributes:
        rows: what is known, by key: (D,) float32 each, all of one D.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint
        self.rows: dict[str, NDArray[np.float32]] = {}
        self.kept = 0
        self._usable = True
        files = self._load()
        if len(files) > SMALL_FILES and self._write(self.rows):
            for path in files:  # all that they hold is in the new file
                with contextlib.suppress(OSError):
                    path.unlink()

    def add(self, rows: Rows) -> None:
        """Keep `rows` too, as one more file. Entries without a key (unreadable a moment ago) are not kept.

        Where that is impossible, one warning is given, and this cache keeps nothing from then on.
        """
        fresh = {key: np.asarray(row, np.float32) for key, row in rows.items() if key and np.isfinite(row).all()}
        fresh = {key: row for key, row in fresh.items() if key not in self.rows}
        if fresh and self._write(fresh):
            self.rows.update(fresh)
            self.kept += len(fresh)
            note_kept(f"{self.folder} {self.fingerprint}", f"{self.kept} new embeddings in {self.folder}")

    def _load(self) -> list[Path]:
        """Read every file of this embedder; returns those that were whole."""
        whole = []
        for path in files_in(self.folder, self._give_up):
            if not path.name.startswith(stem_of(self.fingerprint) + "."):
                continue
            rows = read_file(path, self.fingerprint, self._give_up)
            known = next(iter(self.rows.values()), None)
            if rows and known is not None and next(iter(rows.values())).shape != known.shape:
                discard(path, "its embeddings are of another length than the others")
            elif rows is not None:
                self.rows.update(rows)
                whole.append(path)
        return whole

    def _write(self, rows: Rows) -> bool:
        if not self._usable:
            return False
        content = packed(rows, self.fingerprint)
        # Named by what it holds: the same block from two processes is one file.
        path = self.folder / f"{stem_of(self.fingerprint)}.{hashlib.sha256(content).hexdigest()[:16]}.npz"
        try:
            make_folder(self.folder)
            if self.folder.stat().st_mode & 0o077:
                allow(self.folder, PRIVATE_FOLDER)
            sweep(self.folder)
            sweep_first_edition(self.folder)
            write_bytes(path, content)
        except OSError as error:
            self._give_up(str(cannot_write(self.folder, error)))
            return False
        except ReIDError as error:
            self._give_up(str(error))
            return False
        return True

    def _give_up(self, reason: str) -> None:
        self._usable = False
        warn_of_caches(self.folder.parent, reason)


def stem_of(fingerprint: str) -> str:
    """What the names of an embedder's files begin with."""
    start = fingerprint[:24]
    return start if re.fullmatch(r"[\w-]+", start) else hashlib.sha256(fingerprint.encode()).hexdigest()[:24]


def files_in(folder: Path, trouble: Callable[[str], None]) -> list[Path]:
    """The cache files of all embedders in `folder`, oldest first; `trouble` is given the reason if unreadable."""
    found: list[tuple[int, str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # put together with others a moment ago
                    if is_cache_file(entry):  # files alone: a pipe of that name would be waited for
                        found.append((entry.stat().st_mtime_ns, entry.path))
    except (FileNotFoundError, NotADirectoryError):
        return []  # whether it can be made is seen when there is something to keep
    except OSError as error:
        trouble(f"{folder}: {error.strerror}")
        return []
    return [Path(path) for _, path in sorted(found)]


def is_cache_file(entry: os.DirEntry[str]) -> bool:
    """Whether this is a regular file of a cache file's ending."""
    finished = entry.name.endswith(".npz") and not entry.name.endswith(".partial.npz")
    return finished and not entry.name.startswith(".") and entry.is_file()


def packed(rows: Rows, fingerprint: str) -> bytes:
    """A cache file's content."""
    keys, features = np.array(list(rows)), np.stack(list(rows.values()))
    file = io.BytesIO()
    digest = digest_of(keys, features, fingerprint)
    np.savez(file, keys=keys, features=features, fingerprint=np.array(fingerprint), digest=np.array(digest))
    return file.getvalue()


def unpacked(content: bytes) -> tuple[dict[str, NDArray[np.float32]], str]:
    """Rows and fingerprint of a cache file's content. Raises DataError where it is not whole, or no such file."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            keys, features = stored["keys"], stored["features"]
            fingerprint, digest = str(stored["fingerprint"]), str(stored["digest"])
        kinds = (features.dtype, keys.dtype.kind) == (np.float32, "U")
        if not kinds or features.ndim != 2 or keys.shape != (len(features),):
            raise DataError("its arrays are of other kinds or shapes")
        if digest != digest_of(keys, features, fingerprint):
            raise DataError("its content is not what was written")
    except DataError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib answer damage with a dozen types, MemoryError among them
        raise DataError(f"it cannot be read ({type(error).__name__}: {str(error)[:80]})") from None
    if not np.isfinite(features).all():
        raise DataError("it holds what is no finite number")
    return dict(zip(keys.tolist(), features, strict=True)), fingerprint


def digest_of(keys: NDArray[np.str_], features: NDArray[np.float32], fingerprint: str) -> str:
    """SHA-256 over all that a cache file says."""
    digest = hashlib.sha256(repr((fingerprint, features.shape, keys.tolist())).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(features).tobytes())
    return digest.hexdigest()


def read_file(path: Path, fingerprint: str, trouble: Callable[[str], None]) -> dict[str, NDArray[np.float32]] | None:
    """The rows of a file of this very embedder; None for any other. One that is damaged is removed, with a warning."""
    try:
        rows, own = unpacked(path.read_bytes())
    except FileNotFoundError:
        return {}  # another process has just put it together with others; what is not found is made anew
    except OSError as error:
        trouble(f"{path}: {error.strerror}")
        return None
    except DataError as error:
        discard(path, str(error))
        return None
    return rows if own == fingerprint else None


def sweep_first_edition(folder: Path) -> None:
    """Remove what killed writers of the first edition left: it named its temporaries otherwise, and not its host."""
    for path in folder.glob("*.partial.npz"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > DAY:
                path.unlink()


def discard(path: Path, reason: str) -> None:
    """Remove a cache file that is of no use, and say so."""
    with contextlib.suppress(OSError):
        path.unlink()
    warn_once(f"{path}: not a whole cache of embeddings of this version ({reason}); they are made anew")


def forget_embeddings(folder: Path, keys: frozenset[str]) -> int:
    """Take the embeddings of `keys` (`content_key`) out of every file in `folder`, of all embedders; returns how many.

    A file that cannot be read is removed: it might hold one. Raises ReIDError where a file can be neither.
    """
    removed = 0
    sweep(folder)  # what killed writers left may hold one too

    def trouble(reason: str) -> None:
        raise ReIDError(f"{reason}; its embeddings cannot be looked through: remove it yourself")

    for path in files_in(folder, trouble):
        try:
            rows, fingerprint = unpacked(path.read_bytes())
        except DataError as error:
            discard(path, str(error))
            continue
        except OSError as error:
            trouble(f"{path}: {error.strerror}")
        left = {key: row for key, row in rows.items() if key not in keys}
        if len(left) == len(rows):
            continue
        removed += len(rows) - len(left)
        if left:
            write_bytes(path, packed(left, fingerprint))
        else:
            path.unlink()
    return removed
