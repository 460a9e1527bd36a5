"""Cells of tables that people open in a spreadsheet: names from elsewhere must not become formulas there."""

from __future__ import annotations

from typing import Any

# What Excel, LibreOffice or a sheet in the browser may take for the beginning of a formula (OWASP, "CSV injection"),
# the full-width forms among them.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: Any) -> Any:
    """A text that may be taken for a formula with an apostrophe before it; None is an empty cell, the rest as it is."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
