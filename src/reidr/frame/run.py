"""Run folders: one folder per job, with a manifest that says what made it and which stages are done."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from reidr.errors import RecipeError, ReIDError

MANIFEST = "manifest.json"
PACKAGES = ("reidr", "torch", "transformers", "trl", "peft", "numpy", "pillow")


class Run:
    """A job's folder. `manifest.json` in it holds the settings, the environment and the finished stages.

    Opening a folder again with the same settings resumes it; with other settings it is refused, because half of one
    run and half of another is no result. A setting that the manifest does not know yet, because a later version of the
    package brought it, is the run's own where it stands at its default, which changes nothing. Nothing in the folder is
    ever deleted.
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
        """`defaults` are the settings' (`Recipe.defaults`). Raises RecipeError where the folder is of other settings or
        other data."""
        self.folder = folder
        self.settings = json.loads(json.dumps(settings, default=str))
        path = folder / MANIFEST
        if path.is_file():
            self.manifest = _read_manifest(path)
            kept = filled(self.manifest.get("settings", {}), defaults or {}, self.settings)
            before = {"job": self.manifest.get("job"), **kept}
            now = {"job": job, **self.settings}
            changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
            if changed:
                key = changed[0]
                raise RecipeError(
                    f"{folder}: made with other settings ({key}: {before.get(key)!r}, now {now.get(key)!r}); "
                    "choose another run folder, or delete this one"
                )
            if data is not None and self.manifest.get("data") not in (None, data):
                raise RecipeError(
                    f"{folder}: made from other data than now; choose another run folder, or delete this one"
                )
        else:
            self.manifest = {
                "job": job,
                "settings": self.settings,
                "data": data,
                "environment": environment(),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "stages": {},
            }
            prepare_folder(folder)
            self._write()

    def finished(self, stage: str) -> dict[str, Any] | None:
        """What `finish` recorded for `stage`, or None when it is not done."""
        facts: dict[str, Any] | None = self.manifest["stages"].get(stage)
        return facts

    def finish(self, stage: str, started: float, **facts: Any) -> None:
        """Record that `stage` is done; `started` is a `time.perf_counter()` reading."""
        self.manifest["stages"][stage] = {"seconds": round(time.perf_counter() - started, 2), **facts}
        self._write()

    def path(self, name: str) -> Path:
        """A file or folder of this run; its parent folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write(self) -> None:
        write_json(self.folder / MANIFEST, self.manifest)


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
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RecipeError(f"{path}: not a run's manifest ({error}); delete it to start the run anew") from None
    return manifest


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a reader never sees half a file: to a neighbour first, then renamed.

    Raises ReIDError where it cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ReIDError(f"{path}: cannot be written ({error.strerror}); make room or name another file") from None


def prepare_file(path: Path | None) -> None:
    """Make the folder of a file that a long job will write at its end, and find out now whether that will work.

    Nothing for None. Raises ReIDError where the file cannot be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise ReIDError(f"{path}: is a folder; name a file in it")
    prepare_folder(path.parent)


def prepare_folder(folder: Path | None) -> None:
    """Make a folder that a long job will write to; nothing for None. Raises ReIDError where it cannot be written."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
    facts: dict[str, Any] = {"python": sys.version.split()[0], "platform": platform.platform()}
    facts["packages"] = {name: version for name in PACKAGES if (version := package_version(name)) is not None}
    commit = git_commit()
    if commit is not None:
        facts["commit"] = commit
    return facts


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
    """A short hash of a sequence of strings, in order: for telling one list of files from another."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:16]
