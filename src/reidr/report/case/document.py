"""The fixed form of a case that leaves the house, and of the report of a search of a gallery; and its table.

A field may be added within one version; none is renamed, removed or given another meaning without a new one.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from reidr.search.appearances.case import Case, Decision
from reidr.search.appearances.types import Appearance, FoundTrack
from reidr.search.document.document import cell
from reidr.search.document.schema import Part

KIND: Literal["case"] = "case"
VERSION: Literal[1] = 1
SIDE = 256  # pixels: no picture inside is higher or wider
COLUMNS = (
    "appearance", "track", "camera", "recording", "start", "end", "decided", "decided_by", "decided_at", "why",
    "p_same", "p_words", "distance", "direct_score", "order_value", "travel", "answer", "reasoning", "best_crop",
    "crops", "person",
)  # fmt: skip


class CaseDocument(Part):
    """All of a case, with small pictures inside."""

    kind: Literal["case"] = KIND
    version: Literal[1] = VERSION
    created: float = Field(description="when this file was made; seconds since 1970, UTC")
    facts: dict[str, str | int | float] = Field(description="versions and settings, by name")
    case: Case
    blurred: bool = Field(description="true: only the query and confirmed people can be recognised in the pictures")
    clear: list[str] = Field([], description="crops that are shown although `blurred`: of confirmed tracks")
    unknown_others: list[str] = Field(
        [], description="of these the crops without a box, in which nobody knows where other people may be"
    )
    missing: list[str] = Field([], description="crops whose picture is no longer in the gallery")
    pictures: dict[str, str] = Field(
        default_factory=dict, description='small JPEGs as data URIs, by "query ID" and "crop ID"'
    )


def moment(seconds: float | None) -> str:
    """Date, time and zone for reading, "2026-11-30 09:15:02+01:00"; empty for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def camera_words(name: str) -> str:
    """A camera for reading: "camera door", and not "camera camera 1"."""
    return name if name.lower().startswith("camera") else f"camera {name}"


def case_csv(case: Case) -> str:
    """The tracks that were found as a table (RFC 4180), one line each; what is unknown is an empty cell.

    A text that a spreadsheet would take for a formula is given a leading apostrophe.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    standing = case.standing()
    for appearance in () if case.answer is None else case.answer.appearances:
        for track in appearance.tracks:
            values = row_of(case, appearance, track, standing.get(track.track))
            writer.writerow([cell(values.get(name)) for name in COLUMNS])
    return file.getvalue()


def row_of(case: Case, appearance: Appearance, track: FoundTrack, decision: Decision | None) -> dict[str, Any]:
    """The values of one line."""
    reason = next((each for each in case.reasons if each.track == track.track), None)
    values: dict[str, Any] = track.model_dump()
    values |= {
        "appearance": appearance.rank,
        "start": moment(track.start),
        "end": moment(track.end),
        "decided": "undecided" if decision is None else decision.decided,
        "travel": None if track.travel is None else track.travel.sentence,
        "best_crop": track.best,
    }
    if decision is not None:
        values |= {"decided_by": decision.by, "decided_at": moment(decision.time), "why": decision.why}
    if reason is not None:
        values |= {"answer": reason.verdict.answer, "reasoning": reason.verdict.reasoning}
    return values
