"""Figures as inline SVG: numbers in, text out; colours come from the page, so one figure fits light, dark and print.

matplotlib draws with stand-in colours that are then replaced by CSS variables with a fall-back
(`var(--series-1, #0072b2)`), and text stays text. Series differ by dash and end marker as well as by colour (Okabe and
Ito, https://jfly.uni-koeln.de/color), and carry their names at their ends instead of in a legend.
"""

from __future__ import annotations

import io
import itertools
import re
import textwrap
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.report.content import Curve, CurveKind, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, RULE = "#010101", "#020202", "#030303"
SERIES = ("#a00001", "#a00002", "#a00003", "#a00004", "#a00005")
PAGE_COLOURS = {
    INK: "var(--ink, #1d1c1a)",
    SOFT: "var(--soft, #5b5852)",
    RULE: "var(--rule, #dcd8cf)",
    SERIES[0]: "var(--series-1, #0072b2)",
    SERIES[1]: "var(--series-2, #d55e00)",
    SERIES[2]: "var(--series-3, #009e73)",
    SERIES[3]: "var(--series-4, #b0568c)",
    SERIES[4]: "var(--series-5, #5b5852)",
}
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 2)),
    (0, (1.2, 1.6)),
    (0, (7, 2, 1.5, 2)),
    (0, (3, 3)),
)
MARKERS = ("o", "s", "^", "D", "v")
SIZE = (5.6, 3.9)  # inches of 72 pixels: 403 x 281 in the SVG's own units
LABEL_GAP = 0.075  # least distance of two names, share of the axes' height
NAME_LENGTH = 18  # letters of a line that fit beside the axes
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def draw(curve: Curve) -> str:
    """The SVG text of one figure; which function draws it follows from `curve.kind`."""
    if curve.kind == "histogram":
        return histogram_svg(curve.series, x_label=curve.x_label or "distance")
    functions: dict[CurveKind, Callable[[Sequence[Series]], str]] = {
        "cmc": cmc_svg,
        "reliability": reliability_svg,
        "risk-coverage": risk_coverage_svg,
        "open-set": open_set_svg,
        "cost_curve": cost_curve_svg,
    }
    return functions[curve.kind](curve.series)


def cmc_svg(series: Sequence[Series]) -> str:
    """Cumulative matching characteristic: rank 1, 2, ... → share of queries with a right candidate up to that rank."""
    from matplotlib.ticker import MaxNLocator

    def paint(axes: Axes) -> None:
        for number, line in enumerate(series):
            plot_line(axes, number, line.x, line.y)
        axes.set_xlim(1, max([2, *(max(line.x) for line in series if len(line.x))]))
        low = min((min(line.y) for line in series if len(line.y)), default=0.0)
        axes.set_ylim(max(0.0, np.floor(low * 10) / 10 - 0.02), 1.01)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        whole_percent(axes, "y")
        axes.set_xlabel("rank")
        name_ends(axes, series)

    return render(paint, "share of queries with a right candidate up to rank", "cmc")


def reliability_svg(series: Sequence[Series]) -> str:
    """Reliability diagram: mean score or P(same) of a bin → share of its pairs that are the same; area ∝ √counts."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, zorder=1)
        axes.text(0.04, 0.95, "under-confident", color=SOFT, va="top")
        axes.text(0.97, 0.05, "over-confident", color=SOFT, ha="right")
        for number, line in enumerate(series):
            plot_line(axes, number, line.x, line.y)
            counts = np.asarray(line.counts if line.counts is not None else np.ones(len(line.x)), dtype=float)
            area = 10 + 70 * np.sqrt(counts / max(counts.max(initial=0.0), 1e-12))
            axes.scatter(line.x, line.y, s=area, color=SERIES[number % 5], marker=MARKERS[number % 5], zorder=4)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        whole_percent(axes, "x")
        whole_percent(axes, "y")
        axes.set_xlabel("predicted: score, or calibrated P(same)")
        name_ends(axes, series)

    return render(paint, "pairs that are the same person", "reliability")


def risk_coverage_svg(series: Sequence[Series]) -> str:
    """Risk-coverage curve: share of pairs answered, the surest first → share of wrong answers among them."""

    def paint(axes: Axes) -> None:
        for number, line in enumerate(series):
            plot_line(axes, number, line.x, line.y)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, max(0.05, 1.1 * max((max(line.y) for line in series if len(line.y)), default=0.0)))
        whole_percent(axes, "x")
        whole_percent(axes, "y")
        axes.set_xlabel("share of pairs answered (coverage)")
        name_ends(axes, series)

    return render(paint, "wrong among the answered (risk)", "risk-coverage")


def open_set_svg(series: Sequence[Series]) -> str:
    """Open set: FPIR on a logarithmic axis → FNIR (ISO/IEC 19795-1). Points with FPIR 0 have no place on it."""

    from matplotlib.ticker import NullFormatter

    def paint(axes: Axes) -> None:
        visible = [positive(line) for line in series if any(value > 0 for value in line.x)]
        axes.set_xscale("log")
        for number, line in enumerate(visible):
            plot_line(axes, number, line.x, line.y, steps=True)
        # With one non-mated query FPIR is 0 or 1: still a decade to draw it on.
        least = min(0.1, min((min(line.x) for line in visible), default=0.001))
        axes.set_xlim(least, 1)
        axes.set_ylim(0, 1)
        # A range within one decade would make matplotlib label the minor ticks, with a formatter of its own.
        steps = (1,) if least < 0.02 else (1, 2, 5)
        ticks = [step * 10.0**power for power in range(-6, 1) for step in steps]
        axes.set_xticks([tick for tick in ticks if least * 0.999 <= tick <= 1])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:g}\u202f%")
        whole_percent(axes, "y")
        axes.set_xlabel("FPIR, logarithmic: strangers that raise a match")
        name_ends(axes, visible)

    return render(paint, "FNIR: enrolled persons that are missed", "open-set")


def cost_curve_svg(series: Sequence[Series]) -> str:
    """Pairs asked per query → what that gains over asking nothing, in points of whatever the series measure."""

    def paint(axes: Axes) -> None:
        axes.axhline(0, color=SOFT, linewidth=0.8, zorder=1)
        for number, line in enumerate(series):
            plot_line(axes, number, line.x, line.y)
            axes.scatter(line.x, line.y, s=16, color=SERIES[number % 5], marker=MARKERS[number % 5], zorder=4)
        axes.set_xlim(0, max([1.0, *(max(line.x) for line in series if len(line.x))]))
        axes.margins(y=0.12)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.1f}")
        axes.set_xlabel("pairs asked per query")
        name_ends(axes, series)

    return render(paint, "points gained over asking nothing", "cost_curve")


def histogram_svg(series: Sequence[Series], *, x_label: str = "distance") -> str:
    """Histograms over shared or own bin edges: n + 1 edges, n counts each, drawn as shares of their own total."""

    def paint(axes: Axes) -> None:
        tallest = 0.0
        for number, line in enumerate(series):
            shares = np.asarray(line.y, dtype=float) / max(float(np.sum(line.y)), 1e-12)
            colour, dash = SERIES[number % 5], DASHES[number % 5]
            axes.stairs(shares, line.x, fill=True, color=colour, alpha=0.16, zorder=2)
            axes.stairs(shares, line.x, color=colour, linewidth=1.8, linestyle=dash, zorder=3)
            tallest = max(tallest, shares.max(initial=0.0))
            if len(shares):
                peak = int(shares.argmax())
                axes.annotate(
                    short(line.name),
                    ((line.x[peak] + line.x[peak + 1]) / 2, shares[peak]),
                    xytext=(0, 5),
                    textcoords="offset points",
                    ha="center",
                    color=INK,
                )
        axes.set_ylim(0, tallest * 1.15 or 1)
        whole_percent(axes, "y")
        axes.set_xlabel(x_label)

    return render(paint, "share of pairs", "histogram", right=0.97)


def plot_line(axes: Axes, number: int, x: Sequence[float], y: Sequence[float], *, steps: bool = False) -> None:
    """One series with its own colour, dash and a marker at its last point."""
    axes.plot(
        x,
        y,
        color=SERIES[number % 5],
        linestyle=DASHES[number % 5],
        linewidth=2,
        drawstyle="steps-post" if steps else "default",
        solid_capstyle="round",
        marker=MARKERS[number % 5],
        markevery=[len(x) - 1] if len(x) else [],
        markersize=6,
        clip_on=False,
        zorder=3,
    )


def name_ends(axes: Axes, series: Sequence[Series]) -> None:
    """Names beside the last points, pushed apart where they would touch, each tied to its line by a thin leader."""
    named = [(number, line) for number, line in enumerate(series) if len(line.x)]
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((line.x[-1], line.y[-1])) for _, line in named]
    order = sorted(range(len(named)), key=lambda index: ends[index][1])
    names = [short(named[index][1].name) for index in order]
    sizes = [LABEL_GAP * (1 + 0.75 * name.count("\n")) for name in names]
    heights = spread([float(ends[index][1]) for index in order], sizes)
    for index, name, height in zip(order, names, heights, strict=True):
        number, _ = named[index]
        axes.annotate(
            name,
            xy=(float(ends[index][0]), float(ends[index][1])),
            xytext=(1.07, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=INK,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": SERIES[number % 5],
                "linewidth": 0.9,
                "shrinkA": 0,
                "relpos": (0, 0.5),
                "shrinkB": 4,
            },
        )


def positive(line: Series) -> Series:
    """The series without the points that a logarithmic axis cannot show."""
    kept = [index for index, value in enumerate(line.x) if value > 0]
    return Series(line.name, [line.x[index] for index in kept], [line.y[index] for index in kept])


def spread(heights: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Ascending heights moved as little as needed so that things of these sizes do not overlap; all within [0, 1]."""
    gaps = [0.0, *((below + above) / 2 for below, above in itertools.pairwise(sizes))][: len(sizes)]
    placed: list[float] = []
    for height, gap in zip(heights, gaps, strict=True):
        placed.append(max(height, placed[-1] + gap) if placed else max(height, 0.0))
    ceiling = max(1.0, sum(gaps))
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gaps[index]
    return placed


def short(name: str) -> str:
    """A name that fits beside a figure, in two lines at most."""
    return "\n".join(textwrap.wrap(name, NAME_LENGTH, max_lines=2, placeholder="\u2026"))


def whole_percent(axes: Axes, which: str) -> None:
    """Ticks of a share of 1 written as percentages."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, _: f"{value * 100:.3g}\u202f%")


def render(paint: Callable[[Axes], None], y_label: str, name: str, *, right: float = 0.65) -> str:
    """Set up the axes, let `paint` draw on them, and give the SVG text with the page's colours."""
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a name may hold dollar signs
        "svg.hashsalt": f"reidr-{name}",
        "font.size": 11,
        "axes.edgecolor": RULE,
        "axes.labelcolor": SOFT,
        "xtick.color": RULE,
        "ytick.color": RULE,
        "xtick.labelcolor": SOFT,
        "ytick.labelcolor": SOFT,
        "grid.color": RULE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=SIZE)
        axes = figure.add_axes((0.11, 0.14, right - 0.11, 0.74))
        axes.grid(axis="y", linewidth=0.7)
        axes.tick_params(length=0, pad=6)
        axes.set_axisbelow(True)
        paint(axes)
        # A y label written level above the axes reads without tilting the head.
        axes.text(-0.1, 1.06, y_label, transform=axes.transAxes, color=SOFT, va="bottom")
        return svg_text(figure, name)


def svg_text(figure: Figure, name: str) -> str:
    """The figure as one `<svg>` element: no prologue, no metadata, ids of its own, colours from the page."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # A style element inside an inline SVG would style the whole page.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r"<svg([^>]*?)>", lambda found: "<svg" + re.sub(r' (width|height)="[^"]*"', "", found[1]) + ">", text, count=1
    )
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    prefix = f"{name}-{zlib.crc32(text.encode()):08x}"  # two figures of one kind on a page must not share ids
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1{prefix}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", FONT, text)
    for stand_in, colour in PAGE_COLOURS.items():
        text = text.replace(stand_in, colour)
    return text.strip()
