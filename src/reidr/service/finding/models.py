"""The models that search a gallery: loaded once, and of the kind that its vectors are of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reidr.errors import DataError
from reidr.fusion.profile import InferenceProfile
from reidr.retrieval.embedders.embedder import Embedder
from reidr.service.store.records import StoreFacts
from reidr.service.store.store import GalleryStore

if TYPE_CHECKING:
    from reidr.reasoning.backends.backend import Backend

FAST = " (fast)"  # how a retriever that is computed fast ends its name


@dataclass(frozen=True, eq=False)
class Models:
    """What finds, and what judges pairs. reasoner: None ranks by distance alone."""

    retriever: Embedder
    reasoner: Backend | None = None

    @property
    def profile(self) -> InferenceProfile | None:
        """How the reasoner is used; None without one."""
        return None if self.reasoner is None else self.reasoner.card.profile

    @property
    def reasoner_key(self) -> str:
        """By which decisions about this reasoner's scores are known: the hash of its weights, else its name."""
        return "" if self.reasoner is None else self.reasoner.card.weights or self.reasoner.name


def load_models(
    store: GalleryStore, retriever: str | Path | None = None, reasoner: str | Path | Backend | None = "nano"
) -> Models:
    """Models for a gallery.

    Args:
        retriever: by name or folder; None: the one that the gallery names, and the shipped default for an empty one.
        reasoner: as for `find`; None ranks without one.

    Raises WeightsError where a model is not there, DataError where the gallery's vectors are of another retriever.
    """
    from reidr.reasoning.backends.loading import load_reasoner

    loaded = retriever_of(store, retriever)
    return Models(loaded, load_reasoner(reasoner) if isinstance(reasoner, str | Path) else reasoner)


def retriever_of(store: GalleryStore, source: str | Path | None = None) -> Embedder:
    """The retriever whose vectors a gallery holds. Errors as `load_models`."""
    from reidr.retrieval.embedders.registry import load_embedder

    facts = store.facts()
    name = source if source is not None else facts.model_name
    if isinstance(name, str) and name.endswith(FAST):
        loaded = load_embedder(name.removesuffix(FAST), "fast")
    else:
        loaded = load_embedder(name)
    check_retriever(facts, loaded)
    return loaded


def check_retriever(facts: StoreFacts, retriever: Embedder) -> None:
    """Raise DataError where a gallery holds vectors of another model: distances to them would mean nothing."""
    if facts.model is not None and facts.model != retriever.fingerprint:
        raise DataError(
            f"{facts.address}: its vectors are of the retriever {facts.model_name}, not of this {retriever.name} "
            f"({retriever.fingerprint[:12]}); name the folder of that retriever with --retriever, or bring the gallery "
            "to this one with reidr gallery migrate --model"
        )
