"""Cells of tables that people open in a spreadsheet: names from elsewhere must not become formulas there."""

from __future__ import annotations

from typing import Any

from reidr.core.text import shown_lines

# What Excel, LibreOffice or a sheet in the browser may take for the beginning of a formula (OWASP, "CSV injection"),
# the full-width forms among them.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: Any) -> Any:
    """A text without what would move a terminal (`shown_lines`), with an apostrophe before what may be taken for a
    formula; None is an empty cell; the rest as it is."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = shown_lines(value)
    return f"'{text}" if text.startswith(FORMULA) else text
