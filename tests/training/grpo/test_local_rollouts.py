"""Rollouts by the model itself: by the common sampler, in groups of any size, whatever stands in the batch beside."""

from __future__ import annotations

import pytest
import torch
from tiny_reasoners import TINY, lively

from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import choose, sample_completions
from reidr.reasoning.models.architectures import adapt
from reidr.training.grpo.rollouts.local import LocalRollouts


def test_tokens_are_chosen_as_often_as_they_are_likely() -> None:
    probabilities = torch.tensor([[0.5, 0.0, 0.2, 0.3]]).expand(4000, -1)
    chosen = choose(probabilities, (torch.arange(4000) + 0.5) / 4000)
    assert torch.bincount(chosen[:, 0], minlength=4).tolist() == [2000, 0, 800, 1200]
    # Neither end of the noise chooses what has no probability.
    edges = torch.tensor([[0.0, 0.4, 0.6, 0.0]]).expand(2, -1)
    assert choose(edges, torch.tensor([0.0, 1 - 1e-7]))[:, 0].tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="probability tensor contains"):
        choose(torch.tensor([[float("nan"), 1.0]]), torch.tensor([0.5]))


@pytest.mark.parametrize("architecture", ["qwen3_vl", "nano"])
def test_what_is_written_about_a_pair_does_not_depend_on_the_pairs_beside_it(architecture: str) -> None:
    model, processor = lively(architecture)
    pairs = TINY.noise_pairs(3)
    source = LocalRollouts(model, processor)
    together = source.sample(pairs, [2, 2, 2], max_new_tokens=8, seed=5)
    apart = source.sample(pairs[:1], [2], max_new_tokens=8, seed=5) + source.sample(
        pairs[1:], [2, 2], max_new_tokens=8, seed=6
    )
    assert [[each.ids for each in group] for group in together] == [[each.ids for each in group] for group in apart]
    assert len({each.ids for group in together for each in group}) == 6
    # What the common sampler gives for the same tokens: probabilities and text.
    greedy = LocalRollouts(model, processor, temperature=0.0).sample(pairs, [1, 1, 1], max_new_tokens=8, seed=5)
    assert greedy == sample_completions(adapt(model, processor), pairs, 1, Thinking(8, 0.0, seed=5))
    groups = LocalRollouts(model, processor, temperature=0.5).sample(pairs, [3, 1, 2], max_new_tokens=8, seed=5)
    assert [len(group) for group in groups] == [3, 1, 2]
    # Temperature 0 gives every copy the same, most likely completion.
    (group,) = LocalRollouts(model, processor, temperature=0.0).sample(pairs[:1], [2], max_new_tokens=8, seed=5)
    assert group[0].ids == group[1].ids
