"""Tiny models of both Qwen-VL architectures, and a tiny one that has been taught to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.reasoning.types import Pair

SENTENCES = ["Upper clothing: red in A, blue in B: differ.", "Upper clothing: same in both.", "Shoes cannot be seen."]
SIZES = [(64, 128), (40, 96), (128, 256), (61, 200), (120, 90), (20, 30)]  # width, height
SAME = "<think>Upper clothing: same in both.</think><answer>yes</answer>"
DIFFERENT = "<think>Upper clothing: red in A, blue in B: differ.</think>\n<answer>no</answer>"


def noise_pairs(count: int) -> list[Pair]:
    """Pairs of noise pictures of mixed sizes."""
    rng = np.random.default_rng(0)

    def crop(name: str, size: tuple[int, int]) -> Crop:
        return Crop(name, Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)))

    return [
        Pair(crop(f"q{i}", SIZES[i % len(SIZES)]), crop(f"g{i}", SIZES[(2 * i + 1) % len(SIZES)])) for i in range(count)
    ]


@pytest.fixture
def pairs() -> list[Pair]:
    return noise_pairs(7)


def build_qwen3_vl() -> tuple[Any, Any]:
    from reidr.reasoning.nano.build import TINY, build_nano

    return build_nano(SENTENCES, TINY, vocabulary=300)


def build_qwen2_5_vl() -> tuple[Any, Any]:
    """The second architecture, with its own default system prompt and a patch of 14, through the same parts."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from reidr.reasoning.models.qwen import Qwen2_5_VLProcessor
    from reidr.reasoning.nano.build import CHAT_TEMPLATE, NanoSize, build_image_processor, build_tokenizer

    tokenizer = build_tokenizer(SENTENCES, 300)
    token = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]},
            "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "patch_size": 14,
            "spatial_merge_size": 2, "out_hidden_size": 64, "fullatt_block_indexes": [1], "window_size": 56,
        },
        image_token_id=token("<|image_pad|>"), video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"), vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2_5_VLForConditionalGeneration(config)
    system = "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}\n"
    pictures = build_image_processor(NanoSize(patch=14, pixels=(5000, 9000)))
    return model, Qwen2_5_VLProcessor(pictures, tokenizer, chat_template=system + CHAT_TEMPLATE)


@pytest.fixture
def tiny_qwen2_5_vl() -> tuple[Any, Any]:
    """A tiny Qwen2.5-VL and its processor, anew for each test."""
    return build_qwen2_5_vl()


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {"qwen3_vl": build_qwen3_vl, "qwen2_5_vl": build_qwen2_5_vl}


@pytest.fixture(scope="session", params=list(BUILDERS))
def reasoner(request: pytest.FixtureRequest) -> Any:
    """A `Reasoner` around a tiny random model, once of each architecture."""
    from reidr.reasoning.backends.reference import Reasoner

    model, processor = BUILDERS[request.param]()
    with torch.random.fork_rng(), torch.no_grad():
        # Weights as first drawn (0.02) give almost equal answers to everything: too tame to test anything with.
        torch.manual_seed(1)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.12)
    return Reasoner(model, processor, name=request.param)


def coloured_pairs() -> list[Pair]:
    """Four pairs of plain pictures, red or blue: labels True, False, False, True."""
    red, blue = (Crop(name, Image.new("RGB", (64, 128), name)) for name in ("red", "blue"))
    return [Pair(red, red, label=True), Pair(red, blue, label=False), Pair(blue, red, label=False),
            Pair(blue, blue, label=True)]  # fmt: skip


def build_taught() -> Any:
    """A tiny Qwen3-VL that has learnt by heart what to write, and what to answer at once, for `coloured_pairs`."""
    from reidr.reasoning.backends.reference import Reasoner
    from reidr.reasoning.prompting.prompt import encode_pairs

    model, processor = build_qwen3_vl()
    lessons = coloured_pairs()
    thoughts = [(SAME if pair.label else DIFFERENT) + "<|im_end|>" for pair in lessons]
    words = [f"<answer>{'yes' if pair.label else 'no'}</answer><|im_end|>" for pair in lessons]
    batches = []
    for task, endings in (("think", thoughts), ("score", words)):
        batch = encode_pairs(processor, lessons, task, endings)  # type: ignore[arg-type]
        labels = batch["input_ids"].clone()
        for row, ending in enumerate(endings):
            labels[row, : -len(processor.tokenizer.encode(ending))] = -100
        batches.append((batch, labels))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(150):
            loss = sum(model(**batch, labels=labels).loss for batch, labels in batches)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if loss.item() < 0.05:
                break
    return Reasoner(model, processor, name="taught")


@pytest.fixture(scope="session")
def taught() -> Any:
    """`build_taught`, once."""
    return build_taught()


@pytest.fixture
def lessons() -> list[Pair]:
    return coloured_pairs()
