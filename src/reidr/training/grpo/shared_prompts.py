"""Log-probabilities of completions, with the prompt of a group run through the model once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class CompletionRows:
    """R completions with their prompts, as the forward pass takes them.

    Attributes:
        groups: (R,) rows of equal number have the same prompt and pictures. input_ids, attention_mask, types: (R, P +
            `length`), prompts padded on the left, completions on the right. grids: (R, 2, 3) of the two pictures.
            patches: the patches of each row's pictures. length: tokens of the longest completion.
    """

    groups: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    types: Tensor
    grids: Tensor
    patches: Sequence[Tensor]
    length: int

    def part(self, start: int, size: int) -> CompletionRows:
        """Rows `start` to `start + size`."""
        rows = slice(start, start + size)
        return CompletionRows(
            self.groups[rows],
            self.input_ids[rows],
            self.attention_mask[rows],
            self.types[rows],
            self.grids[rows],
            self.patches[rows],
            self.length,
        )


def shared_log_probabilities(model: Any, rows: CompletionRows, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of each completion token, (R, `rows.length`) each; prompts are run once per group.

    Equal to a pass over whole rows, gradients included (tested): the key-value cache of a prompt is part of the graph.
    """
    _, source = torch.unique(rows.groups, return_inverse=True)
    first = torch.stack([(source == group).nonzero()[0, 0] for group in range(int(source.max()) + 1)])
    source = source.to(rows.input_ids.device)
    prompt = rows.input_ids.shape[1] - rows.length
    prompts = model.model(
        input_ids=rows.input_ids[first, :prompt],
        attention_mask=rows.attention_mask[first, :prompt],
        mm_token_type_ids=rows.types[first, :prompt],
        pixel_values=torch.cat([rows.patches[row] for row in first.tolist()]),
        image_grid_thw=rows.grids[first].flatten(0, 1),
        use_cache=True,
    )
    cache = prompts.past_key_values
    cache.batch_select_indices(source)
    start = rows.attention_mask[:, :prompt].sum(dim=1) + model.model.rope_deltas[source, 0]
    model.model.rope_deltas = None
    positions = start[:, None] + torch.arange(rows.length, device=start.device)
    # The last token predicts nothing that is kept.
    completions = model.model(
        input_ids=rows.input_ids[:, prompt:-1],
        attention_mask=rows.attention_mask[:, :-1],
        position_ids=positions[:, :-1].expand(3, -1, -1),
        past_key_values=cache,
        use_cache=True,
    )
    hidden = torch.cat([prompts.last_hidden_state[source, -1:], completions.last_hidden_state], dim=1)
    scores = (model.get_output_embeddings()(hidden).float() / temperature).log_softmax(dim=-1)
    chosen = scores.gather(2, rows.input_ids[:, prompt:, None])[:, :, 0]
    with torch.no_grad():
        entropies = -(scores.exp() * scores).sum(dim=-1)
    return chosen, entropies
