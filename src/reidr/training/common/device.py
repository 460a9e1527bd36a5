"""Where a training runs, and with which weights it begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reidr.training.processes.team import local_rank

if TYPE_CHECKING:
    from reidr.reasoning.models.attention import Attention


def training_device() -> torch.device:
    """The GPU where there is one, each of several processes its own, else the CPU."""
    return torch.device("cuda", local_rank()) if torch.cuda.is_available() else torch.device("cpu")


def load_for_training(source: str | Path, *, half: bool, attention: Attention | None = None) -> tuple[Any, Any]:
    """Model and processor of a checkpoint, on the training device; on a GPU in bfloat16 if `half`.

    LoRA keeps its own float32 weights; weights that are themselves trained would lose small steps in bfloat16.

    Args:
        source: a folder, a preset, or a name on the Hugging Face Hub. attention: as `load_model`.

    Raises:
        WeightsError: it cannot be loaded.
    """
    from reidr.reasoning.models.checkpoint import find_checkpoint, load_model
    from reidr.reasoning.models.processor import load_processor

    path, local = find_checkpoint(source)
    device = training_device()
    precision = torch.bfloat16 if device.type == "cuda" and half else torch.float32
    model = load_model(path, local_files_only=local, device=str(device), dtype=precision, attention=attention)
    return model, load_processor(path, local_files_only=local)
