"""How many tokens a prompt about two crops has, for a checkpoint that may not be on this machine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from reidr.errors import WeightsError
from reidr.reasoning.prompting.prompt import CROP_PIXELS, PERSON_A, PERSON_B, PREFIXES, QUESTIONS, Task
from reidr.training.planning.dry_run.model import Architecture

CROP = (64, 128)
"""Width and height of the crops of Market-1501, for which plans are made."""
CHARACTERS_PER_TOKEN = 4.5
"""Of English text in vocabularies of 50,000 tokens and more: the questions of `prompt.py` have 4.6 with Qwen's."""
TEMPLATE_TOKENS = 35
"""Marks of a chat template, and the system prompt that Qwen2.5-VL's template adds."""


@dataclass(frozen=True)
class PromptLengths:
    """Tokens of prompts about two crops.

    Attributes:
        score: the prompt that asks for the answer alone. think: the one that asks for reasons too. crop: image tokens
            of one crop, part of both. patches: of one crop, what the vision encoder works on. exact: whether the
            checkpoint's own tokenizer was asked.
    """

    score: int
    think: int
    crop: int
    patches: int
    exact: bool


def prompt_lengths(architecture: Architecture) -> PromptLengths:
    """The lengths with the checkpoint's own processor where it is on this machine, else estimated from its config."""
    crop, patches = crop_tokens(architecture.config)
    exact = _counted(architecture)
    if exact is not None:
        score, think, crop = exact
        return PromptLengths(score, think, crop, patches, exact=True)
    score, think = (_estimated(task) + 2 * crop for task in ("score", "think"))
    return PromptLengths(score, think, crop, patches, exact=False)


def _estimated(task: Task) -> int:
    text = PERSON_A + PERSON_B + QUESTIONS[task] + PREFIXES[task]
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN) + TEMPLATE_TOKENS


def _counted(architecture: Architecture) -> tuple[int, int, int] | None:
    """Tokens of both prompts and of a crop by the checkpoint's own processor; None where it is not at hand."""
    from PIL import Image

    from reidr.reasoning.models.checkpoint import find_checkpoint
    from reidr.reasoning.models.processor import load_processor
    from reidr.reasoning.prompting.prompt import crop_pixels, encode_pairs

    try:
        processor: Any = load_processor(find_checkpoint(architecture.name)[0], local_files_only=True)
    except WeightsError:
        return None
    pair = (Image.new("RGB", CROP), Image.new("RGB", CROP))
    if "image_grid_thw" not in processor.model_input_names:
        return None
    counted = []
    for task in ("score", "think"):
        batch = encode_pairs(processor, [pair], task, pixels=crop_pixels(processor))
        counted.append(int(batch["input_ids"].shape[1]))
    crop = int((batch["input_ids"] == processor.image_token_id).sum()) // 2
    return counted[0], counted[1], crop


def crop_tokens(config: dict[str, Any]) -> tuple[int, int]:
    """Image tokens and patches of a crop of the size `CROP`, by the resizing that the adapters ask for.

    A model with tiles of one size (InternVL, SmolVLM) has the same number for every crop.
    """
    vision = config.get("vision_config", {})
    side, patch = _first(vision.get("image_size")), _first(vision.get("patch_size")) or 14
    if config.get("model_type") == "internvl":
        patches = (side // patch) ** 2
        return int(config.get("image_seq_length", patches // 4)), patches + 1
    if config.get("model_type") in ("smolvlm", "idefics3"):
        patches = (side // patch) ** 2
        return patches // int(config["scale_factor"]) ** 2, patches
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    merge = int(vision.get("spatial_merge_size", 2))
    height, width = smart_resize(CROP[1], CROP[0], patch * merge, *CROP_PIXELS)
    patches = (height // patch) * (width // patch)
    return patches // merge**2, patches


def _first(value: Any) -> int:
    """A size that configs write as one number or as (height, width)."""
    return int(value[0] if isinstance(value, (list, tuple)) else value or 0)
