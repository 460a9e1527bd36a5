"""Scores and verdicts that were paid for once, in one SQLite file that several processes may use at a time.

Keys are a hash of weights, prompt, pixel budget and settings, and the digests of both pictures: equal keys are the same
question to the same model. The file holds no picture and no name, but its reasons describe people: it is made readable
by its owner only.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from reidr.core.notices import warn_of_caches, warn_once
from reidr.core.process.signals import note_kept
from reidr.core.storage.files import PRIVATE_FILE, allow, make_folder
from reidr.errors import ReIDError
from reidr.reasoning.types import Cue, Verdict

VERSION = 2
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, yes REAL, no REAL, insufficient REAL,"
    " kind TEXT NOT NULL DEFAULT 'read') WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL) WITHOUT ROWID",
)
UPGRADES = {1: "ALTER TABLE scores ADD COLUMN kind TEXT NOT NULL DEFAULT 'read'"}
"""What brings a file of an earlier version up to the next one."""
AT_ONCE = 500  # keys in one look-up; SQLite has a limit on the placeholders of a statement

Logits = tuple[float, float, float]
T = TypeVar("T")


def question_key(parts: Sequence[Any]) -> str:
    """Hash of what a question consists of besides its pictures, for `pair_key`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\0")
    return digest.hexdigest()


def pair_key(question: str, first: str, second: str) -> str:
    """Cache key of one question about two pictures in this order, from `question_key` and their `picture_digest`s.

    It holds the digests as they are, so that all entries about one picture can be found (`VerdictCache.forget`).
    """
    return f"{question} {first} {second}"


def default_path() -> Path:
    """`verdicts.sqlite` beside the cached embeddings: in `$REIDR_CACHE`, else in `~/.cache/reidr`."""
    from reidr.retrieval.gallery import cache_folder

    return cache_folder().parent / "verdicts.sqlite"


class VerdictCache:
    """A file of answer logits and verdicts by key. Use from one thread at a time; close it, or use it with `with`."""

    def __init__(self, path: Path, *, patience: float = 60.0) -> None:
        """Open or make the file.

        Args:
            patience: seconds to wait while another process writes.

        Raises:
            ReIDError: the file is no cache of this version, is damaged, or cannot be written.
        """
        self.path = path
        with self._explained():
            make_folder(path.parent)
            path.touch(mode=PRIVATE_FILE)
            allow(path, PRIVATE_FILE)
            # Autocommit: transactions begin in `_writing`.
            self._connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._set_up(patience)
        except ReIDError:
            self._connection.close()
            raise

    def _set_up(self, patience: float) -> None:
        begun = time.monotonic()
        while True:
            try:
                # Readers and a writer do not block each other. The switch itself does not wait for other processes.
                self._connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() - begun > patience:
                    raise
                time.sleep(0.05)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with self._writing():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            while tables and version in UPGRADES:
                self._connection.execute(UPGRADES[version])
                version += 1
            if version != VERSION and tables:
                raise ReIDError(
                    f"{self.path}: not a verdict cache of this version (its version is {version}, not {VERSION});"
                    " delete it or name another file"
                )
            for statement in SCHEMA:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={VERSION}")

    def scores(self, keys: Iterable[str]) -> dict[str, Logits]:
        """The kept logits of yes, no and insufficient among `keys`."""
        return {key: (yes, no, doubt) for key, yes, no, doubt, _ in self._select("scores", keys)}

    def kinds(self, keys: Iterable[str]) -> dict[str, str]:
        """The kind of the kept logits among `keys`, as given to `keep_scores`."""
        return {key: kind for key, *_, kind in self._select("scores", keys)}

    def verdicts(self, keys: Iterable[str]) -> dict[str, Verdict]:
        """The kept verdicts among `keys`. Raises ReIDError where one cannot be read."""
        verdicts = {}
        for key, text in self._select("verdicts", keys):
            with self._explained():
                verdicts[key] = verdict_from_json(text)
        return verdicts

    def keep_scores(self, scores: Mapping[str, Sequence[float]], *, kind: str = "read") -> None:
        """Store logits of yes, no and insufficient by key; what is there already is replaced.

        `kind`: "read" from a model's probabilities, "bounded" by them, or "sampled".
        """
        with self._explained(), self._writing():
            rows = [(key, *map(float, values), kind) for key, values in scores.items()]
            self._connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)", rows)

    def keep_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Store verdicts by their own key; what is there already is replaced."""
        with self._explained(), self._writing():
            rows = [(verdict.key, json.dumps(asdict(verdict))) for verdict in verdicts]
            self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows)

    def count(self) -> tuple[int, int, int]:
        """How many scores and how many verdicts are kept, and how many of both do not say of which pictures they are:
        they are of an earlier version, whose keys were hashes."""
        with self._explained():
            numbers = [
                self._connection.execute(f"SELECT count(*) FROM {table}{where}").fetchone()[0]  # noqa: S608
                for where in ("", " WHERE instr(key, ' ') = 0")
                for table in ("scores", "verdicts")
            ]
        return numbers[0], numbers[1], numbers[2] + numbers[3]

    def forget(self, digests: Iterable[str], *, unnamed: bool = False, dry_run: bool = False) -> tuple[int, int]:
        """Remove all scores and verdicts about the pictures of these digests; returns how many of each.

        What is removed is overwritten in the file, not only marked as free.

        Args:
            unnamed: also those that do not say of which pictures they are. dry_run: only count.
        """
        wanted = {digest.lower() for digest in digests}
        removed = []
        with self._explained():
            self._connection.execute("PRAGMA secure_delete=ON")
            with self._writing():
                for table in ("scores", "verdicts"):
                    keys = [key for (key,) in self._connection.execute(f"SELECT key FROM {table}")]  # noqa: S608
                    gone = [(k,) for k in keys if wanted & set(k.split()[1:]) or (unnamed and " " not in k)]
                    if not dry_run:
                        self._connection.executemany(f"DELETE FROM {table} WHERE key = ?", gone)  # noqa: S608
                    removed.append(len(gone))
            if any(removed) and not dry_run:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return removed[0], removed[1]

    def close(self) -> None:
        """Close the file; the last process to do so folds the journal into it."""
        self._connection.close()

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _select(self, table: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            with self._explained():
                rows = self._connection.execute(f"SELECT * FROM {table} WHERE key IN ({marks})", some)  # noqa: S608
                yield from rows.fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's and the file system's errors as one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ReIDError(f"{self.path}: the verdict cache cannot be used ({error})") from error
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            raise ReIDError(
                f"{self.path}: the verdict cache is damaged ({error}); delete the file, it will be made again"
            ) from error
        except OSError as error:
            raise ReIDError(f"{self.path}: the verdict cache cannot be made there ({error.strerror})") from error


class ForgivingCache(VerdictCache):
    """A verdict cache whose errors stop nothing: after one warning nothing is stored or returned any more."""

    def __init__(self, path: Path, *, patience: float = 60.0) -> None:
        """Open or make the file, where that is possible; `patience` as for `VerdictCache`."""
        self.path, self.usable, self.kept = path, True, 0
        self._opened = False

        def open_file() -> None:
            VerdictCache.__init__(self, path, patience=patience)
            self._opened = True

        self._try(open_file, None)

    def scores(self, keys: Iterable[str]) -> dict[str, Logits]:
        """As `VerdictCache.scores`; what is no number (NaN comes back from SQLite as None) counts as not kept."""
        nothing: dict[str, Logits] = {}
        stored = self._try(lambda: super(ForgivingCache, self).scores(keys), nothing)
        return {key: logits for key, logits in stored.items() if all(isinstance(each, float) for each in logits)}

    def verdicts(self, keys: Iterable[str]) -> dict[str, Verdict]:
        """As `VerdictCache.verdicts`."""
        return self._try(lambda: super(ForgivingCache, self).verdicts(keys), {})

    def kinds(self, keys: Iterable[str]) -> dict[str, str]:
        """As `VerdictCache.kinds`."""
        return self._try(lambda: super(ForgivingCache, self).kinds(keys), {})

    def keep_scores(self, scores: Mapping[str, Sequence[float]], *, kind: str = "read") -> None:
        """As `VerdictCache.keep_scores`."""
        self._keep(lambda: super(ForgivingCache, self).keep_scores(scores, kind=kind), len(scores))

    def keep_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """As `VerdictCache.keep_verdicts`."""
        made = list(verdicts)
        self._keep(lambda: super(ForgivingCache, self).keep_verdicts(made), len(made))

    def close(self) -> None:
        """As `VerdictCache.close`."""
        if self._opened:
            super().close()

    def _keep(self, keep: Callable[[], None], number: int) -> None:
        self._try(keep, None)
        if self.usable:
            self.kept += number
            note_kept(str(self.path), f"{self.kept} scores and verdicts in {self.path}")

    def _try(self, work: Callable[[], T], otherwise: T) -> T:
        if not self.usable:
            return otherwise
        try:
            return work()
        except ReIDError as error:
            self.usable = False
            if isinstance(error.__cause__, OSError):
                warn_of_caches(self.path.parent, str(error))
            else:
                warn_once(f"{error}; going on without it", about=f"verdict cache {self.path}")
            return otherwise


def verdict_from_json(text: str) -> Verdict:
    """A verdict as `keep_verdicts` wrote it."""
    stored = json.loads(text)
    return Verdict(**{**stored, "cues": tuple(Cue(**cue) for cue in stored["cues"])})
