"""Depthwise convolutions whose gradients are taken in float32 where bfloat16 is slow: the same gradients."""

import pytest
import torch
from torch import nn

from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.training.common.depthwise import DepthwiseConvolution, use_quick_gradients


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_gradients_are_those_of_the_plain_convolution(size, stride):
    torch.manual_seed(size * 10 + stride)
    plain = nn.Conv2d(8, 8, size, stride, size // 2, groups=8, bias=False)
    quick = nn.Conv2d(8, 8, size, stride, size // 2, groups=8, bias=False)
    quick.load_state_dict(plain.state_dict())
    assert use_quick_gradients(nn.Sequential(quick)) == 1
    pixels = torch.randn(3, 8, 12, 7)
    given = [pixels.clone().requires_grad_(), pixels.clone().requires_grad_()]
    exact = plain(given[0])
    (exact**2).sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        (quick(given[1]).float() ** 2).sum().backward()
    for one, other in ((given[0].grad, given[1].grad), (plain.weight.grad, quick.weight.grad)):
        assert other.dtype == torch.float32
        assert (one - other).norm() < 0.02 * one.norm()  # bfloat16 keeps eight bits


def test_only_plain_depthwise_convolutions_are_changed():
    layers = [
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=True),
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.Conv2d(8, 16, 3, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding=0, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False),
    ]
    assert use_quick_gradients(nn.Sequential(*layers)) == 1
    assert [type(layer) is DepthwiseConvolution for layer in layers] == [True] + [False] * 5


def test_without_autocast_the_output_is_the_same_to_the_bit():
    torch.manual_seed(0)
    network = build_network(NetworkSettings(height=32, width=16, embedding=16, stripe_embedding=8)).eval()
    pixels = torch.randn(2, 3, 32, 16)
    with torch.no_grad():
        before = network(pixels)
        assert use_quick_gradients(network) == 16  # one a block
        assert torch.equal(before, network(pixels))
