"""Shared-prompt rollouts against the plain ways: transformers' generate, and a teacher-forced forward pass."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from plain_generation import generate_greedily
from small_nano import build_small_nano

from reidr.errors import ReIDError
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import sample_completions
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair


def teacher_forced(reasoner: Any, pair: Pair, ids: tuple[int, ...], temperature: float) -> list[float]:
    """Log-probabilities of `ids` after the pair's prompt: one row, no padding, no cache, pictures encoded as usual."""
    batch = encode_pairs(reasoner.processor, [pair], "think", pixels=reasoner.pixels)
    length = batch["input_ids"].shape[1]
    for name, value in (("input_ids", torch.tensor([ids])), ("attention_mask", torch.ones(1, len(ids)).long()),
                        ("mm_token_type_ids", torch.zeros(1, len(ids)).int())):  # fmt: skip
        batch[name] = torch.cat([batch[name], value.to(batch[name].dtype)], dim=1)
    with torch.no_grad():
        logits = reasoner.model(**batch, use_cache=False).logits[0, length - 1 : -1].double() / temperature
    return logits.log_softmax(dim=-1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


def test_greedy_rollouts_are_what_generate_writes(reasoner: Any, pairs: list[Pair]) -> None:
    expected = generate_greedily(reasoner, pairs, 24)
    rollouts = sample_completions(reasoner.adapter, pairs, 2, Thinking(24), batch_size=4)
    assert [list(group[0].ids) for group in rollouts] == expected
    assert all(group[0] == group[1] for group in rollouts)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_those_of_a_teacher_forced_pass(
    reasoner: Any, pairs: list[Pair], temperature: float
) -> None:
    rollouts = sample_completions(reasoner.adapter, pairs[:4], 3, Thinking(12, temperature, seed=3))
    for pair, group in zip(pairs, rollouts, strict=False):
        for completion in group:
            expected = teacher_forced(reasoner, pair, completion.ids, temperature)
            np.testing.assert_allclose(completion.log_probabilities, expected, atol=2e-4)


def test_nano_rolls_out_like_any_other(pairs: list[Pair]) -> None:
    from reidr.reasoning.backends.reference import Reasoner

    nano = Reasoner(*build_small_nano())
    expected = generate_greedily(nano, pairs, 16)
    greedy = sample_completions(nano.adapter, pairs, 1, Thinking(16), batch_size=4)
    assert [list(group[0].ids) for group in greedy] == expected
    sampled = sample_completions(nano.adapter, pairs, 2, Thinking(16, temperature=1.0), batch_size=4)
    for pair, group in zip(pairs, sampled, strict=True):
        for completion in group:
            forced = teacher_forced(nano, pair, completion.ids, 1.0)
            np.testing.assert_allclose(completion.log_probabilities, forced, atol=2e-4)


def test_first_tokens_are_drawn_from_the_models_distribution(reasoner: Any, pairs: list[Pair]) -> None:
    draws = 2000
    group = sample_completions(reasoner.adapter, pairs[:1], draws, Thinking(1, temperature=1.0, seed=1))[0]
    counts = Counter(completion.ids[0] for completion in group)
    likely = [token for token, _ in counts.most_common(8)]
    for token in likely:
        probability = math.exp(teacher_forced(reasoner, pairs[0], (token,), 1.0)[0])
        # Five standard deviations of a binomial share.
        assert abs(counts[token] / draws - probability) < 5 * math.sqrt(probability * (1 - probability) / draws) + 1e-3


def test_rows_that_end_early_leave_and_the_rest_goes_on_unchanged(taught: Any, lessons: list[Pair]) -> None:
    """Heated, a taught model ends its texts at different lengths, so rows do leave the batch."""
    rollouts = sample_completions(taught.adapter, lessons, 6, Thinking(40, temperature=1.6, seed=5))
    lengths = {len(completion.ids) for group in rollouts for completion in group}
    assert len(lengths) > 4
    for pair, group in zip(lessons, rollouts, strict=True):
        for completion in group:
            expected = teacher_forced(taught, pair, completion.ids, 1.6)
            np.testing.assert_allclose(completion.log_probabilities, expected, atol=2e-4)
            assert completion.ended == (completion.ids[-1] == taught.processor.tokenizer.eos_token_id)
            assert completion.ended or len(completion.ids) == 40


def test_the_answer_is_read_where_it_is_written(taught: Any, lessons: list[Pair]) -> None:
    rollouts = sample_completions(taught.adapter, lessons, 1, Thinking(60))
    verdicts = taught.think(lessons, Thinking(max_new_tokens=60))
    for pair, group, verdict in zip(lessons, rollouts, verdicts, strict=True):
        assert group[0].probability == pytest.approx(verdict.probability, abs=1e-5)
        assert (group[0].probability > 0.5) == pair.label
        assert group[0].answer_logits is not None
        assert group[0].probability == pytest.approx(yes_probability(np.array([[group[0].answer_logits]]))[0])


def test_an_unparsable_completion_has_no_probability(reasoner: Any, pairs: list[Pair]) -> None:
    group = sample_completions(reasoner.adapter, pairs[:1], 2, Thinking(5, temperature=1.0))[0]
    assert all(completion.probability is None and completion.answer_logits is None for completion in group)


def test_the_seed_decides_and_the_mode_is_handed_back(taught: Any, lessons: list[Pair]) -> None:
    def draw(seed: int) -> list[Any]:
        return sample_completions(taught.adapter, lessons, 4, Thinking(20, temperature=1.6, seed=seed))

    state = torch.get_rng_state()
    taught.model.train()
    try:
        first, second, other = draw(1), draw(1), draw(2)
        assert taught.model.training
    finally:
        taught.model.eval()
    assert first == second != other
    assert torch.equal(state, torch.get_rng_state())


def test_lora_takes_part(taught: Any, lessons: list[Pair]) -> None:
    peft = pytest.importorskip("peft")
    import copy

    settings = peft.LoraConfig(r=2, target_modules=r".*language_model.*\.(q|v)_proj")
    model = peft.get_peft_model(copy.deepcopy(taught.model), settings)
    before = sample_completions(adapt(model, taught.processor), lessons, 1, Thinking(12))
    plain = sample_completions(taught.adapter, lessons, 1, Thinking(12))
    for (one,), (other,) in zip(before, plain, strict=True):
        # Adapters that add nothing may still change how sums are rounded.
        assert (one.ids, one.text, one.ended) == (other.ids, other.text, other.ended)
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.5)
    after = sample_completions(adapt(model, taught.processor), lessons, 1, Thinking(12))
    assert [one.ids for (one,) in before] != [one.ids for (one,) in after]


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1, "batch_size": 0}])
def test_settings_out_of_range_are_refused(taught: Any, lessons: list[Pair], wrong: dict[str, Any]) -> None:
    with pytest.raises(ReIDError, match="at least"):
        sample_completions(taught.adapter, lessons, settings=Thinking(), **wrong)
