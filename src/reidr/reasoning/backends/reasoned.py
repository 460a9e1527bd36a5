"""Scores of pairs by what a profile asks for: the direct score, the reasoned one, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from reidr.errors import ReIDError
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.types import Pair, Progress, Verdict

ScoreKind = Literal["direct", "reasoned", "both"]
"""Where P(same) of a pair comes from: the answer right after the pictures; the answer read from rationales with the
pictures taken away; or the mean log-odds of the two."""
LEAST = 1e-6  # probabilities nearer to 0 or 1 are taken for these in a mean of log-odds
ORDERS = 2


@dataclass(frozen=True, eq=False)
class ReasonedScores:
    """What rationales say of N pairs.

    Attributes:
        scores: (N,) P(same), the mean over the rationales in both orders; NaN where no rationale can be read.
        by_rationale: (N, rationales) each one's own; NaN for one that cannot be read.
        verdicts: of each pair its rationales: those with the query as person A first.
    """

    scores: NDArray[np.float64]
    by_rationale: NDArray[np.float64]
    verdicts: list[tuple[Verdict, ...]]


def reasoned_scores(
    backend: Backend,
    pairs: Sequence[Pair],
    settings: Thinking | None = None,
    *,
    rationales: int = 1,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ReasonedScores:
    """Let `backend` write about each pair in both orders, and read P(same) from the words alone.

    Args:
        settings: of the rationales; greedy by default. rationales: of each order; several need a temperature above 0.

    Raises ReIDError for a back end that cannot (`Capabilities.score_words`), and where several greedy rationales are
    asked for, which would all be the same.
    """
    settings = settings or Thinking()
    if not backend.capabilities.score_words or not backend.capabilities.think:
        raise ReIDError(f"{backend.name} gives no reasoned score: it cannot answer from words without pictures")
    if rationales < 1 or (rationales > 1 and settings.temperature == 0):
        raise ReIDError("rationales: one, or several that are sampled (temperature above 0)")
    columns: list[list[Verdict]] = []
    whole = ORDERS * rationales * len(pairs)
    for number in range(ORDERS * rationales):
        own = [pair.swapped() for pair in pairs] if number >= rationales else list(pairs)
        sampled = replace(settings, seed=settings.seed + 7919 * number)

        def steps(done: int, total: int, before: int = number * len(pairs)) -> None:
            if progress is not None:
                progress(before + done, whole)

        columns.append(backend.think(own, sampled, batch_size=batch_size, progress=steps))
    table = np.full((len(pairs), len(columns)), np.nan)
    places = [(row, column) for column, own in enumerate(columns) for row, each in enumerate(own) if each.parsable]
    words = [columns[column][row].reasoning for row, column in places]
    if words:
        rows, kept = (np.array(each) for each in zip(*places, strict=True))
        table[rows, kept] = backend.score_words(words, batch_size=batch_size)
    said = np.isfinite(table).sum(axis=1)
    means = np.where(said > 0, np.nansum(table, axis=1) / np.maximum(said, 1), np.nan)
    return ReasonedScores(means, table, [tuple(each) for each in zip(*columns, strict=True)])


def pair_scores(
    backend: Backend,
    pairs: Sequence[Pair],
    kind: ScoreKind = "direct",
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """P(same) of each pair, (N,), as `kind` says; NaN for a pair without a score.

    For "both" a pair whose rationales cannot be read keeps its direct score. Raises ReIDError as `reasoned_scores`.
    """
    if kind == "direct":
        return backend.score(pairs, batch_size=batch_size, progress=progress)
    reasoned = reasoned_scores(backend, pairs, batch_size=batch_size, progress=progress).scores
    return reasoned if kind == "reasoned" else mean_log_odds(backend.score(pairs, batch_size=batch_size), reasoned)


def mean_log_odds(direct: NDArray[np.float64], reasoned: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) P(same) whose log-odds are the mean of both; where there is no reasoned score, the direct one."""
    odds = [logit(np.clip(each, LEAST, 1 - LEAST)) for each in (direct, reasoned)]
    both: NDArray[np.float64] = np.where(np.isfinite(reasoned), expit((odds[0] + odds[1]) / 2), direct)
    return both
