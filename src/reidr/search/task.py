"""A search before it begins: all that can be checked without a model, in well under a second."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reidr.core.defaults import DEFAULT_K
from reidr.core.progress import Advance
from reidr.errors import DataError
from reidr.retrieval.embedders.embedder import Embedder
from reidr.search.query.gallery import Collected, Searchable, collect
from reidr.search.query.models import check_models
from reidr.search.query.query import Person, Query, query_of

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend
    from reidr.retrieval.rerankers.reranker import Reranker

Asking = Literal["all", "in doubt"]
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@dataclass(frozen=True)
class Task:
    """A search whose arguments are known to be usable.

    Attributes:
        think, reranker: None for the default (see `find`). asking: which candidates are asked about; None: as the
            inference profile says.
    """

    query: Query
    gallery: Collected
    k: int
    think: int | None
    claim_check: bool
    fold: bool
    reranker: str | Reranker | None = None
    asking: Asking | None = None


def prepare(
    person: Person,
    gallery: Searchable,
    k: int = DEFAULT_K,
    *,
    retriever: Embedder | str | Path | None = None,
    reasoner: Backend | str | Path | None = None,
    think: int | None = None,
    claim_check: bool = True,
    fold: bool = True,
    pattern: str | None = None,
    reranker: str | Reranker | None = None,
    adaptive: bool = False,
) -> Task:
    """Check everything that can be checked without a model; arguments and errors as `find`. Loads no torch."""
    k = at_least("k", k, 1)
    think = None if think is None else at_least("think", think, 0)
    query = query_of(person)
    collected = collect(gallery, pattern)
    check_models(retriever, reasoner)
    if reranker is not None and adaptive:
        raise DataError("adaptive asking belongs to the inference profile; a re-ranker decides by itself whom it asks")
    return Task(query, collected, k, think, claim_check, fold, reranker, "in doubt" if adaptive else None)


def at_least(name: str, value: Any, least: int) -> int:
    """`value` as an int. Raises DataError where it is no whole number, or below `least`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise DataError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return number
