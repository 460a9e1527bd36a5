"""Rewards that are taken exactly, the baseline without division, the judge's own loss, and the order of groups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outside_rewards import NONE_OF_THE_PACKAGE, alone
from tiny_reasoners import TINY, lively

from reidr.reasoning.inference.reasoned_score import BLANK, after_words
from reidr.reasoning.inference.sampling import Completion, pair_prompts
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.types import Pair
from reidr.training.grpo import shared_prompts
from reidr.training.grpo.build import build_trainer
from reidr.training.grpo.rewards.columns import Facts
from reidr.training.grpo.rewards.exact import exact_reward
from reidr.training.grpo.rewards.identity import identity_reward
from reidr.training.grpo.rewards.price import price_reward
from reidr.training.grpo.rewards.registry import RewardWeights
from reidr.training.grpo.rewards.total import total_rewards
from reidr.training.grpo.rewards.truth import truth_reward
from reidr.training.grpo.statistics import low_leverage, statistics
from reidr.training.recipes.grpo import ReinforcementRecipe

pytest.importorskip("trl")

SAID = ("hair differs.", "shoes agree.", "the bag differs.", "hair agrees; shoes agree.")
RECIPE = ReinforcementRecipe(
    rewards=RewardWeights(**NONE_OF_THE_PACKAGE | {"reasoned": 1.0}),
    advantage="leave-one-out", steps=4, pairs=2, num_generations=4, backward_rows=4, max_new_tokens=40,
    learning_rate=3e-3, warmup_steps=0, save_every=4,
)  # fmt: skip


def pairs_of(number: int) -> list[Pair]:
    noise = TINY.noise_pairs(number)
    return [Pair(pair.query, pair.candidate, None, place % 2 == 0) for place, pair in enumerate(noise)]


class Scripted:
    """A source of rollouts that can be read: a random model writes none."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor

    def sample(self, pairs: Sequence[Any], copies: Sequence[int], **_: Any) -> list[list[Completion]]:
        return [[self.completion(place) for place in range(number)] for number in copies]

    def completion(self, place: int) -> Completion:
        text = f"<think>{SAID[place % len(SAID)]}</think><answer>{('yes', 'no')[place % 2]}</answer>"
        end = self.processor.tokenizer.eos_token_id
        ids = (*self.processor.tokenizer.encode(text, add_special_tokens=False), end)
        return Completion(ids, (-1.0,) * len(ids), text, (0.1 * place, 0.0, -1.0), True)


def scripted_trainer(recipe: ReinforcementRecipe, folder: Path, kind: str = "nano") -> Any:
    trainer = build_trainer(recipe, pairs_of(4), *lively(kind), folder)
    trainer.source = Scripted(trainer.model, trainer.processor)
    return trainer


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("label", [True, False])
def test_the_exact_reward_is_the_mean_of_what_tossed_words_earn(label: bool) -> None:
    random = np.random.default_rng(0)
    for chance in (0.0, 0.2, 0.5, 0.9):
        tossed = random.random(20_000) < chance
        mean = np.mean([identity_reward("yes" if yes else "no", label) for yes in tossed])
        assert exact_reward(label, chance) == pytest.approx(mean, abs=0.03)


def test_each_exact_reward_reads_its_own_probability() -> None:
    text = "<think>Shoes agree.</think><answer>yes</answer>"
    weights = RewardWeights(**NONE_OF_THE_PACKAGE | {"likelihood": 1.0, "reasoned": 0.5})
    first, second = total_rewards(
        [text, text], [True, False], weights, probability=[0.9, 0.9], reasoned_probability=[0.6, None]
    )
    assert (first.parts["likelihood"], first.parts["reasoned"]) == (pytest.approx(0.8), pytest.approx(0.2))
    assert first.total == pytest.approx(0.8 + 0.1)
    assert (second.parts["likelihood"], second.parts["reasoned"]) == (pytest.approx(-0.8), None)
    assert (first.reasoned, second.reasoned) == (0.6, None)
    # Without a readable text both count as -1, whatever the probabilities.
    (broken,) = total_rewards(["yes"], [True], weights, probability=[0.9], reasoned_probability=[0.9])
    assert broken.total == -1.5


def test_every_claim_costs_the_same_and_nothing_is_dearer_than_breaking_the_grammar() -> None:
    claim = "The hair agrees: long black hair in both."
    others = ["The shoes differ: white sneakers in A, black boots in B.", "The bag cannot be seen in A."]
    prices = [price_reward(" ".join([claim, *others][:number])) for number in range(4)]
    assert np.diff(prices) == pytest.approx([-1 / 8] * 3)
    assert prices[0] == 0
    assert price_reward(" ".join([claim] * 30)) == -1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The lower clothing differs: blue trousers in A, black shorts in B.", 1 / 3),
        ("The lower clothing differs: probably blue trousers in A, black shorts in B.", 1 / 3),
        ("The lower clothing is very unlike: blue trousers in A, black shorts in B.", 1 / 3),
        ("The lower clothing is much alike: blue trousers in both.", -1.0),
        ("The lower clothing agrees: blue trousers in both.", -1.0),
        ("The hair agrees: long hair in both. The sleeves agree: long sleeves in both.", 2 / 3),
        ("The bag is somewhat unlike.", 0.0),  # nobody knows how alike bags look
    ],
)
def test_truth_knows_the_one_vocabulary(said: str, expected: float) -> None:
    a = {"lower colors": "blue", "lower garment": "trousers", "hair length": "long", "sleeves": "long"}
    b = {"lower colors": "black", "lower garment": "shorts", "hair length": "long", "sleeves": "long"}
    assert truth_reward(said, Facts(a, b, per_crop=False)) == pytest.approx(expected)


def test_the_baseline_is_the_mean_of_the_other_rollouts(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"rewards": alone("varied")})
    trainer = scripted_trainer(recipe, tmp_path)
    rows = [trainer.train_dataset[pair] for pair in range(2) for _ in range(4)]
    trainer.current_gradient_accumulation_steps = 2
    found = trainer._generate_and_score_completions(rows)["advantages"]
    rewards = np.array([line["reward"] for line in lines(tmp_path / "completions.jsonl")]).reshape(2, 4)
    assert rewards.std() > 0
    naive = [own[i] - np.mean([own[j] for j in range(4) if j != i]) for own in rewards for i in range(4)]
    np.testing.assert_allclose(found.numpy(), naive, atol=1e-6)


def test_a_prompt_is_encoded_in_one_pass_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pairs of four rollouts in passes of four: every pass holds one pair, whatever TRL draws."""
    encoded: list[int] = []
    own = shared_prompts.encoded

    def counting(model: Any, prompts: Sequence[Any]) -> Any:
        encoded.append(len(prompts))
        return own(model, prompts)

    monkeypatch.setattr(shared_prompts, "encoded", counting)
    trainer = scripted_trainer(RECIPE.model_copy(update={"rewards": alone("varied"), "steps": 2}), tmp_path)
    trainer.train()
    assert encoded == [1] * 4


@pytest.mark.parametrize("kind", ["nano", "qwen3_vl", "qwen3_5"])
def test_the_losses_of_the_right_word_are_those_of_whole_rows(kind: str, tmp_path: Path) -> None:
    """The reference: each row by itself, unpadded, through the model; `qwen3_5` cannot be packed."""
    from reidr.training.grpo.judging.answer_loss import (
        after_pictures,
        after_words_alone,
        with_pictures,
        with_words_alone,
    )

    model, processor = lively(kind)
    model.eval()
    adapter, pairs = adapt(model, processor), pairs_of(2)
    source = Scripted(model, processor)
    broken = Completion((5, 6), (-1.0, -1.0), "no tags", None, False)
    completions = [source.completion(0), source.completion(1), broken, source.completion(3)]
    labels, tokenizer = [True, False, True, False], processor.tokenizer
    groups = torch.tensor([0, 0, 1, 1])
    prompts = dict(
        enumerate(shared_prompts.group_prompts(adapter, [(p.query.open(), p.candidate.open()) for p in pairs]))
    )

    def naive(opening: Any, words: str, label: bool) -> torch.Tensor:
        row = opening.followed_by(tokenizer.encode(words, add_special_tokens=False))
        batch = shared_prompts.pad_left(adapter, [row])
        logits = model(**adapter.inputs(batch, list(row.crops)), use_cache=False).logits[0, -1]
        right = tokenizer.encode(f"<answer>{'yes' if label else 'no'}", add_special_tokens=False)[-1]
        return -logits.float().log_softmax(0)[right]

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        model.zero_grad()
        loss.backward()
        return [each.grad.clone() for each in model.parameters() if each.grad is not None]

    said = [one.text.split("<think>")[1].split("</think>")[0] for one in completions if one.answer_logits]
    readable = [place for place, one in enumerate(completions) if one.answer_logits is not None]
    own = after_pictures(adapter, completions, labels)
    assert own.readable.tolist() == [True, True, False, True]
    for part in ("pictures", "words"):
        images = [(BLANK, BLANK)] * 2 if part == "words" else [(p.query.open(), p.candidate.open()) for p in pairs]
        openings = pair_prompts(adapter, images, "think")
        expected = sum(
            naive(openings[int(groups[place])], after_words(words), labels[place])
            for place, words in zip(readable, said, strict=True)
        )
        wanted = gradients(expected)
        if part == "words":
            judged = after_words_alone(adapter, completions, labels)
            found = with_words_alone(adapter, judged.ids, judged.mask)
        else:
            rows = shared_prompts.CompletionRows(groups, prompts, own.ids, own.mask)
            found = with_pictures(adapter, rows)
        assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
        learnt = gradients(found)
        biggest = max(float(each.abs().max()) for each in wanted)
        assert len(learnt) > 5
        total = sum(float(each.norm()) ** 2 for each in learnt) ** 0.5
        assert total == pytest.approx(sum(float(each.norm()) ** 2 for each in wanted) ** 0.5, rel=1e-2), biggest
    nothing = after_words_alone(adapter, [broken], [True])
    assert float(with_words_alone(adapter, nothing.ids, nothing.mask).detach()) == 0


def test_a_bottleneck_learns_to_judge_and_tells_its_leverage(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"judge_loss": 1.0, "answer_loss": 0.5, "beta": 0.01, "steps": 3})
    trainer = scripted_trainer(recipe, tmp_path)
    batch = trainer.train_dataset[0]
    assert set(batch) >= {"prompt", "pair"}
    trainer.train()
    log = [line for line in lines(tmp_path / "log.jsonl") if "reward" in line]
    assert log[-1]["judge_loss"] < log[0]["judge_loss"]
    assert all(line["answer_loss"] > 0 and line["kl"] >= 0 for line in log)
    assert log[-1]["kl"] > 0
    rollouts = lines(tmp_path / "completions.jsonl")
    assert all(row["reward"] == pytest.approx(exact_reward(row["label"], row["reasoned"])) for row in rollouts)
    # The judge is the model that learns: the same words are read anew.
    first, last = (
        {row["text"]: row["reasoned"] for row in rollouts if row["step"] == step} for step in (1, recipe.steps)
    )
    assert all(first[text] != last[text] for text in first)
    own = [row for row in rollouts if row["step"] == 1]
    by_pair = [[row["reasoned"] for row in own if row["pair"] == pair] for pair in (0, 1)]
    words = sum(np.var(each, ddof=1) for each in by_pair)
    toss = sum(np.mean([p * (1 - p) for p in each]) for each in by_pair)
    assert log[0]["leverage"] == pytest.approx(words / (words + toss), rel=1e-3)


def test_a_frozen_judge_reads_the_same_words_alike_for_ever(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"judge": "frozen", "steps": 2})
    scripted_trainer(recipe, tmp_path).train()
    read: dict[str, set[float]] = {}
    for row in lines(tmp_path / "completions.jsonl"):
        read.setdefault(row["text"], set()).add(row["reasoned"])
    assert all(len(own) == 1 for own in read.values())
    with pytest.raises(ValueError, match="a frozen judge learns nothing"):
        ReinforcementRecipe(rewards=RewardWeights(reasoned=1.0), judge="frozen", judge_loss=1.0)


def test_the_drawn_word_is_not_taught_where_the_right_one_is(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"rewards": alone("varied"), "answer_loss": 1.0})
    trainer = scripted_trainer(recipe, tmp_path)
    trainer.current_gradient_accumulation_steps = 2
    rows = [trainer.train_dataset[pair] for pair in range(2) for _ in range(4)]
    batch = trainer._generate_and_score_completions(rows)
    tokenizer = trainer.processor.tokenizer
    for row, (advantages, completion) in enumerate(zip(batch["advantages"], trainer.rollouts, strict=True)):
        untaught = [place for place in range(len(completion.ids)) if advantages[place] == 0]
        assert [tokenizer.decode([completion.ids[place]]) for place in untaught] == [("yes", "no")[row % 2]]


def test_a_run_whose_words_decide_nothing_says_so(tmp_path: Path) -> None:
    assert low_leverage([{"leverage": 0.3}, {"leverage": 0.04}]) == ""
    assert low_leverage([{"step": 0}, {"leverage": None}, {"leverage": float("nan")}]) == ""
    assert "2.0 %" in low_leverage([{"leverage": 0.01}, {"leverage": 0.03}, {"step": 2}])
    # What is rewarded decides which probability counts.
    text = "<think>Shoes agree.</think><answer>yes</answer>"
    weights = RewardWeights(**NONE_OF_THE_PACKAGE | {"reasoned": 1.0})
    rewards = total_rewards([text] * 2, [True] * 2, weights, reasoned_probability=[0.0, 1.0])
    rollouts = [Completion((1,), (-1.0,), text, (0.0, 0.0, 0.0), True)] * 2
    assert statistics(rewards, rollouts, [True] * 2, [0, 0])["leverage"] == 1
    plain = total_rewards([text] * 2, [True] * 2, RewardWeights(), probability=[0.5, 0.5])
    assert statistics(plain, rollouts, [True] * 2, [0, 0])["leverage"] == 0
