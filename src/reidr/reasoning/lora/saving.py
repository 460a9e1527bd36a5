"""Writing LoRA weights so that they can be used without ReID-R: with the processor, the pixel budget and a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reidr.core.storage.files import filling, write_text
from reidr.reasoning.lora.model_card import CardFacts, model_card
from reidr.reasoning.lora.storage import NAME, SETTINGS, has_lora, lora_is_of, write_lora
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.prompt import crop_pixels


def save_lora(model: Any, processor: Any, where: Path, base: str, revision: str | None = None) -> None:
    """Write the LoRA weights around `model` to `where`, with its processor and a model card.

    Args:
        processor: with the pixel budget of crops (`models.processor.with_crop_size`).
        base: the checkpoint that the weights belong to. revision: its commit where it is a hub id.

    Raises:
        ReIDError: they cannot be written.
    """
    lora_is_of(model, base, revision)
    # No config.json: beside one, transformers looks for whole weights instead of the base.
    with filling(where, last=SETTINGS) as folder:
        write_lora(model, folder)
        processor.save_pretrained(folder)
        write_text(folder / "README.md", card_of(model, processor, base, revision))


def card_of(model: Any, processor: Any, base: str, revision: str | None = None, merging: str = "") -> str:
    """The model card of a trained `model` that started from `base`; `merging`: a sentence about merged weights."""
    own = model.peft_config[NAME] if has_lora(model) else None
    weights = next(each for name, each in model.named_parameters() if own is None or f".{NAME}." in name)
    facts = CardFacts(
        base,
        revision,
        None if own is None else (own.r, own.lora_alpha),
        adapt(model, processor, crop_pixels(processor)).picture_length(128, 256),
        str(weights.dtype).removeprefix("torch."),
        merging,
    )
    return model_card(processor, facts)
