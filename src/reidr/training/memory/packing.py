"""A prompt and all its completions as one row: the prompt passes the model once, and every gradient is exact.

A completion attends to the prompt and to itself, never to another completion, and its positions go on from the
prompt's end: each token computes what it would in a row of its own. Unlike a key-value cache that is continued, one row
needs one forward pass, which layers can recompute and wrappers around the model can see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reidr.reasoning.inference.prefix_cache import Prompt
from reidr.reasoning.models.vision_language_model import TokenBatch, VisionLanguageModel

MATRIX_ATTENTION = ("sdpa", "eager")
"""Kinds of attention that take any mask; flash-attn takes none but the causal one."""


@dataclass(frozen=True)
class Packed:
    """Rows of a prompt and its completions.

    Attributes:
        batch: G rows of up to T tokens. segments: (G, T) 0 for the prompt, 1, 2, … for its completions, -1 for padding.
        places: (R, L) which token of its row, of all rows one after the other, predicts each completion's token.
    """

    batch: TokenBatch
    segments: Tensor
    places: Tensor


def can_be_packed(model: VisionLanguageModel) -> bool:
    """Whether every layer of `model` is attention, of a kind that takes any mask."""
    kind = getattr(model.model.config, "_attn_implementation", None)
    return model.continues_with_gradients and kind in MATRIX_ATTENTION


def pack(prompts: Sequence[Prompt], source: Sequence[int], ids: Tensor, mask: Tensor, padding: int) -> Packed:
    """Lay completions out behind their prompts, on the CPU.

    Args:
        prompts: G of them. source: (R) which prompt each completion continues. ids, mask: (R, L) the completions,
            padded on the right.
    """
    lengths = mask.sum(dim=1).tolist()
    rows: list[list[Tensor]] = [[prompt.ids] for prompt in prompts]
    positions = [[prompt.positions] for prompt in prompts]
    segments = [[torch.zeros(len(prompt.ids), dtype=torch.long)] for prompt in prompts]
    starts: list[int] = []
    for number, (group, length) in enumerate(zip(source, lengths, strict=True)):
        # The last token predicts nothing that is kept.
        own = ids[number, : max(0, length - 1)]
        first = int(prompts[group].positions.max()) + 1
        starts.append(sum(map(len, rows[group])))
        rows[group].append(own)
        positions[group].append(torch.arange(first, first + len(own)).expand(len(prompts[group].positions), -1))
        segments[group].append(torch.full((len(own),), len(rows[group]) - 1))
    longest = max(sum(map(len, row)) for row in rows)
    batch = TokenBatch(
        torch.stack([padded(torch.cat(row), longest, padding) for row in rows]),
        torch.ones(len(rows), longest, dtype=torch.long),
        torch.stack([padded(torch.cat(own, dim=1), longest, 0) for own in positions], dim=1),
    )
    places = torch.zeros_like(ids)
    for number, (group, length) in enumerate(zip(source, lengths, strict=True)):
        if length:
            after = torch.arange(starts[number], starts[number] + length - 1)
            places[number, :length] = torch.cat([torch.tensor([len(prompts[group].ids) - 1]), after]) + group * longest
    return Packed(batch, torch.stack([padded(torch.cat(own), longest, -1) for own in segments]), places)


def padded(tensor: Tensor, length: int, value: int) -> Tensor:
    """`tensor` with its last dimension filled up to `length` with `value`."""
    return torch.nn.functional.pad(tensor, (0, length - tensor.shape[-1]), value=value)


def attention_mask(segments: Tensor, kind: str, dtype: torch.dtype) -> Tensor:
    """(G, 1, T, T) which token attends to which: boolean, or what is added to the scores for "eager" attention."""
    causal = torch.ones(segments.shape[1], segments.shape[1], dtype=torch.bool, device=segments.device).tril()
    own = segments[:, :, None] == segments[:, None, :]
    allowed = (causal & (own | (segments == 0)[:, None, :]))[:, None]
    if kind != "eager":
        return allowed
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, torch.finfo(dtype).min)


def packed_hidden(
    model: VisionLanguageModel, prompts: Sequence[Prompt], source: Sequence[int], ids: Tensor, mask: Tensor
) -> Tensor:
    """What predicts each completion token, (R, L, size); beyond a completion's end it means nothing.

    Args:
        as `pack`; the prompts with their pictures encoded.
    """
    device = ids.device
    packed = pack(prompts, source, ids.cpu(), mask.cpu(), model.processor.tokenizer.pad_token_id)
    kind = model.model.config._attn_implementation
    tokens = TokenBatch(
        packed.batch.ids.to(device),
        attention_mask(packed.segments.to(device), kind, model.model.dtype),
        packed.batch.positions.to(device),
    )
    crops = [crop for prompt in prompts for crop in prompt.crops]
    output: Any = model.model.model(**model.inputs(tokens, crops), use_cache=False)
    hidden: Tensor = output.last_hidden_state.flatten(0, 1)[packed.places.to(device)]
    return hidden
