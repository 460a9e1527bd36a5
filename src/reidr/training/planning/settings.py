"""A recipe as a plan reads it: typed sections with changes put over them, and what settings of later kinds mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from reidr.core.recipe import Recipe
from reidr.errors import RecipeError
from reidr.training.plan import STAGES
from reidr.training.planning.data import STAGES_WITH_DATA
from reidr.training.recipes.find import find_recipe, read_recipe, refuse_old_sections, stage_values

Changes = dict[str, dict[str, Any]]
"""Values put over those of a recipe, by stage and name."""


@dataclass(frozen=True)
class Sections:
    """The typed sections of a recipe that are there, by stage, and the raw ones."""

    name: str
    typed: dict[str, Any]
    raw: dict[str, dict[str, Any]]


def read_sections(recipe: str, changes: Changes) -> Sections:
    """All sections of a recipe with `changes`. Raises RecipeError naming the first that is wrong."""
    raw = read_recipe(find_recipe(recipe))
    refuse_old_sections(raw, recipe)
    unknown = sorted((set(raw) | set(changes)) - set(STAGES), key=str)
    if unknown:
        raise RecipeError(f"{recipe}: no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    typed: dict[str, Any] = {}
    for stage, kind in STAGES.items():
        if stage in raw or stage in changes:
            if stage not in raw:
                raise RecipeError(f"{recipe}: has no section {stage!r}, so nothing of it can be set")
            values, source = stage_values(recipe, stage, changes.get(stage, {}))
            section: Recipe = kind.from_values(values, source)
            typed[stage], raw[stage] = section, values
    return Sections(recipe, typed, raw)


def parse_changes(texts: Sequence[str]) -> Changes:
    """`STAGE.NAME=VALUE`, the value written as in YAML. Raises RecipeError for any other form."""
    changes: Changes = {}
    for text in texts:
        place, equals, value = text.partition("=")
        stage, dot, name = place.strip().partition(".")
        if not (equals and dot and name):
            raise RecipeError(f"--set {text}: write STAGE.NAME=VALUE, for example warmup.rows=16")
        try:
            changes.setdefault(stage, {})[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"--set {text}: the value is not valid YAML: {' '.join(str(error).split())}") from None
    return changes


def with_data(recipe: str, changes: Changes, data: Sequence[str]) -> Changes:
    """The changes with these data sets in every section that names some, in place of the recipe's own."""
    if not data:
        return changes
    raw = read_recipe(find_recipe(recipe))
    for stage in STAGES_WITH_DATA:
        if raw.get(stage, {}).get("data"):
            changes = {**changes, stage: {**changes.get(stage, {}), "data": list(data)}}
    return changes


def rl_steps(recipe: Any, kept: int) -> int:
    """Steps of reinforcement learning: as the recipe says, or enough to see `kept` pairs `epochs` times."""
    epochs: float | None = getattr(recipe, "epochs", None)
    return int(recipe.steps) if epochs is None else max(1, math.ceil(epochs * kept / recipe.pairs))


def pairs_kept(recipe: Any, mined: int, images: int) -> int:
    """Most pairs that `reidr sample` keeps of `mined`; `images`: training images of the data sets."""
    if recipe.rule == "all" or recipe.budget_share is None:
        return mined
    of = images if getattr(recipe, "budget_of", "pairs") == "training images" else mined
    return min(mined, int(of * recipe.budget_share))
