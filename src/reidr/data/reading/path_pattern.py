"""Camera and time from paths, by a small template that a person can read: `{camera}/{date}/{time}_{}.jpg`.

Everything outside braces stands for itself. `{camera}`, `{person}` and `{track}` take any text within one part of the
path, `{frame}` digits, `{date}` and `{time}` the usual spellings (`2026-11-27`, `20261127`; `08-38-44`, `083844`, with
or without a fraction of a second), and `{date:%d.%m.%y}` or `{time:%Hh%M}` those of `datetime.strptime`. `{}` is any
text that means nothing here. A template describes the whole path below the folder that is searched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from reidr.data.reading.labels import read_label
from reidr.errors import DataError

FIELDS = ("camera", "person", "track", "date", "time", "frame")
PIECE = re.compile(r"\{([^{}]*)\}")
TEXT, ANYTHING = r"[^/]+?", r"[^/]*?"
PLAIN = {
    "camera": TEXT,
    "person": TEXT,
    "track": TEXT,
    "frame": r"\d+",
    "date": r"\d{4}[-_.]?\d{2}[-_.]?\d{2}",
    "time": r"\d{2}[-_.:]?\d{2}[-_.:]?\d{2}(?:[.,]\d{1,6})?",
}
EXAMPLE = "{camera}/{date}/{time}_{}.jpg"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PathFacts:
    """What a path says.

    Attributes:
        camera, person, track: labels (`labels.read_label`), None where unknown.
        time: seconds since 1970 (UTC) where there is a date, else seconds since midnight, else the frame number.
        unit: what `time` counts. shown: date and time for reading; empty where there is none.
    """

    camera: str | None = None
    person: str | None = None
    time: float | None = None
    unit: Literal["seconds", "frames"] = "seconds"
    shown: str = ""
    track: str | None = None


class PathPattern:
    """A template, ready to be read with. Raises DataError for one that cannot be used, naming what is wrong in it."""

    def __init__(self, template: str) -> None:
        self.template = template
        self._formats: dict[str, str] = {}
        if not PIECE.search(template):
            raise DataError(f"pattern {template!r}: has no field in braces; for example {EXAMPLE}")
        parts, end = [], 0
        for piece in PIECE.finditer(template):
            literal = template[end : piece.start()]
            if end and not literal:
                raise DataError(f"pattern {template!r}: two fields stand side by side; write what stands between them")
            parts += [self._literal(literal), self._field(piece[1])]
            end = piece.end()
        parts.append(self._literal(template[end:]))
        self._expression = re.compile("".join(parts))

    def _literal(self, text: str) -> str:
        if "{" in text or "}" in text:
            raise DataError(f"pattern {self.template!r}: a brace is not closed; for example {EXAMPLE}")
        return re.escape(text)

    def _field(self, words: str) -> str:
        name, _, spelling = words.partition(":")
        if not words:
            return ANYTHING
        if name not in FIELDS:
            known = ", ".join(f"{{{each}}}" for each in FIELDS)
            raise DataError(f"pattern {self.template!r}: no field {{{name}}}; the fields are {known} and {{}}")
        if name in self._formats:
            raise DataError(f"pattern {self.template!r}: {{{name}}} stands there twice; write {{}} for the other one")
        if spelling and (name not in ("date", "time") or "%" not in spelling):
            raise DataError(f"pattern {self.template!r}: {{{words}}} is not {{date:%Y-%m-%d}} or {{time:%H-%M-%S}}")
        if spelling:
            self._check_spelling(spelling)
        self._formats[name] = spelling
        return f"(?P<{name}>{TEXT if spelling else PLAIN[name]})"

    def _check_spelling(self, spelling: str) -> None:
        try:
            datetime.strptime("", spelling)
        except ValueError as error:
            if "bad directive" in str(error) or "stray" in str(error):
                raise DataError(f"pattern {self.template!r}: {error}") from None

    def read(self, path: str) -> PathFacts | None:
        """What `path` (relative, with `/`) says; None where it does not follow the template or names no real day."""
        found = self._expression.fullmatch(path)
        if found is None:
            return None
        texts = found.groupdict()
        try:
            day = self._moment("date", texts.get("date"), "%Y%m%d")
            clock = self._moment("time", texts.get("time"), "%H%M%S")
        except ValueError:
            return None
        labels = read_label(texts.get("camera")), read_label(texts.get("person"))
        track = read_label(texts.get("track"))
        if day is None and clock is None:
            frame = texts.get("frame")
            number, words = (None, "") if frame is None else (float(frame), f"frame {frame}")
            return PathFacts(*labels, number, "frames", words, track)
        midnight = (clock or EPOCH).replace(hour=0, minute=0, second=0, microsecond=0)
        since = ((clock or EPOCH) - midnight).total_seconds()
        if day is None:
            return PathFacts(*labels, since, shown=spelt(clock), track=track)
        timed = clock or (day if "%H" in self._formats["date"] or "%I" in self._formats["date"] else None)
        whole = (day - EPOCH).total_seconds() + since
        return PathFacts(*labels, whole, shown=f"{day:%Y-%m-%d} {spelt(timed)}".strip(), track=track)

    def _moment(self, name: str, text: str | None, usual: str) -> datetime | None:
        """The field's text as a moment; ValueError where it is none."""
        if text is None:
            return None
        if spelling := self._formats[name]:
            return datetime.strptime(text, spelling).replace(tzinfo=UTC)
        digits, _, fraction = re.sub(r"[-_:]", "", text).replace(",", ".").partition(".")
        if len(digits) < len(usual) and name == "date":
            digits, fraction = digits + fraction.replace(".", ""), ""
        if name == "time" and len(digits) < 6:  # 08.38.44: the dots separate, they begin no fraction
            more = fraction.split(".")
            digits, fraction = digits + "".join(more[:2]), "".join(more[2:])
        moment = datetime.strptime(digits, usual).replace(tzinfo=UTC)
        return moment.replace(microsecond=int(fraction.ljust(6, "0"))) if fraction else moment


def spelt(moment: datetime | None) -> str:
    """The time of day for reading, "08:38:44" or "08:38:44.5"; empty for None."""
    if moment is None:
        return ""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%H:%M:%S}{fraction}"
