"""What `reidr train RECIPE` would do, checked from end to end before anything heavy is loaded or an hour is spent."""

from __future__ import annotations

from pathlib import Path

from reidr.core.recipe import Recipe
from reidr.errors import RecipeError
from reidr.training.recipes.embedder_and_base import PretrainingRecipe, RetrieverRecipe
from reidr.training.recipes.find import check_data, find_recipe, read_recipe, stage_values
from reidr.training.recipes.grpo import ReinforcementStageRecipe
from reidr.training.recipes.pairs_warmup_sampling import PairsRecipe, SampleRecipe, WarmupRecipe

STAGES: dict[str, type[Recipe]] = {
    "retriever": RetrieverRecipe,
    "base": PretrainingRecipe,
    "pairs": PairsRecipe,
    "warmup": WarmupRecipe,
    "sample": SampleRecipe,
    "rl": ReinforcementStageRecipe,
}


def plan(recipe: str) -> list[str]:
    """What a recipe would do, stage by stage, every section checked; nothing is loaded or trained.

    The retriever is taught by `reidr train retriever` alone: all other stages take one that is there.

    Raises RecipeError naming the first section or field that is wrong.
    """
    sections = read_recipe(find_recipe(recipe))
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
    if "base" not in read_recipe(find_recipe(recipe)):
        raise RecipeError(f"{recipe}: has no section 'base'; run its stages one by one (`reidr train --help`)")


def check_everything(recipe: str, base: Path | None, quick: bool) -> None:
    """`check_sections`, and raise DataError where photos that will be needed are not there.

    `base` and `quick` as for `train_all`: with a base that is there, or on the street alone, no photos are needed.
    """
    check_sections(recipe)
    if base is None and not quick:
        values, source = stage_values(recipe, "base", {})
        check_data(PretrainingRecipe.from_values(values, source).data, source)
