"""A tiny model of random weights behind the model server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SENTENCES = ["Upper clothing: red in A, blue in B: differ.", "Upper clothing: same in both.", "Shoes cannot be seen."]


def random_reasoner() -> Any:
    """A `Reasoner` whose answers differ; it has learnt nothing."""
    import torch

    from reidr.reasoning.backends.reference import Reasoner
    from reidr.reasoning.nano.build import TINY, build_nano

    model, processor = build_nano(SENTENCES, TINY, vocabulary=300)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.12)
    return Reasoner(model, processor, name="tiny")


@pytest.fixture(scope="session")
def tiny() -> Any:
    """`random_reasoner`, once."""
    return random_reasoner()


@pytest.fixture
def served(tiny: Any, start: Callable[[Any], Any]) -> Any:
    """A server around it, running."""
    from reidr.service.model_server.server import ModelServer

    return start(ModelServer(tiny))
