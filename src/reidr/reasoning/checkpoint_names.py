"""Where a checkpoint lies: a folder, a preset inside the package, or a hub id. Apart from loading, so that a wrong name
is found out before torch is loaded.
"""

from __future__ import annotations

import re
from pathlib import Path

from reidr.errors import WeightsError

PRESETS = Path(__file__).parent / "presets"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def preset_names() -> list[str]:
    """Names of the checkpoints that ship inside the package."""
    return sorted(config.parent.name for config in PRESETS.glob("*/config.json"))


def find_checkpoint(source: str | Path) -> tuple[str, bool]:
    """Where `source` lies, and whether that is on this machine.

    A bare name is a preset first, then a folder (write `./nano` for a folder of a preset's name); a name of the form
    `owner/model` that is no folder is a hub id.

    Raises:
        WeightsError: none of these, or a folder without config.json or without safetensors.
    """
    folder = PRESETS / str(source) if str(source) in preset_names() else Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise WeightsError(f"{folder}: has no config.json, so it is not a checkpoint folder")
        if not any(folder.glob("*.safetensors")):
            raise WeightsError(f"{folder}: has no *.safetensors file; other weight formats are not loaded")
        return str(folder), True
    if isinstance(source, str) and HUB_ID.fullmatch(source) and not source.startswith("."):
        return source, False
    presets = ", ".join(preset_names()) or "none"
    raise WeightsError(f"{source}: no such checkpoint folder or preset (presets in this package: {presets})")
