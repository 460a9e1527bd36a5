"""OSNet: size as published, map shapes, and a gradient for every parameter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reidr.retrieval.embedders.backbones.osnet import AggregationGate, OmniScaleBlock, OSNet


def count(module):
    return sum(value.numel() for value in module.parameters())


def test_parameter_count_is_the_published_one():
    trunk = OSNet()
    # The published model ends in a fully connected layer 512 → 512 with bias and batch norm.
    layer = 512 * 512 + 512 + 2 * 512
    assert round((count(trunk) + layer) / 1e6, 1) == 2.2
    # The authors' counter visits a block's shared gate once per stream, so it adds every gate three more times:
    # 24,108 = 3 · 2 · ((64·4+4 + 4·64+64) + (96·6+6 + 6·96+96) + (128·8+8 + 8·128+128)); it then says 2,193,616.
    gates = sum(count(module) for module in trunk.modules() if isinstance(module, AggregationGate))
    assert 3 * gates == 24_108
    assert count(trunk) + layer + 3 * gates == 2_193_616


@pytest.mark.parametrize(("width", "channels"), [(1.0, 512), (0.5, 256), (0.25, 128)])
def test_map_has_stride_16(width, channels):
    trunk = OSNet(width).eval()
    assert trunk.channels == channels
    with torch.no_grad():
        assert trunk(torch.zeros(2, 3, 64, 32)).shape == (2, channels, 4, 2)
        assert trunk(torch.zeros(1, 3, 16, 16)).shape == (1, channels, 1, 1)


def test_gradients_reach_every_parameter():
    torch.manual_seed(3)
    trunk = OSNet(1.0)
    trunk(torch.randn(4, 3, 32, 16)).square().mean().backward()
    for name, value in trunk.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name


def test_stream_t_sees_2t_plus_1_pixels():
    """A single bright pixel reaches exactly t pixels in every direction through stream t."""
    block = OmniScaleBlock(8, 16).eval()
    for length, stream in enumerate(block.streams, start=1):
        for module in stream.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.ones_(module.weight)
        picture = torch.zeros(1, 4, 11, 11)
        picture[:, :, 5, 5] = 1.0
        seen = (stream(picture)[0, 0] > 0).nonzero()
        assert seen.min().item() == 5 - length
        assert seen.max().item() == 5 + length
        assert len(seen) == (2 * length + 1) ** 2


def test_the_gate_weighs_channels_between_0_and_1():
    torch.manual_seed(0)
    gate = AggregationGate(32)
    features = torch.rand(2, 32, 4, 3) + 0.5
    weights = gate(features) / features
    assert ((weights > 0) & (weights < 1)).all()
    assert torch.allclose(weights, weights[:, :, :1, :1].expand_as(weights), atol=1e-6)
    assert weights[0].std() > 0
