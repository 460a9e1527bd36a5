"""Webhooks and MQTT: told once, signed, again after a failure, and never of anybody whom no human searched for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from site_of_tests import build, crop_of

from reidr.errors import DataError
from reidr.service.notifying.delivery import TRIES, deliver
from reidr.service.notifying.targets import Target, add_target, remove_target, targets
from reidr.service.records.records import RecordStore
from reidr.service.security.erasure.erasing import erase
from reidr.service.security.erasure.receipts import Erasure
from reidr.service.store.records import CropFilter

FUTURE = 1e11


class Webhook:
    """A server that keeps what it is sent and answers with the statuses it is given, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 204)
                self.send_header("location", "http://elsewhere.example/")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def webhook(start: Callable[[Any], Any]) -> Callable[..., Webhook]:
    def make(*statuses: int) -> Webhook:
        made = Webhook(*statuses)
        start(made.server)
        return made

    return make


def decide(records: RecordStore, number: int, track: str, decided: str, case: str = "lost-child") -> None:
    """A decision as `service.finding.cases.decide` keeps one."""
    value = {"track": track, "decided": decided, "by": "Ines", "time": FUTURE, "p_same": 0.9, "crops": []}
    records.put("decision", f"{case}/{number:06}", value)


def answered(records: RecordStore, likelihoods: dict[str, float], case: str = "lost-child") -> None:
    """A case with an answer, as `keep_answer` keeps one."""
    tracks = [{"track": name, "p_same": value, "decided": "undecided"} for name, value in likelihoods.items()]
    records.put("case", case, {"request": {}, "answer": {"created": FUTURE, "appearances": [{"tracks": tracks}]}})


def test_a_confirmed_match_is_told_once_signed_and_without_a_picture(tmp_path: Path, webhook: Any) -> None:
    store, records, _ = build(tmp_path, 12)
    hook = webhook()
    target = add_target(records, "frigate", hook.address, by="Otto")
    decide(records, 1, "t001", "same")
    decide(records, 2, "t002", "different")
    assert deliver(store, records).sent == 1
    assert deliver(store, records).sent == 0
    ((headers, body),) = hook.got
    message = json.loads(body)
    assert message["type"] == "match.confirmed"
    assert message["data"] == {
        "case": "lost-child", "track": "t001", "camera": "south", "start": 60.0, "end": 90.0, "probability": 0.9,
        "confirmed_by": "Ines",
    }  # fmt: skip
    key = base64.b64decode(target.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert message["id"] == headers["webhook-id"]
    assert [row.value["action"] for row in records.rows("audit")] == ["notify"]


def test_matches_of_a_search_are_told_from_the_wanted_probability_on(tmp_path: Path, webhook: Any) -> None:
    store, records, crops = build(tmp_path, 12)
    all_of_them, confirmed_alone = webhook(), webhook()
    add_target(records, "all", all_of_them.address, by="Otto", found_above=0.8, pictures=True)
    add_target(records, "few", confirmed_alone.address, by="Otto")
    answered(records, {"t000": 0.79, "t001": 0.8, "t002": 0.95})
    assert deliver(store, records).sent == 2
    answered(records, {"t001": 0.85, "t002": 0.9})  # searched once more: no news
    assert deliver(store, records).sent == 0
    told = [json.loads(body)["data"] for _, body in all_of_them.got]
    assert sorted(data["track"] for data in told) == ["t001", "t002"]
    assert base64.b64decode(told[0]["picture"]) == crops[3].picture
    assert confirmed_alone.got == []


def test_nobody_is_told_of_people_for_whom_no_human_searched(tmp_path: Path, webhook: Any) -> None:
    store, records, _ = build(tmp_path, 12)
    hook = webhook()
    add_target(records, "all", hook.address, by="Otto", found_above=0.01)
    answered(records, {"t000": 0.9})
    assert deliver(store, records).sent == 1
    store.add([crop_of(100, id="new", track="new")])  # somebody new comes by: no search, no message
    assert deliver(store, records).sent == 0


def test_a_failure_is_tried_again_later_and_later_and_then_given_up(tmp_path: Path, webhook: Any) -> None:
    store, records, _ = build(tmp_path, 12)
    hook = webhook(*[503] * TRIES)
    add_target(records, "a", hook.address, by="Otto")
    decide(records, 1, "t001", "same")
    moment, pauses = FUTURE, []
    while not deliver(store, records, now=moment).given_up:
        (record,) = records.of_kind("notification")
        pauses.append(record.value["due"] - moment)
        assert deliver(store, records, now=record.value["due"] - 0.1).waiting == 1
        moment = record.value["due"]
    assert pauses[:4] == [5, 10, 20, 40]
    assert len(hook.got) == TRIES
    assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1
    assert deliver(store, records, now=moment * 2).given_up == 0


@pytest.mark.parametrize(("status", "given_up"), [(404, 1), (401, 1), (302, 1), (429, 0), (500, 0)])
def test_what_can_never_work_is_given_up_at_once_and_no_redirect_is_followed(
    tmp_path: Path, webhook: Any, status: int, given_up: int
) -> None:
    store, records, _ = build(tmp_path, 6)
    hook = webhook(status)
    add_target(records, "a", hook.address, by="Otto")
    decide(records, 1, "t001", "same")
    done = deliver(store, records)
    assert (done.given_up, done.waiting) == (given_up, 1 - given_up)
    assert len(hook.got) == 1


def test_nobody_at_the_address_is_tried_again(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path, 6)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    add_target(records, "a", f"http://127.0.0.1:{port}/", by="Otto")
    add_target(records, "b", f"mqtt://127.0.0.1:{port}/topic", by="Otto")
    decide(records, 1, "t001", "same")
    assert deliver(store, records).waiting == 2
    assert "not reached" in records.of_kind("notification")[0].value["error"]


def test_what_was_erased_is_told_no_more(tmp_path: Path, webhook: Any) -> None:
    store, records, _ = build(tmp_path, 12)
    hook = webhook()
    add_target(records, "a", hook.address, by="Otto", found_above=0.5)
    answered(records, {"t001": 0.9})
    erase(store, records, Erasure(CropFilter(tracks=frozenset({"t001"})), "Ines", about_person=False))
    assert deliver(store, records).sent == 0
    decide(records, 1, "t001", "same")  # decided in the same moment
    assert deliver(store, records).sent == 0
    assert hook.got == []


class Broker:
    """As much of MQTT 3.1.1 as a publisher of quality 1 needs: CONNECT, PUBLISH, DISCONNECT."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.got: list[tuple[str, bytes]] = []
        self.users: list[bytes] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rb") as stream:
            while head := stream.read(1):
                length, shift = 0, 0
                while True:
                    (part,) = stream.read(1)
                    length |= (part & 127) << shift
                    shift += 7
                    if part < 128:
                        break
                body = stream.read(length)
                kind = head[0] >> 4
                if kind == 1:
                    self.users.append(body)
                    connection.sendall(b"\x20\x02\x00\x00")
                elif kind == 3:
                    size = int.from_bytes(body[:2], "big")
                    self.got.append((body[2 : 2 + size].decode(), body[4 + size :]))
                    connection.sendall(b"\x40\x02" + body[2 + size : 4 + size])
                elif kind == 14:
                    return


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.thread.join(10)
    made.socket.close()


def test_a_broker_gets_the_message_on_the_topic(tmp_path: Path, broker: Broker) -> None:
    pytest.importorskip("paho.mqtt", reason="needs the extra 'mqtt'")
    store, records, _ = build(tmp_path, 12)
    port = broker.socket.getsockname()[1]
    target = add_target(records, "m", f"mqtt://me:p%40ss@127.0.0.1:{port}/site/matches", by="Otto")
    assert "p%40ss" not in target.place
    decide(records, 1, "t001", "same")
    assert deliver(store, records).sent == 1
    ((topic, body),) = broker.got
    assert topic == "site/matches"
    assert json.loads(body)["data"]["track"] == "t001"
    assert b"p@ss" in broker.users[0]


@pytest.mark.parametrize(
    ("name", "address", "above", "why"),
    [
        ("a b", "https://x/", None, "a name has"),
        ("a", "ftp://x/y", None, "give https"),
        ("a", "https:///x", None, "give https"),
        ("a", "mqtt://x", None, "name the topic"),
        ("a", "mqtt://x/#", None, "name the topic"),
        ("a", "mqtt://x/a/+/b", None, "topic"),
        ("a", "https://x/", 1.5, "at most 1"),
        ("taken", "https://x/", None, "already"),
    ],
)
def test_what_is_no_target_is_said(tmp_path: Path, name: str, address: str, above: float | None, why: str) -> None:
    _, records, _ = build(tmp_path, 3)
    add_target(records, "taken", "https://x/", by="Otto")
    with pytest.raises(DataError, match=why):
        add_target(records, name, address, by="Otto", found_above=above)
    assert [target.name for target in targets(records)] == ["taken"]
    remove_target(records, "taken")
    with pytest.raises(DataError, match="there are: none"):
        remove_target(records, "taken")
    assert isinstance(add_target(records, "taken", "https://x/", by="Otto"), Target)
