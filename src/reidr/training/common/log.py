"""The log of a training: one JSON line per step or epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reidr.core.storage.json_lines import append_json_lines, keep_json_lines, read_json_lines
from reidr.training.common.trackers import Tracker


class TrainingLog:
    """`log.jsonl` of a run folder, or another file whose lines say to which step or epoch they belong."""

    def __init__(self, path: Path, unit: str = "step", tracker: Tracker | None = None) -> None:
        """`unit`: the field that counts, "step" or "epoch". `tracker`: gets the numbers of every new line too."""
        self.path, self.unit, self.tracker = path, unit, tracker

    def resume(self, done: int) -> None:
        """Drop the lines after `done` steps: those of the steps that are about to be taken again."""
        keep_json_lines(self.path, lambda record: record[self.unit] <= done)

    def append(self, *records: Mapping[str, Any]) -> None:
        """Add a line for each record. Raises ReIDError where the file cannot be written."""
        append_json_lines(self.path, records)
        if self.tracker is not None:
            for record in records:
                self.tracker.log(record, self.unit)

    def read(self) -> list[dict[str, Any]]:
        """All lines."""
        return read_json_lines(self.path)
