"""A prompt and its completions in one row: who attends to whom, at which positions, and what predicts which token."""

from __future__ import annotations

import torch

from reidr.reasoning.inference.prefix_cache import Prompt
from reidr.training.memory.packing import attention_mask, pack

PAD = 0
PROMPTS = [
    Prompt(torch.tensor([1, 2, 3]), torch.tensor([[0, 1, 5]] * 3), ()),  # a picture moves the positions on
    Prompt(torch.tensor([4, 5]), torch.tensor([[0, 1]] * 3), ()),
]
IDS = torch.tensor([[11, 12, 13], [21, 22, PAD], [31, PAD, PAD], [41, 42, 43]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]])
SOURCE = [0, 1, 0, 0]


def test_rows_hold_a_prompt_and_all_but_the_last_tokens_of_its_completions() -> None:
    packed = pack(PROMPTS, SOURCE, IDS, MASK, PAD)
    assert packed.batch.ids.tolist() == [[1, 2, 3, 11, 12, 41, 42], [4, 5, 21, PAD, PAD, PAD, PAD]]
    # The completion of one token takes no place: the prompt predicts it.
    assert packed.segments.tolist() == [[0, 0, 0, 1, 1, 3, 3], [0, 0, 1, -1, -1, -1, -1]]
    assert packed.batch.positions[1].tolist() == [[0, 1, 5, 6, 7, 6, 7], [0, 1, 2, 0, 0, 0, 0]]
    tokens = packed.batch.ids.flatten()[packed.places]
    before = torch.tensor([[3, 11, 12], [5, 21, 1], [3, 1, 1], [3, 41, 42]])
    assert torch.equal(tokens * MASK, before * MASK)


def test_a_token_attends_to_its_prompt_and_its_own_completion() -> None:
    segments = pack(PROMPTS, SOURCE, IDS, MASK, PAD).segments
    allowed = attention_mask(segments, "sdpa", torch.float32)
    assert allowed.shape == (2, 1, 7, 7)
    for row in range(2):
        for one in range(7):
            for other in range(7):
                own = segments[row, other] in (0, segments[row, one])
                assert bool(allowed[row, 0, one, other]) is bool(own and other <= one)
    assert allowed.any(dim=-1).all(), "a row without any would be no number"
    added = attention_mask(segments, "eager", torch.bfloat16)
    assert torch.equal(added == 0, allowed)
    assert added.dtype == torch.bfloat16
    assert added.isfinite().all()
