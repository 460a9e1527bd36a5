"""What every recipe shares: typed fields, one YAML file, unknown keys refused."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from reidr.errors import RecipeError

if TYPE_CHECKING:
    import yaml


class Recipe(BaseModel):
    """Base of all recipes. Fields carry their type, range and help text; the command line is made from them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def from_values(cls, values: dict[str, Any], source: str) -> Self:
        """Check `values` (YAML and options). Raises RecipeError naming `source`, the field, and what is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the recipe"
            if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
                alike = get_close_matches(field, cls.model_fields, 1)
                hint = f"; did you mean {alike[0]}?" if alike else ""
                known = f"known: {', '.join(cls.model_fields)}"
                raise RecipeError(f"{source}: {field}: there is no such setting{hint}; {known}") from None
            what = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"].lower()
            raise RecipeError(f"{source}: {field}: {what}") from None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The default of every field, as in `model_dump(mode="json")`; fields without a default left out."""
        untold = cls.model_construct().model_dump(mode="json", warnings=False)
        return {name: value for name, value in untold.items() if not cls.model_fields[name].is_required()}

    @classmethod
    def load(cls, path: Path, **changes: Any) -> Self:
        """Read a YAML recipe; `changes` replace its values. Raises RecipeError when the file cannot be used."""
        return cls.from_values({**read_yaml(path), **changes}, str(path))


@cache
def _once_loader() -> type[yaml.SafeLoader]:
    """YAML's safe loader, which refuses a name that a mapping gives twice instead of keeping the last."""
    import yaml

    class Once(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                if isinstance(key.value, str) and key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    raise yaml.YAMLError(f"{str(key.value)!r} is given twice{key.start_mark}")
                seen.add(key.value if isinstance(key.value, str) else id(key))
            return super().construct_mapping(node, deep)

    return Once


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from `path` by the safe loader. Raises RecipeError with the line that is wrong."""
    import yaml

    try:
        values = _once_loader()(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of names to values")
    return values
