"""Sentences to the user that end nothing: each is said once, on the logger `reidr` (without a handler: stderr)."""

from __future__ import annotations

import logging

_said: set[str] = set()


def warn_once(sentence: str, *, about: str | None = None) -> None:
    """Say `sentence` as a warning, unless this process has said it, or another one `about` the same thing, before."""
    key = about or sentence
    if key not in _said:
        _said.add(key)
        logging.getLogger("reidr").warning("reidr: %s", sentence)
