"""The page of a search of a gallery, or of a case: one HTML file with its pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.report import page as pages
from reidr.report.case.document import CaseDocument, camera_words, moment
from reidr.report.files.store import stored_picture
from reidr.report.pictures import Thumbnail
from reidr.search.appearances.case import Decision
from reidr.search.appearances.types import Appearance, TimeLine

LEAST = 1.2  # percent of the time line's width: somebody who was seen for a second must still be found on it
DECIDED = {"same": "confirmed", "different": "rejected", "undecided": "not decided"}


@dataclass(frozen=True)
class Bar:
    """One appearance on the time line: where it begins and how long it is, in percent of the width."""

    appearance: Appearance
    left: float
    width: float


def render_case(document: CaseDocument) -> str:
    """The page as HTML text."""
    case = document.case
    answer = case.answer

    def picture(role: str, name: str) -> Thumbnail | None:
        uri = document.pictures.get(f"{role} {name}")
        opened = stored_picture(uri, Path("report.json"))
        return None if uri is None or opened is None else Thumbnail(uri, *opened.size)

    template = pages.environment().get_template("case.html.j2")
    page: str = template.render(
        document=document,
        case=case,
        answer=answer,
        title=title_of(document),
        picture=picture,
        reasons={reason.track: reason for reason in case.reasons},
        standing=case.standing(),
        lanes=[] if answer is None else lanes_of(answer.time_line, answer.appearances),
        ticks=[] if answer is None else ticks_of(answer.time_line),
        when=moment,
        camera=camera_words,
        decided=DECIDED,
        claims_marked=any(statement.claims for each in case.reasons for statement in each.verdict.statements),
        headline="This case has no answer yet." if answer is None else answer.presence.sentence,
        decisions=decision_lines(case.decisions),
    )
    return page


def title_of(document: CaseDocument) -> str:
    """The question that was asked."""
    case, answer = document.case, document.case.answer
    if case.id:
        return f"Case {case.id}"
    if answer is None:
        return "A search without an answer"
    names = [picture.id for picture in answer.query]
    who = names[0] if names else f"“{answer.words}”"
    return f"Who in {answer.gallery} looks like {who}?" if names else f"Who in {answer.gallery} fits {who}?"


def lanes_of(line: TimeLine, appearances: Sequence[Appearance]) -> list[tuple[str, list[Bar]]]:
    """For each camera its appearances that have a time, as bars."""
    by_rank = {appearance.rank: appearance for appearance in appearances}
    if line.start is None or line.end is None:
        return []
    span = max(line.end - line.start, 1e-9)
    lanes = []
    for camera in line.cameras:
        bars = []
        for rank in camera.appearances:
            seen = by_rank[rank]
            if seen.start is None or seen.end is None:
                continue
            width = max(LEAST, 100.0 * (seen.end - seen.start) / span)
            left = min(100.0 - width, 100.0 * (seen.start - line.start) / span)
            bars.append(Bar(seen, round(max(0.0, left), 2), round(min(width, 100.0), 2)))
        lanes.append((camera.camera, bars))
    return lanes


def ticks_of(line: TimeLine) -> list[str]:
    """The times below the time line: its beginning, its middle and its end."""
    if line.start is None or line.end is None:
        return []
    times = [line.start] if line.end == line.start else [line.start, (line.start + line.end) / 2, line.end]
    return [moment(each) for each in times]


def decision_lines(decisions: Sequence[Decision]) -> list[tuple[Decision, str, bool]]:
    """Each decision with its words, and whether it still counts."""
    last = {decision.track: decision.number for decision in decisions}
    words = {"same": "confirmed", "different": "rejected", "undecided": "took back what was decided"}
    return [(each, words[each.decided], last[each.track] == each.number) for each in decisions]
