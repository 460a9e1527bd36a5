"""The warm-up objectives that recipes can name."""

from __future__ import annotations

from importlib import import_module

from reidr.errors import RecipeError
from reidr.training.warmup.objectives.objective import WarmupObjective

_HERE = "reidr.training.warmup.objectives"
OBJECTIVES = {
    "answer": f"{_HERE}.answer.Answer",
    "order_consistency": f"{_HERE}.order_consistency.OrderConsistency",
    "kl": f"{_HERE}.kl.KLDivergence",
    "imitation": f"{_HERE}.imitation.Imitation",
    "features": f"{_HERE}.features.Features",
}


def find_objective(name: str) -> type[WarmupObjective]:
    """The class of an objective, by its name here or by dotted path. Raises RecipeError where there is none."""
    module, _, attribute = OBJECTIVES.get(name, name).rpartition(".")
    try:
        found: type[WarmupObjective] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecipeError(
            f"warmup: no objective {name!r} ({error}); there are {', '.join(OBJECTIVES)}, "
            "or give the dotted path of a class"
        ) from None
    return found
