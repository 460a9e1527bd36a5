"""The run folder of a search by words: one page for people, and the same values for machines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from reidr.errors import ReIDError
from reidr.report import page as pages
from reidr.report.files.store import stored_picture
from reidr.report.pictures import Thumbnail
from reidr.report.search import JSON_FILE, NO_TRUTH, held_by, json_of, read_json, write_files
from reidr.search.document.words import KIND, WordsDocument, words_csv

LIKELY, UNLIKELY = 0.7, 0.3
"""From which probability on a term is shown as there, and below which as not."""


def write_words(
    document: WordsDocument, folder: Path, pictures: Mapping[str, Image.Image | Path] | None = None
) -> Path:
    """Write `report.json`, `matches.csv` and `report.html`, the page last; returns its path.

    Args:
        pictures: where the document's pictures are (`words_pictures`). None: it holds them itself.

    Raises ReIDError where the folder cannot be written.
    """
    document = WordsDocument.model_validate(held_by(document, pictures))
    return write_files(folder, json_of(document), words_csv(document), render_words(document))


def is_words_search(folder: Path) -> bool:
    """Whether a run folder holds a search by words."""
    return read_json(folder / JSON_FILE).get("kind") == KIND


def load_words(folder: Path) -> WordsDocument:
    """The document of a run folder. No file but `report.json` is opened, whatever it names.

    Raises ReIDError where there is none, it is of another version, or a picture in it is none.
    """
    path = folder / JSON_FILE
    try:
        document = WordsDocument.model_validate_json(path.read_text(encoding="utf-8"))
        for uri in document.pictures.values():
            stored_picture(uri, path)
        json_of(document)
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReIDError(f"{path}: not a search by words of this version ({reason}); search again") from None
    return document


def render_words(document: WordsDocument) -> str:
    """The page as HTML text, with the pictures that the document holds."""

    def picture(role: str, entry: Any) -> Thumbnail | None:
        uri = document.pictures.get(f"{role} {entry.id}")
        opened = stored_picture(uri, Path(JSON_FILE))
        return None if uri is None or opened is None else Thumbnail(uri, *opened.size)

    template = pages.environment().get_template("words.html.j2")
    page: str = template.render(
        search=document,
        headline=headline_of(document),
        no_truth=NO_TRUTH,
        picture=picture,
        left_out=sum(each.count or 0 for each in document.left_out),
        likely=LIKELY,
        unlikely=UNLIKELY,
    )
    return page


def headline_of(document: WordsDocument) -> str:
    """The one sentence to take away: for how many of the matches every known term is likely."""
    if not document.matches:
        return "No crop fits the description."
    fitting = sum(
        all(own.probability is None or own.probability >= 0.5 for own in match.terms) for match in document.matches
    )
    if fitting == 0:
        return "No match is likely to fit all of the description that can be recognised."
    if fitting == len(document.matches):
        return f"All {fitting} matches are likely to fit all of the description that can be recognised."
    verb = "is" if fitting == 1 else "are"
    number = f"{fitting} of {len(document.matches)} matches {verb}"
    return f"{number} likely to fit all of the description that can be recognised."
