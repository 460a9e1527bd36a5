"""A checkpoint's architecture without its weights: the model on torch's meta device, built from config.json alone."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from reidr.errors import WeightsError
from reidr.training.planning.dry_run.kernels import register
from reidr.training.recipes.pretraining import PretrainingRecipe

PUBLIC_CONFIGS = Path(__file__).parent / "public_configs.json"
"""Sizes from the config.json of public checkpoints, by hub id (https://huggingface.co/ID/blob/main/config.json).

A test counts the parameters that they make against the published numbers.
"""


@dataclass(frozen=True)
class Architecture:
    """What a plan knows of a checkpoint.

    Attributes:
        name: as the recipe names it, without a revision. source: where the sizes come from, in words. config: the
            content of config.json. remote: whether the weights have to be downloaded.
    """

    name: str
    source: str
    config: dict[str, Any]
    remote: bool = False

    @property
    def text(self) -> dict[str, Any]:
        """The language model's sizes."""
        found: dict[str, Any] = self.config.get("text_config", self.config)
        return found

    @property
    def layers(self) -> int:
        """Number of layers of the language model."""
        return int(self.text["num_hidden_layers"])

    def with_layers(self, layers: int) -> Architecture:
        """The same with another number of layers in the language model."""
        text = self.text | {"num_hidden_layers": layers}
        if text.get("layer_types"):
            text["layer_types"] = text["layer_types"][:layers]
        return replace(self, config=self.config | {"text_config": text})

    @property
    def vision(self) -> dict[str, Any]:
        """The vision encoder's sizes."""
        return dict(self.config.get("vision_config", {}))


def find_sizes(source: str) -> Architecture:
    """The architecture of a folder, a preset, a hub id in the local cache, or one of `PUBLIC_CONFIGS`.

    A revision (`ID@REVISION`) is left out: revisions of a checkpoint have the same sizes. Nothing is downloaded.

    Raises WeightsError where the sizes are nowhere on this machine.
    """
    from transformers import PreTrainedConfig

    from reidr.reasoning.models.checkpoint import PRESETS, find_checkpoint, preset_names

    source, _, _ = source.partition("@") if not Path(source).exists() else (source, "", "")
    folder = PRESETS / source if source in preset_names() else Path(source)
    if (folder / "config.json").is_file():
        return Architecture(source, f"{folder / 'config.json'}", _read(folder / "config.json"))
    path, _ = find_checkpoint(source)
    remote = not _in_cache(path)
    try:
        config, _ = PreTrainedConfig.get_config_dict(path, local_files_only=True)
    except OSError:
        config = {}
    if config.get("model_type"):
        return Architecture(source, "its config.json in the Hugging Face cache", config, remote)
    known = _read(PUBLIC_CONFIGS)
    if source in known:
        return Architecture(source, f"the public config.json of {source}", known[source], remote=True)
    raise WeightsError(
        f"{source}: its sizes are not known here (known: {', '.join(known)}); fetch its config.json with "
        f"`hf download {source} config.json`, or give the folder of a checkpoint"
    )


def _in_cache(hub_id: str) -> bool:
    """Whether weights of a checkpoint are in the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    names = ("model.safetensors", "model.safetensors.index.json")
    return any(isinstance(try_to_load_from_cache(hub_id, name), str) for name in names)


def nano_sizes(recipe: PretrainingRecipe) -> Architecture:
    """The small reasoner that a pretraining makes (`reasoning.nano.build.build_convolutional`)."""
    own = find_sizes("nano")
    language = recipe.language
    text = own.text | {
        "hidden_size": language.hidden,
        "intermediate_size": 3 * language.hidden,
        "num_hidden_layers": language.layers,
        "num_attention_heads": language.hidden // 32,
        "num_key_value_heads": language.key_value_heads,
        "vocab_size": language.vocabulary,
    }
    from reidr.training.retriever.attributes.people import recognising

    (attributes,) = (each.attribute_recognition for each in recipe.vision_encoder if each.attribute_recognition)
    network = recognising(recipe.vision_encoder[-1].network, attributes.width).model_dump(mode="json")
    vision = own.vision | {"network": network, "hidden_size": language.hidden, "out_hidden_size": language.hidden}
    return Architecture(
        "nano", "the recipe's section pretraining", own.config | {"text_config": text, "vision_config": vision}
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as JSON ({error}); fetch the checkpoint again") from None
    return content


def build_on_meta(architecture: Architecture, dtype: torch.dtype) -> Any:
    """The model, without contents, in evaluation mode; its attention is `kernels.fused_attention`.

    Raises WeightsError where transformers does not know the architecture or the sizes contradict each other.
    """
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    from reidr.reasoning.models.architectures import ARCHITECTURES, find_architecture
    from reidr.reasoning.models.processor import first_line

    values = {name: value for name, value in architecture.config.items() if name not in ("dtype", "torch_dtype")}
    kind = str(values.pop("model_type", ""))
    if kind in ARCHITECTURES:
        find_architecture(kind)  # makes an architecture of our own known to transformers
    try:
        config = CONFIG_MAPPING[kind].from_dict(values)
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype, attn_implementation=register())
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{architecture.name}: no model can be made of its config: {first_line(error)}") from error
    return model.eval()


def language_model(model: Any) -> Any:
    """The language model of a vision-language model, without its head: a module of transformers."""
    inner = model.model
    found: Any = inner.language_model if hasattr(inner, "language_model") else inner.text_model
    return found


def count(module: Any, *, trained: bool = False) -> int:
    """Number of parameters, shared ones once; only those with gradients if `trained`."""
    return sum(each.numel() for each in module.parameters() if each.requires_grad or not trained)
