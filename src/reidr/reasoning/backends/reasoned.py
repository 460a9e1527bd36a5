"""Scores of pairs by what a profile asks for: the direct score, the reasoned one, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from reidr.errors import ReIDError
from reidr.fusion.ask_policy import entropy
from reidr.fusion.weighted import ScoreKind
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.types import Pair, Progress, Verdict

LEAST = 1e-6  # probabilities nearer to 0 or 1 are taken for these in a mean of log-odds
ORDERS = 2


@dataclass(frozen=True, eq=False)
class ReasonedScores:
    """What rationales say of N pairs.

    Attributes:
        scores: (N,) P(same), the mean over the rationales in both orders; NaN where no rationale can be read.
        by_rationale: (N, rationales) each one's own; NaN for one that cannot be read.
        verdicts: of each pair its rationales, those with the query as person A first; each with what its words alone
            say (`Verdict.words`).
    """

    scores: NDArray[np.float64]
    by_rationale: NDArray[np.float64]
    verdicts: list[tuple[Verdict, ...]]


@dataclass(frozen=True, eq=False)
class PairScores:
    """Scores of N pairs by what was asked for.

    Attributes:
        scores: (N,) the P(same) that counts; NaN for a pair without a score.
        direct, reasoned: (N,) what it was made of; NaN where it was not asked.
        verdicts: of each pair the words with the query as person A; None where none were asked for.
    """

    scores: NDArray[np.float64]
    direct: NDArray[np.float64]
    reasoned: NDArray[np.float64]
    verdicts: list[Verdict | None]


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
    said_alone = [
        tuple(
            replace(each, words=float(value)) if np.isfinite(value) else each
            for each, value in zip(own, values, strict=True)
        )
        for own, values in zip(zip(*columns, strict=True), table, strict=True)
    ]
    return ReasonedScores(means, table, said_alone)


def score_pairs(
    backend: Backend,
    pairs: Sequence[Pair],
    kind: ScoreKind = "direct",
    *,
    least_doubt: float = 0.0,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> PairScores:
    """P(same) of each pair as `kind` says.

    For "both" a pair whose rationales cannot be read keeps its direct score.

    Args:
        least_doubt: for "both", words are asked for where the direct score has at least this entropy in bits (0: about
            every pair); the other pairs keep their direct score.

    Raises ReIDError as `reasoned_scores`.
    """
    unknown = np.full(len(pairs), np.nan)
    silent: list[Verdict | None] = [None] * len(pairs)
    if kind == "direct":
        direct = np.asarray(backend.score(pairs, batch_size=batch_size, progress=progress), dtype=np.float64)
        return PairScores(direct, direct, unknown, silent)
    if kind == "reasoned":
        said = reasoned_scores(backend, pairs, batch_size=batch_size, progress=progress)
        return PairScores(said.scores, unknown, said.scores, [own[0] for own in said.verdicts])
    direct = np.asarray(backend.score(pairs, batch_size=batch_size), dtype=np.float64)
    # A pair without a direct score is in doubt as no other.
    chosen = np.flatnonzero(~np.isfinite(direct) | (entropy(direct) >= least_doubt)).tolist()
    said = reasoned_scores(backend, [pairs[row] for row in chosen], batch_size=batch_size, progress=progress)
    reasoned = unknown.copy()
    reasoned[chosen] = said.scores
    for row, own in zip(chosen, said.verdicts, strict=True):
        silent[row] = own[0]
    return PairScores(mean_log_odds(direct, reasoned), direct, reasoned, silent)


def mean_log_odds(direct: NDArray[np.float64], reasoned: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) P(same) whose log-odds are the mean of both; where one is missing, the other."""
    odds = [logit(np.clip(each, LEAST, 1 - LEAST)) for each in (direct, reasoned)]
    both: NDArray[np.float64] = np.where(np.isfinite(reasoned), expit((odds[0] + odds[1]) / 2), direct)
    return np.where(np.isfinite(direct), both, reasoned)
