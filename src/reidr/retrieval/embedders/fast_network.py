"""The retriever's network for processors alone: batch norms and activations in the convolutions, bfloat16 where fast.

Measured by benchmarks/embedding.py, beside ONNX Runtime and others. `torch.compile` is left out: it needs a compiler on
the user's machine.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reidr.retrieval.embedders.backbones.efficientnet_lite import EfficientNetLite
from reidr.retrieval.embedders.network import RetrieverNetwork
from reidr.retrieval.embedders.precision import Arithmetic

# First blocks of EfficientNet-lite that stay in single precision, like the stem. In bfloat16 the first alone takes the
# cosine with the reference down to 0.99 for dark crops; without these three all others stay above 0.999. Measured on
# photographs with two retrievers. They would gain no time either.
SINGLE_BLOCKS = 3
# Crops at a time. Their first, large maps are made in parts that stay in the processor's second-level cache.
AT_ONCE, LARGE_BLOCKS, PART_PIXELS = 32, 4, 8 * 128 * 64
ACTIVATIONS = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}


def best_arithmetic(trunk: nn.Module) -> Arithmetic:
    """bfloat16 on a processor with instructions for it, elsewhere it would be slower than float32; and only for the
    backbone of which it is known which layers must not be computed in it."""
    able = torch.cpu.get_capabilities()
    native = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return "bfloat16" if native and isinstance(trunk, EfficientNetLite) else "float32"


class FastNetwork:
    """A copy of a network for inference. The network itself is not changed, nor are later changes of it seen."""

    def __init__(self, network: RetrieverNetwork, arithmetic: Arithmetic | None = None) -> None:
        """`arithmetic`: of the convolutions; None takes what the processor does best."""
        self.arithmetic: Arithmetic = arithmetic or best_arithmetic(network.trunk)
        fast = copy.deepcopy(network).eval().requires_grad_(False)
        fold_batch_norms(fast)
        dtype = torch.bfloat16 if self.arithmetic == "bfloat16" else torch.float32
        trunk = fast.trunk
        if isinstance(trunk, EfficientNetLite):
            blocks = list(trunk.blocks)
            for module in (trunk.stem, *blocks[:SINGLE_BLOCKS]):
                join_activations(module, torch.float32)
            trunk.stem = nn.Sequential(InParts(nn.Sequential(trunk.stem, *blocks[:LARGE_BLOCKS])))
            trunk.blocks = nn.Sequential(*blocks[LARGE_BLOCKS:])
        join_activations(fast, dtype)
        self.network = cast(RetrieverNetwork, fast.to(memory_format=torch.channels_last))  # type: ignore[call-overload]

    def embed(self, batch: NDArray[np.uint8]) -> Tensor:
        """(N, size) unit rows from (N, H, W, 3) pixels of the network's input size, at least one crop."""
        parts = (batch[start : start + AT_ONCE] for start in range(0, len(batch), AT_ONCE))
        return torch.cat([self._embed(torch.from_numpy(part)) for part in parts])

    def _embed(self, batch: Tensor) -> Tensor:
        """Averaged with the mirror images where the settings say so; these are one batch with the crops."""
        settings = self.network.settings
        # `preprocess.normalise` in two passes; seen from the side, rows of pixels are a map with channels last.
        spread = torch.tensor(settings.std)
        pixels = batch.float().mul_(1 / (255 * spread)).sub_(torch.tensor(settings.mean) / spread)
        if settings.flip:
            pixels = torch.cat([pixels, pixels.flip(2)])
        features = self.network.feature_map(pixels.permute(0, 3, 1, 2))
        rows = torch.cat([functional.normalize(part, dim=1) for part in self._branches(features.float())], dim=1)
        rows = functional.normalize(rows, dim=1)
        if settings.flip:
            plain, mirrored = rows.chunk(2)
            rows = functional.normalize(plain + mirrored, dim=1)
        return rows

    def _branches(self, features: Tensor) -> list[Tensor]:
        """The second of `RetrieverNetwork.pooled_branches`; powers are taken once for the whole map and its stripes."""
        network = self.network
        powers = network.pool.powers(features)
        pooled = [network.pool.mean(powers)]
        if network.settings.stripes:
            stripes = torch.tensor_split(powers, network.settings.stripes, dim=2)
            pooled += [reduce(network.pool.mean(part)) for reduce, part in zip(network.reduce, stripes, strict=True)]
        return [neck(part) for neck, part in zip(network.necks, pooled, strict=True)]


class JoinedConvolution(nn.Module):
    """A convolution and the activation behind it in one pass over memory, computed in `dtype` whatever comes in.

    oneDNN's own joined operation, which `torch.compile` uses too; both one after another where torch was built without.
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        weight = convolution.weight.detach().to(dtype)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        bias = convolution.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach().to(dtype), requires_grad=False)
        self.padding = [int(size) for size in convolution.padding]
        self.stride, self.dilation = list(convolution.stride), list(convolution.dilation)
        self.groups = convolution.groups
        self.activation = activation
        self.name, self.limits = ACTIVATIONS[type(activation)] if activation is not None else ("none", [])
        self.joined = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")

    def forward(self, features: Tensor) -> Tensor:
        features = features.to(self.dtype)
        if self.joined:
            form = (self.padding, self.stride, self.dilation, self.groups)
            result: Tensor = torch.ops.mkldnn._convolution_pointwise(
                features, self.weight, self.bias, *form, self.name, self.limits, ""
            )
            return result
        form = (self.stride, self.padding, self.dilation, self.groups)
        result = functional.conv2d(features, self.weight, self.bias, *form)
        return result if self.activation is None else cast(Tensor, self.activation(result))


class InParts(nn.Module):
    """Layers that see a batch in parts of `PART_PIXELS`."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, pixels: Tensor) -> Tensor:
        rows = max(PART_PIXELS // (pixels.shape[2] * pixels.shape[3]), 1)
        return torch.cat([self.layers(part) for part in pixels.split(rows)])


def fold_batch_norms(module: nn.Module) -> None:
    """Put every batch norm that follows a convolution in a sequence into the convolution's weights, in place."""
    for child in module.children():
        fold_batch_norms(child)
    if isinstance(module, nn.Sequential):
        for first, second in pairwise(range(len(module))):
            convolution, norm = module[first], module[second]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[first] = fuse_conv_bn_eval(convolution, norm)
                module[second] = nn.Identity()


def join_activations(module: nn.Module, dtype: torch.dtype) -> None:
    """Make every convolution in a sequence one that is computed in `dtype`, with the activation behind it, in place."""
    for child in module.children():
        join_activations(child, dtype)
    if isinstance(module, nn.Sequential):
        for place, convolution in enumerate(module):
            if type(convolution) is not nn.Conv2d or isinstance(convolution.padding, str):
                continue
            behind = place + 1
            while behind < len(module) and isinstance(module[behind], nn.Identity):  # a batch norm was there
                behind += 1
            follows = module[behind] if behind < len(module) else None
            activation = follows if type(follows) in ACTIVATIONS else None
            module[place] = JoinedConvolution(convolution, activation, dtype)
            if activation is not None:
                module[behind] = nn.Identity()
