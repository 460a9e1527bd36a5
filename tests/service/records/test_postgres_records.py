"""Records in a real PostgreSQL: the answers of the naive store, several processes, a lost connection."""

from __future__ import annotations

import multiprocessing

import pytest
from naive_records import NaiveRecords
from record_congruence import compare

from reidr.errors import ConflictError, ReIDError
from reidr.service.records.opening import open_records
from reidr.service.records.postgres import PostgresRecords

pytestmark = pytest.mark.whole


@pytest.fixture
def address(postgres: str) -> str:
    """The address of a database without our tables."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS reidr CASCADE")
        connection.execute("DROP SCHEMA IF EXISTS reidr_other CASCADE")
    return postgres


def test_postgres_answers_as_the_naive_store_does(address: str) -> None:
    compare(open_records(address), NaiveRecords(), seed=1, steps=1000)


def add_rows(address: str, number: int) -> None:
    store = open_records(address)
    for _ in range(number):
        store.append("audit", lambda last: {"before": last.number if last else 0})
        while True:
            found = store.get("count", "one")
            value, version = ({"n": found.value["n"] + 1}, found.version) if found else ({"n": 1}, 0)
            try:
                store.put("count", "one", value, version=version)
                break
            except ConflictError:
                continue


def test_several_processes_lose_nothing_of_each_other_in_postgres(address: str) -> None:
    """They also make the tables at the same time."""
    children = [multiprocessing.get_context("spawn").Process(target=add_rows, args=(address, 20)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(100)
        assert child.exitcode == 0
    store = open_records(address)
    assert [row.value["before"] for row in store.rows("audit")] == list(range(60))
    assert store.get("count", "one").value == {"n": 60}  # type: ignore[union-attr]


def test_a_log_only_grows_in_postgres_and_a_purge_rewrites_the_records(address: str) -> None:
    import psycopg

    store = PostgresRecords(address)
    store.append("audit", lambda _: {"n": 1})
    store.put("case", "a", {})
    with psycopg.connect(address, autocommit=True) as other:
        for statement in ("DELETE FROM reidr.logs", "UPDATE reidr.logs SET number = 2", "TRUNCATE reidr.logs"):
            with pytest.raises(psycopg.Error, match="only grows"):
                other.execute(statement)
        place = "SELECT pg_relation_filepath('reidr.records')"
        before = other.execute(place).fetchone()
        assert store.remove("case", "a")
        store.purge()
        assert other.execute(place).fetchone() != before


def test_galleries_of_one_database_have_records_of_their_own(address: str) -> None:
    first, other = open_records(address), open_records(f"{address}{'&' if '?' in address else '?'}gallery=other")
    first.put("case", "a", {"n": 1})
    assert other.get("case", "a") is None
    other.append("audit", lambda last: {})
    assert first.rows("audit") == []


def test_a_lost_connection_is_said_and_made_again(address: str) -> None:
    import psycopg

    store = PostgresRecords(address)
    store.put("case", "a", {"n": 1})
    with psycopg.connect(address, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reidr' AND state = 'idle'"
        )
    with pytest.raises(ReIDError, match="cannot be used"):
        store.get("case", "a")
    assert store.get("case", "a").value == {"n": 1}  # type: ignore[union-attr]


def test_tables_of_another_version_and_a_server_that_is_not_there_are_refused(address: str) -> None:
    import psycopg

    open_records(address).close()
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("UPDATE reidr.records_schema SET version = 9")
    with pytest.raises(ReIDError, match="of version 9, not 1"):
        open_records(address)
    with pytest.raises(ReIDError, match=r"nobody@127\.0\.0\.1:1/x: the record store cannot be used"):
        open_records("postgresql://nobody:secret@127.0.0.1:1/x")
