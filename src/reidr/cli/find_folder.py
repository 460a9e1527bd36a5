"""The run folder of a search, by pictures or by words."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.cli.shared import CHAT_ONLY

if TYPE_CHECKING:
    from reidr.core.run import Run

RUNS = Path("runs/find")


def settings_of(people: tuple[Path, ...], galleries: tuple[Path, ...], options: dict[str, Any]) -> dict[str, Any]:
    """What makes a search the same search."""
    names = ["k", "think", "pattern", "fold", "claim_check", "adaptive", "reranker", "retriever_name", "reasoner_name"]
    if options["precision"] != "reference":  # searches of earlier versions, which had no such option, stay the same
        names.append("precision")
    names += [name for name in CHAT_ONLY if options[name] is not None]  # as for the precision
    return {
        "people": [str(path.absolute()) for path in people],
        "galleries": [str(path.absolute()) for path in galleries],
        **{name: options[name] for name in names},
    }


def run_folder(folder: Path | None, people: tuple[Path, ...], settings: dict[str, Any], *, overwrite: bool) -> Run:
    """The search's own run folder: a new one, or the one that is named. Raises ReIDError where that holds another run,
    or this very search without `overwrite`."""
    from reidr.core.run import Run
    from reidr.errors import ReIDError

    run = Run(new_folder(RUNS, people) if folder is None else folder, "find", settings)
    if run.finished("search") and not overwrite:
        run.close()
        raise ReIDError(f"{folder}: holds this search already; --overwrite does it again, or choose another --run")
    return run


def new_folder(runs: Path, people: tuple[Path, ...]) -> Path:
    """A folder that nobody had before: `2026-11-30T0128-alice-3f9a`."""
    from reidr.core.storage.files import cannot_write, make_folder

    name = re.sub(r"[^\w.-]+", "_", people[0].stem)[:40] if people else "words"
    name = name or "query"
    while True:
        folder = runs / f"{datetime.now(UTC):%Y-%m-%dT%H%M}-{name}-{secrets.token_hex(2)}"
        try:
            make_folder(runs)
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not runs.is_dir():
                raise cannot_write(runs, NotADirectoryError(20, "a part of it is a file")) from None
        except OSError as error:
            raise cannot_write(folder, error) from error
        else:
            return folder
