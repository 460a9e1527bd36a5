"""Objects from outside the package: what `module:name` names."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from reidr.errors import ReIDError

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


def is_dotted_path(source: object) -> bool:
    """Whether `source` is text of the form `module:name`. Addresses (`http://…`) and paths with slashes are not."""
    return isinstance(source, str) and DOTTED.match(source) is not None


def load_object(source: str, what: str, error: type[ReIDError] = ReIDError) -> Any:
    """The object that `source`, written `module:name`, names; `what` says in messages what it should be.

    The module is imported and so its code runs; it has to be installed or on `PYTHONPATH`.
    Raises `error` in one sentence where the module cannot be imported or has no such name.
    """
    module, _, name = source.partition(":")
    try:
        found: Any = import_module(module)
    except Exception as problem:  # the module is somebody else's code and may fail in any way
        where = " (is it installed, or its folder in PYTHONPATH?)" if isinstance(problem, ModuleNotFoundError) else ""
        reason = " ".join(str(problem).split()) or "no reason given"
        raise error(f"{what} {source}: cannot import {module}: {type(problem).__name__}: {reason}{where}") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise error(f"{what} {source}: {module} has no {name}")
        found = getattr(found, part)
    return found
