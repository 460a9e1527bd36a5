"""The weights in a file that another project wrote, and nothing else of it: no code is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = (".pth", ".pth.tar", ".pt", ".safetensors")
WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "params")  # under which training loops store the weights


def read_state(path: Path) -> dict[str, Tensor]:
    """Weights by name, without the `module.` of DataParallel.

    Raises WeightsError: no such file, damaged, or one that holds more than weights.
    """
    import torch

    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint")
    found: Any
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found = load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: not a whole safetensors file ({error})") from None
    else:
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises pickle's, zipfile's and its own
            reason = " ".join(str(error).split())[:160]
            raise WeightsError(
                f"{path}: cannot be read as weights alone ({reason}). A pickle that holds more could run code: save its"
                " state dict, or write it as safetensors, where you trust it"
            ) from None
    for name in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
            break
    tensors = {
        str(name).removeprefix("module."): value
        for name, value in (found.items() if isinstance(found, Mapping) else ())
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise WeightsError(f"{path}: holds no weights by name")
    return tensors
