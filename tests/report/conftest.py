"""Content for the report's tests: drawn figures, invented numbers, every kind of card."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typed_rows import typed

from reidr.report import Candidate, Curve, MetricRow, QueryCard, Report, Series

COATS = ((178, 58, 46), (42, 90, 140), (64, 120, 74), (196, 152, 52), (92, 72, 120), (60, 60, 66), (180, 176, 168))
REASONS = {
    "same": "Both crops show a short {coat} coat that ends at the hip and darker trousers. The bag hangs on the same "
    "side, and the shoes are light in both. The second crop is dimmer, which explains the duller coat. "
    "Nothing I can see speaks against one person.",
    "different": "The coats look alike at first, but the second one is longer and has no hood. The trousers in the "
    "first crop are dark, in the second they are light. The hair differs too: short in one, tied back in the other.",
    "insufficient": "The second crop is cut off above the knee and blurred. The coat could match, but bag, "
    "shoes and hair are not visible.",
}
NAMES = ("red", "blue", "green", "yellow", "violet", "black", "grey")


def figure(person: int, camera: int, seed: int) -> Image.Image:
    """A person of coloured shapes: the coat by person, the light by camera."""
    chance = random.Random(f"{person} {camera} {seed}")
    light = 1.0 - 0.16 * (camera % 4)
    ground = tuple(int(value * light) for value in ((196, 198, 192), (150, 158, 166), (176, 168, 150))[camera % 3])
    picture = Image.new("RGB", (64, 128), ground)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 96, 64, 128), fill=tuple(int(value * 0.86) for value in ground))
    shift = chance.randint(-5, 5)
    coat = tuple(int(value * light) for value in COATS[person % len(COATS)])
    legs = tuple(int(value * light) for value in ((40, 42, 52), (120, 112, 100), (66, 78, 104))[person % 3])
    middle = 32 + shift
    draw.rectangle((middle - 10, 66, middle - 2, 116), fill=legs)
    draw.rectangle((middle + 2, 66, middle + 10, 116), fill=legs)
    draw.rounded_rectangle((middle - 14, 28, middle + 14, 74), 8, fill=coat)
    draw.ellipse((middle - 7, 10, middle + 7, 27), fill=tuple(int(value * light) for value in (206, 164, 134)))
    draw.pieslice((middle - 8, 7, middle + 8, 24), 180, 360, fill=tuple(int(v * light) for v in (58, 44, 36)))
    if person % 2:
        draw.rounded_rectangle((middle + 9, 50, middle + 20, 68), 3, fill=tuple(int(v * light) for v in (96, 66, 40)))
    return picture.resize((128, 256), Image.Resampling.BICUBIC)


def card(number: int, *, candidates: int = 10, thought: int = 4, stranger: bool = False) -> QueryCard:
    """One query: the right candidates lie deeper for higher numbers, two are junk, the reasoner mostly helps."""
    chance = random.Random(number)
    people = [number % 7] * 3 + [(number + step) % 7 for step in range(1, candidates - 2)]
    chance.shuffle(people)
    marks = [
        "junk" if place in (2, 7) else "right" if p == number % 7 and not stranger else "wrong"
        for place, p in enumerate(people)
    ]
    marks = ["wrong" if mark == "right" and stranger else mark for mark in marks][:candidates]
    before = list(range(1, candidates + 1))
    probabilities = [
        None
        if place >= thought or marks[place] == "junk"
        else round(0.5 + (0.4 if marks[place] == "right" else -0.35) * chance.random() + 0.05, 3)
        for place in range(candidates)
    ]
    fused = [0.4 + 0.07 * place - (0.0 if p is None else 0.9 * (p - 0.5)) for place, p in enumerate(probabilities)]
    after = [1 + sorted(fused).index(value) for value in fused]
    answers = [
        None if p is None else "same" if p > 0.6 else "different" if p < 0.45 else "insufficient" for p in probabilities
    ]
    listed = []
    for place in range(candidates):
        person, camera = people[place], (number + place) % 6 + 1
        answer = answers[place]
        listed.append(
            Candidate(
                id=f"bounding_box_test/{person:04d}_c{camera}s1_{number:03d}{place:03d}_01.jpg",
                image=figure(person, camera, place),
                person=f"{person:04d}" if marks[place] != "junk" else None,
                camera=f"c{camera}",
                mark=marks[place],
                rank_before=before[place],
                rank_after=after[place],
                distance=0.52 + 0.041 * place,
                probability=probabilities[place],
                score_after=fused[place],
                reasoning=None if answer is None else REASONS[answer].format(coat=NAMES[number % 7]),
                cues=() if answer is None else ("coat: short, same colour", "bag: left side", "shoes: light"),
                answer=answer,
            )
        )
    precision = round(chance.uniform(0.05, 0.9), 4)
    return QueryCard(
        id=f"query/{number:04d}_c{number % 6 + 1}s1_000{number:03d}_00.jpg",
        image=figure(number % 7, number % 6, 99),
        person=f"{number % 7:04d}",
        camera=f"c{number % 6 + 1}",
        status="not in the gallery" if stranger else "in the gallery, 3 matches",
        average_precision_before=None if stranger else precision,
        average_precision_after=None if stranger else round(min(1.0, precision + chance.uniform(-0.05, 0.2)), 4),
        candidates=tuple(listed),
        asked=f"Asked about the first {thought}: the two nearest lie 0.021 apart, less than the margin of 0.080.",
    )


def rows() -> tuple[MetricRow, ...]:
    """Five rows as `reidr evaluate` names them."""

    def row(
        name: str,
        values: tuple[float, ...],
        calls: int | None,
        seconds: float,
        note: str = "",
        gains: dict[str, tuple[float, float]] | None = None,
    ) -> MetricRow:
        metrics = dict(zip(("mAP", "rank1", "rank5", "rank10", "mINP"), values, strict=True))
        intervals = {key: (max(0.0, value - 0.027), min(1.0, value + 0.025)) for key, value in metrics.items()}
        return MetricRow(
            name, metrics, intervals, queries=600, calls=calls, seconds=seconds, note=note, gains=gains or {},
            **typed(name),
        )  # fmt: skip

    return (
        row("retriever nano", (0.5817, 0.7133, 0.8517, 0.9033, 0.2411), None, 4.2),
        row("k-reciprocal", (0.6644, 0.7300, 0.8433, 0.8917, 0.3372), None, 9.8, "k1 20, k2 6, λ 0.3"),
        row(
            "reasoner adaptive",
            (0.6121, 0.7617, 0.8717, 0.9033, 0.2503),
            2_816,
            418.3,
            "asks where the margin is small",
            gains={"rank1": (0.021, 0.077)},
        ),
        row("reasoner thinking", (0.6098, 0.7567, 0.8683, 0.9033, 0.2498), 6_000, 3_904.0, "always, first 10"),
        row("oracle@10", (0.7032, 0.9033, 0.9033, 0.9033, 0.3120), None, 0.1),
    )


def curves() -> tuple[Curve, ...]:
    """One of each kind."""
    ranks = list(range(1, 31))
    bins = np.linspace(0.05, 0.95, 10)
    share = np.linspace(0.02, 1, 50)
    alarms = np.logspace(-3, 0, 50)
    edges = np.linspace(0, 1.6, 33)
    middles = (edges[1:] + edges[:-1]) / 2

    def rising(start: float, pace: float) -> list[float]:
        return [1 - (1 - start) * float(np.exp(-(rank - 1) / pace)) for rank in ranks]

    return (
        Curve(
            "cmc",
            (
                Series("retriever nano", ranks, rising(0.71, 9)),
                Series("k-reciprocal", ranks, rising(0.73, 11)),
                Series("reasoner adaptive", ranks, rising(0.76, 8)),
                Series("oracle@10", ranks, rising(0.903, 9)),
            ),
        ),
        Curve(
            "reliability",
            (
                Series("as trained", bins, bins**1.7, [420, 120, 60, 40, 30, 34, 50, 90, 160, 380]),
                Series("calibrated", bins, bins**1.07, [300, 150, 90, 70, 60, 60, 80, 110, 180, 284]),
            ),
        ),
        Curve(
            "risk-coverage",
            (Series("reasoner", share, 0.02 + 0.17 * share**2), Series("distance alone", share, 0.05 + 0.22 * share)),
        ),
        Curve(
            "open-set",
            (
                Series("retriever nano", alarms, np.clip(0.95 - 0.25 * (np.log10(alarms) + 3), 0, 1)),
                Series("reasoner adaptive", alarms, np.clip(0.85 - 0.27 * (np.log10(alarms) + 3), 0, 1)),
            ),
        ),
        Curve(
            "histogram",
            (
                Series("same person", edges, 100 * np.exp(-(((middles - 0.62) / 0.2) ** 2))),
                Series("different persons", edges, 900 * np.exp(-(((middles - 1.12) / 0.16) ** 2))),
            ),
            x_label="distance",
        ),
    )


def demo(queries: int = 14) -> Report:
    """A whole report."""
    return Report(
        title="The rendered street: retriever nano and reasoner nano",
        subtitle="600 queries, 2,400 gallery crops, 6 cameras; protocol standard (same person and camera left out)",
        notice="The reasoner is a barely trained nano: read its reasons as a demonstration of the format.",
        created="2026-11-23 04:40 UTC",
        facts={
            "data set": "street, seed 7",
            "protocol": "standard",
            "seed": 7,
            "reidr": "0.1.0",
            "commit": "3f9c1d2",
            "torch": "2.9.1+cpu",
            "python": "3.11.7",
            "device": "cpu, 2 cores",
            "seconds": 171.4,
            "data hash": "sha256 9a41…c07e",
        },
        metric_rows=rows(),
        query_cards=tuple(card(number, stranger=number % 9 == 8) for number in range(queries)),
        curves=curves(),
    )


@pytest.fixture(name="demo")
def demo_fixture() -> Callable[..., Report]:
    """`demo(queries)`: a whole report."""
    return demo


@pytest.fixture(name="card")
def card_fixture() -> Callable[..., QueryCard]:
    """`card(number, candidates=, thought=, stranger=)`: one query."""
    return card
