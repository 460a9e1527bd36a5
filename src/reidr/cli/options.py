"""Command-line options made from the typed fields of a recipe, so that there is one list of settings and not two."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from reidr.frame.recipe import Recipe


def recipe_options(recipe: type[Recipe], *, skip: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """A decorator that gives a command one option per plain field of `recipe` (nested settings stay in the YAML).

    An option that is not given arrives as None: the YAML's value, or the field's default, then counts.
    """

    def decorate(command: Any) -> Any:
        for name, field in reversed(recipe.model_fields.items()):
            kind = option_type(field.annotation)
            if name in skip or kind is None:
                continue
            default = "" if field.default is PydanticUndefined else f" [default: {field.default}]"
            option = "--" + name.replace("_", "-")
            if kind is bool:
                declaration: tuple[str, ...] = (f"{option}/--no-{name.replace('_', '-')}",)
                settings: dict[str, Any] = {}
            else:
                declaration, settings = (option,), {"type": kind, "multiple": is_many(field.annotation)}
            text = (field.description or name.replace("_", " ")) + default
            command = click.option(*declaration, name, default=None, help=text, **settings)(command)
        return command

    return decorate


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Only the options that were typed."""
    return {name: value for name, value in values.items() if value is not None and value != ()}


def is_many(annotation: Any) -> bool:
    """True for `tuple[X, ...]`: the option may be repeated."""
    return get_origin(annotation) is tuple


def option_type(annotation: Any) -> Any:
    """click's type for a field's annotation; None where a field is nested and has no option."""
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
