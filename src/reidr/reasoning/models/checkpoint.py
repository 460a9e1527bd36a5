"""Finding and loading a reasoner's checkpoint: a folder, a preset inside the package, or a hub id.

Torch is imported only where something is loaded, so that a wrong name is reported at once.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.storage.files import filling
from reidr.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PRESETS = Path(__file__).parent.parent / "presets"
HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?")
"""`owner/model`, or `owner/model@revision`: a commit (which never changes), a tag or a branch."""


def preset_names() -> list[str]:
    """Names of the checkpoints that ship inside the package."""
    return sorted(config.parent.name for config in PRESETS.glob("*/config.json"))


def find_checkpoint(source: str | Path) -> tuple[str, bool]:
    """Where `source` lies, and whether that is on this machine.

    A bare name is a preset first, then a folder (write `./nano` for a folder of a preset's name); a name of the form
    `owner/model` that is no folder is a hub id. `owner/model@revision` is fetched once, into the hub's own cache
    on this machine, and is a folder from then on.

    Raises:
        WeightsError: none of these, a folder without config.json or without safetensors, or a revision that cannot be
            fetched.
    """
    folder = PRESETS / str(source) if str(source) in preset_names() else Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise WeightsError(f"{folder}: has no config.json, so it is not a checkpoint folder")
        if not any(folder.glob("*.safetensors")):
            raise WeightsError(f"{folder}: has no *.safetensors file; other weight formats are not loaded")
        return str(folder), True
    named = HUB_ID.fullmatch(source) if isinstance(source, str) and not source.startswith(".") else None
    if named is not None:
        return (named[1], False) if named[2] is None else (fetched(named[1], named[2]), True)
    presets = ", ".join(preset_names()) or "none"
    raise WeightsError(f"{source}: no such checkpoint folder or preset (presets in this package: {presets})")


def fetched(model: str, revision: str) -> str:
    """The folder that holds a hub's `model` at `revision`, fetched where it is not in the cache yet.

    Raises WeightsError where it cannot be had.
    """
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    from reidr.reasoning.models.processor import first_line

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
    try:
        return str(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, HTTPError, OSError, ValueError) as error:
        raise WeightsError(
            f"{model}@{revision}: cannot be fetched from the Hugging Face Hub ({first_line(error)}); fetch it where "
            "there is a network (hf download), and give its folder"
        ) from error


def load_model(path: str, *, local_files_only: bool, device: str, dtype: torch.dtype) -> PreTrainedModel:
    """The model of a checkpoint on `device`, every weight taken from its safetensors.

    Raises:
        WeightsError: not a vision-language model, damaged, or with weights missing or of a wrong shape.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    from reidr.reasoning.models.architectures import ARCHITECTURES, find_architecture, model_type_of
    from reidr.reasoning.models.processor import first_line

    logging.disable_progress_bar()  # a progress bar for 0.1 s of loading is noise
    options: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}
    options |= {"dtype": dtype, "local_files_only": local_files_only}
    loaded: Any
    try:
        model_type = model_type_of(path, local_files_only=local_files_only)
        if model_type in ARCHITECTURES:
            find_architecture(model_type)  # makes an architecture of our own known to transformers
        loaded = AutoModelForImageTextToText.from_pretrained(path, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{path}: the model cannot be loaded: {first_line(error)}") from error
    model: PreTrainedModel = loaded[0].to(device)
    missing = sorted(loaded[1]["missing_keys"])
    if missing:
        # Otherwise transformers would go on with random numbers in their place.
        raise WeightsError(f"{path}: {len(missing)} weights are missing, first {missing[0]}; fetch it again")
    return model


def save_taught(model: PreTrainedModel, processor: Any, source: str | Path, where: Path) -> None:
    """Write a trained model and its processor to `where`, in the precision of the checkpoint it started from.

    Training is done in single precision, which takes twice the space that `nano` ships in. Trainers switch the
    key-value cache off in the configuration; left so, generating with the checkpoint would be slow.
    """
    from transformers import AutoConfig

    from reidr.reasoning.models.architectures import find_architecture

    path, local = find_checkpoint(source)
    find_architecture(model.config.model_type)  # makes an architecture of our own known to transformers
    stored = AutoConfig.from_pretrained(path, local_files_only=local).dtype
    if stored is not None:
        model.to(stored)
    if model.config.to_dict().get("use_cache") is False:
        model.config.use_cache = True
    save_checkpoint(model, processor, where)


def save_checkpoint(model: PreTrainedModel, processor: Any, where: Path) -> None:
    """Write a model and its processor (None: the model alone) to `where`, which is a checkpoint once all is there.

    Raises ReIDError where they cannot be written.
    """
    with filling(where, last="config.json") as folder:
        model.save_pretrained(folder)
        if processor is not None:
            processor.save_pretrained(folder)


def hash_weights(model: torch.nn.Module) -> str:
    """SHA-256 (hexadecimal) over names, types, shapes and values of all weights, as they are in memory."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
