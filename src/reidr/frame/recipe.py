"""What every recipe shares: typed fields, one YAML file, unknown keys refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reidr.errors import RecipeError


class Recipe(BaseModel):
    """Base of all recipes. Fields carry their type, range and help text; the command line is made from them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def from_values(cls, values: dict[str, Any], source: str) -> Self:
        """Check `values` (YAML and options). Raises RecipeError naming `source`, the field, and what is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the recipe"
            known = "" if first["type"] != "extra_forbidden" else f"; known: {', '.join(cls.model_fields)}"
            raise RecipeError(f"{source}: {field}: {first['msg'].lower()}{known}") from None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """What every field is that is not told, as in `model_dump(mode="json")`; fields without a default left out."""
        untold = cls.model_construct().model_dump(mode="json", warnings=False)
        return {name: value for name, value in untold.items() if not cls.model_fields[name].is_required()}

    @classmethod
    def load(cls, path: Path, **changes: Any) -> Self:
        """Read a YAML recipe; `changes` replace its values. Raises RecipeError when the file cannot be used."""
        return cls.from_values({**read_yaml(path), **changes}, str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from `path` by the safe loader. Raises RecipeError with the line that is wrong."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of names to values")
    return values
