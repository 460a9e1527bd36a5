"""Does the score that is read from the words follow the words? Each claim is turned round, and the score read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.explanations.reasons_tested import EditedClaims, Estimate, estimate
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.rationales.edits import Edit, edits_of
from reidr.reasoning.types import Verdict

BATCH = 64


Scores = list[tuple[Edit, float]]
"""Edits of one rationale, each with the movement of the score in the direction that the edit says."""


def edited_scores(
    reasoner: Backend, verdicts: Sequence[Verdict], advance: Callable[[float], Any] | None = None
) -> list[Scores]:
    """For each verdict its edits and how each moves the score that is read from the words; none for one unreadable."""
    edits = [edits_of(verdict.reasoning) if verdict.parsable else () for verdict in verdicts]
    texts = [text for verdict, own in zip(verdicts, edits, strict=True) if own for text in all_of(verdict, own)]
    scores: list[float] = []
    for start in range(0, len(texts), BATCH):
        scores += reasoner.score_words(texts[start : start + BATCH], batch_size=BATCH).tolist()
        if advance is not None:
            advance(len(verdicts) * len(texts[start : start + BATCH]) / len(texts))
    if advance is not None and not texts:
        advance(len(verdicts))
    left = iter(scores)
    found: list[Scores] = []
    for own in edits:
        before = next(left) if own else 0.0
        found.append([(edit, (next(left) - before) * (1 if edit.towards == "same" else -1)) for edit in own])
    return found


def all_of(verdict: Verdict, edits: Sequence[Edit]) -> list[str]:
    """The text as it was written, then its edits."""
    return [verdict.reasoning, *(edit.reasoning for edit in edits)]


def edited_claims(scored: Sequence[Scores], groups: NDArray[np.int64], seed: int) -> EditedClaims | None:
    """The edits of all rationales summed up, with intervals over `groups`, (N,); None where there are none."""
    flat = [(row, edit.towards, moved) for row, own in enumerate(scored) for edit, moved in own]
    if not flat:
        return None

    def share(rows: Sequence[tuple[int, str, float]]) -> Estimate | None:
        if not rows:
            return None
        return estimate([moved > 0 for *_, moved in rows], groups[[row for row, *_ in rows]], seed)

    own = groups[[row for row, *_ in flat]]
    return EditedClaims(
        estimate([moved > 0 for *_, moved in flat], own, seed),
        estimate([moved for *_, moved in flat], own, seed),
        share([each for each in flat if each[1] == "different"]),
        share([each for each in flat if each[1] == "same"]),
        len(flat),
    )
