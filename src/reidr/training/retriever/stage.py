"""`reidr train retriever`: read the settings, load data, train, choose thresholds, save."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from reidr.core.progress import progress
from reidr.core.run import Run, content_hash, in_own_folder
from reidr.data.join import join_training
from reidr.data.sketch import sketch_of
from reidr.training.common.identities import hold_out_identities
from reidr.training.recipes.data_sets import load_training_data
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.retriever import RetrieverRecipe


@in_own_folder
def retriever_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Train the retriever of a recipe; returns the folder of the finished model. A finished run does nothing."""
    values, source = stage_values(recipe_name, "retriever", changes)
    recipe = RetrieverRecipe.from_values(values, source)
    datasets = load_training_data(recipe.data, source)
    crops, held_out = hold_out_identities(join_training(datasets), recipe.held_out_share, recipe.seed)
    data = {
        name: content_hash([crop.id for crop in dataset.train])
        for name, dataset in zip(recipe.data, datasets, strict=True)
    }
    run = Run(folder, "train retriever", recipe.model_dump(mode="json"), data, defaults=recipe.defaults())
    if run.finished("retriever"):
        return run.folder / "model"
    from reidr.retrieval.embedders.retriever import Retriever, save_retriever
    from reidr.training.retriever.thresholds import choose_thresholds
    from reidr.training.retriever.train import train_retriever

    started = time.perf_counter()
    with progress("training the retriever", recipe.epochs) as advance:
        network = train_retriever(recipe, crops, folder, advance)
    facts: dict[str, object] = {
        "data": {dataset.name: len(dataset.train) for dataset in datasets},
        "pictures": {dataset.name: sketch_of(dataset) for dataset in datasets},
        "images": len(crops),
        "identities": len({crop.person for crop in crops}),
        "held_out_identities": len({crop.person for crop in held_out}),
        "recipe": recipe.model_dump(mode="json"),
        "environment": run.manifest["environment"],
    }
    save_retriever(network, folder / "model", facts)
    facts["thresholds"] = choose_thresholds(held_out, Retriever.load(folder / "model"), recipe.seed, progress)
    save_retriever(network, folder / "model", facts)
    run.finish("retriever", started, model="model")
    return folder / "model"
