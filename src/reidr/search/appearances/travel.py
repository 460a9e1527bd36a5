"""How long people take between cameras, as evidence for or against a track.

With a track's camera and time, and the camera and time of a track that shows the person, the time between them is
likelier for the same person than for somebody else, or less likely:

    log-likelihood = ln(((1 - e) · f(time) + e · u) / u)

`f` is the triangular density that a row's least, usual and most time describe, `u` the density of a stranger's time,
who may come at any time of the `window` that is searched, and `e` the share of people who go another way, or whose
camera's clock is wrong. What one time can say is bounded by `STRONGEST` on both sides: a table of three numbers is a
rule of thumb, and a person may well pass twice.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reidr.errors import DataError
from reidr.search.appearances.types import TravelEvidence

COLUMNS = ("from", "to", "least", "usual", "most")
OTHERWISE = 0.1  # share of people who do not travel as the table says
STRONGEST = 10.0  # times likelier, or less likely, at most
WINDOW = 86_400.0  # seconds: a day, where the time searched has no two ends


class TravelTime(BaseModel):
    """How many seconds people take from one camera to another; a row of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: str = Field(alias="from", min_length=1)
    target: str = Field(alias="to", min_length=1)
    least: float = Field(ge=0, allow_inf_nan=False)
    usual: float = Field(ge=0, allow_inf_nan=False)
    most: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> TravelTime:
        if not self.least <= self.usual <= self.most or self.least == self.most:
            raise ValueError("least, usual and most must be in that order, and least below most")
        if self.source == self.target:
            raise ValueError("a row is about two different cameras")
        return self

    def density(self, seconds: float) -> float:
        """The triangular density of a travel time, per second; 0 outside of least to most."""
        if not self.least <= seconds <= self.most:
            return 0.0
        peak = 2.0 / (self.most - self.least)
        if seconds < self.usual:
            return peak * (seconds - self.least) / (self.usual - self.least)
        return peak if seconds == self.usual else peak * (self.most - seconds) / (self.most - self.usual)

    def log_likelihood(self, seconds: float, window: float) -> float:
        """Natural logarithm of how many times likelier such a time is for the same person; see the module."""
        times = (1.0 - OTHERWISE) * self.density(seconds) * window + OTHERWISE
        return max(-math.log(STRONGEST), min(math.log(STRONGEST), math.log(times)))


@dataclass(frozen=True)
class Sighting:
    """Where and when somebody was seen: a track that shows the person, or one that may."""

    name: str
    camera: str
    start: float
    end: float


def read_travel_times(path: Path) -> tuple[TravelTime, ...]:
    """The table of a CSV file with the columns from, to, least, usual, most (seconds).

    A row counts in its direction alone. Raises DataError naming the line that cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the travel times cannot be read ({error})") from None
    reader = csv.DictReader(io.StringIO(text))
    columns = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DataError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing")
    reader.fieldnames = columns
    rows: dict[tuple[str, str], TravelTime] = {}
    for row in reader:
        try:
            found = TravelTime.model_validate({name: (row[name] or "").strip() for name in COLUMNS})
        except ValidationError as error:
            problem = error.errors()[0]
            where = "".join(f"{name}: " for name in problem["loc"])
            raise DataError(f"{path}, line {reader.line_num}: {where}{problem['msg']}") from None
        if (found.source, found.target) in rows:
            raise DataError(f"{path}, line {reader.line_num}: {found.source} to {found.target} is there twice")
        rows[found.source, found.target] = found
    if not rows:
        raise DataError(f"{path}: there is no row below the names of the columns")
    return tuple(rows.values())


def travel_evidence(
    candidate: Sighting, anchors: Sequence[Sighting], table: Sequence[TravelTime], window: float
) -> TravelEvidence | None:
    """What the time between a candidate and the anchor nearest to it in time says; None where no row speaks of it.

    Args:
        anchors: tracks that show the person; the candidate itself among them is passed over. window: length in seconds
            of the time that is searched; `WINDOW` where it is infinite.

    One anchor counts, and not all of them: what the others say is no independent evidence.
    """
    rows = {(row.source, row.target): row for row in table}
    window = WINDOW if math.isinf(window) else window
    found: tuple[float, Sighting, TravelTime, bool] | None = None
    for anchor in anchors:
        later = candidate.start + candidate.end >= anchor.start + anchor.end
        row = rows.get((anchor.camera, candidate.camera) if later else (candidate.camera, anchor.camera))
        if row is None or anchor.name == candidate.name:
            continue
        seconds = candidate.start - anchor.end if later else anchor.start - candidate.end
        if found is None or abs(seconds) < abs(found[0]):
            found = seconds, anchor, row, later
    if found is None:
        return None
    seconds, anchor, row, later = found
    # Of two tracks that overlap no time at all has passed between them.
    value = row.log_likelihood(max(0.0, seconds), max(window, row.most))
    where = f"{anchor.name} was seen at camera {anchor.camera}"
    when = f"{seconds:.0f} s {'after' if later else 'before'} {where}" if seconds > 0 else f"while {where}"
    usual = f"people usually take {row.usual:g} s ({row.least:g} to {row.most:g})"
    return TravelEvidence(log_likelihood=value, sentence=f"Seen {when}; {usual}: {strength(value)}.")


def strength(log_likelihood: float) -> str:
    """How strong the evidence is, in words."""
    times = math.exp(abs(log_likelihood))
    if times < 1.1:
        return "this speaks neither for nor against the same person"
    return f"{times:.1f} times {'likelier' if log_likelihood > 0 else 'less likely'} for the same person"
