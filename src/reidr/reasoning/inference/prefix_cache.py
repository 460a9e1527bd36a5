"""Prompts about two pictures, computed without doing anything twice.

A prompt reads text, picture A, text, picture B, question. What stands before picture B depends on A alone, so its
key-value cache is filled once and continued for every B; each distinct picture passes the vision encoder once
(`reidr.reasoning.inference.vision_cache`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reidr.reasoning.models.vision_language_model import EncodedCrop, Shape, TokenBatch, VisionLanguageModel
from reidr.reasoning.prompting.prompt import Task, render

LAYOUTS = 4096  # prompts kept laid out; crops of one data set need some hundred


@dataclass(frozen=True, eq=False)
class Prompt:
    """One prompt: token ids (length,), positions (axes, length), and the pictures in it."""

    ids: Tensor
    positions: Tensor
    crops: tuple[EncodedCrop, ...]

    def followed_by(self, ids: Sequence[int]) -> Prompt:
        """The prompt with these tokens of text behind it."""
        start = int(self.positions.max()) + 1
        more = torch.arange(start, start + len(ids)).expand(len(self.positions), -1)
        tokens = torch.cat([self.ids, torch.tensor(list(ids), dtype=self.ids.dtype)])
        return Prompt(tokens, torch.cat([self.positions, more], dim=1), self.crops)


@dataclass(frozen=True, eq=False)
class PairPrompt(Prompt):
    """A prompt about two pictures; the second one's image tokens begin at `split`."""

    split: int

    @property
    def first_part(self) -> Prompt:
        """What does not depend on the second picture."""
        return Prompt(self.ids[: self.split], self.positions[:, : self.split], self.crops[:1])

    @property
    def second_part(self) -> Prompt:
        """The rest."""
        return Prompt(self.ids[self.split :], self.positions[:, self.split :], self.crops[1:])


@dataclass(eq=False)
class Filled:
    """The model after R prompts.

    Attributes:
        logits: of the next token, (R, V). cache: keys and values. mask: (R, T). position: of the next token, (R,).
    """

    logits: Tensor
    cache: Any
    mask: Tensor
    position: Tensor


def pad_left(model: VisionLanguageModel, rows: Sequence[Prompt]) -> TokenBatch:
    """One batch of these prompts, padded on the left, on the model's device."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), model.processor.tokenizer.pad_token_id)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    positions = torch.zeros(model.axes, len(rows), longest, dtype=torch.long)
    for row, prompt in enumerate(rows):
        start = longest - len(prompt.ids)
        ids[row, start:], mask[row, start:], positions[:, row, start:] = prompt.ids, 1, prompt.positions
    device = model.model.device
    return TokenBatch(ids.to(device), mask.to(device), positions.to(device))


def next_positions(model: VisionLanguageModel, rows: Sequence[Prompt]) -> Tensor:
    """The position of each row's next token, (R,)."""
    return torch.stack([row.positions.max() + 1 for row in rows]).to(model.model.device)


def fill(model: VisionLanguageModel, rows: Sequence[Prompt], *, keep: bool = True) -> Filled:
    """One pass over whole prompts; `keep`: their key-value cache is wanted."""
    batch = pad_left(model, rows)
    logits, cache = model.forward(batch, [crop for row in rows for crop in row.crops], keep=keep)
    return Filled(logits, cache, batch.mask, next_positions(model, rows))


def fill_shared(model: VisionLanguageModel, rows: Sequence[PairPrompt]) -> Filled:
    """As `fill`, in two passes: once for each distinct first picture, then each row's rest behind copies of that."""
    places: dict[int, int] = {}
    source = [places.setdefault(id(row.crops[0]), len(places)) for row in rows]
    heads = [rows[source.index(place)].first_part for place in range(len(places))]
    begun = fill(model, heads)
    index = torch.tensor(source, device=begun.mask.device)
    begun.cache.reorder_cache(index)
    rest = pad_left(model, [row.second_part for row in rows])
    mask = torch.cat([begun.mask[index], rest.mask], dim=1)
    crops = [crop for row in rows for crop in row.crops[1:]]
    logits, cache = model.forward(TokenBatch(rest.ids, mask, rest.positions), crops, begun.cache)
    return Filled(logits, cache, mask, next_positions(model, rows))


class PairPrompts:
    """The prompts of one task for one model; layouts are kept by the shapes of the two pictures."""

    def __init__(self, model: VisionLanguageModel, task: Task) -> None:
        processor = model.processor
        self.model, self.image_token = model, processor.image_token_id
        self._ids = processor.tokenizer.encode(render(processor, task), add_special_tokens=False)
        self._layouts: dict[tuple[Shape, Shape], tuple[Tensor, Tensor, int]] = {}

    def prompt(self, first: EncodedCrop, second: EncodedCrop) -> PairPrompt:
        """The prompt about two pictures."""
        shapes = (first.shape, second.shape)
        if shapes not in self._layouts:
            ids, positions = self.model.lay_out(self._ids, shapes)
            tensor = torch.tensor(ids)
            split = int((tensor == self.image_token).nonzero()[-1]) + 1 - len(second.layers[0])
            if len(self._layouts) == LAYOUTS:
                self._layouts.clear()
            self._layouts[shapes] = tensor, positions, split
        ids_, positions, split = self._layouts[shapes]
        return PairPrompt(ids_, positions, (first, second), split)


def crop_prompt(model: VisionLanguageModel, text: str, crop: EncodedCrop) -> Prompt:
    """The prompt `text` (`prompting.prompt.render_crop`) about one picture."""
    ids = model.processor.tokenizer.encode(text, add_special_tokens=False)
    written, positions = model.lay_out(ids, [crop.shape])
    return Prompt(torch.tensor(written), positions, (crop,))
