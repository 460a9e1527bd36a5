"""Rollouts by the model itself: the completions of the common sampler, in groups of any size."""

from __future__ import annotations

import pytest
from tiny_reasoners import TINY, lively

from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import sample_completions
from reidr.reasoning.models.architectures import adapt
from reidr.training.grpo.rollouts.local import LocalRollouts


@pytest.mark.parametrize("architecture", ["qwen3_vl", "nano"])
def test_they_are_the_common_samplers(architecture: str) -> None:
    model, processor = lively(architecture)
    pairs = TINY.noise_pairs(3)
    expected = sample_completions(adapt(model, processor), pairs, 2, Thinking(8, 1.0, seed=5))
    assert LocalRollouts(model, processor).sample(pairs, [2, 2, 2], max_new_tokens=8, seed=5) == expected
    groups = LocalRollouts(model, processor, temperature=0.5).sample(pairs, [3, 1, 2], max_new_tokens=8, seed=5)
    assert [len(group) for group in groups] == [3, 1, 2]
    # Temperature 0 gives every copy the same, most likely completion.
    (group,) = LocalRollouts(model, processor, temperature=0.0).sample(pairs[:1], [2], max_new_tokens=8, seed=5)
    assert group[0].ids == group[1].ids
