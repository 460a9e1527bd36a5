"""Recipe files: finding them, `extends`, and the values of one stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reidr.core.recipe import read_yaml
from reidr.errors import RecipeError

RECIPES = Path(__file__).parents[2] / "recipes"
OLD_SECTIONS = {"base": "pretraining"}
OLD_NAMES: dict[str, dict[str, str]] = {
    "every stage": {"averaging": "ema_decay"},
    "pretraining": {
        "tower": "vision_encoder",
        "tower_street_people": "vision_encoder_street_people",
        "reading_streets": "attribute_streets",
        "reading_people": "attribute_street_people",
    },
    "pairs": {"base": "pretraining"},
    "warmup": {
        "variant": "method, or objectives",
        "keep_weight": "objectives: {kl: …}",
        "kl_weight": "objectives: {kl: …}",
        "order_weight": "objectives: {order_consistency: …}",
        "imitate_weight": "objectives: {imitation: …}",
    },
}
"""Names of earlier versions → what they are called now."""


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
    sections = read_recipe(path)
    refuse_old_sections(sections, str(path))
    values = sections.get(stage)
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: has no section {stage!r}")
    source = f"{path}: {stage}"
    refuse_old_names(stage, values, source)
    return {**values, **changes}, source


def refuse_old_sections(sections: Mapping[str, Any], source: str) -> None:
    """Raise RecipeError naming the new name of a section that was renamed."""
    for name in sections:
        if name in OLD_SECTIONS:
            raise RecipeError(f"{source}: section {name!r} is now called {OLD_SECTIONS[name]!r}")


def refuse_old_names(stage: str, values: Mapping[str, Any], source: str) -> None:
    """Raise RecipeError naming the new name of a setting of `stage` that was renamed."""
    for name in values:
        new = {**OLD_NAMES["every stage"], **OLD_NAMES.get(stage, {})}.get(name)
        if new is not None:
            raise RecipeError(f"{source}: {name}: is now called {new}")
