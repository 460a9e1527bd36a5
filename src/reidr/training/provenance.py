"""What a trained checkpoint carries along: which data its weights have seen, and that it is not tuned yet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reidr.core.run import write_json
from reidr.data.person_key import dataset_of
from reidr.fusion.profile import FILE, InferenceProfile, store_profile
from reidr.fusion.provenance import FILE as PROVENANCE
from reidr.fusion.provenance import training_data
from reidr.reasoning.types import Pair
from reidr.training.common.identities import STREET, family_of

NOTICE = "Trained on identity labels; no fusion weight was chosen for it yet, so its verdicts do not change a ranking."


def carry_over_once(source: str, where: Path, pairs: Sequence[Pair]) -> None:
    """`carry_over`, unless an earlier start of the run has done it: what was tuned since for `where` is kept."""
    if not (where / FILE).is_file():
        carry_over(source, where, pairs)


def carry_over(source: str, where: Path, pairs: Sequence[Pair], mined: Mapping[str, Any] | None = None) -> None:
    """Write beside a trained checkpoint which data sets it has seen, and a profile in which its scores have no weight.

    Seen are the data sets of the checkpoint `source` (folder, preset or hub id; a hub's are unknown) and of `pairs`.
    `mined`: the split that mining the pairs used (`split_of`), for a source without one.
    """
    from reidr.reasoning.models.checkpoint import find_checkpoint

    path, local = find_checkpoint(source)
    seen = list(training_data(path)) if local else []
    known = Path(path) / PROVENANCE
    split = json.loads(known.read_text(encoding="utf-8")) if local and known.is_file() else {}
    crops = (crop for pair in pairs for crop in (pair.query, pair.candidate))
    sets = {dataset_of(crop.person) for crop in crops if crop.person is not None}
    named = {Path(each).name for each in seen}
    seen += sorted(name for name in sets - named if family_of(name) != STREET)
    write_json(where / PROVENANCE, {**(mined or {}), **split, "data": seen})
    store_profile(InferenceProfile(0.0, "nothing yet", NOTICE), where)
