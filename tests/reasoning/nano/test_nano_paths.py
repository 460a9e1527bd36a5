"""Every way into `nano`'s architecture gives the same: pixels, shared vision, kept features; and odd shapes hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from small_nano import build_small_nano

from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.prefix_cache import fill
from reidr.reasoning.inference.sampling import pair_prompts
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.prompt import DESCRIBE, encode_crops, encode_pairs, render, render_crop

SIZES = [(32, 64), (20, 60), (64, 64), (32, 64)]


@pytest.fixture(scope="module")
def parts() -> tuple[Any, Any]:
    return build_small_nano()


def pictures() -> list[Image.Image]:
    return [Image.radial_gradient("L").resize(size).convert("RGB").rotate(90 * i) for i, size in enumerate(SIZES)]


@torch.no_grad()
def test_shared_vision_gives_the_logits_of_the_pixels(parts: tuple[Any, Any]) -> None:
    model, processor = parts
    a, b, c, d = pictures()
    rows = [(a, b), (b, a), (a, c), (d, a), (a, a)]
    adapter = adapt(model, processor)
    shared = fill(adapter, pair_prompts(adapter, rows, "score"))
    wanted = model(**encode_pairs(processor, rows, "score")).logits[:, -1]
    torch.testing.assert_close(shared.logits, wanted, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_kept_features_give_the_logits_of_the_pixels_for_one_picture_and_two_in_one_batch(
    parts: tuple[Any, Any],
) -> None:
    model, processor = parts
    images = pictures()
    pair, alone = render(processor, "think"), render_crop(processor, DESCRIBE)
    word = processor.tokenizer.encode("Shoes")
    for learning in ("nothing", "connector", "all"):
        seen = CropFeatures(
            model,
            processor,
            [lambda image=image: image for image in images],  # type: ignore[misc]
            learning=learning,  # type: ignore[arg-type]
            dtype=torch.float32,
        )
        rows = [(pair, (0, 1), word), (alone, (2,), word), (pair, (1, 0), word)]
        inputs = seen.training_inputs(rows)
        found = model(**inputs).logits
        wanted = [
            model(**encode_pairs(processor, [(images[0], images[1])], "think", "Shoes")).logits[0],
            model(**encode_crops(processor, [images[2]], [DESCRIBE])).logits[0],
            model(**encode_pairs(processor, [(images[1], images[0])], "think", "Shoes")).logits[0],
        ]
        for row, each in enumerate(wanted):
            torch.testing.assert_close(found[row, : len(each)], each, atol=1e-4, rtol=1e-4)
        # Positions are Qwen's own, the words after the prompt among them.
        batch = encode_pairs(processor, [(images[0], images[1])], "think", "Shoes")
        places, _ = model.model.get_rope_index(
            batch["input_ids"], mm_token_type_ids=batch["mm_token_type_ids"], image_grid_thw=batch["image_grid_thw"]
        )
        assert torch.equal(inputs["position_ids"][:, 0, : places.shape[2]], places[:, 0])


def test_a_step_with_a_frozen_vision_encoder_touches_connector_comparison_and_language_and_nothing_else() -> None:
    model, processor = build_small_nano()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    model.train()
    model.model.visual.vision_encoder.requires_grad_(False)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=1e-3, weight_decay=0.0)
    a, b, *_ = pictures()
    batch = encode_pairs(processor, [(a, b), (b, a)], "score", "<answer>yes")
    logits = model(**batch).logits
    torch.nn.functional.cross_entropy(logits[:, -2], batch["input_ids"][:, -1]).backward()
    optimiser.step()
    moved = {name for name, each in model.state_dict().items() if not torch.equal(each, before[name])}
    assert not any(name.startswith("model.visual.vision encoder.") for name in moved)
    for part in ("model.visual.connector.", "model.visual.cell_key.", "model.comparison.", "model.language_model."):
        assert any(name.startswith(part) for name in moved), part


@torch.no_grad()
@pytest.mark.parametrize("size", [(200, 12), (12, 200), (4, 4)])
def test_boxes_that_are_no_persons_shape_still_give_numbers(parts: tuple[Any, Any], size: tuple[int, int]) -> None:
    model, processor = parts
    person, odd = Image.new("RGB", (32, 64), "red"), Image.linear_gradient("L").resize(size).convert("RGB")
    assert torch.isfinite(model(**encode_pairs(processor, [(person, odd)], "score")).logits).all()
