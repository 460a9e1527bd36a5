"""Depthwise convolutions whose gradients are taken in the number format that is quick on a CPU.

In bfloat16 oneDNN runs a network forward two to four times as quickly as in float32, but two of its backward kernels
are ten to forty times slower there: the gradient of the input of a strided depthwise convolution and that of the
weights of a 5x5 one. Both are taken in float32 here, which also rounds less. With torch 2.13, on a processor with
AVX512-BF16, a training step takes about half the time of plain bfloat16 (`benchmarks/training_step.py`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class DepthwiseFunction(torch.autograd.Function):
    """`conv2d` with one filter a channel; the gradients are those of `conv2d`, up to rounding."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.stride = stride
        return functional.conv2d(inputs, weight, None, stride, weight.shape[-1] // 2, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        inputs, weight = ctx.saved_tensors
        needs_inputs, needs_weight, _ = ctx.needs_input_grad
        (gradient,) = gradients
        of_inputs = of_weight = None
        if needs_inputs:
            in_float = ctx.stride > 1
            of_inputs = convolution_gradient(gradient, inputs, weight, ctx.stride, in_float, weights=False)
        if needs_weight:
            in_float = weight.shape[-1] >= 5
            of_weight = convolution_gradient(gradient, inputs, weight, ctx.stride, in_float, weights=True)
        return of_inputs, of_weight, None


def convolution_gradient(
    gradient: Tensor, inputs: Tensor, weight: Tensor, stride: int, in_float: bool, *, weights: bool
) -> Tensor:
    """torch's own gradient of the inputs or of the weights, computed in float32 where `in_float`."""
    wanted = weight.dtype if weights else inputs.dtype
    if in_float:
        gradient, inputs, weight = gradient.float(), inputs.float(), weight.float()
    padding = weight.shape[-1] // 2
    found = torch.ops.aten.convolution_backward(
        gradient,
        inputs,
        weight,
        None,
        [stride, stride],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        weight.shape[0],
        [not weights, weights, False],
    )
    result: Tensor = found[1 if weights else 0]
    return result.to(wanted)


class DepthwiseConvolution(nn.Conv2d):
    """A depthwise `nn.Conv2d` that uses `DepthwiseFunction` under CPU autocast; same parameters, same output."""

    def forward(self, input: Tensor) -> Tensor:
        if not (torch.is_autocast_enabled("cpu") and input.device.type == "cpu" and torch.is_grad_enabled()):
            return super().forward(input)
        kind = torch.get_autocast_dtype("cpu")
        result: Tensor = DepthwiseFunction.apply(input.to(kind), self.weight.to(kind), self.stride[0])
        return result


def use_quick_gradients(network: nn.Module) -> int:
    """Let the depthwise convolutions of `network` take their gradients as above; returns how many do."""
    changed = 0
    for module in network.modules():
        if type(module) is nn.Conv2d and is_plain_depthwise(module):
            module.__class__ = DepthwiseConvolution
            changed += 1
    return changed


def is_plain_depthwise(layer: nn.Conv2d) -> bool:
    """Whether a layer is a square depthwise convolution without bias and dilation, padded to keep the size."""
    size = layer.kernel_size[0]
    return (
        layer.groups == layer.in_channels == layer.out_channels > 1
        and layer.kernel_size == (size, size)
        and layer.stride == (layer.stride[0], layer.stride[0])
        and layer.padding == (size // 2, size // 2)
        and layer.dilation == (1, 1)
        and layer.bias is None
        and layer.padding_mode == "zeros"
    )
