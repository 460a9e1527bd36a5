"""`validate`: everything that would break or quietly falsify an evaluation, before any time is spent on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from reidr.data.checks.attributes import check_attributes
from reidr.data.checks.files import check_names, check_pictures
from reidr.data.checks.finding import Finding, Severity, examples
from reidr.data.checks.labels import check_labels
from reidr.data.load import load_dataset
from reidr.data.reading.lists import allow_missing_in
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

__all__ = ["Finding", "validate"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[float], None]]]


def validate(
    data: str | Path | ReIDDataset,
    *,
    pixels: bool = True,
    progress: Progress | None = None,
    layout: str | None = None,
    root: Path | None = None,
    allow_missing: bool = False,
) -> list[Finding]:
    """Check a data set (a path or a loaded one) and return what was found, errors first.

    With `pixels` every picture is decoded; without, files are only looked for and compared. `progress(what, total)`
    opens a bar (`reidr.core.progress.progress`). `layout` and `root` are those of `load_dataset`. With `allow_missing`
    listed pictures that are not there are a warning, however many. Never raises for bad data: a data set that
    cannot even be read is one finding.
    """
    if isinstance(data, ReIDDataset):
        dataset = data
    else:
        try:
            dataset = load_dataset(data, layout=layout, root=root, allow_missing=True)
        except DataError as error:
            return [Finding("error", "unreadable", str(error))]
    if allow_missing:
        dataset = replace(dataset, notes=allow_missing_in(dataset.notes))
    findings = [*note_findings(dataset), *check_labels(dataset), *check_names(dataset)]
    total = len(dataset.train) + len(dataset.query) + len(dataset.gallery)
    what = "decoding pictures" if pixels else "looking for files"
    bar = progress(what, total) if progress is not None else nullcontext(lambda _: None)
    with bar as advance:
        findings += check_pictures(dataset, advance, pixels=pixels, allow_missing=allow_missing)
    for split, counts in dataset.summary().items():
        if counts["images"]:
            text = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
            findings.append(Finding("info", "counts", f"{split}: {text}"))
    findings += check_attributes(dataset)
    order: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def note_findings(dataset: ReIDDataset) -> list[Finding]:
    """What the loader noted, with its own grades.

    Missing pictures that are crops all the same are left to `check_pictures`, spelling to `check_spelling`.
    """
    there = {crop.id for crops in (dataset.train, dataset.query, dataset.gallery) for crop in crops}
    return [
        Finding(note.level, note.kind, note.text, note.remedy, files=examples(note.names))
        for note in dataset.notes
        if not (note.kind == "missing file" and there.issuperset(note.names)) and note.kind != "label spelling"
    ]
