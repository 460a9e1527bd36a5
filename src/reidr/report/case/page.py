"""The page of a search of a gallery, or of a case: one HTML file with its pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.core.text import chance_in_words
from reidr.errors import ReIDError
from reidr.report import page as pages
from reidr.report.case.document import KIND, SIDE, CaseDocument, camera_words, case_csv, moment
from reidr.report.files.store import stored_picture
from reidr.report.pictures import Thumbnail
from reidr.report.search import JSON_FILE, json_of, read_json, write_files
from reidr.search.appearances.case import Decision
from reidr.search.appearances.types import Appearance, TimeLine

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
        opened = stored_picture(uri, Path(JSON_FILE), SIDE)
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
        chance=chance_in_words,
        camera=camera_words,
        decided=DECIDED,
        claims_marked=any(statement.claims for each in case.reasons for statement in each.verdict.statements),
        headline="This case has no answer yet." if answer is None else answer.presence.sentence,
        decisions=decision_lines(case.decisions),
    )
    return page


def is_case(folder: Path) -> bool:
    """Whether a run folder holds a search of a gallery, or a case."""
    return read_json(folder / JSON_FILE).get("kind") == KIND


def write_case(document: CaseDocument, folder: Path) -> Path:
    """Write `report.json`, `matches.csv` and the page, the page last; returns its path.

    Raises ReIDError where the folder cannot be written.
    """
    return write_files(folder, json_of(document), case_csv(document.case), render_case(document))


def load_case(folder: Path) -> CaseDocument:
    """The document of such a run folder. No file but `report.json` is opened.

    Raises ReIDError where there is none, or it is of another version.
    """
    path = folder / JSON_FILE
    try:
        return CaseDocument.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # pydantic's errors are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise ReIDError(f"{path}: not a search of this version ({reason}); search again") from None


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
            left, width = 100.0 * (seen.start - line.start) / span, 100.0 * (seen.end - seen.start) / span
            bars.append(Bar(seen, round(left, 2), round(width, 2)))
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
