"""What later stages take from a run of `reidr train pretraining`: its recipe and its vision encoder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from reidr.core.run import MANIFEST
from reidr.errors import DataError
from reidr.training.recipes.find import refuse_old_names
from reidr.training.recipes.pretraining import PretrainingRecipe

if TYPE_CHECKING:
    from reidr.retrieval.embedders.embedder import Embedder


def pretraining_recipe(run: Path) -> PretrainingRecipe:
    """The recipe that a run of `train pretraining` was made with. Raises DataError where there is no such run."""
    path = run / MANIFEST
    if not path.is_file():
        raise DataError(f"{run}: no run of `reidr train pretraining`; give its folder as `pretraining`")
    settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    refuse_old_names("pretraining", settings, str(path))
    return PretrainingRecipe.from_values(settings, str(path))


def vision_encoder_of(run: Path) -> Embedder:
    """The vision encoder of a pretraining run as an embedder. Raises DataError where it is not there."""
    import torch

    from reidr.retrieval.embedders.network import build_network
    from reidr.retrieval.embedders.retriever import Retriever

    path = run / "vision_encoder" / "weights.pt"
    if not path.is_file():
        raise DataError(f"{path}: missing; the run has not trained its vision encoder yet")
    network = build_network(pretraining_recipe(run).vision_encoder[-1].network)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Retriever(network, "vision encoder of the pretraining", hashlib.sha256(path.read_bytes()).hexdigest())
