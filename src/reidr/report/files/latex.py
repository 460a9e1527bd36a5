"""The rows of a result as a LaTeX table in the style of papers: booktabs, per cent with one decimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reidr.evaluation.metrics.names import METRICS
from reidr.report.files.csv_json import METRIC_ORDER

HEADINGS = {key: metric.symbol for key, metric in METRICS.items()}
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{each: f"\\{each}" for each in "&%$#_{}"},
}


def latex_table(document: Mapping[str, Any]) -> str:
    """`tabular` of the rows of `result_document`, with intervals where there are any; needs `booktabs`.

    What the numbers are of stands above it in comments.
    """
    facts = [
        f"{document['dataset']}, protocol {document['protocol']}, {document['queries']:,} queries "
        f"({document['queries_without_match']:,} without a match), gallery {document['gallery']:,}",
        f"average precision: {document['average_precision']}; ties: {document['ties']}",
    ]
    if document["trials"] > 1:
        facts.append(f"mean of {document['trials']} draws of the protocol")
    if any(row.get("intervals") for row in document["rows"]):
        facts.append(f"in brackets: {document['interval']}")
    commit = document.get("provenance", {}).get("commit")
    facts += [f"commit {commit}"] if commit else []
    lines = [
        *(f"% {one_line(fact)}" for fact in (*facts, r"needs \usepackage{booktabs}")),
        rf"\begin{{tabular}}{{l{'r' * len(METRIC_ORDER)}}}",
        r"  \toprule",
        f"  Method & {' & '.join(HEADINGS[name] for name in METRIC_ORDER)} \\\\",
        r"  \midrule",
        *(f"  {' & '.join(cells(row))} \\\\" for row in document["rows"]),
        r"  \bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def cells(row: Mapping[str, Any]) -> list[str]:
    """One line of the table: the name, then every metric with its interval."""
    return [escaped(row["name"]), *(number(row[name], row.get("intervals", {}).get(name)) for name in METRIC_ORDER)]


def number(value: float, interval: Sequence[float] | None) -> str:
    """A share of 1 in per cent, with its interval in small print."""
    if interval is None:
        return f"{100 * value:.1f}"
    low, high = interval
    return rf"{100 * value:.1f} {{\scriptsize [{100 * low:.1f}, {100 * high:.1f}]}}"


def escaped(text: str) -> str:
    """The text as LaTeX prints it letter by letter."""
    return "".join(SPECIAL.get(letter, letter) for letter in one_line(text))


def one_line(text: str) -> str:
    """Without line breaks and other control characters, which would end a comment or a cell."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
