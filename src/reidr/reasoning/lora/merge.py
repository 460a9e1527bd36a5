"""Copies of a checkpoint with its LoRA weights merged in, and how much of what was taught the merging loses.

A merged weight is W + (alpha / rank) B A. In float32 nothing is lost. In bfloat16, which has eight bits, most of a
change that is small beside W is rounded away; how much is measured weight by weight and told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reidr.errors import WeightsError
from reidr.reasoning.lora.saving import card_of
from reidr.reasoning.lora.storage import NAME, read_lora
from reidr.reasoning.models.checkpoint import load_model, save_checkpoint
from reidr.reasoning.models.processor import load_processor, with_crop_size

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class RoundingLoss:
    """How much of a change of weights their precision loses: |rounded - exact| / |change|, Frobenius norms.

    Attributes:
        total: over all changed weights together. least, most: of single weights. worst: the name of the latter.
    """

    total: float
    least: float
    most: float
    worst: str

    def sentence(self, precision: Precision) -> str:
        """For people: what was lost."""
        if self.most < 1e-3:
            return f"The LoRA weights are merged in {precision}; nothing of what was trained is lost."
        return (
            f"The LoRA weights are merged in {precision}, which rounds {self.total:.0%} of what was trained away"
            f" ({self.least:.0%} to {self.most:.0%} of single weights, most in {self.worst}). Without loss: merge in"
            " float32, or load the LoRA weights beside their base."
        )


def merge_checkpoint(source: str | Path, where: Path, precision: Precision = "float32") -> RoundingLoss:
    """Write the checkpoint `source`, a folder of LoRA weights, as a whole model to `where`; returns what was lost.

    The model is merged in float32 on the CPU: four bytes of memory for each of its weights, and as many again for the
    largest of them.

    Raises:
        WeightsError: `source` holds no LoRA weights, or cannot be loaded. ReIDError: `where` cannot be written.
    """
    import torch

    lora = read_lora(source)
    if lora is None:
        raise WeightsError(f"{source}: holds no LoRA weights (no adapter_config.json), so there is nothing to merge")
    model = load_model(str(source), local_files_only=True, device="cpu", dtype=torch.float32)
    loss = rounding_loss(model, getattr(torch, precision))
    merged = model.merge_and_unload(safe_merge=True).to(getattr(torch, precision))
    processor = with_crop_size(load_processor(source))
    card = card_of(merged, processor, lora.base, lora.revision, loss.sentence(precision))
    save_checkpoint(merged, processor, where, card)
    return loss


def rounding_loss(model: Any, precision: Any) -> RoundingLoss:
    """What merging the LoRA weights around a float32 `model` into weights of a torch `precision` would lose."""
    import torch

    lost, taught, shares = 0.0, 0.0, {}
    with torch.no_grad():
        for name, layer in model.named_modules():
            if NAME not in getattr(layer, "lora_A", {}):
                continue
            change = layer.get_delta_weight(NAME).float()
            exact = layer.get_base_layer().weight.float() + change
            error, size = (
                float(each.double().square().sum()) for each in (exact.to(precision).float() - exact, change)
            )
            lost, taught = lost + error, taught + size
            if size:
                shares[name.removeprefix("base_model.model.")] = math.sqrt(error / size)
    if not shares:
        return RoundingLoss(0.0, 0.0, 0.0, "")
    worst = max(shares, key=lambda name: shares[name])
    return RoundingLoss(math.sqrt(lost / taught), min(shares.values()), shares[worst], worst)
