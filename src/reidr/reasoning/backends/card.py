"""What a served reasoner says of itself beside its name: how it is used, and what it was taught on.

`reidr serve-model` puts it into its list of models, so that a search through a server is the search in process: the
same fusion, the same calibration, the same guard against data that the model has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from reidr.data.sketch import TrainingData
from reidr.errors import ReIDError
from reidr.fusion.profile import UNTUNED, InferenceProfile, profile_of, read_profile

FIELD = "reidr"  # of a model in the list of models


@dataclass(frozen=True)
class Card:
    """What is known of a reasoner beside its weights.

    Attributes:
        profile: how it is used. trained_on: names of its training data. held_out: as `profile.held_out_split`.
        glances: whether its eyes give embeddings (`types.VisionSimilarity`).
    """

    profile: InferenceProfile = UNTUNED
    trained_on: tuple[str, ...] = ()
    held_out: tuple[float, int] | None = None
    vision_similarities: bool = False


def card_of(reasoner: Any) -> dict[str, Any]:
    """The card of a loaded `Reasoner` as plain values. Of its training data's folders only the last name is told."""
    held_out = reasoner.held_out
    return {
        "profile": profile_of(reasoner).stored(),
        "trained_on": [
            {"name": PurePath(str(each)).name, "pictures": sorted(getattr(each, "pictures", ()))}
            for each in reasoner.trained_on
        ],
        "held_out": None if held_out is None else list(held_out),
        "vision_similarities": hasattr(reasoner.model.model, "embeddings"),
    }


def read_card(served: Mapping[str, Any], host: str) -> Card:
    """The card in what a server says of its model; an empty one where it says none.

    Raises:
        ReIDError: there is one that cannot be used.
    """
    given = served.get(FIELD)
    if not isinstance(given, Mapping):
        return Card()
    try:
        trained_on = tuple(TrainingData(str(each["name"]), map(str, each["pictures"])) for each in given["trained_on"])
        held_out = None if given["held_out"] is None else (float(given["held_out"][0]), int(given["held_out"][1]))
        return Card(read_profile(given["profile"], host), trained_on, held_out, given["vision_similarities"] is True)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        problem = f"{host}: what it says of its model cannot be read ({error!r}); is it the same version of ReID-R?"
        raise ReIDError(problem) from None
