"""A reasoner's card: how its scores are used, and what its weights were trained on.

`reidr serve-model` puts it into its list of models, so that a search through a server is the search in process: the
same fusion, the same calibration, the same check against data that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from reidr.data.sketch import TrainingData
from reidr.errors import ReIDError
from reidr.fusion.profile import UNTUNED, InferenceProfile, read_profile

FIELD = "reidr"  # of a model in the list of models


@dataclass(frozen=True)
class Card:
    """What is known of a reasoner beside its weights.

    Attributes:
        profile: how its scores are used.
        trained_on: names of its training data.
        held_out: (share, seed) of the training identities set aside, as `fusion.profile.held_out_split`; None: unknown.
        vision_similarities: whether its vision encoder gives embeddings (`Capabilities.vision_similarity`).
        name: the model's name, empty where unknown.
        weights: SHA-256 of the weights, by which one can tell whether a score or profile is of this model; empty
            where unknown.
    """

    profile: InferenceProfile = UNTUNED
    trained_on: tuple[str, ...] = ()
    held_out: tuple[float, int] | None = None
    vision_similarities: bool = False
    name: str = ""
    weights: str = ""


def stored_card(card: Card) -> dict[str, Any]:
    """The card as plain values for the list of models. Folders of training data are given by their last name only."""
    return {
        "profile": card.profile.stored(),
        "trained_on": [{"name": PurePath(data).name, "pictures": pictures_of(data)} for data in card.trained_on],
        "held_out": None if card.held_out is None else list(card.held_out),
        "vision_similarities": card.vision_similarities,
        "weights": card.weights,
    }


def pictures_of(data: str) -> list[str]:
    """Names of the pictures of a training set, sorted; none where only its folder is known."""
    return sorted(data.pictures) if isinstance(data, TrainingData) else []


def read_card(served: Mapping[str, Any], host: str) -> Card:
    """The card in a server's entry of its model; an empty one where there is none.

    Raises:
        ReIDError: there is one that cannot be used.
    """
    given = served.get(FIELD)
    if not isinstance(given, Mapping):
        return Card()
    try:
        trained_on = tuple(TrainingData(str(each["name"]), map(str, each["pictures"])) for each in given["trained_on"])
        held_out = None if given["held_out"] is None else (float(given["held_out"][0]), int(given["held_out"][1]))
        return Card(
            read_profile(given["profile"], host),
            trained_on,
            held_out,
            given["vision_similarities"] is True,
            weights=str(given.get("weights", "")),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        problem = f"{host}: what it says of its model cannot be read ({error!r}); is it the same version of ReID-R?"
        raise ReIDError(problem) from None
