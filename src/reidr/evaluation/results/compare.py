"""Differences between the results of several runs on the same queries: paired, over persons, with Holm's correction."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import group_numbers, real_array, real_number, whole_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.names import COMPARED
from reidr.evaluation.metrics.statistics import paired_bootstrap
from reidr.evaluation.results.schema import EvaluationResult, RowValues

DRAWS = 10_000


@dataclass(frozen=True)
class Contestant:
    """One row of one result file, and what it is called in the comparison."""

    name: str
    result: EvaluationResult
    row: str

    @property
    def key(self) -> tuple[str, str]:
        """File, however its path is spelled, and row."""
        return os.path.realpath(self.name.rpartition("#")[0] or self.name), self.row

    @property
    def values(self) -> RowValues:
        """Its values of each query."""
        return self.result.per_query.rows[self.row]


@dataclass(frozen=True)
class Difference:
    """`second` less `first` in one metric, over the same queries.

    Attributes:
        mean: of the differences, a share of 1. low, high: its interval, persons resampled. level: of the interval.
        p: of a randomisation test, persons' signs flipped. p_holm: the same, corrected for all tests of the comparison.
        queries: number behind it. persons: number of persons they show.
    """

    first: str
    second: str
    metric: str
    mean: float
    low: float
    high: float
    level: float
    p: float
    p_holm: float
    queries: int
    persons: int


def contestant(name: str, result: EvaluationResult, row: str | None = None) -> Contestant:
    """The row called `row`, or the first of the role `row`; None: the first reasoner's, else the retriever's.

    Raises ReIDError listing the rows that have values of each query.
    """
    known = result.per_query.rows
    if row is not None and row in known:
        return Contestant(name, result, row)
    wanted = ("reasoner", "retriever") if row is None else (row,)
    for role in wanted:
        found = next((each.name for each in result.rows if each.role == role and each.name in known), None)
        if found is not None:
            return Contestant(name, result, found)
    what = "no row of a reasoner or a retriever" if row is None else f"no row or role {row!r}"
    raise ReIDError(f"{name}: {what}; its rows are: {', '.join(known) or 'none'}")


def compare(
    contestants: Sequence[Contestant],
    *,
    metrics: Sequence[str] = tuple(COMPARED),
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> list[Difference]:
    """Every pair of contestants in every metric, `second` less `first`.

    The interval is the percentile bootstrap over persons, the p-value that of the randomisation test (Smucker, Allan
    and Carterette 2007) with one sign for all queries of a person, and Holm's step-down correction (1979) goes over
    all tests together.

    Raises ReIDError for fewer than two contestants, runs that are not of the same queries, gallery or rule, queries of
    one person alone, unknown metrics, and draws, level or seed out of range.
    """
    if len(contestants) < 2:
        raise ReIDError("compare: needs at least two results")
    draws, seed = whole_number(draws, "draws", least=1), whole_number(seed, "seed", least=0)
    real_number(level, "level", least=0.0, most=1.0, inside=True)
    metrics = tuple(dict.fromkeys(metrics))  # a metric named twice is one test, also for Holm's correction
    unknown = [metric for metric in metrics if metric not in COMPARED]
    if unknown or not metrics:
        raise ReIDError(f"compare: metric {unknown[0] if unknown else 'none'!r}; there are {', '.join(COMPARED)}")
    repeated = [each.name for place, each in enumerate(contestants) if each.key in [c.key for c in contestants[:place]]]
    if repeated:
        raise ReIDError(f"compare: {repeated[0]} names a row that is named before; it cannot differ from itself")
    for other in contestants[1:]:
        check_comparable(contestants[0], other)
    tables = [aligned(each, contestants[0]) for each in contestants]
    persons = _persons(contestants[0])
    number = group_numbers(persons, "persons")[1]
    if number < 2:
        raise ReIDError(
            f"compare: all {len(persons)} queries with a match show one person; how much of a difference is chance can "
            "be said from two persons on"
        )
    tests = []
    for first, second in combinations(range(len(contestants)), 2):
        for metric in metrics:
            values = tables[first][metric], tables[second][metric]
            low, high = paired_bootstrap(values[1], values[0], groups=persons, draws=draws, level=level, seed=seed)
            p = randomisation_test(values[1] - values[0], persons, draws=draws, seed=seed)
            mean = float((values[1] - values[0]).mean())
            tests.append((contestants[first].name, contestants[second].name, metric, mean, low, high, p))
    corrected = holm([test[-1] for test in tests])
    return [
        Difference(*test[:6], level, test[6], adjusted, len(persons), number)
        for test, adjusted in zip(tests, corrected, strict=True)
    ]


def check_comparable(first: Contestant, other: Contestant) -> None:
    """Raises ReIDError unless both were measured on the same queries and gallery by the same rule."""
    ours, theirs = first.result, other.result
    for what, one, two in (
        ("protocol", ours.protocol, theirs.protocol),
        ("average precision", ours.average_precision, theirs.average_precision),
        ("ties", ours.ties, theirs.ties),
        ("number of draws", ours.trials, theirs.trials),
    ):
        if one != two:
            raise ReIDError(
                f"{first.name} and {other.name} do not compare: {what} is {one} in one and {two} in the other"
            )
    mine, yours = set(ours.per_query.ids), set(theirs.per_query.ids)
    if mine != yours:
        raise ReIDError(
            f"{first.name} and {other.name} do not compare: {len(mine - yours):,} of {len(mine):,} queries are only in "
            f"the first, {len(yours - mine):,} of {len(yours):,} only in the second"
        )
    facts = [
        {query: facts for query, *facts in zip(part.ids, part.persons, part.matches, strict=True)}
        for part in (ours.per_query, theirs.per_query)
    ]
    differing = [query for query in facts[0] if facts[0][query] != facts[1][query]]
    if differing:
        raise ReIDError(
            f"{first.name} and {other.name} do not compare: {len(differing):,} of {len(mine):,} queries have another "
            f"person or another number of matches, such as {differing[0]}"
        )
    if ours.gallery != theirs.gallery:
        raise ReIDError(
            f"{first.name} and {other.name} do not compare: galleries of {ours.gallery:,} and {theirs.gallery:,} crops"
        )


def aligned(each: Contestant, base: Contestant) -> dict[str, NDArray[np.float64]]:
    """By metric the values of the queries with a match, in the order of `base`.

    Raises ReIDError where no query has a match, or a value is missing.
    """
    place = {query: row for row, query in enumerate(each.result.per_query.ids)}
    part = base.result.per_query
    rows = [place[query] for query, matches in zip(part.ids, part.matches, strict=True) if matches]
    if not rows:
        raise ReIDError(f"{each.name}: no query has a match; there is nothing to compare")
    found = {}
    values_of = each.values.model_dump()
    for key, metric in COMPARED.items():
        values = values_of[metric.field]
        chosen = [values[row] for row in rows]
        if None in chosen:
            raise ReIDError(f"{each.name}: row {each.row!r} lacks the {key} of query {part.ids[chosen.index(None)]}")
        found[key] = np.array(chosen, dtype=np.float64)
    return found


def randomisation_test(differences: ArrayLike, groups: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided p-value of a mean of paired differences (N,) being 0, the signs flipped by group (N,).

    Under the null hypothesis the two runs could be exchanged for every person. All sign patterns are taken where they
    are no more than `draws`; else as many random ones, of which (hits + 1) / (draws + 1) is never 0.
    Raises ReIDError as `paired_bootstrap`.
    """
    values = real_array(differences, "differences", (None,))
    draws, seed = whole_number(draws, "draws", least=1), whole_number(seed, "seed", least=0)
    place, number = group_numbers(groups, "groups", len(values))
    if not number:
        raise ReIDError("differences: there is none to test")
    sums = np.bincount(place, weights=values, minlength=number)
    sums = sums[sums != 0]
    observed = abs(sums.sum())
    spare = 1e-12 * np.abs(sums).sum()  # sums of the same numbers in another order are equal but for rounding
    if len(sums) < 60 and 2 ** len(sums) <= draws:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((1.0 - 2.0 * patterns) @ sums) >= observed - spare).mean())
    random = np.random.default_rng(seed)
    hits = 0
    for start in range(0, draws, 200):
        signs = random.integers(0, 2, (min(200, draws - start), len(sums))) * 2.0 - 1.0
        hits += int((np.abs(signs @ sums) >= observed - spare).sum())
    return (hits + 1) / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 1979): adjusted p-values, in the given order.

    Raises ReIDError for a value outside [0, 1].
    """
    given = real_array(list(p_values), "p_values", (None,))
    if (given < 0).any() or (given > 1).any():
        raise ReIDError("p_values: each must lie within [0, 1]")
    order = np.argsort(given, kind="stable")
    adjusted = np.empty(len(given))
    scaled = given[order] * np.arange(len(given), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(given) else scaled
    return [float(value) for value in adjusted]


def comparison_document(contestants: Sequence[Contestant], differences: Sequence[Difference]) -> Mapping[str, object]:
    """Plain JSON of a comparison."""
    return {
        "schema": "reidr/comparison/1",
        "results": [
            {"name": each.name, "row": each.row, "dataset": each.result.dataset, "protocol": each.result.protocol}
            for each in contestants
        ],
        "differences": [vars(each) for each in differences],
        "interval": "percentile bootstrap over persons, with all their queries",
        "p": "randomisation test over persons; p_holm: Holm's correction over all tests listed here",
    }


def _persons(base: Contestant) -> list[str]:
    """The persons of the queries with a match; a query without a label stands for itself."""
    part = base.result.per_query
    return [
        f"query {query}" if person is None else f"person {person}"
        for query, person, matches in zip(part.ids, part.persons, part.matches, strict=True)
        if matches
    ]
