"""Log-probabilities of completions, with the prompt of a group run through the model once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reidr.reasoning.inference.prefix_cache import Prompt, pad_left
from reidr.reasoning.models.vision_language_model import PixelInput, TokenBatch, VisionLanguageModel
from reidr.reasoning.prompting.prompt import Images, render
from reidr.training.memory.packing import can_be_packed, packed_hidden
from reidr.training.memory.vocabulary import token_log_probabilities


@dataclass(frozen=True, eq=False)
class GroupPrompt:
    """The prompt of a group of completions: token ids (length,), positions (axes, length), its pictures' pixels."""

    ids: Tensor
    positions: Tensor
    pixels: tuple[PixelInput, ...]


def group_prompts(model: VisionLanguageModel, pairs: Sequence[Images]) -> list[GroupPrompt]:
    """The thinking prompts about these pairs of opened pictures, laid out by the architecture; nothing is encoded."""
    ids = model.processor.tokenizer.encode(render(model.processor, "think"), add_special_tokens=False)
    pixels = model.read_pixels([model.prepare(image) for pair in pairs for image in pair])
    prompts = []
    for first, second in zip(pixels[::2], pixels[1::2], strict=True):
        written, positions = model.lay_out(ids, [first.shape, second.shape])
        prompts.append(GroupPrompt(torch.tensor(written), positions, (first, second)))
    return prompts


@dataclass(frozen=True)
class CompletionRows:
    """R completions, as the forward pass takes them.

    Attributes:
        groups: (R,) rows of equal number continue one prompt, `prompts` says which. ids, mask: (R, `length`), padded on
            the right. length: tokens of the longest completion.
    """

    groups: Tensor
    prompts: Mapping[int, GroupPrompt]
    ids: Tensor
    mask: Tensor

    @property
    def length(self) -> int:
        """Tokens of the longest completion."""
        return self.ids.shape[1]

    def part(self, start: int, size: int) -> CompletionRows:
        """Rows `start` to `start + size`."""
        rows = slice(start, start + size)
        return CompletionRows(self.groups[rows], self.prompts, self.ids[rows], self.mask[rows])


def shared_log_probabilities(
    model: VisionLanguageModel, rows: CompletionRows, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of each completion token, (R, `rows.length`) each, 0 behind a completion's end.

    Equal to a pass over whole rows, gradients included (tested). Prompts are run once per group (`memory.packing`)
    wherever attention takes any mask; the logits exist for some tokens at a time (`memory.vocabulary`).
    """
    hidden = (hidden_of_packed_rows if can_be_packed(model) else hidden_of_whole_rows)(model, rows)
    written = rows.mask.bool()
    head = model.model.get_output_embeddings()
    found = token_log_probabilities(head, hidden[written], rows.ids[written], temperature)
    chosen, entropies = (each.new_zeros(written.shape).masked_scatter(written, each) for each in found)
    return chosen, entropies


def hidden_of_packed_rows(model: VisionLanguageModel, rows: CompletionRows) -> Tensor:
    """What predicts each completion token, (R, `rows.length`, size), from prompts that are run once per group."""
    numbers, source = torch.unique(rows.groups, return_inverse=True)
    prompts = encoded(model, [rows.prompts[number] for number in numbers.tolist()])
    return packed_hidden(model, prompts, source.tolist(), rows.ids, rows.mask)


def hidden_of_whole_rows(model: VisionLanguageModel, rows: CompletionRows) -> Tensor:
    """As `hidden_of_packed_rows`, with the prompt run for every row; its pictures are still encoded once per group."""
    numbers = torch.unique(rows.groups).tolist()
    prompts = dict(zip(numbers, encoded(model, [rows.prompts[number] for number in numbers]), strict=True))
    own = [prompts[number] for number in rows.groups.tolist()]
    whole = [prompt.followed_by(ids.tolist()) for prompt, ids in zip(own, rows.ids.cpu(), strict=True)]
    batch = pad_left(model, whole)
    mask = batch.mask.clone()
    mask[:, -rows.length :] = rows.mask
    crops = [crop for prompt in own for crop in prompt.crops]
    output = model.model.model(**model.inputs(TokenBatch(batch.ids, mask, batch.positions), crops), use_cache=False)
    hidden: Tensor = output.last_hidden_state[:, -rows.length - 1 : -1]
    return hidden


@torch.no_grad()
def encoded(model: VisionLanguageModel, prompts: Sequence[GroupPrompt]) -> list[Prompt]:
    """The prompts with their pictures encoded; the vision encoder is frozen in reinforcement learning."""
    crops = iter(model.encode([pixels for prompt in prompts for pixels in prompt.pixels]))
    return [Prompt(one.ids, one.positions, tuple(next(crops) for _ in one.pixels)) for one in prompts]
