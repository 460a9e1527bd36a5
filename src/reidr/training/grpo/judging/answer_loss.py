"""The answer word as it should be: its exact gradient after sampled words, with the pictures or without them.

A reward that is taken exactly, P(right word | words), is paid to the words; the right word itself then needs no
sampling, since its probability can be differentiated. With the pictures away this is how the judge of a bottleneck
learns: from the very words that its speaker says now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reidr.reasoning.inference.reasoned_score import BLANK, after_words
from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.models.vision_language_model import VisionLanguageModel
from reidr.reasoning.prompting.answers import answer_step, answer_token_ids, end_token_ids
from reidr.reasoning.prompting.grammar import try_parse
from reidr.training.grpo.shared_prompts import (
    CompletionRows,
    encoded,
    group_prompts,
    hidden_of_packed_rows,
    hidden_of_whole_rows,
)
from reidr.training.memory.packing import can_be_packed, packed_hidden
from reidr.training.memory.vocabulary import token_log_probabilities

ROWS = 8
"""Rows behind one copy of the grey prompt: attention within a packed row grows with the square of its length."""


@dataclass(frozen=True)
class Answered:
    """R rows of token ids, padded on the right, of which each ends in the right answer word; empty where a completion
    cannot be read.

    Attributes:
        ids, mask: (R, length).
    """

    ids: Tensor
    mask: Tensor

    @property
    def readable(self) -> Tensor:
        """(R,) which rows are not empty."""
        return self.mask.any(dim=1)


def answered(rows: Sequence[Sequence[int]]) -> Answered:
    """Rows of token ids as padded tensors."""
    longest = max(1, *map(len, rows)) if rows else 1
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = torch.tensor(list(row), dtype=torch.long), 1
    return Answered(ids, mask)


def answer_places(model: VisionLanguageModel, completions: Sequence[Completion]) -> list[int | None]:
    """Which token of each completion is the answer word; None where it cannot be read."""
    tokenizer = model.processor.tokenizer
    ends = end_token_ids(model.model, tokenizer)

    def place(one: Completion) -> int | None:
        if one.answer_logits is None:
            return None
        return answer_step(tokenizer, [*(one.ids[:-1] if one.ids[-1] in ends else one.ids)])

    return [place(one) for one in completions]


def after_pictures(model: VisionLanguageModel, completions: Sequence[Completion], labels: Sequence[bool]) -> Answered:
    """Each completion up to its answer, then the right word; to be read behind the pair's own prompt."""
    yes, no, _ = answer_token_ids(model.processor.tokenizer)
    places = answer_places(model, completions)
    return answered(
        [
            [] if place is None else [*one.ids[:place], yes if same else no]
            for one, place, same in zip(completions, places, labels, strict=True)
        ]
    )


def after_words_alone(
    model: VisionLanguageModel, completions: Sequence[Completion], labels: Sequence[bool]
) -> Answered:
    """The reasoning of each completion, then the right word; to be read behind two grey pictures."""
    tokenizer = model.processor.tokenizer
    yes, no, _ = answer_token_ids(tokenizer)
    parsed = [try_parse(one.text) for one in completions]
    return answered(
        [
            []
            if each is None
            else [*tokenizer.encode(after_words(each.reasoning), add_special_tokens=False), yes if same else no]
            for each, same in zip(parsed, labels, strict=True)
        ]
    )


def with_pictures(model: VisionLanguageModel, rows: CompletionRows) -> Tensor:
    """Sum of the negative log-probabilities of the last token of each row that is not empty, with gradients."""
    kept, mask, counts = _some(rows.mask)
    some = CompletionRows(rows.groups[kept.to(rows.groups.device)], rows.prompts, rows.ids[kept], mask)
    hidden = (hidden_of_packed_rows if can_be_packed(model) else hidden_of_whole_rows)(model, some)
    return counts * _last_words(model, hidden, some.ids, some.mask)


def with_words_alone(model: VisionLanguageModel, ids: Tensor, mask: Tensor) -> Tensor:
    """As `with_pictures`, for rows (R, length) behind the thinking prompt about two grey pictures."""
    kept, mask, counts = _some(mask)
    ids = ids[kept]
    (opening,) = group_prompts(model, [(BLANK, BLANK)])
    if can_be_packed(model):
        (prompt,) = encoded(model, [opening])
        source = [row // ROWS for row in range(len(ids))]
        hidden = packed_hidden(model, [prompt] * (source[-1] + 1), source, ids, mask)
    else:
        groups = torch.zeros(len(ids), dtype=torch.long)
        hidden = hidden_of_whole_rows(model, CompletionRows(groups, {0: opening}, ids, mask))
    return counts * _last_words(model, hidden, ids, mask)


def _some(mask: Tensor) -> tuple[Tensor, Tensor, float]:
    """Which rows, (R,), are not empty, their masks, and 1; of none that is not, the first token of one row, and 0.

    Several processes that share the weights of a model must all run it, also one that has nothing to learn.
    """
    kept = mask.any(dim=1)
    if bool(kept.any()):
        return kept, mask[kept], 1.0
    kept[0] = True
    first = torch.zeros_like(mask[:1])
    first[0, 0] = 1
    return kept, first, 0.0


def _last_words(model: VisionLanguageModel, hidden: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """The sum over rows, from what predicts each token, (R, length, size)."""
    rows, last = torch.arange(len(ids), device=ids.device), mask.sum(dim=1) - 1
    head = model.model.get_output_embeddings()
    chosen, _ = token_log_probabilities(head, hidden[rows, last], ids[rows, last], 1.0)
    return -chosen.sum()
