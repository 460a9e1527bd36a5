"""The rewards that recipes can name, and their weights. Add one here, or name your own in a recipe: `mine:reward: 0.3`.

A reward is a function as TRL's trainers take: keyword arguments in, one number or None per completion out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

from pydantic import ConfigDict, Field, model_validator

from reidr.core.extensions import is_dotted_path, load_object
from reidr.core.recipe import Recipe
from reidr.errors import RecipeError

_HERE = "reidr.training.grpo.rewards"
REWARDS = {
    name: f"{_HERE}.{name}:reward"
    for name in ("format", "identity", "calibration", "cues", "rank", "text_only", "truth", "price")
} | {name: f"{_HERE}.exact:{name}" for name in ("likelihood", "reasoned")}


class RewardWeights(Recipe):
    """Weight of each reward; 0: it is only logged. A reward of your own is named `module:function`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    format: float = Field(0.2, ge=0, description="the completion follows the grammar")
    identity: float = Field(1.0, ge=0, description="the answer word, as it was drawn, is right")
    likelihood: float = Field(
        0.0, ge=0, description="P(right word | pictures, words), exactly instead of by the drawn word (VeriFree)"
    )
    reasoned: float = Field(
        0.0, ge=0, description="P(right word | words) with the pictures taken away, exactly; `judge` says who reads it"
    )
    calibration: float = Field(0.5, ge=0, description="the probability at the answer word is honest (RLCR)")
    cues: float = Field(0.3, ge=0, description="body regions are compared, and the comparisons support a right answer")
    rank: float = Field(0.0, ge=0, description="the probability improves the order of the query's candidates")
    text_only: float = Field(
        0.0, ge=0, description="a frozen copy of the model reaches the verdict from the reasoning alone"
    )
    truth: float = Field(0.0, ge=0, description="what is claimed of body regions is true, where attributes are known")
    price: float = Field(0.0, ge=0, description="each claim costs an eighth of this weight")

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        for name, weight in self.__pydantic_extra__.items():
            if not is_dotted_path(name):
                raise ValueError(
                    f"there is no reward {name!r}; there are {', '.join(REWARDS)}, or your own module:function"
                )
            if not weight >= 0:
                raise ValueError(f"{name}: the weight must be at least 0, not {weight!r}")
        return self

    def by_name(self) -> dict[str, float]:
        """The weight of every reward, those of the package first."""
        return dict(self)

    def total(self) -> float:
        """Sum of the weights."""
        return sum(self.by_name().values())


class RewardFunction(Protocol):
    """What a reward is.

    It is called with keyword arguments, each a list with one entry per completion, and takes the rest as `**_`:
    `completions` (texts without the end token), `parsed` (`ParsedAnswer`, None where the grammar is broken), `label`
    (True: the same person), `probability` (P(same) where the answer word was written, or None),
    `text_only_probability` and `reasoned_probability` (P(same) from the words alone, by a frozen copy of the starting
    model and by the judge of the recipe), `rank_context` and `facts` (None where they are unknown; see `columns.py`).

    It returns one number per completion, by convention in [-1, 1], or None where the reward does not apply.
    """

    def __call__(self, **columns: Any) -> Sequence[float | None]: ...


def check_rewards(weights: RewardWeights) -> None:
    """Raise RecipeError for the first reward that cannot be found: before anything is loaded or trained."""
    for name in weights.by_name():
        find_reward(name)


def find_reward(name: str) -> RewardFunction:
    """The function of a reward, by its name here or as `module:function`. Raises RecipeError where there is none."""
    source = REWARDS.get(name, name)
    if not is_dotted_path(source):
        raise RecipeError(f"there is no reward {name!r}; there are {', '.join(REWARDS)}, or your own module:function")
    found: RewardFunction = load_object(source, "reward", RecipeError)
    return found
