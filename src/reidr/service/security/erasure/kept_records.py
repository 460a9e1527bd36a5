"""What records say of crops that are erased: cases, decisions, files that were written, answers that were kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reidr.errors import ConflictError, ReIDError
from reidr.report.kept.forget import remove
from reidr.service.records.records import Record, RecordStore
from reidr.service.security.erasure.mentions import names_any, pictures_within, renamed
from reidr.service.security.pseudonyms import Pseudonyms

CASE, PICTURES, DECISION, EXPORT = "case", "case-pictures", "decision", "export"
ANSWERS = frozenset({"request"})
"""Kinds that only repeat an answer: all of them go with every erasure."""
UNTOUCHED = frozenset({"key", "retention", "receipt", "erasure", "audit-secret", "recording", "notification-target"})
"""Kinds that hold nothing of a person who was recorded."""
TRIES = 20


@dataclass(frozen=True)
class Gone:
    """What is erased: ids of crops and of tracks without another crop, and SHA-256 of the pictures' bytes."""

    names: frozenset[str]
    pictures: frozenset[str]
    about_person: bool


@dataclass
class Tally:
    """What was removed, by kind, and which files."""

    counts: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def add(self, name: str, number: int = 1) -> None:
        """Count."""
        self.counts[name] = self.counts.get(name, 0) + number


def erase_from_records(records: RecordStore, gone: Gone, tally: Tally) -> None:
    """Remove or rewrite every record that says something of what is erased.

    Raises ReIDError where a written file cannot be removed: nothing is lost, the erasure is repeated.
    """
    removed = set(cases_about(records, gone)) if gone.about_person else set()
    for name in sorted(removed):
        remove_case(records, name, tally)
    for kind in (CASE, DECISION):
        for record in of_kind(records, kind):
            if names_any(record.value, gone.names):
                rewrite(records, record, gone, tally)
    for record in of_kind(records, EXPORT):
        if names_any(record.value, gone.names) or record.value.get("case") in removed:
            remove_file(records, record, tally)
    for kind in records.kinds():
        if kind in UNTOUCHED or kind in (CASE, DECISION, EXPORT):
            continue
        for record in of_kind(records, kind):
            if kind in ANSWERS or record.value.get("case") in removed or says_something(record.value, gone):
                tally.add("other records", int(records.remove(kind, record.key)))


def of_kind(records: RecordStore, kind: str) -> Iterator[Record]:
    """All records of a kind, read page by page; those that are removed meanwhile do no harm."""
    after: str | None = None
    while page := records.of_kind(kind, after=after):
        yield from page
        after = page[-1].key


def says_something(value: Any, gone: Gone) -> bool:
    """Whether JSON names or holds anything of what is erased."""
    return names_any(value, gone.names) or not gone.pictures.isdisjoint(pictures_within(value))


def cases_about(records: RecordStore, gone: Gone) -> Iterator[str]:
    """Names of the cases about the person who is erased: by their query, or by what was confirmed in them."""
    for record in of_kind(records, CASE):
        request = record.value.get("request") or {}
        queried = {"tracks": request.get("tracks"), "confirmed": request.get("confirmed")}
        if names_any(queried, gone.names) or confirms(record.value.get("decisions") or [], gone.names):
            yield record.key
    for record in of_kind(records, PICTURES):
        if says_something(record.value, gone):
            yield record.key if records.get(CASE, record.key) else record.key.rpartition("/")[0]
    last: dict[str, dict[str, Any]] = {}
    for record in of_kind(records, DECISION):
        case = record.key.rpartition("/")[0]
        last.setdefault(case, {})[str(record.value.get("track"))] = record.value  # in the order of their numbers
    for case, decisions in last.items():
        if confirms(decisions.values(), gone.names):
            yield case


def confirms(decisions: Collection[Any], names: frozenset[str]) -> bool:
    """Whether one of the decisions says "same" of something that is erased; later ones about a track count."""
    standing = {str(decision.get("track")): decision for decision in decisions if isinstance(decision, dict)}
    return any(decision.get("decided") == "same" and names_any(decision, names) for decision in standing.values())


def remove_case(records: RecordStore, name: str, tally: Tally) -> None:
    """Remove a case with its pictures and decisions."""
    for kind in (PICTURES, DECISION):
        for record in of_kind(records, kind):
            if record.key == name or record.key.rpartition("/")[0] == name:
                tally.add(
                    "decisions" if kind == DECISION else "pictures of cases", int(records.remove(kind, record.key))
                )
    tally.add("cases", int(records.remove(CASE, name)))


def rewrite(records: RecordStore, record: Record, gone: Gone, tally: Tally) -> None:
    """Take out of a case or decision what it says of what is erased; the numbers of a decision stay, without a name.

    An answer and its reasons go as a whole: a search gives them anew.
    """
    pseudonyms = Pseudonyms(records)
    for _ in range(TRIES):
        value = dict(record.value)
        if record.kind == CASE:
            if names_any(value.get("answer"), gone.names):
                value["answer"] = None
            if names_any(value.get("reasons"), gone.names):
                value["reasons"] = []
            value["request"] = without_tracks(value.get("request") or {}, gone)
            value["decisions"] = [without_name(each, gone, pseudonyms) for each in value.get("decisions") or []]
        else:
            value = without_name(value, gone, pseudonyms)
        try:
            records.put(record.kind, record.key, renamed(value, gone.names, pseudonyms.of), version=record.version)
            tally.add("cases changed" if record.kind == CASE else "decisions changed")
            return
        except ConflictError:
            found = records.get(record.kind, record.key)
            if found is None:
                return
            record = found
    raise ReIDError(f"the {record.kind} {record.key!r} is changed again and again by others; erase once more")


def without_tracks(request: dict[str, Any], gone: Gone) -> dict[str, Any]:
    """A request that no longer asks by tracks that are erased."""
    return {
        name: [each for each in part if each not in gone.names] if isinstance(part, list) else part
        for name, part in request.items()
    }


def without_name(decision: Any, gone: Gone, pseudonyms: Pseudonyms) -> Any:
    """A decision as it is kept: who decided what of which scores, no longer of whom."""
    if not isinstance(decision, dict) or not names_any(decision, gone.names):
        return decision
    emptied = {**decision, "crops": [], "why": ""}
    return renamed(emptied, gone.names, pseudonyms.of)


def remove_file(records: RecordStore, record: Record, tally: Tally) -> None:
    """Remove a file that was written, and what is known of it. A file that somebody has moved is not found."""
    path = Path(record.key)
    if path.is_file():
        remove(path)
        tally.add("exports")
        tally.files.append(str(path))
    records.remove(EXPORT, record.key)


def note_export(
    records: RecordStore, path: Path, *, crops: Collection[str], tracks: Collection[str] = (), case: str | None = None
) -> None:
    """Remember a file that shows or describes crops, for erasures; call it before the file is written."""
    value = {"crops": sorted(crops), "tracks": sorted(tracks), "case": case}
    records.put(EXPORT, str(path.resolve()), value)
