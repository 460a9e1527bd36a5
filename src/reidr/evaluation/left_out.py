"""What took no part in an evaluation: said in the terminal, in the result file and on the page, with its number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reidr.data.types import ReIDDataset
from reidr.evaluation.outcome import Outcome

NAMES_SHOWN = 5  # in a sentence
NAMES_KEPT = 50  # in a file
# Layouts word their notes themselves; what took no part is told by the words that all of them use for it.
ABOUT_LEFT_OUT = re.compile(r"left out|not there|not in |is missing|not used|lie in folders|skipped|do not follow")


@dataclass(frozen=True)
class LeftOut:
    """One kind of thing that took no part.

    Attributes:
        kind: "loader" (seen when the data were read), "unreadable" (pictures) or "no match" (queries).
        text: one sentence. count: how many; None where the loader does not say. names: of the first of them.
    """

    kind: str
    text: str
    count: int | None = None
    names: tuple[str, ...] = ()


def left_out_of(dataset: ReIDDataset, outcomes: Sequence[Outcome]) -> list[LeftOut]:
    """Everything that took no part in the evaluation of `dataset`, in the order in which it was found."""
    first = outcomes[0]
    # What a protocol takes out of a search (a query's own picture) is noted by the trial.
    notes = (*dataset.notes, *getattr(first.trial, "notes", ()))
    found = [_of_note(note) for note in notes if _is_about_left_out(note)]
    problems = list(dict.fromkeys(problem for outcome in outcomes for problem in outcome.problems))
    if problems:
        found.append(LeftOut("unreadable", _some("unusable pictures are left out", problems), len(problems),
                             tuple(problems[:NAMES_KEPT])))  # fmt: skip
    alone = without_match(first)
    if alone:
        words = f"of {len(first.trial.query):,} queries have no match in the gallery and count in no mean"
        words += " (draw 1)" if len(outcomes) > 1 else ""
        found.append(LeftOut("no match", _some(words, alone), len(alone), tuple(alone[:NAMES_KEPT])))
    return found


def warnings_of(dataset: ReIDDataset) -> list[str]:
    """Notes of the loader that change what the numbers mean, though nothing was left out."""
    grave = [note for note in dataset.notes if getattr(note, "level", "info") != "info"]
    return [str(note) for note in grave if not _is_about_left_out(note)]


def without_match(outcome: Outcome) -> list[str]:
    """Ids of the queries that nothing in the gallery answers, in their order."""
    matches = outcome.rows[0].result.matches
    return [query.id for query, number in zip(outcome.trial.query, matches, strict=True) if not number]


def _of_note(note: str) -> LeftOut:
    count = getattr(note, "count", 0) or None
    return LeftOut("loader", str(note), count, tuple(getattr(note, "names", ()))[:NAMES_KEPT])


def _is_about_left_out(note: str) -> bool:
    return ABOUT_LEFT_OUT.search(note) is not None


def _some(words: str, names: Sequence[str]) -> str:
    """The number, the words and the first names, in one sentence."""
    rest = f", and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return f"{len(names):,} {words}: {', '.join(names[:NAMES_SHOWN])}{rest}"
