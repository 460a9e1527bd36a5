"""What a picture of a person shows, value by value (`reidr find --describe`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, FAMILIES
from reidr.errors import WeightsError
from reidr.retrieval.embedders.embedder import Embedder, embed_crops
from reidr.retrieval.embedders.registry import load_embedder
from reidr.retrieval.embedders.retriever import DEFAULT
from reidr.search.query.query import Person, query_of

if TYPE_CHECKING:
    from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser
    from reidr.retrieval.embedders.retriever import Retriever

LIKELY, HIDDEN, NAMED = 0.5, 0.5, 0.2
"""From which probability on a value is said to be there, a family to be out of sight, and a second value is named."""


@dataclass(frozen=True)
class Description:
    """What was recognised of one crop.

    Attributes:
        crop: the picture. probabilities: family → value → calibrated probability that it is true, given that the
            family can be seen; and the probability of `CANNOT_BE_SEEN`. Each value stands for itself: those of a family
            need not sum to 1.
    """

    crop: Crop
    probabilities: Mapping[str, Mapping[str, float]]

    def lines(self) -> list[str]:
        """One line a family for a terminal: the likeliest value or values, each with its probability."""
        width = max(len(family) for family in self.probabilities)
        return [f"{family:<{width}}  {self.words(family)}" for family in self.probabilities]

    def words(self, family: str) -> str:
        """The likely values of a family, likeliest first, or that it cannot be seen."""
        chances = dict(self.probabilities[family])
        hidden = chances.pop(CANNOT_BE_SEEN, 0.0)
        if hidden >= HIDDEN:
            return f"{CANNOT_BE_SEEN} ({hidden:.0%})"
        order = sorted(chances, key=lambda value: -chances[value])
        several = FAMILIES[family].several
        likely = [value for value in order if chances[value] >= LIKELY] if several else order[:1]
        if not likely:
            return f"none likely; at most {order[0]} ({chances[order[0]]:.0%})"
        others = [value for value in order[len(likely) : len(likely) + 1] if chances[value] >= NAMED]
        said = ", ".join(f"{value} ({chances[value]:.0%})" for value in likely)
        return said + "".join(f"; or {value} ({chances[value]:.0%})" for value in others)


def describe(person: Person, *, retriever: Embedder | str | Path | None = None) -> tuple[Description, ...]:
    """What each picture of a person shows.

    Args:
        person: a picture, or several; as for `find`. retriever: the shipped one; a name, a trained folder, or a
            loaded one.

    Raises ImageError for a picture that cannot be used, and WeightsError for a retriever that recognises no attributes.
    """
    crops = query_of(person).crops
    recogniser = recogniser_of(load_embedder(DEFAULT if retriever is None else retriever))
    table = recogniser.table(embed_crops(recogniser, crops))
    return tuple(Description(crop, table.of(row)) for row, crop in enumerate(crops))


def recogniser_of(embedder: Embedder) -> AttributeRecogniser:
    """The attribute recognition of a retriever: its own, or that of the one which it names for it.

    Raises WeightsError where it has none.
    """
    from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser
    from reidr.retrieval.embedders.retriever import Retriever

    if not isinstance(embedder, Retriever):
        raise WeightsError(f"retriever {embedder.name} recognises no attributes; take one that was trained to")
    if embedder.network.attribute_branch is None and embedder.recogniser is not None:
        return AttributeRecogniser(_loaded(embedder.recogniser), embedder)
    return AttributeRecogniser(embedder)


@lru_cache(maxsize=2)
def _loaded(name: str) -> Retriever:
    """A retriever that recognises for others, which are asked crop by crop."""
    from reidr.retrieval.embedders.retriever import Retriever

    return Retriever.load(name)


def description_json(descriptions: Sequence[Description]) -> list[dict[str, object]]:
    """Plain values for JSON."""
    return [
        {
            "picture": each.crop.id,
            "attributes": {
                family: {value: round(chance, 4) for value, chance in values.items()}
                for family, values in each.probabilities.items()
            },
        }
        for each in descriptions
    ]
