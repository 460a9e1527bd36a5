"""The back end that a name stands for: a checkpoint, a server, or a factory outside the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.extensions import is_dotted_path, make_object
from reidr.errors import WeightsError

if TYPE_CHECKING:
    from reidr.reasoning.backends.backend import Backend
    from reidr.reasoning.backends.verdict_cache import VerdictCache

NEEDED = ("name", "capabilities", "card", "counts", "score")  # of a back end from outside


def load_reasoner(source: str | Path = "nano", *, cache: VerdictCache | None = None, **options: Any) -> Backend:
    """The back end that `source` names: a preset, a checkpoint folder, a hub id, a server's URL or `module:factory`.

    A URL that ends in `/rerank` or `/score` is a reranking server's, any other a chat server's.

    Args:
        cache: earlier answers are taken from it, and new ones are stored there. A factory does not receive it: only its
            author knows what identifies an answer.
        options: for `Reasoner.load`, `RemoteReasoner`, `RerankServer`, or the factory.

    Raises:
        WeightsError: no such checkpoint or factory, or one that cannot be used.
        ReIDError: the server cannot be reached or used.
    """
    if str(source).startswith(("http://", "https://")):
        from reidr.reasoning.backends.chat_server.addresses import reranking_of

        if reranking_of(str(source)):
            from reidr.reasoning.backends.rerank_server.rerank_server import RerankServer

            return RerankServer(str(source), cache=cache, **options)
        from reidr.reasoning.backends.chat_server.remote import RemoteReasoner

        return RemoteReasoner(str(source), cache=cache, **options)
    if is_dotted_path(source):
        made: Backend = make_object(str(source), "reasoner", NEEDED, WeightsError, **options)
        return made
    from reidr.reasoning.backends.local import Engine
    from reidr.reasoning.backends.reference import Reasoner

    return Engine(Reasoner.load(source, **options), cache)
