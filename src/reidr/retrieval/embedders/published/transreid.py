"""TransReID's vision transformers (He et al., "TransReID: Transformer-based Object Re-Identification", ICCV 2021).

ViT and DeiT with patches that overlap or not, with or without the jigsaw branch (JPM) and side information (SIE). The
embedding is that of the published evaluation: the class token before its batch norm; with the jigsaw branch also the
class tokens of four groups of shuffled patches, a quarter each. Side information is learnt for each training camera;
the cameras of a search are others, so the mean of them all is added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from reidr.errors import WeightsError
from reidr.retrieval.embedders.published.torchreid_osnet import fit

PATCH, HEAD = 16, 64
GRIDS = {128: (256, 128, 16), 210: (256, 128, 12), 192: (384, 128, 16), 310: (384, 128, 12)}
"""Number of patches → (height, width, stride) of the published settings."""
SIDE_WEIGHT = 3.0  # of side information (SIE_COE)
SHIFT, GROUPS, PARTS = 5, 2, 4  # of the jigsaw branch
UNUSED = re.compile(r"(?:base\.fc|(?:base\.)?classifier\w*|bottleneck\w*|b2?_?head)\.|num_batches_tracked$")


class Block(nn.Module):
    """A transformer layer: attention and a two-layer perceptron, each behind a layer norm and with a residual."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.heads = size // HEAD
        self.norm1, self.norm2 = nn.LayerNorm(size, eps=1e-6), nn.LayerNorm(size, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(size, 3 * size), "proj": nn.Linear(size, size)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(size, 4 * size), "fc2": nn.Linear(4 * size, size)})

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, tokens, size) → the same shape."""
        number, length, size = tokens.shape
        qkv = self.attn["qkv"](self.norm1(tokens)).view(number, length, 3, self.heads, HEAD)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(number, length, size)
        tokens = tokens + self.attn["proj"](mixed)
        inner: Tensor = self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(tokens))))
        return tokens + inner


class Base(nn.Module):
    """The transformer: patches with their places, and its layers."""

    def __init__(self, size: int, depth: int, patches: int, stride: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, size))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, size, PATCH, stride)})
        self.blocks = nn.ModuleList(Block(size) for _ in range(depth))
        self.norm = nn.LayerNorm(size, eps=1e-6)

    def tokens(self, pixels: Tensor, side: Tensor | None) -> Tensor:
        """(N, 3, H, W) → (N, 1 + patches, size) before the first layer."""
        patches = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches], dim=1) + self.pos_embed
        return tokens if side is None else tokens + SIDE_WEIGHT * side


class TransReID(nn.Module):
    """(N, 3, H, W) normalised pixels → embeddings, not normalised: (N, size), or (N, 5 size) with the jigsaw branch."""

    mean = std = (0.5, 0.5, 0.5)
    side: Tensor | None

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Raises WeightsError for weights of another size or variant."""
        super().__init__()
        size, patches = state["base.pos_embed"].shape[2], state["base.pos_embed"].shape[1] - 1
        depth = 1 + max(int(found[1]) for name in state if (found := re.match(r"base\.blocks\.(\d+)\.", name)))
        if patches not in GRIDS or size % HEAD:
            sizes = ", ".join(f"{height}x{width} with stride {stride}" for height, width, stride in GRIDS.values())
            raise WeightsError(f"{patches} patches of {size} values are none of TransReID's settings ({sizes})")
        self.height, self.width, stride = GRIDS[patches]
        self.base = Base(size, depth, patches, stride)
        self.jigsaw = "b1.0.norm1.weight" in state
        if self.jigsaw:
            self.b1, self.b2 = (nn.Sequential(Block(size), nn.LayerNorm(size, eps=1e-6)) for _ in range(2))
        side = state.get("base.sie_embed")
        self.register_buffer("side", None if side is None else side.float().mean(dim=0, keepdim=True), persistent=False)
        used = {name: value for name, value in state.items() if not UNUSED.search(name) and name != "base.sie_embed"}
        fit(self, used, "a checkpoint of TransReID")

    @staticmethod
    def recognises(state: Mapping[str, Tensor]) -> bool:
        """Whether these are weights of a transformer of TransReID."""
        return {"base.cls_token", "base.pos_embed", "base.patch_embed.proj.weight"} <= state.keys()

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.base.tokens(pixels, self.side)
        layers = list(self.base.blocks)
        for block in layers[: len(layers) - self.jigsaw]:
            tokens = block(tokens)
        if not self.jigsaw:
            whole: Tensor = self.base.norm(tokens)[:, 0]
            return whole
        # The last layer is there twice, once for the picture and once for its parts.
        parts = [self.b1(tokens)[:, 0]]
        first, shuffled = tokens[:, :1], shuffle(tokens[:, 1:])
        length = (tokens.shape[1] - 1) // PARTS
        for number in range(PARTS):
            own = shuffled[:, number * length : (number + 1) * length]
            parts.append(self.b2(torch.cat([first, own], dim=1))[:, 0] / PARTS)
        return torch.cat(parts, dim=1)


def shuffle(patches: Tensor) -> Tensor:
    """(N, patches, size), an even number of patches: moved on by `SHIFT`, then dealt out from two halves in turn."""
    number, _, size = patches.shape
    moved = torch.cat([patches[:, SHIFT:], patches[:, :SHIFT]], dim=1)
    return moved.view(number, GROUPS, -1, size).transpose(1, 2).reshape(number, -1, size)
