"""One self-contained page for people and the same numbers as files for machines.

report = Report(title=..., created=..., metric_rows=(...), query_cards=(...), curves=(...), facts={...})
write_report(report, run_folder)   # report.html, metrics.json, metrics.csv, queries.csv
"""

from reidr.report.content import Candidate, Curve, MetricRow, QueryCard, Report, Series, Statement
from reidr.report.page import write_report

__all__ = [
    "Candidate",
    "Curve",
    "MetricRow",
    "QueryCard",
    "Report",
    "Series",
    "Statement",
    "write_report",
]
