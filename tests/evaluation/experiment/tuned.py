"""Settings from fields of the inference profile and of the settings alike, as tests of the experiment state them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from reidr.evaluation.experiment.outcome import Settings
from reidr.fusion.profile import InferenceProfile


def tuned(**values: Any) -> Settings:
    own = {field.name for field in fields(Settings)}
    profile = InferenceProfile(
        **{"weight": 0.2, "chosen_on": "these tests"} | {n: v for n, v in values.items() if n not in own}
    )
    return Settings(profile, **{name: value for name, value in values.items() if name in own})
