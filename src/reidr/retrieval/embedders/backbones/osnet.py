"""OSNet (Zhou, Yang, Cavallaro, Xiang: Omni-Scale Feature Learning for Person Re-Identification, 2019).

Our own code, written from the paper; parameter names are ours, so published checkpoints do not load directly.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

STEM = 64
STAGES = (256, 384, 512)
BLOCKS_PER_STAGE = 2
STREAMS = 4
BOTTLENECK = 4  # a block's streams work on a quarter of its output channels
GATE_REDUCTION = 16


def pointwise(inputs: int, outputs: int) -> nn.Sequential:
    """1×1 convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def lite(channels: int) -> nn.Sequential:
    """The paper's lite 3×3: a linear 1×1 convolution, then a depthwise 3×3, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class AggregationGate(nn.Module):
    """(N, C, H, W) → the same, every channel weighted by a sigmoid of the pooled map; one gate serves all streams."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // GATE_REDUCTION)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        weights: Tensor = self.weigh(features)
        return features * weights


class OmniScaleBlock(nn.Module):
    """Residual block whose stream t sees (2t+1)×(2t+1) pixels; the gate mixes the streams per input and channel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // BOTTLENECK
        self.squeeze = pointwise(inputs, middle)
        self.streams = nn.ModuleList(
            nn.Sequential(*(lite(middle) for _ in range(length))) for length in range(1, STREAMS + 1)
        )
        self.gate = AggregationGate(middle)
        self.expand = nn.Sequential(nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        squeezed = self.squeeze(inputs)
        mixed = reduce(torch.add, (self.gate(stream(squeezed)) for stream in self.streams))
        return torch.relu(self.expand(mixed) + self.shortcut(inputs))


class OSNet(nn.Module):
    """The trunk up to the last map; pooling and the embedding layer are the retriever's.

    `forward` takes (N, 3, H, W) with H and W of at least 16 and gives (N, channels, H/16, W/16).
    `width` scales every layer's channels (the paper's β: 1.0, 0.75, 0.5, 0.25).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stem, *stages = (int(channels * width) for channels in (STEM, *STAGES))
        self.channels = stages[-1]
        layers: list[nn.Module] = [
            nn.Conv2d(3, stem, 7, 2, 3, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        inputs = stem
        for outputs in stages:
            for _ in range(BLOCKS_PER_STAGE):
                layers.append(OmniScaleBlock(inputs, outputs))
                inputs = outputs
            layers.append(pointwise(outputs, outputs))
            if outputs != stages[-1]:
                layers.append(nn.AvgPool2d(2, 2))
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.layers(pixels)
        return features
