"""What later stages take from a run of `reidr train pretraining`: its recipe and its vision encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from reidr.core.run import MANIFEST
from reidr.errors import DataError
from reidr.training.recipes.find import refuse_old_names
from reidr.training.recipes.pretraining import PretrainingRecipe

if TYPE_CHECKING:
    from reidr.retrieval.embedders.retriever import Retriever

VISION_ENCODER = "vision_encoder/model"
"""Where a run keeps its vision encoder, as a retriever that recognises attributes: `find --retriever` takes it."""


def pretraining_recipe(run: Path) -> PretrainingRecipe:
    """The recipe that a run of `train pretraining` was made with. Raises DataError where there is no such run."""
    path = run / MANIFEST
    if not path.is_file():
        raise DataError(f"{run}: no run of `reidr train pretraining`; give its folder as `pretraining`")
    settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    refuse_old_names("pretraining", settings, str(path))
    return PretrainingRecipe.from_values(settings, str(path))


def vision_encoder_of(run: Path) -> Retriever:
    """The vision encoder of a pretraining run. Raises DataError where it is not there."""
    from reidr.retrieval.embedders.retriever import SETTINGS_FILE, Retriever

    folder = run / VISION_ENCODER
    if not (folder / SETTINGS_FILE).is_file():
        raise DataError(f"{folder}: missing; the run has not trained its vision encoder yet")
    return Retriever.load(folder)
