"""`nano`'s architecture, small and untrained, for tests."""

from __future__ import annotations

from typing import Any

from reidr.data.vocabulary import VOCABULARY

ATTRIBUTES = {family.name: family.values for family in VOCABULARY}


def build_small_nano() -> tuple[Any, Any]:
    """A Qwen3-VL that sees through an OSNet at 64x32, recognises attributes and compares the two crops."""
    import torch

    from reidr.reasoning.nano.build import build_convolutional
    from reidr.retrieval.embedders.network import NetworkSettings, build_network

    settings = NetworkSettings(
        backbone="osnet-x0.25", height=64, width=32, embedding=64, stripes=2, stripe_embedding=32,
        attributes=ATTRIBUTES, attribute_width=16,
    )  # fmt: skip
    texts = ["Upper clothing: red in A, blue in B: differ.", "Shoes cannot be seen."]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        model, processor = build_convolutional(
            texts, build_network(settings), hidden=64, layers=2, vocabulary=300, merge=1
        )
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "vision_encoder" not in name:
                parameter.normal_(0, 0.12)
    return model.eval(), processor
