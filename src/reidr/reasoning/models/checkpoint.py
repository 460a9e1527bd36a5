"""Finding and loading a reasoner's checkpoint: a folder, a preset inside the package, or a hub id.

Torch is imported only where something is loaded, so that a wrong name is reported at once.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.storage.files import filling, write_text
from reidr.errors import WeightsError
from reidr.reasoning.lora.storage import PRESETS, SETTINGS, LoraSettings, attach_lora, has_lora, read_lora

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from reidr.reasoning.models.attention import Attention

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
        WeightsError: none of these, a folder without config.json or without safetensors, a revision that cannot be
            fetched, or LoRA weights on a base that is not there.
    """
    folder = PRESETS / str(source) if str(source) in preset_names() else Path(source)
    if folder.is_dir():
        if not any((folder / name).is_file() for name in ("config.json", SETTINGS)):
            raise WeightsError(f"{folder}: has no config.json, so it is not a checkpoint folder")
        if not any(folder.glob("*.safetensors")):
            raise WeightsError(f"{folder}: has no *.safetensors file; other weight formats are not loaded")
        lora = read_lora(folder)
        if lora is not None:
            find_base(folder, lora)
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


def load_model(
    path: str, *, local_files_only: bool, device: str, dtype: torch.dtype, attention: Attention | None = None
) -> Any:
    """The model of a checkpoint on `device`, every weight taken from its safetensors.

    A folder of LoRA weights gives its base in `dtype` with the LoRA weights, in float32, around it; the base is taken
    from this machine only.

    Args:
        attention: how attention is computed; None for transformers' choice, which is `sdpa` where it can be had.

    Raises:
        WeightsError: not a vision-language model, damaged, or with weights missing or of a wrong shape; the base of
            LoRA weights is not there; or `attention` is not installed.
    """
    lora = read_lora(path)
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if lora is None:
        return load_whole(path, device, dtype, local_files_only=local_files_only, **options)
    try:
        base = load_whole(find_base(path, lora), device, dtype, local_files_only=True, **options)
    except WeightsError as error:
        raise WeightsError(f"{path}: the base of its LoRA weights: {error}") from error
    return attach_lora(base, path)


def find_base(path: str | Path, lora: LoraSettings) -> str:
    """Where the base of the LoRA weights in `path` lies. Raises WeightsError where it is not on this machine."""
    place = lora.place
    if not Path(place).is_dir():
        # A folder that was given may name any base: what it names is not fetched unasked.
        commit = "" if lora.revision is None else f" --revision {lora.revision}"
        fetch = f"fetch it with: hf download {place}{commit}" if HUB_ID.fullmatch(place) else "fetch it"
        raise WeightsError(
            f"{path}: holds LoRA weights on {place}, which is not on this machine; {fetch}, or put its folder into"
            f" base_model_name_or_path of {SETTINGS}"
        )
    try:
        return find_checkpoint(Path(place))[0]
    except WeightsError as error:
        raise WeightsError(f"{path}: the base of its LoRA weights: {error}") from None


def load_whole(path: str, device: str, dtype: torch.dtype, **options: Any) -> Any:
    """As `load_model`, for a checkpoint of whole weights; `options` are those of `from_pretrained`."""
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    from reidr.reasoning.models.architectures import ARCHITECTURES, find_architecture, model_type_of
    from reidr.reasoning.models.processor import first_line

    logging.disable_progress_bar()  # a progress bar for 0.1 s of loading is noise
    options |= {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True, "dtype": dtype}
    loaded: Any
    try:
        model_type = model_type_of(path, local_files_only=options["local_files_only"])
        if model_type in ARCHITECTURES:
            find_architecture(model_type)  # makes an architecture of our own known to transformers
        loaded = AutoModelForImageTextToText.from_pretrained(path, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise WeightsError(f"{path}: the model cannot be loaded: {first_line(error)}") from error
    model: PreTrainedModel = loaded[0].to(device)
    missing = sorted(loaded[1]["missing_keys"])
    if missing:
        # Otherwise transformers would go on with random numbers in their place.
        raise WeightsError(f"{path}: {len(missing)} weights are missing, first {missing[0]}; fetch it again")
    return model


def save_taught(model: Any, processor: Any, source: str | Path, where: Path) -> None:
    """Write a trained model and its processor to `where`, so that loading them gives the answers of `model`.

    LoRA weights are written as such, in the precision they were trained in, with the name of their base. A model that
    was trained whole is written in float16 where its checkpoint `source` came in float16 (as `nano` does), else in
    the precision it was trained in: steps of training are smaller than what bfloat16 can tell apart.

    The processor is written with the pixel budget of crops. Trainers switch the key-value cache off in the
    configuration; left so, generating with the checkpoint would be slow.
    """
    import torch
    from transformers import AutoConfig

    from reidr.reasoning.lora.saving import card_of, save_lora
    from reidr.reasoning.models.architectures import find_architecture
    from reidr.reasoning.models.processor import with_crop_size
    from reidr.reasoning.models.transformers_model import unwrap

    path, local = find_checkpoint(source)
    base = unwrap(model)
    find_architecture(base.config.model_type)  # makes an architecture of our own known to transformers
    if base.config.to_dict().get("use_cache") is False:
        base.config.use_cache = True
    processor = with_crop_size(processor)
    earlier = read_lora(path)
    if has_lora(model):
        base, revision = lasting_name(source) if earlier is None else (earlier.base, earlier.revision)
        save_lora(model, processor, where, base, revision or getattr(model.config, "_commit_hash", None))
        return
    stored = None if earlier is not None else AutoConfig.from_pretrained(path, local_files_only=local).dtype
    if stored == torch.float16:
        model.to(stored)
    save_checkpoint(model, processor, where, card_of(model, processor, *lasting_name(source)))


def lasting_name(source: str | Path) -> tuple[str, str | None]:
    """A checkpoint's name that holds from any working directory, and its revision where that is given.

    The name is a preset's, a hub id, or a folder's whole path.
    """
    named = HUB_ID.fullmatch(str(source))
    if str(source) in preset_names():
        return str(source), None
    if Path(source).is_dir() or named is None:
        return str(Path(source).resolve()), None
    return named[1], named[2]


def save_checkpoint(model: PreTrainedModel, processor: Any, where: Path, card: str = "") -> None:
    """Write a model and its processor (None: the model alone) to `where`, which is a checkpoint once all is there.

    `card`: text of a model card. Raises ReIDError where they cannot be written.
    """
    with filling(where, last="config.json") as folder:
        model.save_pretrained(folder)
        if processor is not None:
            processor.save_pretrained(folder)
        if card:
            write_text(folder / "README.md", card)


def inference_precision(path: str, device: str, *, local_files_only: bool) -> torch.dtype:
    """The precision that a checkpoint answers in unless told: float32 on the CPU and where it is stored so."""
    import torch
    from transformers import PreTrainedConfig

    if device == "cpu":
        return torch.float32
    lora = read_lora(path)
    place = path if lora is None else lora.place
    config, _ = PreTrainedConfig.get_config_dict(place, local_files_only=local_files_only)
    stored = config.get("dtype", config.get("torch_dtype"))
    return torch.float32 if str(stored).removeprefix("torch.") == "float32" else torch.bfloat16


def hash_weights(model: torch.nn.Module) -> str:
    """SHA-256 (hexadecimal) over names, types, shapes and values of all weights, as they are in memory."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
