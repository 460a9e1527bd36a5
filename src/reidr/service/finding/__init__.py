"""Finding people in a gallery store: search, reasons, cases and what is decided in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reidr.core.lazy import loaded_when_used

if TYPE_CHECKING:
    from reidr.search.appearances.case import Case, Decision
    from reidr.search.appearances.types import Appearance, Reason, SearchAnswer, TimeLine
    from reidr.service.finding.request import SearchRequest

__all__ = ["Appearance", "Case", "Decision", "Reason", "SearchAnswer", "SearchRequest", "TimeLine"]

__getattr__ = loaded_when_used(
    __name__,
    {
        **dict.fromkeys(("Case", "Decision"), "reidr.search.appearances.case"),
        **dict.fromkeys(("Appearance", "Reason", "SearchAnswer", "TimeLine"), "reidr.search.appearances.types"),
        "SearchRequest": "reidr.service.finding.request",
    },
)
