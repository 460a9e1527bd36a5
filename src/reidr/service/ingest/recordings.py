"""How far a recording is indexed: one record each, so that work which was cut short goes on, and none is done twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from reidr.errors import DataError
from reidr.service.ingest.sources.frame import Place, Recording
from reidr.service.records.records import RecordStore

KIND = "recording"
NAMES = {"fps": "--fps", "crops_per_track": "--crops-per-track", "confidence": "--confidence", "tracker": "--tracker",
         "detector": "--detector", "camera": "--camera", "start": "--start"}  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """How far a recording is indexed.

    Attributes:
        name, label, camera: of the recording. settings: what decides which tracks come out; with other settings it has
            to be indexed again. generation: how often that was done. stretch: number of the next stretch.
        next: where it begins; None: at the beginning, or after the end. carried: who was in the picture then.
        stale: tracks of an earlier generation may still be in the gallery; nothing of this one is.
        frames: looked at so far. left_out: tracks too short to be kept. finished: nothing is left to do.
    """

    name: str
    label: str
    camera: str
    settings: Mapping[str, Any]
    generation: int = 0
    stale: bool = False
    stretch: int = 0
    next: Place | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 0
    left_out: int = 0
    finished: bool = False
    remarks: tuple[str, ...] = ()

    def operation(self, recording: Recording) -> str:
        """The key under which the stretch that comes is added to a gallery store: added once, whatever happens."""
        return f"index {recording.key} {self.generation} {self.stretch}"


class ProgressBook:
    """The progress of one recording, in a `RecordStore`."""

    def __init__(self, records: RecordStore, recording: Recording, settings: Mapping[str, Any]) -> None:
        """`settings`: as JSON gives them back."""
        self.records, self.recording = records, recording
        self.settings = json.loads(json.dumps({"camera": recording.camera, "start": recording.start, **settings}))
        self._version = 0

    def read(self) -> Progress | None:
        """What is known of the recording; None where it was never seen."""
        found = self.records.get(KIND, self.recording.key)
        if found is None:
            self._version = 0
            return None
        self._version = found.version
        values = dict(found.value)
        place = values.pop("next")
        return Progress(
            **{**values, "remarks": tuple(values["remarks"])}, next=None if place is None else Place(**place)
        )

    def begin(self, *, again: bool) -> Progress:
        """Where to go on.

        Raises DataError where the recording was indexed with other settings, and that is not to be done `again`.
        """
        known = self.read()
        recording = self.recording
        fresh = Progress(recording.name, recording.label, recording.camera, self.settings)
        if known is None:
            return fresh
        if again:
            return replace(fresh, generation=known.generation + 1, stale=True)
        other = next((key for key, value in self.settings.items() if known.settings.get(key) != value), None)
        if other is not None:
            option = NAMES.get(other, other)
            before, now = known.settings.get(other), self.settings[other]
            change = "another detector" if other == "detector" else f"{option} {spelt(before)}, not {spelt(now)}"
            raise DataError(
                f"{recording.name}: this recording was indexed before with {change}; give the same, or --again to "
                "remove its tracks and index it anew"
            )
        return known

    def write(self, progress: Progress) -> None:
        """Keep how far it is. Raises ConflictError where another process works on the same recording."""
        self._version = self.records.put(KIND, self.recording.key, asdict(progress), version=self._version)


def spelt(value: object) -> str:
    """A setting in a sentence."""
    return "unknown" if value is None else f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
