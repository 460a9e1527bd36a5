"""What the service of a rendered street answers to those who erase, and to those who check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request

from reidr.service.api.models.answers import AuditAnswer, AuditRow, CropAnswer, CropsAnswer, VerificationAnswer
from reidr.service.security.erasure.receipts import Receipt

if TYPE_CHECKING:
    from street_service import StreetService, Track

LABELS = {"tracks": "id", "cameras": "camera", "persons": "person"}


def named(service: StreetService, request: Request) -> list[Track]:
    """The tracks that the query of a request names."""
    found = service.tracks
    for parameter, attribute in LABELS.items():
        if wanted := request.query_params.getlist(parameter):
            found = [each for each in found if getattr(each, attribute) in wanted]
    return found


def crops_of(service: StreetService, track: Track) -> list[CropAnswer]:
    told = service.track(track)
    return [
        CropAnswer(
            id=f"{track.id}/{number}", camera=track.camera, track=track.id, recording=told.recording, time=None,
            start=told.start, end=told.end, frame=None, box=None, quality=None, person=track.person,
            picture=f"/v1/crops/{track.id}%2F{number}/picture",
        )
        for number in range(len(track.pictures))
    ]  # fmt: skip


def add_erasing(app: FastAPI, service: StreetService) -> None:
    @app.get("/v1/crops")
    def crops(request: Request) -> CropsAnswer:
        found = [crop for track in named(service, request) for crop in crops_of(service, track)]
        return CropsAnswer(crops=found, after=None)

    @app.delete("/v1/crops")
    def erase(request: Request) -> Receipt:
        asked = {name: request.query_params.getlist(name) for name in request.query_params}
        service.erasures.append({**asked, "key": [request.headers["idempotency-key"]]})
        gone = named(service, request)
        service.tracks = [each for each in service.tracks if each not in gone]
        return Receipt(
            id=f"r-{len(service.erasures)}", gallery="Harbour street", gallery_version=4, begun=1_764_500_000.0,
            ended=1_764_500_001.0, who="Ada", why=asked["why"][0], verified_by=asked.get("verified_by", [None])[0],
            asked={"tracks": ["~0f3a"], "about_person": True},
            counts={"crops": sum(len(each.pictures) for each in gone), "tracks": len(gone), "reasons": 0}, files=[],
            not_reached=["Backups and snapshots of the gallery."],
        ).sealed()  # fmt: skip


def entries(number: int) -> list[dict[str, Any]]:
    """Rows of an audit log; Ada decides, all others search."""
    return [
        {
            "number": place, "time": f"2025-11-30T{place % 24:02}:00:00.000+00:00",
            "who": "Ada" if place % 10 == 0 else "Bob", "action": "decide" if place % 10 == 0 else "search",
            "why": f"report {place}", "gallery_version": 3, "asked": {"case": f"c-{place}"},
            "answered": {"tracks": ["~1", "~2"]}, "verified_by": None, "previous": "0" * 64, "hash": "f" * 64,
        }
        for place in range(1, number + 1)
    ]  # fmt: skip


def add_audit(app: FastAPI, service: StreetService) -> None:
    @app.get("/v1/audit")
    def audit(newest_first: bool, limit: int, after: int = 0) -> AuditAnswer:
        assert newest_first
        last = after - 1 if after else len(service.log)
        first = max(last - limit, 0)
        rows = [AuditRow(number=each["number"], entry=each) for each in reversed(service.log[first:last])]
        return AuditAnswer(rows=rows, after=first + 1 if first else None)

    @app.get("/v1/audit/verification")
    def verification(head: str | None = None) -> VerificationAnswer:
        number = len(service.log)
        if head is not None and head != f"{number}:{'f' * 64}":
            return VerificationAnswer(
                rows=number, head=head, broken=number, why="its hash is not the one that was kept"
            )
        why = "it does not follow the row before it" if service.broken else ""
        return VerificationAnswer(rows=number, head=f"{number}:{'f' * 64}", broken=service.broken, why=why)
