"""Cross-entropy of the answer word, right after the prompt and after a rationale that the model has sampled."""

from __future__ import annotations

from typing import ClassVar

from torch.nn import functional

from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupModel
from reidr.training.warmup.objectives.objective import Loss


class Answer:
    """Mean cross-entropy of the right answer word. No token of a rationale is a target."""

    kinds: ClassVar[frozenset[Kind]] = frozenset(("direct", "after_rationale"))

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        self.model = model

    def __call__(self, forward: ForwardPass) -> Loss:
        logits, number = forward.answer_logits, len(forward.group)
        wanted = forward.tensor([self.model.answer_word(example.label) for example in forward.examples])
        total = functional.cross_entropy(logits, wanted, reduction="none").sum()
        answers = logits.detach()[:, self.model.words].argmax(dim=1)
        labels = forward.tensor([0 if example.label else 1 for example in forward.examples])
        return Loss(
            total,
            number,
            {
                f"{forward.kind}_loss": float(total.detach()) / number,
                f"{forward.kind}_accuracy": float((answers == labels).sum()) / number,
                f"{forward.kind}_said_yes": float((answers == 0).sum()) / number,
            },
        )
