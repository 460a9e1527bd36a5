"""Training examples of the warm-up, and forward passes over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.prompting.answers import answer_token_ids
from reidr.reasoning.prompting.prompt import render
from reidr.training.memory.recompute import recomputing
from reidr.training.warmup.curriculum import Drawn
from reidr.training.warmup.rationales import Rationale

Kind = Literal["direct", "after_rationale", "reasoned", "rationale_words"]
"""What a forward pass is for: the answer right after the prompt, the answer after a rationale of the model's own, the
answer after that rationale with grey pictures in the place of the crops, or the words of that rationale."""


@dataclass(frozen=True)
class WarmupExample:
    """One sequence: the prompt `text` about two crops, then `ids`.

    Attributes:
        crops: places of A and B in the `CropFeatures`. ids: tokens after the prompt. answer: index in `ids` at which
            the answer word stands, or would stand. label: True for one person. supported: whether the words before the
            answer support the label and may be imitated.
    """

    text: str
    crops: tuple[int, int]
    ids: tuple[int, ...]
    answer: int
    label: bool
    supported: bool = False


class WarmupModel:
    """The model in training, with the features of the crops it is trained on."""

    def __init__(self, base: Any, features: CropFeatures) -> None:
        """The last of `features` are those of `reasoned_score.BLANK`."""
        self.base, self.features = base, features
        self.blank = len(features) - 1
        self.words = answer_token_ids(features.processor.tokenizer)
        self.texts = {task: render(features.processor, task) for task in ("score", "think")}

    def hidden(self, examples: Sequence[WarmupExample]) -> Tensor:
        """(N, length, size) last hidden states."""
        with recomputing(self.base):
            inputs = self.features.training_inputs([(each.text, each.crops, each.ids) for each in examples])
            hidden: Tensor = self.base.model(**inputs)[0]
        return hidden

    def prompt_length(self, example: WarmupExample) -> int:
        """Tokens of the prompt, those of the pictures included."""
        return len(self.features.prompt(example.text, example.crops)[0])

    def answer_logits(self, hidden: Tensor, examples: Sequence[WarmupExample]) -> Tensor:
        """(N, vocabulary) float32 logits of the answer word."""
        places = [self.prompt_length(example) + example.answer - 1 for example in examples]
        logits: Tensor = self.base.lm_head(hidden[list(range(len(examples))), places]).float()
        return logits

    def answer_word(self, label: bool) -> int:
        """Token id of "yes" for one person, of "no" for two."""
        return self.words[0 if label else 1]

    def direct_example(self, pair: Drawn, swapped: bool) -> WarmupExample:
        """The pair under the prompt that asks for the answer alone."""
        return WarmupExample(self.texts["score"], pair.places(swapped), (), 0, pair.label)

    def rationale_example(self, pair: Drawn, rationale: Rationale, *, whole: bool) -> WarmupExample:
        """The pair under the thinking prompt with a rationale; cut before the answer word unless `whole`."""
        ids = rationale.ids if whole else rationale.ids[: rationale.answer]
        supported = rationale.worth_imitating(pair.label)
        return WarmupExample(self.texts["think"], pair.places(), ids, rationale.answer, pair.label, supported)

    def reasoned_example(self, example: WarmupExample) -> WarmupExample:
        """An example after a rationale, with grey pictures in the place of its crops."""
        return replace(example, crops=(self.blank, self.blank), ids=example.ids[: example.answer])

    def replayed_example(self, label: bool, rationale: Rationale) -> WarmupExample:
        """As `reasoned_example`, of a rationale that was written for a pair of an earlier step."""
        ids = rationale.ids[: rationale.answer]
        return WarmupExample(self.texts["think"], (self.blank, self.blank), ids, rationale.answer, label)


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass, from which objectives compute their losses.

    Attributes:
        kind: what it is for. group: all examples of this kind in the step, of which the pass holds `examples`.
        hidden: (N, length, size) last hidden states of `examples`.
    """

    kind: Kind
    group: Sequence[WarmupExample]
    examples: Sequence[WarmupExample]
    hidden: Tensor
    model: WarmupModel

    @cached_property
    def answer_logits(self) -> Tensor:
        """(N, vocabulary) float32 logits of the answer word; with gradients."""
        return self.model.answer_logits(self.hidden, self.examples)

    @cached_property
    def word_places(self) -> tuple[list[int], list[int], list[int]]:
        """Of every rationale token but the answer word: its row, the position that predicts it, its index in `ids`."""
        rows, places, indices = [], [], []
        for row, example in enumerate(self.examples):
            opening = self.model.prompt_length(example)
            own = [index for index in range(len(example.ids)) if index != example.answer]
            rows += [row] * len(own)
            places += [opening + index - 1 for index in own]
            indices += own
        return rows, places, indices

    @cached_property
    def word_hidden(self) -> Tensor:
        """(tokens, size) hidden states at `word_places`; with gradients.

        Their logits would be (tokens, vocabulary): `memory.vocabulary` computes with them a few tokens at a time.
        """
        rows, places, _ = self.word_places
        return self.hidden[rows, places]

    @property
    def word_count(self) -> int:
        """Rationale tokens of the whole group, answer words left out."""
        return sum(len(example.ids) - 1 for example in self.group)

    def tensor(self, values: Sequence[Any]) -> Tensor:
        """`values` as a tensor on the device of the pass."""
        return torch.tensor(values, device=self.hidden.device)
