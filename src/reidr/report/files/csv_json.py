"""The report's numbers as files for machines: `metrics.json`, `metrics.csv`, `queries.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence

from reidr.core.spreadsheets import safe_cell
from reidr.evaluation.metrics.names import METRICS
from reidr.evaluation.results.rows import row_json
from reidr.report.content import MetricRow, Report

METRIC_TITLES = {key: metric.title for key, metric in METRICS.items()}
METRIC_ORDER = tuple(METRIC_TITLES)


def metric_names(rows: Iterable[MetricRow]) -> list[str]:
    """The metrics any row has: the field's five in their usual order, then others as they come."""
    found = list(dict.fromkeys(name for row in rows for name in row.metrics))
    return [name for name in METRIC_ORDER if name in found] + [name for name in found if name not in METRIC_ORDER]


def metrics_json(report: Report) -> str:
    """`{"title", "created", "protocol", "trials", "facts", "rows": [{"name", "role", "mAP", ..., see
    `evaluation.results.schema.ResultRow`}], "left_out", "remarks", "curves": [{"kind", "series": [{"name", "x",
    "y", "counts"}]}]}`; every metric is a share of 1. Beside these, by the names that `reidr evaluate --json` has,
    whatever else was measured (`expected_calibration_error`, `share_of_oracle_gain`, `open_set`, ...)."""
    document = {
        **report.numbers,
        "title": report.title,
        "created": report.created,
        "protocol": report.protocol,
        "trials": report.trials,
        "facts": dict(report.facts),
        "rows": [row_json(row) for row in report.metric_rows],
        "left_out": list(report.left_out),
        "remarks": list(report.remarks),
        "curves": [
            {
                "kind": curve.kind,
                "series": [
                    {
                        "name": series.name,
                        "x": [float(value) for value in series.x],
                        "y": [float(value) for value in series.y],
                        "counts": None if series.counts is None else [int(count) for count in series.counts],
                    }
                    for series in curve.series
                ],
            }
            for curve in report.curves
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def metrics_csv(report: Report) -> str:
    """One line per row, its numbers the means over `trials` draws of the protocol; `<metric>_low` and `<metric>_high`
    hold the interval, empty where there is none."""
    names = metric_names(report.metric_rows)
    header = [
        "name",
        "protocol",
        "trials",
        *(f"{name}{end}" for name in names for end in ("", "_low", "_high")),
        "queries",
        "calls",
        "seconds",
        "note",
    ]
    lines = []
    for row in report.metric_rows:
        numbers = [value for name in names for value in (row.metrics.get(name), *row.intervals.get(name, (None, None)))]
        cost = row.queries, row.calls, row.seconds, row.note
        lines.append([row.name, report.protocol, report.trials, *numbers, *cost])
    return csv_text(header, lines)


def queries_csv(report: Report, shown: frozenset[str] = frozenset()) -> str:
    """One line per query, in the report's order; `on_page` says whether the page shows its card (`shown` ids).

    The lists are those of the first of the protocol's draws, which `trial` says.
    """
    header = ["query", "protocol", "trial", "person", "camera", "status"]
    header += [
        "average_precision_before",
        "average_precision_after",
        "first_right_rank_before",
        "first_right_rank_after",
        "candidates",
        "answered",
        "asked",
        "calls",
        "on_page",
    ]
    lines = [
        [
            card.id,
            report.protocol,
            1,
            card.person,
            card.camera,
            card.status,
            card.average_precision_before,
            card.average_precision_after,
            card.first_right(before=True),
            card.first_right() if card.fused else None,
            len(card.candidates),
            sum(candidate.answer is not None for candidate in card.candidates),
            card.asked,
            card.calls,
            "yes" if card.id in shown else "no",
        ]
        for card in report.query_cards
    ]
    return csv_text(header, lines)


def csv_text(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """RFC 4180 text; None becomes an empty cell, numbers keep every digit, no text is a formula (`safe_cell`)."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[safe_cell(cell) for cell in line] for line in lines])
    return file.getvalue()
