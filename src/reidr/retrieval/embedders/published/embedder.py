"""A published checkpoint as an embedder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reidr.errors import WeightsError
from reidr.retrieval.embedders.published.state import ENDINGS, read_state

if TYPE_CHECKING:
    from torch import Tensor, nn


class PublishedSettings(BaseModel):
    """What a checkpoint does not say of itself: the JSON file beside it, of the same name. It may be absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: bool = Field(False, description="average the embedding of a crop and of its mirror image")
    trained_on: tuple[str, ...] = Field((), description="data sets that it was trained on, by their names or folders")


class PublishedEmbedder:
    """A network with the weights and the preprocessing of its authors; it is an `Embedder`."""

    held_out = None

    def __init__(self, network: Any, settings: PublishedSettings, name: str, fingerprint: str) -> None:
        self.network, self.settings, self.name, self.fingerprint = network.eval(), settings, name, fingerprint
        self.trained_on = settings.trained_on

    @classmethod
    def load(cls, path: str | Path) -> PublishedEmbedder:
        """The checkpoint at `path`, whose kind its weights' names say.

        Raises WeightsError where it cannot be read or is of no kind that is known here.
        """
        path = Path(path)
        state = read_state(path)
        settings, stored = read_sidecar(path)
        try:
            network = network_of(state)
        except WeightsError as error:
            raise WeightsError(f"{path}: {error}") from None
        digest = hashlib.sha256(f"{type(network).__name__} 1".encode() + stored)
        for name in sorted(state):
            digest.update(name.encode() + np.ascontiguousarray(state[name].float().numpy()).tobytes())
        return cls(network, settings, stem_of(path), digest.hexdigest())

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) to which every picture is resized."""
        return int(self.network.height), int(self.network.width)

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(N, D) float32 unit rows for N RGB pictures of any size. Raises WeightsError for a useless output."""
        import torch
        from torch.nn import functional

        from reidr.retrieval.embedders.preprocess import normalise, resize

        if not pictures:
            return np.empty((0, 0), dtype=np.float32)
        batch = np.stack([resize(picture, *self.input_size) for picture in pictures])
        with torch.inference_mode():
            pixels = normalise(batch, self.network.mean, self.network.std)
            features = functional.normalize(self.network(pixels), dim=1)
            if self.settings.flip:
                features = functional.normalize(
                    features + functional.normalize(self.network(pixels.flip(3)), dim=1), dim=1
                )
        rows = np.asarray(features.numpy())
        if not np.isfinite(rows).all() or not rows.any(axis=1).all():
            raise WeightsError(f"{self.name}: gives an embedding of zeros, NaN or infinity; are its weights whole?")
        return rows


def is_published(source: object) -> bool:
    """Whether this names a file of weights."""
    return str(source).endswith(ENDINGS)


def stem_of(path: Path) -> str:
    """The file's name without its ending."""
    return next(path.name.removesuffix(ending) for ending in (".pth.tar", path.suffix) if path.name.endswith(ending))


def network_of(state: dict[str, Tensor]) -> nn.Module:
    """The network that these weights are of. Raises WeightsError where it is not known here."""
    from reidr.retrieval.embedders.published.torchreid_osnet import TorchreidOSNet
    from reidr.retrieval.embedders.published.transreid import TransReID

    for kind in (TorchreidOSNet, TransReID):
        if kind.recognises(state):
            made: nn.Module = kind(state)
            return made
    first = ", ".join(sorted(state)[:3])
    raise WeightsError(
        f"weights of no kind that is known here (torchreid's OSNet, TransReID); they begin {first}. Export the model to"
        " ONNX, or name your own loader as module:factory"
    )


def read_sidecar(path: Path) -> tuple[PublishedSettings, bytes]:
    """The settings beside a checkpoint, and their bytes; defaults where there are none. Raises WeightsError."""
    sidecar = path.with_name(stem_of(path) + ".json")
    if not sidecar.is_file():
        return PublishedSettings(), b""
    stored = sidecar.read_bytes()
    try:
        return PublishedSettings.model_validate_json(stored), stored
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        keys = ", ".join(PublishedSettings.model_fields)
        raise WeightsError(f"{sidecar}: {place}: {first['msg']}; the keys are {keys}") from None
