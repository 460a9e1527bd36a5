"""The run folder of a search: one page for people, and the same values for machines.

`report.json` (`evaluation.find.schema`), `matches.csv`, and `report.html`, in which nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from reidr.errors import ReIDError
from reidr.evaluation.find.document import csv_of
from reidr.evaluation.find.schema import KIND, SearchDocument
from reidr.evaluation.report import page as pages
from reidr.evaluation.report.pictures import Thumbnail, thumbnail
from reidr.frame.files import write_text
from reidr.frame.run import prepare_folder

JSON_FILE, CSV_FILE, PAGE_FILE = "report.json", "matches.csv", "report.html"
FILES = (JSON_FILE, CSV_FILE, PAGE_FILE)
SIDE = 200  # pixels
NO_TRUTH = "Nobody has said who these people are: no candidate here is known to be right or wrong."
ANSWERS = {"same": "says same", "different": "says different", "insufficient": "cannot tell"}


def write_search(
    document: SearchDocument, folder: Path, pictures: Mapping[str, Image.Image | Path] | None = None
) -> Path:
    """Write the three files, the page last; returns its path.

    Args:
        pictures: by "query ID" or "match ID", for those in memory; all others are read from their path.

    Raises ReIDError where the folder cannot be written.
    """
    prepare_folder(folder)
    write_text(folder / JSON_FILE, json_of(document))
    write_text(folder / CSV_FILE, csv_of(document))
    write_text(folder / PAGE_FILE, render(document, pictures or {}))
    return folder / PAGE_FILE


def json_of(document: SearchDocument) -> str:
    """The document as JSON text."""
    return json.dumps(document.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def is_search(folder: Path) -> bool:
    """Whether a run folder holds a search."""
    return read_json(folder / JSON_FILE).get("kind") == KIND


def load_search(folder: Path) -> SearchDocument:
    """The document of a search's run folder. Raises ReIDError where there is none, or it is of another version."""
    path = folder / JSON_FILE
    try:
        return SearchDocument.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReIDError(f"{path}: not a search of this version ({reason}); search again") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def render(document: SearchDocument, pictures: Mapping[str, Image.Image | Path]) -> str:
    """The page as HTML text."""

    def picture(role: str, entry: Any) -> Thumbnail | None:
        source = pictures.get(f"{role} {entry.id}") or (None if entry.path is None else Path(entry.path))
        return thumbnail(source, SIDE)

    template = pages.environment().get_template("search.html.j2")
    page: str = template.render(
        search=document,
        title=title_of(document),
        headline=headline_of(document),
        grounds=grounds_of(document),
        no_truth=NO_TRUTH,
        picture=picture,
        answers=ANSWERS,
        left_out=sum(each.count for each in document.left_out),
        claims_marked=any(
            statement.claims
            for match in document.matches
            if match.verdict is not None
            for statement in match.verdict.statements
        ),
    )
    return page


def title_of(document: SearchDocument) -> str:
    """The question that was asked."""
    names = [entry.id for entry in document.query]
    who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more of the same person"
    return f"Who in {document.gallery} looks like {who}?"


def headline_of(document: SearchDocument) -> str:
    """What there is to say first: whether the person is believed to be there."""
    believed = {
        "probably there": "The person is probably in this gallery.",
        "perhaps there": "The person may be in this gallery.",
        "perhaps absent": "The person may well not be in this gallery.",
        "unknown": "Whether the person is in this gallery cannot be said.",
    }
    return believed[document.presence.belief]


def grounds_of(document: SearchDocument) -> str:
    """What that is believed on: the sentence of the terminal without what the headline says already."""
    _, colon, grounds = document.presence.sentence.partition(": ")
    whole = document.presence.belief == "unknown" or not colon
    return document.presence.sentence if whole else f"{grounds[:1].upper()}{grounds[1:]}"
