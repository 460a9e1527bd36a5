"""The plan of `reidr train RECIPE`, checked completely before anything heavy is loaded or trained."""

from __future__ import annotations

from pathlib import Path

from reidr.core.recipe import Recipe
from reidr.errors import RecipeError
from reidr.training.recipes.data_sets import check_data
from reidr.training.recipes.find import find_recipe, read_recipe, refuse_old_sections, stage_values
from reidr.training.recipes.grpo import ReinforcementStageRecipe
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.recipes.retriever import RetrieverRecipe
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.recipes.warmup import WarmupRecipe

STAGES: dict[str, type[Recipe]] = {
    "retriever": RetrieverRecipe,
    "pretraining": PretrainingRecipe,
    "pairs": PairsRecipe,
    "warmup": WarmupRecipe,
    "sample": SampleRecipe,
    "rl": ReinforcementStageRecipe,
}


def plan(recipe: str) -> list[str]:
    """The settings of a recipe, stage by stage, every section checked; nothing is loaded or trained.

    The retriever is trained by `reidr train retriever` alone: all other stages take a finished one.

    Raises RecipeError naming the first section or field that is wrong.
    """
    sections = read_recipe(find_recipe(recipe))
    refuse_old_sections(sections, recipe)
    unknown = sorted(set(sections) - set(STAGES), key=str)
    if unknown:
        raise RecipeError(f"{recipe}: no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    lines = []
    for stage, kind in STAGES.items():
        if stage in sections:
            settings = kind.from_values(*stage_values(recipe, stage, {})).model_dump(mode="json")
            given = {name: settings[name] for name in sections[stage]}
            by_itself = "(reidr train retriever alone) " if stage == "retriever" else ""
            lines.append(f"{stage}: {by_itself}" + ", ".join(f"{name} {value}" for name, value in given.items()))
    return lines


def check_sections(recipe: str) -> None:
    """Raise RecipeError where a section of a recipe for all stages is wrong, or that of the first is missing."""
    plan(recipe)
    if "pretraining" not in read_recipe(find_recipe(recipe)):
        raise RecipeError(f"{recipe}: has no section 'pretraining'; run its stages one by one (`reidr train --help`)")


def check_everything(recipe: str, pretraining: Path | None, quick: bool) -> None:
    """`check_sections`, and raise DataError where photos that are needed are missing.

    `pretraining` and `quick` as for `train_all`: with a finished pretraining, or with rendered people alone, no
    photos are needed.
    """
    check_sections(recipe)
    if pretraining is None and not quick:
        values, source = stage_values(recipe, "pretraining", {})
        check_data(PretrainingRecipe.from_values(values, source).data, source)
