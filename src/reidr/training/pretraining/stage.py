"""`reidr train pretraining`: vision encoder, language model and attribute head, before any verdict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.progress import progress
from reidr.core.run import Run, content_hash, in_own_folder, write_json
from reidr.core.storage.files import torch_save
from reidr.data.sketch import sketch_of
from reidr.fusion.profile import InferenceProfile, store_profile
from reidr.fusion.provenance import FILE as PROVENANCE
from reidr.training.common.identities import SplitCrops
from reidr.training.pretraining.people import split_people
from reidr.training.pretraining.streets import attribute_streets, street_people
from reidr.training.recipes.data_sets import load_named, recorded_name
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.pretraining import PretrainingRecipe

if TYPE_CHECKING:
    from reidr.retrieval.embedders.network import RetrieverNetwork

NOTICE = "This reasoner was not trained on verdicts yet (it is the start of warm-up and reinforcement learning)."
SPLIT = ("data", "held_out_share", "reasoning_share", "split_seed")


@in_own_folder
def pretraining_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Pretrain the small reasoner; returns the folder of the finished checkpoint. A finished run does nothing."""
    values, source = stage_values(recipe_name, "pretraining", changes)
    recipe = PretrainingRecipe.from_values(values, source)
    people = split_people(recipe, source)
    data = {name: content_hash([crop.id for crop in crops]) for name, crops in vars(people).items()}
    run = Run(folder, "train pretraining", recipe.model_dump(mode="json"), data, defaults=recipe.defaults())
    where = folder / "model"
    if run.finished("pretraining"):
        return where
    from reidr.training.pretraining.reasoner import train_reasoner  # loads torch: after all that may be refused

    network = train_vision_encoder(recipe, run, people)
    started = time.perf_counter()
    crops = [
        *(crop for crop in (*people.vision_encoder, *people.reasoning) if crop.attributes),
        *street_people(folder / "street", recipe.street_people, recipe.street_seed + 1),
        *attribute_streets(folder / "attribute-streets", recipe),
    ]
    log = train_reasoner(recipe, run, network, crops)
    pictures = {recorded_name(entry): sketch_of(load_named(entry)) for entry in recipe.data}
    split = recipe.model_dump(mode="json", include=set(SPLIT))
    write_json(where / PROVENANCE, {**split, "data": list(pictures), "pictures": pictures})
    store_profile(InferenceProfile(0.0, "nothing: it was not trained on verdicts", NOTICE), where)
    run.finish("pretraining", started, model="model", last_loss=log[-1]["loss"] if log else None)
    return where


def train_vision_encoder(recipe: PretrainingRecipe, run: Run, people: SplitCrops) -> RetrieverNetwork:
    """The vision encoder, trained on small pictures first, which is quick, and at its own input size last."""
    import torch

    from reidr.retrieval.embedders.network import build_network
    from reidr.training.retriever.train import train_retriever

    path = run.path("vision_encoder/weights.pt")
    if path.is_file():
        trained = build_network(recipe.vision_encoder[-1].network)
        trained.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return trained.eval()
    started = time.perf_counter()
    crops = [
        *people.vision_encoder,
        *street_people(run.path("vision_encoder-street"), recipe.vision_encoder_street_people, recipe.street_seed),
    ]
    network: RetrieverNetwork | None = None
    for number, training in enumerate(recipe.vision_encoder, start=1):
        name = f"vision_encoder-{number}"
        run.path(f"{name}/log.jsonl")
        with progress(
            f"training the vision encoder at {training.network.height} x {training.network.width} pixels",
            training.epochs,
        ) as advance:
            network = train_retriever(training, crops, run.folder / name, advance, start=network)
    assert network is not None
    torch_save(network.state_dict(), path)
    run.finish("vision_encoder", started, images=len(crops), identities=len({crop.person for crop in crops}))
    return network
