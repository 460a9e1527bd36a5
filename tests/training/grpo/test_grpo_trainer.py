"""GRPO: the trainer's numbers against a NumPy reference, resuming, LoRA, and what is written down."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outside_rewards import alone
from tiny_reasoners import TINY, lively

from reidr.core.run import Run
from reidr.errors import DataError, RecipeError
from reidr.reasoning.lora.storage import has_lora
from reidr.reasoning.models.checkpoint import save_taught
from reidr.reasoning.models.vision_language_model import TokenBatch
from reidr.reasoning.types import Pair
from reidr.training.grpo.build import build_trainer
from reidr.training.grpo.drawn_pairs import draw_pairs
from reidr.training.grpo.rewards.columns import RankContext, rank_context
from reidr.training.grpo.rewards.rank import rank_reward
from reidr.training.grpo.rewards.registry import RewardWeights
from reidr.training.grpo.stage import reinforce, reinforce_stage
from reidr.training.recipes.grpo import ReinforcementRecipe

pytest.importorskip("trl")


RECIPE = ReinforcementRecipe(
    rewards=alone("varied"),
    steps=1,
    pairs=2,
    num_generations=4,
    backward_rows=8,
    max_new_tokens=10,
    learning_rate=3e-3,
    warmup_steps=0,
    save_every=2,
)


def labelled(count: int) -> list[Pair]:
    """Pairs of noise pictures whose sizes differ, labels in turn, two pairs per query."""
    pairs = TINY.noise_pairs(count)
    return [
        Pair(pairs[i - i % 2].query, pair.candidate, 0.1 + 0.1 * i, i % 2 == 0, ((0.1 + 0.1 * (i ^ 1), i % 2 == 1),))
        for i, pair in enumerate(pairs)
    ]


QWEN = ["qwen3_vl", "qwen2_5_vl", "nano"]
OTHERS = ["smolvlm", "idefics3", "internvl", "qwen3_5"]


@pytest.fixture(params=[*QWEN, *OTHERS])
def reasoner(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return lively(request.param)


def weights(model: Any) -> dict[str, torch.Tensor]:
    """A copy of the weights, LoRA merged into them."""
    whole = copy.deepcopy(model).merge_and_unload() if has_lora(model) else model
    return {name: value.detach().clone() for name, value in whole.state_dict().items()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# The reference, in NumPy: GRPO's advantage (arXiv 2402.03300), DAPO's token-level clipped loss (arXiv 2503.14476).


CLIP = 0.2  # TRL's default; the trainer takes one update per batch of rollouts, so that nothing is clipped


def reference_advantages(rewards: np.ndarray, group: int) -> np.ndarray:
    advantages = np.empty_like(rewards)
    for start in range(0, len(rewards), group):
        own = rewards[start : start + group]
        advantages[start : start + group] = (own - own.mean()) / (own.std(ddof=1) + 1e-4)
    return advantages


def reference_loss(
    new: np.ndarray, old: np.ndarray, reference: np.ndarray, mask: np.ndarray, advantages: np.ndarray,
    recipe: ReinforcementRecipe,
) -> tuple[float, float, float, float]:  # fmt: skip
    """(loss, mean KL, share clipped low, share clipped high)."""
    loss = kl = low = high = 0.0
    for row in range(len(new)):
        for place in range(new.shape[1]):
            if not mask[row, place]:
                continue
            ratio = np.exp(new[row, place] - old[row, place])
            clipped = min(max(ratio, 1 - CLIP), 1 + CLIP)
            gap = reference[row, place] - new[row, place]
            # TRL's default weighs the estimate by the ratio, which makes it unbiased off policy (DeepSeek-V3.2).
            divergence = ratio * (np.exp(gap) - gap - 1)
            loss += -min(ratio * advantages[row], clipped * advantages[row]) + recipe.beta * divergence
            kl += divergence
            low += ratio < 1 - CLIP and advantages[row] < 0
            high += ratio > 1 + CLIP and advantages[row] > 0
    tokens = mask.sum()
    return loss / tokens, kl / tokens, low / tokens, high / tokens


def rollout_batch(trainer: Any) -> dict[str, Any]:
    """One batch of scored rollouts, as the trainer makes it within a step."""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    rows = [
        trainer.train_dataset[pair]
        for pair in range(trainer.recipe.pairs)
        for _ in range(trainer.recipe.num_generations)
    ]
    return trainer._generate_and_score_completions(rows)


def shaken(model: Any, size: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(size * torch.randn_like(parameter))


def test_loss_advantage_ratio_clipping_and_kl_are_the_references(reasoner: tuple[Any, Any], tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"beta": 0.1})
    trainer = build_trainer(recipe, labelled(4), *reasoner, tmp_path)
    batch = rollout_batch(trainer)
    rewards = np.array([row["reward"] for row in lines(tmp_path / "completions.jsonl")])
    assert rewards.std() > 0
    advantages = reference_advantages(rewards, recipe.num_generations)
    np.testing.assert_allclose(batch["advantages"].numpy(), advantages, atol=1e-4)
    # Of a reward that is its group's mean only rounding decides the sign, and with it what counts as clipped.
    advantages = batch["advantages"].double().numpy()

    def chances(model: Any) -> np.ndarray:
        trainer.groups = batch["groups"]
        with torch.no_grad():
            found, _, _ = trainer._get_per_token_logps_and_entropies(
                model,
                torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
                torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
                batch["completion_ids"].shape[1],
            )
        return found.double().numpy()

    old = chances(trainer.model)
    mask = batch["completion_mask"].numpy()
    sampled = np.zeros_like(old)
    for row, completion in enumerate(trainer.rollouts):
        sampled[row, : len(completion.ids)] = completion.log_probabilities
    np.testing.assert_allclose((old * mask), sampled, atol=2e-4)
    np.testing.assert_allclose(old * mask, batch["ref_per_token_logps"].numpy() * mask, atol=1e-5)

    torch.manual_seed(0)
    shaken(trainer.model, 0.02)
    batch["old_per_token_logps"] = torch.from_numpy(old).float()
    loss = trainer._compute_loss(trainer.model, batch)
    expected = reference_loss(chances(trainer.model), old, chances(trainer.ref_model), mask, advantages, recipe)
    metrics = trainer._metrics["train"]
    found = [loss.item(), *(metrics[name][-1] for name in ("kl", "clip_ratio/low_mean", "clip_ratio/high_mean"))]
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert min(expected[1:]) > 0, "the case must touch KL and both clips"


@pytest.mark.parametrize("reasoner", QWEN, indirect=True)
def test_shared_prompts_give_trls_own_log_probabilities_and_gradients(
    reasoner: tuple[Any, Any], tmp_path: Path
) -> None:
    from trl import GRPOTrainer

    recipe = RECIPE.model_copy(update={"temperature": 0.8})
    trainer = build_trainer(recipe, labelled(4), *reasoner, tmp_path)
    batch = rollout_batch(trainer)
    # Rows of a group need not stand together: TRL shuffles them.
    order = torch.tensor([5, 0, 3, 7, 1, 2, 6, 4])
    split = batch["pixel_values"].split(batch["image_grid_thw"].prod(dim=1).view(8, 2).sum(dim=1).tolist())
    batch["pixel_values"] = torch.cat([split[row] for row in order])
    batch["image_grid_thw"] = batch["image_grid_thw"].view(8, 2, 3)[order].view(16, 3)
    names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "mm_token_type_ids", "groups")
    batch |= {name: batch[name][order] for name in names}
    trainer.groups = batch["groups"]

    def forward(kind: Any) -> tuple[Any, Any, list[Any]]:
        trainer.model.zero_grad()
        chances, entropies, _ = kind._get_per_token_logps_and_entropies(
            trainer,
            trainer.model,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
            batch["completion_ids"].shape[1],
            compute_entropy=True,
            num_images=[2] * 8,
            pixel_values=batch["pixel_values"],
            image_grid_thw=batch["image_grid_thw"],
            mm_token_type_ids=batch["mm_token_type_ids"],
        )
        mask = batch["completion_mask"]
        (chances * mask * torch.arange(8)[:, None]).sum().backward()
        return chances * mask, entropies * mask, [parameter.grad for parameter in trainer.model.parameters()]

    ours, theirs = forward(type(trainer)), forward(GRPOTrainer)
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours[1].detach(), theirs[1].detach(), atol=1e-4, rtol=1e-4)
    learnt = [(a, b) for a, b in zip(ours[2], theirs[2], strict=True) if b is not None]
    assert len(learnt) == sum(parameter.requires_grad for parameter in trainer.model.parameters())
    for mine, their in learnt:
        torch.testing.assert_close(mine, their, atol=1e-3 * float(their.abs().max()) + 1e-5, rtol=1e-2)


@pytest.mark.parametrize("reasoner", OTHERS, indirect=True)
def test_prompts_run_once_per_group_give_what_whole_rows_do(reasoner: tuple[Any, Any], tmp_path: Path) -> None:
    """TRL's own pass would cut crops into tiles; the reference is a pass of every whole row by itself, unpadded."""
    from reidr.reasoning.prompting.prompt import render

    trainer = build_trainer(RECIPE.model_copy(update={"temperature": 0.8}), labelled(4), *reasoner, tmp_path)
    batch = rollout_batch(trainer)
    adapter = trainer.adapter(trainer.model)
    ids, mask = batch["completion_ids"], batch["completion_mask"]
    numbers = batch["groups"].tolist()
    assert len(set(numbers)) == 2

    def learnt(chances: torch.Tensor) -> list[Any]:
        trainer.model.zero_grad()
        (chances * torch.arange(1, 9)[:, None]).sum().backward()
        return [None if each.grad is None else each.grad.clone() for each in trainer.model.parameters()]

    whole = torch.cat([batch["prompt_ids"], ids], dim=1), torch.cat([batch["prompt_mask"], mask], dim=1)
    chances, entropies, _ = trainer.log_probabilities(trainer.model, *whole, ids.shape[1], 3)
    assert float(entropies[mask.bool()].min()) > 0
    ours = learnt(chances * mask)

    rows = []
    for row, number in enumerate(numbers):
        pair = trainer.scorer.drawn[number].shown
        pixels = adapter.read_pixels([adapter.prepare(crop.open()) for crop in (pair.query, pair.candidate)])
        with torch.no_grad():
            crops = adapter.encode(pixels)
        written = adapter.processor.tokenizer.encode(render(adapter.processor, "think"), add_special_tokens=False)
        prompt, positions = adapter.lay_out(written, [one.shape for one in pixels])
        length = int(mask[row].sum())
        tokens = torch.tensor([*prompt, *ids[row, :length].tolist()])[None]
        start = int(positions.max()) + 1
        more = torch.arange(start, start + length).expand(len(positions), -1)
        places = torch.cat([positions, more], dim=1)[:, None]
        inputs = adapter.inputs(TokenBatch(tokens, torch.ones_like(tokens), places), crops)
        logits = adapter.model(**inputs, use_cache=False).logits[0, len(prompt) - 1 : -1]
        own = (logits / 0.8).log_softmax(dim=-1).gather(1, tokens[0, len(prompt) :, None])[:, 0]
        rows.append(torch.nn.functional.pad(own, (0, ids.shape[1] - length)))
    theirs = torch.stack(rows)
    torch.testing.assert_close(chances * mask, theirs, atol=1e-4, rtol=1e-4)
    expected = learnt(theirs)
    assert sum(each is not None for each in expected) > 10
    for mine, their in zip(ours, expected, strict=True):
        assert (mine is None) == (their is None)
        if their is not None:
            torch.testing.assert_close(mine, their, atol=1e-3 * float(their.abs().max()) + 1e-5, rtol=1e-2)


class Interrupted(Exception):  # noqa: N818
    """Ctrl-C."""


def stop_after(steps: int) -> Callable[[float], None]:
    taken = [0.0]

    def advance(number: float) -> None:
        taken[0] += number
        if taken[0] > steps:
            raise Interrupted

    return advance


@pytest.mark.whole
@pytest.mark.parametrize("rank", [0, 2])
def test_two_and_two_steps_are_four(tmp_path: Path, rank: int) -> None:
    recipe = RECIPE.model_copy(update={"steps": 4, "lora_rank": rank, "backward_rows": 4})
    whole, log = reinforce(recipe, labelled(4), *lively("qwen3_vl"), tmp_path / "whole")
    # Interrupted in the third step, after the checkpoint of the second.
    with pytest.raises(Interrupted):
        reinforce(recipe, labelled(4), *lively("qwen3_vl"), tmp_path / "halves", stop_after(2))
    resumed, again = reinforce(recipe, labelled(4), *lively("qwen3_vl"), tmp_path / "halves")
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    start = weights(lively("qwen3_vl")[0])
    assert any(not torch.equal(expected[name], start[name]) for name in expected)
    assert [line["step"] for line in log] == [line["step"] for line in again] == [1, 2, 3, 4]
    assert [line["reward"] for line in log] == [line["reward"] for line in again]
    texts = [[row["text"] for row in lines(tmp_path / name / "completions.jsonl")] for name in ("whole", "halves")]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 4 * 8


def test_lora_teaches_the_language_half_and_survives_saving(reasoner: tuple[Any, Any], tmp_path: Path) -> None:
    from reidr.reasoning.backends.reference import Reasoner

    model, processor = reasoner
    model.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    start = weights(model)
    recipe = RECIPE.model_copy(update={"steps": 2, "lora_rank": 2, "beta": 0.01})
    taught, log = reinforce(recipe, labelled(4), model, processor, tmp_path)
    assert log[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert log[1]["kl"] > 0
    changed = {name for name, value in weights(taught).items() if not torch.equal(value, start[name])}
    assert changed
    assert all("language_model" in name or "text_model" in name for name in changed)
    assert set(weights(taught)) == set(start)
    scores = Reasoner(taught, processor).score(labelled(3))
    save_taught(taught, processor, tmp_path / "base", tmp_path / "model")
    np.testing.assert_allclose(Reasoner.load(tmp_path / "model").score(labelled(3)), scores, atol=1e-6)


def test_full_fine_tuning_leaves_the_vision_encoder_alone(tmp_path: Path) -> None:
    model, processor = lively("qwen3_vl")
    start = weights(model)
    trained, _ = reinforce(RECIPE, labelled(4), model, processor, tmp_path)
    changed = {name for name, value in weights(trained).items() if not torch.equal(value, start[name])}
    assert any("language_model" in name for name in changed)
    assert not any("visual" in name for name in changed)


def test_it_learns_what_a_reward_from_outside_the_package_pays_for(tmp_path: Path) -> None:
    changes = {"rewards": alone("short"), "steps": 8, "num_generations": 8, "backward_rows": 16, "save_every": 8}
    _, log = reinforce(RECIPE.model_copy(update=changes), labelled(4), *lively("qwen3_vl"), tmp_path)
    rewards = [line["reward"] for line in log]
    assert np.mean(rewards[-2:]) > np.mean(rewards[:2]) + 2
    assert log[0]["reward_outside_rewards:short"] == pytest.approx(rewards[0])


def test_a_whole_stage_and_what_it_writes(tmp_path: Path) -> None:
    model, processor = lively("qwen3_vl")
    source, folder = tmp_path / "source", tmp_path / "run"
    model.save_pretrained(source)
    processor.save_pretrained(source)
    rewards = RewardWeights(rank=0.1, text_only=0.1)
    recipe = RECIPE.model_copy(update={"steps": 2, "rewards": rewards})
    where = reinforce_stage(recipe, labelled(4), source, folder)
    log = lines(folder / "log.jsonl")
    assert [line["step"] for line in log] == [1, 2]
    asked = {"loss", "reward", "reward_deviation", "zero_variance_share", "accuracy_same", "accuracy_different",
             "entropy", "tokens", "parsable", "reward_format", "gradient_norm", "seconds"}  # fmt: skip
    assert asked <= set(log[0])
    done = lines(folder / "completions.jsonl")
    assert len(done) == 2 * recipe.pairs * recipe.num_generations
    assert {row["label"] for row in done} == {True, False}
    # Nothing that a random model writes can be parsed, so every group earns the same and nothing is learnt.
    assert log[0]["parsable"] == 0
    assert log[0]["zero_variance_share"] == 1
    assert all(row["reward"] == pytest.approx(-rewards.total()) and row["advantage"] == 0 for row in done)
    assert log[0]["reward_format"] == -1
    assert log[0]["reward_identity"] is None
    before = (where / "model.safetensors").stat().st_mtime_ns
    assert reinforce_stage(recipe, labelled(4), source, folder) == where
    assert (where / "model.safetensors").stat().st_mtime_ns == before
    settings = recipe.model_dump(mode="json", exclude={"rollout_server", "report_to"})
    assert Run(folder, "train rl", settings).finished("rl") is not None
    with pytest.raises(RecipeError, match="other settings"):
        reinforce_stage(recipe.model_copy(update={"seed": 1}), labelled(4), source, folder)


def test_drawn_pairs_are_balanced_and_shown_in_both_orders() -> None:
    pairs = labelled(7)  # four same, three different
    drawn = draw_pairs(pairs, 40, seed=0)
    labels = [each.mined.label for each in drawn]
    assert labels == [True, False] * 20
    for label, own in ((True, 4), (False, 3)):
        order = [pairs.index(each.mined) for each in drawn if each.mined.label is label]
        for start in range(0, 20 - own, own):
            assert len(set(order[start : start + own])) == own
    swapped = sum(each.shown.query.id == each.mined.candidate.id for each in drawn)
    assert 8 < swapped < 32
    assert draw_pairs(pairs, 40, seed=0) == drawn != draw_pairs(pairs, 40, seed=1)


def test_pairs_that_cannot_teach_are_refused() -> None:
    pairs = labelled(4)
    with pytest.raises(DataError, match="pair 1 has no label"):
        draw_pairs([pairs[0], Pair(pairs[1].query, pairs[1].candidate)], 4, 0)
    with pytest.raises(DataError, match="two persons"):
        draw_pairs(pairs[::2], 4, 0)
    with pytest.raises(DataError, match="one person"):
        draw_pairs([], 4, 0)


def test_the_rank_context_is_the_pair_among_the_querys_first_candidates() -> None:
    first, second = (rank_context(pair) for pair in labelled(2))
    assert first == RankContext((0.1, 0.2), (True, False), 0, 0.5)
    assert second == RankContext((0.2, 0.1), (False, True), 0, 0.5)
    match, other = labelled(2)
    for verdict, pair, moved in ((1.0, other, -0.5), (0.0, match, -0.5), (0.0, other, 0.0), (1.0, match, 0.0)):
        assert rank_reward(verdict, rank_context(pair)) == pytest.approx(moved)
    assert rank_context(Pair(match.query, match.candidate, None, True, match.others)) is None
    assert rank_context(Pair(match.query, match.candidate, 0.1, True)) is None


def test_a_rank_reward_without_lists_is_refused(tmp_path: Path) -> None:
    bare = [Pair(pair.query, pair.candidate, pair.distance, pair.label) for pair in labelled(2)]
    recipe = RECIPE.model_copy(update={"rewards": RECIPE.rewards.model_copy(update={"rank": 0.5})})
    with pytest.raises(DataError, match="mine the pairs anew"):
        build_trainer(recipe, bare, *lively("qwen3_vl"), tmp_path)


def test_the_text_only_scorer_sees_the_text_and_nothing_else() -> None:
    from reidr.reasoning.inference.reasoned_score import BLANK
    from reidr.reasoning.prompting.prompt import encode_pairs
    from reidr.training.grpo.judging.words_judge import words_probabilities

    model, processor = lively("qwen3_vl")
    texts = ["Upper clothing: same in both.", "Shoes cannot be seen.", "a"]
    found = words_probabilities(model.eval(), processor, texts)
    for text, chance in zip(texts, found, strict=True):
        batch = encode_pairs(processor, [(BLANK, BLANK)], "think", f"<think>{text}</think><answer>")
        with torch.no_grad():
            logits = model(**batch).logits[0, -1]
        yes, no = (logits[processor.tokenizer.convert_tokens_to_ids(word)] for word in ("yes", "no"))
        assert chance == pytest.approx(float(torch.sigmoid(yes - no)), abs=1e-5)
    assert len(set(found)) == 3
    assert words_probabilities(model, processor, []) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backward_rows": 3}, "must divide"),
        ({"iterations": 2}, "iterations"),
        ({"num_generations": 1}, "num_generations"),
        ({"learning_rat": 1}, "learning_rat"),
        ({"rewards": {"cues": -1}}, "rewards.cues"),
        ({"rewards": {"kues": 1}}, "no reward 'kues'"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    values = copy.deepcopy(RECIPE.model_dump()) | change
    with pytest.raises(RecipeError, match=message):
        ReinforcementRecipe.from_values(values, "here")
