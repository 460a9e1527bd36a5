"""The inference profile: how a reasoner is used, as tuned on training identities; one JSON file beside its weights.

What is tuned is what is measured, shown and used: `profile.reranker()` (`fusion/profile_reranker.py`) is the one
re-ranker behind `find`, `evaluate`, the report's headline and cards, and the open-set curve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from reidr.core.defaults import DEFAULT_K
from reidr.core.storage.files import write_text
from reidr.errors import ReIDError, WeightsError
from reidr.fusion.ask_policy import Policy
from reidr.fusion.calibration import Calibration
from reidr.fusion.logistic import LogisticFusion
from reidr.fusion.score_predictor import ScorePredictor
from reidr.fusion.weighted import Fusion, ScoreKind
from reidr.retrieval.embedders.precision import reference_fingerprint

if TYPE_CHECKING:
    from reidr.fusion.profile_reranker import ProfileReranker

FILE = "inference_profile.json"
SCHEMA = "reidr/inference-profile/1"
PRESETS = Path(__file__).parent.parent / "reasoning" / "presets"  # the reasoners that ship
CONFIG = ConfigDict(extra="forbid")
Weight = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True, config=CONFIG)
class OpenSetRule:
    """How a person who is not in the gallery is recognised (`evaluation/metrics/open_set_scores.py`).

    Attributes:
        score: the name of the distance-like number whose smallest value is compared.
        thresholds: by wanted false-positive identification rate (FPIR, ISO/IEC 19795-1) as text, such as "0.01".
        crops: how many crops a search was compared with, on average, where the thresholds were chosen
            (`fusion/gallery_size.py`); None: unknown.
    """

    score: str
    thresholds: Mapping[str, float]
    crops: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None


@dataclass(frozen=True, config=CONFIG)
class InferenceProfile:
    """What was tuned for a reasoner on training identities.

    Attributes:
        weight: weight of the reasoner in [0, 1] (`fusion.weighted.fuse`). chosen_on: the data it was chosen on.
        notice: what everybody who reads its results must know; empty for nothing.
        k_reciprocal_weight: the weight behind k-reciprocal re-ranking; None: not chosen.
        calibration: of the direct score on the first candidates; None: P(same) is the direct score itself.
        policy: which pairs are asked about where only those in doubt are. policies: (calls per query, policy) for
            smaller and larger budgets.
        open_set: how absent people are recognised; None: by the retriever's distance alone.
        whole_weight: the weight where the whole list is sorted anew (`fuse_whole`); None: not chosen.
        fitted: one probability of distance, z-norm, rank and score; None: not fitted.
        score_predictor: predicts the score of candidates that the policy does not ask about; None: they keep their
            distance.
        csls: whether CSLS distances take the place of plain ones.
        fusion: which fusion orders candidates: by `weight`, or the `fitted` one wherever it fits.
        asking: which of the first `k` candidates are asked about: all, or those in doubt (`policy`).
        score: where P(same) of a pair comes from: the direct score, the one read from its rationales alone, or both.
        k: candidates of a query that are put before the reasoner.
        retriever, reasoner: fingerprints of the models that it was tuned with; empty where it does not say.
    """

    weight: Weight
    chosen_on: str
    notice: str = ""
    k_reciprocal_weight: Weight | None = None
    calibration: Calibration | None = None
    policy: Policy | None = None
    policies: tuple[tuple[float, Policy], ...] = ()
    open_set: OpenSetRule | None = None
    whole_weight: Weight | None = None
    fitted: LogisticFusion | None = None
    score_predictor: ScorePredictor | None = None
    csls: bool = False
    fusion: Fusion = "weighted"
    asking: Literal["all", "in doubt"] = "all"
    score: ScoreKind = "direct"
    k: Annotated[int, Field(ge=1)] = DEFAULT_K
    retriever: str = ""
    reasoner: str = ""

    @property
    def least_doubt(self) -> float:
        """Entropy in bits of a direct score from which on words are bought for it, where the score is "both"."""
        return 0.0 if self.policy is None else self.policy.words

    def reranker(self) -> ProfileReranker:
        """The one re-ranker that this profile describes."""
        from reidr.fusion.profile_reranker import ProfileReranker

        return ProfileReranker(self)

    def mismatch(self, retriever: str) -> str:
        """One sentence where the profile was tuned with another retriever than that fingerprint; else empty."""
        if not self.retriever or self.retriever == reference_fingerprint(retriever):
            return ""
        return "The reasoner's inference profile was tuned with another retriever: its probabilities may be off here."

    def stored(self) -> dict[str, Any]:
        """Plain values for JSON, the schema's name first."""
        return {"schema": SCHEMA, **ADAPTER.dump_python(self, mode="json")}


ADAPTER = TypeAdapter(InferenceProfile)
UNTUNED = InferenceProfile(
    0.2,
    "not tuned: MUSE's default",
    "How much this reasoner counts beside the looks was measured on no data: be careful with its order and numbers.",
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
        raise WeightsError(f"{path}: not an inference profile ({error})") from None


def read_profile(stored: Any, where: str) -> InferenceProfile:
    """An inference profile from its plain values. Raises WeightsError that begins with `where` when they are wrong."""
    if not isinstance(stored, Mapping) or stored.get("schema", SCHEMA) != SCHEMA:
        raise WeightsError(f"{where}: not an inference profile of schema {SCHEMA}; tune again (`reidr train tune`)")
    values = {name: value for name, value in stored.items() if name != "schema"}
    unknown = sorted(values.keys() - {field.name for field in fields(InferenceProfile)})
    if unknown:
        raise WeightsError(f"{where}: not an inference profile: it has a field {unknown[0]!r}, which nothing reads")
    try:
        return ADAPTER.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise WeightsError(f"{where}: not an inference profile: {place}: {first['msg']}") from None
    except (ReIDError, TypeError) as error:
        raise WeightsError(f"{where}: not an inference profile ({error})") from None


def store_profile(profile: InferenceProfile, folder: Path) -> None:
    """Write `inference_profile.json` beside a checkpoint's weights. Raises ReIDError where it cannot be written."""
    write_text(folder / FILE, json.dumps(profile.stored(), indent=2) + "\n")
