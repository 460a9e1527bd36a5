"""A recipe over the shared one of published checkpoints, with tiny sizes, for tests of whole trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tiny_reasoners import lively

NETWORK = {
    "backbone": "efficientnet-lite0", "height": 64, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8,
    "flip": False,
}  # fmt: skip
TRAINING = {
    "network": NETWORK, "imagenet": False, "frozen_blocks": 0, "epochs": 1, "warmup_epochs": 0, "batch_persons": 4,
    "batch_images": 2, "smaller_first": [],
}  # fmt: skip
SHORT = {"max_new_tokens": 8, "lora_rank": 2}
OWN: dict[str, dict[str, Any]] = {
    "retriever": TRAINING,
    "pairs": {"folds": 2, "training": TRAINING, "held_out_share": 0.3, "held_out_pairs": 8, "queries": 24},
    "warmup": {"steps": 2, "batch": 4, "measure_pairs": 4, "regenerate": 1, **SHORT},
    "sample": {"rollouts": 2, "max_new_tokens": 8, "rule": "random", "chunk": 8},
    "rl": {"pairs": 4, "num_generations": 2, "backward_rows": 8, "measure_every": 2, "measure_pairs": 4, **SHORT},
    "evaluation": {"k": 8, "queries": 4, "think": 1, "tuning_queries": 12},
}


def own_recipe(folder: Path, architecture: str) -> str:
    """A recipe over the shared one, and beside it a tiny checkpoint of the architecture, laid out as on the hub."""
    model, processor = lively(architecture)
    model.save_pretrained(folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    values = {name: {**section} for name, section in OWN.items()}
    values["warmup"]["model"] = str(folder / "checkpoint")
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"extends": "vision-language", **values}))
    return str(path)
