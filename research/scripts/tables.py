"""Figures and tables in Markdown, as research/measurements/results.md shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

EARLIER = "150 held-out training identities of Market-1501 (market1501-dev, an earlier split)"
"""The test of everything that was measured before 2026-11-29. Which people they were was not recorded: history."""


def test_of(made: dict) -> str:
    """The data set that a stored measurement was made on, by its name."""
    return str(made.get("test", EARLIER))


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def over_seeds(values: list[float], show: Callable[[float], str] = percent) -> str:
    """Mean over seeds, and their range where there are several."""
    spread = f" <sub>{show(min(values))}–{show(max(values))}</sub>" if len(values) > 1 else ""
    return show(mean(values)) + spread


def area(value: float) -> str:
    return f"{value:.3f}"


def lined(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " --- |" * (len(titles) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def difference(value: list[float]) -> str:
    """A paired difference in percentage points, with its interval; bold where the interval leaves 0 out."""
    gain, low, high = value
    text = f"{100 * gain:+.1f} <sub>{100 * low:+.1f} to {100 * high:+.1f}</sub>"
    return f"**{text}**" if low > 0 or high < 0 else text
