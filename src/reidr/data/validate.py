"""`validate`: everything that would break or quietly falsify an evaluation, before any time is spent on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from reidr.data.check_files import check_names, check_pictures
from reidr.data.check_labels import check_labels
from reidr.data.counts import SEVERITIES
from reidr.data.finding import Finding, Severity
from reidr.data.load import load_dataset
from reidr.data.market1501 import FOLDERS
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

__all__ = ["Finding", "validate"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[float], None]]]


def validate(data: str | Path | ReIDDataset, *, pixels: bool = True, progress: Progress | None = None) -> list[Finding]:
    """Check a data set (a path or a loaded one) and return what was found, errors first.

    With `pixels` every picture is decoded; without, files are only looked for and compared. `progress(what, total)`
    opens a bar (`reidr.frame.progress.progress`). Never raises for bad data: a data set that cannot even be read is one
    finding.
    """
    if isinstance(data, ReIDDataset):
        dataset = data
    else:
        try:
            dataset = load_dataset(data)
        except DataError as error:
            return [Finding("error", "unreadable", str(error))]
    findings = [*note_findings(dataset), *check_labels(dataset), *check_names(dataset)]
    total = len(dataset.train) + len(dataset.query) + len(dataset.gallery)
    what = "decoding pictures" if pixels else "looking for files"
    bar = progress(what, total) if progress is not None else nullcontext(lambda _: None)
    with bar as advance:
        findings += check_pictures(dataset, advance, pixels=pixels)
    for split, counts in dataset.summary().items():
        if counts["images"]:
            text = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
            findings.append(Finding("info", "counts", f"{split}: {text}"))
    order: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def note_findings(dataset: ReIDDataset) -> list[Finding]:
    """What the loader noted. Its notes on single folders are left to `check_names`, which names the files too."""
    findings = []
    for note in dataset.notes:
        if note.startswith(tuple(f"{folder}: " for folder in FOLDERS.values())):
            continue
        severity: Severity = next((grade for start, grade in SEVERITIES.items() if note.startswith(start)), "info")
        if "left out" in note or " missing" in note:
            severity = "warning"
        findings.append(Finding(severity, "counts" if note.startswith(tuple(SEVERITIES)) else "note", note))
    return findings
