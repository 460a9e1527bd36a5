"""Twins of the evaluator as plain loops, written from the definitions alone, and random cases to try them on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, groupby, product

import numpy as np

from reidr.evaluation.metrics.ranking_result import RankingResult

POLICIES = ("pessimistic", "optimistic", "expected")


def average_precision(right: Sequence[bool]) -> float:
    """Mean of the precisions at the right places of a sorted list."""
    total, found = 0.0, 0
    for place, is_right in enumerate(right, start=1):
        if is_right:
            found += 1
            total += found / place
    return total / found


def measure_order(right: Sequence[bool], maximum_rank: int) -> list[float]:
    """AP, first match rank, INP and the hits within rank 1, 2, … of one sorted list."""
    places = [place for place, is_right in enumerate(right, start=1) if is_right]
    hits = [float(places[0] <= rank) for rank in range(1, maximum_rank + 1)]
    return [average_precision(right), places[0], len(places) / places[-1], *hits]


def orders_of_ties(groups: Sequence[tuple[int, int]]) -> list[list[bool]]:
    """Every order, each equally likely, of groups of tied crops given as (right, all)."""
    choices = []
    for right, size in groups:
        choices.append([[i in chosen for i in range(size)] for chosen in combinations(range(size), right)])
    return [[mark for part in parts for mark in part] for parts in product(*choices)]


def measure_row(keys: Sequence[object], right: Sequence[bool], ties: str, maximum_rank: int) -> list[float]:
    """Metrics of one query whose crops have sortable `keys`."""
    marks = sorted(zip(keys, right, strict=True), key=lambda pair: pair[0])
    groups = [[mark for _, mark in group] for _, group in groupby(marks, key=lambda pair: pair[0])]
    if ties == "expected":
        orders = orders_of_ties([(sum(group), len(group)) for group in groups])
        measured = [measure_order(order, maximum_rank) for order in orders]
        return [math.fsum(column) / len(measured) for column in zip(*measured, strict=True)]
    worst_first = ties == "pessimistic"
    order = [mark for group in groups for mark in sorted(group, reverse=not worst_first)]
    return measure_order(order, maximum_rank)


def measure(rows: Sequence[tuple[Sequence[object], Sequence[bool]]], ties: str, maximum_rank: int) -> list[list[float]]:
    """Per query; NaN for one without a match."""
    return [
        measure_row(keys, right, ties, maximum_rank) if any(right) else [math.nan] * (3 + maximum_rank)
        for keys, right in rows
    ]


def list_keys(
    distances: dict[int, float], listed: Sequence[int], list_distances: Sequence[float]
) -> dict[int, tuple[int, float]]:
    """Sort keys of crops when a re-ranked list comes first; `distances` holds only crops that count.

    An unlisted crop exactly as far as the farthest listed one ties with the list's end, if the listed crops are the
    nearest ones.
    """
    own = {item: distance for item, distance in zip(listed, list_distances, strict=True) if item in distances}
    others = [item for item in distances if item not in own]
    keys = {item: (0, distance) for item, distance in own.items()} | {item: (1, distances[item]) for item in others}
    if own and others:
        border = max(distances[item] for item in own)
        if min(distances[item] for item in others) >= border:
            keys |= {item: (0, max(own.values())) for item in others if distances[item] == border}
    return keys


def random_case(seed: int, queries: int = 12, gallery: int = 9, levels: int = 4) -> dict[str, object]:
    """Few persons, cameras and distances, so that ties, junk, ignored crops and missing matches all occur."""
    random = np.random.default_rng(seed)
    persons, cameras, outfits = ["a", "b", "c"], ["1", "2", None], ["red", "blue"]
    return {
        "distances": random.integers(0, levels, (queries, gallery)).astype(np.float32),
        "query_ids": random.choice([*persons, "absent", None], queries).tolist(),
        "gallery_ids": random.choice([*persons, None], gallery).tolist(),
        "query_cameras": random.choice(cameras, queries).tolist(),
        "gallery_cameras": random.choice(cameras, gallery).tolist(),
        "query_outfits": random.choice(outfits, queries).tolist(),
        "gallery_outfits": random.choice(outfits, gallery).tolist(),
        "junk": random.random(gallery) < 0.15,
        "ignored": random.random((queries, gallery)) < 0.1,
        "clothes": [None, "changed", "same"][seed % 3],
    }


def counted(case: dict[str, object], query: int) -> dict[int, bool]:
    """Gallery crops that count for a query, and whether they are right, by the rules one after another."""
    person, camera, outfit = (case[f"query_{what}"][query] for what in ("ids", "cameras", "outfits"))
    result = {}
    for item in range(len(case["gallery_ids"])):
        same_person = person is not None and case["gallery_ids"][item] == person
        if case["junk"][item] or case["ignored"][query, item]:
            continue
        if same_person and camera is not None and case["gallery_cameras"][item] == camera:
            continue
        same_outfit = case["gallery_outfits"][item] == outfit
        if same_person and case["clothes"] == "changed" and same_outfit:
            continue
        if same_person and case["clothes"] == "same" and not same_outfit:
            continue
        result[item] = same_person
    return result


def table(result: RankingResult) -> np.ndarray:
    """(Q, 3 + R): AP, first match rank, INP, hits."""
    return np.column_stack(
        [result.average_precision, result.first_match_rank, result.inverse_negative_penalty, result.hits]
    )


def unit(features: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32."""
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
