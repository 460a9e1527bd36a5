"""Batches from kept features give the logits of the pixel path, for every part of the vision encoder that may learn."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from PIL import Image
from small_nano import build_small_nano

from reidr.errors import ReIDError
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import continue_prompts, read_completions, sample_completions
from reidr.reasoning.prompting.prompt import encode_pairs, render
from reidr.reasoning.types import Pair

WORDS = ["yes</answer>", "no"]


def kept(reasoner: Any, pairs: list[Pair], **options: Any) -> tuple[CropFeatures, list[tuple[int, int]]]:
    crops = {crop.id: crop for pair in pairs for crop in (pair.query, pair.candidate)}
    order = list(crops)
    seen = CropFeatures(reasoner.model, reasoner.processor, [crops[name].open for name in order], **options)
    return seen, [(order.index(pair.query.id), order.index(pair.candidate.id)) for pair in pairs]


def first_layers(features: CropFeatures) -> list[torch.Tensor]:
    return [crop.layers[0] for crop in features.encoded([0, 1])]


@pytest.mark.parametrize("learning", ["nothing", "all"])
@torch.no_grad()
def test_logits_are_those_of_the_pixels(
    reasoner: Any, pairs: list[Pair], learning: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidr.reasoning.inference.crop_features.BATCH", 3)
    seen, places = kept(reasoner, pairs, dtype=torch.float32, learning=learning)
    text = render(reasoner.processor, "score")
    endings = [reasoner.processor.tokenizer.encode(WORDS[i % 2]) for i in range(len(pairs))]
    inputs = seen.training_inputs([(text, crops, ending) for crops, ending in zip(places, endings, strict=True)])
    found = reasoner.model(**inputs).logits
    prefixes = ["<answer>" + WORDS[i % 2] for i in range(len(pairs))]
    wanted = reasoner.model(**encode_pairs(reasoner.processor, pairs, "score", prefixes, reasoner.pixels)).logits
    for row, (crops, ending) in enumerate(zip(places, endings, strict=True)):
        length = len(seen.prompt(text, crops)[0]) + len(ending)
        torch.testing.assert_close(found[row, :length], wanted[row, -length:], atol=2e-4, rtol=1e-4)


def test_half_precision_stays_close_and_crops_tell(reasoner: Any, pairs: list[Pair]) -> None:
    seen, places = kept(reasoner, pairs)
    assert seen._kept[0][0].dtype == torch.float16
    text = render(reasoner.processor, "score")
    with torch.no_grad():
        logits = [
            reasoner.model(**seen.training_inputs([(text, crops, ())])).logits[0, -1, reasoner.answer_ids]
            for crops in (places[0], places[0][::-1])
        ]
    wanted = torch.tensor(reasoner.answer_logits(pairs[:1]))[:, 0]
    # Features are of order 1 and half precision has 11 bits: a thousandth, times what the layers make of it.
    torch.testing.assert_close(torch.stack(logits).double(), wanted, atol=0.05, rtol=0.02)
    assert not torch.allclose(logits[0], logits[1], atol=0.1)


def test_rollouts_are_those_of_the_pixels(reasoner: Any, pairs: list[Pair]) -> None:
    seen, places = kept(reasoner, pairs, dtype=torch.float32)
    text = render(reasoner.processor, "think")
    rows = [(text, crops) for crops in places]
    sampled = continue_prompts(seen.adapter, seen.prompts(rows), [1] * 7, Thinking(6))
    found = read_completions(seen.adapter, sampled)
    wanted = sample_completions(reasoner.adapter, pairs, 1, Thinking(6))
    assert [each.ids for each in found] == [each.ids for (each,) in wanted]


def test_gradients_reach_the_vision_half_only_where_it_is_to_learn(reasoner: Any, pairs: list[Pair]) -> None:
    for learning, reached in (("nothing", False), ("all", True)):
        seen, places = kept(reasoner, pairs[:2], learning=learning)
        reasoner.model.zero_grad(set_to_none=True)
        text = render(reasoner.processor, "score")
        reasoner.model(**seen.training_inputs([(text, places[0], ())])).logits[0, -1].logsumexp(0).backward()
        own = [parameter.grad for parameter in reasoner.model.model.visual.parameters()]
        assert any(each is not None and bool(each.abs().sum()) for each in own) is reached
    reasoner.model.zero_grad(set_to_none=True)


def test_a_connector_is_asked_for_where_there_is_none(reasoner: Any, pairs: list[Pair]) -> None:
    with pytest.raises(ReIDError, match="no connector"):
        kept(reasoner, pairs, learning="connector")


@torch.no_grad()
def test_features_serve_models_with_the_same_vision_encoder_only() -> None:
    model, processor = build_small_nano()
    crops = [Image.new("RGB", (32, 64), color) for color in ("red", "blue")]
    openers = [lambda picture=picture: picture for picture in crops]
    taught = copy.deepcopy(model)
    taught.model.visual.connector[0].weight.mul_(1.5)
    seen = CropFeatures(model, processor, openers, learning="connector", dtype=torch.float32)
    before = first_layers(seen)
    seen.serve(taught)
    fresh = CropFeatures(taught, processor, openers, learning="connector", dtype=torch.float32)
    for served, wanted, first in zip(first_layers(seen), first_layers(fresh), before, strict=True):
        torch.testing.assert_close(served, wanted)
        assert not torch.allclose(served, first)
    other = copy.deepcopy(model)
    next(other.model.visual.vision_encoder.parameters()).mul_(2)
    with pytest.raises(ReIDError, match="another vision encoder"):
        seen.serve(other)
    with pytest.raises(ReIDError, match="another vision encoder"):
        CropFeatures(model, processor, openers).serve(taught)


def test_features_have_the_models_precision_and_an_overflow_names_the_crop(reasoner: Any, pairs: list[Pair]) -> None:
    """bfloat16 holds what the vision encoders of large models give; float16 ends at 65,504."""
    half = copy.deepcopy(reasoner.model).to(torch.bfloat16)
    crops = [pairs[0].query, pairs[0].candidate]
    assert CropFeatures(half, reasoner.processor, [each.open for each in crops])._kept[0][0].dtype == torch.bfloat16
    loud = copy.deepcopy(reasoner.model)
    with torch.no_grad():
        for each in loud.model.visual.merger.parameters():
            each.mul_(1e4)
    with pytest.raises(
        ReIDError, match=rf"^{crops[0].id}: its features are not finite numbers in float16, .* bfloat16"
    ):
        CropFeatures(loud, reasoner.processor, [each.open for each in crops])
    kept = CropFeatures(loud, reasoner.processor, [each.open for each in crops], dtype=torch.bfloat16)
    assert float(kept.kept(0).abs().max()) > 65_504
    assert {part.device.type for parts in kept._kept for part in parts} == {"cpu"}
