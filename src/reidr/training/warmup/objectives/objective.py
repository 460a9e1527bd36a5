"""What a warm-up objective is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor

from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupModel


@dataclass(frozen=True)
class Loss:
    """The loss of one forward pass.

    Attributes:
        total: scalar with gradients, summed over the examples of the pass. number: what `total` is divided by; taken
            over the whole group, so that the losses of its passes add up to a mean. log: values for the log, added up
            over the passes of a group.
    """

    total: Tensor
    number: float
    log: dict[str, float] = field(default_factory=dict)


class WarmupObjective(Protocol):
    """A training objective. Named in `registry.py`, or in a recipe as `module:Class`.

    Attributes:
        kinds: the kinds of forward passes for which it is called.
    """

    kinds: ClassVar[frozenset[Kind]]

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        """Called once, before the first step, with the model as it starts."""

    def __call__(self, forward: ForwardPass) -> Loss | None:
        """The loss of a pass of one of `kinds`; None where the pass contributes nothing to it."""
