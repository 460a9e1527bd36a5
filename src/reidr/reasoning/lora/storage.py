"""LoRA weights in PEFT's layout: what training with LoRA leaves, and what `transformers` and vLLM load with their base.

The folder also holds the processor, so that everything but the base itself is there. Nothing is rounded: LoRA weights
are trained, kept and loaded in float32, whatever the precision of the base.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidr.errors import WeightsError

SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PRESETS = Path(__file__).parent.parent / "presets"
NAME = "default"
"""PEFT's name of the adapter that is trained and saved."""


@dataclass(frozen=True)
class LoraSettings:
    """What `adapter_config.json` says.

    Attributes:
        base: the checkpoint that the weights belong to: a folder, a preset or a hub id.
        revision: commit of a hub id, None where it is not known. rank, alpha: as in `LoraConfig`.
    """

    base: str
    revision: str | None
    rank: int
    alpha: int

    @property
    def place(self) -> str:
        """The folder in which the base lies, a preset's or the hub's cache too; its name where it is not there."""
        from huggingface_hub import try_to_load_from_cache

        preset = PRESETS / self.base
        if (preset / "config.json").is_file():
            return str(preset)
        if Path(self.base).is_dir() or not re.fullmatch(r"[\w.-]+/[\w.-]+", self.base):
            return self.base
        cached = try_to_load_from_cache(self.base, "config.json", revision=self.revision)
        return str(Path(cached).parent) if isinstance(cached, str) else self.base


def has_lora(model: Any) -> bool:
    """Whether a loaded model has LoRA around it."""
    return hasattr(model, "get_base_model")


def read_lora(folder: str | Path) -> LoraSettings | None:
    """The settings of a folder of LoRA weights; None for a folder of whole weights and for a hub id.

    Raises:
        WeightsError: its settings cannot be read, or are of another method than LoRA.
    """
    path = Path(folder) / SETTINGS
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        kind, base = str(values["peft_type"]), values["base_model_name_or_path"]
        revision = values.get("revision")
        settings = LoraSettings(str(base), None if revision is None else str(revision), int(values.get("r", 0)),
                                int(values.get("lora_alpha", 0)))  # fmt: skip
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: is not an adapter's settings as PEFT writes them ({error!r})") from None
    if kind != "LORA" or not base:
        raise WeightsError(f"{path}: holds {kind.lower()} weights on {base!r}; only LoRA weights on a checkpoint load")
    return settings


def attach_lora(base: Any, folder: str | Path) -> Any:
    """`base` inside the LoRA weights of `folder`, which take part in every pass; nothing is merged.

    Raises:
        WeightsError: PEFT is not installed; the weights are damaged, or belong to another base.
    """
    from safetensors import SafetensorError, safe_open

    try:
        from peft import PeftModel
        from peft.utils import get_peft_model_state_dict
    except ImportError as error:
        raise WeightsError(
            f"{folder}: holds LoRA weights; loading them needs peft: pip install 'reidr[train]'"
        ) from error
    try:
        with safe_open(Path(folder) / WEIGHTS, "pt") as file:
            stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        model = PeftModel.from_pretrained(base, str(folder), adapter_name=NAME)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(f"{folder}: its LoRA weights cannot be loaded: {lines[0]}") from error
    wanted = {
        name: tuple(value.shape)
        for name, value in get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    if stored != wanted:
        other = sorted(stored.items() ^ wanted.items())[0][0]
        raise WeightsError(f"{folder}: its LoRA weights do not fit their base, first {other}; fetch the folder again")
    return model.eval()


def write_lora(model: Any, folder: str | Path) -> None:
    """The LoRA weights of `model` and their settings, in PEFT's layout, without a model card."""
    # "auto", PEFT's default, asks the hub whether the vocabulary has grown; a frozen copy of the start stays here.
    model.save_pretrained(str(folder), selected_adapters=[NAME], save_embedding_layers=False)
    (Path(folder) / "README.md").unlink(missing_ok=True)


def lora_is_of(model: Any, base: str, revision: str | None) -> None:
    """Note in the settings of `model` whose LoRA weights it has."""
    settings = model.peft_config[NAME]
    settings.base_model_name_or_path, settings.revision = base, revision
