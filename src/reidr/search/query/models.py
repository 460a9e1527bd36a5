"""Which models search: by name, checked before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reidr.core.extensions import is_dotted_path, load_object
from reidr.errors import DataError, WeightsError
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.embedders.registry import check_embedder

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend


def check_models(retriever: Embedder | str | Path | None, reasoner: Backend | str | Path | None) -> None:
    """Find the models that are named, without loading them (and without torch).

    Raises WeightsError where there is none of that name, ReIDError for a URL that is none, DataError where something is
    neither a name nor a model.
    """
    if isinstance(retriever, str | Path):
        check_embedder(retriever)
    elif retriever is not None and not hasattr(retriever, "embed_pictures"):
        raise DataError(f"the retriever is of type {type(retriever).__name__}; give a name, a folder or an embedder")
    if isinstance(reasoner, str | Path):
        if str(reasoner).startswith(("http://", "https://")):
            from reidr.reasoning.backends.chat_server.endpoint import check_address

            check_address(str(reasoner))
        elif is_dotted_path(reasoner):
            load_object(str(reasoner), "reasoner", WeightsError)
        else:
            from reidr.reasoning.models.checkpoint import find_checkpoint

            find_checkpoint(reasoner)
    elif reasoner is not None and not hasattr(reasoner, "score"):
        raise DataError(
            f"the reasoner is of type {type(reasoner).__name__}; give a name, a folder, a URL or a back end"
        )
