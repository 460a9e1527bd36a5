"""The run folder of a search: one page for people, and the same values for machines.

`report.json` (`evaluation.find.schema`), `matches.csv`, and `report.html`, in which nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from reidr.core.run import prepare_folder
from reidr.core.storage.files import write_text
from reidr.core.text import shown_lines
from reidr.errors import ReIDError
from reidr.report import page as pages
from reidr.report.files.store import STORED_SIDE, stored_picture
from reidr.report.pictures import Thumbnail, thumbnail
from reidr.search.document.document import csv_of
from reidr.search.document.schema import KIND, Part, SearchDocument

JSON_FILE, CSV_FILE, PAGE_FILE = "report.json", "matches.csv", "report.html"
FILES = (JSON_FILE, CSV_FILE, PAGE_FILE)
NO_TRUTH = "Nobody has said who these people are: no candidate here is known to be right or wrong."
ANSWERS = pages.ANSWER_WORDS


def write_search(
    document: SearchDocument, folder: Path, pictures: Mapping[str, Image.Image | Path] | None = None
) -> Path:
    """Write the three files, the page last; returns its path.

    Args:
        pictures: where the document's pictures are, by "query ID" and "match ID" (`document.pictures_of`). None: it
            holds them itself, as one that was loaded does.

    Raises ReIDError where the folder cannot be written.
    """
    document = SearchDocument.model_validate(held_by(document, pictures))
    return write_files(folder, json_of(document), csv_of(document), render(document))


def held_by(document: Part, pictures: Mapping[str, Image.Image | Path] | None) -> dict[str, Any]:
    """The values of a document in text that a file can hold, with small copies of `pictures` (None: its own)."""
    if pictures is not None:
        small = {name: thumbnail(picture, STORED_SIDE) for name, picture in pictures.items()}
        stored = {name: each.uri for name, each in small.items() if each is not None}
        document = document.model_copy(update={"pictures": stored})
    values: dict[str, Any] = whole_text(document.model_dump())
    return values


def write_files(folder: Path, json_text: str, csv_text: str, page: str) -> Path:
    """Write the three files of a search, the page last; returns its path. Raises ReIDError where that is impossible."""
    prepare_folder(folder)
    for name, text in zip(FILES, (json_text, csv_text, page), strict=True):
        write_text(folder / name, text)
    return folder / PAGE_FILE


def json_of(document: Part) -> str:
    """The document as JSON text."""
    return json.dumps(whole_text(document.model_dump()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def whole_text(value: Any) -> Any:
    """The same with every text one that a file can hold: names that are no UTF-8 reach us with lone surrogates."""
    if isinstance(value, str):
        return shown_lines(value)
    if isinstance(value, Mapping):
        return {whole_text(key): whole_text(each) for key, each in value.items()}
    return [whole_text(each) for each in value] if isinstance(value, list | tuple) else value


def is_search(folder: Path) -> bool:
    """Whether a run folder holds a search."""
    return read_json(folder / JSON_FILE).get("kind") == KIND


def load_search(folder: Path) -> SearchDocument:
    """The document of a search's run folder. No file but `report.json` is opened, whatever it names.

    Raises ReIDError where there is none, it is of another version, or a picture in it is none.
    """
    path = folder / JSON_FILE
    try:
        if not path.is_file():
            raise OSError("no such file")
        document = SearchDocument.model_validate_json(path.read_text(encoding="utf-8"))
        for uri in document.pictures.values():
            stored_picture(uri, path)
        json_of(document)  # a number that is none could not be written again
    except (OSError, ValueError, RecursionError) as error:  # pydantic's and base64's errors are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise ReIDError(f"{path}: not a search of this version ({reason}); search again") from None
    return document


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where there is none."""
    try:
        # A pipe of that name would be waited for.
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def render(document: SearchDocument) -> str:
    """The page as HTML text, with the pictures that the document holds."""

    def picture(role: str, entry: Any) -> Thumbnail | None:
        uri = document.pictures.get(f"{role} {entry.id}")
        opened = stored_picture(uri, Path(JSON_FILE))
        return None if uri is None or opened is None else Thumbnail(uri, *opened.size)

    template = pages.environment().get_template("search.html.j2")
    page: str = template.render(
        search=document,
        title=title_of(document),
        headline=headline_of(document),
        grounds=grounds_of(document),
        no_truth=NO_TRUTH,
        picture=picture,
        answers=ANSWERS,
        left_out=sum(each.count or 0 for each in document.left_out),
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
