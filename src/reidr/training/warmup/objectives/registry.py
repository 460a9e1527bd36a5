"""The warm-up objectives that recipes can name. Add one here, or name your own in a recipe as `module:Class`."""

from __future__ import annotations

from reidr.core.extensions import is_dotted_path, load_object
from reidr.errors import RecipeError
from reidr.training.warmup.objectives.objective import WarmupObjective

_HERE = "reidr.training.warmup.objectives"
OBJECTIVES = {
    "answer": f"{_HERE}.answer:Answer",
    "reasoned": f"{_HERE}.reasoned:Reasoned",
    "order_consistency": f"{_HERE}.order_consistency:OrderConsistency",
    "kl": f"{_HERE}.kl:KLDivergence",
    "imitation": f"{_HERE}.imitation:Imitation",
    "features": f"{_HERE}.features:Features",
}


def find_objective(name: str) -> type[WarmupObjective]:
    """The class of an objective, by its name here or as `module:Class`. Raises RecipeError where there is none."""
    source = OBJECTIVES.get(name, name)
    if not is_dotted_path(source):
        raise RecipeError(f"warmup: no objective {name!r}; there are {', '.join(OBJECTIVES)}, or your own module:Class")
    found: type[WarmupObjective] = load_object(source, "warm-up objective", RecipeError)
    return found
