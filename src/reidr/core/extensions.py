"""Objects from outside the package: what `module:name` names."""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def make_object(
    source: str, what: str, needed: Sequence[str], error: type[ReIDError] = ReIDError, **options: Any
) -> Any:
    """What the class or function at `source`, written `module:factory`, makes when it is called with `options`.

    `needed` are the attributes that the result must have.
    Raises `error` in one sentence where `load_object` does, where the call fails, or where an attribute is missing.
    """
    factory = load_object(source, what, error)
    if not callable(factory):
        raise error(f"{what} {source}: it is a {type(factory).__name__}, not a class or function that makes one")
    try:
        made = factory(**options)
    except ReIDError:
        raise
    except Exception as problem:  # somebody else's code, as above
        reason = " ".join(str(problem).split()) or "no reason given"
        raise error(f"{what} {source}: the call failed: {type(problem).__name__}: {reason}") from None
    lacking = [name for name in needed if not hasattr(made, name)]
    if lacking:
        raise error(f"{what} {source}: what it makes has no {', '.join(lacking)}")
    return made
