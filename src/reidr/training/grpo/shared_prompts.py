"""Log-probabilities of completions, with the prompt of a group run through the model once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reidr.reasoning.inference.prefix_cache import Prompt, next_positions, pad_left
from reidr.reasoning.models.vision_language_model import PixelInput, TokenBatch, VisionLanguageModel
from reidr.reasoning.prompting.prompt import Images, render


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
    """Log-probability and entropy of each completion token, (R, `rows.length`) each; prompts are run once per group.

    Equal to a pass over whole rows, gradients included (tested): the key-value cache of a prompt is part of the graph.
    An architecture whose cache carries no gradients (`continues_with_gradients`) does pass over whole rows.
    """
    hidden = (hidden_after_prompts if model.continues_with_gradients else hidden_of_whole_rows)(model, rows)
    scores = (model.model.get_output_embeddings()(hidden).float() / temperature).log_softmax(dim=-1)
    chosen = scores.gather(2, rows.ids[:, :, None])[:, :, 0]
    with torch.no_grad():
        entropies = -(scores.exp() * scores).sum(dim=-1)
    return chosen, entropies


def hidden_after_prompts(model: VisionLanguageModel, rows: CompletionRows) -> Tensor:
    """What predicts each completion token, (R, `rows.length`, values), from prompts that are run once per group."""
    numbers, source = torch.unique(rows.groups, return_inverse=True)
    source = source.to(rows.ids.device)
    prompts = encoded(model, [rows.prompts[number] for number in numbers.tolist()])
    batch = pad_left(model, prompts)
    crops = [crop for prompt in prompts for crop in prompt.crops]
    begun = model.model.model(**model.inputs(batch, crops), use_cache=True)
    cache = begun.past_key_values
    cache.batch_select_indices(source)
    positions = next_positions(model, prompts)[source][:, None] + torch.arange(rows.length, device=source.device)
    mask = torch.cat([batch.mask[source], rows.mask], dim=1)
    # The last token predicts nothing that is kept.
    rest = TokenBatch(rows.ids[:, :-1], mask[:, :-1], positions[:, :-1].expand(model.axes, -1, -1))
    more = model.model.model(**model.inputs(rest, ()), past_key_values=cache, use_cache=True)
    return torch.cat([begun.last_hidden_state[source, -1:], more.last_hidden_state], dim=1)


def hidden_of_whole_rows(model: VisionLanguageModel, rows: CompletionRows) -> Tensor:
    """As `hidden_after_prompts`, with the prompt run for every row; its pictures are still encoded once per group."""
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
