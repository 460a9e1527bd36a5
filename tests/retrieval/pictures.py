"""Rendered pictures and small networks for the tests of this folder."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn

from reidr.retrieval.embedders.network import NetworkSettings, RetrieverNetwork, build_network

SMALL = NetworkSettings(backbone="osnet-x0.25", height=32, width=16, embedding=16, stripes=2, stripe_embedding=8)


def pictures(number, seed=0, size=(24, 48)):
    """Blocks of random colours: enough structure that no two embeddings agree by chance."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (number, 8, 4, 3), dtype=np.uint8)
    return [Image.fromarray(block).resize(size, Image.Resampling.NEAREST) for block in blocks]


def small_network(settings=SMALL, seed=0) -> RetrieverNetwork:
    """A network of `settings` that has seen pixels."""
    torch.manual_seed(seed)
    return let_it_see(build_network(settings))


def let_it_see(network) -> RetrieverNetwork:
    """Batch norms that have seen pixels, so that embeddings differ from picture to picture."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0  # one batch decides
    with torch.no_grad():
        network.train()(torch.randn(16, 3, network.settings.height, network.settings.width))
    return network.eval()
