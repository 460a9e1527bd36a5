"""Rows are distinguished by typed fields: no code reads the letters of a row's name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reidr
from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import MetricRow, built_on
from reidr.evaluation.metrics.names import COMPARED, METRICS

PACKAGE = Path(reidr.__file__).parent
READING = {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "casefold", "split"}
ROWS = {"row", "other", "oracle", "reasoner", "base", "best"}


@pytest.mark.parametrize("folder", ["evaluation/experiment", "evaluation/results", "report"])
def test_no_code_reads_the_letters_of_a_rows_name(folder: str) -> None:
    found = []
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in READING and isinstance(node.value, ast.Attribute):
                holder = node.value.value
                if node.value.attr == "name" and isinstance(holder, ast.Name) and holder.id in ROWS:
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


def test_what_a_row_is_built_on_is_named_by_it() -> None:
    rows = [
        MetricRow("a", {}, role="retriever"),
        MetricRow("b", {}, role="reranker", variant="CSLS", built_on=("a",)),
        MetricRow("c", {}, role="reasoner", built_on=("a", "b")),
        MetricRow("d", {}, role="reasoner"),
    ]
    assert [[other.name for other in built_on(row, rows)] for row in rows] == [["a"], ["a"], ["a", "b"], ["a"]]


def test_metrics_are_shares_and_intervals_run_upwards() -> None:
    with pytest.raises(ReIDError, match="must be a share between 0 and 1"):
        MetricRow("a", {"mAP": 58.1}, role="retriever")
    with pytest.raises(ReIDError, match="must run upwards"):
        MetricRow("a", {"mAP": 0.5}, {"mAP": (0.6, 0.4)}, role="retriever")


def test_there_is_one_table_of_metrics() -> None:
    assert list(METRICS) == ["mAP", "rank1", "rank5", "rank10", "mINP"]
    assert list(COMPARED) == ["mAP", "rank1"]
    from reidr.report.files import csv_json, latex

    assert list(csv_json.METRIC_TITLES) == list(latex.HEADINGS) == list(METRICS)
