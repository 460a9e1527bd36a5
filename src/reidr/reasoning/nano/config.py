"""The configuration of `nano`: that of Qwen3-VL, with a re-identification network as vision encoder."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import (
    AutoConfig,
    PreTrainedConfig,
    Qwen3VLConfig,
    Qwen3VLTextConfig,
)

from reidr.retrieval.embedders.network_settings import NetworkSettings


class ConvolutionalVisionConfig(PreTrainedConfig):
    """The vision encoder. `network` are the fields of `NetworkSettings` as `fields_of` gives them (None: its defaults),
    the attributes that it recognises among them; the rest is as in Qwen3-VL."""

    model_type = "reidr_convolutional_vision"
    base_config_key = "vision_config"

    network: dict[str, Any] | None = None
    hidden_size: int = 192
    out_hidden_size: int = 192
    key_size: int = 128
    heads: int = 4
    patch_size: int = 16
    temporal_patch_size: int = 2
    spatial_merge_size: int = 1
    in_channels: int = 3
    initializer_range: float = 0.02

    @property
    def settings(self) -> NetworkSettings:
        """Those of the network."""
        fields = dict(self.network or {})
        return NetworkSettings(**fields | {"attributes": dict(fields.get("attributes", ()))})


def fields_of(settings: NetworkSettings) -> dict[str, Any]:
    """The settings of a network for `ConvolutionalVisionConfig.network`.

    Attributes become a list of pairs: their order is that of the weights, and configurations are written with the keys
    of mappings sorted.
    """
    attributes = [[name, list(values)] for name, values in settings.attributes.items()]
    return settings.model_dump(mode="json") | {"attributes": attributes}


class ConvolutionalConfig(Qwen3VLConfig):
    """Configuration of the whole model."""

    model_type = "reidr_convolutional"
    sub_configs_defaults: ClassVar[Any] = {"vision_config": ConvolutionalVisionConfig, "text_config": Qwen3VLTextConfig}
    if not hasattr(Qwen3VLConfig, "sub_configs_defaults"):
        sub_configs: ClassVar[Any] = sub_configs_defaults  # the name before transformers 5.20


def vision_half(config: ConvolutionalConfig) -> ConvolutionalVisionConfig:
    """The vision encoder of a configuration."""
    half = config.vision_config
    assert isinstance(half, ConvolutionalVisionConfig)
    return half


AutoConfig.register(ConvolutionalVisionConfig.model_type, ConvolutionalVisionConfig)
AutoConfig.register(ConvolutionalConfig.model_type, ConvolutionalConfig)
