"""The search service over HTTP: what it answers, what it refuses, and what it keeps."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from gallery_of_people import VISITS
from serving import Site, encoded, site

from reidr.service.api.actions.exporting import MEDIA_TYPES
from reidr.service.api.models.fields import moment, written
from reidr.service.api.settings import ServiceLimits
from reidr.service.records.opening import open_records
from reidr.service.security.audit import LOG
from reidr.service.security.keys import add_key
from reidr.service.security.verification import verify

ONES = {visit.track for visit in VISITS if visit.person == 1}
PROBLEM = "application/problem+json"


def test_a_person_is_found_decided_about_and_found_again(open_site: Site) -> None:
    client, found = open_site.client, open_site.search(why="a child is missing", max_matches=5)
    tracks = [track["id"] for appearance in found["appearances"] for track in appearance["tracks"]]
    assert set(tracks[:4]) >= ONES
    assert found["total"] == len(found["appearances"]) == 5
    first = found["appearances"][0]
    assert client.get(first["picture"]).content[:4] == b"\x89PNG"
    [given] = found["query"]
    sent = client.get(given["picture"])  # the picture that was searched with is there for the next reader, too
    assert (sent.content, sent.headers["content-type"]) == (base64.b64decode(encoded()), "image/png")
    assert client.get(given["picture"][:-1] + "2").status_code == 404
    page = client.get(f"/v1/searches/{found['search_token']}", params={"limit": 2, "after": 1}).json()
    assert [one["rank"] for one in page["appearances"]] == [2, 3]
    assert page["after"] == 3
    said = {"case": found["case"], "track": tracks[0], "decision": "same", "by": "Ada", "why": "the bag"}
    case = client.post("/v1/decisions", json=said).json()
    assert [(one["decision"], one["by"]) for one in case["decisions"]] == [("same", "Ada")]
    assert client.post("/v1/decisions", json=said).json() == case  # said twice is said once
    again = client.post("/v1/searches", json={"case": found["case"]}).json()
    assert again["case"] == found["case"]
    assert again["appearances"][0]["decision"] == "same"
    assert len(again["query"]) > 1  # the confirmed crops joined the query
    assert client.get(f"/v1/searches/{found['search_token']}").status_code == 410
    undone = client.post("/v1/decisions", json={**said, "decision": "none"}).json()
    assert [one["decision"] for one in undone["decisions"]] == ["same", "none"]
    rows = client.get("/v1/audit").json()["rows"]
    assert [row["entry"]["action"] for row in rows] == ["search", "decide", "search", "decide"]
    newest = [client.get("/v1/audit", params={"newest_first": True, "limit": 3}).json()]
    newest.append(client.get("/v1/audit", params={"newest_first": True, "after": newest[0]["after"]}).json())
    assert [row["number"] for page in newest for row in page["rows"]] == [4, 3, 2, 1]
    assert newest[1]["after"] is None
    checked = client.get("/v1/audit/verification").json()
    assert checked == {"rows": 4, "head": f"4:{rows[3]['entry']['hash']}", "broken": None, "why": ""}
    kept = client.get("/v1/audit/verification", params={"head": f"9:{'0' * 64}"}).json()
    assert kept["broken"] == 5
    assert rows[0]["entry"]["why"] == "a child is missing"
    assert tracks[0] not in json.dumps(rows)  # the log names nobody
    verify(open_site.service.records)


def test_reasons_come_one_by_one_and_are_kept(open_site: Site) -> None:
    token = open_site.search(max_matches=8)["search_token"]
    events = stream_of(open_site, token)
    assert [kind for kind, _ in events][-1] == "done"
    reasons = [value for kind, value in events if kind == "reason"]
    assert reasons
    assert all(one["answer"] == "same" and one["statements"] for one in reasons)
    thought = len(open_site.service.models.reasoner.thought)  # type: ignore[union-attr]
    assert stream_of(open_site, token) == events
    assert len(open_site.service.models.reasoner.thought) == thought  # type: ignore[union-attr]
    assert open_site.service.streams == 0


def test_a_reason_can_be_asked_for_of_any_track_that_was_found(open_site: Site) -> None:
    found = open_site.search(max_matches=8)
    token, doubtful = (
        found["search_token"],
        {value["track"] for kind, value in stream_of(open_site, found["search_token"]) if kind == "reason"},
    )
    sure = next(track["id"] for each in found["appearances"] for track in each["tracks"] if track["id"] not in doubtful)
    events = stream_of(open_site, token, track=[sure])
    assert [kind for kind, _ in events] == ["reason", "done"]
    assert events[0][1]["track"] == sure
    thought = len(open_site.service.models.reasoner.thought)  # type: ignore[union-attr]
    assert stream_of(open_site, token, track=[sure]) == events
    assert len(open_site.service.models.reasoner.thought) == thought  # type: ignore[union-attr]
    assert sure in {value["track"] for kind, value in stream_of(open_site, token) if kind == "reason"}  # it is kept
    refused = open_site.client.get(f"/v1/searches/{token}/reasons", params={"track": ["nobody"]})
    assert refused.status_code == 404
    assert "track nobody is not in this answer" in refused.text


def stream_of(asked: Site, token: str, **parameters: Any) -> list[tuple[str, Any]]:
    answer = asked.client.get(f"/v1/searches/{token}/reasons", params=parameters)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            events.append((lines["event"], json.loads(lines["data"])))
    return events


def test_a_change_that_is_sent_again_with_its_key_is_done_once(open_site: Site) -> None:
    body = {"crops": [{"picture": encoded(50), "camera": "roof", "time": "2026-11-30T09:15:00+01:00"}]}
    answers = [open_site.client.post("/v1/crops", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert len(open_site.client.get("/v1/audit").json()["rows"]) == 1
    other = {"crops": [{**body["crops"][0], "camera": "yard"}]}
    refused = open_site.client.post("/v1/crops", json=other, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.headers["content-type"]) == (422, PROBLEM)
    (name,) = answers[0].json()["ids"]
    told = open_site.client.get(f"/v1/crops/{name}").json()
    assert told["time"] == "2026-11-30T08:15:00.000Z"
    # Without a key the very same crop has the very same id: nothing is doubled.
    assert open_site.client.post("/v1/crops", json=body).json()["added"] == 0


def test_tracks_are_put_together_taken_apart_and_erased(open_site: Site) -> None:
    client = open_site.client
    one, other = (visit.track for visit in VISITS[:2])
    assert client.post("/v1/tracks:merge", json={"tracks": [other], "into": one}).json()["changed"] == 4
    assert client.get("/v1/tracks", params={"tracks": [one, other]}).json()["tracks"][0]["crops"] == 4
    split = client.post("/v1/tracks:split", json={"crops": [f"{other}/0", f"{other}/1"], "track": "new"})
    assert split.json()["changed"] == 4  # those of the old track begin and end elsewhere now
    found = client.get("/v1/crops", params={"tracks": "new"}).json()
    assert [crop["id"] for crop in found["crops"]] == [f"{other}/0", f"{other}/1"]
    receipt = client.delete("/v1/crops", params={"tracks": "new", "why": "asked to"}).json()
    assert receipt["counts"]["crops"] == 2
    assert client.get("/v1/crops", params={"tracks": "new"}).json() == {"crops": [], "after": None}
    assert client.get(found["crops"][0]["picture"]).status_code == 404
    assert client.delete("/v1/crops", params={"why": "everything"}).status_code == 422
    strange = client.post("/v1/tracks:merge", json={"tracks": ["nobody"], "into": one})
    assert (strange.status_code, strange.headers["content-type"]) == (422, PROBLEM)


def test_lists_come_in_pages_that_hold_everything_once(open_site: Site) -> None:
    for path, name in (("/v1/crops", "crops"), ("/v1/tracks", "tracks")):
        ids: list[str] = []
        after: str | None = None
        while True:
            page = open_site.client.get(path, params={"limit": 7, **({} if after is None else {"after": after})}).json()
            ids += [one["id"] for one in page[name]]
            after = page["after"]
            if after is None:
                break
        assert ids == sorted(set(ids))
        assert len(ids) == (68 if name == "crops" else 34)


def test_a_pair_is_explained_and_words_are_understood(open_site: Site) -> None:
    best = open_site.search()["appearances"][0]["best"]
    pair = {"first": {"picture": encoded()}, "second": {"crop": best}}
    told = open_site.client.post("/v1/explanations", json=pair).json()
    assert told["answer"] == "same"
    assert told["likelihood"] > 0.9
    assert told["distance"] < 0.3
    missing = open_site.client.post("/v1/explanations", json={**pair, "second": {"crop": "nobody"}})
    assert missing.status_code == 404
    words = open_site.client.post("/v1/descriptions", json={"words": "backpack, woman, zzz"}).json()
    assert (words["not_used"], words["unmapped"]) == (["woman"], ["zzz"])


def as_json(content: bytes) -> dict[str, Any]:
    """A request with these very bytes."""
    return {"content": content, "headers": {"content-type": "application/json"}}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nothing", {}, 404), ("GET", "/v1/searches/none", {}, 404), ("GET", "/v1/cases/none", {}, 404),
        ("GET", "/v1/crops/none", {}, 404), ("PUT", "/v1/crops", {}, 405), ("POST", "/v1/gallery", {"json": {}}, 405),
        ("POST", "/v1/searches", {"content": b"x"}, 415), ("POST", "/v1/searches", {"json": {}}, 422),
        ("POST", "/v1/searches", {"json": {"words": " "}}, 422), ("POST", "/v1/searches", {"json": []}, 422),
        ("POST", "/v1/searches", {"json": {"pictures": ["file:///etc/passwd"]}}, 422),
        ("POST", "/v1/searches", {"json": {"pictures": ["http://127.0.0.1/a.png"]}}, 422),
        ("POST", "/v1/searches", {"json": {"pictures": ["/etc/passwd"]}}, 422),
        ("POST", "/v1/searches", {"json": {"words": "hat", "start": "2026-01-01T00:00:00"}}, 422),
        ("POST", "/v1/searches", {"json": {"words": "hat", "max_matches": True}}, 422),
        ("POST", "/v1/searches", {"json": {"tracks": ["nobody"]}}, 422), ("GET", "/v1/crops?limit=0", {}, 422),
        ("GET", "/v1/crops?limit=99999999999999999999", {}, 422), ("GET", "/v1/crops?cameras=%00", {}, 422),
        ("GET", "/v1/crops?unknown=1", {}, 422), ("DELETE", "/v1/crops?ids=a", {}, 422),
        ("GET", "/healthz", {"headers": {"host": "evil.example"}}, 403),
        ("POST", "/v1/decisions", {"json": {"case": "none", "track": "x", "decision": "same"}}, 404),
        ("POST", "/v1/descriptions", as_json(b'{"words": NaN}'), 422),
        ("POST", "/v1/descriptions", as_json(b"{"), 400),
        ("POST", "/v1/descriptions", as_json(b"[" * 9999), 400),
        ("POST", "/v1/descriptions", as_json(b'{"words": "\\ud800"}'), 422),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_problem_in_one_sentence(
    shared_site: Site, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = shared_site.client.request(method, path, **options)
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert told["status"] == status
    assert told["type"] == "about:blank"
    assert told["title"]
    assert told["detail"].strip()
    assert (status == 405) == ("allow" in answer.headers)


def test_pictures_that_are_none_or_too_large_are_refused(tmp_path: Path) -> None:
    limits = ServiceLimits(picture_pixels=2000, picture_bytes=3000, request_bytes=60_000)
    with site(tmp_path / "small", limits=limits) as small:
        assert small.search()["total"]
        for picture, word in (
            ("A" * 64, "not a PNG"), ("!" * 8, "not a PNG"), (encoded()[:-40], "damaged"), ("A" * 8000, "bytes"),
        ):  # fmt: skip
            answer = small.client.post("/v1/searches", json={"pictures": [picture]})
            assert answer.status_code == 422
            assert word in answer.json()["detail"]
        large = small.client.post("/v1/searches", json={"pictures": ["A" * 70_000]})
        assert large.status_code == 413
        assert small.client.app.state.service.stopping is False  # type: ignore[attr-defined]


def test_a_key_opens_what_its_roles_say_and_is_limited(tmp_path: Path) -> None:
    limits = ServiceLimits(per_second=0.5)
    with site(tmp_path / "keyed", keyed=True, limits=limits) as keyed:
        records = keyed.service.records
        _, searcher = add_key(records, "Ada", ["search"])
        _, auditor = add_key(records, "Bob", ["audit"])
        _, other = add_key(records, "Cleo", ["erase"])

        def get(path: str, key: str | None) -> int:
            headers = {"host": "reid.example"} | ({} if key is None else {"authorization": f"Bearer {key}"})
            return int(keyed.client.get(path, headers=headers).status_code)

        assert [get("/v1/gallery", key) for key in (None, "x", searcher[:-1], auditor)] == [401, 401, 401, 403]
        assert [get(path, None) for path in ("/healthz", "/readyz", "/metrics", "/", "/openapi.json")] == [200] * 5
        assert get("/v1/gallery", searcher) == 200
        headers = {"host": "reid.example", "authorization": f"Bearer {other}"}
        assert keyed.client.get("/v1/caller", headers=headers).json() == {"caller": "Cleo", "roles": ["erase"]}
        assert get("/v1/audit", searcher) == 403
        assert get("/v1/gallery", searcher) == 429  # two at once, then one every two seconds
        answer = keyed.client.get("/v1/gallery", headers={"authorization": f"Bearer {searcher}"})
        assert int(answer.headers["retry-after"]) >= 1
        assert get("/v1/audit", auditor) == 200  # another key's rate is its own


def test_a_full_queue_says_when_to_come_back_and_the_metrics_count_it(tmp_path: Path) -> None:
    with site(tmp_path / "full", limits=ServiceLimits(waiting=1)) as full:
        full.service.work.waiting = 1
        answer = full.client.post("/v1/searches", json={"pictures": [encoded()]})
        assert (answer.status_code, answer.headers["content-type"]) == (429, PROBLEM)
        assert int(answer.headers["retry-after"]) >= 1
        assert full.client.get("/v1/crops").status_code == 200  # what the models are not needed for goes on
        full.service.work.waiting = 0
        metrics = full.client.get("/metrics").text
        assert 'reidr_refused_total{why="queue"} 1.0' in metrics
        assert 'reidr_http_requests_total{method="POST",path="/v1/searches",status="429"} 1.0' in metrics
        assert "reidr_gallery_crops 68.0" in metrics


def test_a_stopping_service_refuses_and_another_process_goes_on_with_the_search(tmp_path: Path) -> None:
    with site(tmp_path / "shared") as first:
        found = first.search()
        records = open_records(tmp_path / "shared")
        # What a second process would read: everything about the search is among the records.
        assert records.get("search", found["search_token"]) is not None
        assert len(records.rows(LOG)) == 1
        records.close()
        first.service.stop()
        answer = first.client.get("/healthz")
        assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)


def test_times_are_written_and_read_alike() -> None:
    for text in ("1970-01-01T00:00:00.000Z", "2026-11-30T08:15:00.250Z", "9997-12-31T23:59:59.000Z"):
        assert written(moment(text)) == text
    assert moment("2026-11-30T09:15:00+01:00") == moment("2026-11-30t08:15:00z")
    for wrong in ("2026-11-30T09:15:00", "yesterday", "0001-01-01T00:00:00+14:00", 5, None, "9999-06-01T00:00:00Z"):
        with pytest.raises(ValueError, match="time"):
            moment(wrong)
    assert written(1e18).startswith("9998")


def test_a_case_is_exported_as_one_file(open_site: Site) -> None:
    found = open_site.search(max_matches=3)
    said = {"case": found["case"], "track": found["appearances"][0]["id"], "decision": "same", "by": "Ada"}
    assert open_site.client.post("/v1/decisions", json=said).status_code == 200
    for form, begins in (
        ("html", b"<!doctype html>"),
        ("csv", b""),
        ("json", b"{"),
        ("coco", b"PK"),
        ("fiftyone", b"PK"),
    ):
        answer = open_site.client.get(f"/v1/cases/{found['case']}/export", params={"format": form})
        assert answer.status_code == 200
        assert answer.content.lower().startswith(begins.lower())
        assert found["case"] in answer.headers["content-disposition"]
        assert answer.headers["content-type"].split(";")[0] == MEDIA_TYPES[form].split(";")[0]  # type: ignore[index]
        if begins == b"PK":
            names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
            assert f"{found['case']}/labels.json" in names
    assert open_site.client.get("/v1/cases/none/export").status_code == 404
    assert open_site.client.get(f"/v1/cases/{found['case']}/export?format=exe").status_code == 422
    assert [row["entry"]["action"] for row in open_site.client.get("/v1/audit").json()["rows"]].count("export") == 5
    listed = open_site.client.get("/v1/cases").json()["cases"]
    assert [case["id"] for case in listed] == [found["case"]]
