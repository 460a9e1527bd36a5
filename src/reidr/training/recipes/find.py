"""The stages of a recipe as the command line calls them: read settings, load data, train, save."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reidr.core.progress import progress
from reidr.core.recipe import read_yaml
from reidr.core.run import Run, content_hash, in_own_folder
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.sketch import sketch_of
from reidr.errors import DataError, RecipeError
from reidr.training.common.identities import hold_out_identities
from reidr.training.common.left_out import say_left_out
from reidr.training.recipes.embedder_and_base import RetrieverRecipe

WHAT_TO_DO = (
    "names it as training data. Put the data set there (docs/datasets.md), or name another one by --data or in a "
    "recipe of your own"
)
RECIPES = Path(__file__).parents[2] / "recipes"


def find_recipe(name: str) -> Path:
    """A recipe file by path, or a shipped one by name (`nano`, `recipes/nano.yaml`). Raises RecipeError."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = RECIPES / f"{path.name.removesuffix('.yaml')}.yaml"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.yaml")))
    raise RecipeError(f"{name}: no such recipe file, and no shipped recipe of that name ({names})")


def read_recipe(path: Path) -> dict[str, Any]:
    """All sections of a recipe. With `extends: NAME` they are put, field by field, over those of the shipped NAME."""
    return _read_recipe(path, ())


def _read_recipe(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in below:
        raise RecipeError(f"{path}: extends itself, by way of {below[-1].name}; let the last recipe extend none")
    values = read_yaml(path)
    parent = values.pop("extends", None)
    for name, section in values.items():
        if not isinstance(section, dict):
            raise RecipeError(f"{path}: section {name!r} must be a mapping of names to values")
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise RecipeError(f"{path}: extends {parent!r}; name one recipe")
    sections = _read_recipe(find_recipe(parent), (*below, path.resolve()))
    for name, section in values.items():
        sections[name] = {**sections.get(name, {}), **section}
    return sections


def stage_values(recipe: str, stage: str, changes: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The values of one stage of a recipe with `changes` put over them, and the recipe's path for messages."""
    path = find_recipe(recipe)
    values = read_recipe(path).get(stage)
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: has no section {stage!r}")
    return {**values, **changes}, f"{path}: {stage}"


def check_data(paths: Iterable[Path], source: str) -> None:
    """Raise DataError naming the first data set that is not there, who asks for it, and what to do."""
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such folder or manifest; {source} {WHAT_TO_DO}")


@contextmanager
def named_by(source: str) -> Iterator[None]:
    """Loading the training data that the recipe section `source` names: a missing one is said as by `check_data`."""
    try:
        yield
    except DataError as error:
        if not str(error).endswith("no such folder or manifest"):
            raise
        raise DataError(f"{error}; {source} {WHAT_TO_DO}") from None


@in_own_folder
def retriever_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Train the retriever of a recipe; returns the folder of the finished model. A finished run does nothing."""
    values, source = stage_values(recipe_name, "retriever", changes)
    recipe = RetrieverRecipe.from_values(values, source)
    with named_by(source):
        datasets = [load_dataset(path) for path in recipe.data]
    say_left_out(datasets)
    crops, held_out = hold_out_identities(join_training(datasets), recipe.held_out_share, recipe.seed)
    data = {
        str(path): content_hash([crop.id for crop in dataset.train])
        for path, dataset in zip(recipe.data, datasets, strict=True)
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
