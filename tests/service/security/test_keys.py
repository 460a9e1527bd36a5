"""Keys: shown once, hashed at rest, with roles, an expiry and an end."""

from __future__ import annotations

import hmac
import time
from pathlib import Path

import pytest
from naive_records import NaiveRecords

from reidr.errors import DataError, ReIDError
from reidr.service.records.opening import open_records
from reidr.service.security import keys as module
from reidr.service.security.binding import check_binding, is_loopback
from reidr.service.security.keys import ROLES, add_key, has_keys, keys, known_key, revoke_key


def test_a_key_opens_what_its_roles_say_and_its_text_is_kept_nowhere(tmp_path: Path) -> None:
    records = open_records(tmp_path)
    key, text = add_key(records, "Ines", ["decide", "search"])
    found = known_key(records, text)
    assert found == key
    assert found is not None
    assert (found.holder, found.roles) == ("Ines", ("search", "decide"))
    records.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    secret = text.rpartition("_")[2]
    assert len(bytes.fromhex(secret)) == 32
    assert secret.encode() not in content
    assert b"Ines" in content  # so the search above would have found it


def test_no_other_text_opens_anything() -> None:
    records = NaiveRecords()
    _, text = add_key(records, "a", ROLES)
    _, other = add_key(records, "b", ["search"])
    wrong = [
        "", "reidr", text[:-1], text + "0", text.upper(), text.replace("_", "-"), "ä" + text[1:], "x" * 10_000,
        text[:19] + other[19:], "reidr_000000000000_" + "0" * 64, text[:-1] + ("0" if text[-1] != "0" else "1"),
    ]  # fmt: skip
    assert [known_key(records, each) for each in wrong] == [None] * len(wrong)
    assert known_key(records, f" {text}\n") is not None


def test_revoked_and_expired_keys_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    records = NaiveRecords()
    first, text = add_key(records, "a", ["search"])
    _, short = add_key(records, "b", ["search"], expires=time.time() + 60)
    assert known_key(records, short) is not None
    assert revoke_key(records, first.id).revoked is not None
    assert known_key(records, text) is None
    assert has_keys(records)
    later = time.time() + 61
    monkeypatch.setattr(module.time, "time", lambda: later)
    assert known_key(records, short) is None
    assert not has_keys(records)
    assert [key.holder for key in keys(records)] == ["a", "b"]


def test_known_and_unknown_keys_are_both_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    records = NaiveRecords()
    _, text = add_key(records, "a", ["search"])
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b)
    assert known_key(records, text)
    for wrong in ("", "reidr_000000000000_" + "0" * 64):
        assert known_key(records, wrong) is None
    assert compared == [(64, 64)] * 3


@pytest.mark.parametrize(
    ("holder", "roles", "expires", "why"),
    [("", ["search"], None, "name"), ("a", ["king"], None, "king: no such role"), ("a", [], None, "at least one"),
     ("a", ["search"], 1.0, "expired already")],
)  # fmt: skip
def test_what_makes_no_key_is_said(holder: str, roles: list[str], expires: float | None, why: str) -> None:
    with pytest.raises(DataError, match=why):
        add_key(NaiveRecords(), holder, roles, expires=expires)


def test_revoking_what_is_not_there_names_what_is() -> None:
    records = NaiveRecords()
    with pytest.raises(DataError, match="there is none"):
        revoke_key(records, "abc")
    key, _ = add_key(records, "a", ["search"])
    with pytest.raises(DataError, match=key.id):
        revoke_key(records, "abc")


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("::ffff:127.0.0.1", True), ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("example.org", False),
     ("localhost.example.org", False), ("", False)],
)  # fmt: skip
def test_others_are_let_in_only_with_keys(host: str, own: bool) -> None:
    assert is_loopback(host) is own
    if own:
        assert check_binding(host, has_keys=False) == []
        return
    with pytest.raises(ReIDError, match="reidr keys add") as refused:
        check_binding(host, has_keys=False)
    assert "TLS" in str(refused.value)
    assert "TLS" in check_binding(host, has_keys=True)[0]
    assert check_binding(host, has_keys=True, tls=True) == []
