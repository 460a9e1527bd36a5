"""How a reasoner is used: what was chosen for it on training identities and what it has seen, beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from reidr.core.checks import real_number
from reidr.core.storage.files import write_text
from reidr.data.sketch import TrainingData
from reidr.errors import ReIDError, WeightsError
from reidr.fusion.weighted import Fusion

FILE = "inference_profile.json"
PEOPLE = "provenance.json"
PRESETS = Path(__file__).parent.parent / "reasoning" / "presets"  # the reasoners that ship


@dataclass(frozen=True)
class InferenceProfile:
    """What was decided on training identities when a reasoner was trained.

    Attributes:
        weight: fusion weight in [0, 1] (see `fuse`). chosen_on: the data it was chosen on.
        fusion: which one orders candidates in use: by `weight`, or the `fitted` one wherever it fits.
        local_scaling: whether CSLS distances (`retrieval.csls`) are fused in place of plain ones.
        street_weight: the one for rendered streets, chosen on another street; None: `weight` there too.
        notice: what a reader of a report must know of this reasoner; empty when nothing.
        k_reciprocal_weight: fusion weight for a list that k-reciprocal re-ranking has made; None: not chosen.
        whole_weight: fusion weight where the whole list is sorted anew (`fuse_whole`); None: not chosen.
        expected: `ScorePredictor.stored()`, for candidates that the policy does not ask about; None: they keep their
            distance.
        fitted: `LogisticFusion.stored()`, which makes one probability of distance, rank and score; None: not fitted.
        calibration: `Calibration.stored()` of its direct score on the first candidates. policy: `Policy.stored()`, when
            to ask (`evaluation.adaptive`). policies: ("calls per query", policy) for smaller and larger budgets.
        open_set: the score that tells absent people best: `score` (its name) and `thresholds` by wanted FPIR.
    """

    weight: float
    chosen_on: str
    notice: str = ""
    street_weight: float | None = None
    k_reciprocal_weight: float | None = None
    calibration: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None
    policies: tuple[tuple[float, Mapping[str, Any]], ...] = ()
    open_set: Mapping[str, Any] | None = None
    whole_weight: float | None = None
    fitted: Mapping[str, Any] | None = None
    score_predictor: Mapping[str, Any] | None = None
    csls: bool = False
    fusion: Fusion = "weighted"


UNTUNED = InferenceProfile(
    0.2, "not tuned: MUSE's default", "The fusion weight of this reasoner was not tuned on any data."
)


def stored_profile(source: str | Path) -> InferenceProfile:
    """The inference profile stored with a checkpoint (preset name or folder); `UNTUNED` where there is none.

    Raises WeightsError when the file is there but cannot be used.
    """
    preset = PRESETS / str(source) / FILE
    path = preset if preset.is_file() else Path(source) / FILE
    if not path.is_file():
        return UNTUNED
    try:
        return read_profile(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: not a stored inference profile ({error})") from None


def read_profile(stored: Any, where: str) -> InferenceProfile:
    """An inference profile from its plain values. Raises WeightsError that begins with `where` when they cannot be used."""
    try:
        profile = InferenceProfile(**stored)
    except TypeError as error:
        raise WeightsError(f"{where}: not a stored inference profile ({error})") from None
    for name in ("weight", "street_weight", "k_reciprocal_weight", "whole_weight"):
        weight = getattr(profile, name)
        try:
            if weight is not None and not 0 <= real_number(weight, name) <= 1:
                raise WeightsError(f"{where}: weight {weight} lies outside [0, 1]")
        except WeightsError:
            raise
        except ReIDError as error:
            raise WeightsError(f"{where}: {error}") from None
    if profile.fusion not in get_args(Fusion):
        raise WeightsError(f"{where}: fusion {profile.fusion!r} is neither of {', '.join(get_args(Fusion))}")
    return profile


def store_profile(profile: InferenceProfile, folder: Path) -> None:
    """Write `profile.json` beside a checkpoint's weights. Raises ReIDError where it cannot be written."""
    write_text(folder / FILE, json.dumps(asdict(profile), indent=2) + "\n")


def training_data(folder: str | Path) -> tuple[str, ...]:
    """Folders of the photos that a checkpoint was taught on, as its `people.json` has them; empty where it has none.

    Raises WeightsError where the file cannot be used.
    """
    path = Path(folder) / PEOPLE
    if not path.is_file():
        return ()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        data, pictures = known["data"], known.get("pictures", {})
        return tuple(TrainingData(str(each), pictures.get(str(each), ())) for each in data)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: does not say what the reasoner was taught on ({error})") from None


def held_out_split(folder: str | Path) -> tuple[float, int] | None:
    """(share, seed) by which a checkpoint's training identities were set aside for choices (`hold_out_identities`), as
    its `people.json` has them; None where it does not say. Raises WeightsError where the file cannot be read.
    """
    path = Path(folder) / PEOPLE
    if not path.is_file():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: does not say how people were set aside ({error})") from None
    if not isinstance(known, dict) or not {"held_out_share", "split_seed"} <= known.keys():
        return None
    return float(known["held_out_share"]), int(known["split_seed"])
