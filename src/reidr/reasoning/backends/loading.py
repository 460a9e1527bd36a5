"""The back end that a name stands for: a checkpoint, a server, or a factory outside the package."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.errors import WeightsError

if TYPE_CHECKING:
    from reidr.reasoning.backends.backend import Backend
    from reidr.reasoning.backends.verdict_cache import VerdictCache

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_factory(source: str | Path) -> bool:
    """Whether `source` has the form `module:factory`, and no file or folder of this name exists."""
    return isinstance(source, str) and FACTORY.fullmatch(source) is not None and not Path(source).exists()


def find_factory(source: str) -> Any:
    """The callable that `module:factory` names. Raises WeightsError where there is none."""
    module_name, _, name = source.partition(":")
    try:
        factory = vars(import_module(module_name)).get(name)
    except ImportError as error:
        raise WeightsError(f"{source}: module {module_name} cannot be imported ({error})") from error
    if not callable(factory):
        raise WeightsError(f"{source}: module {module_name} has no function or class {name}")
    return factory


def load_reasoner(source: str | Path = "nano", *, cache: VerdictCache | None = None, **options: Any) -> Backend:
    """The back end that `source` names: a preset, a checkpoint folder, a hub id, a server's URL or `module:factory`.

    Args:
        cache: earlier answers are taken from it, and new ones are stored there. A factory does not receive it: only its
            author knows what identifies an answer.
        options: for `Reasoner.load`, `RemoteReasoner`, or the factory.

    Raises:
        WeightsError: no such checkpoint or factory, or one that cannot be used.
        ReIDError: the server cannot be reached or used.
    """
    if str(source).startswith(("http://", "https://")):
        from reidr.reasoning.backends.chat_server.remote import RemoteReasoner

        return RemoteReasoner(str(source), cache=cache, **options)
    if is_factory(source):
        made: Backend = find_factory(str(source))(**options)
        return made
    from reidr.reasoning.backends.local import Engine
    from reidr.reasoning.backends.reference import Reasoner

    return Engine(Reasoner.load(source, **options), cache)
