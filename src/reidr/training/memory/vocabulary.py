"""Log-probabilities over a large vocabulary, a few tokens at a time.

A Qwen has some 152,000 words: the logits of 10,000 tokens take 6 GB in float32, and their softmax and its gradient as
much again. Here logits exist for one chunk of tokens only; in the backward pass they are computed a second time, which
costs one more product with the head and changes no digit of the result. The head is called as the module it is, so
that wrappers which gather its weights from several processes see every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LOGITS = 2**26
"""Most logits of a chunk: 268 MB in float32; a chunk needs three to four times that for a moment."""


def tokens_together(vocabulary: int) -> int:
    """Tokens of one chunk."""
    return max(1, LOGITS // vocabulary)


def in_chunks(function: Callable[..., tuple[Tensor, ...]], vocabulary: int, *inputs: Tensor) -> tuple[Tensor, ...]:
    """`function` of `inputs`, (N, …) each, `tokens_together` rows at a time; it gives tensors of as many rows.

    What it computes on the way is not kept for the backward pass, unless all rows fit into one chunk.
    """
    size = tokens_together(vocabulary)
    if len(inputs[0]) <= size:
        return function(*inputs)
    parts = [
        checkpoint(function, *part, use_reentrant=False, preserve_rng_state=False)
        for part in zip(*(each.split(size) for each in inputs), strict=True)
    ]
    return tuple(torch.cat(own) for own in zip(*parts, strict=True))


def token_log_probabilities(
    head: Any, hidden: Tensor, tokens: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of each token and entropy of the distribution it was drawn from, (N,) each, in float32.

    Args:
        head: the layer that gives logits. hidden: (N, size) what it predicts the tokens from. tokens: (N,) ids.

    The entropy carries no gradient.
    """

    def chunk(hidden: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        scores = head(hidden).float() / temperature
        total = scores.logsumexp(dim=-1)
        chosen = scores.gather(1, tokens[:, None])[:, 0] - total
        with torch.no_grad():
            entropy = total - (scores - total[:, None]).exp().mul_(scores).sum(dim=-1)
        return chosen, entropy

    chosen, entropy = in_chunks(chunk, vocabulary_of(head), hidden, tokens)
    return chosen, entropy.detach()


def divergence(head: Any, hidden: Tensor, start_head: Any, start_hidden: Tensor) -> Tensor:
    """KL(start || now) of each token's distribution, (N,), in float32; no gradient reaches the start.

    Args:
        head, hidden: layer that gives logits and what it gives them from, (N, size), now. start_head, start_hidden: the
            same of the model at the start.
    """

    def chunk(hidden: Tensor, before: Tensor) -> tuple[Tensor]:
        now = head(hidden).float().log_softmax(dim=-1)
        with torch.no_grad():
            start = start_head(before).float().log_softmax(dim=-1)
        return (torch.nn.functional.kl_div(now, start, reduction="none", log_target=True).sum(dim=-1),)

    return in_chunks(chunk, vocabulary_of(head), hidden, start_hidden.detach())[0]


def vocabulary_of(head: Any) -> int:
    """Number of logits that a head gives."""
    return int(head.out_features)
