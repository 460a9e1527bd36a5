"""What a reasoner was trained on and whom it held out: `provenance.json` beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reidr.data.sketch import TrainingData
from reidr.errors import WeightsError

FILE = "provenance.json"


def training_data(folder: str | Path) -> tuple[str, ...]:
    """Folders of the photos that a checkpoint was trained on; empty where it does not say.

    Raises WeightsError where the file cannot be used.
    """
    known = _read(Path(folder) / FILE)
    if known is None:
        return ()
    try:
        pictures = known.get("pictures", {})
        return tuple(TrainingData(str(each), pictures.get(str(each), ())) for each in known["data"])
    except (KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{Path(folder) / FILE}: does not say what it was trained on ({error})") from None


def held_out_split(folder: str | Path) -> tuple[float, int] | None:
    """(share, seed) by which training identities were held out for choices (`hold_out_identities`).

    None where it does not say. Raises WeightsError where the file cannot be read.
    """
    known = _read(Path(folder) / FILE)
    if not isinstance(known, dict) or not {"held_out_share", "split_seed"} <= known.keys():
        return None
    return float(known["held_out_share"]), int(known["split_seed"])


def _read(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: does not say what it was trained on ({error})") from None
