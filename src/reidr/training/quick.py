"""What `reidr train RECIPE --quick` changes: it shows that all stages run, nothing more."""

from __future__ import annotations

from typing import Any

Changes = dict[str, dict[str, Any]]

SMALL = {"epochs": 1, "batch_persons": 8, "attributes": 1.0}
QUICK: Changes = {
    "pretraining": {
        "data": [],
        "vision_encoder": [
            {**SMALL, "network": {"height": 128, "width": 64}},
            {**SMALL, "network": {"height": 192, "width": 96}},
        ],
        "vision_encoder_street_people": 24,
        "street_people": 24,
        "attribute_streets": 1,
        "attribute_street_people": 8,
        "attribute_head_steps": 40,
        "steps": 40,
        "warmup_steps": 5,
        "second_pass": {"steps": 20, "batch": 24, "warmup_steps": 2},
    },
    "pairs": {"pairs": 300, "held_out_pairs": 60, "held_out_street_people": 16},
    "warmup": {"steps": 12, "batch": 12, "regenerate": 6, "measure_every": 6, "measure_pairs": 40, "warmup_steps": 2},
    # After forty steps no rollout is parsable, so none passes: pairs are chosen at random.
    "sample": {"rollouts": 2, "rule": "random", "budget_share": 0.3, "max_new_tokens": 40},
    "rl": {"steps": 3, "pairs": 4, "num_generations": 4, "backward_rows": 16, "max_new_tokens": 40},
}
"""Of a recipe with a pretraining: rendered people alone, few people, few steps."""

FEW_EPOCHS = {"epochs": 1, "warmup_epochs": 0, "batch_persons": 8}
QUICK_CHECKPOINT: Changes = {
    "retriever": FEW_EPOCHS,
    "pairs": {"queries": 100, "pairs_per_image": None, "pairs": 200, "held_out_pairs": 40, "training": FEW_EPOCHS},
    "warmup": {"steps": 4, "batch": 4, "regenerate": 2, "measure_every": 4, "measure_pairs": 8, "warmup_steps": 1},
    # After four steps hardly a rollout is right and readable: pairs are chosen at random.
    "sample": {
        "most_pairs": 32, "rollouts": 2, "rule": "random", "budget_of": "pairs", "budget_share": 0.5, "chunk": 8,
        "max_new_tokens": 64,
    },
    "rl": {"steps": 2, "epochs": None, "pairs": 4, "num_generations": 4, "backward_rows": 8, "max_new_tokens": 64},
    "evaluation": {"queries": 10, "k": 3, "think": 1, "tuning_queries": 20},
}  # fmt: skip
"""Of a recipe that starts from a published checkpoint: few pairs and steps of the data sets that are given."""
