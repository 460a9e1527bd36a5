"""`Report` → files: groups the queries, shrinks the pictures, fills the template; each file whole, the page last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from reidr.core.storage.files import make_folder, write_text
from reidr.core.text import shown_lines
from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import MetricRow
from reidr.report import headline, plots
from reidr.report.content import Candidate, ClaimMark, Curve, QueryCard, Report
from reidr.report.files import csv_json as tables
from reidr.report.pictures import thumbnail

CANDIDATE_SIDE = 160  # pixels
REASON_SIDE = 128
LEFT_OUT_SHOWN = 20  # sentences about what took no part; the rest is counted
GROUP_SIZE = 6  # queries in "worst" and in "best"

ANSWER_WORDS = {"same": "says same", "different": "says different", "insufficient": "cannot tell"}
SIGN_WORDS = {"right": "right", "wrong": "wrong", "junk": "junk", "unknown": "not asked", **ANSWER_WORDS}
REASONS_PAGE = "reasons.html"
CURVE_TITLES = {
    "cmc": "How soon the right person comes",
    "reliability": "Whether its scores can be believed",
    "risk-coverage": "What it costs to answer more",
    "open-set": "People who are not in the gallery",
    "cost_curve": "What thought costs, and what it brings",
    "histogram": "How far the two kinds of pairs lie apart",
}
CURVE_CAPTIONS = {
    "cmc": "Cumulative matching characteristic (CMC). Higher is better. The upright axis may start above zero.",
    "reliability": "Reliability diagram. On the diagonal, pairs given 0.7 show one person 70 times in 100; "
    "larger marks stand for more pairs.",
    "risk-coverage": "Risk against coverage: pairs are answered from the surest to the least sure. Lower is better.",
    "open-set": "False negatives (FNIR) against false positives (FPIR), ISO/IEC 19795-1. Lower is better.",
    "cost_curve": "Points gained over asking nothing against pairs per query: the first candidates of each query, "
    "or only those in doubt, by policies chosen on training identities. Higher and further left is better.",
    "histogram": "Each kind sums to 100 %. The less they overlap, the easier the ranking.",
}


@dataclass(frozen=True)
class Group:
    """A named run of query cards on the page."""

    key: str
    title: str
    lead: str
    cards: tuple[QueryCard, ...]
    open: bool


@dataclass(frozen=True)
class Page:
    """A report arranged for reading: which queries are shown, in which groups."""

    report: Report
    groups: tuple[Group, ...] = field(default=())

    @property
    def shown(self) -> frozenset[str]:
        """Ids of the queries that have a card on the page."""
        return frozenset(card.id for group in self.groups for card in group.cards)


def write_report(report: Report, folder: Path, *, cards: int = 40) -> Path:
    """Write `report.html` (one file, nothing loaded from elsewhere), `metrics.json`, `metrics.csv`, `queries.csv`.

    Every file is written beside its place and then moved, so a reader never meets half of one; the page goes last. A
    `reasons.html` that already lies in the folder is linked.

    Args:
        folder: made where missing.
        cards: most query cards on the page, the worst and the best kept first; `queries.csv` always holds all queries.

    Returns:
        The path of `report.html`.

    Raises:
        ReIDError: `cards` is negative, or the folder cannot be written.
    """
    if cards < 0:
        raise ReIDError(f"report: the number of query cards must be 0 or more, not {cards}")
    page = arrange(report, cards)
    files = {
        "metrics.json": tables.metrics_json(report),
        "metrics.csv": tables.metrics_csv(report),
        "queries.csv": tables.queries_csv(report, page.shown),
        "report.html": render(page, REASONS_PAGE if (folder / REASONS_PAGE).is_file() else ""),
    }
    try:
        make_folder(folder)
    except OSError as error:
        raise ReIDError(f"{folder}: the report cannot be written there ({error}); choose another folder") from None
    for name, text in files.items():
        write_text(folder / name, text)
    return folder / "report.html"


def arrange(report: Report, limit: int) -> Page:
    """Worst and best queries by average precision (ties by id), the rest, and those that no truth can score."""
    scored = sorted(
        (card for card in report.query_cards if card.average_precision is not None),
        key=lambda card: (card.average_precision, card.id),
    )
    unscored = sorted((card for card in report.query_cards if card.average_precision is None), key=lambda card: card.id)
    if not scored:
        return Page(
            report, (Group("found", "What was found", "", tuple(unscored[:limit]), True),) if unscored[:limit] else ()
        )
    size = min(GROUP_SIZE, (len(scored) + 1) // 2, (limit + 1) // 2)
    # The best come best first; their ties too are settled by id, upwards.
    by_best = sorted(scored[size:], key=lambda card: (-(card.average_precision or 0.0), card.id))
    worst, best = scored[:size], by_best[: max(0, min(size, limit - size))]
    taken = {card.id for card in (*worst, *best)}
    rest = [card for card in scored if card.id not in taken]
    left = max(0, limit - len(taken))
    strangers = unscored[: min(len(unscored), max(left // 3, left - len(rest)))]
    rest = rest[: left - len(strangers)]
    groups = (
        Group(
            "worst",
            "Worst first",
            "The queries with the lowest average precision: what goes wrong, and how.",
            tuple(worst),
            True,
        ),
        Group("best", "Best", "The queries with the highest average precision.", tuple(best), True),
        Group(
            "strangers",
            "Without a match in the gallery",
            "Nobody to find by this protocol's rule: the right answer is to find nobody.",
            tuple(strangers),
            False,
        ),
        Group("rest", "The rest", "From worse to better.", tuple(rest), False),
    )
    return Page(report, tuple(group for group in groups if group.cards))


def render(page: Page, reasons_page: str = "") -> str:
    """The page as HTML text; `reasons_page` is the file beside it that shows the tests of reasons, if any."""
    report = page.report
    names = tables.metric_names(report.metric_rows)
    candidates = [each for group in page.groups for card in group.cards for each in card.candidates]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            page=page,
            headline=headline.headline(report),
            support=headline.support(report),
            metric_names=names,
            metric_titles=tables.METRIC_TITLES,
            best=best_values(report.metric_rows, names),
            baseline=headline.first_row(report, "retriever"),
            curves=[
                (curve, plots.draw(curve) if curve.drawable else "", CURVE_TITLES[curve.kind], caption(curve))
                for curve in report.curves
            ],
            left_out=report.left_out[:LEFT_OUT_SHOWN],
            reasons_page=reasons_page,
            claims_marked=any(statement.claims for each in candidates for statement in each.statements),
            shows_scores=any(each.score_direct is not None for each in candidates),
            shows_probabilities=any(each.probability is not None for each in candidates),
        )
    )


def best_values(rows: Sequence[MetricRow], names: Sequence[str]) -> dict[str, float]:
    """The highest value of each metric among the rows that a system could reach (an oracle knows the truth: no rival).

    A metric on which all of them agree has no best."""
    real = [row for row in rows if row.role != "oracle"]
    values = {name: [row.metrics[name] for row in real if name in row.metrics] for name in names}
    return {name: max(found) for name, found in values.items() if len(set(found)) > 1}


def caption(curve: Curve) -> str:
    """The curve's own caption, or the standard one of its kind, after a warning where it rests on too little."""
    return f"{curve.warning} {curve.caption or CURVE_CAPTIONS[curve.kind]}".strip()


@cache
def environment() -> Any:
    """The template engine: everything is escaped, an unknown name is an error."""
    import jinja2
    from markupsafe import Markup

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("reidr.report", "templates"),
        autoescape=True,
        finalize=printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = headline.percent
    made.filters["seconds"] = headline.seconds
    made.filters["asked_alone"] = headline.asked_alone
    made.filters["svg"] = Markup  # only for figures drawn by plots.py, which escapes what it is given
    made.globals.update(
        candidate_picture=lambda picture: thumbnail(picture, CANDIDATE_SIDE),
        reason_picture=lambda picture: thumbnail(picture, REASON_SIDE),
        outcome=headline.outcome,
        cost=headline.cost,
        strip=strip,
        by_rank=lambda card: sorted(card.candidates, key=lambda candidate: candidate.rank),
        movement=movement,
        called_well=called_well,
        sign=sign,
        sign_words=SIGN_WORDS,
        answer_words=ANSWER_WORDS,
        claim_words=get_args(ClaimMark),
    )
    return made


def printable(value: Any) -> Any:
    """A text of the page without control characters and marks that turn the direction of writing; names of files,
    persons and cameras come from elsewhere. Markup is ours and stays."""
    return shown_lines(value) if type(value) is str else value


@dataclass(frozen=True)
class Line:
    """One candidate's way from the retriever's order (`start`) to the fused one (`end`), in percent of the width."""

    sign: str
    start: float
    end: float


def strip(card: QueryCard) -> list[Line]:
    """The lines of the small picture above the candidates; empty where the order did not change."""
    before = sorted(card.candidates, key=lambda candidate: candidate.rank_before)
    after = sorted(card.candidates, key=lambda candidate: candidate.rank)
    if before == after:
        return []
    width = 100 / len(after)
    return [
        Line(
            sign(candidate),
            round((before.index(candidate) + 0.5) * width, 2),
            round((place + 0.5) * width, 2),
        )
        for place, candidate in enumerate(after)
    ]


def movement(card: QueryCard, candidate: Candidate) -> int:
    """Places gained by fusion (negative: lost), as metrics count ranks; 0 for junk and where nothing was fused."""
    before, after = card.counted_rank(candidate, before=True), card.counted_rank(candidate)
    return 0 if before is None or after is None else before - after


def sign(candidate: Candidate) -> str:
    """What to mark a candidate with: the truth where it is known, else (a search) what the reasoner says."""
    return candidate.answer or "unknown" if candidate.mark == "unknown" else candidate.mark


def called_well(candidate: Candidate) -> bool | None:
    """Whether the verdict fits the truth; None without a truth or without a clear verdict."""
    if candidate.mark not in ("right", "wrong") or candidate.answer not in ("same", "different"):
        return None
    return (candidate.mark == "right") == (candidate.answer == "same")
