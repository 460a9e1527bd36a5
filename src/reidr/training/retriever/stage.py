"""`reidr train retriever`: read the settings, load data, train, choose thresholds, save."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reidr.core.progress import progress
from reidr.core.run import Run, content_hash, in_own_folder
from reidr.data.join import join_training
from reidr.data.sketch import sketch_of
from reidr.data.types import Crop
from reidr.training.common.identities import SplitCrops, split_identities
from reidr.training.recipes.data_sets import load_training_data
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.retriever import RetrieverRecipe


@in_own_folder
def retriever_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Train the retriever of a recipe; returns the folder of the finished model. A finished run does nothing."""
    values, source = stage_values(recipe_name, "retriever", changes)
    recipe = RetrieverRecipe.from_values(values, source)
    datasets = load_training_data(recipe.data, source)

    def split_crops(all_crops: Sequence[Crop]) -> SplitCrops:
        return split_identities(all_crops, recipe.held_out_share, recipe.reasoning_share, recipe.seed)

    crops, held_out = (split := split_crops(join_training(datasets))).vision_encoder, split.held_out
    attributes = recipe.attribute_recognition
    described = [] if attributes is None else load_training_data(attributes.data, source)
    names = [*recipe.data, *([] if attributes is None else attributes.data)]
    data = {
        name: content_hash([crop.id for crop in dataset.train])
        for name, dataset in zip(names, [*datasets, *described], strict=True)
    }
    run = Run(folder, "train retriever", recipe.model_dump(mode="json"), data, defaults=recipe.defaults())
    if run.finished("retriever"):
        return run.folder / "model"
    from reidr.retrieval.embedders.retriever import Retriever, save_retriever
    from reidr.training.retriever.attributes.people import (
        calibrated_attributes,
        check_somebody_is_held_out,
        described_people,
        recognising,
    )
    from reidr.training.retriever.attributes.task import AttributeTask
    from reidr.training.retriever.thresholds import choose_thresholds
    from reidr.training.retriever.train import train_retriever

    started = time.perf_counter()
    start = None if recipe.start is None else Retriever.load(recipe.start).network
    task, strangers, training = None, tuple[Crop, ...](), recipe
    if attributes is not None:
        people = split_crops(described_people(attributes, described, folder / "streets"))
        check_somebody_is_held_out(people.held_out)
        task, strangers = AttributeTask(attributes, people.vision_encoder), people.held_out
        training = recipe.model_copy(update={"network": recognising(recipe.network, attributes.width)})
    with progress("training the retriever", recipe.epochs) as advance:
        network = train_retriever(training, crops, folder, advance, start, task)
    facts: dict[str, object] = {
        "data": {dataset.name: len(dataset.train) for dataset in [*datasets, *described]},
        "pictures": {dataset.name: sketch_of(dataset) for dataset in [*datasets, *described]},
        "images": len(crops),
        "identities": len({crop.person for crop in crops}),
        "held_out_identities": len({crop.person for crop in held_out}),
        "recipe": recipe.model_dump(mode="json"),
        "environment": run.manifest["environment"],
    }
    if attributes is not None and strangers:
        calibrations = calibrated_attributes(network, strangers, attributes.cut, recipe.seed)
        facts["attributes"] = {
            family: {value: vars(own) for value, own in values.items()} for family, values in calibrations.items()
        }
    save_retriever(network, folder / "model", facts)
    facts |= choose_thresholds(held_out, Retriever.load(folder / "model"), recipe.seed, progress).facts()
    save_retriever(network, folder / "model", facts)
    run.finish("retriever", started, model="model")
    return folder / "model"
