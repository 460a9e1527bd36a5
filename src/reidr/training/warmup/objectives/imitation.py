"""Train on the words of those sampled rationales that support the right answer (STaR, arXiv 2203.14465)."""

from __future__ import annotations

from typing import ClassVar

from reidr.training.memory.vocabulary import token_log_probabilities
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupModel
from reidr.training.warmup.objectives.objective import Loss


class Imitation:
    """Cross-entropy of the words of supporting rationales, averaged over the words of all; answer words left out."""

    kinds: ClassVar[frozenset[Kind]] = frozenset(("rationale_words",))

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        self.head = model.base.lm_head

    def __call__(self, forward: ForwardPass) -> Loss | None:
        rows, _, indices = forward.word_places
        supported = [forward.examples[row].supported for row in rows]
        if not any(supported):
            return None
        tokens = forward.tensor([forward.examples[row].ids[index] for row, index in zip(rows, indices, strict=True)])
        chosen = forward.tensor(supported)
        total = -token_log_probabilities(self.head, forward.word_hidden[chosen], tokens[chosen])[0].sum()
        return Loss(total, forward.word_count, {"imitation_loss": float(total.detach()) / forward.word_count})
