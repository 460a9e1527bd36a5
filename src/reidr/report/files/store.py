"""A report's content as JSON in the run folder, so that the page can be written again without running anything.

Pictures are stored within it, as small as the page shows them, and never as paths: a run folder is passed on, and one
that named files elsewhere would bring the pictures of whoever writes the page again into that page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from reidr.core.run import write_json
from reidr.data.pictures.images import read_picture
from reidr.errors import ReIDError
from reidr.report.content import Candidate, Curve, MetricRow, QueryCard, Report, Series, Statement
from reidr.report.pictures import URI_HEAD, thumbnail

FILE = "report.json"
STORED_SIDE = 160  # pixels; the page shows none larger


def save_report(report: Report, folder: Path) -> Path:
    """Write `report.json`, its pictures within it (`thumbnail`). An unreadable one is left out, as on the page."""
    content = _map_pictures(asdict(report), _stored)
    write_json(folder / FILE, content)
    return folder / FILE


def load_report(folder: Path) -> Report:
    """The report saved in `folder`. No file but `report.json` is opened.

    Raises ReIDError when there is none, it does not fit this version, or it names pictures instead of holding them.
    """
    path = folder / FILE
    if not path.is_file():
        raise ReIDError(f"{path}: missing; give the folder of a finished `reidr evaluate --run` or `reidr demo`")
    try:
        content = _map_pictures(
            json.loads(path.read_text(encoding="utf-8")),
            lambda value: stored_picture(value, path),
        )
        cards = tuple(
            QueryCard(**{**card, "candidates": tuple(_candidate(each) for each in card["candidates"])})
            for card in content.pop("query_cards")
        )
        rows = tuple(_row(row) for row in content.pop("metric_rows"))
        curves = tuple(
            Curve(**{**curve, "series": tuple(Series(**series) for series in curve["series"])})
            for curve in content.pop("curves")
        )
        content |= {name: tuple(content.get(name, ())) for name in ("left_out", "remarks")}
        return Report(**content, query_cards=cards, metric_rows=rows, curves=curves)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReIDError(f"{path}: not a report of this version ({error}); run the evaluation again") from None


def _candidate(values: dict[str, Any]) -> Candidate:
    statements = tuple(
        Statement(each["text"], tuple((region, mark) for region, mark in each["claims"]), each.get("note", ""))
        for each in values.get("statements", ())
    )
    return Candidate(**{**values, "cues": tuple(values["cues"]), "statements": statements})


def _row(values: dict[str, Any]) -> MetricRow:
    for name in ("intervals", "gains"):
        values[name] = {metric: tuple(pair) for metric, pair in values[name].items()}
    others = values.get("gains_over", {})
    values["gains_over"] = {
        other: {metric: tuple(pair) for metric, pair in found.items()} for other, found in others.items()
    }
    return MetricRow(**{**values, "built_on": tuple(values["built_on"])})


def _stored(picture: Any) -> str | None:
    small = thumbnail(picture, STORED_SIDE)
    return None if small is None else small.uri


def stored_picture(value: Any, path: Path, most: int = STORED_SIDE) -> Image.Image | None:
    """A picture as a report holds it (a data URI; None for none), at most `most` pixels a side. `path` is the
    report's, for the sentence.

    Raises ReIDError where it is a name of a picture, or larger than a report's are; ImageError where it is damaged.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(URI_HEAD):
        raise ReIDError(
            f"{path}: names the picture {str(value)[:80]!r} instead of holding it, and no file that a report names is"
            " opened; run the evaluation or the search again"
        )
    picture = read_picture(base64.b64decode(value[len(URI_HEAD) :], validate=True), f"{path}: a picture")
    if max(picture.size) > most:  # thousands of camera frames of a few kilobytes each would fill the memory
        raise ReIDError(f"{path}: holds a picture of {picture.width}x{picture.height}, above {most} pixels a side")
    return picture


def _map_pictures(content: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    for card in content["query_cards"]:
        for holder in (card, *card["candidates"]):
            holder["image"] = change(holder["image"])
    return content
