"""What ReID-R keeps of people on this machine, beside the crops themselves: where, how much, since when."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from reidr.core.notices import warn_of_caches, warn_once
from reidr.core.run import MANIFEST, SIGNS_OF_A_RUN
from reidr.core.storage.files import PRIVATE_FILE, allow, make_folder, write_text
from reidr.core.text import number_of
from reidr.errors import DataError, ReIDError
from reidr.reasoning.backends.verdict_cache import VerdictCache, default_path
from reidr.report.search import read_json
from reidr.retrieval.embedding_cache import cache_folder, files_in, unpacked

Kind = Literal["embeddings", "verdicts", "search", "report", "run"]
RUNS = Path("runs")
RUN_LIST = "run_folders.txt"  # beside the caches: where searches have put their reports
REPORT = "report.json"


@dataclass(frozen=True)
class Kept:
    """One file or folder. `bytes`: of all in it. `changed`: when anything in it was last written. `holds`: in words."""

    kind: Kind
    path: Path
    bytes: int
    changed: datetime
    holds: str


def note_run_folder(folder: Path) -> None:
    """Remember where a search's report lies, so that it is found when its people are to be forgotten."""
    path = cache_folder().parent / RUN_LIST
    try:
        make_folder(path.parent)
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("no regular file")
        path.touch(mode=PRIVATE_FILE)
        allow(path, PRIVATE_FILE)  # a umask may have taken even the owner's right to write
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line_of(folder.resolve())}\n")
    except OSError as error:
        unlisted = f"{path}: cannot be written ({error}); `reidr forget` must be told of {folder} (--runs)"
        if path.parent.is_dir() and os.access(path.parent, os.W_OK):
            warn_once(unlisted)
        else:
            warn_of_caches(path.parent, unlisted)


def run_folders(roots: Sequence[Path]) -> list[Path]:
    """Folders with a run or a report in them: below `roots`, and those that searches have noted. Sorted.

    Raises DataError for a root that is no folder, but for `RUNS`, where nothing may have been done yet.
    """
    found = set()

    def unread(error: OSError) -> None:
        warn_once(f"{error.filename}: cannot be read ({error.strerror}); runs in it are not known")

    for root in roots:
        if not root.is_dir() and root != RUNS:
            raise DataError(f"{root}: no such folder of runs; give the folder that they lie in")
        for where, folders, names in os.walk(root, onerror=unread if root.is_dir() else None):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if MANIFEST in names or any(name in names for name in SIGNS_OF_A_RUN):
                found.add(Path(where).resolve())
    return sorted(found | set(noted_folders()))


def noted_folders() -> list[Path]:
    """The run folders that searches have noted and that are still there."""
    path = cache_folder().parent / RUN_LIST
    try:
        if path.exists() and not path.is_file():
            raise OSError("no regular file")
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        warn_once(f"{path}: cannot be read ({error}); run folders elsewhere are not known")
        return []
    folders = [Path(noted_name(line)) for line in dict.fromkeys(lines) if line]
    return [folder for folder in folders if any((folder / name).is_file() for name in (MANIFEST, REPORT))]


def line_of(folder: Path) -> str:
    """A folder's line in the list: its path, as a JSON text where it holds line ends or is no text."""
    name = str(folder)
    return json.dumps(name) if name.startswith('"') or not name.isprintable() else name


def noted_name(line: str) -> str:
    """The path that a line of the list stands for."""
    try:
        return str(json.loads(line)) if line.startswith('"') else line
    except ValueError:
        return line


def drop_gone_folders() -> None:
    """Take folders that are gone off the list: their names may tell whom a search was for."""
    path = cache_folder().parent / RUN_LIST
    if path.is_file():
        write_text(path, "".join(f"{line_of(folder)}\n" for folder in noted_folders()))


def inventory(roots: Sequence[Path]) -> list[Kept]:
    """All that is kept: the caches, then every run folder below `roots` and elsewhere, as searches have noted."""
    kept = []

    def unread(reason: str) -> None:
        warn_once(f"{reason}; what it holds is not counted")

    for path in files_in(cache_folder(), unread):
        try:
            rows, _ = unpacked(path.read_bytes())
            holds = f"embeddings of {len(rows):,} pictures"
        except (OSError, ReIDError) as error:
            holds = f"cannot be read ({error})"
        kept.append(Kept("embeddings", path, *size_and_date(path), holds))
    verdicts = default_path()
    if verdicts.is_file():
        kept.append(Kept("verdicts", verdicts, *size_and_date(verdicts), verdicts_in_words(verdicts)))
    return kept + [run_entry(folder) for folder in run_folders(roots)]


def verdicts_in_words(path: Path) -> str:
    """What a verdict cache holds."""
    try:
        with VerdictCache(path) as cache:
            scores, verdicts, unnamed = cache.count()
    except ReIDError as error:
        return str(error)
    old = f", {unnamed:,} of them from an earlier version and without their pictures' digests" if unnamed else ""
    return f"{number_of(scores, 'score')} and {number_of(verdicts, 'reason')} of pairs{old}"


def run_entry(folder: Path) -> Kept:
    """What a run folder holds."""
    job = str(read_json(folder / MANIFEST).get("job", "report"))
    report = read_json(folder / REPORT)
    if isinstance(report.get("matches"), list):
        query = report.get("query")
        people = len(query) if isinstance(query, list) else 0
        matches = number_of(len(report["matches"]), "match", "matches")
        holds = f"a search: {number_of(people, 'picture')} of a person, {matches}"
        return Kept("search", folder, *size_and_date(folder), holds)
    if isinstance(report.get("query_cards"), list):
        holds = f"{job}: a report with {len(report['query_cards']):,} queries and their candidates"
        return Kept("report", folder, *size_and_date(folder), holds)
    return Kept("run", folder, *size_and_date(folder), job)


def size_and_date(path: Path) -> tuple[int, datetime]:
    """Bytes of a file or of all in a folder, and the last change of any of it."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    facts = [file.stat() for file in (*files, path) if file.exists()]
    size = sum(file.stat().st_size for file in files if file.exists())
    latest = max((fact.st_mtime for fact in facts), default=0.0)
    return size, datetime.fromtimestamp(latest, UTC)
