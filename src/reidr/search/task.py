"""A search before it begins: all that can be checked without a model, in well under a second."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
class SearchOptions:
    """How a search is carried out; each of them as the argument of `find` with its name."""

    retriever: Embedder | str | Path | None = None
    reasoner: Backend | str | Path | None = "nano"
    think: int | None = None
    claim_check: bool = True
    fold: bool = True
    pattern: str | None = None
    reranker: str | Reranker | None = None
    adaptive: bool = False


@dataclass(frozen=True)
class Task:
    """A search whose arguments are known to be usable."""

    query: Query
    gallery: Collected
    k: int
    options: SearchOptions

    @property
    def asking(self) -> Asking | None:
        """Which candidates the reasoner is asked about; None: as its inference profile says."""
        return "in doubt" if self.options.adaptive else None

    def with_models(self, retriever: Embedder, reasoner: Backend | None) -> Task:
        """This search with models that are loaded already."""
        return replace(self, options=replace(self.options, retriever=retriever, reasoner=reasoner))


def prepare(person: Person, gallery: Searchable, k: int, options: SearchOptions) -> Task:
    """Check everything that can be checked without a model; arguments and errors as `find`. Loads no torch."""
    k = at_least("k", k, 1)
    if options.think is not None:
        options = replace(options, think=at_least("think", options.think, 0))
    query = query_of(person)
    collected = collect(gallery, options.pattern)
    check_models(options.retriever, options.reasoner)
    if options.reranker is not None and options.adaptive:
        raise DataError("adaptive asking belongs to the inference profile; a re-ranker decides by itself whom it asks")
    return Task(query, collected, k, options)


def at_least(name: str, value: Any, least: int) -> int:
    """`value` as an int. Raises DataError where it is no whole number, or below `least`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise DataError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return number
