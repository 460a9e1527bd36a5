"""SmolVLM, Idefics3, InternVL and Qwen3.5 run through the product's own code, and answer as by their own processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from other_architectures import OTHERS, lively
from plain_generation import generate_greedily

from reidr.errors import ReIDError
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.backends.verdict_cache import VerdictCache
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.direct_score import score_seen_pairs
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import sample_completions
from reidr.reasoning.models.checkpoint import save_checkpoint
from reidr.reasoning.prompting.prompt import Task, pair_messages, render
from reidr.reasoning.types import Pair

ONE_TILE = {"smolvlm": {"do_image_splitting": False}, "idefics3": {"do_image_splitting": False},
            "internvl": {"crop_to_patches": False}, "qwen3_5": {}}  # fmt: skip


@pytest.fixture(scope="module", params=list(OTHERS))
def other(request: pytest.FixtureRequest) -> Reasoner:
    return Reasoner(*lively(OTHERS[request.param]), name=request.param)


def upstream_inputs(reasoner: Reasoner, pairs: list[Pair], task: Task, more: str = "") -> Any:
    """What transformers' own processor makes of these pairs, one tile for each picture."""
    processor: Any = reasoner.processor
    return processor(
        text=[render(processor, task) + more] * len(pairs),
        images=[[pair.query.open(), pair.candidate.open()] for pair in pairs],
        padding=True,
        padding_side="left",
        return_tensors="pt",
        images_kwargs=ONE_TILE[reasoner.name],
    )


@torch.no_grad()
def test_direct_scores_are_those_of_the_pixels(other: Reasoner, pairs: list[Pair]) -> None:
    wanted = []
    for rows in (pairs, [pair.swapped() for pair in pairs]):
        logits = [other.model(**upstream_inputs(other, [pair], "score")).logits[0, -1] for pair in rows]
        wanted.append([row[list(other.answer_ids)].double().numpy() for row in logits])
    expected = np.array(wanted)
    assert np.ptp(expected[..., 0] - expected[..., 1]) > 0.01
    np.testing.assert_allclose(other.answer_logits(pairs, batch_size=3), expected, atol=1e-4)
    np.testing.assert_allclose(Engine(other).answer_logits(pairs, batch_size=3), expected, atol=1e-4)


def test_shared_beginnings_change_no_score(other: Reasoner, pairs: list[Pair]) -> None:
    searches = [Pair(pairs[place].query, pair.candidate) for place in range(2) for pair in pairs[:4]]
    plain = other.answer_logits(searches)
    np.testing.assert_allclose(Engine(other).answer_logits(searches), plain, atol=1e-4)
    tokens = {"shared": 0, "plain": 0}
    mode = "shared"

    def count(module: Any, args: Any, kwargs: Any) -> None:
        tokens[mode] += kwargs["inputs_embeds"].shape[:2].numel()

    inner = other.model.model
    part = inner.language_model if hasattr(inner, "language_model") else inner.text_model
    hook = part.register_forward_pre_hook(count, with_kwargs=True)
    try:
        Engine(other).answer_logits(searches, both_orders=False)
        mode = "plain"
        other.answer_logits(searches, both_orders=False)
    finally:
        hook.remove()
    assert 0 < tokens["shared"] <= tokens["plain"]
    assert (tokens["shared"] < tokens["plain"]) is other.adapter.shares_beginnings


def test_words_are_those_of_transformers_own_loop(other: Reasoner, pairs: list[Pair]) -> None:
    expected = generate_greedily(other, pairs, 12, upstream_inputs(other, pairs, "think"))
    completions = sample_completions(other.adapter, pairs, 1, Thinking(12), batch_size=3)
    assert [list(one.ids) for (one,) in completions] == expected
    texts = [one.text for (one,) in completions]
    assert len(set(texts)) > 1
    for backend in (other, Engine(other)):
        verdicts = backend.think(pairs, Thinking(12), batch_size=3)
        assert [verdict.reasoning for verdict in verdicts] == texts
    assert not any(token in text for token in other.adapter.picture_tokens for text in texts)


def test_a_question_about_a_crop_depends_on_the_crop(other: Reasoner, pairs: list[Pair]) -> None:
    crops = [pair.query for pair in pairs[:4]]
    answers = Engine(other).ask_about_crops(crops, "What colour are the shoes?", max_new_tokens=6)
    assert answers == [
        other.ask_about_crops([crop], "What colour are the shoes?", max_new_tokens=6)[0] for crop in crops
    ]
    assert len(set(answers)) > 1
    with pytest.raises(ReIDError, match="4 pictures and 1 questions"):
        other.ask_about_crops(crops, ["What?"])


def test_stored_answers_are_used(other: Reasoner, pairs: list[Pair], tmp_path: Path) -> None:
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        logits, verdicts = Engine(other, cache).answer_logits(pairs), Engine(other, cache).think(pairs, Thinking(4))
        hook = other.model.register_forward_pre_hook(lambda *_: pytest.fail("the model was run"))
        try:
            np.testing.assert_array_equal(Engine(other, cache).answer_logits(pairs), logits)
            assert Engine(other, cache).think(pairs, Thinking(4)) == verdicts
        finally:
            hook.remove()


def test_a_saved_checkpoint_loads_by_its_folder_alone(other: Reasoner, pairs: list[Pair], tmp_path: Path) -> None:
    save_checkpoint(other.model, other.processor, tmp_path / "saved")
    again = load_reasoner(tmp_path / "saved", device="cpu")
    np.testing.assert_allclose(again.score(pairs), other.score(pairs), atol=1e-6)
    assert again.capabilities.ask_about_crops
    assert not again.capabilities.vision_similarity
    assert again.card.weights == other.weights_hash


@pytest.mark.parametrize("learning", ["nothing", "all"])
def test_kept_features_serve_scoring_and_training(other: Reasoner, pairs: list[Pair], learning: Any) -> None:
    crops = [crop for pair in pairs for crop in (pair.query, pair.candidate)]
    openers = [crop.open for crop in crops]
    features = CropFeatures(other.model, other.processor, openers, learning=learning, dtype=torch.float32)
    places = [(2 * place, 2 * place + 1) for place in range(len(pairs))]
    np.testing.assert_allclose(score_seen_pairs(features, other.model, places, 3), other.score(pairs), atol=1e-4)
    other.model.zero_grad(set_to_none=True)
    text = render(other.processor, "score")
    other.model(**features.training_inputs([(text, places[0], ())])).logits[0, -1].logsumexp(0).backward()
    parts = [parameter.grad for part in other.adapter.vision_parts(other.model) for parameter in part.parameters()]
    assert any(grad is not None and bool(grad.abs().sum()) for grad in parts) is (learning == "all")
    other.model.zero_grad(set_to_none=True)


def test_a_connector_cannot_be_trained_alone(other: Reasoner, pairs: list[Pair]) -> None:
    with pytest.raises(ReIDError, match="no connector"):
        CropFeatures(other.model, other.processor, [pairs[0].query.open], learning="connector")


def test_the_prompt_is_the_one_prompt(other: Reasoner) -> None:
    """The template differs between architectures, the messages do not."""
    text = render(other.processor, "think")
    for part in pair_messages(None, "think")[0]["content"]:
        assert part.get("text", "") in text
    assert text.count(other.processor.image_token) == 2  # type: ignore[attr-defined]
