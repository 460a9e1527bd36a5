"""Training that starts from LoRA weights goes on with them, and its starting point costs no second model."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_reasoners import TINY, lively

from reidr.errors import RecipeError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.lora.storage import NAME, has_lora, read_lora
from reidr.reasoning.models.checkpoint import load_model, save_taught
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair
from reidr.training.common.lora import START, add_lora, continued, starting_weights

pytest.importorskip("peft")
RANK, ALPHA = 2, 4


def shake(model: Any, seed: int = 0) -> None:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for name, weights in model.named_parameters():
            if f".{NAME}." in name:
                weights.add_(0.05 * torch.randn_like(weights))


@pytest.fixture
def start(tmp_path: Path) -> tuple[Path, Path, Any]:
    """(base, folder of LoRA weights, processor)."""
    model, processor = lively("qwen3_vl")
    model.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    model = add_lora(model, RANK, ALPHA, 0)
    shake(model)
    save_taught(model, processor, tmp_path / "base", tmp_path / "lora")
    return tmp_path / "base", tmp_path / "lora", processor


def loaded(folder: Path) -> Any:
    return load_model(str(folder), local_files_only=True, device="cpu", dtype=torch.float32)


def logits(model: Any, processor: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**encode_pairs(processor, TINY.noise_pairs(2), "score")).logits


@pytest.mark.parametrize("kind", ["base", "lora"])
def test_the_starting_point_is_in_the_model_itself(start: tuple[Path, Path, Any], kind: str) -> None:
    base, lora, processor = start
    folder = base if kind == "base" else lora
    model = add_lora(loaded(folder), RANK, ALPHA, 1)
    before = logits(loaded(folder), processor)
    learning = {name for name, weights in model.named_parameters() if weights.requires_grad}
    assert learning
    assert all(f".{NAME}." in name for name in learning)
    shake(model, 3)
    after = logits(model, processor)
    assert (after - before).abs().max() > 1e-2
    with starting_weights(model):
        torch.testing.assert_close(logits(model, processor), before, atol=1e-5, rtol=1e-5)
    assert torch.equal(logits(model, processor), after)
    assert learning == {name for name, weights in model.named_parameters() if weights.requires_grad}


def test_a_recipe_of_another_rank_is_refused_and_rank_0_merges(start: tuple[Path, Path, Any]) -> None:
    _, lora, processor = start
    with pytest.raises(RecipeError, match="set lora_rank: 2 and lora_alpha: 4"):
        continued(loaded(lora), 8, ALPHA)
    merged = continued(loaded(lora), 0, ALPHA)
    assert not has_lora(merged)
    torch.testing.assert_close(logits(merged, processor), logits(loaded(lora), processor), atol=1e-5, rtol=1e-5)


def test_reinforcement_goes_on_with_the_warm_ups_weights(start: tuple[Path, Path, Any], tmp_path: Path) -> None:
    """The result is one set of LoRA weights on the base; the KL divergence is from the warmed-up model."""
    pytest.importorskip("trl")
    from outside_rewards import alone

    from reidr.training.grpo.stage import reinforce, reinforce_stage
    from reidr.training.recipes.grpo import ReinforcementRecipe

    base, lora, processor = start
    values = {
        "rewards": alone("varied"), "steps": 4, "pairs": 2, "num_generations": 4, "backward_rows": 4, "save_every": 2,
        "max_new_tokens": 10, "learning_rate": 3e-3, "warmup_steps": 0, "lora_rank": RANK, "lora_alpha": ALPHA,
        "beta": 0.01,
    }  # fmt: skip
    recipe = ReinforcementRecipe(**values)
    noise = TINY.noise_pairs(4)
    pairs = [Pair(each.query, each.candidate, 0.5, i % 2 == 0) for i, each in enumerate(noise)]
    where = reinforce_stage(recipe, pairs, lora, tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert log[-1]["kl"] > 0
    settings = read_lora(where)
    assert settings is not None
    assert (settings.base, settings.rank, settings.alpha) == (str(base.resolve()), RANK, ALPHA)
    assert not (where / START).exists()
    first, last = (load_file(folder / "adapter_model.safetensors") for folder in (lora, where))
    assert first.keys() == last.keys()
    moved = max(float((last[name] - value).abs().max()) for name, value in first.items())
    size = max(float(value.abs().max()) for value in first.values())
    assert 0 < moved < size / 2, "it starts from the warm-up's weights, not from new ones"
    # Stopped after two steps and resumed it takes the same four steps.
    model = loaded(lora)

    class Stop(Exception):  # noqa: N818
        pass

    taken = [0.0]

    def advance(number: float) -> None:
        taken[0] += number
        if taken[0] > 2:
            raise Stop

    with pytest.raises(Stop):
        reinforce(recipe, pairs, model, load_processor(lora), tmp_path / "halves", advance)
    resumed, _ = reinforce(recipe, pairs, loaded(lora), load_processor(lora), tmp_path / "halves")
    np.testing.assert_allclose(Reasoner(resumed, processor).score(pairs), Reasoner.load(where).score(pairs), atol=1e-6)


def test_text_and_kl_are_judged_by_the_starting_point(start: tuple[Path, Path, Any]) -> None:
    from reidr.training.grpo.judging.words_judge import WordsJudge

    _, lora, processor = start
    texts = ["<think>Shoes cannot be seen.</think><answer>yes</answer>", "no form at all"]
    model = continued(loaded(lora), RANK, ALPHA)
    copied = WordsJudge(loaded(lora), processor, "frozen").score(texts)
    scorer = WordsJudge(model, processor, "frozen", lora=True)
    assert scorer.model is model
    shake(model, 5)
    found = scorer.score(texts)
    assert found[0] == pytest.approx(copied[0], abs=1e-6)
    assert found[1] is None
    assert WordsJudge(copy.deepcopy(model), processor, "frozen").score(texts)[0] != pytest.approx(copied[0], abs=1e-3)


def test_a_server_of_the_base_samples_with_the_lora_weights(
    start: tuple[Path, Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reidr.training.recipes.sampling import SampleRecipe
    from reidr.training.sampling.rollouts import source_of

    handed: list[Any] = []

    class Server:
        def __init__(self, url: str, model: Any, processor: Any) -> None:
            assert not has_lora(model)

        def load_adapter(self, trained: Any) -> None:
            handed.append(trained)

    monkeypatch.setattr("reidr.training.grpo.rollouts.vllm.RolloutServer", Server)
    base, lora, processor = start
    recipe = SampleRecipe(rollout_server="http://localhost:8000")
    for folder, wanted in ((base, 0), (lora, 1)):
        model = loaded(folder)
        source_of(recipe, model, processor)
        assert handed == [model][:wanted]
