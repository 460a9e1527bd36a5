"""Keep the wording of the model as it was before the warm-up."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import ClassVar

import torch

from reidr.training.common.lora import starting_weights
from reidr.training.memory.vocabulary import divergence
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupModel
from reidr.training.warmup.objectives.objective import Loss


class KLDivergence:
    """Mean KL(starting model || model) over the tokens of the model's own rationales, answer words left out.

    No label takes part. Without it a small model forgets how to write rationales while it learns the answer word.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset(("rationale_words",))

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        self.head, self.lora = model.base.lm_head, bool(recipe.lora_rank)
        # With LoRA the starting model is in the model itself; else it is a copy of as many bytes.
        self.start = model.base if self.lora else copy.deepcopy(model.base).requires_grad_(False)
        # The starting model sees the same crops through its own connector.
        self.features = model.features.with_model(self.start)

    def __call__(self, forward: ForwardPass) -> Loss:
        rows, places, _ = forward.word_places
        texts = [(example.text, example.crops, example.ids) for example in forward.examples]
        with torch.no_grad(), starting_weights(self.start) if self.lora else nullcontext():
            before = self.start.model(**self.features.training_inputs(texts))[0][rows, places]
        # LoRA leaves the head alone, so it needs no switching in the backward pass.
        total = divergence(self.head, forward.word_hidden, self.start.lm_head, before).sum()
        return Loss(total, forward.word_count, {"kl_divergence": float(total.detach()) / forward.word_count})
