"""A report's content as JSON in the run folder, so that the page can be written again without running anything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reidr.errors import ReIDError
from reidr.evaluation.report.content import Candidate, Curve, MetricRow, QueryCard, Report, Series, Statement
from reidr.frame.run import write_json

FILE = "report.json"


def save_report(report: Report, folder: Path) -> Path:
    """Write `report.json`; pictures are stored as paths relative to `folder`, pictures in memory are left out."""
    content = _map_pictures(asdict(report), lambda value: _relative(value, folder))
    write_json(folder / FILE, content)
    return folder / FILE


def load_report(folder: Path) -> Report:
    """The report saved in `folder`. Raises ReIDError when there is none or it does not fit this version."""
    path = folder / FILE
    if not path.is_file():
        raise ReIDError(f"{path}: missing; give the folder of a finished `reidr evaluate --run` or `reidr demo`")
    try:
        content = _map_pictures(
            json.loads(path.read_text(encoding="utf-8")),
            lambda value: None if value is None else folder / value,
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
    except (json.JSONDecodeError, KeyError, TypeError) as error:
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
    return MetricRow(**values)


def _relative(value: Any, folder: Path) -> str | None:
    return os.path.relpath(value, folder) if isinstance(value, Path) else None


def _map_pictures(content: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    for card in content["query_cards"]:
        for holder in (card, *card["candidates"]):
            holder["image"] = change(holder["image"])
    return content
