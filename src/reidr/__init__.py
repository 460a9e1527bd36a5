"""ReID-R: find a person again in another camera, and write what was compared.

    from reidr import load_dataset, Retriever, Reasoner, find
    matches = find("person.jpg", gallery="crops/", k=10)

Names are loaded when first used, so `import reidr` is quick and needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reidr.core.lazy import loaded_when_used

if TYPE_CHECKING:
    from reidr.data.load import load_dataset
    from reidr.reasoning.backends.reference import Reasoner
    from reidr.retrieval.embedders.retriever import Retriever
    from reidr.search import Match, find
    from reidr.search.by_words import find_by_words
    from reidr.search.description import describe

__version__ = "0.1.0"
__all__ = ["Match", "Reasoner", "Retriever", "__version__", "describe", "find", "find_by_words", "load_dataset"]

_HOMES = {
    "load_dataset": "reidr.data.load",
    "Retriever": "reidr.retrieval.embedders.retriever",
    "Reasoner": "reidr.reasoning.backends.reference",
    "find": "reidr.search",
    "find_by_words": "reidr.search.by_words",
    "describe": "reidr.search.description",
    "Match": "reidr.search",
}

__getattr__ = loaded_when_used(__name__, _HOMES)
