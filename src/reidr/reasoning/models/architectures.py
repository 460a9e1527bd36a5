"""Which adapter serves which checkpoint. A new architecture is one file and one line in `ARCHITECTURES`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.extensions import load_object
from reidr.errors import WeightsError
from reidr.reasoning.lora.storage import read_lora

if TYPE_CHECKING:
    from reidr.reasoning.models.vision_language_model import VisionLanguageModel

ARCHITECTURES: dict[str, str] = {
    "reidr_convolutional": "reidr.reasoning.models.nano:Nano",
    "qwen2_5_vl": "reidr.reasoning.models.qwen:Qwen2_5_VL",
    "qwen3_vl": "reidr.reasoning.models.qwen:Qwen3_VL",
    "qwen3_5": "reidr.reasoning.models.qwen:Qwen3_5",
    "idefics3": "reidr.reasoning.models.smolvlm:Idefics3",
    "smolvlm": "reidr.reasoning.models.smolvlm:SmolVLM",
    "internvl": "reidr.reasoning.models.internvl:InternVL",
}
"""`model_type` of a checkpoint's config.json → the adapter's class as `module:name`. Programs may add their own."""


def find_architecture(model_type: str) -> type[VisionLanguageModel]:
    """The adapter's class for checkpoints of this `model_type`.

    Raises:
        WeightsError: none is known, or the one that is named cannot be imported.
    """
    if model_type not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise WeightsError(
            f"no adapter for models of type {model_type!r} (known: {known}); add one to"
            " reidr.reasoning.models.architectures.ARCHITECTURES"
        )
    adapter: type[VisionLanguageModel] = load_object(ARCHITECTURES[model_type], "architecture", WeightsError)
    return adapter


def model_type_of(path: str | Path, *, local_files_only: bool = True) -> str:
    """The `model_type` that the config.json of a checkpoint folder or hub id names, empty for none.

    Of LoRA weights it is their base's. Raises OSError where there is no such file.
    """
    from transformers import PreTrainedConfig

    lora = read_lora(path)
    if lora is not None:
        path, local_files_only = lora.place, True
    config, _ = PreTrainedConfig.get_config_dict(path, local_files_only=local_files_only)
    return str(config.get("model_type", ""))


def adapt(model: Any, processor: Any, pixels: tuple[int, int] | None = None) -> VisionLanguageModel:
    """The adapter around a loaded model, with LoRA around it or not, and its processor.

    Args:
        pixels: (least, greatest) area to which crops are resized; None for the processor's own sizes.

    Raises:
        WeightsError: as `find_architecture`.
    """
    from reidr.reasoning.models.transformers_model import unwrap

    return find_architecture(unwrap(model).config.model_type)(model, processor, pixels)
