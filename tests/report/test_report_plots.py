"""Figures: valid SVG, text kept as text, the data where the data says, colours from the page."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidr.report import Curve, Series
from reidr.report.content import CurveKind
from reidr.report.plots import draw, histogram_svg, open_set_svg, short, spread

TWO = (
    Series("first", [0.1, 0.5, 1.0], [0.2, 0.4, 0.9], [3, 9, 27]),
    Series("second", [0.1, 0.5, 1.0], [0.1, 0.3, 0.6]),
)
BINS = (Series("same person", [0, 1, 2, 3], [1, 6, 3]), Series("different", [0, 1, 2, 3], [0, 20, 60]))
KINDS: tuple[CurveKind, ...] = ("cmc", "reliability", "risk-coverage", "open-set", "histogram")


def points(path: str) -> list[tuple[float, float]]:
    """The corners of a path of moves and lines."""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path)]


def line_of(svg: str, variable: str) -> list[tuple[float, float]]:
    """The corners of the first unfilled path in one of the page's colours."""
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        style = element.get("style", "")
        if f"stroke: var({variable}," in style and "fill: none" in style:
            return points(element.get("d", ""))
    raise AssertionError(f"no line in {variable}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_one_svg_element_without_anything_foreign(kind: CurveKind) -> None:
    svg = draw(Curve(kind, BINS if kind == "histogram" else TWO))
    ElementTree.fromstring(svg)
    assert svg.startswith("<svg")
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert "<!DOCTYPE" not in svg
    addresses = set(re.findall(r"https?://[^\"]+", svg))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not requests
    assert set(re.findall(r"(?:fill|stroke): (#\w+)", svg)) == set()  # every colour is a variable of the page
    assert "var(--series-1, #0072b2)" in svg
    names = ["same person", "different"] if kind == "histogram" else ["first", "second"]
    text = [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert all(name in text for name in names)


def test_the_same_data_gives_the_same_text_and_other_data_other_ids() -> None:
    assert draw(Curve("cmc", TWO)) == draw(Curve("cmc", TWO))
    ids = [set(re.findall(r'id="([^"]+)"', draw(Curve("cmc", TWO[:n])))) for n in (1, 2)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_risk_coverage_puts_the_points_where_the_data_says() -> None:
    (left, low), (middle, half), (right, high) = line_of(draw(Curve("risk-coverage", TWO[:1])), "--series-1")
    # x 0.1, 0.5, 1.0 and y 0.2, 0.4, 0.9 on linear axes; SVG counts y downwards.
    assert (middle - left) / (right - left) == pytest.approx(0.4 / 0.9, abs=1e-3)
    assert (low - half) / (low - high) == pytest.approx(0.2 / 0.7, abs=1e-3)


def test_open_set_is_logarithmic_and_leaves_out_zero() -> None:
    svg = open_set_svg([Series("r", [0.0, 0.001, 0.01, 1.0], [1.0, 0.8, 0.5, 0.1])])
    across = sorted({x for x, _ in line_of(svg, "--series-1")})
    # Decades are equally wide: from 0.001 to 0.01 one of three.
    assert (across[1] - across[0]) / (across[-1] - across[0]) == pytest.approx(1 / 3, abs=1e-3)
    assert len(across) == 3


def test_open_set_survives_a_series_with_nothing_to_show() -> None:
    ElementTree.fromstring(open_set_svg([Series("never", [0.0], [1.0])]))


def test_histograms_are_shares_of_their_own_total() -> None:
    svg = histogram_svg(BINS)
    tops = [min(y for _, y in line_of(svg, f"--series-{number}")) for number in (1, 2)]
    base = max(y for _, y in line_of(svg, "--series-1"))
    # 6 of 10 against 60 of 80.
    assert (base - tops[0]) / (base - tops[1]) == pytest.approx(0.6 / 0.75, abs=1e-3)


def test_names_are_text_and_not_formulas() -> None:
    svg = draw(Curve("cmc", (Series("$x_{<b>", [1, 2], [0.1, 0.2]),)))
    assert "$x_{&lt;b&gt;" in svg
    assert "<b>" not in svg


@given(st.lists(st.floats(0, 1), max_size=12).map(sorted))
def test_spread_keeps_the_order_and_the_gap(heights: list[float]) -> None:
    placed = spread(heights, [0.075] * len(heights))
    assert len(placed) == len(heights)
    assert all(right - left >= 0.075 - 1e-9 for left, right in itertools.pairwise(placed))
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in placed)


def test_spread_leaves_alone_what_does_not_touch() -> None:
    assert spread([0.1, 0.5, 0.9], [0.075] * 3) == [0.1, 0.5, 0.9]


def test_spread_gives_large_things_more_room() -> None:
    assert spread([0.5, 0.5, 0.5], [0.1, 0.2, 0.1]) == pytest.approx([0.5, 0.65, 0.8])
    assert spread([0.9, 0.95], [0.2, 0.2]) == pytest.approx([0.8, 1.0])


def test_long_names_take_two_lines_and_are_cut_after_them() -> None:
    assert short("retriever") == "retriever"
    assert short("distance in units of ranks 11-50") == "distance in units\nof ranks 11-50"
    assert short("a very long name " * 5).count("\n") == 1
    assert short("a very long name " * 5).endswith("\u2026")
