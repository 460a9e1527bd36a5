"""The same two crops should get the same score in both orders."""

from __future__ import annotations

from typing import ClassVar

from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupModel
from reidr.training.warmup.objectives.objective import Loss


class OrderConsistency:
    """Mean squared difference between the log-odds (yes against no) of a pair in its two orders."""

    kinds: ClassVar[frozenset[Kind]] = frozenset(("direct",))

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        self.yes, self.no = model.words[:2]

    def __call__(self, forward: ForwardPass) -> Loss:
        # The two orders of a pair are neighbours.
        margins = forward.answer_logits[:, self.yes] - forward.answer_logits[:, self.no]
        gaps = margins[0::2] - margins[1::2]
        pairs = len(forward.group) / 2
        return Loss(gaps.square().sum(), pairs, {"order_gap": float(gaps.detach().abs().sum()) / pairs})
