"""The plan of `reidr train RECIPE`, checked completely before anything heavy is loaded or trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reidr.core.recipe import Recipe
from reidr.errors import DataError, RecipeError
from reidr.training.recipes.data_sets import check_data
from reidr.training.recipes.evaluation import EvaluationRecipe
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
    "evaluation": EvaluationRecipe,
}
WITHOUT_PRETRAINING = ("pairs", "warmup", "sample", "rl")
"""Sections that a recipe needs for `reidr train RECIPE` where it starts from a published checkpoint."""


def plan(recipe: str) -> list[str]:
    """The settings of a recipe, stage by stage, every section checked; nothing is loaded or trained.

    In a recipe with a pretraining the retriever is trained by `reidr train retriever` alone: all other stages take a
    finished one.

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
            by_itself = "(reidr train retriever alone) " if stage == "retriever" and "pretraining" in sections else ""
            lines.append(f"{stage}: {by_itself}" + ", ".join(f"{name} {value}" for name, value in given.items()))
    return lines


def starts_from_pretraining(recipe: str) -> bool:
    """Whether a recipe trains its own small reasoner; else its warm-up starts from a published checkpoint."""
    return "pretraining" in read_recipe(find_recipe(recipe))


def data_of(recipe: str) -> tuple[str, ...]:
    """The data sets that a recipe trains its reasoner on, as it names them."""
    if starts_from_pretraining(recipe):
        return PretrainingRecipe.from_values(*stage_values(recipe, "pretraining", {})).data
    return PairsRecipe.from_values(*stage_values(recipe, "pairs", {})).data


def described_data(recipe: str) -> tuple[str, ...]:
    """The data sets whose attributes the vision encoder of a recipe's pretraining learns."""
    trainings = PretrainingRecipe.from_values(*stage_values(recipe, "pretraining", {})).vision_encoder
    return tuple(name for each in trainings if each.attribute_recognition for name in each.attribute_recognition.data)


def check_sections(recipe: str) -> None:
    """Raise RecipeError where a section of a recipe for all stages is wrong or missing."""
    plan(recipe)
    if starts_from_pretraining(recipe):
        return
    sections = read_recipe(find_recipe(recipe))
    missing = next((name for name in WITHOUT_PRETRAINING if name not in sections), None)
    if missing is not None:
        raise RecipeError(
            f"{recipe}: has neither a section 'pretraining' nor a section {missing!r}; add one, or run its stages one "
            "by one (`reidr train --help`)"
        )
    pairs = PairsRecipe.from_values(*stage_values(recipe, "pairs", {}))
    if pairs.source != "folds":
        raise RecipeError(f"{recipe}: pairs of source {pairs.source} hold nobody out for tuning; use `source: folds`")


def check_everything(recipe: str, pretraining: Path | None, quick: bool, data: Sequence[str] = ()) -> None:
    """`check_sections`, and raise DataError where photos that are needed are missing.

    `pretraining`, `quick` and `data` as for `train_all`: with a finished pretraining, or with rendered people alone, no
    photos are needed.
    """
    check_sections(recipe)
    names = tuple(data) or data_of(recipe)
    source = f"{find_recipe(recipe)}: {'pretraining' if starts_from_pretraining(recipe) else 'pairs'}"
    if starts_from_pretraining(recipe):
        if pretraining is None and (data or not quick):
            described = () if quick else described_data(recipe)
            check_data(dict.fromkeys((*names, *described)), source)
        return
    if not names:
        raise DataError(f"{source}: names no data sets; give them with --data NAME=PATH")
    check_data(names, source)
