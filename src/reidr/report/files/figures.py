"""The curves of an evaluation as files for a paper: PDF with embedded fonts and SVG, drawn on white, with a legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.storage.files import write_bytes
from reidr.report.content import Curve, CurveKind
from reidr.report.plots import DASHES, MARKERS, positive

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")  # Okabe and Ito, told apart by colour-blind readers
SIZE = (3.5, 2.7)  # inches: one column
STYLE: Any = {
    "font.size": 8,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,  # TrueType: many venues refuse the default
    "svg.fonttype": "none",
    "svg.hashsalt": "reidr",
    "text.parse_math": False,  # a name may hold dollar signs
}
NO_DATES = {"pdf": {"CreationDate": None, "Producer": None, "Creator": None}, "svg": {"Date": None, "Creator": None}}


@dataclass(frozen=True)
class Axis:
    """What stands at the axes of one kind of figure; `x_scale` is what x is multiplied by."""

    x: str
    y: str
    x_scale: float = 100.0


AXES: dict[CurveKind, Axis] = {
    "cmc": Axis("rank", "queries with a match up to rank (%)", 1.0),
    "reliability": Axis("mean score (%)", "pairs of one person (%)"),
    "risk-coverage": Axis("pairs answered (%)", "wrong among the answered (%)"),
    "open-set": Axis("FPIR (%)", "FNIR (%)"),
    "cost_curve": Axis("pairs asked per query", "gain over asking nothing (points)", 1.0),
    "histogram": Axis("distance", "share of pairs (%)", 1.0),
}


def write_figures(curves: Sequence[Curve], folder: Path) -> list[Path]:
    """One `KIND.pdf` and one `KIND.svg` for each curve that can be drawn; the same numbers give the same bytes.

    Raises ReIDError where a file cannot be written.
    """
    written = []
    for curve in curves:
        if not curve.drawable:
            continue
        for ending, content in drawn(curve).items():
            path = folder / f"{curve.kind}.{ending}"
            write_bytes(path, content)
            written.append(path)
    return written


def drawn(curve: Curve) -> dict[str, bytes]:
    """One figure by file ending."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        paint(axes, curve)
        return {ending: saved(figure, ending) for ending in NO_DATES}


def paint(axes: Axes, curve: Curve) -> None:
    """Draw every series and label the axes."""
    axis = AXES[curve.kind]
    if curve.kind == "reliability":
        axes.plot([0, 100], [0, 100], color="0.6", linewidth=0.8)
    for number, series in enumerate(curve.series):
        look: dict[str, Any] = {"color": COLOURS[number % 5], "label": series.name}
        if curve.kind == "histogram":
            shares = 100 * np.asarray(series.y, dtype=float) / max(float(np.sum(series.y)), 1e-12)
            axes.stairs(shares, np.asarray(series.x, dtype=float), linestyle=DASHES[number % 5], **look)
            continue
        line = positive(series) if curve.kind == "open-set" else series
        steps = "steps-post" if curve.kind == "open-set" else "default"
        few = len(line.x) <= 25
        axes.plot(
            axis.x_scale * np.asarray(line.x, dtype=float),
            100 * np.asarray(line.y, dtype=float),
            drawstyle=steps,
            linestyle=DASHES[number % 5],
            linewidth=1.3,
            marker=MARKERS[number % 5] if few else None,
            markersize=2.5,
            **look,
        )
    if curve.kind == "open-set":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(curve.x_label or axis.x)
    axes.set_ylabel(axis.y)
    axes.grid(linewidth=0.4, color="0.9")
    axes.set_axisbelow(True)
    axes.legend(frameon=False)


def saved(figure: Figure, ending: str) -> bytes:
    """The figure as a file's bytes, without the time it was drawn at."""
    file = io.BytesIO()
    metadata: Any = NO_DATES[ending]
    figure.savefig(file, format=ending, metadata=metadata)
    return file.getvalue()
