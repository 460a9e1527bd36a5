"""A service that answers as `reidr serve` does, from a rendered street and without a model: for tests of the page.

Every answer is made of the API's own models, so that the page is tested against what the API sends.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from PIL import Image
from street_answering import add_audit, add_erasing

from reidr.data.synthetic import StreetSettings, street_crops
from reidr.search.words.parse import parse_description
from reidr.service.api.models.answers import (
    AppearanceAnswer,
    AppearanceTrack,
    CallerAnswer,
    CaseAnswer,
    ClaimAnswer,
    DecisionAnswer,
    DescriptionAnswer,
    GalleryAnswer,
    QueryPicture,
    ReasonAnswer,
    SearchResults,
    StatementAnswer,
    TermAnswer,
    TermFound,
    TrackAnswer,
    TracksAnswer,
)
from reidr.service.api.models.requests import DescriptionText, NewDecision, SearchQuestion
from reidr.service.page.routes import page_routes

BEGIN = 1_764_495_000.0  # 30 November 2025, 09:30 UTC
STREET = StreetSettings(
    cameras=2, test_people=4, cameras_per_person=2, crops_per_camera=2, queries_per_person=1, absent=0.0, changing=0.0,
    distractors=6, junk=0,
)  # fmt: skip
CAMERAS = {"1": "station hall", "2": "north gate"}
CHANCES = (0.97, 0.91, 0.83, 0.55, 0.42, 0.18, 0.07, 0.03)
STATEMENTS = (
    ("Both wear a pink top with long sleeves.", {"upper clothing": "consistent", "sleeves": "consistent"}, ""),
    ("Both carry an orange backpack.", {"bag": "consistent"}, ""),
    ("A has long black hair; the hair of B cannot be seen.", {"hair": "not visible"}, ""),
    ("Both wear brown shoes.", {"shoes": "inconsistent"}, "B: Black; B: Grey"),
    ("The trousers differ: both are blue.", {"lower clothing": "self-contradictory"}, ""),
    ("So it is likely one person.", {}, ""),
)
REGIONS = {
    "query": {"upper clothing": [0.2, 0.2, 0.8, 0.5], "bag": [0.25, 0.25, 0.75, 0.5]},
    "candidate": {"upper clothing": [0.1, 0.15, 0.9, 0.45]},
}


@dataclass
class Track:
    """One track of the street: its crops' pictures, when and where."""

    id: str
    camera: str
    start: float
    end: float
    pictures: list[bytes]
    person: str | None


@dataclass
class StreetService:
    """What the service holds and how it behaves. Counters tell tests what the page asked for."""

    key: str | None = None
    busy: int = 0
    empty: bool = False
    roles: tuple[str, ...] = ("search", "decide")
    timed: bool = True
    slow: float = 0.0
    reasons_now: int = 1000
    fails: bool = False
    page: int = 50
    found: tuple[float, ...] = CHANCES
    tracks: list[Track] = field(default_factory=lambda: [replace(each) for each in street_tracks()])
    questions: list[dict[str, Any]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    decisions: list[DecisionAnswer] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    erasures: list[dict[str, list[str]]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    broken: int | None = None

    def gallery(self) -> GalleryAnswer:
        known = self.tracks if self.timed and not self.empty else []
        return GalleryAnswer(
            name="Harbour street", store="sqlite",
            cameras=[] if self.empty else sorted({each.camera for each in self.tracks}),
            start=min((each.start for each in known), default=None),
            end=max((each.end for each in known), default=None),
            crops=0 if self.empty else sum(len(each.pictures) for each in self.tracks),
            tracks=0 if self.empty else len(self.tracks), version=3, retriever="nano", reasoner="nano", words=True,
            threshold=self.threshold(), caller="", roles=list(self.roles),
        )  # fmt: skip

    def threshold(self) -> str:
        """As a site's own decisions change it."""
        own = len(self.decisions)
        return f"About 1 false alarm in {100 + own} absent people, from {own} decisions here."

    def track(self, each: Track) -> TrackAnswer:
        start, end = (each.start, each.end) if self.timed else (None, None)
        return TrackAnswer(
            id=each.id, camera=each.camera, recording="morning.mp4", start=start, end=end, crops=len(each.pictures),
            best=f"{each.id}/0", person=None, picture=f"/v1/crops/{each.id}%2F0/picture",
        )  # fmt: skip

    def decided(self, track: str) -> Any:
        last = [each.decision for each in self.decisions if each.track == track]
        return last[-1] if last and last[-1] != "none" else None

    def results(self, words: str | None, after: int = 0) -> SearchResults:
        appearances = []
        order = self.ordered()
        for rank, (chance, each) in enumerate(zip(self.found, order, strict=False), start=1):
            several = [each, order[-1]] if rank == 2 else [each]
            terms = [] if words is None else terms_found(words, chance)
            tracks = [self.appearance_track(own, chance, terms) for own in several]
            first = tracks[0]
            appearances.append(
                AppearanceAnswer(
                    rank=rank, id=each.id, camera=each.camera, start=first.start, end=first.end,
                    recording=first.recording, likelihood=chance, doubtful=0.1 < chance < 0.95, best=first.best,
                    picture=first.picture, tracks=tracks, decision=self.decided(each.id),
                )
            )  # fmt: skip
        return SearchResults(
            search_token="s-1", case="c-1", created=BEGIN, gallery_version=3,
            presence="Probably in the gallery: the smallest distance is 0.412; of searches for absent persons among"
            " held-out training people only 1% came below 0.480.",
            belief="probably there" if words is None else "unknown", threshold=self.threshold(),
            query=[] if words is not None else [self.query_picture()],
            tracks=self.asked("tracks") or [], cameras=self.asked("cameras") or [], start=self.asked("start"),
            end=self.asked("end"),
            words=words or "", terms=[] if words is None else [term.text for term in described(words).terms],
            searched=28, order="By the probability that it is the same person.", warnings=[], notes=[],
            total=len(appearances), appearances=appearances[after : after + self.page],
            after=after + self.page if after + self.page < len(appearances) else None,
        )  # fmt: skip

    def query_picture(self) -> QueryPicture:
        """The picture that was sent, else the first crop of the first track."""
        path = "/v1/cases/c-1/pictures/1" if self.asked("pictures") else "/v1/crops/t0%2F0/picture"
        return QueryPicture(id="picture 1", picture=path, doubt="")

    def asked(self, field: str) -> Any:
        """What the last question had in a field."""
        return self.questions[-1][field] if self.questions else None

    def ordered(self) -> list[Track]:
        """The tracks of the person that is looked for first."""
        person = self.tracks[0].person
        return sorted(self.tracks, key=lambda each: each.person != person)

    def appearance_track(self, each: Track, chance: float, terms: list[TermFound]) -> AppearanceTrack:
        track = self.track(each)
        return AppearanceTrack(
            id=each.id, camera=each.camera, start=track.start, end=track.end, recording=track.recording,
            likelihood=chance, distance=1 - chance, crops=track.crops, best=track.best, picture=track.picture,
            doubtful=0.1 < chance < 0.95, doubt="", identical_to_query=False, terms=terms, travel=None,
            decision=self.decided(each.id),
        )  # fmt: skip

    def case(self) -> CaseAnswer:
        return CaseAnswer(
            id="c-1", created=BEGIN, by="this machine", why="", search_token="s-1", decisions=self.decisions,
            threshold=self.threshold(),
        )  # fmt: skip

    async def reasons(self, track: str | None = None) -> AsyncIterator[str]:
        """The stream, with a heartbeat, and the reasons one after the other; of one track alone where it is named."""
        yield ": begins\n\n"
        doubtful = [each for chance, each in zip(self.found, self.ordered(), strict=False) if 0.1 < chance < 0.95]
        doubtful = doubtful if track is None else [each for each in self.ordered() if each.id == track]
        for number, each in enumerate(doubtful):
            await asyncio.sleep(self.slow)
            while number >= self.reasons_now:  # a test says when the next ones come
                await asyncio.sleep(0.02)
            statements = [
                StatementAnswer(
                    text=text, note=note,
                    claims=[ClaimAnswer(region=region, outcome=outcome) for region, outcome in claims.items()],
                )
                for text, claims, note in STATEMENTS[number % 3 :]
            ]  # fmt: skip
            reason = ReasonAnswer(
                track=each.id, crop=f"{each.id}/0", query="picture 1",
                answer=("same", "same", "different", "insufficient")[number % 4], score=0.8,
                text=" ".join(each.text for each in statements), statements=statements, regions=REGIONS,
                reliable=number != 3, problem="",
            )  # fmt: skip
            yield f"event: reason\ndata: {reason.model_dump_json()}\n\n"
        yield "event: done\ndata: {}\n\n"


@cache
def street_tracks() -> tuple[Track, ...]:
    """The gallery crops of a small street, those of one person in one camera as one track; drawn once."""
    tracks: dict[tuple[str, str], Track] = {}
    for number, crop in enumerate(street_crops(STREET, "gallery")):
        who = crop.person or f"stranger {number}"
        camera = CAMERAS[str(crop.camera)]
        begin = BEGIN + 97.0 * len(tracks)
        track = tracks.setdefault((who, camera), Track(f"t{len(tracks)}", camera, begin, begin + 8, [], crop.person))
        track.pictures.append(jpeg(crop.open()))
    return tuple(tracks.values())


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()


def terms_found(words: str, chance: float) -> list[TermFound]:
    """The terms of a description, each a little less likely than the one before."""
    return [
        TermFound(text=term.text, wanted=not term.text.startswith("not "), likelihood=chance**number)
        for number, term in enumerate(described(words).terms, start=1)
    ]


def described(words: str) -> DescriptionAnswer:
    query = parse_description(words)
    return DescriptionAnswer(
        terms=[TermAnswer(text=str(term), families=list(term.families)) for term in query.terms],
        corrected={word.text: other for word, other in query.corrected},
        unmapped=[word.text for word in query.unmapped],
        not_used=[word.text for word in query.not_used],
    )


def problem(status: int, title: str, detail: str, **headers: str) -> Response:
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(told, status, {name.replace("_", "-"): value for name, value in headers.items()})


def application(service: StreetService) -> FastAPI:
    """The application with the page, over `service`."""
    app = FastAPI()
    app.include_router(page_routes())

    @app.middleware("http")
    async def guard(request: Request, go_on: Any) -> Response:
        wanted = service.key and request.url.path.startswith("/v1/")
        if wanted and request.headers.get("authorization") != f"Bearer {service.key}":
            return problem(401, "Unauthorized", "This server wants a key.")
        answer: Response = await go_on(request)
        return answer

    @app.get("/v1/gallery", response_model=GalleryAnswer)
    def gallery() -> Any:
        if "search" not in service.roles:
            return problem(403, "Forbidden", "this key may not do that: it lacks the role search")
        return service.gallery()

    @app.get("/v1/caller")
    def caller() -> CallerAnswer:
        return CallerAnswer(caller="Ada", roles=list(service.roles))

    @app.post("/v1/descriptions")
    def descriptions(text: DescriptionText) -> DescriptionAnswer:
        return described(text.words)

    @app.get("/v1/tracks")
    def tracks(request: Request) -> TracksAnswer:
        wanted = request.query_params.getlist("tracks")
        some = [service.track(each) for each in service.tracks if not wanted or each.id in wanted]
        return TracksAnswer(tracks=some, after=None)

    @app.get("/v1/crops/{crop:path}/picture")
    def picture(crop: str) -> Response:
        track, number = crop.split("/")
        content = next(each for each in service.tracks if each.id == track).pictures[int(number)]
        return Response(content, media_type="image/jpeg")

    add_searches(app, service)
    add_cases(app, service)
    add_erasing(app, service)
    add_audit(app, service)
    return app


def add_searches(app: FastAPI, service: StreetService) -> None:
    @app.post("/v1/searches", status_code=201, response_model=SearchResults)
    def search(question: SearchQuestion) -> Any:
        if service.busy:
            service.busy -= 1
            return problem(429, "Too many requests", "All places of the queue are taken.", Retry_After="1")
        if service.fails:
            return problem(400, "Bad request", "Picture 1 cannot be read: the file ends too early.")
        service.questions.append(question.model_dump())
        if question.pictures:
            service.sent = [base64.b64decode(each.split(",")[1]) for each in question.pictures]
        return service.results(question.words if not question.pictures and not question.tracks else None)

    @app.get("/v1/searches/{token}")
    def results(token: str, after: int = 0) -> SearchResults:
        return service.results(None, after)

    @app.get("/v1/searches/{token}/reasons")
    def reasons(token: str, track: str | None = None) -> StreamingResponse:
        return StreamingResponse(service.reasons(track), media_type="text/event-stream")


def add_cases(app: FastAPI, service: StreetService) -> None:
    @app.post("/v1/decisions")
    def decide(new: NewDecision) -> CaseAnswer:
        made = DecisionAnswer(
            track=new.track, decision=new.decision, by=new.by or "", why=new.why or "", time=BEGIN + 3600
        )  # fmt: skip
        service.decisions.append(made)
        return service.case()

    @app.get("/v1/cases/{case}")
    def case(case: str) -> CaseAnswer:
        return service.case()

    @app.get("/v1/cases/{case}/pictures/{number}")
    def given(case: str, number: int) -> Response:
        return Response(service.sent[number - 1], media_type="image/png")

    @app.get("/v1/cases/{case}/export")
    def export(case: str, format: str) -> Response:
        service.exports.append(format)
        name = {"Content-Disposition": f'attachment; filename="case-{case}.{format}"'}
        return Response(json.dumps({"case": case, "format": format}), headers=name)


class Running:
    """The application behind a port of its own, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not self.server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
