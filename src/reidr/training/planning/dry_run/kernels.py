"""What a GPU computes otherwise than the meta device would: fused attention and mixed precision.

Without a kernel of its own the meta device would make the whole matrix of attention weights, which no GPU keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "reidr_dry_run"
"""The attention implementation's name in transformers."""


class _FusedAttention(torch.autograd.Function):
    """Keeps for the backward pass what the fused kernels keep: inputs, output, one number per row and head, mask."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        output = torch.empty_like(query)
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        bias = None if mask is None else mask.to(query.dtype)
        context.save_for_backward(query, key, value, output, sums, bias)
        return output

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, *_ = context.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None


def fused_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: Any
) -> tuple[Tensor, None]:
    """An attention function of transformers, with the shapes of `sdpa_attention_forward` and no values."""
    from transformers.integrations.sdpa_attention import repeat_kv, use_gqa_in_sdpa

    groups = query.shape[1] // key.shape[1]
    if groups > 1 and not use_gqa_in_sdpa(attention_mask, key, value):
        key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    output: Tensor = _FusedAttention.apply(query, key, value, attention_mask)
    return output.transpose(1, 2).contiguous(), None


def register() -> str:
    """Make `fused_attention` known to transformers; returns its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, fused_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


class MixedPrecision(TorchFunctionMode):
    """Matrix products in bfloat16, as under `torch.autocast`, which the meta device does not have.

    A trained weight is cast once and the copy kept until the end of the pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cast: dict[int, Tensor] = {}

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in (functional.linear, torch.matmul, torch.bmm):
            args = tuple(self._lowered(each) for each in args)
        return function(*args, **(kwargs or {}))

    def _lowered(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dtype != torch.float32:
            return value
        if not (value.is_leaf and value.requires_grad):
            return value.to(torch.bfloat16)
        if id(value) not in self._cast:
            self._cast[id(value)] = value.to(torch.bfloat16)
        return self._cast[id(value)]


class NoContents(TorchDispatchMode):
    """Answers every question about the contents of a tensor with yes.

    transformers asks two: whether nothing is padded, and whether no row holds several sequences. "Yes" is the case
    without a mask, which is what training passes of the warm-up are.
    """

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return True
        return function(*args, **(kwargs or {}))
