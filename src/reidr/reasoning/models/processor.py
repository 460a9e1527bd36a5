"""Loading a checkpoint's processor (tokenizer + picture preparation), the same with and without torchvision."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from transformers import AutoProcessor, ProcessorMixin

from reidr.errors import WeightsError
from reidr.reasoning.lora.storage import read_lora
from reidr.reasoning.models.architectures import ARCHITECTURES, find_architecture, model_type_of
from reidr.reasoning.prompting.prompt import crop_pixels

FILES = ("processor_config.json", "preprocessor_config.json")


def load_processor(path: str | Path, *, local_files_only: bool = True) -> ProcessorMixin:
    """The processor of a checkpoint folder or hub id, padding on the left.

    It is loaded by the class that the architecture's adapter names, from any checkpoint that upstream's classes wrote;
    other architectures go through `AutoProcessor`. Pillow prepares the pictures: torchvision's resizing differs by a
    hundredth of a pixel's value, and scores must not depend on what else is installed.

    Raises:
        WeightsError: no processor there, one that cannot be loaded, or only a tokenizer without picture preparation.
    """
    options: dict[str, Any] = {"local_files_only": local_files_only, "trust_remote_code": False}
    lora = read_lora(path)
    if lora is not None and not any((Path(path) / name).is_file() for name in FILES):
        path, options["local_files_only"] = lora.place, True  # LoRA weights as other programs leave them
    try:
        model_type = model_type_of(path, local_files_only=local_files_only)
        adapter = find_architecture(model_type) if model_type in ARCHITECTURES else None
        loader: Any = AutoProcessor if adapter is None else adapter.processor_class or AutoProcessor
        processor = loader.from_pretrained(path, backend="pil", **options)
    except (OSError, ValueError, KeyError, ImportError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: its processor cannot be loaded: {first_line(error)}") from error
    if not isinstance(processor, ProcessorMixin) or getattr(processor, "image_processor", None) is None:
        raise WeightsError(
            f"{path}: gives a {type(processor).__name__} and not a processor for pictures and text; the folder needs"
            " the processor files of a vision-language model (processor_config.json or preprocessor_config.json)"
        )
    processor.tokenizer.padding_side = "left"
    # Upstream hands the pictures' back end to the tokenizer as well, which would write it into its own file.
    if getattr(processor.tokenizer, "backend", "") == "pil":
        processor.tokenizer.backend = "tokenizers"
    return processor


def with_crop_size(processor: Any) -> Any:
    """A copy of `processor` that resizes every picture as a crop (`prompting.prompt.crop_pixels`) by itself.

    Checkpoints of photographs come with a budget of up to 16 million pixels; whoever loads what was trained on crops,
    be it with transformers, vLLM or TRL, must see as many visual tokens as the training did.
    """
    pixels = crop_pixels(processor)
    processor = copy.copy(processor)
    if pixels is not None:
        processor.image_processor = copy.copy(processor.image_processor)
        processor.image_processor.size = {"shortest_edge": pixels[0], "longest_edge": pixels[1]}
    return processor


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for one-sentence reports."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
