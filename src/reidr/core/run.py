"""Run folders: one folder per job, with a manifest that says what made it and which stages are done."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import stat
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from importlib import metadata
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from reidr.core.process.several import first_alone, is_first, refuse_several_processes
from reidr.core.process.signals import note_kept
from reidr.core.storage.files import cannot_write, make_folder, sweep, write_json
from reidr.core.storage.lock import FolderLock
from reidr.errors import RecipeError, ReIDError

__all__ = ["MANIFEST", "Run", "content_hash", "environment", "name_of", "plain_json", "prepare_folder", "write_json"]

MANIFEST = "manifest.json"
SIGNS_OF_A_RUN = ("report.json", "report.html", "reasons.html")  # results that nobody wants written over
RESULTS = (*SIGNS_OF_A_RUN, "matches.csv", "metrics.json", "metrics.csv", "queries.csv")  # what runs write
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".ppm")
PACKAGES = ("reidr", "torch", "transformers", "trl", "peft", "numpy", "pillow")


P = ParamSpec("P")
R = TypeVar("R")


class Run:
    """A job's folder. `manifest.json` in it holds the settings, the environment and the finished stages.

    Opening a folder again with the same settings resumes it; with other settings it is refused, because half of one
    run and half of another is no result. A setting that the manifest does not know yet, because a later version of the
    package brought it, is the run's own where it stands at its default, which changes nothing. Nothing in the folder is
    ever deleted, but what killed writers left half written.

    The folder is locked for this process until the object is closed, or no longer used by anybody. In a team of
    processes the first holds the lock, reads and writes; the others know what it knows, and wait for it.
    """

    def __init__(
        self,
        folder: Path,
        job: str,
        settings: dict[str, Any],
        data: dict[str, str] | None = None,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        """Open the folder, or make it; `defaults` are the settings' (`Recipe.defaults`).

        Raises:
            RecipeError: the folder is of another job, of other settings or other data. InUseError: another process is
                at work in it, or several were started together. ReIDError: it cannot be written to.
        """
        refuse_several_processes()
        self.folder = folder
        self.settings = json.loads(json.dumps(settings, default=str))
        self._lock: FolderLock | None = None
        self._let_go: weakref.finalize[..., Any] | None = None
        self.manifest: dict[str, Any] = first_alone(lambda: self._take(job, data, defaults))
        if not is_first() and not is_visible(folder / MANIFEST):
            raise ReIDError(
                f"{folder}: is not there on this machine; run folders must lie on a file system that all machines share"
            )

    def _take(self, job: str, data: dict[str, str] | None, defaults: Mapping[str, Any] | None) -> dict[str, Any]:
        """Lock the folder and open its manifest."""
        self._lock = lock_for_run(self.folder)
        # Whoever forgets `close` lets go all the same, with the last name for this object.
        self._let_go = weakref.finalize(self, FolderLock.release, self._lock) if self._lock is not None else None
        try:
            return self._open(job, data, defaults)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other processes use the folder."""
        if self._let_go is not None:
            self._let_go()

    def _open(self, job: str, data: dict[str, str] | None, defaults: Mapping[str, Any] | None) -> dict[str, Any]:
        """Read the folder's manifest and compare, or write one."""
        folder, path = self.folder, self.folder / MANIFEST
        if path.exists() and not path.is_file():
            raise RecipeError(f"{path}: is no regular file, so the folder is no run's; choose another run folder")
        if path.is_file():
            manifest = _read_manifest(path)
            kept = filled(manifest.get("settings", {}), defaults or {}, self.settings)
            before = {"job": manifest.get("job"), **kept}
            now = {"job": job, **self.settings}
            # Another job first: all its settings differ for that reason.
            names = sorted({*before, *now}, key=lambda name: (name != "job", name))
            changed = [key for key in names if before.get(key) != now.get(key)]
            if changed:
                key = changed[0]
                raise RecipeError(
                    f"{folder}: made with other settings ({key}: {before.get(key)!r}, now {now.get(key)!r}); "
                    "choose another run folder, or delete this one"
                )
            if data is not None and manifest.get("data") not in (None, data):
                raise RecipeError(
                    f"{folder}: made from other data than now; choose another run folder, or delete this one"
                )
        else:
            manifest = {
                "job": job,
                "settings": self.settings,
                "data": data,
                "environment": environment(),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "stages": {},
            }
            foreign = next((name for name in RESULTS if (folder / name).exists()), None)
            if foreign is not None:
                raise RecipeError(
                    f"{folder}: holds results ({foreign}) of a run that it does not describe ({MANIFEST} is missing); "
                    "choose another run folder"
                )
            write_json(path, manifest)
        return manifest

    def finished(self, stage: str) -> dict[str, Any] | None:
        """What `finish` recorded for `stage`, or None when it is not done."""
        record: dict[str, Any] | None = self.manifest["stages"].get(stage)
        return record

    def finish(self, stage: str, started: float, **results: Any) -> None:
        """Record that `stage` is done; `started` is a value of `time.perf_counter()`."""
        self.manifest["stages"][stage] = {"seconds": round(time.perf_counter() - started, 2), **results}
        first_alone(self._write)
        note_kept(str(self.folder), f"{self.folder} with what is finished in it")

    def path(self, name: str) -> Path:
        """A file or folder of this run; its parent folder is made."""
        path = self.folder / name
        try:
            make_folder(path.parent)
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        return path

    def _write(self) -> None:
        write_json(self.folder / MANIFEST, self.manifest)


def is_visible(path: Path, patience: float = 15.0) -> bool:
    """Whether a file that another machine has just written is there; network mounts take `patience` seconds."""
    until = time.monotonic() + patience
    while not path.is_file() and time.monotonic() < until:
        time.sleep(0.2)
    return path.is_file()


def lock_for_run(folder: Path) -> FolderLock | None:
    """Make a run's folder where it is missing, lock it, and clear away what killed writers left.

    A run that lies where nothing can be written, such as a finished one on a medium of others, can be read: no lock.
    Raises InUseError as `FolderLock.take`, ReIDError where a new folder cannot be made.
    """
    try:
        there = (folder / MANIFEST).is_file()
    except OSError as error:  # a name that is too long
        raise cannot_write(folder, error) from None
    if there and not os.access(folder, os.W_OK):
        return None
    prepare_folder(folder)
    lock = FolderLock.take(folder)
    sweep(folder)
    return lock


def in_own_folder(stage: Callable[Concatenate[str, Path, P], R]) -> Callable[Concatenate[str, Path, P], R]:
    """A stage, called with a recipe and its run folder, that is refused before its work where `Run` would refuse it
    because of other processes. Raises InUseError."""

    @wraps(stage)
    def guarded(recipe: str, folder: Path, *rest: P.args, **options: P.kwargs) -> R:
        refuse_several_processes()
        # In a folder that is not there yet nobody can be at work, and a refused recipe should not make it.
        lock = lock_for_run(folder) if is_first() and folder.is_dir() else None
        try:
            return stage(recipe, folder, *rest, **options)
        finally:
            if lock is not None:
                lock.release()

    return guarded


def name_of(folder: Path) -> str:
    """What a model's folder is called in tables: its own name; of a run's `model` folder the run's, "seed-2/rl"."""
    whole = folder.resolve()
    if whole.name != "model" or not (whole.parent / MANIFEST).is_file():
        return whole.name
    return "/".join(part for part in whole.parts[-3:-1] if part != whole.anchor)


def filled(kept: Mapping[str, Any], defaults: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """`kept` with the default of every setting in `asked` that it lacks, also within settings that are mappings."""
    found = dict(kept)
    for name in asked:
        if name in defaults and name not in kept:
            found[name] = defaults[name]
        elif isinstance(kept.get(name), Mapping) and isinstance(defaults.get(name), Mapping):
            found[name] = filled(kept[name], defaults[name], asked[name] if isinstance(asked[name], Mapping) else {})
    return found


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise RecipeError(f"{path}: not a run's manifest ({error}); delete it to start the run anew") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("stages"), dict):
        raise RecipeError(f"{path}: not a run's manifest (no mapping with `stages`); delete it to start the run anew")
    if not isinstance(manifest.get("settings", {}), dict):
        raise RecipeError(f"{path}: not a run's manifest (`settings` is no mapping); delete it to start the run anew")
    return manifest


def prepare_file(path: Path | None, inputs: Iterable[Path | str] = ()) -> None:
    """Make the folder of a file that a long job will write at its end, and find out now whether that will work.

    Nothing for None. Raises ReIDError where the file cannot be written, or where it is one of the job's `inputs` or any
    picture: a slip of the hand must not cost somebody's data.
    """
    if path is None:
        return
    if path == Path("-"):
        raise ReIDError("-: standard output is not possible here; name a file")
    refuse_input(path, inputs)
    try:
        folder = path.is_dir()
    except OSError as error:  # a name that is too long
        raise cannot_write(path, error) from None
    if folder:
        raise ReIDError(f"{path}: is a folder; name a file in it")
    prepare_folder(path.parent)


def refuse_input(path: Path, inputs: Iterable[Path | str] = ()) -> None:
    """Raise ReIDError where writing `path` would write over one of the `inputs`, by whatever name, or a picture."""
    try:
        own = path.stat()
    except (OSError, ValueError):
        return  # not there yet, or to be found out by whoever writes
    if not stat.S_ISREG(own.st_mode):
        return
    if path.suffix.lower() in PICTURES:
        raise ReIDError(f"{path}: is a picture that would be written over; name another file")
    for each in inputs:
        try:
            status = Path(each).stat()
        except (OSError, ValueError):
            continue
        if (status.st_dev, status.st_ino) == (own.st_dev, own.st_ino):
            raise ReIDError(f"{path}: is read by this command and would be written over; name another file")


def refuse_own(path: Path | None, folder: Path | None) -> None:
    """Raise ReIDError where an output would write over a file that the run in `folder` writes itself."""
    if path is None or folder is None or path.name not in (*RESULTS, MANIFEST):
        return
    if os.path.realpath(path.parent) == os.path.realpath(folder):
        raise ReIDError(f"{path}: is a file that the run itself writes; name another file")


def prepare_folder(folder: Path | None) -> None:
    """Make a folder that a long job will write to; nothing for None. Raises ReIDError where it cannot be written."""
    if folder is None:
        return
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReIDError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from None


def plain_json(content: Any) -> Any:
    """The same as dictionaries, lists and numbers that every reader of JSON knows; what is not finite becomes null."""
    if isinstance(content, Mapping):
        return {str(key): plain_json(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain_json(value) for value in content]
    if isinstance(content, float):
        return float(content) if math.isfinite(content) else None
    return content


def environment() -> dict[str, Any]:
    """Versions, machine and git commit, for the manifest. Never fails: what is unknown is left out."""
    found: dict[str, Any] = {"python": sys.version.split()[0], "platform": platform.platform()}
    found["packages"] = {name: version for name in PACKAGES if (version := package_version(name)) is not None}
    commit = git_commit()
    if commit is not None:
        found["commit"] = commit
    return found


def package_version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """The commit of the source tree this package runs from, `+changes` when it differs; None outside a checkout."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        # An installed copy may lie inside somebody else's repository (a virtual environment in a project folder).
        git("ls-files", "--error-unmatch", str(here / "run.py"))
        commit = git("rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if git("status", "--porcelain", "--", str(here.parent)) else "")
    except (OSError, subprocess.SubprocessError):
        return None


def content_hash(items: Sequence[str]) -> str:
    """A short hash of a sequence of strings, in order: equal lists of files have equal hashes."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:16]
