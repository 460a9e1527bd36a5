"""The stages of a recipe as the command line calls them: read settings, load data, train, save."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.street.settings import StreetSettings
from reidr.errors import RecipeError
from reidr.frame.progress import progress
from reidr.frame.recipe import read_yaml
from reidr.frame.run import Run, content_hash
from reidr.reasoning.decision import Decision, store_decision
from reidr.training.identities import hold_out_identities
from reidr.training.recipes import BaseRecipe, RetrieverRecipe

RECIPES = Path(__file__).parent.parent / "recipes"


def find_recipe(name: str) -> Path:
    """A recipe file by path, or a shipped one by name (`nano`, `recipes/nano.yaml`). Raises RecipeError."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = RECIPES / f"{path.stem}.yaml"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.yaml")))
    raise RecipeError(f"{name}: no such recipe file, and no shipped recipe of that name ({names})")


def stage_values(recipe: str, stage: str, changes: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The values of one stage of a recipe with `changes` put over them, and the recipe's path for messages."""
    path = find_recipe(recipe)
    values = read_yaml(path).get(stage)
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: has no section {stage!r}")
    return {**values, **changes}, f"{path}: {stage}"


def retriever_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Train the retriever of a recipe; returns the folder of the finished model. A finished run does nothing."""
    values, source = stage_values(recipe_name, "retriever", changes)
    recipe = RetrieverRecipe.from_values(values, source)
    datasets = [load_dataset(path) for path in recipe.data]
    crops, held_out = hold_out_identities(join_training(datasets), recipe.held_out_share, recipe.seed)
    data = {
        str(path): content_hash([crop.id for crop in dataset.train])
        for path, dataset in zip(recipe.data, datasets, strict=True)
    }
    run = Run(folder, "train retriever", recipe.model_dump(mode="json"), data)
    if run.finished("retriever"):
        return run.folder / "model"
    from reidr.retrieval.retriever import Retriever, save_retriever
    from reidr.training.retriever import train_retriever
    from reidr.training.thresholds import choose_thresholds

    started = time.perf_counter()
    with progress("training the retriever", recipe.epochs) as advance:
        network = train_retriever(recipe, crops, folder, advance)
    facts: dict[str, object] = {
        "data": {dataset.name: len(dataset.train) for dataset in datasets},
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


NOTICE = (
    "The reasoner nano is barely trained, on drawn people only: read its reasons as a demonstration of the format, "
    "not as evidence."
)

STREET = "another street"


def base_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Teach the small reasoner of a recipe on a rendered street; returns the folder of the finished checkpoint."""
    values, source = stage_values(recipe_name, "base", changes)
    recipe = BaseRecipe.from_values(values, source)
    run = Run(folder, "train base", recipe.model_dump(mode="json"))
    if run.finished("base"):
        return run.folder / "model"
    import numpy as np
    import torch

    from reidr.data.street.plan import plan_street
    from reidr.data.street.street import render_street
    from reidr.reasoning.nano import build_nano
    from reidr.training.base import train_base
    from reidr.training.comparisons import compare
    from reidr.training.decide import best_weight

    started = time.perf_counter()
    street = StreetSettings(
        seed=recipe.street_seed, train_people=recipe.street_people, crops_per_camera=3, distractors=0, junk=0
    )
    with progress("rendering the street", len(plan_street(street).sightings)) as advance:
        crops = render_street(folder / "street", street, advance).train
    random = np.random.default_rng(recipe.seed)
    pairs = random.integers(len(crops), size=(3000, 2))
    texts = [compare(crops[i].attributes, crops[j].attributes, random, regions=7) for i, j in pairs.tolist()]
    torch.manual_seed(recipe.seed)
    model, processor = build_nano(texts, vocabulary=recipe.vocabulary, seed=recipe.seed)
    with progress("teaching the reasoner", recipe.steps) as advance:
        log = train_base(recipe, crops, folder, model, processor, advance)
    where = folder / "model"
    model.half().save_pretrained(where)
    processor.save_pretrained(where)
    curves = weight_curves(where, street, recipe_name)
    weights = {name: best_weight(curve) for name, curve in curves.items()}
    chosen_on = list(weights)[-1]
    store_decision(Decision(weights[chosen_on], chosen_on, NOTICE, weights[STREET]), where)
    run.finish("base", started, model="model", last_loss=log[-1]["loss"] if log else None, weight_curves=curves)
    return where


def weight_curves(
    where: Path, street: StreetSettings, recipe_name: str, *, k: int = 10, queries: int = 150
) -> dict[str, list[tuple[float, float, float]]]:
    """(weight, mAP, Rank-1) curves of the reasoner in `where` beside the shipped retriever, by search.

    Searches: a street of other people, and, where its photos are at hand, the identities that the recipe's retriever
    held out. The last one decides the weight for pictures in general.
    """
    from dataclasses import replace

    from reidr.data.street.street import street_crops
    from reidr.reasoning.reasoner import Reasoner
    from reidr.retrieval.retriever import Retriever
    from reidr.training.decide import as_search, weight_curve

    others = replace(street, seed=street.seed + 1, train_people=60)
    searches = [as_search(STREET, tuple(street_crops(others, "train")), queries, street.seed)]
    recipe = RetrieverRecipe.from_values(*stage_values(recipe_name, "retriever", {}))
    if all(path.is_dir() for path in recipe.data):
        joined = join_training([load_dataset(path) for path in recipe.data])
        _, held_out = hold_out_identities(joined, recipe.held_out_share, recipe.seed)
        searches.append(as_search("held-out training identities", held_out, queries, recipe.seed))
    retriever, reasoner = Retriever.load(), Reasoner.load(where)
    return {search.name: weight_curve(search, retriever, reasoner, k, progress) for search in searches}
