"""`reidr train pretraining`: vision encoder and language model, before any verdict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from reidr.core.run import Run, content_hash, in_own_folder, write_json
from reidr.data.sketch import sketch_of
from reidr.fusion.profile import InferenceProfile, store_profile
from reidr.fusion.provenance import FILE as PROVENANCE
from reidr.training.pretraining.people import split_people
from reidr.training.pretraining.streets import attribute_streets, street_people
from reidr.training.recipes.data_sets import load_named, recorded_name
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.pretraining import PretrainingRecipe

NOTICE = "This reasoner was not trained on verdicts yet (it is the start of warm-up and reinforcement learning)."
SPLIT = ("data", "held_out_share", "reasoning_share", "split_seed")


def seen_data(recipe: PretrainingRecipe) -> list[str]:
    """Every data set that the weights have seen: those of the people, and those that taught attributes alone."""
    described = [each.attribute_recognition.data for each in recipe.vision_encoder if each.attribute_recognition]
    return list(dict.fromkeys([*recipe.data, *(name for own in described for name in own)]))


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
    # These load torch: after all that may be refused.
    from reidr.training.pretraining.reasoner import train_reasoner
    from reidr.training.pretraining.vision_encoder import train_vision_encoder

    vision_encoder, described = train_vision_encoder(recipe, run, people, source)
    started = time.perf_counter()
    crops = [
        *people.reasoning,
        *described,
        *street_people(folder / "street", recipe.street_people, recipe.street_seed + 1),
        *attribute_streets(folder / "attribute-streets", recipe),
    ]
    log = train_reasoner(recipe, run, vision_encoder, crops)
    pictures = {recorded_name(entry): sketch_of(load_named(entry)) for entry in seen_data(recipe)}
    split = recipe.model_dump(mode="json", include=set(SPLIT))
    write_json(where / PROVENANCE, {**split, "data": list(pictures), "pictures": pictures})
    store_profile(InferenceProfile(0.0, "nothing: it was not trained on verdicts", NOTICE), where)
    run.finish("pretraining", started, model="model", last_loss=log[-1]["loss"] if log else None)
    return where
