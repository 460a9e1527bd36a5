"""Command-line options made from the typed fields of a recipe, so that there is one list of settings and not two."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

if TYPE_CHECKING:
    from reidr.core.recipe import Recipe


def recipe_options(recipe: str, *, skip: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """A decorator that promises a command one option per plain field of a recipe (nested settings stay in the YAML).

    Args:
        recipe: the class by its path, "reidr.training.recipes.retriever.RetrieverRecipe". It is loaded when the
            command is used: `reidr train --help` need not wait for what only training needs.

    An option that is not given arrives as None: the YAML's value, or the field's default, then counts.
    """

    def make() -> list[click.Option]:
        module, _, name = recipe.rpartition(".")
        return options_of(getattr(import_module(module), name), skip)

    def decorate(function: Any) -> Any:
        function.late_options = make
        return function

    return decorate


def options_of(recipe: type[Recipe], skip: tuple[str, ...] = ()) -> list[click.Option]:
    """One option per plain field of `recipe`, in their order."""
    from pydantic_core import PydanticUndefined

    options = []
    for name, field in recipe.model_fields.items():
        kind = option_type(field.annotation)
        if name in skip or kind is None:
            continue
        default = "" if field.default in (PydanticUndefined, None, ()) else f" [default: {field.default}]"
        option = "--" + name.replace("_", "-")
        if kind is bool:
            declaration: tuple[str, ...] = (f"{option}/--no-{name.replace('_', '-')}",)
            settings: dict[str, Any] = {}
        else:
            declaration, settings = (option,), {"type": kind, "multiple": is_many(field.annotation)}
        text = (field.description or name.replace("_", " ")) + default
        options.append(click.Option((*declaration, name), default=None, help=text, **settings))
    return options


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Only the options that were typed."""
    return {name: value for name, value in values.items() if value is not None and value != ()}


def is_many(annotation: Any) -> bool:
    """True for `tuple[X, ...]`: the option may be repeated."""
    return get_origin(annotation) is tuple


def option_type(annotation: Any) -> Any:
    """click's type for a field's annotation; None where a field is nested and has no option."""
    from pydantic import BaseModel

    if is_many(annotation):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return click.Choice([str(value) for value in get_args(annotation)])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None
    if annotation is Path:
        return click.Path(path_type=Path)
    return annotation if annotation in (int, float, str, bool) else None
