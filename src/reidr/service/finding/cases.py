"""Cases: a question that is kept, its last answer, and who decided what about it.

Three kinds of records hold a case: "case" (all but pictures), "case-pictures" (those of the query), and one "decision"
for each decision, which is only ever added. So two people who decide at once both are kept.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reidr.errors import ConflictError, DataError
from reidr.search.appearances.case import Case, Decision
from reidr.search.appearances.types import Decided, FoundTrack, Reason, SearchAnswer
from reidr.service.finding.finding import find_people
from reidr.service.finding.models import Models
from reidr.service.finding.request import GivenPicture, SearchRequest
from reidr.service.finding.site import KIND as DECISION
from reidr.service.finding.site import all_decisions, site_of
from reidr.service.records.records import RecordStore
from reidr.service.store.records import CropFilter
from reidr.service.store.store import GalleryStore

CASE, PICTURES = "case", "case-pictures"
NAME = re.compile(r"[\w.-]{1,64}")
TRIES = 100  # decisions of others that may come between


@dataclass(frozen=True)
class Saying:
    """What somebody says about a track. by: their name. why: on what grounds, in their words."""

    track: str
    decided: Decided
    by: str
    why: str = ""


def open_case(records: RecordStore, name: str, request: SearchRequest, by: str, purpose: str = "") -> Case:
    """Begin a case.

    Raises DataError for a name that cannot be one or is taken, and where nobody asks.
    """
    check_name(name)
    if not by.strip():
        raise DataError("a case needs the name of the person who asks")
    case = Case(
        id=name,
        created=time.time(),
        by=by,
        purpose=purpose,
        gallery="",
        request=request.model_dump(mode="json", exclude={"pictures"}, by_alias=True),
    )
    try:
        records.put(CASE, name, stored(case), version=0)
    except ConflictError:
        raise DataError(
            f"there is a case named {name!r} already; choose another name, or look at it: reidr case show {name}"
        ) from None
    records.put(PICTURES, name, {"pictures": [each.model_dump(mode="json") for each in request.pictures]})
    return case


def check_name(name: str) -> None:
    """Raise DataError unless a name can be that of a case: it becomes the name of files, too."""
    if not NAME.fullmatch(name) or not name.strip("."):
        raise DataError(f"case {name!r}: a name has at most 64 letters, digits, dots, hyphens and underscores")


def stored(case: Case) -> dict[str, Any]:
    """What the record of a case holds: all but its decisions, which are records of their own."""
    return case.model_dump(mode="json", exclude={"decisions"})


def case_of(records: RecordStore, name: str) -> Case:
    """A case with its decisions. Raises DataError where there is none of that name."""
    record = records.get(CASE, name)
    if record is None:
        raise DataError(f"there is no case {name}; reidr case show lists them")
    decisions = [decision for _, decision in all_decisions(records, name)]
    return Case.model_validate({**record.value, "decisions": decisions})


def cases(records: RecordStore) -> Iterator[Case]:
    """All cases by name."""
    after = None
    while page := records.of_kind(CASE, after=after):
        for record in page:
            yield case_of(records, record.key)
        after = page[-1].key


def request_of(records: RecordStore, case: Case) -> SearchRequest:
    """What to search with now: the pictures of the query, and all that was confirmed and rejected."""
    record = records.get(PICTURES, case.id)
    pictures = () if record is None else tuple(GivenPicture.model_validate(each) for each in record.value["pictures"])
    standing = case.standing()

    def decided(wanted: Decided) -> tuple[str, ...]:
        return tuple(track for track, decision in standing.items() if decision.decided == wanted)

    return SearchRequest.model_validate(
        {**case.request, "pictures": pictures, "confirmed": decided("same"), "rejected": decided("different")}
    )


def search_case(store: GalleryStore, models: Models, records: RecordStore, name: str) -> Case:
    """Search with all that was decided so far, and keep the answer. Errors as `find_people` and `case_of`."""
    case = case_of(records, name)
    answer = find_people(store, models, request_of(records, case), site_of(records))
    return keep_answer(records, name, answer)


def keep_answer(
    records: RecordStore, name: str, answer: SearchAnswer | None = None, reasons: Sequence[Reason] = ()
) -> Case:
    """Keep an answer (None: the one that is there) and reasons for tracks of it; a new answer ends earlier reasons.

    Raises DataError where there is no such case.
    """
    for _ in range(TRIES):
        record = records.get(CASE, name)
        case = case_of(records, name)
        assert record is not None
        kept = (
            []
            if answer is not None
            else [each for each in case.reasons if each.track not in {r.track for r in reasons}]
        )
        changed = case.model_copy(
            update={
                "answer": case.answer if answer is None else answer,
                "gallery": case.gallery if answer is None else answer.gallery,
                "reasons": [*kept, *reasons],
            }
        )
        try:
            records.put(CASE, name, stored(changed), version=record.version)
        except ConflictError:
            continue
        return case_of(records, name)
    raise DataError(f"case {name} is changed by others all the time; try again")


def decide(store: GalleryStore, records: RecordStore, name: str, saying: Saying) -> Case:
    """Write down what a named person says of a track that was found; "undecided" takes back what was said before.

    When this returns the decision is on the disk. Raises DataError where there is no such case or answer, the track is
    not in it, or nobody says it.
    """
    if not saying.by.strip():
        raise DataError("a decision needs the name of the person who makes it")
    case = case_of(records, name)
    answer = case.answer
    track = None if answer is None else next((t for t in answer.tracks() if t.track == saying.track), None)
    if answer is None or track is None:
        raise DataError(f"track {saying.track} is not in the answer of case {name}; search again, or name one that is")
    crops = store.crops(CropFilter(tracks=frozenset((saying.track,))))
    for _ in range(TRIES):
        decisions = case_of(records, name).decisions
        known = [
            decision
            for decision in decisions
            if (decision.track, decision.retriever, decision.reasoner)
            == (saying.track, answer.retriever_key, answer.reasoner_key)
        ]
        decision = Decision(
            number=len(decisions) + 1,
            track=saying.track,
            decided=saying.decided,
            by=saying.by,
            why=saying.why,
            time=time.time(),
            crops=[crop.id for crop in crops],
            search=answer.token,
            retriever=answer.retriever_key,
            reasoner=answer.reasoner_key,
            # Once confirmed a track is part of the query: its numbers of before say how it was found.
            **(known[-1].model_dump(include=set(NUMBERS)) if known else numbers_of(track, answer, case)),
        )
        try:
            records.put(DECISION, key_of(name, decision.number), decision.model_dump(mode="json"), version=0)
        except ConflictError:
            continue
        return case_of(records, name)
    raise DataError(f"case {name} is decided about by others all the time; try again")


def key_of(name: str, number: int) -> str:
    """The key of a decision: those of one case stand together, in their order."""
    return f"{name}/{number:06d}"


NUMBERS = ("distance", "direct_score", "p_same", "score_name", "score", "nearer_decided")


def numbers_of(track: FoundTrack, answer: SearchAnswer, case: Case) -> dict[str, Any]:
    """The numbers with which a track was found, and whether everybody who came nearer is decided about."""
    standing = case.standing()
    nearer = [
        other
        for other in answer.tracks()
        if other.score is not None and track.score is not None and other.score < track.score
    ]
    return {
        "distance": track.distance,
        "direct_score": track.direct_score,
        "p_same": track.p_same,
        "score_name": answer.presence.score,
        "score": track.score,
        "nearer_decided": all(other.track in standing for other in nearer),
    }


def remove_case(records: RecordStore, name: str) -> bool:
    """Remove a case with its pictures and decisions; returns whether it was there."""
    for _, decision in list(all_decisions(records, name)):
        records.remove(DECISION, key_of(name, decision.number))
    records.remove(PICTURES, name)
    return records.remove(CASE, name)
