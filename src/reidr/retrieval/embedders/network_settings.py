"""What describes a retriever's network; apart from the network, so that recipes and `--help` need no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

BackboneName = Literal["efficientnet-lite0", "osnet-x0.25", "osnet-x0.5", "osnet-x1.0", "transformers"]


class NetworkSettings(BaseModel):
    """Everything needed to rebuild a retriever's network and its preprocessing; stored beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: BackboneName = "efficientnet-lite0"
    backbone_folder: str | None = Field(None, description="for backbone 'transformers': a local folder with its config")
    height: int = Field(128, ge=16, le=1024, description="input height in pixels")
    width: int = Field(64, ge=16, le=1024, description="input width in pixels")
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    embedding: int = Field(512, ge=8, description="size of the whole-body embedding")
    stripes: int = Field(2, ge=0, le=8, description="horizontal stripes embedded besides the whole body (0: none)")
    stripe_embedding: int = Field(256, ge=8, description="size of each stripe's embedding")
    flip: bool = Field(True, description="average the embedding of a crop and of its mirror image")
    attributes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="attributes that the network recognises: values by family; none where empty"
    )
    attribute_width: int = Field(384, ge=8, description="size of the features that attributes are recognised from")

    @property
    def size(self) -> int:
        """Length of the final embedding."""
        return self.embedding + self.stripes * self.stripe_embedding
