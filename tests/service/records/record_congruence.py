"""The same random operations on any record store and on the naive one give the same answers."""

from __future__ import annotations

import random

from reidr.errors import ConflictError
from reidr.service.records.records import Json, RecordStore

KINDS = ("key", "case", "Fall")
KEYS = ("a", "B", "b", "ä", "Ω", "10", "9", "with space", "🙂", "a/b")


def step(store: RecordStore, rng: random.Random) -> object:
    """One operation, chosen and filled in by the random numbers; its answer, or the class of its error."""
    kind, key, log = rng.choice(KINDS), rng.choice(KEYS), rng.choice(("audit", "other"))
    value: Json = {"n": rng.randint(0, 9), "text": rng.choice(["", "Grüße", "\0\ud800", "🙂"]), "list": [None, 1.5]}
    operation = rng.choice(["put", "put", "careful", "get", "kind", "kinds", "remove", "append", "rows"])
    limit = rng.randint(1, 5)
    try:
        if operation == "put":
            return store.put(kind, key, value)
        if operation == "careful":
            return store.put(kind, key, value, version=rng.randint(0, 3))
        if operation == "get":
            return store.get(kind, key)
        if operation == "kind":
            return store.of_kind(kind, after=rng.choice([None, key]), limit=limit)
        if operation == "kinds":
            return store.kinds()
        if operation == "remove":
            return store.remove(kind, key)
        if operation == "append":
            return store.append(
                log,
                lambda last: (
                    {"after": None if last is None else last.value, "own": value["n"]}
                    if last is None
                    else {"after": last.number, "own": value}
                ),
            )
        return store.rows(log, after=rng.randint(0, 5), limit=limit)
    except ConflictError:
        return ConflictError


def compare(store: RecordStore, naive: RecordStore, *, seed: int, steps: int) -> None:
    """Raise AssertionError at the first operation that two stores answer otherwise."""
    ours, theirs = random.Random(seed), random.Random(seed)
    for number in range(steps):
        assert step(store, ours) == step(naive, theirs), f"operation {number} of seed {seed}"
