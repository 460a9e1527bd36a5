"""A request that is sent again with its key is done once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gallery_of_people import gallery

from reidr.service.api.admission.idempotency import (
    KEPT_SECONDS,
    STALE_SECONDS,
    Claim,
    Replay,
    abandon,
    claim,
    digest_of,
    finish,
    forget_old,
)
from reidr.service.api.housekeeping import keep_house
from reidr.service.http.errors import RequestError
from reidr.service.records.opening import open_records
from reidr.service.records.records import RecordStore
from reidr.service.security.retention import set_retention
from reidr.service.store.records import CropFilter


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordStore]:
    store = open_records(tmp_path)
    yield store
    store.close()


def test_what_was_answered_is_answered_again_and_to_nobody_else(records: RecordStore) -> None:
    taken = claim(records, "ada", "k", "asked")
    assert isinstance(taken, Claim)
    finish(records, taken, 201, {"added": 3})
    assert claim(records, "ada", "k", "asked") == Replay(201, {"added": 3})
    other = claim(records, "bob", "k", "asked")  # keys are each caller's own
    assert isinstance(other, Claim)
    assert other.operation != taken.operation


def test_one_key_is_one_request(records: RecordStore) -> None:
    taken = claim(records, "ada", "k", "asked")
    assert isinstance(taken, Claim)
    with pytest.raises(RequestError) as under_way:
        claim(records, "ada", "k", "asked")
    with pytest.raises(RequestError) as another:
        claim(records, "ada", "k", "something else")
    assert (under_way.value.status, another.value.status) == (409, 422)
    abandon(records, taken)  # it was refused: the key is free again
    assert isinstance(claim(records, "ada", "k", "something else"), Claim)


def test_a_key_whose_process_died_is_taken_over_and_an_old_one_forgotten(records: RecordStore) -> None:
    first = claim(records, "ada", "k", "asked", now=1000.0)
    assert isinstance(first, Claim)
    with pytest.raises(RequestError):
        claim(records, "ada", "k", "asked", now=1000.0 + STALE_SECONDS - 1)
    second = claim(records, "ada", "k", "asked", now=1000.0 + STALE_SECONDS + 1)
    assert isinstance(second, Claim)
    assert second.operation == first.operation  # the stores know by it what was done already
    finish(records, second, 200, {})
    assert forget_old(records) == 0
    records.put(
        "request", second.operation, {"digest": "asked", "time": 1.0, "state": "done", "status": 200, "answer": {}}
    )
    assert isinstance(claim(records, "ada", "k", "another", now=2.0 + KEPT_SECONDS), Claim)
    assert forget_old(records, now=4.0 + 2 * KEPT_SECONDS) == 1
    assert records.get("request", second.operation) is None


def test_of_many_at_once_one_gets_the_key(records: RecordStore) -> None:
    def take(_: int) -> int:
        try:
            claim(records, "ada", "k", "asked")
        except RequestError as error:
            return error.status
        return 0

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(take, range(24))) == [0, *[409] * 23]


def test_no_two_lists_of_parts_have_one_digest() -> None:
    assert len({digest_of("a", "bc"), digest_of("ab", "c"), digest_of("abc"), digest_of("a", "b", "c")}) == 4


def test_of_several_processes_one_does_the_day_s_work(records: RecordStore, tmp_path: Path) -> None:
    store = gallery(tmp_path / "gallery")
    try:
        set_retention(records, "door", 30.0, "Ada")
        records.put("request", "old", {"digest": "x", "time": 1.0, "state": "begun"})
        now = 40 * 86_400.0
        assert [keep_house(store, records, now) for _ in range(3)] == [True, False, False]
        assert records.get("request", "old") is None
        assert store.count(CropFilter(cameras=frozenset({"door"}))) == 0
        assert store.count() > 0  # other cameras have no rule
        assert [keep_house(store, records, now + 86_401) for _ in range(3)] == [True, False, False]
    finally:
        store.close()
