"""Log-probabilities in chunks: the naive numbers and gradients, and never logits of all tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from reidr.training.memory import vocabulary
from reidr.training.memory.vocabulary import divergence, token_log_probabilities

TOKENS, SIZE, WORDS, TOGETHER = 23, 16, 500, 4


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "LOGITS", TOGETHER * WORDS)


@pytest.fixture
def head() -> Iterator[Any]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield nn.Linear(SIZE, WORDS, bias=False)


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = function(*args, **(kwargs or {}))
        for each in given if isinstance(given, tuple | list) else [given]:
            if isinstance(each, torch.Tensor) and each.dim() and WORDS in each.shape and SIZE not in each.shape:
                self.numbers = max(self.numbers, each.numel())
        return given


def gradients(head: Any, hidden: torch.Tensor, result: torch.Tensor) -> list[torch.Tensor]:
    weights = torch.arange(1.0, len(result) + 1)
    return list(torch.autograd.grad((result * weights).sum(), [hidden, head.weight]))


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_tokens_are_the_naive_ones(head: Any, temperature: float) -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = (3 * torch.randn(TOKENS, SIZE, generator=generator)).requires_grad_()
    tokens = torch.randint(WORDS, (TOKENS,), generator=generator)
    with Largest() as largest:
        chosen, entropy = token_log_probabilities(head, hidden, tokens, temperature)
        found = gradients(head, hidden, chosen)
    assert largest.numbers == TOGETHER * WORDS
    scores = (head(hidden) / temperature).log_softmax(dim=-1)
    naive = scores.gather(1, tokens[:, None])[:, 0]
    torch.testing.assert_close(chosen, naive)
    torch.testing.assert_close(entropy, -(scores.exp() * scores).sum(dim=-1))
    assert not entropy.requires_grad
    for mine, wanted in zip(found, gradients(head, hidden, naive), strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4)


def test_divergence_is_the_naive_one(head: Any) -> None:
    generator = torch.Generator().manual_seed(2)
    start_head = nn.Linear(SIZE, WORDS, bias=False)
    hidden, before = (torch.randn(TOKENS, SIZE, generator=generator).requires_grad_() for _ in range(2))
    with Largest() as largest:
        found = divergence(head, hidden, start_head, before)
        taken = gradients(head, hidden, found)
    assert largest.numbers == TOGETHER * WORDS
    now, start = head(hidden).log_softmax(dim=-1), start_head(before).log_softmax(dim=-1).detach()
    naive = functional.kl_div(now, start, reduction="none", log_target=True).sum(dim=-1)
    torch.testing.assert_close(found, naive)
    for mine, wanted in zip(taken, gradients(head, hidden, naive), strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4)
    assert before.grad is None


def test_bfloat16_models_give_float32_log_probabilities(head: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(TOKENS, SIZE, generator=generator).to(torch.bfloat16).requires_grad_()
    tokens = torch.randint(WORDS, (TOKENS,), generator=generator)
    half = nn.Linear(SIZE, WORDS, bias=False, dtype=torch.bfloat16)
    chosen, _ = token_log_probabilities(half, hidden, tokens)
    assert chosen.dtype == torch.float32
    naive = half(hidden).float().log_softmax(dim=-1).gather(1, tokens[:, None])[:, 0]
    torch.testing.assert_close(chosen, naive)
    (mine,), (wanted,) = (torch.autograd.grad(each.sum(), [hidden]) for each in (chosen, naive))
    torch.testing.assert_close(mine, wanted)


def test_nothing_to_compute_is_nothing(head: Any) -> None:
    chosen, entropy = token_log_probabilities(head, torch.empty(0, SIZE), torch.empty(0, dtype=torch.long))
    assert chosen.shape == entropy.shape == (0,)
