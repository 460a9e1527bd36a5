"""Drawing the next token, against a plain twin."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidr.service.model_server.answering.sampling import Sampling


def twin(logits: list[float], sampling: Sampling) -> list[float]:
    """The same in loops."""
    weights = [math.exp((value - max(logits)) / sampling.temperature) for value in logits]
    chances = [weight / sum(weights) for weight in weights]
    kept = {place for place, chance in enumerate(chances) if chance >= sampling.min_p * max(chances)}
    ranked = sorted(kept, key=lambda place: -chances[place])
    if sampling.top_k > 0:
        ranked = ranked[: sampling.top_k]
    total, nucleus, reached = sum(chances[place] for place in ranked), [], 0.0
    for place in ranked:
        if reached >= sampling.top_p:
            break
        nucleus.append(place)
        reached += chances[place] / total
    whole = sum(chances[place] for place in nucleus)
    return [chances[place] / whole if place in nucleus else 0.0 for place in range(len(logits))]


def test_by_hand() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    assert Sampling().probabilities(logits).tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05])
    assert Sampling(top_k=2).probabilities(logits).tolist() == pytest.approx([0.625, 0.375, 0, 0])
    assert Sampling(top_p=0.6).probabilities(logits).tolist() == pytest.approx([0.625, 0.375, 0, 0])
    assert Sampling(top_p=0.01).probabilities(logits).tolist() == pytest.approx([1, 0, 0, 0])
    assert Sampling(min_p=0.25).probabilities(logits).tolist() == pytest.approx(
        [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]
    )
    # The temperature comes first: at 0.5 the chances are squared.
    squared = Sampling(temperature=0.5, min_p=0.3).probabilities(logits).tolist()
    assert squared == pytest.approx([0.25 / 0.34, 0.09 / 0.34, 0, 0])


@given(
    st.permutations([0.0, -0.7, -1.1, -2.3, -3.1, -6.2]),
    st.sampled_from([0.3, 1.0, 2.0]),
    st.sampled_from([-1, 0, 1, 3, 6, 100]),
    st.sampled_from([0.05, 0.33, 0.81, 1.0]),
    st.sampled_from([0.0, 0.07, 1.0]),
)
def test_as_its_twin(logits: list[float], temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    sampling = Sampling(temperature, top_k, top_p, min_p)
    found = sampling.probabilities(torch.tensor(logits, dtype=torch.float64))
    assert found.tolist() == pytest.approx(twin(logits, sampling), abs=1e-9)


@pytest.mark.parametrize("temperature", [0.0, 1e-320, 1e-30, 1e-5])
def test_no_temperature_is_too_low(temperature: float) -> None:
    logits = torch.tensor([1.0, 3.0, -torch.inf, 2.0])
    assert Sampling(temperature).draw(logits, torch.Generator().manual_seed(0)) == 1


def test_draws_follow_the_seed_and_the_probabilities() -> None:
    logits = torch.tensor([0.7, 0.2, 0.1]).log()
    generator = torch.Generator().manual_seed(3)
    drawn = [Sampling().draw(logits, generator) for _ in range(2000)]
    assert [drawn.count(token) / 2000 for token in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.03)
    again = torch.Generator().manual_seed(3)
    assert [Sampling().draw(logits, again) for _ in range(2000)] == drawn
