"""Sentences to the user that end nothing: each is said once, on the logger `reidr` (without a handler: stderr)."""

from __future__ import annotations

import logging
from pathlib import Path

from reidr.core.process.several import is_first

_said: set[str] = set()


def warn_once(sentence: str, *, about: str | None = None) -> None:
    """Say `sentence` as a warning, unless this process has said it, or another one `about` the same thing, before.

    Of several processes that were started together the first says it.
    """
    key = about or sentence
    if key not in _said and is_first():
        _said.add(key)
        logging.getLogger("reidr").warning("reidr: %s", sentence)


def warn_of_caches(folder: Path, reason: str) -> None:
    """Say once, for all caches in `folder`, that they cannot be used and are done without."""
    warn_once(
        f"nothing can be cached: {reason}; going on without (set REIDR_CACHE to a folder of yours, or use --no-cache)",
        about=f"caches in {folder}",
    )
