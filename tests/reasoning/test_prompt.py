from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ImageError, ReIDError
from reidr.reasoning.prompting.prompt import (
    CROP_PIXELS,
    QUESTIONS,
    check_placeholders,
    encode_pairs,
    pair_messages,
    prompt_version,
    render,
    without_open_thought,
)
from reidr.reasoning.types import REGIONS, Pair


def test_the_query_is_person_a_and_the_candidate_person_b(pairs: list[Pair]) -> None:
    content = pair_messages(pairs[0], "think")[0]["content"]
    assert [part["type"] for part in content] == ["text", "image", "text", "image", "text"]
    assert [part["text"] for part in content[::2]] == ["Person A:", "Person B:", QUESTIONS["think"]]
    assert content[1]["image"] is pairs[0].query.image
    assert content[3]["image"] is pairs[0].candidate.image
    opened = (pairs[0].query.open(), pairs[0].candidate.open())
    assert pair_messages(opened, "think") == pair_messages(pairs[0], "think")
    assert pair_messages(None, "think")[0]["content"][1] == {"type": "image"}


def test_the_question_names_every_region_and_both_tasks_share_it() -> None:
    for region in REGIONS:
        assert region.split()[-1] in QUESTIONS["score"]
    assert QUESTIONS["score"].split("Re")[0][:150] == QUESTIONS["think"][:150]
    assert prompt_version("score") != prompt_version("think")
    with pytest.raises(ReIDError, match="unknown task 'guess'"):
        pair_messages(None, "guess")  # type: ignore[arg-type]


def test_a_batch_of_mixed_sizes(reasoner: Any, pairs: list[Pair]) -> None:
    processor = reasoner.processor
    batch = encode_pairs(processor, pairs, "score")
    rows, length = batch["input_ids"].shape
    assert rows == len(pairs)
    assert len(batch["image_grid_thw"]) == 2 * rows
    assert len({tuple(grid) for grid in batch["image_grid_thw"].tolist()}) > 2
    merged = processor.image_processor.merge_size**2
    for row in range(rows):
        kept = batch["attention_mask"][row].bool()
        start = length - int(kept.sum())
        assert not kept[:start].any()
        assert kept[start:].all()
        single = encode_pairs(processor, [pairs[row]], "score")
        assert batch["input_ids"][row, start:].tolist() == single["input_ids"][0].tolist()
        assert torch.equal(batch["image_grid_thw"][2 * row : 2 * row + 2], single["image_grid_thw"])
        tokens = int((single["input_ids"] == processor.image_token_id).sum())
        assert tokens == int(single["image_grid_thw"].prod(dim=1).sum()) // merged
    text = processor.tokenizer.decode(batch["input_ids"][0])
    assert text.endswith("<|im_start|>assistant\n<answer>")


def test_the_pictures_keep_their_order(reasoner: Any) -> None:
    black, white = (Crop(name, Image.new("RGB", (64, 128), name)) for name in ("black", "white"))
    batch = encode_pairs(reasoner.processor, [Pair(black, white), Pair(white, white)], "score")
    counts = batch["image_grid_thw"].prod(dim=1).tolist()
    means = [round(float(patches.mean()), 3) for patches in batch["pixel_values"].split(counts)]
    assert means == [-1.0, 1.0, 1.0, 1.0]


def test_prefixes(reasoner: Any, pairs: list[Pair]) -> None:
    processor = reasoner.processor
    tail = "<think>Shoes agree.</think><answer>"
    decode = processor.tokenizer.decode
    batch = encode_pairs(processor, pairs[:2], "think", [tail, ""])
    assert decode(batch["input_ids"][0]).endswith("assistant\n" + tail)
    assert decode(batch["input_ids"][1]).endswith("assistant\n")
    assert decode(encode_pairs(processor, pairs[:2], "score", tail)["input_ids"][1]).endswith(tail)
    with pytest.raises(ReIDError, match="1 prefixes for 2 pairs"):
        encode_pairs(processor, pairs[:2], "think", [tail])


def test_pictures_and_placeholders_must_be_equally_many(reasoner: Any, pairs: list[Pair]) -> None:
    processor = reasoner.processor
    with pytest.raises(ReIDError, match="pair 1: 3 image placeholders for 2 pictures"):
        encode_pairs(processor, pairs[:2], "think", ["", "I see <|image_pad|>"])
    with pytest.raises(ReIDError, match="pair 0: 1 image placeholders for 2 pictures"):
        check_placeholders(["<|image_pad|>"], [[Image.new("RGB", (8, 8))] * 2], "<|image_pad|>")
    template = processor.chat_template
    try:
        processor.chat_template = "{{ messages[0].content[0].text }}<|image_pad|>"
        with pytest.raises(ReIDError, match="the chat template must write one"):
            encode_pairs(processor, pairs, "score")
    finally:
        processor.chat_template = template


def test_no_pairs_and_unusable_pictures(reasoner: Any, pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(ReIDError, match="no pairs"):
        encode_pairs(reasoner.processor, [], "score")
    with pytest.raises(ImageError, match="no such file"):
        encode_pairs(reasoner.processor, [Pair(pairs[0].query, Crop("x", tmp_path / "x.png"))], "score")


def test_pixel_budget(reasoner: Any, pairs: list[Pair]) -> None:
    processor = reasoner.processor
    side = processor.image_processor.patch_size
    for pixels in ((2_000, 4_000), (30_000, 40_000)):
        grids = encode_pairs(processor, pairs, "score", pixels=pixels)["image_grid_thw"]
        areas = grids.prod(dim=1) * side**2
        # Both sides are rounded to whole merged patches, so the bounds hold up to one such row or column.
        assert (areas > 0.5 * pixels[0]).all()
        assert (areas < 1.6 * pixels[1]).all()


def test_the_crop_budget_costs_about_fifty_tokens_on_the_real_patch_sizes() -> None:
    from transformers import Qwen2VLImageProcessorPil

    tokens = {}
    for patch in (14, 16):  # Qwen2.5-VL, Qwen3-VL
        pictures = Qwen2VLImageProcessorPil(
            patch_size=patch, merge_size=2, size={"shortest_edge": CROP_PIXELS[0], "longest_edge": CROP_PIXELS[1]}
        )
        batch = pictures(images=[Image.fromarray(np.zeros((128, 64, 3), np.uint8))], return_tensors="pt")
        tokens[patch] = int(batch["image_grid_thw"].prod()) // 4
    assert tokens == {14: 50, 16: 32}


@pytest.mark.parametrize("task", ["score", "think"])
def test_our_template_writes_what_qwens_does(task: Any) -> None:
    """Against the templates that TRL ships, read as files."""
    from transformers import Qwen3VLProcessor  # noqa: F401

    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        pytest.skip("trl is not installed, so there is no copy of Qwen's template to compare with")
    from reidr.reasoning.nano.build import TINY, build_nano

    processor = build_nano(["shoes agree"], TINY, vocabulary=300)[1]
    messages = pair_messages(None, task)
    answer = [*messages, {"role": "assistant", "content": "<think>Shoes.</think><answer>no</answer>"}]
    system = [{"role": "system", "content": "Look well."}, *answer, {"role": "user", "content": "Sure?"}]
    theirs = (Path(spec.origin).parent / "chat_templates/qwen3_vl.jinja").read_text()
    for conversation, begin in ((messages, True), (answer, False), (system, True)):
        ours = processor.apply_chat_template(conversation, tokenize=False, add_generation_prompt=begin)
        expected = processor.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=begin, chat_template=theirs
        )
        assert ours == expected
    assert render(processor, task).endswith("<answer>" if task == "score" else "assistant\n")


@pytest.mark.parametrize("tag", ["<think>", "<think>\n", "<think>\n\n", "◁think▷", "[THINK]", "<thinking> "])
def test_a_thought_that_the_template_opens_is_left_to_the_model(reasoner: Any, pairs: list[Pair], tag: str) -> None:
    processor = copy.copy(reasoner.processor)
    processor.chat_template = (
        processor.chat_template.rstrip() + "{% if add_generation_prompt %}{{'" + tag + "'}}{% endif %}"
    )
    plain = render(reasoner.processor, "score")
    assert str(processor.apply_chat_template(pair_messages(None, "score"), tokenize=False, add_generation_prompt=True)
               ).endswith(tag)  # fmt: skip
    assert render(processor, "score").rstrip() == plain.rstrip()
    assert render(processor, "think").rstrip() == render(reasoner.processor, "think").rstrip()
    ours, theirs = (encode_pairs(one, pairs[:1], "score") for one in (reasoner.processor, processor))
    assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()


def test_a_thought_that_is_closed_or_quoted_stays() -> None:
    for text in ("assistant\n<think>\n\n</think>\n\n", "Write it in <think></think>.", "no <think> here", ""):
        assert without_open_thought(text) == text
    assert without_open_thought("say <think>x</think>; assistant\n<think>\n") == "say <think>x</think>; assistant\n"
