"""Any image backbone of `transformers` as a retriever's trunk, from a local folder, never from a hub."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reidr.errors import WeightsError

PROBE = (1, 3, 128, 64)  # a person crop: shows at once whether the model takes upright pictures
EXTRA_TOKENS = 2  # a class token and DeiT's distillation token, before the patches


class TransformersBackbone(nn.Module):
    """The image model described by a folder's `config.json`; with its weights where the folder has safetensors.

    Without weights the start is random, which is what loading a trained retriever needs. For models of two encoders
    (CLIP, SigLIP) the vision encoder is used. Parameters that no gradient reaches (poolers, mask tokens) are frozen.

    `forward` takes (N, 3, H, W) and gives the last map (N, channels, h, w); token outputs are put back on
    their grid and class or register tokens are left out.
    """

    def __init__(self, folder: str | Path | None) -> None:
        """Raises WeightsError when the folder is missing or holds no usable image model."""
        super().__init__()
        if folder is None:
            raise WeightsError("backbone 'transformers' needs backbone_folder, a local folder with a config.json")
        self.folder = Path(folder)
        whole, absent = load_model(self.folder)
        self.model = vision_encoder(whole)
        # Not every model needs the option that says the picture's size is not the one it was trained on.
        known = inspect.signature(self.model.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known else {}
        reached = self.probe()
        lost = [name for name, value in whole.named_parameters() if id(value) in reached and name in absent]
        if lost:
            raise WeightsError(
                f"{self.folder}: its safetensors lack {lost[0]!r} and {len(lost) - 1} more; is the download complete?"
            )

    def probe(self) -> set[int]:
        """One forward and backward pass: sets `channels`, freezes what stays unused, gives the ids of what is used."""
        self.model.eval()
        parameters = list(self.model.parameters())
        try:
            with torch.enable_grad():
                features = self(torch.zeros(PROBE))
                gradients = torch.autograd.grad(features.sum(), parameters, allow_unused=True)
        except (RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise WeightsError(
                f"{self.folder}: {type(self.model).__name__} is not usable as an image backbone ({one_line(error)})"
            ) from None
        self.channels = int(features.shape[1])
        reached = set()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                parameter.requires_grad_(False)
            else:
                reached.add(id(parameter))
        self.model.train()
        return reached

    def forward(self, pixels: Tensor) -> Tensor:
        output = self.model(pixels, **self.options).last_hidden_state
        if output.ndim == 4:
            features: Tensor = output
            return features
        height, width = self.grid(pixels.shape[2], pixels.shape[3])
        extra = output.shape[1] - height * width
        if not 0 <= extra <= EXTRA_TOKENS + getattr(self.model.config, "num_register_tokens", 0):
            raise WeightsError(f"{self.folder}: {output.shape[1]} tokens do not fit a grid of {height}x{width} patches")
        return output[:, extra:].transpose(1, 2).unflatten(2, (height, width)).contiguous()

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the last token map for a picture of `height` × `width` pixels."""
        config: Any = self.model.config
        patch = getattr(config, "patch_size", None)
        if patch is None:
            raise WeightsError(f"{self.folder}: gives tokens, but its config names no patch_size to put them on a grid")
        sides = (patch, patch) if isinstance(patch, int) else tuple(patch)
        if not hasattr(config, "depths"):
            return height // sides[0], width // sides[1]
        # Hierarchical transformers (Swin) pad to whole patches and halve the map between their stages.
        halvings = 2 ** (len(config.depths) - 1)
        return math.ceil(math.ceil(height / sides[0]) / halvings), math.ceil(math.ceil(width / sides[1]) / halvings)


def load_model(folder: Path) -> tuple[nn.Module, set[str]]:
    """The folder's model in float32 and the names its weight file lacks (none where it has no weight file)."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    if not (folder / "config.json").is_file():
        raise WeightsError(f"{folder}: no such folder with a config.json of a transformers model")
    safe, pickled = any(folder.glob("*.safetensors")), any(folder.glob("*.bin"))
    if pickled and not safe:
        raise WeightsError(f"{folder}: has pickled weights only, which can run code; convert them to safetensors")
    model: Any
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not safe:
            return AutoModel.from_config(config, dtype=torch.float32), set()
        model, loading = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
        raise WeightsError(f"{folder}: transformers cannot load a model from it ({one_line(error)})") from None
    return model, set(loading["missing_keys"])


def vision_encoder(model: nn.Module) -> nn.Module:
    """The part that takes pixels alone: the vision encoder of a model of two encoders, else the model itself."""
    vision_encoder = getattr(model, "vision_model", model)
    assert isinstance(vision_encoder, nn.Module)
    return vision_encoder


def one_line(error: Exception) -> str:
    """The error's first line of text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
